"""Shuffled batches of windows for any framework: from memory, from the mapped file, or past memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgkit.dataset.blocks import one_block, read_pools, shuffled_blocks
from ecgkit.dataset.memory import memory_bytes
from ecgkit.dataset.shards import AnyWindows, ShardedWindows, map_windows, stored_windows
from ecgkit.dataset.stored import Rows, StoredWindows, Windows, gather, warm
from ecgkit.errors import DatasetError
from ecgkit.lookup import unknown

WAYS = ("auto", "memory", "mapped", "blocks")
HELD_SHARE, MAPPED_SHARE = 1 / 8, 1 / 2  # of the memory
BLOCK_WINDOWS, BLOCK_BYTES, POOL_BLOCKS = 1024, 2 << 20, 16
LEAST = {"batch_size": 1, "seed": 0, "rank": 0, "world_size": 1, "block_windows": 1, "pool_blocks": 1}

Batch = tuple[Rows, Windows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How the windows of an epoch are dealt into batches.

    Attributes
    ----------
    batch_size
        Windows of a batch; the last one of an epoch may be smaller.
    seed
        With the number of the epoch it decides on the order, whatever was drawn before.
    shuffle
        False: in the order of the rows, in every epoch.
    drop_last
        Whether a last batch that is smaller is left out.
    rank, world_size
        Which one this is of so many processes that train one network: each gets windows of its own,
        all as many. Up to ``world_size - 1`` that are over are left out, others in each epoch.
    block_windows
        For the way "blocks": windows side by side that are read at once, at most. None: 1,024, or fewer where
        these would have more than 2 MB.
    pool_blocks
        For the way "blocks": blocks that are shuffled together.
    read_ahead
        For the way "blocks": whether the next pool is read while one is used, which takes a second buffer.

    Raises
    ------
    DatasetError
        A number is too small, or the rank too large.
    """

    batch_size: int
    seed: int
    shuffle: bool = True
    drop_last: bool = False
    rank: int = 0
    world_size: int = 1
    block_windows: int | None = None
    pool_blocks: int = POOL_BLOCKS
    read_ahead: bool = True

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise DatasetError(f"batches: {name} {value}: expected a whole number from {least}")
        if self.rank >= self.world_size:
            raise DatasetError(f"batches: rank {self.rank} of {self.world_size}: expected a smaller one")

    def block_size(self, window_bytes: int, n_windows: int) -> int:
        """Return the windows of a block; an epoch has a pool of blocks at least."""
        size = self.block_windows or min(BLOCK_WINDOWS, BLOCK_BYTES // window_bytes)
        return max(1, min(size, n_windows // self.pool_blocks))

    def pool_edges(self, n_windows: int, block_size: int) -> list[int]:
        """Return where the pools of an epoch begin and end: whole batches, about as many in each pool."""
        n_batches = n_windows // self.batch_size if self.drop_last else -(-n_windows // self.batch_size)
        most = max(1, block_size * self.pool_blocks // self.batch_size) if self.shuffle else 1  # batches
        n_pools = -(-n_batches // most)
        edges = [n_batches * pool // n_pools * self.batch_size for pool in range(n_pools)]
        return [*edges, min(n_windows, n_batches * self.batch_size)]


class Batches:
    """Batches of windows, each with the rows that they are in the data set.

    The same windows, rows, settings, way and epoch give the same batches with the same NumPy. "memory" and
    "mapped" give the same ones, "blocks" others. A copy that is sent to another process maps or opens
    the files by itself; what is held in memory does not travel.

    Parameters
    ----------
    windows
        (N, lead, T) float32: those of `ecgkit.open_dataset`, in shards too, or any other array.
    batching
        How they are dealt into batches.
    rows
        Which of them, as row numbers or as a mask (N,), each once; None: all. Their order does not matter.
    way
        "memory": they are copied into memory. "mapped": they are gathered from the mapped file, which is
        read once at the start so that the system keeps it in its cache. "blocks": blocks of windows side
        by side are read into a pool, which is shuffled: little memory for any size, but no uniform
        shuffle (docs/loading.md). "auto": the first of these that this machine has the memory for.

    Attributes
    ----------
    way
        The one that is taken.
    n_rows
        Windows of the data set.
    n_windows
        Windows of an epoch, for this rank.

    Raises
    ------
    DatasetError
        No such windows; a row is not there or comes twice; there are fewer windows than ranks; no such way,
        or not for these windows.

    Examples
    --------
    >>> import numpy as np
    >>> batches = Batches(np.zeros((5, 1, 300), "f4"), Batching(batch_size=2, seed=0, shuffle=False))
    >>> [(rows.tolist(), windows.shape) for rows, windows in batches.epoch(0)]
    [([0, 1], (2, 1, 300)), ([2, 3], (2, 1, 300)), ([4], (1, 1, 300))]
    """

    def __init__(
        self, windows: AnyWindows, batching: Batching, *, rows: ArrayLike | None = None, way: str = "auto"
    ) -> None:
        if windows.ndim != 3 or windows.dtype != np.float32:
            raise DatasetError(
                f"batches: windows of shape {windows.shape}, {windows.dtype}: expected (N, lead, T) float32"
            )
        self.batching = batching
        self.n_rows = len(windows)
        self._rows = _checked_rows(rows, self.n_rows)
        self._n_chosen = self.n_rows if self._rows is None else len(self._rows)
        self.n_windows = self._n_chosen // batching.world_size
        if not self.n_windows:
            raise DatasetError(f"batches: {self._n_chosen} windows for {batching.world_size} ranks: too few")
        self._stored = stored_windows(windows)
        if self._stored is None and isinstance(windows, np.memmap):
            raise DatasetError("batches: a part of mapped windows; give all of them, and choose by rows")
        needed = self._n_chosen * windows[:1].nbytes * batching.world_size
        self.way = choose_way(way, self._stored, needed_bytes=needed, memory=memory_bytes())
        self._windows = self._prepared(windows)
        self._held = self.way == "memory" and self._stored is not None and self._rows is not None

    def __len__(self) -> int:
        """Return the number of batches of an epoch, for this rank."""
        whole, over = divmod(self.n_windows, self.batching.batch_size)
        return whole + (over > 0 and not self.batching.drop_last)

    def epoch(self, epoch: int, *, part: int = 0, n_parts: int = 1) -> Iterator[Batch]:
        """Draw the batches of an epoch: pairs of rows, (B,) int64, and windows, (B, lead, T) float32.

        Parameters
        ----------
        epoch
            From 0; each has an order of its own.
        part, n_parts
            Which one this is of several workers that share the epoch. The batches are the same ones for
            any number of them. Taken from the parts in turn they come in the same order too, but for
            shuffled blocks.

        Raises
        ------
        DatasetError
            A file is gone, cut short, or was changed.
        """
        if epoch < 0 or not 0 <= part < n_parts:
            raise DatasetError(
                f"batches: epoch {epoch}, part {part} of {n_parts}: expected from 0, the part below"
            )
        if self.way == "blocks" and self._stored is not None:
            return self._from_blocks(self._stored, epoch, part, n_parts)
        return self._gathered(epoch, part, n_parts)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: where the file is, not what it holds."""
        state = dict(self.__dict__)
        if self._stored is not None:
            way = "mapped" if self.way == "memory" else self.way
            state |= {"_windows": None, "_held": False, "way": way}
        return state

    def _prepared(self, windows: AnyWindows) -> AnyWindows | None:
        """Return the array to gather from, after reading what is to be read beforehand."""
        if self.way == "blocks":
            return None
        if self._stored is not None and self.way == "memory":
            return np.array(windows) if self._rows is None else windows[self._rows]
        if self._stored is not None:
            first, last = (0, len(windows) - 1) if self._rows is None else self._rows[[0, -1]].tolist()
            warm(self._stored, first, last)
        return windows

    def _gathered(self, epoch: int, part: int, n_parts: int) -> Iterator[Batch]:
        if self._windows is None and self._stored is not None:
            self._windows = map_windows(self._stored)
        windows, size = self._windows, self.batching.batch_size
        order = self._order(epoch)
        for start in range(part * size, len(self) * size, n_parts * size):
            places = order[start : start + size]
            rows = self._rows_at(places)
            yield rows, _take(windows, places if self._held else rows)

    def _order(self, epoch: int) -> Rows:
        """Return this rank's order: places among the chosen rows, (n_windows,)."""
        first = self.batching.rank * self.n_windows
        if not self.batching.shuffle:
            return np.arange(first, first + self.n_windows)
        order = _random(self.batching.seed, epoch).permutation(self._n_chosen)
        return order[first : first + self.n_windows]

    def _from_blocks(self, stored: StoredWindows, epoch: int, part: int, n_parts: int) -> Iterator[Batch]:
        batching, size = self.batching, self.batching.batch_size
        block = batching.block_size(stored.window_bytes, self.n_windows)
        blocks = one_block(self._n_chosen)
        if batching.shuffle:
            blocks = shuffled_blocks(self._n_chosen, block, _random(batching.seed, epoch))
        edges = [batching.rank * self.n_windows + edge for edge in batching.pool_edges(self.n_windows, block)]
        spans = list(itertools.pairwise(edges))[part::n_parts]
        wanted = (self._rows_at(blocks.cut(start, stop)) for start, stop in spans)
        most = max((stop - start for start, stop in spans), default=0)
        pools = read_pools(stored, wanted, most, read_ahead=batching.read_ahead)
        for (start, _), (rows, windows) in zip(spans, pools, strict=True):
            order = np.arange(len(rows))
            if batching.shuffle:
                # 1 more: NumPy takes [seed, epoch, 0] for [seed, epoch]
                order = _random(batching.seed, epoch, 1 + start).permutation(order)
            for batch in range(0, len(rows), size):
                places = order[batch : batch + size]
                yield rows[places], np.take(windows, places, axis=0)

    def _rows_at(self, places: Rows) -> Rows:
        return places if self._rows is None else self._rows[places].astype(np.int64)


def choose_way(way: str, stored: StoredWindows | None, *, needed_bytes: int, memory: int) -> str:
    """Return the way to take.

    Parameters
    ----------
    way
        What was asked for, one of `WAYS`.
    stored
        Where the windows lie in a file; None: they are in memory already.
    needed_bytes
        Of the chosen windows, for all ranks.
    memory
        Bytes that there are.

    Raises
    ------
    DatasetError
        No such way, or not for windows that do not lie in a file.
    """
    if way not in WAYS:
        raise DatasetError(f"batches: {unknown('way', way, WAYS)}")
    if stored is None:
        if way in ("mapped", "blocks"):
            raise DatasetError(
                f"batches: {way!r} needs windows that lie in a file, uncompressed and in one piece; these "
                "are in memory. Take 'memory', or build the data set with ecgkit build-dataset"
            )
        return "memory"
    if way != "auto":
        return way
    if needed_bytes <= memory * HELD_SHARE:
        return "memory"
    return "mapped" if stored.shape[0] * stored.window_bytes <= memory * MAPPED_SHARE else "blocks"


def _take(windows: AnyWindows | None, rows: Rows) -> Windows:
    if isinstance(windows, ShardedWindows):
        return windows.take(rows)
    return gather(np.asarray(windows), rows)


def _random(*numbers: int) -> np.random.Generator:
    return np.random.default_rng(numbers)


def _checked_rows(rows: ArrayLike | None, n: int) -> NDArray[np.signedinteger[Any]] | None:
    """Return row numbers, ascending, in as few bytes as will do; None for all."""
    if rows is None:
        return None
    given = np.asarray(rows)
    if given.dtype == np.bool_ and given.shape == (n,):
        given = np.flatnonzero(given)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise DatasetError(
            f"batches: rows of shape {given.shape}, {given.dtype}: expected row numbers, or a mask ({n},)"
        )
    found = np.sort(given)
    if len(found) and not 0 <= found[0] <= found[-1] < n:
        raise DatasetError(f"batches: rows from {found[0]} to {found[-1]}: expected 0 to {n - 1}")
    twice = found[1:][found[1:] == found[:-1]]
    if len(twice):
        raise DatasetError(f"batches: row {twice[0]} comes more than once; expected each once")
    return None if len(found) == n else found.astype(np.int32 if n < 1 << 31 else np.int64)
