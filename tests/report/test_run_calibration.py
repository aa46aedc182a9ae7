"""Reliability diagrams lie where the bins are."""

from __future__ import annotations

import re

import numpy as np
from support.run_pages import calibration

from ecgkit.report.run_calibration import reliability_diagrams


def test_reliability_diagrams_show_before_after_and_what_was_promised() -> None:
    (drawing,) = reliability_diagrams(calibration().tasks)
    for label in ("as promised", "as the network says", "calibrated", "State: how often an answer is right"):
        assert f">{label}<" in drawing
    lines = [points(found) for found in re.findall(r'<polyline[^>]*points="([^"]*)"', drawing)]
    assert sorted(map(len, lines)) == [2, 3, 3]


def test_reliability_diagrams_of_a_calibrated_task_lie_on_the_diagonal() -> None:
    (drawing,) = reliability_diagrams(calibration().tasks)
    lines = [points(found) for found in re.findall(r'<polyline[^>]*points="([^"]*)"', drawing)]
    diagonal, calibrated = lines[0], lines[-1]
    assert len(diagonal) == 2
    slope = (diagonal[1] - diagonal[0])[1] / (diagonal[1] - diagonal[0])[0]
    expected = diagonal[0][1] + slope * (calibrated[:, 0] - diagonal[0][0])
    np.testing.assert_allclose(calibrated[:, 1], expected, atol=0.2)


def points(text: str) -> np.ndarray:
    return np.array([[float(number) for number in pair.split(",")] for pair in text.split()])
