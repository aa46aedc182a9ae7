"""Losses and accuracies over what is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecgkit.training.losses import accuracy, balanced_class_weights, known_cross_entropy


def test_balanced_class_weights_make_classes_count_alike() -> None:
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 2, 2, -1, -1])
    weights = balanced_class_weights(labels, 4)
    assert weights.tolist() == pytest.approx([8 / (2 * 6), 0, 8 / (2 * 2), 0])
    known = labels[labels >= 0]
    assert float(weights[known].mean()) == pytest.approx(1)
    assert float(weights[known[known == 0]].sum()) == pytest.approx(float(weights[known[known == 2]].sum()))


def test_balanced_class_weights_of_nothing_known() -> None:
    assert balanced_class_weights(torch.tensor([-1, -1]), 3).tolist() == [0, 0, 0]


def test_known_cross_entropy_with_class_weights_is_the_weighted_mean() -> None:
    draw = np.random.default_rng(0)
    logits = draw.standard_normal((9, 3)).astype(np.float32)
    labels = np.array([0, 1, 2, -1, 1, 1, -1, 0, 2])
    weights = np.array([0.5, 2.0, 0.0])
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    known = labels >= 0
    each = -log_p[known, labels[known]]
    expected = (weights[labels[known]] * each).sum() / weights[labels[known]].sum()
    got = known_cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(labels), torch.tensor(weights, dtype=torch.float32)
    )
    assert float(got) == pytest.approx(expected, rel=1e-6)


def test_known_cross_entropy_is_0_where_nothing_counts() -> None:
    logits = torch.randn(3, 2, requires_grad=True)
    loss = known_cross_entropy(logits, torch.tensor([0, 0, -1]), torch.tensor([0.0, 1.0]))
    loss.backward()
    assert loss.item() == 0
    assert float(logits.grad.abs().sum()) == 0


def test_a_window_without_a_label_does_not_count_for_that_task() -> None:
    torch.manual_seed(0)
    outputs, labels = torch.randn(6, 4, requires_grad=True), torch.tensor([0, -1, 3, -1, 2, 2])
    known = labels >= 0
    loss = known_cross_entropy(outputs, labels)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(outputs[known], labels[known]))
    loss.backward()
    assert torch.count_nonzero(outputs.grad[~known]) == 0
    assert accuracy(outputs, labels) == (outputs.argmax(1) == labels)[known].float().mean()


def test_cross_entropy_of_a_batch_without_labels_is_0() -> None:
    outputs = torch.randn(3, 4, requires_grad=True)
    loss = known_cross_entropy(outputs, torch.full((3,), -1))
    loss.backward()
    assert loss.item() == 0
    assert torch.count_nonzero(outputs.grad) == 0
