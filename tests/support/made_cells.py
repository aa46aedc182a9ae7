"""Cells of a reproduction whose outputs are made up, so that their scores are known beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from support.dataset_files import part_of, write_small

from ecgkit.records import Tags
from ecgkit.splits.scheme import TEST
from ecgkit.stages.fitting import FitTask, folds
from ecgkit.stages.reproduce import Plan
from ecgkit.stages.reproduce.cells import Cell

SUBJECTS, CONDITIONS = ("01", "02", "03"), ("exercise", "rest")
Right = Callable[[Cell, str], float]  # cell and task -> share of right answers


def write_dataset_of_noise(path: Path, *, n_windows: int = 10) -> Path:
    """Three subjects in two conditions, ten windows of 30 samples each."""
    parts = [
        part_of(Tags(subject, condition, 1), n_windows=n_windows)
        for subject in SUBJECTS
        for condition in CONDITIONS
    ]
    return write_small(path, parts)


def make_cells_of(plan: Plan, right: Right) -> None:
    """Write every fit of a plan: of the rows it tests, the first so large a share is answered rightly."""
    for cell, task in plan.to_do:
        write_fit(plan, cell, task, right)


def write_fit(
    plan: Plan, cell: Cell, task: FitTask, right: Right, *, seconds: float = 2.0, device: str = "cpu"
) -> Path:
    """Write what one fit leaves; return its folder."""
    folder = task.folder(cell.folder(plan.cells))
    folder.mkdir(parents=True)
    rows = np.flatnonzero(folds(plan.data, cell.scheme, cell.seed)[task.fold] == TEST)
    arrays = {"rows": rows}
    for name in ("subject", "condition"):
        classes = len(plan.data.labels(name))
        answers = plan.data.codes(name)[rows].copy()
        answers[round(right(cell, name) * len(rows)) :] += 1
        arrays[name] = np.eye(classes, dtype=np.float32)[answers % classes]
    np.savez(folder / "logits.npz", **arrays)
    (folder / "history.csv").write_text(_history(cell))
    (folder / "fit.json").write_text(json.dumps({"seconds": seconds, "device": device}))
    return folder


def _history(cell: Cell) -> str:
    """Accuracies that rise in equal steps to 1 in training and to 0.5 on the test."""
    names = [f"{who}{task}_accuracy" for who in ("", "monitor_") for task in ("subject", "condition")]
    n = cell.settings.epochs
    lines = [f"{epoch / n:g},{epoch / n:g},{epoch / n / 2:g},{epoch / n / 2:g}" for epoch in range(1, n + 1)]
    return "\n".join([",".join(names), *lines]) + "\n"
