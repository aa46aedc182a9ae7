"""Writing a data set's windows as shards, and removing those that nobody refers to any more."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.schema import HASH, MEANINGS, SHARD_FORMAT, SHARD_VERSION, SHARDS, WINDOWS
from ecgkit.dataset.shard_files import MOST_SHARDS, SHARD_NAME, STEM, Shard, has_shards, read_shard_list
from ecgkit.dataset.shards import ShardedWindows
from ecgkit.dataset.stored import StoredWindows, WindowFile, window_file
from ecgkit.dataset.untrusted import BLOCK_BYTES
from ecgkit.errors import DatasetError
from ecgkit.files import refuse_special, sync_folder, temporary_name, writing_in
from ecgkit.h5 import atomic_h5, content_sha256, stamp, write_attribute, write_json

HDF5_HEAD = b"\x89HDF\r\n\x1a\n"
MOST_NAME_BYTES = 255  # of a file; the disks of Linux and macOS take no more, and Windows about as much
UNREADABLE = (OSError, KeyError, RuntimeError, ValueError, TypeError, DatasetError)


class WindowRows(Protocol):
    """Windows that are read some at a time: (N, lead, T) float32, an array or what reads them from a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, lead, T)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class StagedShards:
    """Shards that are written, but have no names yet.

    Attributes
    ----------
    shards
        The names that they are to have, in order.
    windows
        Where they lie now.
    """

    shards: tuple[Shard, ...]
    windows: ShardedWindows

    def put_in_place(self, folder: Path) -> None:
        """Give them their names."""
        for shard, file in zip(self.shards, self.windows.stored.files, strict=True):
            file.path.replace(folder / shard.name)
        sync_folder(folder)


@contextlib.contextmanager
def staged_shards(
    path: Path, windows: Sequence[WindowRows], *, shard_bytes: int | None, simulated: bool
) -> Iterator[StagedShards | None]:
    """Write windows as shards of the data set that the block then writes; None where one file will do.

    Afterwards shards that no data set refers to any more are removed, whether the block succeeded or not.

    Parameters
    ----------
    windows
        One after the other.
    shard_bytes
        The most that the windows of a shard may have; None: all are to lie in the data set's file.

    Raises
    ------
    DatasetError
        A shard would hold no window, there would be too many, or a shard can't be called after this file.
    OSError
        The disk is full or can't be written.
    """
    spans = [] if shard_bytes is None else _spans(path, windows, shard_bytes)
    refuse_special(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing_in(path.parent):
        paths = [path.parent / f"{temporary_name()}.h5" for _ in spans]
        try:
            made = [
                _write_shard(staged, windows, start, stop, simulated=simulated)
                for staged, (start, stop) in zip(paths, spans, strict=True)
            ]
            yield _staged(path, made) if made else None
        finally:
            for staged in paths:
                staged.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody has them open: they go the next time
                for unused in unused_shards(path):
                    unused.unlink()


def _spans(path: Path, windows: Sequence[WindowRows], shard_bytes: int) -> list[tuple[int, int]]:
    """Return from and to which row each shard goes; none where all windows fit into one."""
    n_windows, window_bytes = sum(map(len, windows)), 4 * math.prod(windows[0].shape[1:])
    each = shard_bytes // window_bytes
    if each >= n_windows:
        return []
    least = window_bytes * -(-n_windows // MOST_SHARDS)
    if each * MOST_SHARDS < n_windows:
        raise DatasetError(
            f"{path}: shards of {shard_bytes} bytes: {n_windows} windows of {window_bytes} bytes would need "
            f"over {MOST_SHARDS} of them; expected at least {least} bytes"
        )
    refuse_shard_names(path)
    return [(start, min(start + each, n_windows)) for start in range(0, n_windows, each)]


def refuse_shard_names(path: Path) -> None:
    """Refuse a name of a data set that its shards can't have: HDF5 would not find them, or no disk takes it.

    Raises
    ------
    DatasetError
        It is such a name.
    """
    names = (f"{path.stem}.{'0' * 12}-000.h5", f"{temporary_name()}{path.suffix}", path.name)
    if not re.fullmatch(STEM, path.stem) or max(len(os.fsencode(name)) for name in names) > MOST_NAME_BYTES:
        raise DatasetError(
            f"{path}: shards can't be called {path.stem!r}; choose a name of up to 200 characters, and 235 "
            "bytes in UTF-8, without '%', ':' and '\\', that ends in .h5"
        )


def _write_shard(
    path: Path, windows: Sequence[WindowRows], start: int, stop: int, *, simulated: bool
) -> tuple[str, WindowFile]:
    """Write the rows from `start` to `stop`; return the hash of the content, and where they lie."""
    with atomic_h5(path, file_format=SHARD_FORMAT, format_version=SHARD_VERSION) as file:
        stored = write_windows(file, windows, start, stop)
        file.attrs["simulated"] = simulated
        sha256 = content_sha256(file, but=HASH)
        write_attribute(file, HASH, sha256, error=DatasetError)
        offset, shape = stored.id.get_offset(), stored.shape
    return sha256, window_file(path, offset, shape, path.stat())


def write_windows(
    file: h5py.File, windows: Sequence[WindowRows], start: int = 0, stop: int | None = None
) -> h5py.Dataset:
    """Write rows as one contiguous, uncompressed array, which other programs can map; 4 MB at a time."""
    edges = np.cumsum([0, *map(len, windows)]).tolist()
    stop = edges[-1] if stop is None else stop
    stored = file.create_dataset(WINDOWS, shape=(stop - start, *windows[0].shape[1:]), dtype="<f4")
    write_attribute(stored, "description", MEANINGS[WINDOWS], error=DatasetError)
    at_once = max(1, BLOCK_BYTES // (4 * math.prod(stored.shape[1:])))
    for piece, (first, last) in zip(windows, itertools.pairwise(edges), strict=True):
        for row in range(max(first, start), min(last, stop), at_once):
            end = min(row + at_once, last, stop)
            stored[row - start : end - start] = piece[row - first : end - first]
    return stored


def _staged(path: Path, made: Sequence[tuple[str, WindowFile]]) -> StagedShards:
    """Name shards after what all of them hold: those of another content never take each other's place."""
    token = hashlib.sha256("".join(sha256 for sha256, _ in made).encode()).hexdigest()[:12]
    shards = tuple(
        Shard(f"{path.stem}.{token}-{number:03d}.h5", file.shape[0], sha256)
        for number, (sha256, file) in enumerate(made)
    )
    return StagedShards(shards, ShardedWindows(StoredWindows(tuple(file for _, file in made))))


def join_shards(file: h5py.File, staged: StagedShards) -> None:
    """Write the list of shards, and for other programs what joins them; where one is missing they get NaN."""
    entries = {shard.name: {"windows": shard.n_windows, HASH: shard.sha256} for shard in staged.shards}
    write_json(file, SHARDS, entries, error=DatasetError)
    stored, joined = staged.windows.stored, h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    joined.set_layout(h5py.h5d.VIRTUAL)
    joined.set_fill_value(np.array([np.nan], "<f4"))
    joined.set_obj_track_times(False)  # h5py's create_virtual_dataset would write the time of day
    for shard, of, start in zip(staged.shards, stored.files, stored.edges.tolist(), strict=False):
        place = h5py.h5s.create_simple(stored.shape)
        place.select_hyperslab((start, 0, 0), of.shape)
        joined.set_virtual(
            place, os.fsencode(shard.name), f"/{WINDOWS}".encode(), h5py.h5s.create_simple(of.shape)
        )
    made = h5py.h5d.create(
        file.id, WINDOWS.encode(), h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(stored.shape), dcpl=joined
    )
    write_attribute(h5py.Dataset(made), "description", MEANINGS[WINDOWS], error=DatasetError)


def shard_paths(path: Path) -> list[Path]:
    """Return the ordinary files beside a data set's file that are called as its shards are."""
    if not path.parent.is_dir():
        return []
    beside = [(each, SHARD_NAME.fullmatch(each.name)) for each in sorted(path.parent.iterdir())]
    named = [each for each, name in beside if name and name[1] == path.stem]
    return [each for each in named if not each.is_symlink() and each.is_file()]


def unused_shards(path: Path) -> list[Path]:
    """Return the shards called after a data set's file that no data set in the folder refers to.

    Where an HDF5 file in the folder can't be read, which may refer to them, none is unused.
    """
    shards = [shard for shard in shard_paths(path) if _is_shard(shard)]
    used = _in_use(path.parent) if shards else None
    return [] if used is None else [shard for shard in shards if shard.name not in used]


def _is_shard(path: Path) -> bool:
    try:
        with h5py.File(path) as file:
            return stamp(file, "format", error=DatasetError) == SHARD_FORMAT
    except UNREADABLE:
        return False


def _in_use(folder: Path) -> set[str] | None:
    """Return the shards that data sets of a folder refer to, None if an HDF5 file in it can't be read."""
    used: set[str] = set()
    try:
        for path in folder.iterdir():
            if path.is_file() and not SHARD_NAME.fullmatch(path.name) and _is_hdf5(path):
                with h5py.File(path) as file:
                    used |= {shard.name for shard in read_shard_list(file)} if has_shards(file) else set()
    except UNREADABLE:
        return None
    return used


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HDF5_HEAD)) == HDF5_HEAD
