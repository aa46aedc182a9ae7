"""PCGrad: algorithm 1 of the paper, written out in NumPy, on vectors and on a network."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.two_tasks import gradients_of, losses_of, make_balancer, shared_of, small_network

from ecgkit.training.balancing.pcgrad import projected_weights


def algorithm_1(gradients: NDArray[np.float64], orders: list[list[int]]) -> NDArray[np.float64]:
    projected = gradients.copy()
    for i, order in enumerate(orders):
        for j in order:
            product = projected[i] @ gradients[j]
            if j != i and product < 0:
                projected[i] -= product / (gradients[j] @ gradients[j]) * gradients[j]
    return projected.sum(axis=0)


def by_weights(gradients: NDArray[np.float64], orders: list[list[int]]) -> NDArray[np.float64]:
    g = torch.from_numpy(gradients)
    return (projected_weights(g @ g.T, orders) @ g).numpy()


def test_two_vectors_give_up_what_works_against_the_other() -> None:
    # (1, 0) and (-1, 1): projected to (1/2, 1/2) and (0, 1).
    gradients = np.array([[1.0, 0.0], [-1.0, 1.0]])
    assert by_weights(gradients, [[0, 1], [1, 0]]).tolist() == [0.5, 1.5]
    g = torch.from_numpy(gradients)
    assert projected_weights(g @ g.T, [[0, 1], [1, 0]]).tolist() == [2.0, 1.5]


def test_vectors_that_agree_or_know_nothing_of_each_other_stay() -> None:
    for products in ([[1.0, 0.3], [0.3, 4.0]], [[1.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 4.0]]):
        assert projected_weights(torch.tensor(products), [[0, 1], [1, 0]]).tolist() == [1.0, 1.0]


def test_of_opposite_vectors_nothing_is_left() -> None:
    assert by_weights(np.array([[3.0, 4.0], [-3.0, -4.0]]), [[0, 1], [1, 0]]).tolist() == [0.0, 0.0]


@given(seed=st.integers(0, 1000), n_tasks=st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_weights_give_what_algorithm_1_gives(seed: int, n_tasks: int) -> None:
    random = np.random.default_rng(seed)
    gradients = random.normal(size=(n_tasks, 5)) * random.uniform(0.1, 10, (n_tasks, 1))
    orders = [random.permutation(n_tasks).tolist() for _ in range(n_tasks)]
    np.testing.assert_allclose(by_weights(gradients, orders), algorithm_1(gradients, orders), atol=1e-9)


def test_the_order_counts_with_three_tasks_but_not_with_two() -> None:
    random = np.random.default_rng(1)
    for n_tasks, one_result in ((2, True), (3, False)):
        gradients = random.normal(size=(n_tasks, 4)) - 0.5 * np.arange(n_tasks)[:, None]
        gradients -= gradients.mean(axis=0)  # conflicts for sure
        orders = list(itertools.permutations(range(n_tasks)))
        found = {tuple(by_weights(gradients, [list(order)] * n_tasks).round(9)) for order in orders}
        assert (len(found) == 1) == one_result


@pytest.mark.parametrize("attention", ["none", "sca", "mha"])
def test_a_step_projects_the_trunk_and_leaves_the_heads(attention: str) -> None:
    conflicts = 0
    for seed in range(6):
        model = small_network(seed, attention=attention).double()
        losses, shared = losses_of(model, seed), shared_of(model)
        of_each = [gradients_of(loss, model) for loss in losses]
        balanced = make_balancer("pcgrad").backward(losses, shared)

        in_trunk = [key for key, _ in model.named_parameters() if "head" not in key]
        flat = np.stack([torch.cat([g[key].flatten() for key in in_trunk]).numpy() for g in of_each])
        got = torch.cat([model.get_parameter(key).grad.flatten() for key in in_trunk])
        np.testing.assert_allclose(got.numpy(), algorithm_1(flat, [[1], [0]]), rtol=1e-9, atol=1e-12)
        conflicts += bool(flat[0] @ flat[1] < 0)
        assert bool((balanced.weights > 1).all()) == bool(flat[0] @ flat[1] < 0)

        for key in (key for key, _ in model.named_parameters() if "head" in key):
            torch.testing.assert_close(model.get_parameter(key).grad, of_each[0][key] + of_each[1][key])
        last = next(key for key, weight in model.named_parameters() if weight is shared.last)
        torch.testing.assert_close(balanced.gradient_norms, torch.stack([g[last].norm() for g in of_each]))
    assert 0 < conflicts < 6
