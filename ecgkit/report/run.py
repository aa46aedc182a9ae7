"""The page about one run: what was trained, on which data, how well it does and what that can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.metrics.classification import ClassificationScores
from ecgkit.report import svg

TASK_TITLES = {"subject": "Identity", "condition": "State"}
TASK_QUESTIONS = {"subject": "who is it?", "condition": "in which state?"}
TONES = {"subject": 0, "condition": 1}
MOST_ROWS = 40


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


@dataclass(frozen=True, slots=True)
class FitCurves:
    """The course of one fit; arrays of shape (epoch,), tables task -> array; NaN where nothing was seen.

    Attributes
    ----------
    final
        Whether its weights are the run's.
    """

    final: bool
    epoch: NDArray[np.float64]
    accuracy: Mapping[str, NDArray[np.float64]]
    test_accuracy: Mapping[str, NDArray[np.float64]]
    loss: Mapping[str, NDArray[np.float64]]
    weight: Mapping[str, NDArray[np.float64]]
    gradient_norm: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Example:
    """One tested window and what was answered; `ecg` has shape (lead, T)."""

    ecg: NDArray[np.float32]
    where: str
    task: str
    true: str
    answered: str
    probability: float


@dataclass(frozen=True, slots=True)
class RunReport:
    """All that the page shows.

    Attributes
    ----------
    facts
        (name, value) about the data.
    conditions
        (key, what it is) of each condition.
    weights_note
        Whether the weights in the folder were themselves tested.
    settings
        Section -> (name, value) rows.
    commands
        How to do the same again, and what to do next, from the data set's folder.
    files
        (name, what is in it) of the run folder.
    """

    name: str
    summary: str
    simulated: bool
    fs: float
    facts: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str], ...]
    weights_note: str
    schemes: tuple[SchemeScores, ...]
    fits: tuple[FitCurves, ...]
    examples: tuple[Example, ...]
    settings: Mapping[str, tuple[tuple[str, str], ...]]
    commands: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


def render_run_report(content: RunReport) -> str:
    """Write the page about a run: one HTML text that needs no other file and no network.

    Parameters
    ----------
    content
        What the page shows. Its texts are escaped here.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ecgkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    drawings = {
        "headlines": [_headline(scheme, scores) for scheme, scores in _headline_scores(content.schemes)],
        "scheme_drawings": [[_scheme_drawings(scores) for scores in s.tasks] for s in content.schemes],
        "curves": training_charts(content.fits) if content.fits else [],
        "examples": [(example, _example_drawing(example, content.fs)) for example in content.examples],
    }
    page = environment.get_template("run.html.j2")
    return page.render(run=content, titles=TASK_TITLES, questions=TASK_QUESTIONS, **drawings)


def training_charts(fits: Sequence[FitCurves]) -> list[str]:
    """Draw accuracy, loss, task weight and gradient norm over epochs, both tasks, all fits."""
    columns = {
        "Accuracy on the training windows": "accuracy",
        "Accuracy on the tested windows": "test_accuracy",
        "Loss in training": "loss",
        "Task weight": "weight",
        "Gradient norm of each loss, before its weight": "gradient_norm",
    }
    charts = []
    for title, name in columns.items():
        in_order = sorted(fits, key=lambda fit: not fit.final)
        drawn = [line for fit in in_order for line in _fit_lines(fit, name)]
        lines = [line for line in drawn if np.isfinite(line.y).any()]
        if lines:
            y_range = (0.0, 1.0) if "accuracy" in name else (0.0, _top(lines))
            charts.append(svg.line_chart(_name_once(lines), title=title, x_label="epoch", y_range=y_range))
    return charts


def _fit_lines(fit: FitCurves, column: str) -> list[svg.Line]:
    tables: Mapping[str, NDArray[np.float64]] = getattr(fit, column)
    return [
        svg.Line(TASK_TITLES[task], fit.epoch, values, tone=TONES[task], faint=not fit.final)
        for task, values in tables.items()
    ]


def _name_once(lines: Sequence[svg.Line]) -> list[svg.Line]:
    """Keep each legend entry at its first line only."""
    seen: set[str] = set()
    named = []
    for line in lines:
        label = "" if line.label in seen else line.label
        seen.add(line.label)
        named.append(svg.Line(label, line.x, line.y, line.tone, line.faint))
    return named


def _top(lines: Sequence[svg.Line]) -> float:
    highest = max(float(np.nanmax(line.y)) for line in lines)
    return 1.05 * highest if highest > 0 else 1.0


def _headline_scores(schemes: Sequence[SchemeScores]) -> list[tuple[SchemeScores, TaskScores]]:
    """The scores for the top of the page, state first: it is the harder question."""
    pairs = [(scheme, scores) for scheme in schemes for scores in scheme.tasks]
    return sorted(pairs, key=lambda pair: (pair[1].task != "condition", pair[0].leaks))


def _headline(scheme: SchemeScores, scores: TaskScores) -> tuple[SchemeScores, TaskScores, str]:
    bar = svg.interval_bar(scores.accuracy, chance=scores.chance, tone=TONES[scores.task])
    return scheme, scores, bar


def _scheme_drawings(scores: TaskScores) -> list[str]:
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


def _example_drawing(example: Example, fs: float) -> str:
    return svg.ecg_strip(example.ecg, fs=fs, title=f"ECG, {example.where}")
