import numpy as np
import pytest

from ecgkit.preprocess.fir import Piece
from ecgkit.preprocess.resample import anti_alias_taps
from ecgkit.preprocess.thin import LEAST_RATIO, taps_after, thinned, thinner_for


def gain(taps: np.ndarray, fs: float, tone_hz: np.ndarray) -> np.ndarray:
    """Response of taps around time 0."""
    t = (np.arange(len(taps)) - len(taps) // 2) / fs
    return np.cos(2 * np.pi * tone_hz[:, None] * t) @ taps


@pytest.mark.parametrize(("down", "step"), [(20, 4), (16, 4), (100, 4), (10, 2), (8, 2), (12, 2), (14, 2)])
def test_thinner_for_takes_as_much_as_may_go(down: int, step: int) -> None:
    thinner = thinner_for(down, of_int16=True)
    assert thinner is not None
    assert thinner.step == step
    assert thinner.filter.dtype == np.float32


@pytest.mark.parametrize("down", [1, 2, 4, 5, 6, 7, 9, 15])
def test_thinner_for_leaves_small_ratios_alone(down: int) -> None:
    assert thinner_for(down, of_int16=True) is None


@pytest.mark.parametrize("down", [8, 16])  # the least that each step is taken for
def test_thinner_folds_nothing_onto_what_is_kept(down: int) -> None:
    thinner = thinner_for(down, of_int16=False)
    assert thinner is not None
    thinned_hz, kept_hz = 1.0 / thinner.step, 0.4 / down  # at a rate of 1 Hz
    assert thinned_hz == LEAST_RATIO / down
    folded = np.concatenate(
        [np.linspace(k * thinned_hz - kept_hz, k * thinned_hz + kept_hz, 99) for k in range(1, thinner.step)]
    )
    assert 20 * np.log10(np.abs(gain(thinner.taps / thinner.gain, 1.0, folded)).max()) < -85


@pytest.mark.parametrize(("fs", "down"), [(2000.0, 20), (1000.0, 10), (1600.0, 16)])
def test_taps_after_the_sums_make_the_filter(fs: float, down: int) -> None:
    thinner = thinner_for(down, of_int16=False)
    assert thinner is not None
    taps = anti_alias_taps(fs, 100.0)
    after = taps_after(thinner, taps)
    np.testing.assert_array_equal(after, after[::-1])
    tones = np.linspace(0, fs / thinner.step / 2, 400)
    both = gain(thinner.taps, fs, tones) * gain(after, fs / thinner.step, tones)
    np.testing.assert_allclose(both, gain(taps, fs, tones), atol=2e-6)


def test_thinned_sums_of_the_largest_counts_are_exact() -> None:
    thinner = thinner_for(20, of_int16=True)
    assert thinner is not None
    counts = np.full(4000, -32768, dtype=np.int16)
    sums, unit = thinned(Piece(counts, 0, 4000), thinner, 0, 900)
    np.testing.assert_array_equal(sums * unit, -32768 * 512)


def test_thinned_floats_are_those_of_the_counts() -> None:
    counts = np.random.default_rng(0).integers(-32768, 32768, 4000).astype(np.int16)
    both = []
    for of_int16, signal in ((True, counts), (False, counts.astype(float))):
        thinner = thinner_for(20, of_int16=of_int16)
        assert thinner is not None
        sums, unit = thinned(Piece(signal, 0, 4000), thinner, -40, 1000)
        both.append(sums * unit)
    np.testing.assert_array_equal(*both)
