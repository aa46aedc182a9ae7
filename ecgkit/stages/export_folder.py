"""A folder of exported files: whole or not there at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecgkit.errors import StudyError
from ecgkit.files import flush, sync_folder, temporary_name, writing_in


@contextmanager
def export_folder(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a hidden folder to fill; put it in place as `out` if the block succeeds, else remove it.

    What a killed export left is removed by the next one.

    Parameters
    ----------
    replace
        Put it in the place of a folder that holds something; what that may be is the caller's to check.

    Raises
    ------
    StudyError
        `out` is a file, or holds something already that is not to be replaced.
    OSError
        Something can't be written; the error names `out`, not the hidden folder.
    """
    if out.exists() and (not out.is_dir() or (not replace and any(out.iterdir()))):
        raise StudyError(f"{out}: there is something here already; name a new folder, or remove it")
    place = out.resolve()
    part, old = (place.parent / temporary_name() for _ in range(2))
    place.parent.mkdir(parents=True, exist_ok=True)
    with writing_in(place.parent):
        try:
            part.mkdir()
            yield part
            _flush(part)
            _swap(part, place, old)
            sync_folder(place.parent)
        except OSError as error:
            if Path(str(error.filename)).is_relative_to(part):
                error.filename, error.filename2 = str(out), None
            raise
        finally:
            for left in (part, old):
                shutil.rmtree(left, ignore_errors=True)


def _flush(folder: Path) -> None:
    """Wait until all of a folder is on the disk."""
    for inner, _, files in os.walk(folder):
        for name in files:
            flush(Path(inner) / name)
        sync_folder(Path(inner))


def _swap(part: Path, place: Path, old: Path) -> None:
    """Put a folder in place; one that is there goes aside, and comes back if that fails."""
    if place.exists():  # Windows can't rename onto a folder
        place.rename(old)
    try:
        part.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
