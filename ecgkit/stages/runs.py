"""`ecgkit runs`: the runs of a study, one in a line; and what one run is, in a few."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.dataset.read import open_dataset
from ecgkit.errors import DatasetError, RunError
from ecgkit.files import read_small_text
from ecgkit.metrics.resampling import subject_interval
from ecgkit.splits import HONEST
from ecgkit.stages.fitting import HISTORY_FILE
from ecgkit.stages.planning import PLAN_FILE
from ecgkit.stages.run_files import TASKS, TaskScore, history_of, leaks, read_card, read_metrics
from ecgkit.stages.run_folder import find_run
from ecgkit.study.runs import UNFINISHED
from ecgkit.training.card import RunCard

RUNS, DATASET = "runs", "dataset.h5"  # in a study
REPORT_FILE, FITS = "report.html", "fits"  # in a run, in a training
MOST_PLAN_BYTES, MOST_FITS, MOST_ABOUT = 1_000_000, 10_000, 300
MOST_HISTORY_BYTES = 10_000_000  # of one fit
FIT = re.compile(r"\w[\w-]{0,99}/\w[\w.-]{0,99}")  # no way out of the folder


@dataclass(frozen=True, slots=True)
class Score:
    """What a run scored in one task under one scheme.

    Attributes
    ----------
    low, high
        95 % interval of the accuracy over subjects drawn anew.
    """

    scheme: str
    task: str
    leaks: bool
    n: int
    accuracy: float
    low: float
    high: float
    chance: float
    f1: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run folder.

    Attributes
    ----------
    name
        Of its folder.
    problem
        Why it can't be read, "" where it can.
    card
        What it says of itself; None where it can't be read.
    same_dataset
        Whether it was trained on the data set that the study has now; None where that is not known.
    """

    name: str
    folder: Path
    problem: str = ""
    card: RunCard | None = None
    scores: tuple[Score, ...] = ()
    same_dataset: bool | None = None

    @property
    def what(self) -> str:
        """Network, balancing and task, in a few words."""
        return "" if self.card is None else what_of(self.card)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            "problem": self.problem or None,
            **({} if self.card is None else _card_as_json(self.card)),
            "same_dataset": self.same_dataset,
            "scores": [score.as_json() for score in self.scores],
        }


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A training that was interrupted, or is under way.

    Attributes
    ----------
    about
        What was to be trained on what, "" where that can't be read.
    epochs, of_epochs
        How many of all fits are done, of how many; None where that is not known.
    """

    name: str
    about: str
    epochs: int
    of_epochs: int | None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class RunList:
    """The runs of a study, in the order of their numbers, and the trainings that are not done."""

    study: Path
    dataset_sha256: str | None
    runs: tuple[FoundRun, ...]
    unfinished: tuple[Unfinished, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "study": str(self.study),
            "dataset_sha256": self.dataset_sha256,
            "runs": [run.as_json() for run in self.runs],
            "unfinished": [training.as_json() for training in self.unfinished],
        }


@dataclass(frozen=True, slots=True)
class ShownRun:
    """One run, as much as is told of it in a terminal.

    Attributes
    ----------
    n_fits, epochs
        Fits in its history, and epochs of the one that gave the weights.
    report
        Its page, None where there is none.
    """

    run: FoundRun
    n_fits: int
    epochs: int
    report: Path | None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        report = None if self.report is None else str(self.report)
        return {**self.run.as_json(), "fits": self.n_fits, "epochs_done": self.epochs, "report": report}


def run_list(study: Path) -> RunList:
    """List the runs in a study's folder; a damaged one is listed with what is wrong with it.

    Raises
    ------
    RunError
        There is no folder of runs.
    """
    runs = study / RUNS
    if not runs.is_dir():
        raise RunError(f"{runs}: no runs are here; make one with: ecgkit train, or name another --study")
    sha256 = _dataset_sha256(study)
    folders = [path for path in runs.iterdir() if path.is_dir()]
    return RunList(
        study=study,
        dataset_sha256=sha256,
        runs=tuple(
            _found(path, dataset_sha256=sha256)
            for path in sorted(folders, key=_by_number)
            if not path.name.startswith(".")
        ),
        unfinished=tuple(
            _unfinished(path)
            for path in sorted(folders)
            if path.name.startswith(UNFINISHED) and not path.is_symlink()
        ),
    )


def run_show(name: str, study: Path) -> ShownRun:
    """Look at one run.

    Parameters
    ----------
    name
        A run's folder, its number, or "latest".

    Raises
    ------
    RunError
        There is none, or it is damaged.
    """
    folder = find_run(name, study / RUNS)
    run = read_run(folder, dataset_sha256=_dataset_sha256(study))
    history = history_of(folder)
    own = [fit for fit in history if run.card is not None and fit.scheme == run.card.split]
    return ShownRun(
        run=run,
        n_fits=len(history),
        epochs=len(own[-1].columns["epoch"]) if own else 0,
        report=folder / REPORT_FILE if (folder / REPORT_FILE).is_file() else None,
    )


def read_run(folder: Path, *, dataset_sha256: str | None = None) -> FoundRun:
    """Read the card and the scores of a run.

    Parameters
    ----------
    dataset_sha256
        Hash of the study's data set, to compare with the run's.

    Raises
    ------
    RunError
        A file of it is missing or damaged.
    """
    card, metrics = read_card(folder), read_metrics(folder)
    schemes = metrics.schemes if metrics else ()
    scores = [
        _score(scheme.scheme, task, scheme.tasks[task], is_leaking=leaks(scheme))
        for scheme in schemes
        for task in reversed(TASKS)
        if task in scheme.tasks
    ]
    return FoundRun(
        name=folder.resolve().name,
        folder=folder,
        card=card,
        scores=tuple(sorted(scores, key=lambda score: (score.leaks, _order(score.scheme)))),
        same_dataset=None if dataset_sha256 is None else card.dataset_sha256 == dataset_sha256,
    )


def what_of(card: RunCard) -> str:
    """Say in a few words what was trained: network, balancing, or the task where it is one."""
    training = card.training
    task = {"subject": "identity", "condition": "state"}.get(str(training.get("task")))
    how = f"{task} only" if task else str(training.get("balancing", "?"))
    return f"{card.spec.backbone} + {card.spec.attention}, {how}"


def how_tested(scores: Sequence[Score]) -> str:
    """Say in a few words how a run was tested."""
    if not scores:
        return "not tested"
    return ", ".join(dict.fromkeys(score.scheme + (" (leaks)" if score.leaks else "") for score in scores))


def _found(folder: Path, *, dataset_sha256: str | None) -> FoundRun:
    try:
        return read_run(folder, dataset_sha256=dataset_sha256)
    except RunError as error:
        empty = not any(folder.iterdir())
        problem = "empty: a training may be about to put its run here" if empty else str(error)
        return FoundRun(folder.name, folder, problem=problem)


def _score(scheme: str, task: str, found: TaskScore, *, is_leaking: bool) -> Score:
    hits = [round(row.accuracy * row.n) for row in found.by_subject]
    low, high = subject_interval(hits, [row.n for row in found.by_subject])
    return Score(
        scheme, task, is_leaking, found.n, found.accuracy, low, high, chance=found.chance, f1=found.f1
    )


def _unfinished(folder: Path) -> Unfinished:
    """Look at what an interrupted training left; all of it may be missing or damaged."""
    about, fits, of_epochs = "", [], None
    try:
        plan = json.loads(read_small_text(folder / PLAN_FILE, MOST_PLAN_BYTES))
        about, of_epochs = str(plan["about"])[:MOST_ABOUT], len(plan["fits"]) * int(plan["epochs"])
        fits = [str(name) for name in plan["fits"][:MOST_FITS]]
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        pass
    done = sum(_epochs_of(folder / FITS / name / HISTORY_FILE) for name in fits if FIT.fullmatch(name))
    return Unfinished(folder.name, about, done, of_epochs)


def _epochs_of(history: Path) -> int:
    """Count the lines of a fit's history but its heading; 0 where there is none that can be read."""
    try:
        return max(0, read_small_text(history, MOST_HISTORY_BYTES).count("\n") - 1)
    except (OSError, ValueError):
        return 0


def _dataset_sha256(study: Path) -> str | None:
    """Return the hash of the study's data set as it is now; None where it can't be read."""
    try:
        return open_dataset(study / DATASET).sha256 if (study / DATASET).is_file() else None
    except DatasetError:
        return None


def _by_number(folder: Path) -> tuple[bool, int, str]:
    """Order runs by their numbers, and others by name after them."""
    number = folder.name if folder.name.isdecimal() and len(folder.name) < 10 else ""
    return not number, int(number or 0), folder.name


def _order(scheme: str) -> int:
    return HONEST.index(scheme) if scheme in HONEST else len(HONEST)


def _card_as_json(card: RunCard) -> dict[str, Any]:
    return {
        "what": what_of(card),
        "simulated": card.simulated,
        "dataset_sha256": card.dataset_sha256,
        "weights_from": card.split,
        "training": dict(card.training),
        "versions": dict(card.versions),
    }
