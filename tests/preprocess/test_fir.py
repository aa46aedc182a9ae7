import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import upfirdn

from ecgkit.preprocess import fir as module
from ecgkit.preprocess.fir import (
    SAMPLE_BITS,
    TAPS_BITS,
    Piece,
    filter_rows,
    mirrored,
    mirrored_span,
    row_filter,
    whole_samples,
    whole_taps,
)

RATIOS = [(1, 1), (1, 2), (1, 20), (2, 5), (5, 18), (4, 5), (25, 64), (100, 257), (7, 8)]


@given(st.sampled_from(RATIOS), st.integers(0, 90), st.integers(1, 24), st.integers(1, 3), st.integers(0, 99))
def test_filter_rows_is_the_filter_to_the_bit(
    ratio: tuple[int, int], half: int, group: int, rows: int, seed: int
) -> None:
    up, down = ratio
    rng = np.random.default_rng(seed)
    taps = rng.integers(-(2**17), 2**17, 2 * half + 1).astype(float)
    filter_ = row_filter(taps, up=up, down=down, group=group)
    inputs = rng.integers(-(2**27), 2**27, filter_.n_inputs(rows)).astype(float)
    outputs = filter_rows(inputs, filter_, rows=rows)
    assert outputs.shape == (rows * filter_.outputs,)
    every = upfirdn(taps, np.append(inputs, np.zeros(down)), up, 1)  # at `up` times the rate
    first = half + filter_.before * up  # the first input's time is at `half`
    np.testing.assert_array_equal(outputs, every[first : first + len(outputs) * down : down])


def test_whole_taps_leave_room_for_every_sum() -> None:
    rng = np.random.default_rng(0)
    for up in (1, 2, 25):
        taps = rng.normal(size=501)
        whole = whole_taps(taps, up=up)
        sums = [np.abs(whole[phase::up]).sum() for phase in range(up)]
        assert 0.999 * 2**TAPS_BITS < max(sums) <= 2**TAPS_BITS
        np.testing.assert_array_equal(whole, np.rint(whole))
        np.testing.assert_allclose(whole / whole.sum(), taps / taps.sum(), atol=1e-5)


def test_whole_samples_keep_counts_exactly() -> None:
    counts = np.array([-32768, 3, 0, 1001, 32767])
    samples = counts.astype(float)
    unit = whole_samples(samples)
    np.testing.assert_array_equal(samples * unit, counts)
    assert np.log2(unit) == int(np.log2(unit))
    assert np.abs(samples).max() <= 2**SAMPLE_BITS


@given(st.lists(st.floats(-1e200, 1e200, allow_nan=False), min_size=1, max_size=20))
def test_whole_samples_are_off_by_half_a_unit_at_most(values: list[float]) -> None:
    samples = np.array(values)
    unit = whole_samples(samples)
    np.testing.assert_array_equal(samples, np.rint(samples))
    assert np.abs(samples).max() <= 2**SAMPLE_BITS
    assert np.all(np.abs(samples * unit - values) <= unit / 2)
    assert unit <= max(2.0 ** (1 - SAMPLE_BITS) * np.abs(values).max(), 2.0**-SAMPLE_BITS)


@given(st.integers(1, 30), st.integers(-100, 100), st.integers(0, 100))
def test_mirrored_goes_back_and_forth(n_samples: int, start: int, n: int) -> None:
    signal = np.arange(n_samples, dtype=np.int16)
    far = np.pad(signal, 400, mode="reflect")[400 + start : 400 + start + n]
    np.testing.assert_array_equal(mirrored(Piece(signal, 0, n_samples), start, n, dtype=float), far)
    first, last = mirrored_span(start, start + n, n_samples)
    if start < n_samples and start + n > 0:  # part of it lies in the signal
        piece = Piece(signal[first:last], first, n_samples)
        np.testing.assert_array_equal(mirrored(piece, start, n, dtype=float), far)


def test_filter_rows_in_products_of_any_size_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    filter_ = row_filter(np.arange(-20.0, 21.0), up=2, down=5, group=4)
    inputs = np.random.default_rng(0).integers(-(2**27), 2**27, filter_.n_inputs(50)).astype(float)
    expected = filter_rows(inputs, filter_, rows=50)
    for at_once in (1, 1000, 1 << 40):
        monkeypatch.setattr(module, "ONE_THREAD", at_once)
        np.testing.assert_array_equal(filter_rows(inputs, filter_, rows=50), expected)


def test_filter_rows_of_float32_is_exact_as_well() -> None:
    taps = np.array([1.0, 4.0, 6.0, 4.0, 1.0], dtype=np.float32)
    filter_ = row_filter(taps, up=1, down=2, group=8)
    inputs = np.full(filter_.n_inputs(4), -32768, dtype=np.float32)
    outputs = filter_rows(inputs, filter_, rows=4)
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs, -32768 * 16)


@pytest.mark.parametrize(("up", "down"), RATIOS)
def test_row_filter_rows_do_not_overlap(up: int, down: int) -> None:
    filter_ = row_filter(np.ones(101), up=up, down=down, group=16)
    assert all(len(matrix) <= filter_.step for _, matrix in filter_.products)
    assert filter_.outputs * down == filter_.step * up
