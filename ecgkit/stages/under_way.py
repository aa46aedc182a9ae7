"""What other commands have under way in a study, or left there when they were interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ecgkit.errors import DatasetError, StudyError
from ecgkit.files import TEMPORARY_FILE, TEMPORARY_PREFIX, alone, writing_in
from ecgkit.stages.build_dataset.cutting import PART_FILE, parts_folder
from ecgkit.stages.kept_work import LOCK_FILE
from ecgkit.study.changing import changing
from ecgkit.study.folder import Study
from ecgkit.study.runs import reproduction_folder, unfinished_trainings


@contextmanager
def no_build(study: Study) -> Iterator[list[Path]]:
    """Give the parts that interrupted builds left in a study, and have their locks and that of its data set.

    Raises
    ------
    StudyError
        A data set is being built in the study's folder.
    """
    left = {folder.with_name(folder.name[1:].removesuffix(".parts")) for folder in parts_folders(study)}
    with ExitStack() as locks:
        try:
            folders = [
                locks.enter_context(parts_folder(path)) for path in sorted({study.dataset_path, *left})
            ]
        except DatasetError as error:
            if not isinstance(error.__cause__, TimeoutError):
                raise
            raise StudyError(
                f"{study.folder}: a data set is being built in this study; nothing was erased. Wait until "
                "that is done, then erase again"
            ) from error
        yield [path for folder in folders for path in parts_in(folder)]


def parts_folders(study: Study) -> list[Path]:
    """Return the folders of data sets' parts anywhere in a study; links are not followed."""
    found = sorted(study.folder.rglob(".*.h5.parts"))
    return [folder for folder in found if folder.is_dir() and not folder.is_symlink()]


def parts_in(folder: Path) -> Iterator[Path]:
    """Yield the files of finished sessions in such a folder."""
    return (path for path in folder.iterdir() if PART_FILE.fullmatch(path.name) and not path.is_dir())


@contextmanager
def no_training(study: Study) -> Iterator[tuple[Path, ...]]:
    """Give the folders that interrupted trainings left in a study's ``runs/``; have all trainings' locks.

    Raises
    ------
    StudyError
        A training is under way, or a fit of the study's reproduction.
    """
    trainings, reproduction = unfinished_trainings(study), reproduction_folder(study)
    with ExitStack() as stack:
        for folder in trainings:
            _lock(stack, folder / LOCK_FILE, f"{study.folder}: a training is under way in this study")
        for path in sorted(reproduction.rglob("*.lock")) if reproduction else ():
            if path.is_file() and not path.is_symlink():
                _lock(stack, path, f"{study.folder}: ecgkit reproduce is at work in this study")
        yield trainings


def _lock(stack: ExitStack, path: Path, busy: str) -> None:
    """Have a lock, unless its folder is gone: who worked in it has just ended, and all is in place."""
    with suppress(FileNotFoundError):
        try:
            stack.enter_context(alone(path, wait_s=0))
        except TimeoutError as error:
            raise StudyError(
                f"{busy}; nothing was erased. Wait until that is done, or stop it, then erase again"
            ) from error


def clear_half_written(study: Study) -> None:
    """Remove files that killed commands left half-written anywhere in a study; they may hold anything."""
    with changing(study):
        left = (
            path for path in study.folder.rglob(f"{TEMPORARY_PREFIX}*") if TEMPORARY_FILE.fullmatch(path.name)
        )
        for folder in sorted({path.parent for path in left}):
            if folder.is_dir():  # else it was half-written itself
                with writing_in(folder):
                    pass
