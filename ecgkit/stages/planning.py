"""Which fits a training takes, and whether the data set can bear them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ecgkit.dataset.read import Dataset
from ecgkit.errors import DatasetError
from ecgkit.splits import HONEST, find_scheme
from ecgkit.stages.fitting import EVERYTHING, FitTask

LEAST_WINDOWS = 2


def plan_fits(data: Dataset, *, split: str | None, evaluate: bool) -> tuple[FitTask, ...]:
    """Say which fits a training takes.

    By default the folds of every honest scheme that the data set has, then one fit on all windows for
    the weights. Under one scheme: its folds; the weights are the fold's if there is only one, so that
    they are the tested ones, else again those of a fit on all windows.

    Raises
    ------
    DatasetError
        The data set holds no split, or not this one.
    """
    everything = FitTask(EVERYTHING, "0", keep_weights=True)
    if not evaluate:
        return (everything,)
    chosen = [split] if split else [name for name in HONEST if name in data.schemes]
    if not chosen:
        raise DatasetError(
            f"{data.path}: the data set holds no split to test by; build it again with ecgkit build-dataset, "
            "or train with --no-evaluate"
        )
    folds = [
        FitTask(name, fold, scored=find_scheme(name).scores) for name in chosen for fold in data.split(name)
    ]
    if split and len(folds) == 1:
        return (dataclasses.replace(folds[0], keep_weights=True),)
    return (*folds, everything)


def weights_note(tasks: Sequence[FitTask]) -> str:
    """Say whether the weights of a training were themselves tested."""
    kept = next(task for task in tasks if task.keep_weights)
    if kept.scored:
        return (
            f"These are the weights that were tested: fitted on the training windows of {kept.scheme!r} only."
        )
    if len(tasks) == 1:
        return "They were fitted on all windows. Nothing was tested: how good they are is not known."
    return (
        "They were fitted on all windows, so the weights that are shipped were not tested; the procedure "
        "was, fold by fold, and the scores are the procedure's."
    )


def check_classes(data: Dataset) -> None:
    """Refuse a data set in which there is nothing to tell apart, or a class that can't be learnt."""
    for column in ("subject", "condition"):
        labels = data.labels(column)
        if len(labels) < 2:
            raise DatasetError(
                f"{data.path}: one {column} only ({', '.join(labels)}); telling {column}s apart takes at "
                f"least two. Ingest more sessions, then: ecgkit build-dataset"
            )
        counts = np.bincount(data.codes(column), minlength=len(labels))
        for label, count in zip(labels, counts, strict=True):
            if count < LEAST_WINDOWS:
                raise DatasetError(
                    f"{data.path}: {column} {label!r} has {count} window, expected at least {LEAST_WINDOWS}. "
                    "Ingest more of it or leave it out of the study, then: ecgkit build-dataset"
                )


def not_evaluated(tasks: Sequence[FitTask]) -> list[str]:
    """Tell which task no scheme of this data set can test."""
    scored = {name for task in tasks for name in task.scored}
    ways = {
        "subject": "identity is not evaluated: no subject has two conditions or two visits",
        "condition": "the state is not evaluated: the data set holds no leave-subjects-out folds",
    }
    return [text for name, text in ways.items() if name not in scored]


def not_learnt(data: Dataset, tasks: Sequence[FitTask]) -> list[str]:
    """Tell of classes that a fold tests without having trained on them."""
    found = []
    for task in tasks:
        train, test = task.rows(data)
        for name in task.scored:
            codes = data.codes(name)
            missing = np.setdiff1d(codes[test], codes[train])
            if missing.size:
                labels = ", ".join(data.labels(name)[code] for code in missing)
                found.append(f"{task.scheme}, fold {task.fold}: tests {name} {labels} without training on it")
    return found
