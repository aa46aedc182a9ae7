"""Algorithm 1 of DT4ECG as printed collapses; two other readings don't."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.lookup import pick
from ecgkit.models.dual_task import ModelSpec
from ecgkit.training.balancing import BALANCERS, Balancer, Shared
from ecgkit.training.balancing.dt4ecg import ALPHA, factors
from ecgkit.training.loop import FitSettings, fit
from ecgkit.training.supply import Labelled

NORMS = st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=6)


def stepped(name: str, norms: list[float], n_steps: int) -> Balancer:
    """Return a balancer after steps on losses whose gradients have the given norms."""
    balancer = pick(BALANCERS, name, what="balancing")([3] * len(norms))
    weight = torch.nn.Parameter(torch.ones(1))
    for _ in range(n_steps):
        balancer.backward([weight.sum() * norm for norm in norms], Shared(weight, (weight,)))
    return balancer


@given(norms=NORMS)
@settings(deadline=None)
def test_factors_multiply_to_a_constant_whatever_the_gradients(norms: list[float]) -> None:
    product = factors(torch.tensor(norms, dtype=torch.float64)).prod().item()
    assert product == pytest.approx(math.exp(-ALPHA * (len(norms) - 1)), rel=1e-9)


@given(norms=st.tuples(*[st.floats(0.1, 10)] * 2), n_steps=st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_literal_weights_shrink_by_e_to_minus_2_a_step(norms: tuple[float, float], n_steps: int) -> None:
    weights = stepped("dt4ecg-literal", list(norms), n_steps).weights.double()
    assert weights.log().sum().item() == pytest.approx(-2 * n_steps, rel=1e-4)


def test_literal_weights_have_a_geometric_mean_of_2e_9_after_20_steps() -> None:
    weights = stepped("dt4ecg-literal", [1.0, 1.0], 20).weights
    assert weights.tolist() == pytest.approx([2.06e-9] * 2, rel=1e-2)


def test_literal_weights_are_0_in_float32_within_an_epoch_of_118_steps() -> None:
    assert stepped("dt4ecg-literal", [1.0, 1.0], 118).weights.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["dt4ecg-literal", "dt4ecg-renormalised", "dt4ecg-stateless"])
def test_the_larger_gradient_gets_the_larger_weight(name: str) -> None:
    weights = stepped(name, [3.0, 1.0], 1).weights
    assert weights[0] > weights[1]


def test_renormalised_swings_to_one_task() -> None:
    weights = stepped("dt4ecg-renormalised", [1.1, 1.0], 500).weights
    assert weights.sum().item() == pytest.approx(2.0)
    assert weights[0] > 1.99
    assert weights[1] > 0


def test_stateless_weights_do_not_depend_on_the_past() -> None:
    once, often = (stepped("dt4ecg-stateless", [3.0, 1.0], n).weights for n in (1, 300))
    assert torch.equal(once, often)
    assert once.tolist() == pytest.approx([math.exp(-0.5), math.exp(-1.5)])


def test_training_by_the_literal_algorithm_stops() -> None:
    spec = ModelSpec("cnn", "none", 1, 24, 2, 2, stem_channels=4, widths=(4,), strides=(1,))
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 240)
    windows = (labels * 2.0 - 1)[:, None, None] + random.normal(0, 0.5, (240, 1, 24))

    def trained(balancing: str, epochs: int) -> list[bytes]:
        how = FitSettings(epochs, 2, 0.001, balancing, seed=0, threads=1, device="cpu")
        model = fit(spec, Labelled(windows, labels, labels), settings=how)
        return [weight.detach().numpy().tobytes() for weight in model.parameters()]

    # 120 steps an epoch: the weights are 0 before the first is over, Adam's momentum runs out in the second.
    assert trained("dt4ecg-literal", 2) == trained("dt4ecg-literal", 4)
    assert trained("gradnorm", 2) != trained("gradnorm", 4)
