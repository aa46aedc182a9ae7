"""What a run answers: of each window, or of several fused, and of the whole file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.quality import VERDICTS
from ecgkit.metrics.calibration import fuse
from ecgkit.stages.windows import CutWindows
from ecgkit.training.calibration_file import Calibration, Threshold
from ecgkit.training.card import RunCard


@dataclass(frozen=True, slots=True)
class Answer:
    """Who and which state, over one window or several.

    Attributes
    ----------
    start_s, stop_s
        From the recording's start, seconds.
    n_windows
        How many windows it was fused from; 0: none could be used, and there is no answer.
    n_rejected
        Windows in this time that were left out, because their quality is "reject".
    subject
        Who it is; None: unknown, or no answer.
    best_subject, subject_probability
        Who it would be if there was no threshold, and how probable that is; None of a run without that task.
    threshold
        The probability under which the answer is "unknown"; None where there is no threshold.
    condition, condition_probability
        The most probable state; None of a run without that task.
    heart_rate_bpm
        Mean over the windows used; None where none was found.
    quality
        Verdict on most of the windows, the worse one of two that are as many.
    """

    start_s: float
    stop_s: float
    n_windows: int
    n_rejected: int
    subject: str | None
    best_subject: str | None
    subject_probability: float | None
    threshold: float | None
    condition: str | None
    condition_probability: float | None
    heart_rate_bpm: float | None
    quality: str

    @property
    def unknown(self) -> bool:
        """Whether the answer to "who is it?" is "unknown"."""
        return self.best_subject is not None and self.subject is None

    @property
    def who(self) -> str:
        """The answer to "who is it?" as people read it; of somebody unknown, who comes nearest too."""
        return f"unknown; nearest: {self.best_subject}" if self.unknown else self.subject or "–"

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        return {**dataclasses.asdict(self), "unknown": self.unknown, "who": self.who}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a run says of a file.

    Attributes
    ----------
    channels
        Names of the ECG channels taken, and why.
    simulated_run, simulated_file
        Whether the run's data, and the file, were made by a simulator.
    tasks
        What the run answers: "subject", "condition".
    calibrated
        Those of the tasks whose probabilities are calibrated.
    fpir
        The false-positive identification rate asked for; None: every window is given a name.
    threshold
        Of the overall answer; None where there is none.
    overall
        Fused over the whole file, as of one person in one state.
    probabilities
        ``task -> label -> probability``, of the overall answer.
    answers
        One for each window, or for each group of windows.
    remarks
        What has to be known to read the answers; one sentence each.
    """

    run: Path
    file: Path
    channels: tuple[str, ...]
    reason: str
    simulated_run: bool
    simulated_file: bool
    tasks: tuple[str, ...]
    calibrated: tuple[str, ...]
    fpir: float | None
    threshold: Threshold | None
    overall: Answer
    probabilities: dict[str, dict[str, float]]
    answers: tuple[Answer, ...]
    remarks: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether there is an answer at all: a window that was not left out."""
        return self.overall.n_windows > 0

    def as_json(self) -> dict[str, Any]:
        """Return the prediction as plain values."""
        return {
            "run": str(self.run),
            "file": str(self.file),
            "channels": list(self.channels),
            "channel_reason": self.reason,
            "tasks": list(self.tasks),
            "calibrated": list(self.calibrated),
            "fpir": self.fpir,
            "threshold": None if self.threshold is None else dataclasses.asdict(self.threshold),
            "trained_on_simulated_data": self.simulated_run,
            "file_is_simulated": self.simulated_file,
            "usable": self.usable,
            "overall": self.overall.as_json(),
            "probabilities": self.probabilities,
            "answers": [answer.as_json() for answer in self.answers],
            "remarks": list(self.remarks),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A file of several that no prediction could be made for, and why."""

    file: Path
    error: str

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"file": str(self.file), "error": self.error}


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """The windows of a file and what a run says of them.

    Attributes
    ----------
    subject, condition
        Calibrated log-probabilities, (N, subjects) and (N, conditions); no columns of a task that the run
        has no head for.
    used
        Which windows count, (N,): those of quality "reject" don't, unless they are asked for.
    """

    cut: CutWindows
    window_s: float
    card: RunCard
    calibration: Calibration | None
    subject: NDArray[np.float64]
    condition: NDArray[np.float64]
    used: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.used)


def threshold_of(outputs: Outputs, n_windows: int, fpir: float | None) -> Threshold | None:
    """Return the threshold for an answer over so many windows, None where there is none."""
    if outputs.calibration is None or fpir is None or n_windows == 0:
        return None
    return outputs.calibration.threshold(n_windows, fpir)


def answer_over(outputs: Outputs, rows: slice, *, fpir: float | None) -> Answer:
    """Fuse the usable windows of these rows by the mean of their log-probabilities."""
    used = np.flatnonzero(outputs.used[rows]) + (rows.start or 0)
    start_s = outputs.cut.start_s[rows]
    best, subject_probability = _best(outputs.subject[used], outputs.card.subject_labels)
    condition, condition_probability = _best(outputs.condition[used], outputs.card.condition_labels)
    limit = threshold_of(outputs, len(used), fpir) if best is not None else None
    named = limit is None or (subject_probability or 0.0) >= limit.threshold
    return Answer(
        start_s=float(start_s[0]),
        stop_s=float(start_s[-1]) + outputs.window_s,
        n_windows=len(used),
        n_rejected=len(start_s) - len(used),
        subject=best if named else None,
        best_subject=best,
        subject_probability=subject_probability,
        threshold=None if limit is None else limit.threshold,
        condition=condition,
        condition_probability=condition_probability,
        heart_rate_bpm=_mean(outputs.cut.heart_rate_bpm[used]),
        quality=_most(outputs.cut.quality.verdict[rows]),
    )


def answers_over(outputs: Outputs, *, fuse: int, fpir: float | None) -> tuple[Answer, ...]:
    """Answer every window, or so many consecutive ones at a time; the last group may be smaller."""
    starts = range(0, len(outputs), fuse)
    return tuple(answer_over(outputs, slice(start, start + fuse), fpir=fpir) for start in starts)


def overall_probabilities(outputs: Outputs) -> dict[str, dict[str, float]]:
    """Return ``task -> label -> probability`` of all usable windows together."""
    card, used = outputs.card, outputs.used
    tasks = {
        "subject": (outputs.subject[used], card.subject_labels),
        "condition": (outputs.condition[used], card.condition_labels),
    }
    return {
        task: dict(zip(labels, np.exp(fuse(log_p)).tolist(), strict=True))
        for task, (log_p, labels) in tasks.items()
        if log_p.size
    }


def _best(
    log_probabilities: NDArray[np.float64], labels: tuple[str, ...]
) -> tuple[str, float] | tuple[None, None]:
    """Return the most probable label of some windows together, and its probability."""
    if not log_probabilities.size:
        return None, None
    fused = fuse(log_probabilities)  # (classes,)
    best = int(fused.argmax())
    return labels[best], float(np.exp(fused[best]))


def _most(verdicts: NDArray[np.int8]) -> str:
    return VERDICTS[int(np.bincount(verdicts).argmax())]


def _mean(values: NDArray[np.float64]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
