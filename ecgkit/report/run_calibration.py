"""What the probabilities of a run are worth: tables and reliability diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.report import svg
from ecgkit.report.run_scores import TASK_TITLES, TONES

PROBABILITY, SIZE = "probability of the answer", (460, 300)
EXACT, EXACT_TONE = "as promised", 9  # the grey that is no task's


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Measures of probabilities, less is better, and their bins: mean probability and accuracy, (bins,)."""

    ece: float
    nll: float
    brier: float
    probability: NDArray[np.float64]
    accuracy: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedTask:
    """What the probabilities of a task are worth, as the network gives them and divided by a temperature.

    Attributes
    ----------
    scheme
        Whose out-of-fold outputs it comes from.
    fused
        Answers over several windows: (windows, answers, mean probability, accuracy, ECE).
    """

    task: str
    scheme: str
    temperature: float
    n_windows: int
    n_subjects: int
    before: Reliability
    after: Reliability
    fused: tuple[tuple[int, int, float, float, float], ...]

    @property
    def title(self) -> str:
        """What people call the task."""
        return TASK_TITLES[self.task]


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """A threshold under which an answer to "who is it?" is "unknown".

    Attributes
    ----------
    target
        Share of people who are not enrolled that may be given a name.
    fpir_new, fnir
        (share, low, high): of people who are not enrolled and had no part in the choice, given a name; of
        enrolled people, not given theirs. None where it is not known.
    """

    n_windows: int
    target: float
    threshold: float
    fpir_new: tuple[float, float, float] | None
    fnir: tuple[float, float, float] | None
    n_strangers: int
    n_enrolled: int


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationPart:
    """All that a page says of calibration; `missing` are sentences on what can't be had."""

    tasks: tuple[CalibratedTask, ...]
    unknown: tuple[UnknownRow, ...]
    missing: tuple[str, ...]


def reliability_diagrams(tasks: Sequence[CalibratedTask]) -> list[str]:
    """Draw accuracy over probability, before and after calibration, one drawing a task."""
    return [_diagram(task) for task in tasks]


def _diagram(task: CalibratedTask) -> str:
    ends, tone = np.array([0.0, 1.0]), TONES[task.task]
    lines = [
        svg.Line(EXACT, ends, ends, tone=EXACT_TONE, faint=True),
        svg.Line("as the network says", task.before.probability, task.before.accuracy, tone=tone, faint=True),
        svg.Line("calibrated", task.after.probability, task.after.accuracy, tone=tone),
    ]
    title = f"{task.title}: how often an answer is right"
    return svg.line_chart(lines, title=title, x_label=PROBABILITY, y_range=(0.0, 1.0), size=SIZE)
