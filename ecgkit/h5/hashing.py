"""The hash over what a file of ours holds; docs/format.md says it in words."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.h5.items import STORED_HERE, attribute_fault, fault_of, opened

BLOCK_BYTES = 1 << 22

Instead = tuple[h5py.Dataset, tuple[int, ...], Iterable[NDArray[Any]]]
NOTHING: Mapping[str, None] = MappingProxyType({})


def content_sha256(file: h5py.File, *, but: str, instead: Mapping[str, Instead | None] = NOTHING) -> str:
    """Hash what a file of ours holds: every group, data set and attribute, but for one attribute of the root.

    It does not depend on how HDF5 lays it out, so that two files of the same content have the same hash.

    Parameters
    ----------
    instead
        Name -> what counts in its place: a data set of the same type and attributes, the shape, and the
        values some rows at a time; None: nothing. What has such a name in the root is not opened.

    Raises
    ------
    ValueError
        Something is of variable length, lies elsewhere, or claims to be larger than the file.
    """
    digest = hashlib.sha256()
    for name in sorted(_names(file, instead)):
        if name in instead and instead[name] is None:
            continue
        other = instead.get(name)
        item = other[0] if other else file[name] if name else file
        _digest(digest, name, type(item).__name__)
        for key in sorted(item.attrs):
            if name or key != but:
                _digest_attribute(digest, item, key)
        if isinstance(item, h5py.Dataset):
            if fault := fault_of(item):
                raise ValueError(f"/{name}: {fault}")
            shape, blocks = other[1:] if other else (item.shape, _blocks(item))
            _digest(digest, shape, item.dtype.str)
            for block in blocks:
                digest.update(block.tobytes())
    return digest.hexdigest()


def _names(file: h5py.File, unopened: Collection[str]) -> list[str]:
    """Return the names of all groups and data sets, the root's "" among them; links are none of them."""
    names, waiting, known = [""], [("", file)], set()
    while waiting:
        above, group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            full = f"{above}{name}"
            names.append(full)
            if full in unopened:
                continue
            item = opened(group, name)
            if item is None:
                raise ValueError(f"/{full}: expected {STORED_HERE}")
            if h5py.h5o.get_info(item.id).addr in known:
                raise ValueError(f"/{full}: the second name of one thing; expected one name for each")
            known.add(h5py.h5o.get_info(item.id).addr)
            if isinstance(item, h5py.Group):
                waiting.append((f"{full}/", item))
    return names


def _digest_attribute(digest: hashlib._Hash, item: h5py.HLObject, key: str) -> None:
    stored = item.attrs.get_id(key)
    if fault := attribute_fault(stored):
        raise ValueError(f"{item.name}: attribute {key!r}: {fault}")
    values = item.attrs[key]
    _digest(digest, key, stored.shape, stored.dtype.str)
    if not isinstance(values, h5py.Empty):
        padded = np.asarray(values).astype(stored.dtype) if stored.dtype.kind == "S" else np.asarray(values)
        digest.update(padded.tobytes())


def _blocks(stored: h5py.Dataset) -> Iterator[NDArray[Any]]:
    """Yield a data set some rows at a time, with the padding of its texts."""
    if not stored.shape:
        yield np.asarray(stored[()]).astype(stored.dtype)
        return
    rows = max(1, BLOCK_BYTES // max(1, math.prod(stored.shape[1:]) * stored.dtype.itemsize))
    for start in range(0, len(stored), rows):
        yield stored[start : start + rows]


def _digest(digest: hashlib._Hash, *what: object) -> None:
    digest.update("\0".join([*map(str, what), ""]).encode())
