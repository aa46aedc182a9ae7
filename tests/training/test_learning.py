"""Every balancing can learn windows by heart, and what was learned by heart says nothing of other windows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from ecgkit.models.dual_task import ModelSpec
from ecgkit.training.balancing import BALANCERS
from ecgkit.training.loop import EpochRecord, FitSettings, fit
from ecgkit.training.supply import Labelled

N_SUBJECTS, N_CONDITIONS = 4, 3
FREEZES = "dt4ecg-literal"
LEARNS = [name for name in BALANCERS if name not in (FREEZES, "single-task")]


def noise(n: int, seed: int) -> Labelled:
    """Make windows that tell nothing, and labels that have nothing to do with them."""
    random = np.random.default_rng(seed)
    windows = random.normal(size=(n, 1, 48)).astype(np.float32)
    return Labelled(windows, random.integers(0, N_SUBJECTS, n), random.integers(0, N_CONDITIONS, n))


def small(n_subjects: int = N_SUBJECTS, n_conditions: int = N_CONDITIONS) -> ModelSpec:
    """Specify the default network, with fewer and narrower blocks."""
    return ModelSpec(
        "resnet", "sca", 1, 48, n_subjects, n_conditions, stem_channels=16, widths=(16, 32), strides=(1, 2)
    )


def watched(
    spec: ModelSpec, balancing: str, training: Labelled, monitor: Labelled, *, epochs: int
) -> list[tuple[float, float]]:
    """Train; return the accuracies on the windows to watch after each epoch, subject and condition."""
    records: list[EpochRecord] = []
    how = FitSettings(epochs, 16, 0.005, balancing, seed=0, threads=1, device="cpu")
    fit(spec, training, settings=how, on_epoch=records.append, monitor=monitor)
    return [(record.monitor_subject_accuracy, record.monitor_condition_accuracy) for record in records]


@pytest.mark.parametrize("balancing", LEARNS)
def test_every_balancing_learns_32_windows_by_heart(balancing: str) -> None:
    windows = noise(32, 0)
    assert (1.0, 1.0) in watched(small(), balancing, windows, windows, epochs=50)


@pytest.mark.parametrize("task", ["subject", "condition"])
def test_a_single_task_learns_32_windows_by_heart(task: str) -> None:
    windows = noise(32, 0)
    spec = small(n_conditions=0) if task == "subject" else small(n_subjects=0)
    found = watched(spec, "single-task", windows, windows, epochs=50)
    assert 1.0 in [accuracies[("subject", "condition").index(task)] for accuracies in found]


def test_algorithm_1_as_printed_stops_before_it_knows_32_windows() -> None:
    windows = noise(32, 0)
    found = watched(small(), FREEZES, windows, windows, epochs=120)
    assert len(set(found[-20:])) == 1
    assert max(found[-1]) < 0.9


def test_a_training_on_shuffled_labels_stays_at_chance_on_other_windows() -> None:
    training, others = noise(96, 1), noise(3000, 2)
    assert watched(small(), "gradnorm", training, training, epochs=50)[-1] == (1.0, 1.0)
    subject, condition = watched(small(), "gradnorm", training, others, epochs=50)[-1]
    for found, n_classes in ((subject, N_SUBJECTS), (condition, N_CONDITIONS)):
        low, high = binom.interval(0.999, 3000, 1 / n_classes)
        assert low <= found * 3000 <= high
