"""What has to be known to read a run's answers: what its probabilities are worth, what was left out."""

from __future__ import annotations

import numpy as np

from ecgkit.analysis.quality import VERDICTS
from ecgkit.records import Recording
from ecgkit.stages.calibrating import FUSED_WINDOWS
from ecgkit.stages.predict.answers import Outputs
from ecgkit.training.calibration_file import Fused, TaskCalibration, Threshold

TITLES = {"subject": "identity", "condition": "the state"}
NO_CALIBRATION = (
    "The run has no calibration: 0.9 need not be right nine times in ten. Train it with this ecgkit, without "
    "--no-evaluate, to have one."
)
NAMED_ANYWAY = "A person who was not in the training is still given the name of someone who was."
WEAK_FNIR = 0.5
WEAK_THRESHOLD = (
    "So 'unknown' says little here: most of those who are enrolled are not surer than strangers; look at who "
    "is nearest."
)
NOTHING_USABLE = (
    "No usable window: the quality of every one is 'reject', so that there is no answer. See what is wrong "
    "with the signal with ecgkit info --check, or take the windows all the same with --keep-rejected."
)
SIMULATED_RUN = "The run was trained on SIMULATED data: what it says about a real person means nothing."
SIMULATED_FILE = "The file is SIMULATED: nobody was recorded."


def remarks_on(
    outputs: Outputs, recording: Recording, threshold: Threshold | None, *, n_fused: int, fpir: float | None
) -> tuple[str, ...]:
    """Say what has to be known to read the answers, a sentence each.

    Parameters
    ----------
    threshold
        Of the overall answer, which `n_fused` windows were fused for.
    """
    quality = outputs.cut.quality.verdict
    n_rejected = int(np.count_nonzero(quality == VERDICTS.index("reject")))
    n_doubtful = int(np.count_nonzero(quality == VERDICTS.index("doubtful")))
    of = f"of {len(outputs):,} windows"
    left_out = f"{n_rejected:,} {of} are of quality 'reject' and were left out (--keep-rejected takes them)."
    kept = f"{n_rejected:,} {of} are of quality 'reject' and were taken all the same: trust them little."
    doubtful = f"The signal of {n_doubtful:,} {of} is doubtful: trust little what is said of them."
    remarks = {
        NOTHING_USABLE: not outputs.used.any(),
        left_out: n_rejected > 0 and 0 < np.count_nonzero(outputs.used) < len(outputs),
        kept: n_rejected > 0 and bool(outputs.used.all()),
        doubtful: n_doubtful > 0,
        SIMULATED_RUN: outputs.card.simulated,
        SIMULATED_FILE: recording.simulated,
    }
    said = [remark for remark, holds in remarks.items() if holds]
    return (*_calibration(outputs, n_fused), *_unknown(outputs, threshold, n_fused, fpir), *said)


def _calibration(outputs: Outputs, n_fused: int) -> list[str]:
    if outputs.calibration is None:
        return [NO_CALIBRATION]
    made = outputs.calibration.tasks
    return [
        *(_task(TITLES[task], made[task], n_fused) for task in outputs.card.spec.tasks if task in made),
        *outputs.calibration.missing,
    ]


def _task(title: str, task: TaskCalibration, n_fused: int) -> str:
    """Say what the probabilities of a task are worth, for as many windows as were fused, or nearly."""
    text = (
        f"The probabilities of {title} are calibrated by a temperature of {task.temperature:.2f}, from "
        f"{task.n_windows:,} windows of {task.n_persons} people under {task.scheme}"
    )
    tested: Fused | None = max(
        (row for row in task.fused if row.n_windows <= max(n_fused, 1)),
        key=lambda row: row.n_windows,
        default=None,
    )
    if tested is None:
        return f"{text}."
    over = "single windows" if tested.n_windows == 1 else f"{tested.n_windows} windows together"
    return (
        f"{text}: there, answers over {over} had a mean probability of {tested.probability:.2f}, and "
        f"{tested.accuracy:.0%} of them were right."
    )


def _unknown(
    outputs: Outputs, threshold: Threshold | None, n_fused: int, fpir: float | None
) -> tuple[str, ...]:
    """Say what "unknown" means here, or that nobody is unknown."""
    if not outputs.card.subject_labels:
        return ()
    if threshold is None:
        stored = outputs.calibration.thresholds if outputs.calibration else ()
        targets = ", ".join(f"{target:g}" for target in sorted({row.target for row in stored}))
        other = fpir is not None and targets and n_fused
        return (*((f"There are thresholds for --fpir {targets} only.",) if other else ()), NAMED_ANYWAY)
    text = (
        f"'unknown' is what stays under {threshold.threshold:.3g}, the threshold for {threshold.n_windows} "
        f"window{'s' * (threshold.n_windows > 1)}: out of fold, {threshold.fpir:.1%} of the answers "
        f"about {threshold.n_non_mated_persons} people who were not enrolled reached it"
    )
    if threshold.fpir_new is not None:
        low, high = threshold.fpir_new_low or 0.0, threshold.fpir_new_high or 0.0
        text += f" (expect {threshold.fpir_new:.1%} [{low:.1%}, {high:.1%}] of new people)"
    return (f"{text}.", *_more_windows(threshold, n_fused), *_missed(outputs, threshold))


def _more_windows(threshold: Threshold, n_fused: int) -> list[str]:
    """Say so where the threshold is that for fewer windows than were fused."""
    if n_fused <= threshold.n_windows:
        return []
    wanted = max(n for n in FUSED_WINDOWS if n <= n_fused)
    few = "for so many windows together there were too few scores; " * (wanted > threshold.n_windows)
    for_n = f"{threshold.n_windows} window{'s' * (threshold.n_windows > 1)}"
    text = f"{few}the threshold is that for {for_n}, and its rate for more is not known."
    return [f"{n_fused} windows were fused: {text}"]


def _missed(outputs: Outputs, threshold: Threshold) -> list[str]:
    """Say how often this threshold misses those who are enrolled, and the ways out."""
    if threshold.fnir is None:
        return []
    low, high = threshold.fnir_low or 0.0, threshold.fnir_high or 0.0
    stored = outputs.calibration.thresholds if outputs.calibration else ()
    laxer = [f"--fpir {r.target:g} misses {r.fnir:.0%}" for r in stored if _same_but_laxer(r, threshold)]
    text = (
        f"At this threshold {threshold.fnir:.0%} [{low:.0%}, {high:.0%}] of the answers about people who are "
        "enrolled are missed, 'unknown' or another's (FNIR); "
        f"{', '.join([*laxer, '--fpir none gives everybody a name'])}."
    )
    return [text, *([WEAK_THRESHOLD] if threshold.fnir > WEAK_FNIR else [])]


def _same_but_laxer(row: Threshold, threshold: Threshold) -> bool:
    fewer = row.fnir is not None and threshold.fnir is not None and row.fnir < threshold.fnir
    return row.n_windows == threshold.n_windows and row.target > threshold.target and fewer
