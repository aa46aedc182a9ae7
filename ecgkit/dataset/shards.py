"""Windows that lie in several files, as one array that is not held in memory."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ecgkit.dataset.stored import Mapped, Rows, StoredWindows, Windows, gather, mapped_file

MOST_MAPPED = 100  # each takes one of the files that a process may have open: 256 on macOS
BLOCK_BYTES = 1 << 22


class ShardedWindows:
    """The windows of a data set in shards: (N, lead, T) float32, mapped from their files, read-only.

    It is indexed as NumPy's arrays are: the first axis by a row number, a slice, row numbers or a mask, the
    others by whole numbers and slices. A window, and windows side by side in one shard, are views of the
    mapped file; all else is copied. ``np.asarray`` copies all of it into memory.

    A shard is mapped when it is used first, and stays so while not too many are. A copy that is sent to
    another process maps the files by itself.

    Attributes
    ----------
    stored
        Where they lie.

    Raises
    ------
    DatasetError
        At any use: a file is gone, or not the one any more that it was.
    """

    __slots__ = ("_edges", "_maps", "shape", "stored")

    ndim = 3
    dtype = np.dtype("<f4")

    def __init__(self, stored: StoredWindows) -> None:
        self.stored = stored
        self.shape = stored.shape
        self._edges = stored.edges
        self._maps: dict[int, Mapped] = {}

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"ShardedWindows(shape={self.shape}, shards={len(self.stored.files)})"

    def __reduce__(self) -> tuple[type[ShardedWindows], tuple[StoredWindows]]:
        """Return what another process needs: where the files are, not what they hold."""
        return ShardedWindows, (self.stored,)

    @property
    def size(self) -> int:
        """Number of all samples."""
        return len(self) * self.shape[1] * self.shape[2]

    @property
    def nbytes(self) -> int:
        """Bytes of all windows."""
        return len(self) * self.stored.window_bytes

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        first, *others = (key if isinstance(key, tuple) else (key,)) or (...,)
        if isinstance(first, EllipsisType):
            first, others = slice(None), [..., *others]
        if not all(isinstance(other, int | np.integer | slice | EllipsisType) for other in others):
            raise IndexError("windows: choose rows first, then by whole numbers and slices on the other axes")
        if isinstance(first, slice):
            return self._side_by_side(first, others)
        if isinstance(first, int | np.integer) and not isinstance(first, bool):
            row = int(_from_0(np.array([first]), len(self))[0])
            shard = int(np.searchsorted(self._edges, row, side="right")) - 1
            window: NDArray[np.float32] = self._map(shard)[(row - self._edges[shard], *others)]
            return window
        taken = self.take(_row_numbers(first, len(self)))
        return taken[(slice(None), *others)]

    def take(self, rows: Rows) -> Windows:
        """Return the windows of some rows, (n, lead, T), each from 0, in the order given."""
        found = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        at_once = max(1, BLOCK_BYTES // self.stored.window_bytes)
        for start in range(0, len(rows), at_once):
            self._gather(rows[start : start + at_once], found[start : start + at_once])
        return found

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Copy all windows into memory."""
        if copy is False:
            raise ValueError("windows in several files can't be one array without a copy")
        whole = np.concatenate([self._map(shard) for shard in range(len(self.stored.files))])
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def _side_by_side(self, rows: slice, others: Sequence[Any]) -> NDArray[np.float32]:
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self.take(np.arange(start, stop, step))[(slice(None), *others)]
        spans = itertools.pairwise(self._edges.tolist())
        pieces = [
            self._map(shard)[(slice(max(start, first) - first, min(stop, last) - first), *others)]
            for shard, (first, last) in enumerate(spans)
            if max(start, first) < min(stop, last)
        ]
        if not pieces:
            return self._map(0)[(slice(0, 0), *others)]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _gather(self, rows: Rows, out: Windows) -> None:
        """Copy windows in any order: one shard after the other, and then into the order asked for."""
        if (rows[1:] >= rows[:-1]).all():
            self._gather_ascending(rows, out)
            return
        order, sorted_windows = np.argsort(rows), np.empty_like(out)
        self._gather_ascending(rows[order], sorted_windows)
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        np.take(sorted_windows, places, axis=0, out=out, mode="clip")

    def _gather_ascending(self, rows: Rows, out: Windows) -> None:
        cuts = itertools.pairwise(np.searchsorted(rows, self._edges).tolist())
        for shard, (start, stop) in enumerate(cuts):
            if start < stop:
                inside = rows[start:stop] - self._edges[shard]
                gather(np.asarray(self._map(shard)), inside, out[start:stop])

    def _map(self, shard: int) -> Mapped:
        found = self._maps.get(shard)
        if found is None:
            if len(self._maps) >= MOST_MAPPED:
                self._maps.pop(next(iter(self._maps)), None)
            found = self._maps[shard] = self.stored.files[shard].map()
        return found


AnyWindows = Windows | ShardedWindows  # what a data set may have


def stored_windows(windows: AnyWindows) -> StoredWindows | None:
    """Return where a data set's windows lie; None for a part of them, and for arrays in memory."""
    if isinstance(windows, ShardedWindows):
        return windows.stored
    file = mapped_file(windows)
    return None if file is None else StoredWindows((file,))


def map_windows(stored: StoredWindows) -> AnyWindows:
    """Map windows from where they lie.

    Raises
    ------
    DatasetError
        A file is gone, or not the one any more that it was.
    """
    return stored.files[0].map() if len(stored.files) == 1 else ShardedWindows(stored)


def _row_numbers(rows: Any, n: int) -> Rows:
    """Return a mask or row numbers as numbers from 0."""
    given = np.asarray(rows)
    if given.dtype == np.bool_ and given.shape == (n,):
        return np.flatnonzero(given)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise IndexError(
            f"windows: rows of shape {given.shape}, {given.dtype}: expected row numbers, or a mask ({n},)"
        )
    return _from_0(given.astype(np.int64), n)


def _from_0(rows: Rows, n: int) -> Rows:
    """Count row numbers below 0 from the end."""
    if len(rows) and not -n <= rows.min() <= rows.max() < n:
        raise IndexError(f"windows: rows from {rows.min()} to {rows.max()}: there are {n}")
    return np.where(rows < 0, rows + n, rows)
