"""Which fits a training takes, and whether the data set can bear them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgkit.config import PRESETS, TrainConfig, load_config
from ecgkit.dataset.read import Dataset
from ecgkit.errors import DatasetError, SplitError
from ecgkit.files import write_text
from ecgkit.settings import read_yaml
from ecgkit.splits import HONEST, Leak, find_scheme
from ecgkit.splits.claims import scheme_leaks
from ecgkit.stages.fitting import EVERYTHING, FitTask

LEAST_WINDOWS = 2
PLAN_FILE = "plan.json"
NEW_PEOPLE = "leave-subjects-out"


def plan_fits(data: Dataset, *, split: str | None, evaluate: bool, task: str = "both") -> tuple[FitTask, ...]:
    """Say which fits a training takes.

    By default the folds of every honest scheme that the data set has, then one fit on all windows for
    the weights. Under one scheme: its folds; the weights are the fold's if there is only one, so that
    they are the tested ones, else again those of a fit on all windows. A network of one task is tested
    under the schemes that can test it; one of identity alone is fitted under leave-subjects-out too, whose
    people it does not know: what it says of them is what "unknown" is told by.

    Raises
    ------
    DatasetError
        The data set holds no split, or not this one.
    """
    everything = FitTask(EVERYTHING, "0", keep_weights=True, dataset_sha256=data.sha256)
    if not evaluate:
        return (everything,)
    asked = [split] if split else [name for name in HONEST if name in data.schemes]
    scored = {name: tasks_scored(name, task) for name in asked}
    chosen = [name for name in asked if scored[name]]
    if not chosen:
        what = f"--split {split} can't test" if split else "the data set holds no split to test"
        raise DatasetError(
            f"{data.path}: {what}{'' if task == 'both' else f' --task {task}'} by; take "
            "another --split, build the data set again with ecgkit build-dataset, or train with --no-evaluate"
        )
    if task == "subject" and split is None and NEW_PEOPLE in data.schemes:
        chosen.append(NEW_PEOPLE)
    folds = [
        FitTask(name, fold, scored=scored[name], dataset_sha256=data.sha256)
        for name in chosen
        for fold in data.split(name)
    ]
    if split and len(folds) == 1:
        return (dataclasses.replace(folds[0], keep_weights=True),)
    return (*folds, everything)


def tasks_scored(scheme: str, task: str) -> tuple[str, ...]:
    """Return the tasks that a scheme can test, of those that are trained."""
    return tuple(name for name in find_scheme(scheme).scores if task in ("both", name))


def training_key(tasks: Sequence[FitTask], settings: TrainConfig, *, n_processes: int = 1) -> str:
    """Return a name for a training: the same for the same data, folds, settings, versions and processes."""
    from ecgkit.training.device import resolve_device
    from ecgkit.training.weights import current_versions

    device = resolve_device(settings.device).type
    made_of = (settings.model_dump(), device, n_processes, current_versions())
    content = [list(map(dataclasses.asdict, tasks)), *made_of]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def write_plan(folder: Path, *, about: str, tasks: Sequence[FitTask], epochs: int) -> None:
    """Write what an unfinished training is, for who finds it."""
    plan = {"about": about, "fits": [f"{task.scheme}/{task.fold}" for task in tasks], "epochs": epochs}
    write_text(folder / PLAN_FILE, json.dumps(plan, indent=2) + "\n")


def weights_note(tasks: Sequence[FitTask], *, validation: bool = False) -> str:
    """Say whether the weights of a training were themselves tested."""
    kept = next(task for task in tasks if task.keep_weights)
    if kept.scored:
        but = ", but those held back to choose the epoch by" if validation else ""
        return (
            "These are the weights that were tested: fitted on the training windows of "
            f"{kept.scheme!r} only{but}."
        )
    windows = (
        "all windows but a block in time of each session, which chose the epoch"
        if validation
        else ("all windows")
    )
    if len(tasks) == 1:
        return f"They were fitted on {windows}. Nothing was tested: how good they are is not known."
    chosen = " The folds' epochs were chosen by people or conditions held back." if validation else ""
    return (
        f"They were fitted on {windows}, so the weights that are shipped were not tested; the procedure "
        f"was, fold by fold, and the scores are the procedure's.{chosen}"
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


def not_evaluated(tasks: Sequence[FitTask], *, task: str = "both") -> list[str]:
    """Tell which of the trained tasks no scheme of this data set can test."""
    scored = {name for task in tasks for name in task.scored}
    ways = {
        "subject": "identity is not evaluated: no subject has two conditions or two visits",
        "condition": "the state is not evaluated: the data set holds no leave-subjects-out folds",
    }
    return [text for name, text in ways.items() if name not in scored and task in ("both", name)]


def find_leaks_by_scheme(data: Dataset, tasks: Sequence[FitTask]) -> dict[str, tuple[Leak, ...]]:
    """Find what the folds that are tested give away, or get wrong: ``scheme -> leaks``.

    Raises
    ------
    DatasetError
        A fold trains on nothing or tests nothing.
    """
    names = dict.fromkeys(task.scheme for task in tasks if task.scored)
    table = data.window_table
    try:
        return {name: scheme_leaks(find_scheme(name), table, dict(data.split(name))) for name in names}
    except SplitError as error:
        raise DatasetError(f"{data.path}: {error}. Build it again with: ecgkit build-dataset") from error


def settings_not_used(data: Dataset, config_file: Path) -> list[str]:
    """Say which settings of a config file are not those that a data set was built with.

    Its pipeline, its splits and the choice of its sessions were fixed when it was built.
    """
    given = read_yaml(config_file)
    wanted = load_config(config_file).model_dump(mode="json")
    differ = [
        f"{section}.{name} is {_plain(wanted[section][name])}, was {_plain(old)}"
        for section, built_with in _built_with(data).items()
        for name, old in built_with.items()
        if name in _named(given, section) and _plain(wanted[section][name]) != _plain(old)
    ]
    if not differ:
        return []
    return [
        f"settings of {config_file} that are not those that {data.path} was built with: {'; '.join(differ)}. "
        f"They are not used; to use them, build it again: ecgkit build-dataset --config {config_file}"
    ]


def _built_with(data: Dataset) -> dict[str, Mapping[str, Any]]:
    return {"sessions": data.choice, "pipeline": data.pipeline, "splits": data.split_settings}


def _named(given: Mapping[str, Any], section: str) -> set[str]:
    """Return the settings of a section that a config file says something of."""
    names = {name for name, value in (given.get(section) or {}).items() if value is not None}
    if given.get("preset") is not None:
        names |= {name for preset in PRESETS.values() for name in preset.get(section, ())}
    return names


def _plain(value: Any) -> str:
    """Write a setting so that equal ones read alike, whatever the order of what is asked for."""
    if isinstance(value, list | tuple):
        return ", ".join(sorted(map(str, value)))
    return "none" if value is None else f"{value:.15g}" if isinstance(value, float) else str(value)
