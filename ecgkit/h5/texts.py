"""Texts of an HDF5 file, each of a fixed length, null-padded UTF-8: lists, JSON, short ones as attributes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import h5py
import numpy as np

from ecgkit.errors import EcgkitError
from ecgkit.h5.items import (
    LARGE_BYTES,
    MOST_ATTRIBUTE_BYTES,
    SMALL_BYTES,
    dataset,
    decoded,
    own_group,
    place_of,
    place_of_attribute,
)

ABOUT = "about"  # the group of all that is JSON
MOST_JSON_BYTES = 1 << 24  # 60 times what 1,500 sessions need
MOST_TEXTS = 1 << 22
TEXT_BYTES = 64  # in memory, besides its characters

Spend = Callable[[int, str], None]


def write_texts(
    group: h5py.Group, name: str, texts: Sequence[str], *, error: type[EcgkitError]
) -> h5py.Dataset:
    """Write a list of texts, each of the longest one's length; packed where that makes it large.

    Raises
    ------
    error
        A text can't be written, or there is more of them than would be read.
    """
    where = place_of(group, name)
    encoded = [_encoded(text, where, error=error) for text in texts]
    dtype = _text_dtype(max(map(len, encoded), default=0))
    n_bytes = len(encoded) * dtype.itemsize
    if len(encoded) > MOST_TEXTS or n_bytes > LARGE_BYTES:
        raise error(
            f"{where}: {len(encoded)} texts, the longest of {dtype.itemsize} bytes; expected up to "
            f"{MOST_TEXTS}, and {LARGE_BYTES} bytes if all were as long as the longest. Shorten that one"
        )
    rows = max(1, SMALL_BYTES // dtype.itemsize)
    packed = {"chunks": (rows,), "compression": "gzip"} if n_bytes > SMALL_BYTES else {}
    stored = group.create_dataset(name, shape=(len(encoded),), dtype=dtype, **packed)
    for start in range(0, len(encoded), rows):
        stored[start : start + rows] = np.array(encoded[start : start + rows], dtype=dtype)
    return stored


def read_texts(
    group: h5py.Group, name: str, *, error: type[EcgkitError], spend: Spend | None = None
) -> tuple[str, ...]:
    """Read a list of texts.

    Parameters
    ----------
    spend
        Told how many bytes of memory are about to be taken, and for what; it may refuse.

    Raises
    ------
    error
        It is no such list, too long a one, or not UTF-8.
    """
    where, stored = place_of(group, name), dataset(group, name, kinds="S", ndim=1, error=error)
    n_bytes = stored.size * stored.dtype.itemsize
    if stored.size > MOST_TEXTS or n_bytes > LARGE_BYTES:
        raise error(f"{where}: {stored.size} texts, {n_bytes} bytes; expected fewer. Don't use this file")
    rows = max(1, SMALL_BYTES // stored.dtype.itemsize)
    texts: list[str] = []
    for start in range(0, stored.size, rows):
        block = stored[start : start + rows].tolist()
        if spend is not None:
            spend(sum(TEXT_BYTES + 4 * len(text) for text in block), where)
        texts += [decoded(text, where, error=error) for text in block]
    return tuple(texts)


def write_json(file: h5py.File, name: str, content: Any, *, error: type[EcgkitError]) -> None:
    """Write plain values as JSON, one text ``/about/<name>``: an attribute may not be so long.

    Raises
    ------
    error
        A number in it is not finite, or it is longer than would be read.
    """
    where = place_of(file, f"{ABOUT}/{name}")
    try:
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except ValueError as problem:
        raise error(f"{where}: {problem}; expected finite numbers") from problem
    encoded = text.encode("utf-8", "backslashreplace")  # half a pair of UTF-16 becomes JSON's own escape
    if len(encoded) > MOST_JSON_BYTES:
        raise error(f"{where}: {len(encoded)} bytes of JSON, expected at most {MOST_JSON_BYTES}")
    file.require_group(ABOUT).create_dataset(name, data=np.array(encoded, dtype=_text_dtype(len(encoded))))


def read_json(
    file: h5py.File, name: str, *, error: type[EcgkitError], most_bytes: int = MOST_JSON_BYTES
) -> Any:
    """Read the JSON in ``/about/<name>``.

    Raises
    ------
    error
        It is missing, no such text, longer than `most_bytes`, or no JSON.
    """
    where = place_of(file, f"{ABOUT}/{name}")
    stored = dataset(own_group(file, ABOUT, error=error), name, kinds="S", ndim=0, error=error)
    if stored.dtype.itemsize > most_bytes:
        raise error(f"{where}: {stored.dtype.itemsize} bytes of JSON, expected at most {most_bytes}")
    try:
        return json.loads(decoded(stored[()], where, error=error), parse_constant=_no_number)
    except (ValueError, RecursionError) as problem:
        raise error(f"{where}: damaged JSON ({problem}); write this file anew") from problem


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def write_attribute(item: h5py.HLObject, name: str, text: str, *, error: type[EcgkitError]) -> None:
    """Write a short text as an attribute.

    Raises
    ------
    error
        It can't be written, or is too long.
    """
    where = place_of_attribute(item, name)
    encoded = _encoded(text, where, error=error)
    if len(encoded) > MOST_ATTRIBUTE_BYTES:
        raise error(f"{where}: {len(encoded)} bytes, expected at most {MOST_ATTRIBUTE_BYTES}; shorten it")
    item.attrs[name] = np.array(encoded, dtype=_text_dtype(len(encoded)))


def _text_dtype(n_bytes: int) -> np.dtype[Any]:
    dtype: np.dtype[Any] = h5py.string_dtype("utf-8", max(1, n_bytes))
    return dtype


def _encoded(text: str, where: str, *, error: type[EcgkitError]) -> bytes:
    """Return a text as UTF-8; one that would not come back the same is refused."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError as problem:
        raise error(f"{where}: {text[:80]!r} can't be written as UTF-8 ({problem.reason})") from problem
    if b"\0" in encoded:
        raise error(f"{where}: {text[:80]!r} has a NUL in it, which ends a text in a file; take it out")
    return encoded
