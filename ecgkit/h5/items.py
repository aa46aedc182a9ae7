"""What lies in an HDF5 file: groups, data sets and attributes that are looked at before they are read."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import EcgkitError
from ecgkit.h5.headers import is_virtual

MOST_SHRUNK = 1100  # gzip can't shrink by more
LARGE_BYTES, MOST_SHRUNK_LARGE = 1 << 30, 50  # a recording that large is not all of one value
MOST_CHUNK_BYTES = 1 << 26
SMALL_BYTES = 1 << 20  # not worth a doubt
MOST_ATTRIBUTE_BYTES = 60_000  # not every HDF5 takes 64 KB
STORED_HERE = "a data set stored in this file; links to elsewhere are not followed"
VARIABLE = "of variable length: an earlier or a foreign form, never read; expected a fixed length"


def place_of(item: h5py.HLObject, name: str) -> str:
    """Return the file and the HDF5 path of something in a group, for messages."""
    return f"{item.file.filename}:{item.name.rstrip('/')}/{name}"


def place_of_attribute(item: h5py.HLObject, name: str) -> str:
    """Return the file, the HDF5 path and the name of an attribute, for messages."""
    return f"{item.file.filename}:{item.name}: attribute {name!r}"


def dataset(group: h5py.Group, name: str, *, kinds: str, ndim: int, error: type[EcgkitError]) -> h5py.Dataset:
    """Return a data set that lies in this very file and has the right type and axes.

    Parameters
    ----------
    kinds
        NumPy kinds that are accepted ("iuf"; "S" for text).

    Raises
    ------
    error
        It is missing, a link elsewhere, stored elsewhere, of variable length, of other type or axes, or
        claims to be larger than the file. The message holds its HDF5 path.
    """
    where, found = place_of(group, name), _own(group, name, error=error)
    if not isinstance(found, h5py.Dataset):
        raise error(f"{where}: expected {STORED_HERE}")
    if fault := fault_of(found, kinds=kinds, ndim=ndim):
        raise error(f"{where}: {fault}. Don't use this file")
    return found


def fault_of(stored: h5py.Dataset, *, kinds: str = "", ndim: int | None = None) -> str:
    """Say why a data set must not be read, "" if it may be; nothing of it is read for that."""
    if stored.external or stored.is_virtual or stored.shape is None:
        return f"expected {STORED_HERE}"
    if stored.dtype.hasobject:
        return f"type {stored.dtype}, {VARIABLE}"
    if (kinds and stored.dtype.kind not in kinds) or ndim not in (None, stored.ndim):
        return f"type {stored.dtype}, {stored.ndim} axes; expected kind {kinds!r}, {ndim} axes"
    claimed, bytes_ = stored.size * stored.dtype.itemsize, stored.id.get_storage_size()
    chunk_bytes = math.prod(stored.chunks or ()) * stored.dtype.itemsize
    shrunk = MOST_SHRUNK if claimed < LARGE_BYTES else MOST_SHRUNK_LARGE
    if claimed <= max(shrunk * bytes_, SMALL_BYTES) and chunk_bytes <= MOST_CHUNK_BYTES:
        return ""
    return (
        f"says that it has {claimed} bytes, in pieces of {chunk_bytes}, but {bytes_} are in the file; "
        "expected no more than can be in it"
    )


def own_group(parent: h5py.Group, name: str, *, error: type[EcgkitError]) -> h5py.Group:
    """Return a group that lies in this very file.

    Raises
    ------
    error
        It is missing, something else, or a link.
    """
    found = _own(parent, name, error=error)
    if not isinstance(found, h5py.Group):
        raise error(f"{place_of(parent, name)}: expected a group; links to elsewhere are not followed")
    return found


def _own(group: h5py.Group, name: str, *, error: type[EcgkitError]) -> Any:
    if group.get(name, getlink=True) is None:
        raise error(f"{place_of(group, name)}: missing")
    return opened(group, name)


def opened(group: h5py.Group, name: str) -> Any:
    """Return what has this name in a group, None where it is a link, or what must not be opened."""
    is_here = isinstance(group.get(name, getlink=True), h5py.HardLink)
    return group.get(name) if is_here and not is_virtual(group, name) else None


def attribute(
    item: h5py.HLObject, name: str, kind: type, *, positive: bool = False, error: type[EcgkitError]
) -> Any:
    """Return an attribute as a Python value of one type.

    Parameters
    ----------
    positive
        Whether it must be a number above 0 and not infinite.

    Raises
    ------
    error
        It is missing, of another type, of variable length, a list, no UTF-8, or not such a number.
    """
    where = place_of_attribute(item, name)
    expected = f"{kind.__name__} above 0" if positive else kind.__name__
    values = attribute_values(item, name, error=error)
    if values is not None and values.shape != ():
        raise error(f"{where} is a list, expected one {expected}")
    value = None if values is None else values.item()
    if kind is str and isinstance(value, bytes):
        value = decoded(value, where, error=error)
    if kind is float and isinstance(value, int):
        value = float(value)
    if not isinstance(value, kind) or (positive and not 0 < float(value) < math.inf):  # type: ignore[arg-type]
        raise error(f"{where} is {value!r}, expected {expected}")
    return value


def attribute_values(item: h5py.HLObject, name: str, *, error: type[EcgkitError]) -> NDArray[Any] | None:
    """Return what an attribute holds, None where it is missing or empty.

    Raises
    ------
    error
        It is of variable length, or too long for an attribute.
    """
    if name not in item.attrs:
        return None
    refuse_attribute(item, name, error=error)
    values = item.attrs[name]
    return None if isinstance(values, h5py.Empty) else np.asarray(values)


def refuse_attribute(item: h5py.HLObject, name: str, *, error: type[EcgkitError]) -> int:
    """Refuse an attribute that must not be read; return how many bytes it has.

    Raises
    ------
    error
        It is of variable length, or too long for an attribute.
    """
    stored = item.attrs.get_id(name)
    if fault := attribute_fault(stored):
        raise error(f"{place_of_attribute(item, name)}: {fault}. Don't use this file")
    return bytes_of(stored)


def attribute_fault(stored: h5py.h5a.AttrID) -> str:
    """Say why an attribute must not be read, "" if it may be."""
    if stored.dtype.hasobject:
        return f"type {stored.dtype}, {VARIABLE}"
    n_bytes = bytes_of(stored)
    return (
        "" if n_bytes <= MOST_ATTRIBUTE_BYTES else f"{n_bytes} bytes, expected at most {MOST_ATTRIBUTE_BYTES}"
    )


def bytes_of(stored: h5py.h5a.AttrID) -> int:
    """Return how long an attribute is."""
    return math.prod(stored.shape or ()) * int(stored.dtype.itemsize)


def decoded(text: bytes, where: str, *, error: type[EcgkitError]) -> str:
    """Return a text of a file.

    Raises
    ------
    error
        It is not UTF-8.
    """
    try:
        return text.decode()
    except UnicodeDecodeError as problem:
        raise error(
            f"{where}: {text[:80]!r} is no UTF-8 ({problem.reason}). Don't use this file"
        ) from problem
