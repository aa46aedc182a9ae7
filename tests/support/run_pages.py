"""What pages about runs show, made up."""

from __future__ import annotations

import math

import numpy as np

from ecgkit.metrics.classification import score
from ecgkit.report import svg
from ecgkit.report.run_calibration import CalibratedTask, CalibrationPart, Reliability, UnknownRow
from ecgkit.report.run_curves import FitCurves
from ecgkit.report.run_scores import TaskScores

SUBJECTS = {"01": 0.9, "02": 0.8, "03": 0.95}
CONDITIONS = ("breathing", "exercise", "rest")


def task_scores(task: str = "condition") -> TaskScores:
    """Return scores of 180 windows of three subjects: 160 right."""
    true = np.repeat([0, 1, 2], 60)
    answered = np.concatenate([[0] * 50, [1] * 5, [2] * 5, [1] * 60, [0] * 10, [2] * 50])
    folds = [("0", 0.85), ("1", 0.93)]
    return TaskScores(
        task=task,
        overall=score(true, answered, 3),
        chance=1 / 3,
        classes=CONDITIONS,
        folds=tuple(svg.Share(name, value, 0.8, 0.95, 90) for name, value in folds),
        groups={
            "by subject": tuple(svg.Share(name, value, 0.8, 0.95, 60) for name, value in SUBJECTS.items())
        },
    )


def curves(*, final: bool) -> FitCurves:
    """Return the course of a fit over three epochs."""
    epoch = np.arange(1, 4.0)
    table = {"subject": epoch / 4, "condition": epoch / 5}
    unseen = {task: np.full(3, math.nan) for task in table}
    return FitCurves(final, epoch, table, unseen if final else table, table, table, table)


def calibration() -> CalibrationPart:
    """Return a calibration of one task, with one threshold."""
    bins = np.array([0.4, 0.6, 0.9])
    before = Reliability(0.274, 1.55, 0.719, bins, np.array([0.5, 0.5, 0.6]))
    after = Reliability(0.084, 0.965, 0.576, bins, np.array([0.4, 0.6, 0.9]))
    fused = ((1, 2698, 0.51, 0.517, 0.084), (10, 268, 0.509, 0.552, 0.153))
    task = CalibratedTask("condition", "leave-subjects-out", 4.6, 2698, 15, before, after, fused)
    unknown = UnknownRow(1, 0.01, 0.93, (0.012, 0.004, 0.03), (0.5, 0.4, 0.6), 15, 12)
    return CalibrationPart((task,), (unknown,), ("No finer <target>.",))
