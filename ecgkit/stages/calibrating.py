"""From out-of-fold outputs to probabilities that can be believed, and to thresholds for "unknown".

Every output here is of a network that was not trained on the window's recording, or, for people who are to be
called unknown, not on the person. The run's own weights are those of a further fit on all windows: what holds
for the folds' networks is taken to hold for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.quality import VERDICTS
from ecgkit.dataset.read import Dataset
from ecgkit.metrics.calibration import (
    allowed,
    brier_score,
    fit_temperature,
    fuse,
    log_softmax,
    negative_log_likelihood,
    person_interval,
    reached_by_new,
    reliability_bins,
    threshold_for,
)
from ecgkit.stages.evaluation import Answers
from ecgkit.training.calibration_file import (
    TASKS,
    Bin,
    Calibration,
    Fused,
    Reliability,
    TaskCalibration,
    Threshold,
)

# what a task's temperature comes from, the best first
SCHEMES = {"subject": ("leave-visit-out", "leave-condition-out"), "condition": ("leave-subjects-out",)}
FUSED_WINDOWS = (1, 2, 3, 5, 10, 20, 50)
FPIR_TARGETS = (0.001, 0.01, 0.05, 0.1)
LEAST_ENROLLED = 2
MOST_WINDOWS = 50_000  # evenly from all: more would not move one temperature
TITLES = {"subject": "identity", "condition": "the state"}
NO_THRESHOLD = "No threshold for 'unknown'"
NOBODY_KNOWN = f"{NO_THRESHOLD}: a network of the state alone knows nobody."


@dataclass(frozen=True, slots=True, eq=False)
class FusedAnswers:
    """Answers over windows of one session each, fused, (n,) each.

    Attributes
    ----------
    person
        Whose windows they are; as `answered` and `true`, codes.
    probability
        Of the answer.
    """

    person: NDArray[np.int64]
    answered: NDArray[np.int64]
    true: NDArray[np.int64]
    probability: NDArray[np.float64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the answer is the truth."""
        matches: NDArray[np.bool_] = self.answered == self.true
        return matches


def calibrate(
    data: Dataset, answers: Sequence[Answers], unknown: Answers | None, *, tasks: Sequence[str] = TASKS
) -> Calibration:
    """Fit temperatures and thresholds to out-of-fold outputs; windows of quality "reject" have no part in it.

    What can't be had is named in `Calibration.missing`, with the reason.

    Parameters
    ----------
    answers
        Of the tasks, under any schemes (`evaluation.collect`).
    unknown
        Of the subject heads for people they were not trained on (`evaluation.collect_unknown`).
    tasks
        Those that the run's network has a head for.
    """
    chosen = {task: _chosen(task, answers) for task in tasks}
    found = {task: (part, _sessions(data, part)) for task, part in chosen.items() if part is not None}
    made = {task: _task(data, *pair) for task, pair in found.items() if pair[1]}
    missing = [_why_not(data, task, chosen[task]) for task in tasks if task not in made]
    thresholds: tuple[Threshold, ...] = ()
    if "subject" not in tasks:
        missing.append(NOBODY_KNOWN)
    else:
        identity = chosen["subject"] if "subject" in made else None
        why = _no_thresholds(data, identity, unknown)
        if identity is not None and unknown is not None and not why:
            thresholds = _thresholds(data, identity, unknown, made["subject"].temperature)
            why = _too_fine(thresholds, _sessions(data, unknown))
        missing += why
    return Calibration(
        tasks=made,
        thresholds=thresholds,
        n_enrolled=_fewest_enrolled(data, unknown) if thresholds else 0,
        mated_scheme=made["subject"].scheme if thresholds else "",
        n_rejected=int(np.count_nonzero(~_usable(data, np.arange(len(data))))),
        missing=tuple(missing),
        dataset_sha256=data.sha256,
        simulated=data.simulated,
    )


def fused_answers(
    answers: Answers,
    person: NDArray[np.int64],
    sessions: Sequence[NDArray[np.int64]],
    *,
    temperature: float,
    n_windows: int,
) -> FusedAnswers:
    """Fuse each session's windows, so many consecutive ones at a time; what is left at its end is not used.

    Parameters
    ----------
    person
        Whose each of the answers is, (N,).
    sessions
        Rows of `answers` for each session, (n,) each, in order of time.
    """
    n_classes, parts = answers.logits.shape[1], []
    for rows in sessions:
        used = rows[: len(rows) // n_windows * n_windows]
        log_p = log_softmax(answers.logits[used], temperature=temperature)  # (n, classes)
        fused = fuse(log_p.reshape(-1, n_windows, n_classes))  # (n / n_windows, classes)
        parts.append((used[::n_windows], fused.argmax(axis=1), np.exp(fused.max(axis=1))))
    first, answered, probability = (np.concatenate(column) for column in zip(*parts, strict=True))
    return FusedAnswers(person[first], answered, answers.true[first], probability)


def _chosen(task: str, answers: Sequence[Answers]) -> Answers | None:
    of_task = {part.scheme: part for part in answers if part.task == task}
    return next((of_task[scheme] for scheme in SCHEMES[task] if scheme in of_task), None)


def _usable(data: Dataset, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    usable: NDArray[np.bool_] = data.columns["quality"][rows] != VERDICTS.index("reject")
    return usable


def _sessions(data: Dataset, answers: Answers) -> list[NDArray[np.int64]]:
    """Return the rows of the answers to usable windows, session by session, in order of time."""
    used = np.flatnonzero(_usable(data, answers.rows))
    session = data.codes("session")[answers.rows[used]]
    order = np.argsort(session, kind="stable")
    cuts = np.flatnonzero(np.diff(session[order])) + 1
    return [part for part in np.split(used[order], cuts) if len(part)]


def _task(data: Dataset, answers: Answers, sessions: Sequence[NDArray[np.int64]]) -> TaskCalibration:
    used = np.concatenate(sessions)
    used = used[:: -(-len(used) // MOST_WINDOWS)]
    logits, true = answers.logits[used], answers.true[used]
    temperature = fit_temperature(logits, true)
    person = data.codes("subject")[answers.rows]
    return TaskCalibration(
        scheme=answers.scheme,
        temperature=temperature,
        n_windows=len(used),
        n_persons=len(np.unique(person[used])),
        before=_reliability(logits, true, temperature=1.0),
        after=_reliability(logits, true, temperature=temperature),
        fused=tuple(
            _fused(fused_answers(answers, person, sessions, temperature=temperature, n_windows=n), n)
            for n in _lengths(sessions)
        ),
    )


def _lengths(sessions: Sequence[NDArray[np.int64]]) -> list[int]:
    """Return how many windows can be fused, as far as a session has them."""
    longest = max(map(len, sessions))
    return [n for n in FUSED_WINDOWS if n <= longest]


def _reliability(logits: NDArray[np.float32], true: NDArray[np.int64], *, temperature: float) -> Reliability:
    log_p = log_softmax(logits, temperature=temperature)
    bins = reliability_bins(np.exp(log_p.max(axis=1)), log_p.argmax(axis=1) == true)
    rows = zip(bins.n.tolist(), bins.probability.tolist(), bins.accuracy.tolist(), strict=True)
    return Reliability(
        nll=negative_log_likelihood(log_p, true),
        brier=brier_score(log_p, true),
        ece=bins.expected_calibration_error,
        bins=tuple(Bin(n, min(probability, 1.0), accuracy) for n, probability, accuracy in rows),
    )


def _fused(answers: FusedAnswers, n_windows: int) -> Fused:
    return Fused(
        n_windows=n_windows,
        n=len(answers.probability),
        probability=min(float(answers.probability.mean()), 1.0),
        accuracy=float(answers.right.mean()),
        ece=reliability_bins(answers.probability, answers.right).expected_calibration_error,
    )


def _no_thresholds(data: Dataset, identity: Answers | None, unknown: Answers | None) -> list[str]:
    """Say why there can be no threshold; nothing if there can."""
    if identity is None:
        why = "it takes probabilities of identity that are calibrated"
    elif unknown is None:
        why = _not_fitted(data, "leave-subjects-out")
    elif (n_enrolled := _fewest_enrolled(data, unknown)) < LEAST_ENROLLED:
        why = (
            f"while others are held out, {n_enrolled} of the people are enrolled, expected at least "
            f"{LEAST_ENROLLED}; record more people"
        )
    elif not _sessions(data, unknown):
        why = _all_rejected("leave-subjects-out")
    else:
        return []
    return [f"{NO_THRESHOLD}: {why}."]


def _fewest_enrolled(data: Dataset, unknown: Answers | None) -> int:
    """Return how many people are enrolled while others are held out, in the fold that has the fewest."""
    if unknown is None:
        return 0
    held_out = (len(np.unique(unknown.true[unknown.fold == fold])) for fold in np.unique(unknown.fold))
    return len(data.subjects) - max(held_out)


def _among_the_enrolled(answers: Answers) -> Answers:
    """Leave those answers out that a fold can't give: its own people, whom the head was not trained on."""
    logits = answers.logits.copy()
    for fold in np.unique(answers.fold):
        mine = np.flatnonzero(answers.fold == fold)
        logits[np.ix_(mine, np.unique(answers.true[mine]))] = -np.inf
    return Answers(answers.scheme, answers.task, answers.rows, answers.fold, answers.true, logits)


def _thresholds(
    data: Dataset, identity: Answers, unknown: Answers, temperature: float
) -> tuple[Threshold, ...]:
    """Choose a threshold for each number of windows and each target that the scores can show."""
    non_mated, of_non_mated = _among_the_enrolled(unknown), _sessions(data, unknown)
    of_mated, made = _sessions(data, identity), []
    for n in _lengths(of_non_mated):
        others = fused_answers(non_mated, non_mated.true, of_non_mated, temperature=temperature, n_windows=n)
        enrolled = fused_answers(identity, identity.true, of_mated, temperature=temperature, n_windows=n)
        made += [
            _threshold(others, enrolled, n_windows=n, target=target)
            for target in FPIR_TARGETS
            if allowed(len(others.probability), target)
        ]
    return tuple(made)


def _threshold(non_mated: FusedAnswers, mated: FusedAnswers, *, n_windows: int, target: float) -> Threshold:
    threshold = threshold_for(non_mated.probability, target=target)
    by_new = reached_by_new(non_mated.probability, non_mated.person, target=target)
    fpir_new = _share(by_new, non_mated.person)
    missed = ~(mated.right & (mated.probability >= threshold))
    fnir = _share(missed if len(missed) else None, mated.person)
    return Threshold(
        n_windows=n_windows,
        target=target,
        threshold=threshold,
        fpir=float((non_mated.probability >= threshold).mean()),
        fpir_new=fpir_new[0],
        fpir_new_low=fpir_new[1],
        fpir_new_high=fpir_new[2],
        n_non_mated=len(non_mated.person),
        n_non_mated_persons=len(np.unique(non_mated.person)),
        fnir=fnir[0],
        fnir_low=fnir[1],
        fnir_high=fnir[2],
        n_mated=len(mated.person),
        n_mated_persons=len(np.unique(mated.person)),
    )


def _share(
    events: NDArray[np.bool_] | None, persons: NDArray[np.int64]
) -> tuple[float, float, float] | tuple[None, None, None]:
    """Return how often something happened, with its interval; nothing of nothing."""
    if events is None:
        return None, None, None
    return float(events.mean()), *person_interval(events, persons)


def _too_fine(thresholds: Sequence[Threshold], sessions: Sequence[NDArray[np.int64]]) -> list[str]:
    """Say which targets the scores are too few for."""
    n_scores = sum(map(len, sessions))
    return [
        f"{NO_THRESHOLD} at a false identification rate of {target:.3g}: "
        f"{n_scores} scores of people who are not enrolled can't show it."
        for target in FPIR_TARGETS
        if not any(row.target == target for row in thresholds)
    ]


def _why_not(data: Dataset, task: str, answers: Answers | None) -> str:
    """Say why a task has no temperature: nothing was tested, or what was is rejected."""
    reasons = [_not_fitted(data, scheme) for scheme in SCHEMES[task]]
    why = "; ".join(reasons) if answers is None else _all_rejected(answers.scheme)
    return f"The probabilities of {TITLES[task]} are not calibrated: {why}."


def _not_fitted(data: Dataset, scheme: str) -> str:
    if scheme not in data.schemes:
        return f"the data set does not allow {scheme}"
    return f"no fold of {scheme} was fitted (ecgkit train does so without --split and --no-evaluate)"


def _all_rejected(scheme: str) -> str:
    return f"every window tested under {scheme} is of quality 'reject'"
