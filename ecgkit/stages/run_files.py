"""The files of a run folder that people look at, read without trust: card, scores, history, answers."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ecgkit.errors import ConfigError, RunError
from ecgkit.files import read_small_text
from ecgkit.settings import checked
from ecgkit.splits import SCHEMES, find_scheme
from ecgkit.stages.fitting import EVERYTHING, HISTORY_FILE
from ecgkit.training.card import CARD_FILE, RunCard, card_of, read_json_file

METRICS_FILE, PREDICTIONS_FILE = "metrics.json", "predictions.csv"
METRICS_FORMAT = {"format": "ecgkit-metrics", "format_version": 1}
MOST_METRICS_BYTES, MOST_HISTORY_BYTES, MOST_ANSWERS_BYTES = 64_000_000, 100_000_000, 1_000_000_000
MOST_LINE = 10_000
MOST_EPOCHS, MOST_ROWS = 10**6, 10**12
NAMES = ("scheme", "fold")
TASKS = ("subject", "condition")

Name = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10**12)]


class SubjectScore(BaseModel):
    """How a task was answered for the windows of one subject."""

    label: Name
    n: Count
    accuracy: Share


class TaskScore(BaseModel):
    """What one task scored under one scheme, as metrics.json has it; it holds more than this."""

    n: Count
    accuracy: Share
    accuracy_interval: tuple[Share, Share]
    chance: Share
    f1: Share
    by_subject: Annotated[tuple[SubjectScore, ...], Field(min_length=1, max_length=100_000)]


class SchemeScore(BaseModel):
    """The scores of one scheme."""

    scheme: Name
    leaks: bool
    tasks: dict[Literal["subject", "condition"], TaskScore]


class Metrics(BaseModel):
    """metrics.json."""

    schemes: Annotated[tuple[SchemeScore, ...], Field(max_length=100)]


@dataclass(frozen=True, slots=True, eq=False)
class FitHistory:
    """The course of one fit: ``column -> (epochs,)``, NaN where nothing was seen."""

    scheme: str
    fold: str
    columns: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class TestedWindows:
    """What was answered for the tested windows of one scheme and task, in the file's order, (N,) each.

    Attributes
    ----------
    rows
        Rows of the data set.
    right
        Whether the answer is the true one.
    subject, true, fold
        Codes of the texts in `subjects`, `classes`, `folds`.
    """

    rows: NDArray[np.int64]
    right: NDArray[np.bool_]
    subject: NDArray[np.int64]
    true: NDArray[np.int64]
    fold: NDArray[np.int64]
    subjects: tuple[str, ...]
    classes: tuple[str, ...]
    folds: tuple[str, ...]


def read_card(run: Path) -> RunCard:
    """Read what a run says of itself; the weights are not looked at.

    Raises
    ------
    RunError
        There is no card, or it is none.
    """
    content = read_json_file(run / CARD_FILE)
    content.pop("weights_sha256", None)
    return card_of(content, where=str(run / CARD_FILE))


def read_metrics(run: Path) -> Metrics | None:
    """Read the scores of a run; None if it was not evaluated.

    Raises
    ------
    RunError
        The file is damaged, or of another version.
    """
    path = run / METRICS_FILE
    if not path.exists():
        return None
    content = read_json_file(path, MOST_METRICS_BYTES)
    found = {name: content.get(name) for name in METRICS_FORMAT}
    if found != METRICS_FORMAT:
        raise RunError(f"{path}: {json.dumps(found)[:200]}, expected {json.dumps(METRICS_FORMAT)}")
    try:
        return checked(Metrics, content, where=str(path))
    except ConfigError as error:
        raise RunError(str(error)) from error


def leaks(scheme: SchemeScore) -> bool:
    """Tell whether a scheme is known to leak: by its name where that is ours, whatever the file says."""
    return find_scheme(scheme.scheme).leaks if scheme.scheme in SCHEMES else scheme.leaks


def read_history(path: Path) -> tuple[FitHistory, ...]:
    """Read a history file, fit by fit in its order.

    Raises
    ------
    RunError
        It can't be read, is too large, or a line is not what its heading says.
    """
    try:
        text = read_small_text(path, MOST_HISTORY_BYTES)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"{path}: can't be read ({why})") from error
    heading, *lines = text.splitlines() or [""]
    names = heading.split(",")
    if names[:3] != [*NAMES, "epoch"] or "seconds" not in names or len(set(names)) < len(names):
        raise RunError(f"{path}: heading {heading[:80]!r}, expected scheme,fold,epoch,seconds,…")
    fits: dict[tuple[str, str], list[list[float]]] = {}
    for number, line in enumerate(lines, start=2):
        (scheme, fold), values = _epoch(line, len(names), where=f"{path}, line {number}")
        fits.setdefault((scheme, fold), []).append(values)
    return tuple(
        FitHistory(*fit, columns=dict(zip(names[2:], np.array(rows).T, strict=True)))
        for fit, rows in fits.items()
    )


def _epoch(line: str, n_cells: int, *, where: str) -> tuple[tuple[str, str], list[float]]:
    """Return which fit a line is of, and its numbers: the first one is the epoch, the second the seconds."""
    texts = line.split(",")
    if len(texts) != n_cells:
        raise RunError(f"{where}: {len(texts)} values, expected {n_cells} as in the heading")
    scheme, fold, *cells = texts
    try:
        values = [float(cell) if cell else math.nan for cell in cells]
    except ValueError as error:
        raise RunError(f"{where}: {error}") from error
    if not (1 <= values[0] <= MOST_EPOCHS and values[0] == int(values[0])):
        raise RunError(f"{where}: epoch {cells[0][:20]!r}, expected a whole number from 1 to {MOST_EPOCHS}")
    return (scheme, fold), values


def read_answers(run: Path) -> dict[tuple[str, str], TestedWindows]:
    """Read what was answered for each tested window: ``(scheme, task) -> windows``.

    Raises
    ------
    RunError
        predictions.csv is missing, too large or damaged.
    """
    path = run / PREDICTIONS_FILE
    columns: dict[tuple[str, str], _Columns] = {}
    try:
        if path.stat().st_size > MOST_ANSWERS_BYTES or not path.is_file():
            raise RunError(f"{path}: no ordinary file of at most {MOST_ANSWERS_BYTES:,} bytes")
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(_lines(file, path)):
                columns.setdefault((row["scheme"], row["task"]), _Columns()).take(row)
    except OSError as error:
        raise RunError(f"{path}: can't be read ({error.strerror})") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise RunError(f"{path}: not the answers that ecgkit train writes ({error})") from error
    return {key: found.tested() for key, found in columns.items()}


def _lines(file: Any, path: Path) -> Iterator[str]:
    while line := file.readline(MOST_LINE):
        if len(line) == MOST_LINE:
            raise RunError(f"{path}: a line of more than {MOST_LINE:,} characters")
        yield line


class _Columns:
    """What a file says of the windows of one scheme and task, gathered line by line; texts as codes."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._right: list[bool] = []
        self._codes: dict[str, list[int]] = {"subject": [], "true": [], "fold": []}
        self._texts: dict[str, dict[str, int]] = {name: {} for name in self._codes}

    def take(self, row: Mapping[str, str]) -> None:
        number = int(row["row"])
        if not 0 <= number < MOST_ROWS:
            raise ValueError(f"row {number}")
        self._rows.append(number)
        self._right.append(row["true"] == row["answered"])
        texts = {"subject": row["session"].partition("_visit-")[0], "true": row["true"], "fold": row["fold"]}
        for name, text in texts.items():
            known = self._texts[name]
            self._codes[name].append(known.setdefault(text, len(known)))

    def tested(self) -> TestedWindows:
        codes = {name: np.array(values, dtype=np.int64) for name, values in self._codes.items()}
        return TestedWindows(
            rows=np.array(self._rows, dtype=np.int64),
            right=np.array(self._right, dtype=np.bool_),
            **codes,
            subjects=tuple(self._texts["subject"]),
            classes=tuple(self._texts["true"]),
            folds=tuple(self._texts["fold"]),
        )


def history_of(run: Path) -> tuple[FitHistory, ...]:
    """Read the history of a run folder.

    Raises
    ------
    RunError
        It is not there, or damaged.
    """
    return read_history(run / HISTORY_FILE)


def name_of(fit: FitHistory) -> str:
    """Return what a fit is called: its scheme and fold, "final" for the one on all windows."""
    return "final" if fit.scheme == EVERYTHING else f"{fit.scheme}/{fit.fold}"
