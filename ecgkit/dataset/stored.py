"""Windows as they lie in files: mapped, or read in stretches without holding more than asked for."""

from __future__ import annotations

import io
import itertools
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import DatasetError

AT_ONCE_BYTES, BLOCK_BYTES = 1 << 20, 1 << 22
READ_OVER_BYTES = 1 << 16  # reading what is not wanted is cheaper than going elsewhere

Rows = NDArray[np.int64]
Windows = NDArray[np.float32]
Mapped = np.memmap[tuple[int, int, int], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class WindowFile:
    """Where windows lie in a file, and what the file was like when it was opened.

    Attributes
    ----------
    offset
        Of the first window, in bytes.
    shape
        (N, lead, T), float32, one window after the other.
    file_bytes, changed_ns
        Size and time of the last change: a data set that was built anew is another one.
    """

    path: Path
    offset: int
    shape: tuple[int, int, int]
    file_bytes: int
    changed_ns: int

    @property
    def window_bytes(self) -> int:
        """Bytes of one window."""
        return 4 * self.shape[1] * self.shape[2]

    def open(self) -> io.FileIO:
        """Open the file for reading, unbuffered.

        Raises
        ------
        DatasetError
            It is gone, or not the one any more that it was.
        """
        try:
            file = self.path.open("rb", buffering=0)
        except OSError as error:
            raise DatasetError(f"{self.path}: can't be read any more ({error.strerror})") from error
        if _state(os.fstat(file.fileno())) != (self.file_bytes, self.changed_ns):
            file.close()
            raise DatasetError(f"{self.path}: was changed since it was opened; open the data set again")
        return file

    def map(self) -> Mapped:
        """Map the windows into memory, read-only.

        Raises
        ------
        DatasetError
            The file is gone, or not the one any more that it was.
        """
        with closing(self.open()) as file:
            return np.memmap(file, dtype="<f4", mode="r", offset=self.offset, shape=self.shape)


@dataclass(frozen=True, slots=True)
class StoredWindows:
    """Where all windows of a data set lie: in one file, or one shard after the other.

    Attributes
    ----------
    files
        Their windows are of one shape.
    """

    files: tuple[WindowFile, ...]

    @property
    def edges(self) -> Rows:
        """The row that each file begins with, and the number of all windows, (n_files + 1,)."""
        return np.cumsum([0, *(file.shape[0] for file in self.files)])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, lead, T) of all windows."""
        return int(self.edges[-1]), *self.files[0].shape[1:]

    @property
    def window_bytes(self) -> int:
        """Bytes of one window."""
        return self.files[0].window_bytes


def window_file(path: Path, offset: int, shape: tuple[int, ...], status: os.stat_result) -> WindowFile:
    """Return where windows (N, lead, T) lie in a file that is in this state."""
    n_windows, n_leads, n_samples = shape
    return WindowFile(path, offset, (n_windows, n_leads, n_samples), *_state(status))


def mapped_file(windows: Windows) -> WindowFile | None:
    """Return where mapped windows lie in their file; None for a part of them, and for all other arrays."""
    # the map itself, not a part of it: NumPy keeps the map's offset for parts too
    owner: object = windows.base
    if not isinstance(windows, np.memmap) or not isinstance(owner, mmap.mmap):
        return None
    if windows.filename is None or windows.dtype != np.dtype("<f4") or windows.ndim != 3 or not windows.size:
        return None
    path = Path(windows.filename)
    return window_file(path, windows.offset, windows.shape, path.stat())


def read_windows(stored: StoredWindows, rows: Rows, out: Windows) -> None:
    """Read some windows, in the order in which they lie in their files.

    Windows side by side are read at once and into place; small gaps are read over.

    Parameters
    ----------
    rows
        (n,), ascending, each once.
    out
        (n, lead, T), C-contiguous.

    Raises
    ------
    DatasetError
        A file is gone, cut short, or not the one any more that it was.
    """
    edges = stored.edges
    cuts = itertools.pairwise(np.searchsorted(rows, edges).tolist())
    for file, first, (start, stop) in zip(stored.files, edges[:-1], cuts, strict=True):
        if start < stop:
            _read_file(file, rows[start:stop] - first, out[start:stop])


def _read_file(stored: WindowFile, rows: Rows, out: Windows) -> None:
    most_over = READ_OVER_BYTES // stored.window_bytes
    cuts = np.flatnonzero(np.diff(rows) - 1 > most_over) + 1
    with closing(stored.open()) as file:
        for start, stop in itertools.pairwise([0, *cuts.tolist(), len(rows)]):
            run = rows[start:stop]
            if run[-1] - run[0] == len(run) - 1:
                _fill(file, stored, int(run[0]), out[start:stop])
            else:
                _read_with_gaps(file, stored, run, out[start:stop])


def gather(windows: Windows, rows: Rows, out: Windows | None = None) -> Windows:
    """Copy some windows of an array that may be mapped, (n, lead, T).

    NumPy first copies all of an array whose numbers are not aligned in memory, as those of another writer's
    file may be. Of such an array whole windows are copied, as so many bytes.
    """
    if windows.flags.aligned or not windows.flags.c_contiguous:
        return np.take(windows, rows, axis=0, out=out, mode="raise" if out is None else "clip")
    n_windows, n_leads, n_samples = windows.shape
    as_bytes = windows.reshape(n_windows, -1).view(f"V{4 * n_leads * n_samples}")  # (N, 1)
    found = np.take(as_bytes, rows, axis=0).view("<f4").reshape(len(rows), n_leads, n_samples)
    if out is None:
        return found
    out[...] = found
    return out


def read_blocks(stored: StoredWindows) -> Iterator[Windows]:
    """Read all windows in their order, some MB at a time; nothing of them stays mapped.

    Raises
    ------
    DatasetError
        A file is gone, cut short, or not the one any more that it was.
    """
    for start, stop in _pieces(0, stored.shape[0], max(1, BLOCK_BYTES // stored.window_bytes)):
        block = np.empty((stop - start, *stored.shape[1:]), dtype="<f4")
        read_windows(stored, np.arange(start, stop), block)
        yield block


def warm(stored: StoredWindows, first: int, last: int) -> None:
    """Read the windows from `first` to `last` once, so that they lie in the system's cache.

    Windows drawn at random from a file that is not there are a thousand times slower than in order.
    """
    buffer = memoryview(bytearray(AT_ONCE_BYTES))
    for of, (begin, end) in zip(stored.files, itertools.pairwise(stored.edges.tolist()), strict=True):
        start, stop = max(first, begin), min(last + 1, end)
        if start >= stop:
            continue
        with closing(of.open()) as file:
            file.seek(of.offset + (start - begin) * of.window_bytes)
            left = (stop - start) * of.window_bytes
            while left > 0 and (read := file.readinto(buffer[:left])):
                left -= read


def _read_with_gaps(file: io.FileIO, stored: WindowFile, run: Rows, out: Windows) -> None:
    step = max(1, AT_ONCE_BYTES // stored.window_bytes)
    between = np.empty((step, *stored.shape[1:]), dtype="<f4")
    for first, stop in _pieces(int(run[0]), int(run[-1]) + 1, step):
        _fill(file, stored, first, between[: stop - first])
        start, end = np.searchsorted(run, [first, stop])
        np.take(between, run[start:end] - first, axis=0, out=out[start:end], mode="clip")


def _pieces(start: int, stop: int, step: int) -> Iterable[tuple[int, int]]:
    return ((first, min(first + step, stop)) for first in range(start, stop, step))


def _fill(file: io.FileIO, stored: WindowFile, first: int, out: Windows) -> None:
    """Read windows side by side from row `first` on."""
    file.seek(stored.offset + first * stored.window_bytes)
    left = out.data.cast("B")
    while left:
        read = file.readinto(left)
        if not read:
            raise DatasetError(f"{stored.path}: cut short: window {first + len(out) - 1} is not in it")
        left = left[read:]


def _state(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
