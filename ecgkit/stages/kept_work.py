"""A folder for work that outlives an interrupt, for one process at a time."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ecgkit.errors import EcgkitError
from ecgkit.files import alone

LOCK_FILE = ".lock"
FULL = (errno.ENOSPC, errno.EDQUOT)
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def kept_work(folder: Path, *, busy: str, elsewhere: str, error: type[EcgkitError]) -> Iterator[Path]:
    """Make a folder unless it is there, and have it alone for the block; it goes at the end if it is empty.

    Parameters
    ----------
    busy
        What to say where another process has it.
    elsewhere
        What to do where the disk knows no locks.
    error
        The kind of error to raise.

    Raises
    ------
    EcgkitError
        Another process has it, the disk knows no locks, or it is no folder.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise error(f"{folder}: not a folder of ecgkit's; remove it")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.callback(_remove_if_empty, folder)
        try:
            stack.enter_context(alone(folder / LOCK_FILE, wait_s=0))
        except TimeoutError as timeout:
            raise error(busy) from timeout
        except OSError as refused:
            if refused.errno not in NO_LOCKS:
                raise
            raise error(
                f"{folder}: files can't be locked on this disk ({refused.strerror}), so two at a time could "
                f"not be kept apart; {elsewhere}"
            ) from refused
        stack.callback(_remove_lock, folder)
        yield folder


def _remove_lock(folder: Path) -> None:
    with suppress(PermissionError):  # Windows does not remove what is open
        (folder / LOCK_FILE).unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # what was done is left for the next time, or somebody else's file lies in it
        folder.rmdir()
