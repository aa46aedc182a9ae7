"""An HDF5 file of ours as a whole: written completely or not at all, opened after a look at what it is."""

from __future__ import annotations

import errno
import io
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from ecgkit.errors import EcgkitError
from ecgkit.files import atomic_path
from ecgkit.h5.items import attribute
from ecgkit.h5.texts import write_attribute

# numbers lie where a mapped array can be used as it is; many a function copies all of one that is not aligned
LAYOUT: dict[str, Any] = {
    "libver": ("v110", "v110"),
    "track_order": False,
    "alignment_threshold": 1,
    "alignment_interval": 8,
}
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
            with h5py.File(disk, "w", **LAYOUT) as file:
                write_attribute(file, "format", file_format, error=EcgkitError)
                write_attribute(file, "format_version", format_version, error=EcgkitError)
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
            if (found := stamp(file, "format", error=error)) != file_format:
                raise error(f"{path}: format is {found!r}, expected {file_format!r}: name another file")
            if (version := stamp(file, "format_version", error=error)) not in versions:
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
            f"{path}: damaged, or not a whole {file_format} file ({problem}); if it should be one of "
            "ecgkit's, make it anew"
        ) from problem


def stamp(file: h5py.File, name: str, *, error: type[EcgkitError]) -> str | None:
    """Return what a file says that it is: its ``format`` or ``format_version``; None where it says nothing.

    Raises
    ------
    error
        It is no text, or one of variable length, as ecgkit wrote them before.
    """
    if name not in file.attrs:
        return None
    if file.attrs.get_id(name).dtype.hasobject:
        raise error(
            f"{file.filename}: attribute {name!r} is of variable length, expected a text of fixed length: an "
            "earlier ecgkit or another program wrote it, or it is damaged. If it is ecgkit's: ingest the "
            "recordings, or build the data set, again"
        )
    return str(attribute(file, name, str, error=error))
