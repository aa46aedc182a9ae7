"""Wilson intervals."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from ecgkit.errors import TrainingError
from ecgkit.metrics.intervals import wilson


@pytest.mark.parametrize(
    ("k", "low", "high"),
    [(720, 0.87847, 0.91994), (792, 0.98203, 0.99575)],  # the paper's 90.11 % and 99.12 % of 799 windows
)
def test_wilson_gives_the_intervals_of_the_paper_s_headline(k: int, low: float, high: float) -> None:
    assert wilson(k, 799) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-6))


@given(n=st.integers(1, 5000), share=st.floats(0, 1), confidence=st.floats(0.5, 0.999))
@settings(deadline=None)
def test_wilson_equals_scipy(n: int, share: float, confidence: float) -> None:
    k = round(n * share)
    expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson(k, n, confidence=confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_equals_a_worked_example() -> None:
    # p = 0.75, z = 1.959964: (0.75 + z^2/40 -+ z sqrt(0.1875/20 + z^2/1600)) / (1 + z^2/20)
    assert wilson(15, 20) == pytest.approx((0.53129, 0.88814), abs=1e-5)


@given(n=st.integers(1, 10_000), share=st.floats(0, 1), confidence=st.floats(0.01, 0.999))
def test_wilson_holds_the_share_and_mirrors(n: int, share: float, confidence: float) -> None:
    k = round(n * share)
    low, high = wilson(k, n, confidence=confidence)
    assert 0 <= low <= k / n <= high <= 1
    mirrored = wilson(n - k, n, confidence=confidence)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)


def test_wilson_touches_0_and_1_at_the_ends() -> None:
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0
    assert wilson(0, 10)[1] == pytest.approx(0.27753, abs=1e-5)


@given(k=st.integers(1, 99))
def test_wilson_narrows_with_more_trials_and_less_confidence(k: int) -> None:
    def width(k: int, n: int, confidence: float) -> float:
        low, high = wilson(k, n, confidence=confidence)
        return high - low

    assert width(10 * k, 1000, 0.95) < width(k, 100, 0.95)
    assert width(k, 100, 0.9) < width(k, 100, 0.95)


@pytest.mark.parametrize(("k", "n", "confidence"), [(0, 0, 0.95), (3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0)])
def test_wilson_refuses_what_is_no_share(k: int, n: int, confidence: float) -> None:
    with pytest.raises(TrainingError, match="expected at least 1 trial"):
        wilson(k, n, confidence=confidence)
