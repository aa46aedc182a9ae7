from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.analysis.hrv import Hrv, measure_hrv
from ecgkit.analysis.rhythm import measure_rhythm

POWERS = {"vlf_ms2", "lf_ms2", "hf_ms2", "total_power_ms2", "lf_hf", "lf_nu", "hf_nu"}
Wave = tuple[float, float, float]  # amplitude in ms, Hz, phase


def beats(*waves: Wave, mean_ms: float = 850.0, duration_s: float = 300.0) -> np.ndarray:
    """R peaks: the interval that ends at t is mean + amplitude * sin(2 pi f t + phase), and so on."""
    at_s = [0.0]
    while at_s[-1] < duration_s - 2:
        end_s = at_s[-1]
        for _ in range(50):  # the interval depends on its own end
            swing_ms = sum(a * math.sin(2 * math.pi * hz * end_s + phase) for a, hz, phase in waves)
            end_s = at_s[-1] + (mean_ms + swing_ms) / 1000
        at_s.append(end_s)
    return np.array(at_s)


def irregular(seed: int = 1, n: int = 400) -> np.ndarray:
    rng = np.random.default_rng(seed)
    slow = np.convolve(rng.normal(0, 0.1, n + 19), np.ones(20) / 20, mode="valid")
    return np.concatenate([[0.0], np.cumsum(0.85 + slow + rng.normal(0, 0.02, n))])


def unknown(hrv: Hrv) -> set[str]:
    return {name for name, value in dataclasses.asdict(hrv).items() if math.isnan(value)}


def neurokit(peaks_s: np.ndarray, name: str, **options: object) -> dict[str, float]:
    import neurokit2 as nk

    rri = {"RRI": 1e3 * np.diff(peaks_s), "RRI_Time": peaks_s[1:]}
    with warnings.catch_warnings(action="ignore"):  # of figures that are not compared
        found: dict[str, float] = getattr(nk, name)(rri, **options).iloc[0].to_dict()
    return found


def test_measure_hrv_of_intervals_worked_out_by_hand() -> None:
    rr_ms = np.array([800.0, 860, 800, 860, 800, 860, 800, 860, 800, 860])
    found = measure_hrv([np.concatenate([[0.0], np.cumsum(rr_ms / 1000)])])
    assert (found.n_beats, found.n_intervals, found.left_out_share) == (11, 10, 0.0)
    assert found.mean_rr_ms == pytest.approx(830)
    assert found.heart_rate_bpm == pytest.approx(60 / 0.83)
    assert found.sdnn_ms == pytest.approx(30 * math.sqrt(10 / 9))
    assert found.rmssd_ms == pytest.approx(60)
    assert found.pnn50 == pytest.approx(100)
    steps = np.array([60, -60] * 4 + [60])
    assert found.sd1_ms == pytest.approx(np.std(steps, ddof=1) / math.sqrt(2))
    assert found.sd2_ms == pytest.approx(0, abs=1e-9)
    assert unknown(found) == POWERS


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_measure_hrv_in_time_agrees_with_neurokit2(seed: int) -> None:
    peaks_s = irregular(seed)
    found, theirs = measure_hrv([peaks_s]), neurokit(peaks_s, "hrv_time")
    assert found.left_out_share == 0
    assert found.mean_rr_ms == pytest.approx(theirs["HRV_MeanNN"])
    assert found.sdnn_ms == pytest.approx(theirs["HRV_SDNN"])
    assert found.rmssd_ms == pytest.approx(theirs["HRV_RMSSD"])
    n_pairs = found.n_intervals - 1  # they divide by the number of intervals
    assert found.pnn50 * n_pairs / found.n_intervals == pytest.approx(theirs["HRV_pNN50"])
    poincare = neurokit(peaks_s, "hrv_nonlinear")
    assert found.sd1_ms == pytest.approx(poincare["HRV_SD1"])
    assert found.sd2_ms == pytest.approx(poincare["HRV_SD2"])


@pytest.mark.parametrize(("mean_ms", "high_hz"), [(600.0, 0.35), (850.0, 0.27), (1000.0, 0.2)])
def test_measure_hrv_finds_the_power_of_sines(mean_ms: float, high_hz: float) -> None:
    made = beats((30, 0.02, 2.0), (25, 0.1, 0.3), (15, high_hz, 1.0), mean_ms=mean_ms)
    found = measure_hrv([made])
    assert found.vlf_ms2 == pytest.approx(30**2 / 2, rel=0.02)
    assert found.lf_ms2 == pytest.approx(25**2 / 2, rel=0.02)
    assert found.hf_ms2 == pytest.approx(15**2 / 2, rel=0.03)  # the spline takes up to 1.5 % of it
    assert found.total_power_ms2 == pytest.approx(found.vlf_ms2 + found.lf_ms2 + found.hf_ms2)
    assert found.lf_hf == pytest.approx(found.lf_ms2 / found.hf_ms2)
    assert found.lf_nu == pytest.approx(100 * found.lf_ms2 / (found.lf_ms2 + found.hf_ms2))
    assert found.lf_nu + found.hf_nu == pytest.approx(100)


def test_measure_hrv_total_power_is_the_variance_of_the_intervals() -> None:
    made = beats((30, 0.02, 2.0), (25, 0.1, 0.3), (15, 0.25, 1.0), duration_s=600)
    found = measure_hrv([made])
    assert found.total_power_ms2 == pytest.approx(found.sdnn_ms**2, rel=0.03)


def test_measure_hrv_powers_agree_with_neurokit2() -> None:
    made = beats((25, 0.08, 0.3), (10, 0.11, 2.0), (15, 0.22, 1.0), (8, 0.3, 3.0))
    found, theirs = measure_hrv([made]), neurokit(made, "hrv_frequency", normalize=False)
    assert found.lf_ms2 == pytest.approx(theirs["HRV_LF"], rel=0.02)
    assert found.hf_ms2 == pytest.approx(theirs["HRV_HF"], rel=0.04)  # their spline takes more of it
    assert found.lf_hf == pytest.approx(theirs["HRV_LFHF"], rel=0.04)


@pytest.mark.parametrize(
    ("duration_s", "missing"),
    [
        (300.0, set()),
        (240.0, {"vlf_ms2", "total_power_ms2"}),
        (120.0, {"vlf_ms2", "total_power_ms2"}),
        (90.0, POWERS - {"hf_ms2"}),
        (60.0, POWERS - {"hf_ms2"}),
        (50.0, POWERS),
    ],
)
def test_measure_hrv_gives_a_band_where_the_recording_is_long_enough(
    duration_s: float, missing: set[str]
) -> None:
    assert unknown(measure_hrv([beats((20, 0.1, 0.0), (20, 0.25, 0.0), duration_s=duration_s)])) == missing


def test_measure_hrv_averages_stretches_by_their_length() -> None:
    first = beats((20, 0.1, 0.0), duration_s=300)
    second = beats((40, 0.1, 0.0), duration_s=150)
    found = measure_hrv([first, second + 400])
    weights = np.ptp(first), np.ptp(second)
    assert found.lf_ms2 == pytest.approx(np.average([200, 800], weights=weights), rel=0.02)
    assert found.vlf_ms2 == measure_hrv([first]).vlf_ms2
    assert found.n_intervals == len(first) + len(second) - 2


def test_measure_hrv_ratio_is_of_the_same_stretches() -> None:
    long, short = beats((20, 0.1, 0.0), (20, 0.25, 0.0)), beats((60, 0.25, 0.0), duration_s=70)
    found = measure_hrv([long, short + 400])
    assert found.hf_ms2 > 1.5 * measure_hrv([long]).hf_ms2
    assert found.lf_hf == pytest.approx(measure_hrv([long]).lf_hf)
    assert found.lf_nu == pytest.approx(measure_hrv([long]).lf_nu)


def test_measure_hrv_leaves_odd_beats_out() -> None:
    made = beats((20, 0.1, 0.0), (15, 0.25, 1.0))
    odd = np.delete(made, [100])
    odd[200] -= 0.35
    found, whole = measure_hrv([odd]), measure_hrv([made])
    assert 0 < found.left_out_share < 0.03
    assert found.rmssd_ms == pytest.approx(whole.rmssd_ms, rel=0.05)
    for name in ("sdnn_ms", "sd1_ms", "sd2_ms", "lf_ms2", "hf_ms2"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=0.08), name


def test_measure_hrv_bridges_no_long_gap() -> None:
    made = beats((20, 0.1, 0.0), (15, 0.25, 1.0))
    hole = made[(made < 100) | (made > 110)]  # one interval of 10 s
    found = measure_hrv([hole])
    apart = measure_hrv([made[made < 100], made[made > 110]])
    assert found.lf_ms2 == pytest.approx(apart.lf_ms2, rel=0.02)
    assert math.isnan(found.vlf_ms2)


def test_measure_hrv_gives_no_power_of_a_rhythm_that_is_mostly_odd() -> None:
    rng = np.random.default_rng(1)
    chaos = np.cumsum(rng.choice([0.4, 0.7, 1.3], 400))
    assert unknown(measure_hrv([chaos])) >= {"vlf_ms2", "lf_ms2", "hf_ms2"}


@pytest.mark.parametrize("stretches", [[], [np.empty(0)], [np.array([1.0])], [np.array([1.0, 1.8])]])
def test_measure_hrv_of_next_to_nothing(stretches: list[np.ndarray]) -> None:
    found = measure_hrv(stretches)
    assert found.n_beats == sum(map(len, stretches))
    assert {"sdnn_ms", "rmssd_ms", "sd1_ms", "sd2_ms", *POWERS} <= unknown(found)


def test_measure_hrv_shares_its_figures_with_the_rhythm() -> None:
    peaks_s = irregular()
    rhythm, found = measure_rhythm([peaks_s]), measure_hrv([peaks_s])
    for name in ("n_beats", "heart_rate_bpm", "sdnn_ms", "rmssd_ms", "pnn50"):
        assert getattr(found, name) == getattr(rhythm, name)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.2, 3.0), max_size=150), st.floats(0, 1e5))
def test_measure_hrv_of_any_beats_is_plain(rr_s: list[float], start_s: float) -> None:
    found = measure_hrv([start_s + np.concatenate([[0.0], np.cumsum(rr_s)])])
    for name, value in dataclasses.asdict(found).items():
        assert math.isnan(value) or value >= 0, name
    assert not math.isinf(found.lf_hf)
