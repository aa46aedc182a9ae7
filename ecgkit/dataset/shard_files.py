"""The files of a data set in shards, read without trust: the list of them, the shards, what joins them.

The list lies in the data set's file, ``/about/shards``. What joins the shards for other programs is the
virtual data set ``/windows``: HDF5 keeps it in a heap without a checksum, in which it can lose its way for
good where a byte is wrong. So ecgkit reads the list, and never opens ``/windows`` but in `fault_of_joined`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ecgkit.dataset.schema import ABOUT, HASH, SHARD_FORMAT, SHARD_VERSION, SHARDS, WINDOWS
from ecgkit.dataset.shards import AnyWindows, ShardedWindows
from ecgkit.dataset.stored import StoredWindows, WindowFile, mapped_file, read_blocks
from ecgkit.dataset.untrusted import Source, group_in, open_source, read_array, refuse_tricks
from ecgkit.errors import DatasetError
from ecgkit.h5 import attribute, attribute_values, content_sha256, dataset, open_h5, read_json
from ecgkit.h5.headers import is_virtual

MOST_SHARDS = 1000
MOST_LIST_BYTES = 1 << 20
STEM = r"[^/\\:%\x00-\x1f]{1,200}"  # in a name HDF5 takes a % for a number to be filled in
SHARD_NAME = re.compile(rf"({STEM})\.([0-9a-f]{{12}})-([0-9]{{3}})\.h5")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Shard:
    """An entry of the list of shards.

    Attributes
    ----------
    sha256
        Its `content_sha256`.
    """

    name: str
    n_windows: int
    sha256: str


def has_shards(file: h5py.File) -> bool:
    """Tell whether a data set's windows lie in shards."""
    return SHARDS in (group_in(file, ABOUT) or ())


def read_shard_list(file: h5py.File) -> tuple[Shard, ...]:
    """Return the shards of a data set, in order.

    Raises
    ------
    DatasetError
        The list is not one that the format knows.
    """
    where = f"{file.filename}:/{ABOUT}/{SHARDS}"
    content = read_json(file, SHARDS, error=DatasetError, most_bytes=MOST_LIST_BYTES)
    if not isinstance(content, dict) or not 1 <= len(content) <= MOST_SHARDS:
        raise DatasetError(f"{where}: expected a JSON object of 1 to {MOST_SHARDS} shards")
    first = SHARD_NAME.fullmatch(min(content))
    shards = []
    for number, (name, entry) in enumerate(sorted(content.items())):
        if first is None or name != f"{first[1]}.{first[2]}-{number:03d}.h5":
            raise DatasetError(
                f"{where}: a shard {name[:250]!r}; expected NAME.{'x' * 12}-{number:03d}.h5, the same for all"
            )
        shards.append(_entry(name, entry, where))
    return tuple(shards)


def _entry(name: str, entry: Any, where: str) -> Shard:
    known: dict[str, Any] = entry if isinstance(entry, dict) else {}
    n_windows, sha256 = known.get("windows"), known.get(HASH)
    if type(n_windows) is int and n_windows > 0 and isinstance(sha256, str) and SHA256.fullmatch(sha256):
        return Shard(name, n_windows, sha256)
    raise DatasetError(f"{where}: of {name!r}: expected its number of windows and its {HASH}")


def open_shards(source: Source, path: Path) -> ShardedWindows:
    """Return the windows of a data set in shards.

    Raises
    ------
    DatasetError
        A shard is missing, is no ordinary file beside the data set's own, or is not the one that it lists.
    """
    link = source.file.get(WINDOWS, getlink=True)
    if not isinstance(link, h5py.HardLink) or not is_virtual(source.file, WINDOWS):
        raise DatasetError(f"{path}:/{WINDOWS}: expected the virtual data set that joins the shards")
    folder = path.resolve().parent
    files = [_open_shard(folder / shard.name, shard, path) for shard in read_shard_list(source.file)]
    for file in files:
        if file.shape[1:] != files[0].shape[1:]:
            raise DatasetError(
                f"{file.path}:/{WINDOWS}: leads and samples {file.shape[1:]}, expected {files[0].shape[1:]} "
                "as in the first shard"
            )
    return ShardedWindows(StoredWindows(tuple(files)))


def _open_shard(path: Path, shard: Shard, whole: Path) -> WindowFile:
    if not os.path.lexists(path):
        raise DatasetError(
            f"{path}: missing, a shard with {shard.n_windows} windows of {whole}. Copy all files of a data "
            "set together, or build it again"
        )
    if path.is_symlink() or not path.is_file():
        raise DatasetError(f"{path}: a link or no file, expected a shard of {whole}")
    with _opened(path) as source:
        stated = attribute(source.file, HASH, str, error=DatasetError)
        stored = dataset(source.file, WINDOWS, kinds="f", ndim=3, error=DatasetError)
        if stated != shard.sha256 or len(stored) != shard.n_windows:
            raise DatasetError(
                f"{path}: another shard than {whole} lists: {len(stored)} windows, {HASH} {stated}; expected "
                f"{shard.n_windows}, {shard.sha256}. Copy all files of a data set together"
            )
        if stored.id.get_offset() is None:
            raise DatasetError(
                f"{path}:/{WINDOWS}: in chunks or compressed; expected one piece. Copy it anew"
            )
        found = mapped_file(read_array(source, source.file, WINDOWS, dtype="<f4"))
    if found is None:
        raise DatasetError(f"{path}:/{WINDOWS}: no samples; expected at least one")
    return found


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Source]:
    with (
        open_h5(path, file_format=SHARD_FORMAT, versions=[SHARD_VERSION], error=DatasetError) as file,
        path.open("rb") as raw,
    ):
        yield open_source(file, raw, path)


def refuse_spoiled_shard(path: Path) -> None:
    """Read a shard to its end, and hold it against the hash that it states.

    Raises
    ------
    DatasetError
        It is not what was written.
    """
    with _opened(path) as source:
        refuse_tricks(source)
        stated = attribute(source.file, HASH, str, error=DatasetError)
        if (found := content_sha256(source.file, but=HASH)) != stated:
            raise DatasetError(
                f"{path}: its content is not what was written: {HASH} says {stated}, it is {found}"
            )


def dataset_sha256(file: h5py.File, windows: AnyWindows | None) -> str:
    """Hash what a data set holds, as if all its windows lay in its own file.

    Parameters
    ----------
    windows
        Those of the data set; only shards are read there.

    Raises
    ------
    DatasetError, ValueError
        Something in it must not be read.
    """
    if not isinstance(windows, ShardedWindows):
        return content_sha256(file, but=HASH)
    with _opened(windows.stored.files[0].path) as first:
        stored = dataset(first.file, WINDOWS, kinds="f", ndim=3, error=DatasetError)
        joined = (stored, windows.shape, read_blocks(windows.stored))
        instead = {WINDOWS: joined, f"{ABOUT}/{SHARDS}": None}
        return content_sha256(file, but=HASH, instead=instead)


def fault_of_joined(path: Path, shape: tuple[int, ...]) -> str:
    """Say what other programs get as ``/windows`` that is not what the list of shards says, "" if nothing.

    Where the file is damaged, HDF5 may crash or never return: call it in a process of its own.

    Parameters
    ----------
    shape
        Of all windows.
    """
    with h5py.File(path) as file:
        shards, joined = read_shard_list(file), file[WINDOWS]
        if not isinstance(joined, h5py.Dataset) or not joined.is_virtual:
            return "is no virtual data set that joins the shards"
        sources = joined.id.get_create_plist()
        if sources.get_virtual_count() != len(shards):
            return f"joins {sources.get_virtual_count()} sources, expected {len(shards)} shards"
        row = 0
        # before its shape: that of a growing one is asked of its sources
        for number, shard in enumerate(shards):
            end = row + shard.n_windows
            if not _is_joined(sources, number, shard.name, row, end, shape):
                return f"joins something else than all of {shard.name} as rows {row} to {end - 1}"
            row = end
        if joined.shape != shape or joined.dtype != np.dtype("<f4"):
            return f"is {joined.dtype} of shape {joined.shape}, expected float32 {shape}"
        with h5py.File(path.resolve().parent / shards[0].name) as first:
            same = _attributes(joined) == _attributes(first[WINDOWS])
    return "" if same else "has other attributes than in its shards"


def _is_joined(
    sources: h5py.h5p.PropDCID, number: int, name: str, row: int, end: int, shape: tuple[int, ...]
) -> bool:
    """Tell whether a source is all of a shard, as the rows from `row` to `end`."""
    place = sources.get_virtual_vspace(number)
    return bool(
        sources.get_virtual_filename(number) == name
        and sources.get_virtual_dsetname(number) == f"/{WINDOWS}"
        and sources.get_virtual_srcspace(number).get_select_type() == h5py.h5s.SEL_ALL
        and place.get_simple_extent_dims(True) == shape
        and place.get_select_npoints() == (end - row) * shape[1] * shape[2]
        and place.get_select_bounds() == ((row, 0, 0), (end - 1, shape[1] - 1, shape[2] - 1))
    )


def _attributes(stored: h5py.Dataset) -> dict[str, Any]:
    values = {name: attribute_values(stored, name, error=DatasetError) for name in stored.attrs}
    return {name: None if value is None else value.tolist() for name, value in values.items()}
