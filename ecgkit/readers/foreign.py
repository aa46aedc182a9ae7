"""Parsers of other people's: what they raise on a damaged file becomes a ReadError."""

from __future__ import annotations

import importlib
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecgkit.errors import ReadError

# parsers written for sound files meet a damaged one with whatever their next line happens to raise
STUMBLES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def require(path: Path, library: str) -> Any:
    """Import a library, or a module of it, that reads a file's format and is not always installed.

    Raises
    ------
    ReadError
        It is not installed.
    """
    try:
        return importlib.import_module(library)
    except ModuleNotFoundError as error:
        raise ReadError(
            f"{path}: its format is read with {library.partition('.')[0]}, which is not installed; "
            'pip install "ecgkit-mp160[formats]"'
        ) from error


@contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Name the file, and what of it was parsed, in whatever goes wrong inside.

    Raises
    ------
    ReadError
        The parser stumbled, or said so itself.
    """
    try:
        yield
    except ReadError:
        raise
    except STUMBLES as error:
        said = error.strerror if isinstance(error, OSError) else None  # its text would name the file
        why = " ".join((said or str(error)).split())[:200] or type(error).__name__
        raise ReadError(
            f"{path}: the {what} can't be read ({why}); the file is damaged, or not what its first bytes "
            "say. Copy it again, or save it again from where it came"
        ) from error
