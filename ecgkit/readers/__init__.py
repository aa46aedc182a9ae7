"""Recordings from files: `read` tells the format by a file's content and hands on to its reader."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from ecgkit.errors import ReadError
from ecgkit.lookup import pick
from ecgkit.records import Recording

# name -> its reader; the module also has `matches(head)`, which knows the format by the first bytes
FORMATS = {
    "acq": "ecgkit.readers.acq:read",
}

HEAD_BYTES = 4096


def read(path: str | os.PathLike[str]) -> Recording:
    """Read a recording's headers; its samples come later, by ``channel.read(start, stop)``.

    The format is told by the file's content, not by its name.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReadError
        There is no such file, it can't be opened, its format is unknown, or it is damaged.
    """
    path = Path(path)
    head = _head(path)
    for name, reader in FORMATS.items():
        if importlib.import_module(reader.partition(":")[0]).matches(head):
            recording: Recording = pick(FORMATS, name, what="format")(path)
            return recording
    raise ReadError(
        f"{path}: not a recording of a format that ecgkit reads ({', '.join(FORMATS)}); it starts with "
        f"the bytes {head[:12].hex(' ')}. Give the file as AcqKnowledge saved it (.acq)"
    )


def _head(path: Path) -> bytes:
    """Return the first bytes of an ordinary, readable, non-empty file."""
    try:
        if path.is_dir():
            raise ReadError(f"{path}: a folder, expected a recording; give one of the files in it")
        if not path.exists():
            raise ReadError(f"{path}: no such file; check the name and the folder you are in")
        if not path.is_file():
            raise ReadError(f"{path}: not an ordinary file (a device or a pipe); copy it to disk first")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise ReadError(
            f"{path}: can't be opened ({error.strerror or error}); check its permissions"
        ) from error
    if not head:
        raise ReadError(f"{path}: empty (0 bytes), expected a recording; copy it again from its source")
    return head
