"""McNemar's exact test."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from ecgkit.errors import TrainingError
from ecgkit.metrics.paired import mcnemar

counts = st.integers(0, 3000)


@given(only_first=counts, only_second=counts)
@example(only_first=1_000_000, only_second=1_002_000)
@settings(deadline=None)
def test_mcnemar_equals_the_binomial_test(only_first: int, only_second: int) -> None:
    n = only_first + only_second
    expected = binomtest(min(only_first, only_second), n, 0.5).pvalue if n else 1.0
    assert mcnemar(only_first, only_second) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_mcnemar_of_two_that_are_always_right_together_says_nothing() -> None:
    assert mcnemar(0, 0) == 1.0


def test_mcnemar_refuses_what_is_no_count() -> None:
    with pytest.raises(TrainingError, match="-1 and 5"):
        mcnemar(-1, 5)
