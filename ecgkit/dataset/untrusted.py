"""Arrays and texts of a file that nobody vouches for: mapped where they can be, and never too large."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import DatasetError
from ecgkit.h5 import dataset, opened, own_group, place_of, read_texts, refuse_attribute
from ecgkit.h5.items import STORED_HERE, fault_of

MOST_GROWN = 32  # whole data sets don't shrink by more; a single constant column may
SPARE_BYTES = 1 << 26  # what any file may take, however small
BLOCK_BYTES = 1 << 22
ALL_KINDS = "biufcmMSUV"  # of NumPy, but for what is of variable length

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


def group_in(parent: h5py.Group, name: str) -> h5py.Group | None:
    """Return a group that lies in this very file, None where there is nothing of this name.

    Raises
    ------
    DatasetError
        It is a link to elsewhere, or no group.
    """
    return None if parent.get(name, getlink=True) is None else own_group(parent, name, error=DatasetError)


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


def blocks(rows: Any) -> Iterator[NDArray[Any]]:
    """Yield an array some rows at a time; of a data set they come by reading, so that none stay mapped."""
    row_bytes = max(1, rows.size // max(1, len(rows))) * rows.dtype.itemsize
    at_once = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, len(rows), at_once):
        yield rows[start : start + at_once]


def read_labels(source: Source, group: h5py.Group, name: str) -> tuple[str, ...]:
    """Return a list of UTF-8 texts.

    Raises
    ------
    DatasetError
        It is missing, elsewhere, holds no texts, or far more than the file.
    """
    return read_texts(group, name, error=DatasetError, spend=source.spend)


def refuse_tricks(source: Source, *, unopened: Collection[str] = ()) -> None:
    """Refuse a file if anything in it lies elsewhere, has two names, or claims to be too large.

    Parameters
    ----------
    unopened
        Names in the root that are not looked at, but for being no links.

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
            if not isinstance(link, h5py.HardLink):
                raise DatasetError(f"{where}: a link; links to elsewhere are not followed")
            if group.name == "/" and name in unopened:
                continue
            item = opened(group, name)
            if item is None:
                raise DatasetError(f"{where}: expected {STORED_HERE}")
            address = h5py.h5o.get_info(item.id).addr
            if address in known:
                raise DatasetError(f"{where}: the second name of one thing; expected one name for each")
            known.add(address)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                _refuse_attributes(source, item)
                _refuse_dataset(source, group, name, item)


def _refuse_dataset(source: Source, group: h5py.Group, name: str, stored: h5py.Dataset) -> None:
    where = place_of(group, name)
    if fault := fault_of(stored, kinds=ALL_KINDS):
        raise DatasetError(f"{where}: {fault}. Don't use this file")
    if stored.dtype.kind == "S" and stored.ndim == 1:
        read_labels(source, group, name)
    source.spend(stored.size * stored.dtype.itemsize, where)


def _refuse_attributes(source: Source, item: h5py.Group | h5py.Dataset) -> None:
    for name in item.attrs:
        where = f"{item.file.filename}:{item.name}: attribute {name!r}"
        source.spend(refuse_attribute(item, name, error=DatasetError), where)
