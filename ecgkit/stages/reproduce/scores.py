"""From what the fits of a cell left to its scores."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.read import Dataset
from ecgkit.errors import TrainingError
from ecgkit.metrics.classification import score
from ecgkit.stages.fit_outputs import read_logits
from ecgkit.stages.fitting import HISTORY_FILE, LOGITS_FILE, FitTask, folds
from ecgkit.stages.reproduce.cells import Cell, is_done
from ecgkit.stages.reproduce.one_fit import About, read_about, read_history

MEASURES = ("accuracy", "precision", "recall", "f1")
TASKS = ("condition", "subject")  # the harder question first


@dataclass(frozen=True, slots=True, eq=False)
class SeedScores:
    """What a row scored in one task under one scheme with one seed, all folds together.

    Attributes
    ----------
    tested
        Windows.
    measures
        "accuracy", "precision", "recall", "f1".
    right, windows
        How many windows of each subject were answered rightly, and how many were tested, (subjects,).
    seconds
        Of all fits.
    devices
        Kinds of devices that the fits ran on, such as "cpu".
    training, test_accuracy
        Over epochs, mean over folds, (epoch,).
    """

    row: str
    scheme: str
    task: str
    seed: int
    tested: int
    chance: float
    measures: Mapping[str, float]
    right: NDArray[np.int64]
    windows: NDArray[np.int64]
    seconds: float
    devices: frozenset[str]
    training: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]


def read_scores(data: Dataset, cells: Sequence[Cell], folder: Path) -> Iterator[SeedScores]:
    """Read the scores of the cells whose fits are all there, one a task that is learnt and can be tested.

    Parameters
    ----------
    folder
        That of all cells.

    Raises
    ------
    TrainingError
        What a fit left is damaged; the message says which folder to remove.
    """
    dealt: dict[tuple[str, int], Mapping[str, NDArray[np.uint8]]] = {}
    for cell in cells:
        if not all(is_done(cell, task, folder) for task in cell.tasks):
            continue
        key = (cell.scheme, cell.seed)
        if key not in dealt:
            dealt[key] = folds(data, cell.scheme, cell.seed)
        fits = [_read_fit(data, cell, task, folder, dealt[key][task.fold]) for task in cell.tasks]
        for name in cell.scored:
            yield _score(data, cell, name, fits)


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """What one fit left: the tested rows (N,), outputs (N, classes) and curves (epoch,) of each task."""

    rows: NDArray[np.int64]
    outputs: Mapping[str, NDArray[np.float32]]
    about: About
    training: Mapping[str, NDArray[np.float64]]
    tested: Mapping[str, NDArray[np.float64]]


def _read_fit(data: Dataset, cell: Cell, task: FitTask, folder: Path, roles: NDArray[np.uint8]) -> _Fit:
    from ecgkit.splits.scheme import TEST

    place = task.folder(cell.folder(folder))
    rows = np.flatnonzero(roles == TEST)
    n_classes = {name: len(data.labels(name)) for name in TASKS}
    outputs = read_logits(place / LOGITS_FILE, rows, n_classes, learnt=cell.scored)
    try:
        about = read_about(place)
        history = _read_history(place, cell.settings.epochs)
        return _Fit(
            rows=rows,
            outputs=outputs,
            about=about,
            training={name: _column(history, f"{name}_accuracy") for name in cell.scored},
            tested={name: _column(history, f"monitor_{name}_accuracy") for name in cell.scored},
        )
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise TrainingError(
            f"{place}: what this fit left is damaged ({error}); remove this folder and give the same command "
            "again: it does this fit anew"
        ) from error


def _read_history(place: Path, epochs: int) -> list[dict[str, str]]:
    rows = list(csv.DictReader(read_history(place, epochs).splitlines()))
    if len(rows) != epochs:
        raise ValueError(f"{HISTORY_FILE}: {len(rows)} epochs, expected {epochs}")
    return rows


def _column(rows: Sequence[Mapping[str, str]], name: str) -> NDArray[np.float64]:
    """Return the accuracies of a column, (epoch,)."""
    values = np.array([float(row[name]) for row in rows])
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"{HISTORY_FILE}: {name} is not from 0 to 1 in every epoch")
    return values


def _score(data: Dataset, cell: Cell, name: str, fits: Sequence[_Fit]) -> SeedScores:
    rows = np.concatenate([fit.rows for fit in fits])
    true = data.codes(name)[rows]
    answered = np.concatenate([fit.outputs[name].argmax(axis=1) for fit in fits])
    seen = score(true, answered, len(data.labels(name)))
    people, n_people = data.codes("subject")[rows], len(data.subjects)
    return SeedScores(
        row=cell.row,
        scheme=cell.scheme,
        task=name,
        seed=cell.seed,
        tested=seen.n,
        chance=float(seen.support.max() / seen.n),
        measures={measure: float(getattr(seen, measure)) for measure in MEASURES},
        right=np.bincount(people[true == answered], minlength=n_people),
        windows=np.bincount(people, minlength=n_people),
        seconds=sum(fit.about.seconds for fit in fits),
        devices=frozenset(fit.about.device for fit in fits),
        training=np.mean([fit.training[name] for fit in fits], axis=0),
        test_accuracy=np.mean([fit.tested[name] for fit in fits], axis=0),
    )
