"""HDF5 files, written whole or not at all and read without trust. Sessions and data sets use it alike."""

from __future__ import annotations

import errno
import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ecgkit.errors import EcgkitError
from ecgkit.files import atomic_path

TEXT = h5py.string_dtype("utf-8")
UNAVAILABLE = (errno.EACCES, errno.EPERM, errno.EAGAIN, errno.EMFILE)  # the file itself may be sound


@contextmanager
def atomic_h5(path: Path, *, file_format: str, format_version: str) -> Iterator[h5py.File]:
    """Write an HDF5 file atomically, stamped with its format and version; no times in it.

    It is made in memory and then written as a whole: where a disk is full, HDF5 leaves half its
    state behind, and the process crashes when it ends.

    Raises
    ------
    OSError
        The disk is full or can't be written.
    """
    content = io.BytesIO()
    with h5py.File(content, "w", libver=("v110", "v110"), track_order=False) as file:
        file.attrs["format"] = file_format
        file.attrs["format_version"] = format_version
        yield file
    with atomic_path(path) as part:
        part.write_bytes(content.getbuffer())


@contextmanager
def open_h5(
    path: Path,
    *,
    file_format: str,
    versions: Sequence[str],
    error: type[EcgkitError],
) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading after checking what it is; name the file in what goes wrong inside.

    Raises
    ------
    error
        The file is missing, damaged, of another format, or of a version not in `versions`.
    """
    if not path.is_file():
        raise error(f"{path}: {'not an ordinary' if path.exists() else 'no such'} file")
    try:
        with h5py.File(path, "r") as file:
            found = file.attrs.get("format")
            if not isinstance(found, str) or found != file_format:
                raise error(f"{path}: format is {found!r}, expected {file_format!r}; move it elsewhere")
            version = file.attrs.get("format_version")
            if version not in versions:
                raise error(
                    f"{path}: {file_format} version {version!r}, this ecgkit reads {', '.join(versions)}. "
                    "Use the ecgkit that wrote it, or remove it and write it anew"
                )
            yield file
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, UnicodeDecodeError) as problem:
        if isinstance(problem, OSError) and problem.errno in UNAVAILABLE:
            why = os.strerror(problem.errno).lower()
            raise error(f"{path}: can't be opened ({why}); check its permissions") from problem
        raise error(
            f"{path}: damaged, or not a whole {file_format} file ({problem}); "
            "if it is the right one, remove it and write it anew"
        ) from problem


def dataset(group: h5py.Group, name: str, *, kinds: str, ndim: int, error: type[EcgkitError]) -> h5py.Dataset:
    """Return a data set that lies in this very file and has the right type and axes.

    Parameters
    ----------
    kinds
        NumPy kinds that are accepted ("iuf"; "O" for text).

    Raises
    ------
    error
        It is missing, a link elsewhere, stored elsewhere, or of other type or axes. The message holds
        its HDF5 path.
    """
    where = f"{group.file.filename}:{group.name.rstrip('/')}/{name}"
    link = group.get(name, getlink=True)
    if link is None:
        raise error(f"{where}: missing")
    found = group.get(name) if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        raise error(f"{where}: expected a data set stored in this file; links to elsewhere are not followed")
    if found.dtype.kind not in kinds or found.ndim != ndim:
        raise error(f"{where}: type {found.dtype}, {found.ndim} axes; expected kind {kinds!r}, {ndim} axes")
    return found


def read_texts(group: h5py.Group, name: str, *, error: type[EcgkitError]) -> tuple[str, ...]:
    """Read a list of UTF-8 texts."""
    return tuple(dataset(group, name, kinds="O", ndim=1, error=error).asstr()[:])


def write_texts(group: h5py.Group, name: str, texts: Sequence[str]) -> h5py.Dataset:
    """Write a list of UTF-8 texts."""
    return group.create_dataset(name, data=np.array(texts, dtype=object), dtype=TEXT, shape=(len(texts),))


def attribute(
    group: h5py.Group, name: str, kind: type, *, positive: bool = False, error: type[EcgkitError]
) -> Any:
    """Return an attribute as a Python value of one type.

    Parameters
    ----------
    positive
        Whether it must be a number above 0 and not infinite.

    Raises
    ------
    error
        It is missing, of another type, or not such a number.
    """
    value = group.attrs.get(name)
    value = value.item() if isinstance(value, np.generic) else value
    if kind is float and isinstance(value, int):
        value = float(value)
    if not isinstance(value, kind) or (positive and not 0 < float(value) < math.inf):  # type: ignore[arg-type]
        expected = f"{kind.__name__} above 0" if positive else kind.__name__
        raise error(
            f"{group.file.filename}:{group.name}: attribute {name!r} is {value!r}, expected {expected}"
        )
    return value
