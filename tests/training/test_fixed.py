"""Fixed weights stay what they are."""

from __future__ import annotations

import pytest
from support.two_tasks import losses_of, shared_of, small_network

from ecgkit.errors import ConfigError
from ecgkit.training.balancing.fixed import WEIGHTS, Fixed


def test_fixed_weights_are_those_given_or_favour_the_state() -> None:
    model = small_network()
    for balancer, expected in ((Fixed((5, 3)), WEIGHTS), (Fixed((5, 3), weights=(3, 0.25)), (3, 0.25))):
        for seed in range(2):
            weights = balancer.backward(losses_of(model, seed), shared_of(model)).weights
            assert weights.tolist() == pytest.approx(expected, rel=1e-7)
    assert WEIGHTS == (0.4, 1.6)


@pytest.mark.parametrize("weights", [(1,), (1, 1, 1), (1, 0), (1, -1), (1, float("nan")), (float("inf"), 1)])
def test_fixed_weights_that_are_none_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="expected 2 numbers above 0, one a task"):
        Fixed((5, 3), weights=weights)
