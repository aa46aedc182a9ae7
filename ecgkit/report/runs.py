"""The page on which runs are compared: settings that differ, scores side by side, curves over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.report import svg
from ecgkit.report.pages import render
from ecgkit.report.run_curves import FitCurves, epoch_chart
from ecgkit.report.run_scores import TASK_TITLES

NEUTRAL = 9  # the grey that is no run's

# title -> table of `FitCurves`
CHARTS = {
    "accuracy on the tested windows": "test_accuracy",
    "accuracy on the training windows": "accuracy",
    "loss in training": "loss",
    "task weight": "weight",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """What another run does better or worse than the first one, on the same tested windows.

    Attributes
    ----------
    n
        Windows that both tested.
    only_first, only_other
        How many only the one, only the other answered right.
    difference, low, high
        Accuracy of the other less that of the first, with its 95 % interval over subjects drawn anew; no
        interval where there is one subject.
    p_value
        McNemar's exact test; it takes windows as independent.
    """

    first: str
    other: str
    scheme: str
    task: str
    n: int
    only_first: int
    only_other: int
    difference: float
    low: float | None
    high: float | None
    p_value: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, eq=False)
class ComparedRun:
    """A run and the course of its fits, by scheme."""

    name: str
    what: str
    simulated: bool
    curves: Mapping[str, Sequence[FitCurves]]


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A task under a scheme: (accuracy, low, high, windows) of each run, None where it has none."""

    task: str
    scheme: str
    leaks: bool
    chance: float
    shares: tuple[tuple[float, float, float, int] | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonPage:
    """All that the page shows; settings are (name, value of each run), where they differ."""

    runs: tuple[ComparedRun, ...]
    settings: tuple[tuple[str, tuple[str, ...]], ...]
    n_same: int
    scores: tuple[ScoreRow, ...]
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...]


def render_comparison(content: ComparisonPage) -> str:
    """Write the page on which runs are compared: one HTML text that needs no other file and no network.

    Parameters
    ----------
    content
        What the page shows. Its texts are escaped here.
    """
    return render(
        "runs.html.j2",
        page=content,
        titles=TASK_TITLES,
        plots=[_score_plot(content, row) for row in content.scores],
        charts=[chart for row in content.scores for chart in comparison_charts(content, row)],
    )


def comparison_charts(content: ComparisonPage, row: ScoreRow) -> list[str]:
    """Draw a task's course under a scheme, a line a run: the mean over its folds."""
    charts = []
    for title, table in CHARTS.items():
        lines = [
            line
            for tone, run in enumerate(content.runs)
            if (line := _mean_line(run, row, table, tone)) is not None
        ]
        if lines:
            full = f"{TASK_TITLES[row.task]}, {row.scheme}: {title}"
            charts.append(epoch_chart(lines, title=full, is_share="accuracy" in table))
    return charts


def _mean_line(run: ComparedRun, row: ScoreRow, table: str, tone: int) -> svg.Line | None:
    """Return the mean over the folds of a scheme, as far as all of them go; None where nothing was seen."""
    fits = run.curves.get(row.scheme, ())
    columns = [getattr(fit, table).get(row.task) for fit in fits]
    seen = [column for column in columns if column is not None and np.isfinite(column).any()]
    if not seen:
        return None
    n = min(len(column) for column in seen)
    epoch: NDArray[np.float64] = fits[0].epoch[:n]
    return svg.Line(run.name, epoch, np.mean([column[:n] for column in seen], axis=0), tone=tone)


def _score_plot(content: ComparisonPage, row: ScoreRow) -> str:
    """Draw the accuracies of one task under one scheme, a row a run."""
    rows = [
        svg.Share(run.name, share[0], share[1], share[2], share[3])
        for run, share in zip(content.runs, row.shares, strict=True)
        if share is not None
    ]
    title = f"{TASK_TITLES[row.task]}: {row.scheme}{' (leaks)' if row.leaks else ''}"
    return svg.interval_plot(rows, title=title, chance=row.chance, tone=NEUTRAL)
