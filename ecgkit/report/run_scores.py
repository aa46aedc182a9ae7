"""The scores of a run: what a page says and draws of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.metrics.classification import ClassificationScores
from ecgkit.metrics.resampling import subject_interval
from ecgkit.report import svg

TASK_TITLES = {"subject": "Identity", "condition": "State"}
TASK_QUESTIONS = {"subject": "who is it?", "condition": "in which state?"}
TONES = {"subject": 0, "condition": 1}
GIVEN = {"subject": "the name of the person they are of", "condition": "the state they were recorded in"}
BY_SUBJECT = "by subject"
MOST_ROWS = 40
MOST_COLUMNS = 12
MOST_CONFUSIONS = 5
LEAST_CONFUSED = 0.1  # of a class's windows, to be worth a sentence


@dataclass(frozen=True, slots=True)
class TaskScores:
    """What one task scored under one scheme, over all windows that were tested.

    Attributes
    ----------
    task
        "subject" or "condition".
    overall
        Over all tested windows of all folds.
    chance
        Accuracy of always giving the most frequent answer.
    classes
        Names of the classes.
    folds
        Accuracy of each fold.
    groups
        Accuracies per group: heading -> rows, such as "by subject".
    """

    task: str
    overall: ClassificationScores
    chance: float
    classes: tuple[str, ...]
    folds: tuple[svg.Share, ...]
    groups: Mapping[str, tuple[svg.Share, ...]]

    @property
    def accuracy(self) -> svg.Share:
        """Accuracy over all tested windows, with its interval."""
        scores = self.overall
        return svg.Share("accuracy", scores.accuracy, scores.accuracy_low, scores.accuracy_high, scores.n)

    @property
    def fold_mean(self) -> float:
        """Mean accuracy over folds."""
        return float(np.mean([fold.value for fold in self.folds]))

    @property
    def fold_sd(self) -> float:
        """Sample standard deviation of the accuracy over folds, 0 for one fold."""
        return float(np.std([fold.value for fold in self.folds], ddof=1)) if len(self.folds) > 1 else 0.0

    @property
    def over_subjects(self) -> tuple[float, float]:
        """95 % interval of the accuracy for other subjects like these: subjects drawn anew, not windows."""
        rows = self.groups[BY_SUBJECT]
        return subject_interval([row.value * row.n for row in rows], [row.n for row in rows])


@dataclass(frozen=True, slots=True)
class SchemeScores:
    """The scores of one scheme, and how far they can be believed.

    Attributes
    ----------
    sentence
        What the scheme can and can't show.
    leaks
        Whether it is known to leak.
    gives_away
        What the leakage check found in its folds, a sentence each.
    """

    name: str
    sentence: str
    leaks: bool
    gives_away: tuple[str, ...]
    tasks: tuple[TaskScores, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Right answers by subject and condition; `n` and `right` have shape (subjects, conditions)."""

    subjects: tuple[str, ...]
    conditions: tuple[str, ...]
    n: NDArray[np.int64]
    right: NDArray[np.int64]

    @property
    def rows(self) -> list[tuple[str, list[tuple[float, int] | None]]]:
        """The 40 lowest subjects: (accuracy, windows) in each condition, None where nothing was tested."""
        tested = np.flatnonzero(self.n.sum(axis=1))
        if len(tested) > MOST_ROWS:
            share = self.right[tested].sum(axis=1) / self.n[tested].sum(axis=1)
            tested = np.sort(tested[np.argsort(share, kind="stable")[:MOST_ROWS]])
        return [
            (self.subjects[row], [self._cell(row, column) for column in self.shown])
            for row in tested.tolist()
        ]

    @property
    def shown(self) -> list[int]:
        """Conditions that there is a column for."""
        columns: list[int] = np.flatnonzero(self.n.sum(axis=0))[:MOST_COLUMNS].tolist()
        return columns

    @property
    def headings(self) -> list[str]:
        """Names of the columns."""
        return [self.conditions[column] for column in self.shown]

    @property
    def n_left_out(self) -> int:
        """Subjects that were tested and have no row."""
        return max(0, int(np.count_nonzero(self.n.sum(axis=1))) - MOST_ROWS)

    def _cell(self, row: int, column: int) -> tuple[float, int] | None:
        n = int(self.n[row, column])
        return (float(self.right[row, column] / n), n) if n else None


def in_words(scores: TaskScores, *, leaks: bool) -> str:
    """Say what the accuracy of a task means, and how it spreads over subjects."""
    said = (
        f"Of 100 windows about {_of_100(scores.overall.accuracy)} were given {GIVEN[scores.task]}; the most "
        f"frequent answer, always given, is right for {_of_100(scores.chance)}."
    )
    rows = sorted(scores.groups[BY_SUBJECT], key=lambda row: row.value)
    if len(rows) < 2:
        return said
    said += f" By subject it goes from {rows[0].value:.0%} to {rows[-1].value:.0%}."
    if leaks:
        return f"{said} It leaks, so that new people or recordings will do worse."
    low, high = scores.over_subjects
    return f"{said} The mean of as many other subjects like these is to be expected at {_span(low, high)}."


def confusions(scores: TaskScores) -> list[str]:
    """Say which classes are most often taken for which other one, the worst first."""
    counts = scores.overall.confusion
    wrong = counts - np.diag(np.diag(counts))
    support = np.maximum(counts.sum(axis=1), 1)
    worst = wrong.argmax(axis=1)
    share = wrong.max(axis=1) / support
    said = []
    for row in np.argsort(-share, kind="stable")[:MOST_CONFUSIONS]:
        if share[row] >= LEAST_CONFUSED:
            n = wrong[row, worst[row]]
            said.append(
                f"{scores.classes[row]} is most often taken for {scores.classes[worst[row]]}: {n:,} of its "
                f"{support[row]:,} windows ({share[row]:.0%})"
            )
    return said


def headline_scores(schemes: Sequence[SchemeScores]) -> list[tuple[SchemeScores, TaskScores, str]]:
    """Return the scores for the top of a page with a bar each, state first: it is the harder question."""
    pairs = [(scheme, scores) for scheme in schemes for scores in scheme.tasks]
    pairs.sort(key=lambda pair: (pair[1].task != "condition", pair[0].leaks))
    return [
        (
            scheme,
            scores,
            svg.interval_bar(scores.accuracy, chance=scores.chance, tone=TONES[scores.task]),
        )
        for scheme, scores in pairs
    ]


def score_drawings(scores: TaskScores) -> list[str]:
    """Draw the confusion matrix, and the accuracies by group."""
    tone = TONES[scores.task]
    title = f"{TASK_TITLES[scores.task]}: confusion matrix"
    drawings = [svg.confusion_map(scores.overall.confusion, labels=scores.classes, title=title, tone=tone)]
    for heading, rows in scores.groups.items():
        shown, title = rows, f"{TASK_TITLES[scores.task]}: accuracy {heading}"
        if len(rows) > MOST_ROWS:
            shown = tuple(sorted(rows, key=lambda row: row.value)[:MOST_ROWS])
            title += f" (the {MOST_ROWS} lowest of {len(rows)})"
        drawings.append(svg.interval_plot(shown, title=title, chance=scores.chance, tone=tone))
    return drawings


def _of_100(share: float) -> str:
    """Write a share as a number of hundred, without making few of none or nearly all of all."""
    whole = round(100 * share)
    return f"{100 * share:.1f}" if whole in (0, 100) and 0 < share < 1 else str(whole)


def _span(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"
