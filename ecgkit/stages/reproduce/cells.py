"""The cells of a grid: one row, one seed, one scheme; and which fits of each are there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgkit.config import TrainConfig
from ecgkit.settings import checked
from ecgkit.splits import find_scheme
from ecgkit.stages.fitting import FitTask, folds

if TYPE_CHECKING:
    from ecgkit.dataset.read import Dataset
    from ecgkit.stages.reproduce.grids import Row

FIT_FILE = "fit.json"


@dataclass(frozen=True, slots=True)
class Cell:
    """One training of a row, for one seed, under one scheme: as many fits as the scheme has folds.

    Attributes
    ----------
    row
        Name of the table's row.
    seed
        Of the weights, the batches, and the folds where they are random.
    """

    row: str
    scheme: str
    seed: int
    settings: TrainConfig
    tasks: tuple[FitTask, ...]

    @property
    def scored(self) -> tuple[str, ...]:
        """The tasks that are learnt here and that the scheme can test."""
        return _scored(self.settings, find_scheme(self.scheme).scores)

    def folder(self, cells: Path) -> Path:
        """Return where the fits of this cell lie, below the folder of all cells.

        The name says what differs from the built-in settings, and by a hash what else they depend on: the
        data set and the versions. Tables that share a cell share its folder.
        """
        differs = differing(self.settings)
        key = {"settings": differs, "dataset": self.tasks[0].dataset_sha256, "versions": versions()}
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
        names = (self.settings.backbone, self.settings.attention, self.settings.balancing)
        return cells / f"{'-'.join(names)}-{self.settings.epochs}-seed{self.seed}-{digest}"


def make_cells(data: Dataset, row: Row, *, scheme: str, seed: int, changes: Mapping[str, Any]) -> list[Cell]:
    """Return the cells of a row for one seed and scheme, one a training.

    A network for a task alone that the scheme can't test is left out.

    Parameters
    ----------
    changes
        Settings that are to differ from the built-in ones in every row.

    Raises
    ------
    ConfigError
        A setting is out of range.
    DatasetError
        The data set has no such scheme.
    """
    data.split(scheme)  # says so where it is not in the file
    scored = find_scheme(scheme).scores
    tasks = tuple(
        FitTask(scheme, fold, scored=scored, dataset_sha256=data.sha256, split_seed=seed)
        for fold in folds(data, scheme, seed)
    )
    settings = [_settings(row.name, {**changes, **training, "seed": seed}) for training in row.trainings]
    return [Cell(row.name, scheme, seed, one, tasks) for one in settings if _scored(one, scored)]


def fits_to_do(cells: Sequence[Cell], folder: Path) -> list[tuple[Cell, FitTask]]:
    """Return the fits that are not there yet, each once; cells of several tables may be the same."""
    missing = {
        task.folder(cell.folder(folder)): (cell, task)
        for cell in cells
        for task in cell.tasks
        if not is_done(cell, task, folder)
    }
    return list(missing.values())


def is_done(cell: Cell, task: FitTask, folder: Path) -> bool:
    """Whether a fit is there, whole."""
    return (task.folder(cell.folder(folder)) / FIT_FILE).is_file()


def differing(settings: TrainConfig) -> dict[str, Any]:
    """Return the settings that are not the built-in ones."""
    built_in = TrainConfig().model_dump()
    return {name: value for name, value in settings.model_dump().items() if value != built_in[name]}


def versions() -> dict[str, str]:
    """Return the versions that the numbers of a fit depend on."""
    from ecgkit.training.weights import current_versions

    current = current_versions()
    return {name: current[name] for name in ("ecgkit", "torch")}


def _scored(settings: TrainConfig, scores: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in scores if settings.task in ("both", name))


def _settings(row: str, values: Mapping[str, Any]) -> TrainConfig:
    return checked(TrainConfig, values, where=f"row {row!r}")
