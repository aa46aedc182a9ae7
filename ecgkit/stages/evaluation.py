"""From the outputs of the fits to scores, and to the files that hold them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.read import Dataset
from ecgkit.metrics.calibration import log_softmax
from ecgkit.metrics.classification import ClassificationScores, score
from ecgkit.metrics.intervals import wilson
from ecgkit.report.run_scores import SchemeScores, TaskScores
from ecgkit.report.svg import Share
from ecgkit.splits import Leak, describe_leaks, find_scheme
from ecgkit.stages.fit_outputs import read_logits
from ecgkit.stages.fitting import LOGITS_FILE, FitTask

UNKNOWN = "unknown"  # the task of telling people apart who are not enrolled: nothing to score
UNKNOWN_SCHEME = "leave-subjects-out"
PREDICTION_COLUMNS = (
    "scheme",
    "fold",
    "task",
    "row",
    "session",
    "start_s",
    "true",
    "answered",
    "probability",
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered for the tested windows of one scheme and task, all folds together, by row.

    Attributes
    ----------
    task
        "subject" or "condition"; `UNKNOWN` for what the subject head says of people it was not trained on.
    rows
        Rows of the data set, (N,).
    fold
        Name of the fold that tested each, (N,).
    true
        Codes of the true classes, (N,).
    logits
        (N, classes)
    """

    scheme: str
    task: str
    rows: NDArray[np.int64]
    fold: NDArray[np.str_]
    true: NDArray[np.int64]
    logits: NDArray[np.float32]

    @property
    def answered(self) -> NDArray[np.int64]:
        """Codes of the answers, (N,)."""
        codes: NDArray[np.int64] = self.logits.argmax(axis=1)
        return codes

    @property
    def probability(self) -> NDArray[np.float64]:
        """Probability of each answer, not calibrated, (N,)."""
        highest: NDArray[np.float64] = np.exp(log_softmax(self.logits).max(axis=1))
        return highest


def collect(data: Dataset, tasks: Sequence[FitTask], fits: Path) -> list[Answers]:
    """Read what the fits left behind; only the tasks that a scheme can test, and that were trained."""
    schemes = {task.scheme: task.scored for task in tasks if task.scored}
    return [
        _answers(data, _of_scheme(tasks, scheme), fits, name)
        for scheme, scored in schemes.items()
        for name in scored
    ]


def collect_unknown(data: Dataset, tasks: Sequence[FitTask], fits: Path) -> Answers | None:
    """Read what the subject heads of leave-subjects-out said of the people who were left out.

    These are not enrolled there, so that each name given to them is a false one. None without such fits,
    or without such heads.
    """
    left_out = _of_scheme(tasks, UNKNOWN_SCHEME)
    if not left_out:
        return None
    answers = _answers(data, left_out, fits, "subject", learnt=False)
    return replace(answers, task=UNKNOWN) if answers.logits.shape[1] else None


def _of_scheme(tasks: Sequence[FitTask], scheme: str) -> list[FitTask]:
    return [task for task in tasks if task.scheme == scheme]


def evaluate(
    data: Dataset, answers: Sequence[Answers], leaks: Mapping[str, Sequence[Leak]]
) -> tuple[SchemeScores, ...]:
    """Score the answers, scheme by scheme, and say with them what the scheme's folds give away."""
    names = dict.fromkeys(part.scheme for part in answers)
    schemes = [find_scheme(name) for name in names]
    return tuple(
        SchemeScores(
            name=scheme.name,
            sentence=scheme.meaning,
            leaks=scheme.leaks,
            gives_away=tuple(describe_leaks(leaks[scheme.name])),
            tasks=tuple(_score(data, part) for part in answers if part.scheme == scheme.name),
        )
        for scheme in schemes
    )


def scores_as_json(scheme: SchemeScores) -> dict[str, Any]:
    """Return a scheme's scores as plain values."""
    return {
        "scheme": scheme.name,
        "leaks": scheme.leaks,
        "shows": scheme.sentence,
        "gives_away": list(scheme.gives_away),
        "tasks": {scores.task: _task_as_json(scores) for scores in scheme.tasks},
    }


def write_predictions(path: Path, data: Dataset, answers: Sequence[Answers]) -> None:
    """Write one line a tested window and task, in the order of the data set."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(PREDICTION_COLUMNS)
        for part in answers:
            lines.writerows(_prediction_rows(data, part))


def write_out_of_fold(path: Path, answers: Sequence[Answers]) -> None:
    """Write the outputs for every tested window: arrays ``<scheme>/<task>/rows`` (N,) and ``…/logits``.

    The task is "subject", "condition", or "unknown": the subject head's for people it was not trained on.
    """
    arrays: dict[str, Any] = {f"{part.scheme}/{part.task}/rows": part.rows for part in answers}
    arrays |= {f"{part.scheme}/{part.task}/logits": part.logits for part in answers}
    np.savez_compressed(path, **arrays)


def _answers(
    data: Dataset, tasks: Sequence[FitTask], fits: Path, name: str, *, learnt: bool = True
) -> Answers:
    n_classes = {"subject": len(data.subjects), "condition": len(data.conditions)}
    rows, folds, logits = [], [], []
    for task in tasks:
        tested = task.rows(data)[1]
        outputs = read_logits(
            task.folder(fits) / LOGITS_FILE, tested, n_classes, learnt={name} if learnt else ()
        )
        rows.append(tested)
        logits.append(outputs[name])
        folds.append(np.full(len(tested), task.fold))
    joined = np.concatenate(rows)
    order = np.argsort(joined, kind="stable")
    return Answers(
        scheme=tasks[0].scheme,
        task=name,
        rows=joined[order],
        fold=np.concatenate(folds)[order],
        true=data.codes(name)[joined[order]],
        logits=np.concatenate(logits)[order],
    )


def _score(data: Dataset, answers: Answers) -> TaskScores:
    classes = data.labels(answers.task)
    right = answers.true == answers.answered
    groups = {
        f"by {column}": _shares(right, np.array(data.labels(column))[data.codes(column)[answers.rows]])
        for column in ("subject", "condition")
    }
    visits = data.columns["visit"][answers.rows]
    if len(np.unique(visits)) > 1:
        groups["by visit"] = _shares(right, visits.astype(str))
    return TaskScores(
        task=answers.task,
        overall=score(answers.true, answers.answered, len(classes)),
        chance=float(np.bincount(answers.true).max() / len(answers.true)),
        classes=classes,
        folds=_shares(right, answers.fold),
        groups=groups,
    )


def _shares(right: NDArray[np.bool_], labels: NDArray[np.str_]) -> tuple[Share, ...]:
    """Return the share of right answers for each label, in the labels' order."""
    shares = []
    for label in np.unique(labels):
        hits = right[labels == label]
        low, high = wilson(int(hits.sum()), len(hits))
        shares.append(Share(str(label), float(hits.mean()), low, high, len(hits)))
    return tuple(shares)


def _task_as_json(scores: TaskScores) -> dict[str, Any]:
    overall = scores.overall
    return {
        "n": overall.n,
        "accuracy": overall.accuracy,
        "accuracy_interval": [overall.accuracy_low, overall.accuracy_high],
        "chance": scores.chance,
        "precision": overall.precision,
        "recall": overall.recall,
        "f1": overall.f1,
        "accuracy_mean_over_folds": scores.fold_mean,
        "accuracy_sd_over_folds": scores.fold_sd if len(scores.folds) > 1 else None,
        "classes": list(scores.classes),
        "confusion": overall.confusion.tolist(),
        "by_class": _classes_as_json(scores.classes, overall),
        "by_fold": [_share_as_json(share) for share in scores.folds],
        **{
            heading.replace(" ", "_"): [_share_as_json(share) for share in shares]
            for heading, shares in scores.groups.items()
        },
    }


def _classes_as_json(classes: tuple[str, ...], overall: ClassificationScores) -> list[dict[str, Any]]:
    columns = zip(
        classes,
        overall.class_precision.tolist(),
        overall.class_recall.tolist(),
        overall.class_f1.tolist(),
        overall.support.tolist(),
        strict=True,
    )
    names = ("label", "precision", "recall", "f1", "n")
    return [dict(zip(names, values, strict=True)) for values in columns]


def _share_as_json(share: Share) -> dict[str, Any]:
    return {
        "label": share.label,
        "n": share.n,
        "accuracy": share.value,
        "accuracy_interval": [share.low, share.high],
    }


def _prediction_rows(data: Dataset, part: Answers) -> Iterator[tuple[object, ...]]:
    classes = data.labels(part.task)
    sessions = data.codes("session")[part.rows]
    start_s = data.columns["start_s"][part.rows]
    numbers = zip(
        part.rows, part.fold, sessions, start_s, part.true, part.answered, part.probability, strict=True
    )
    for row, fold, session, start, true, answered, probability in numbers:
        label = data.sessions[session]
        yield (
            part.scheme,
            fold,
            part.task,
            row,
            label,
            f"{start:g}",
            classes[true],
            classes[answered],
            f"{probability:.6f}",
        )
