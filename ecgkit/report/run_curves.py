"""The course of trainings as charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgkit.report import svg
from ecgkit.report.run_scores import TASK_TITLES, TONES

# title -> table of `FitCurves`
CHARTS = {
    "Accuracy on the training windows": "accuracy",
    "Accuracy on the tested windows": "test_accuracy",
    "Accuracy on the windows held back to choose by": "validation_accuracy",
    "Loss in training": "loss",
    "Task weight": "weight",
    "Gradient norm of each loss, before its weight": "gradient_norm",
}


@dataclass(frozen=True, slots=True, eq=False)
class FitCurves:
    """The course of one fit; arrays of shape (epoch,), tables task -> array; NaN where nothing was seen.

    Attributes
    ----------
    final
        Whether its weights are the run's.
    kept_epoch
        The epoch whose weights were kept, where they were chosen by windows held back; else None: the last.
    """

    final: bool
    epoch: NDArray[np.float64]
    accuracy: Mapping[str, NDArray[np.float64]]
    test_accuracy: Mapping[str, NDArray[np.float64]]
    loss: Mapping[str, NDArray[np.float64]]
    weight: Mapping[str, NDArray[np.float64]]
    gradient_norm: Mapping[str, NDArray[np.float64]]
    validation_accuracy: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    kept_epoch: int | None = None


def training_charts(fits: Sequence[FitCurves]) -> list[str]:
    """Draw accuracy, loss, task weight and gradient norm over epochs, all tasks, all fits."""
    in_order = sorted(fits, key=lambda fit: not fit.final)
    charts = []
    for title, name in CHARTS.items():
        drawn = [line for fit in in_order for line in _fit_lines(fit, name)]
        lines = [line for line in drawn if np.isfinite(line.y).any()]
        if lines:
            charts.append(epoch_chart(name_once(lines), title=title, is_share="accuracy" in name))
    return charts


def epoch_chart(lines: Sequence[svg.Line], *, title: str, is_share: bool) -> str:
    """Draw lines over epochs: shares from 0 to 1, others from 0 to what they need."""
    y_range = (0.0, 1.0) if is_share else (0.0, _top(lines))
    return svg.line_chart(lines, title=title, x_label="epoch", y_range=y_range)


def name_once(lines: Sequence[svg.Line]) -> list[svg.Line]:
    """Keep each legend entry at its first line only."""
    seen: set[str] = set()
    named = []
    for line in lines:
        label = "" if line.label in seen else line.label
        seen.add(line.label)
        named.append(svg.Line(label, line.x, line.y, line.tone, line.faint))
    return named


def kept_in_words(fits: Sequence[FitCurves]) -> str:
    """Say which epochs' weights were kept, "" where it was always the last."""
    kept = sorted(fit.kept_epoch for fit in fits if fit.kept_epoch is not None)
    if not kept:
        return ""
    final = next((fit for fit in fits if fit.final and fit.kept_epoch is not None), None)
    own = f" The weights of this run are those of epoch {final.kept_epoch}." if final else ""
    several = f"epochs {kept[0]} to {kept[-1]}" if kept[0] != kept[-1] else f"epoch {kept[0]}"
    return f"Each fit kept the epoch that did best on windows held back from its training: {several}.{own}"


def _fit_lines(fit: FitCurves, column: str) -> list[svg.Line]:
    tables: Mapping[str, NDArray[np.float64]] = getattr(fit, column)
    return [
        svg.Line(TASK_TITLES[task], fit.epoch, values, tone=TONES[task], faint=not fit.final)
        for task, values in tables.items()
    ]


def _top(lines: Sequence[svg.Line]) -> float:
    highest = max(float(np.nanmax(line.y)) for line in lines)
    return 1.05 * highest if highest > 0 else 1.0
