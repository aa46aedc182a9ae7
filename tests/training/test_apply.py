"""A network applied to windows: the same answers however they come, and nothing changed by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ecgkit.errors import TrainingError
from ecgkit.models.dual_task import ModelSpec, build_model
from ecgkit.training.apply import logits
from ecgkit.training.supply import in_order

SMALL = ModelSpec(
    "resnet", "sca", 1, 48, n_subjects=4, n_conditions=3, stem_channels=8, widths=(8, 16), strides=(1, 2)
)


def windows_of(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((n, 1, 48)).astype(np.float32)


def test_logits_do_not_depend_on_the_batch_and_change_nothing() -> None:
    torch.manual_seed(0)
    model = build_model(SMALL).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    whole, parts = logits(model, windows_of(21)), logits(model, windows_of(21), batch_size=4)
    assert [out.shape for out in whole] == [(21, 4), (21, 3)]
    assert all(out.dtype == np.float32 for out in whole)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert model.training


def test_logits_of_blocks_are_those_of_the_array() -> None:
    model = build_model(SMALL)
    rows = np.array([7, 2, 5])
    given, expected = logits(model, in_order(windows_of(9), rows)), logits(model, windows_of(9)[[2, 5, 7]])
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", [0, 5])
def test_logits_of_a_task_without_a_head_have_no_classes(n: int) -> None:
    whole, identity, state = (
        logits(build_model(spec), windows_of(n))
        for spec in (SMALL, replace(SMALL, n_conditions=0), replace(SMALL, n_subjects=0))
    )
    assert [out.shape for out in whole] == [(n, 4), (n, 3)]
    assert [out.shape for out in identity] == [(n, 4), (n, 0)]
    assert [out.shape for out in state] == [(n, 0), (n, 3)]


def test_logits_refuse_windows_of_another_length() -> None:
    with pytest.raises(TrainingError, match=r"windows of shape \(2, 1, 50\): expected \(N, 1, 48\)"):
        logits(build_model(SMALL), np.zeros((2, 1, 50)))
