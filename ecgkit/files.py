"""Files on disk: atomic writing, hashing. The one place for what operating systems differ in."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

POLL_S = 0.02  # between two looks at a lock that another has
TEMPORARY_PREFIX = ".partial-"
TEMPORARY_FILE = re.compile(re.escape(TEMPORARY_PREFIX) + r"[0-9a-f]{16}(\..*)?")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; put it in place only if the block succeeds.

    The file is flushed to disk and renamed, so that a reader sees the old file or the whole new
    one, never a part. On any error, an interrupt included, the temporary file is removed; what a
    killed process left is removed by the next write into the folder.

    Raises
    ------
    OSError
        The path is that of a folder or a device, or can't be written; the error names the path itself.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with atomic_path(target) as part:
    ...     _ = part.write_text("all of it", encoding="utf-8")
    >>> target.read_text(encoding="utf-8")
    'all of it'
    """
    part = path.parent / f"{temporary_name()}{path.suffix}"
    try:
        refuse_special(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_in(path.parent):
            try:
                yield part
                flush(part)
                part.replace(path)
                sync_folder(path.parent)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        if error.errno and error.filename in (None, str(part)):
            error.filename, error.filename2 = str(path), None
        raise


def refuse_special(path: Path) -> None:
    """Refuse a path that something other than a file has: replacing a folder or a device destroys it.

    Raises
    ------
    OSError
        There is a folder, a device or a pipe, or what should be its folder is none.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder, expected a file", str(path))
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file, expected a folder to write into", str(path.parent))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "a device or a pipe, expected a file", str(path))


def temporary_name() -> str:
    """Return a new hidden name for what is not whole yet; what is left under it is cleared away later."""
    return f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}"


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically, with Unix line ends on every system."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def read_small_text(path: Path, most_bytes: int) -> str:
    """Read a UTF-8 text file, with or without a byte order mark.

    Raises
    ------
    OSError
        It is no ordinary file (reading a pipe would wait for ever), or can't be read.
    ValueError
        It is larger, or not UTF-8.
    """
    if not path.is_file() and path.exists():
        raise OSError(errno.EINVAL, "not an ordinary file", str(path))
    size = path.stat().st_size
    if size > most_bytes:
        raise ValueError(f"{size} bytes, expected at most {most_bytes}")
    return path.read_text(encoding="utf-8-sig")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def writing_in(folder: Path) -> Iterator[None]:
    """Share the folder's lock while writing in it; whoever has it alone removes what was left half-done.

    The system gives the lock of a killed process back. Where folders can't be locked (Windows, some
    network disks), what was left stays: it is in nobody's way.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_left_over(folder)
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def alone(path: Path, *, wait_s: float) -> Iterator[None]:
    """Have a lock file alone for the block; wait for whoever has it.

    The lock is the system's: it is given back when the process ends, however it ends. The empty file stays,
    and may be removed by whoever has it. It keeps threads apart as well; taken twice by one it never comes.

    Raises
    ------
    TimeoutError
        Another process has had it for `wait_s` seconds.
    OSError
        The file can't be made or is a link, or the disk knows no locks.
    """
    until = time.monotonic() + wait_s
    while (handle := _taken(path)) is None:
        if time.monotonic() >= until:
            raise TimeoutError(errno.ETIMEDOUT, f"in use by another process for {wait_s:g} s", str(path))
        time.sleep(POLL_S)
    _held.add(handle)
    try:
        yield
    finally:
        _held.discard(handle)
        os.close(handle)


def _taken(path: Path) -> int | None:
    """Return the open lock file once it is ours, None while it is another's."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    ours = False
    try:
        ours = _try_lock(handle) and _is_still(path, handle)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        if not ours:
            os.close(handle)
    return handle if ours else None


def _try_lock(handle: int) -> bool:
    """Lock an open file; tell whether it could be."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the latter is how Windows says it
        return False
    return True


def _is_still(path: Path, handle: int) -> bool:
    """Tell whether the file that was locked still has this name: who had it may have removed it."""
    if os.name == "nt":  # what is open can't be removed
        return True
    try:
        return os.path.samestat(os.fstat(handle), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


_held: set[int] = set()


def _let_go() -> None:
    """Close, in a copy of the process, the locks of the original: they would outlive it."""
    for handle in _held:
        os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _remove_left_over(folder: Path) -> None:
    for path in folder.iterdir():
        if not TEMPORARY_FILE.fullmatch(path.name) or path.is_symlink():
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def flush(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with path.open("rb+") as written:
        os.fsync(written.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename durable; Windows can't open a folder and does not need it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
