"""The doing of one fit of a cell: by one process at a time, gone on with after a kill, put in place whole."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import CheckpointError, EcgkitError, RunError
from ecgkit.files import alone, flush, read_small_text, write_text
from ecgkit.stages.fitting import CHECKPOINT_FILE, DONE_FILE, HISTORY_FILE, FitTask, run_fit
from ecgkit.stages.kept_work import NO_LOCKS
from ecgkit.stages.reproduce.cells import FIT_FILE, Cell, is_done, versions
from ecgkit.training.card import json_object

PART_PREFIX = ".fit-"  # not of the kind that the next write into the folder clears away
PART = re.compile(re.escape(PART_PREFIX) + r"[0-9a-f]{16}")
LOCK_SUFFIX = ".lock"
SECONDS_FILE = "seconds"  # spent on a part so far
STALE_S = 7 * 24 * 3600.0  # nobody comes back to a part after this
MOST_FIT_BYTES = 1 << 16
MOST_LINE_BYTES = 1024  # of a history
MOST_SECONDS = 1e9
DEVICES = ("cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class About:
    """What a fit that is done says of itself: how long it took, and the kind of device it ran on."""

    seconds: float
    device: str


def do_fit(dataset: Path, cell: Cell, task: FitTask, folder: Path) -> bool:
    """Do one fit unless it is there, and put it in place whole; what an executor calls.

    A fit that was interrupted goes on from its last checkpoint, and ends with the same numbers.

    Parameters
    ----------
    folder
        That of all cells.

    Returns
    -------
    Whether the fit is there now; False: another process has it under way.
    """
    place = task.folder(cell.folder(folder))
    with ExitStack() as stack:
        if is_done(cell, task, folder):
            return True
        try:
            part = stack.enter_context(_part_alone(folder, place))
        except TimeoutError:
            return False
        if not is_done(cell, task, folder):  # by whoever had the lock
            try:
                _fit(dataset, cell, task, part)
                _put_in_place(task.folder(part), place)
            except EcgkitError:  # it would fail again
                shutil.rmtree(part, ignore_errors=True)
                raise
        shutil.rmtree(part, ignore_errors=True)
    return True


def remove_stale(folder: Path) -> None:
    """Remove what kills left: locks, parts without a checkpoint, and those nobody came back to for long."""
    for part in {path.with_name(path.name.removesuffix(LOCK_SUFFIX)) for path in folder.iterdir()}:
        if not PART.fullmatch(part.name):
            continue
        with contextlib.suppress(OSError), _locked(part) as is_ours:
            is_of_use = not is_ours or any(part.glob(f"*/*/{CHECKPOINT_FILE}"))
            if not is_of_use or time.time() - _changed(part) > STALE_S:
                shutil.rmtree(part, ignore_errors=True)


def read_about(place: Path) -> About:
    """Read what a fit says of itself; those of before ecgkit named the device ran on the CPU.

    Raises
    ------
    OSError, ValueError
        It can't be read, or is damaged.
    """
    try:
        content = json_object(read_small_text(place / FIT_FILE, MOST_FIT_BYTES), where=FIT_FILE)
    except RunError as error:
        raise ValueError(f"{FIT_FILE}: not a JSON object") from error
    seconds: Any = content.get("seconds")
    device = content.get("device", "cpu")
    if type(seconds) not in (int, float) or not 0 <= seconds <= MOST_SECONDS:
        raise ValueError(f"{FIT_FILE}: seconds {str(seconds)[:40]!r}, expected a number from 0")
    if device not in DEVICES:
        raise ValueError(f"{FIT_FILE}: device {str(device)[:40]!r}, expected one of {', '.join(DEVICES)}")
    return About(float(seconds), str(device))


def read_history(place: Path, epochs: int) -> str:
    """Return the text of a fit's history, if it is no longer than one of so many epochs.

    Raises
    ------
    OSError, ValueError
        It can't be read, or is longer.
    """
    return read_small_text(place / HISTORY_FILE, MOST_LINE_BYTES * (1 + epochs))


@contextmanager
def _part_alone(folder: Path, place: Path) -> Iterator[Path]:
    """Give the hidden folder in which a fit is made; the same one the next time, if it is left there.

    Where the disk knows no locks two processes can't be kept apart: it is one of our own then, and goes.

    Raises
    ------
    TimeoutError
        Another process has it.
    """
    name = hashlib.sha256(place.relative_to(folder).as_posix().encode()).hexdigest()[:16]
    with ExitStack() as stack:
        part = folder / f"{PART_PREFIX}{name}"
        if not stack.enter_context(_locked(part)):
            part = folder / f"{PART_PREFIX}{os.urandom(8).hex()}"
            stack.callback(shutil.rmtree, part, ignore_errors=True)
        yield part


@contextmanager
def _locked(part: Path) -> Iterator[bool]:
    """Have a part alone; give False where the disk knows no locks. The lock file goes again."""
    lock = _lock_of(part)
    with ExitStack() as stack:
        try:
            stack.enter_context(alone(lock, wait_s=0))
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            lock.unlink(missing_ok=True)
            yield False
            return
        stack.callback(_remove, lock)  # while it is ours
        yield True


def _lock_of(part: Path) -> Path:
    return part.with_name(f"{part.name}{LOCK_SUFFIX}")


def _remove(lock: Path) -> None:
    with contextlib.suppress(PermissionError):  # Windows does not remove what is open
        lock.unlink(missing_ok=True)


def _changed(part: Path) -> float:
    """Return when a part was last worked on: each epoch writes its seconds."""
    for path in (part / SECONDS_FILE, part, _lock_of(part)):
        with contextlib.suppress(OSError):
            return path.stat(follow_symlinks=False).st_mtime
    return time.time()


def _fit(dataset: Path, cell: Cell, task: FitTask, part: Path) -> None:
    """Do a fit in its part, from where it was left, or anew where that can't be used."""
    from ecgkit.training.device import resolve_device

    if not _can_go_on(part, cell, task):
        _begin_anew(part, task)
    start = time.perf_counter() - _spent(part)

    def note_seconds() -> None:
        (part / SECONDS_FILE).write_text(f"{time.perf_counter() - start:.3f}", encoding="ascii")

    try:
        run_fit(dataset, task, cell.settings, part, note_seconds)
    except CheckpointError:  # damaged, or made on another kind of device
        _begin_anew(part, task)
        start = time.perf_counter()
        run_fit(dataset, task, cell.settings, part, note_seconds)
    about = About(round(time.perf_counter() - start, 3), resolve_device(cell.settings.device).type)
    _describe(task.folder(part), cell, task, about)


def _begin_anew(part: Path, task: FitTask) -> None:
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)
    task.folder(part).mkdir(parents=True)


def _can_go_on(part: Path, cell: Cell, task: FitTask) -> bool:
    """Whether a kill left a checkpoint here, with the history up to it, and nothing strange."""
    from ecgkit.training.checkpoint import epoch_of

    made = task.folder(part)
    try:
        if part.is_symlink() or any(_is_strange(path) for path in part.rglob("*")):
            return False
        if not (made / CHECKPOINT_FILE).exists():
            return False
        (made / DONE_FILE).unlink(missing_ok=True)  # what came before it may not be on the disk
        n_lines = len(read_history(made, cell.settings.epochs).splitlines())
        return n_lines > epoch_of(made / CHECKPOINT_FILE)
    except (OSError, ValueError, EcgkitError):
        return False


def _is_strange(path: Path) -> bool:
    return path.is_symlink() or not (path.is_dir() or path.is_file())


def _spent(part: Path) -> float:
    """Return the seconds that were spent on a part before; 0 where it does not say."""
    try:
        seconds = float(read_small_text(part / SECONDS_FILE, 64))
    except (OSError, ValueError):
        return 0.0
    return seconds if 0 <= seconds <= MOST_SECONDS else 0.0


def _describe(made: Path, cell: Cell, task: FitTask, about: About) -> None:
    """Write last what a fit was, once what it left is on the disk: with this file it is done."""
    for file in made.iterdir():
        flush(file)
    content = {
        "settings": cell.settings.model_dump(),
        "task": dataclasses.asdict(task),
        **dataclasses.asdict(about),
        "versions": versions(),
    }
    write_text(made / FIT_FILE, json.dumps(content, indent=2) + "\n")


def _put_in_place(made: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists() and not (place / FIT_FILE).is_file():  # somebody took its last file away
        shutil.rmtree(place)
    try:
        made.rename(place)
    except OSError:
        if not (place / FIT_FILE).is_file():  # else another process has done it meanwhile
            raise
