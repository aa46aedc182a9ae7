"""Means over seeds, paired differences and the correction for many of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ecgkit.errors import TrainingError
from ecgkit.metrics.seeds import OverSeeds, holm, over_seeds

SHARES = st.lists(st.floats(0, 1).map(lambda share: round(share, 4)), min_size=3, max_size=8)


def test_over_seeds_by_hand() -> None:
    seen = over_seeds([1.0, 2.0, 3.0])
    # mean 2, SD 1, t(0.975, 2) = 4.302653, standard error 1/sqrt(3)
    assert (seen.n, seen.mean, seen.sd) == (3, 2.0, 1.0)
    assert (seen.low, seen.high) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))
    assert seen.p == pytest.approx(0.0741799)  # t = 3.4641 with 2 degrees of freedom


@given(SHARES, st.data())
def test_over_seeds_of_differences_is_scipys_paired_t_test(first: list[float], data: st.DataObject) -> None:
    second = data.draw(st.lists(st.floats(0, 1), min_size=len(first), max_size=len(first)))
    differences = np.subtract(first, second)
    if differences.std() < 1e-6:
        return
    seen = over_seeds(differences)
    expected = stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert seen.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert (seen.low, seen.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5], OverSeeds(1, 0.5)),
        ([0.25, 0.75], OverSeeds(2, 0.5, math.sqrt(0.125))),
        ([0.5, 0.5, 0.5], OverSeeds(3, 0.5, 0.0, 0.5, 0.5)),
        ([0.0, 0.0, 0.0], OverSeeds(3, 0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_over_seeds_says_nothing_where_nothing_can_be_said(values: list[float], expected: OverSeeds) -> None:
    assert over_seeds(values) == expected


def test_over_seeds_takes_rounding_for_no_spread() -> None:
    seen = over_seeds([0.1 + 0.2 - 0.3, 0.0, 0.0])
    assert seen.p is None


@pytest.mark.parametrize("values", [[], [0.5, math.nan], [[0.5, 0.6]]])
def test_over_seeds_refuses_what_is_no_series(values: list[float]) -> None:
    with pytest.raises(TrainingError, match="one finite number a seed"):
        over_seeds(values)


def test_holm_by_hand() -> None:
    # 0.01 * 4; max(0.04, 0.013 * 3); max(…, 0.03 * 2); max(…, 0.05 * 1)
    assert holm([0.05, 0.01, 0.03, 0.013]) == pytest.approx([0.06, 0.04, 0.06, 0.04])
    assert holm([]) == []
    assert holm([None, 0.2]) == [None, 0.2]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float | None]) -> None:
    corrected = holm(p_values)
    n = sum(p is not None for p in p_values)
    pairs = [(p, q) for p, q in zip(p_values, corrected, strict=True) if p is not None and q is not None]
    assert len(pairs) == n
    assert all(p <= q <= min(1.0, n * p) for p, q in pairs)
    for (p, q), (other_p, other_q) in zip(sorted(pairs), sorted(pairs)[1:], strict=False):
        assert q <= other_q or p == other_p
