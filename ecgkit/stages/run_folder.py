"""Run folders: numbered in a study's ``runs/``, whole or not there at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ecgkit.errors import CheckpointError, EcgkitError, LostProcessError, RunError, TrainingError
from ecgkit.files import temporary_name, writing_in
from ecgkit.lookup import unknown
from ecgkit.stages.kept_work import LOCK_FILE, kept_work
from ecgkit.stages.workers import WorkerError
from ecgkit.study.runs import UNFINISHED
from ecgkit.training.card import CARD_FILE

LATEST = "latest"


@dataclass(slots=True)
class NewRun:
    """A run folder in the making.

    Attributes
    ----------
    part
        The hidden folder that is written to.
    runs, out
        Where it goes: numbered in `runs`, or to `out`.
    path
        Its place, once it is reserved.
    """

    part: Path
    runs: Path
    out: Path | None
    path: Path | None = None

    def reserve(self) -> Path:
        """Take a place, by an empty folder: another training may be looking for one at the same time."""
        while self.path is None:
            last = max((int(folder.name) for folder in _numbered(self.runs)), default=0)
            target = self.out or self.runs / f"{last + 1:03d}"
            try:
                target.mkdir(exist_ok=self.out is not None)
            except FileExistsError:
                continue
            self.path = target
        return self.path


@contextmanager
def unfinished(runs: Path, out: Path | None, key: str) -> Iterator[Path]:
    """Give the hidden folder that a training's fits are done in, this process alone; it goes when they are.

    An interrupt, a killed process, a full disk leave it, so that the same training goes on from there. After
    an error of the training itself it goes: the same training would come to the same error.

    Parameters
    ----------
    runs, out
        Where the run will be.
    key
        Name of the training: the same for the same data, settings and versions.

    Raises
    ------
    TrainingError
        `out` holds something already, or the same training is under way.
    """
    refuse_taken(out)
    parent = out.parent if out is not None else runs
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    try:
        with kept_work(
            parent / f"{UNFINISHED}{key}",
            busy=f"{parent}: the same training is under way in another process; wait for it",
            elsewhere="put --out on another disk",
            error=TrainingError,
        ) as folder:
            _refuse_links(folder)
            try:
                yield folder
            except (WorkerError, LostProcessError, CheckpointError):
                raise
            except EcgkitError:
                _empty(folder)
                raise
            _empty(folder)
    finally:
        _remove_empty(made)


def refuse_taken(out: Path | None) -> None:
    """Refuse a place for a run that holds something already."""
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out}: there is something here already; choose another --out or remove it")


def _refuse_links(folder: Path) -> None:
    """Refuse to go on from what leads elsewhere: a study may come from anywhere."""
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise CheckpointError(f"{path}: a link in an unfinished training; remove {folder} to begin anew")


def _empty(folder: Path) -> None:
    """Remove all that a folder of a training holds but its lock."""
    for path in folder.iterdir() if folder.is_dir() else ():  # somebody who was erased took it away
        if path.name != LOCK_FILE:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@contextmanager
def new_run(runs: Path, out: Path | None = None) -> Iterator[NewRun]:
    """Give a hidden folder to fill; put it in place if the block succeeds, else remove it.

    What a killed training left is removed by the next one.

    Parameters
    ----------
    runs
        Folder of numbered runs; the run becomes the next one in it, 001 if it is the first.
    out
        Take this folder instead; it must not be there yet, or be empty.

    Raises
    ------
    TrainingError
        `out` holds something already.
    OSError
        Something in the folder can't be written; the error names the run's place, not the hidden folder.
    """
    refuse_taken(out)
    parent = out.parent if out is not None else runs
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    run = NewRun(parent / temporary_name(), parent, out)
    with writing_in(parent):
        try:
            run.part.mkdir()
            yield run
            place = run.reserve()
            if os.name == "nt":
                place.rmdir()  # Windows can't rename onto a folder, not even onto an empty one
            run.part.rename(place)
        except OSError as error:
            if Path(str(error.filename)).is_relative_to(run.part):
                error.filename, error.filename2 = str(run.path or out or runs), None
            raise
        finally:
            if run.part.exists():
                shutil.rmtree(run.part, ignore_errors=True)
                _remove_empty([*([run.path] if run.path else []), *made])


def find_run(name: str, runs: Path | None) -> Path:
    """Return a run folder by its path, its number, or "latest".

    Parameters
    ----------
    name
        A path, or a name inside `runs`.
    runs
        The study's folder of runs, None where there is no study.

    Raises
    ------
    RunError
        There is none; the message lists the runs that are there.
    """
    if (folder := Path(name)).is_dir():
        return folder
    if folder.exists():
        raise RunError(f"{name}: this is a file; give the run's folder, such as {folder.parent}")
    known = numbered_runs(runs) if runs is not None else []
    if name == LATEST and known:
        return known[-1]
    if runs is not None and (runs / name).is_dir():
        return runs / name
    where = f" (looked here and in {runs})" if runs is not None else ""
    names = [*(run.name for run in known), *([LATEST] if known else [])]
    raise RunError(f"{unknown('run', name, names)} Make one with: ecgkit train{where}")


def numbered_runs(runs: Path) -> list[Path]:
    """Return the numbered runs, oldest first; not the places that trainings under way have reserved."""
    return [folder for folder in _numbered(runs) if (folder / CARD_FILE).is_file()]


def _numbered(runs: Path) -> list[Path]:
    """Return every folder that has a number for a name, the lowest first."""
    if not runs.is_dir():
        return []
    found = [folder for folder in runs.iterdir() if folder.name.isdecimal() and folder.is_dir()]
    return sorted(found, key=lambda folder: int(folder.name))


def _remove_empty(folders: list[Path]) -> None:
    """Remove the folders that were made on the way, deepest first, while they are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # something is in it
            return
