"""HDF5 files, written whole or not at all and read without trust. Sessions and data sets use it alike."""

from __future__ import annotations

import errno
import hashlib
import io
import math
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ecgkit.errors import EcgkitError
from ecgkit.files import atomic_path

TEXT = h5py.string_dtype("utf-8")
AT_ONCE = 1 << 20  # values
MOST_SHRUNK = 1100  # gzip can't shrink by more
LARGE_BYTES, MOST_SHRUNK_LARGE = 1 << 30, 50  # a recording that large is not all of one value
MOST_CHUNK_BYTES = 1 << 26
SMALL_BYTES = 1 << 20  # not worth a doubt
UNAVAILABLE = (errno.EACCES, errno.EPERM, errno.EAGAIN, errno.EMFILE)  # the file itself may be sound


@contextmanager
def atomic_h5(path: Path, *, file_format: str, format_version: str) -> Iterator[h5py.File]:
    """Write an HDF5 file atomically, stamped with its format and version; no times in it.

    A Ctrl-C meanwhile counts when the file is written: HDF5 would swallow it, and the data with it.

    Raises
    ------
    OSError
        The disk is full or can't be written.
    """
    with atomic_path(path) as part, _interrupts_later(), _Uncomplaining(part, "wb+") as disk:
        try:
            with h5py.File(disk, "w", libver=("v110", "v110"), track_order=False) as file:
                file.attrs["format"] = file_format
                file.attrs["format_version"] = format_version
                yield file
        finally:
            if disk.failure is not None:
                raise disk.failure


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Hold a Ctrl-C back until the block ends; only the main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if callable(before):
        signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        if callable(before):
            signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


class _Uncomplaining(io.FileIO):
    """A file that keeps what went wrong for later, and goes on as if nothing had.

    HDF5 that meets a full disk leaves half its state behind, and the process crashes when it ends.
    """

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of the data, or note why it can't be."""
        left = memoryview(data).cast("B")
        length = len(left)
        try:
            while left:
                left = left[super().write(left) :]
        except OSError as error:
            self.failure = self.failure or error
        return length

    def truncate(self, size: int | None = None) -> int:
        """Set the file's length, or note why it can't be."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return size or 0

    def readinto(self, buffer: Any) -> int:
        """Read back what was written; zeros where it could not be."""
        read = super().readinto(buffer) or 0
        if self.failure is not None:
            memoryview(buffer).cast("B")[read:] = bytes(len(buffer) - read)
            return len(buffer)
        return read


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
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as problem:
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
        It is missing, a link elsewhere, stored elsewhere, of other type or axes, or claims to be larger
        than the file. The message holds its HDF5 path.
    """
    where = _path(group, name)
    found = _own(group, name, error=error)
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        raise error(f"{where}: expected a data set stored in this file; links to elsewhere are not followed")
    if found.dtype.kind not in kinds or found.ndim != ndim:
        raise error(f"{where}: type {found.dtype}, {found.ndim} axes; expected kind {kinds!r}, {ndim} axes")
    if fault := _overstated(found):
        raise error(f"{where}: {fault}. Don't use this file")
    return found


def own_group(parent: h5py.Group, name: str, *, error: type[EcgkitError]) -> h5py.Group:
    """Return a group that lies in this very file.

    Raises
    ------
    error
        It is missing, something else, or a link.
    """
    found = _own(parent, name, error=error)
    if not isinstance(found, h5py.Group):
        raise error(f"{_path(parent, name)}: expected a group; links to elsewhere are not followed")
    return found


def _own(group: h5py.Group, name: str, *, error: type[EcgkitError]) -> Any:
    """Return what has this name in a group and is no link, None where it is one."""
    link = group.get(name, getlink=True)
    if link is None:
        raise error(f"{_path(group, name)}: missing")
    return group.get(name) if isinstance(link, h5py.HardLink) else None


def _path(group: h5py.Group, name: str) -> str:
    return f"{group.file.filename}:{group.name.rstrip('/')}/{name}"


def _overstated(stored: h5py.Dataset) -> str:
    """Say how a data set claims more than can be in the file, "" if it does not."""
    claimed, bytes_ = stored.size * stored.dtype.itemsize, stored.id.get_storage_size()
    chunk_bytes = math.prod(stored.chunks or ()) * stored.dtype.itemsize
    shrunk = MOST_SHRUNK if claimed < LARGE_BYTES else MOST_SHRUNK_LARGE
    if claimed <= max(shrunk * bytes_, SMALL_BYTES) and chunk_bytes <= MOST_CHUNK_BYTES:
        return ""
    return (
        f"says that it has {claimed} bytes, in pieces of {chunk_bytes}, but {bytes_} are in the file; "
        "expected no more than can be in it"
    )


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


def content_sha256(file: h5py.File, *, but: str) -> str:
    """Hash what a file of ours holds: every group, data set and attribute, but for one attribute of the root.

    It does not depend on how HDF5 lays it out, so that two files of the same content have the same hash.

    Raises
    ------
    ValueError
        A data set claims to be larger than the file.
    """
    digest = hashlib.sha256()
    names = [""]
    file.visit(names.append)
    for name in sorted(names):
        item = file[name] if name else file
        _digest(digest, name, type(item).__name__)
        for key in sorted(item.attrs):
            if name or key != but:
                _digest_values(digest, key, item.attrs[key])
        if isinstance(item, h5py.Dataset):
            if fault := _overstated(item):
                raise ValueError(f"/{name} {fault}")
            _digest(digest, item.shape, item.dtype.str)
            rows = max(1, AT_ONCE // max(1, math.prod(item.shape[1:])))
            for start in range(0, len(item), rows):
                _digest_values(digest, "", item[start : start + rows])
    return digest.hexdigest()


def _digest(digest: hashlib._Hash, *what: object) -> None:
    digest.update("\0".join([*map(str, what), ""]).encode())


def _digest_values(digest: hashlib._Hash, key: str, values: Any) -> None:
    _digest(digest, key)
    array = np.asarray(values)
    if array.dtype.kind in "OU":
        _digest(digest, *(v.decode() if isinstance(v, bytes) else v for v in array.ravel().tolist()))
    else:
        digest.update(np.ascontiguousarray(array).data)
