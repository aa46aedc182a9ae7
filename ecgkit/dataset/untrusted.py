"""Arrays and texts of a file that nobody vouches for: mapped where they can be, and never too large."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import DatasetError
from ecgkit.h5 import attribute, dataset

MOST_GROWN = 32  # whole data sets don't shrink by more; a single constant column may
SPARE_BYTES = 1 << 26  # what any file may take, however small
BLOCK_BYTES = 1 << 22
ALL_KINDS = "biufcmMSUOV"  # of NumPy

Holds = Callable[[NDArray[Any]], bool]


@dataclass(slots=True)
class Source:
    """An opened file and its bytes, and how much of it may still be read into memory.

    Attributes
    ----------
    raw
        The same file, for mapping.
    """

    file: h5py.File
    raw: BinaryIO
    left_bytes: int

    def spend(self, n_bytes: int, where: str) -> None:
        """Count what is about to be read into memory.

        Raises
        ------
        DatasetError
            It is more than a file of this size can be meant to hold.
        """
        self.left_bytes -= n_bytes
        if self.left_bytes < 0:
            raise DatasetError(
                f"{where}: with this, what is in the file would take over {MOST_GROWN} times its size in "
                "memory; expected less. Don't use this file"
            )


def open_source(file: h5py.File, raw: BinaryIO, path: Path) -> Source:
    """Put an HDF5 file and its bytes together.

    Raises
    ------
    DatasetError
        Somebody replaced the file meanwhile.
    """
    now = os.fstat(raw.fileno())
    if not os.path.samestat(now, path.stat()):
        raise DatasetError(f"{path}: was replaced while it was opened; open it again")
    return Source(file, raw, MOST_GROWN * now.st_size + SPARE_BYTES)


def place_of(group: h5py.Group, name: str) -> str:
    """Return the file and the HDF5 path of something in a group, for messages."""
    return f"{group.file.filename}:{group.name.rstrip('/')}/{name}"


def group_in(parent: h5py.Group, name: str) -> h5py.Group | None:
    """Return a group that lies in this very file, None where there is nothing of this name.

    Raises
    ------
    DatasetError
        It is a link to elsewhere, or no group.
    """
    link = parent.get(name, getlink=True)
    if link is None:
        return None
    found = parent.get(name) if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Group):
        raise DatasetError(
            f"{place_of(parent, name)}: expected a group in this file; links to elsewhere are not followed"
        )
    return found


def read_array(
    source: Source,
    group: h5py.Group,
    name: str,
    *,
    dtype: str,
    shape: tuple[int, ...] | None = None,
    holds: Holds | None = None,
    expected: str = "",
) -> NDArray[Any]:
    """Return an array of a file: mapped and read-only where it is contiguous, else read into memory.

    Parameters
    ----------
    shape
        None for any of three axes.
    holds
        Tells of a stretch of its rows whether they are as they should be; `expected` says how that is.

    Raises
    ------
    DatasetError
        It is missing, elsewhere, of another type or shape, cut short, or not as it should be; the message
        holds its HDF5 path.
    """
    where, wanted = place_of(group, name), np.dtype(dtype)
    stored = dataset(group, name, kinds="biuf", ndim=3 if shape is None else len(shape), error=DatasetError)
    if shape is not None and stored.shape != shape:
        raise DatasetError(f"{where}: shape {stored.shape}, expected {shape} as /windows has")
    if stored.dtype != wanted:
        raise DatasetError(f"{where}: type {_type(stored.dtype)}, expected {_type(wanted)}")
    if holds is not None and not all(map(holds, blocks(stored))):
        raise DatasetError(f"{where}: {expected}. Build the data set again")
    offset = stored.id.get_offset()
    if offset is None:
        source.spend(stored.size * wanted.itemsize, where)
        values: NDArray[Any] = stored[:]
        return values
    if offset + stored.size * wanted.itemsize > os.fstat(source.raw.fileno()).st_size:
        raise DatasetError(f"{where}: {stored.shape} does not fit into the file; it is cut short")
    return np.memmap(source.raw, dtype=wanted, mode="r", offset=offset, shape=stored.shape)


def _type(dtype: np.dtype[Any]) -> str:
    order = "big-endian " if dtype.byteorder == ">" else ""
    return f"{order}{dtype.newbyteorder('=').name}"


def blocks(rows: h5py.Dataset | NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield an array some rows at a time; of a data set they come by reading, so that none stay mapped."""
    row_bytes = max(1, rows.size // max(1, len(rows))) * rows.dtype.itemsize
    at_once = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, len(rows), at_once):
        yield rows[start : start + at_once]


def read_labels(source: Source, group: h5py.Group, name: str) -> tuple[str, ...]:
    """Return a list of UTF-8 texts.

    Many of them may stand for one long text of the file, so no more are read at a time than fit at worst.

    Raises
    ------
    DatasetError
        It is missing, elsewhere, holds no texts, or far more than the file.
    """
    where = place_of(group, name)
    stored = dataset(group, name, kinds="O", ndim=1, error=DatasetError)
    if h5py.check_string_dtype(stored.dtype) is None:
        raise DatasetError(f"{where}: expected a list of texts")
    at_once = max(1, SPARE_BYTES // os.fstat(source.raw.fileno()).st_size)
    texts: list[str] = []
    for start in range(0, len(stored), at_once):
        read = stored.asstr()[start : start + at_once].tolist()
        source.spend(4 * sum(map(len, read)) + 64 * len(read), where)
        texts += read
    return tuple(texts)


def read_attribute(file: h5py.File, name: str, kind: type, *, positive: bool = False) -> Any:
    """Return an attribute of the root, as `ecgkit.h5.attribute` does; a list is refused before it is read."""
    if name in file.attrs and file.attrs.get_id(name).shape != ():
        raise DatasetError(f"{file.filename}:/: attribute {name!r} is a list, expected one {kind.__name__}")
    return attribute(file, name, kind, positive=positive, error=DatasetError)


def refuse_tricks(source: Source) -> None:
    """Refuse a file if anything in it lies elsewhere, has two names, or claims to be too large.

    Raises
    ------
    DatasetError
        With the HDF5 path.
    """
    waiting, known = [source.file["/"]], set()
    while waiting:
        group = waiting.pop()
        _refuse_attributes(source, group)
        for name in group:
            where, link = place_of(group, name), group.get(name, getlink=True)
            item = group.get(name) if isinstance(link, h5py.HardLink) else None
            if item is None:
                raise DatasetError(f"{where}: a link; links to elsewhere are not followed")
            address = h5py.h5o.get_info(item.id).addr
            if address in known:
                raise DatasetError(f"{where}: the second name of one thing; expected one name for each")
            known.add(address)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                _refuse_attributes(source, item)
                _refuse_dataset(source, group, name)


def _refuse_dataset(source: Source, group: h5py.Group, name: str) -> None:
    stored = dataset(group, name, kinds=ALL_KINDS, ndim=group[name].ndim, error=DatasetError)
    if stored.dtype.kind == "O":
        read_labels(source, group, name)
    source.spend(stored.size * stored.dtype.itemsize, place_of(group, name))


def _refuse_attributes(source: Source, item: h5py.Group | h5py.Dataset) -> None:
    for name in item.attrs:
        stored, where = item.attrs.get_id(name), f"{item.file.filename}:{item.name}: attribute {name!r}"
        source.spend(math.prod(stored.shape or ()) * stored.dtype.itemsize, where)
        if stored.dtype.kind != "O":
            continue
        if stored.shape != () or not isinstance(item.attrs[name], str):
            raise DatasetError(f"{where}: expected a number or one text")
        source.spend(4 * len(item.attrs[name]), where)
