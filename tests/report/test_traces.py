"""Traces hold the extremes of what they stand for, however it is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.report.traces import Trace, overview, reduced

values = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")))


@given(st.lists(values, max_size=120), st.integers(1, 50), st.integers(1, 130))
def test_overview_equals_the_range_of_each_column(samples: list[float], columns: int, size: int) -> None:
    signal = np.array(samples)
    chunks = (signal[start : start + size] for start in range(0, len(signal), size))
    trace = overview(chunks, 10.0, n_samples=len(signal), columns=columns)
    columns = min(columns, len(signal))
    assert len(trace.low) == columns
    for k in range(columns):
        part = signal[k * len(signal) // columns : (k + 1) * len(signal) // columns]
        finite = part[np.isfinite(part)]
        expected = (finite.min(), finite.max()) if len(finite) else (np.nan, np.nan)
        np.testing.assert_array_equal((trace.low[k], trace.high[k]), expected)


def test_overview_of_few_samples_is_the_samples() -> None:
    trace = overview(iter([np.array([1.0, 2, 3])]), 2.0, n_samples=3, columns=1500)
    np.testing.assert_array_equal(trace.time_s, [0, 0.5, 1])
    np.testing.assert_array_equal(trace.low, [1, 2, 3])
    np.testing.assert_array_equal(trace.high, [1, 2, 3])


def test_reduced_leaves_a_line_as_it_is() -> None:
    line = np.arange(6.0)
    trace = reduced(line / 2, line, columns=3)
    np.testing.assert_array_equal(trace.time_s, line / 2)
    assert trace.low is trace.high is line


def test_reduced_keeps_the_extremes_and_a_gap_in_time() -> None:
    time_s = np.concatenate([np.arange(100), np.arange(300, 400)]) / 10
    line = np.sin(time_s)
    trace = reduced(time_s, line, columns=4)
    assert trace.limits == (line.min(), line.max())
    np.testing.assert_array_equal(np.isnan(trace.low), [False, True, True, False])


def test_limits_of_nothing_is_none() -> None:
    nothing = np.full(3, np.nan)
    assert Trace(np.arange(3.0), nothing, nothing).limits is None
    assert Trace(np.zeros(0), np.zeros(0), np.zeros(0)).limits is None
    trace = Trace(np.arange(2.0), np.array([np.nan, -1]), np.array([np.nan, 2]))
    assert trace.limits == pytest.approx((-1, 2))
