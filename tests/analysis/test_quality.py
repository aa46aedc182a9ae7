import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.recordings import simulated

from ecgkit.analysis import quality as module
from ecgkit.analysis.coarse import thinned
from ecgkit.analysis.quality import (
    INDICES,
    THRESHOLDS,
    VERDICTS,
    WindowQuality,
    joined,
    template_correlation,
    window_quality,
    worst,
)
from ecgkit.analysis.rpeaks import find_r_peaks
from ecgkit.simulate import noise

FS = 100.0


def beats(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A train of equal beats, one a second, and their peaks."""
    t = np.arange(n * 100) / FS
    return np.exp(-(((t % 1) - 0.5) ** 2) / 0.001), np.arange(n) * 100 + 50


def test_template_correlation_is_1_for_equal_beats() -> None:
    signal, peaks = beats(12)
    quality = template_correlation(signal, FS, peaks=peaks, start_sample=np.array([0, 300, 600]), size=300)
    np.testing.assert_allclose(quality, 1)


def test_template_correlation_finds_the_spoiled_window() -> None:
    signal, peaks = beats(12)
    signal[300:600] = np.random.default_rng(0).normal(size=300)
    quality = template_correlation(signal, FS, peaks=peaks, start_sample=np.array([0, 300, 600]), size=300)
    assert quality[1] < 0.6
    assert min(quality[0], quality[2]) > 0.99


def test_template_correlation_without_beats_is_0() -> None:
    none = template_correlation(
        np.zeros(300), FS, peaks=np.array([], dtype=int), start_sample=np.array([0]), size=300
    )
    np.testing.assert_array_equal(none, [0])


def judged(raw: np.ndarray, fs: float, *, window_s: float = 3.0) -> WindowQuality:
    size = round(window_s * fs)
    start = np.arange(0, len(raw) - size + 1, size)
    return window_quality(raw, fs, peaks=find_r_peaks(raw, fs), start_sample=start, size=size)


def shares(quality: WindowQuality) -> dict[str, float]:
    counts = np.bincount(quality.verdict, minlength=3)
    return dict(zip(VERDICTS, counts / counts.sum(), strict=True))


@pytest.mark.parametrize("fs", [100.0, 500.0, 2000.0])
@pytest.mark.parametrize("condition", ["rest", "exercise", "deep_breathing"])
def test_window_quality_accepts_what_is_good(fs: float, condition: str) -> None:
    quality = judged(simulated(2, condition, fs=fs, clean=True).ecg_mv, fs)
    assert shares(quality)["accept"] > 0.95
    assert quality.b_sqi.min() > 0.7
    assert np.all((quality.p_sqi >= 0.4) & (quality.p_sqi <= 0.9))
    assert np.median(quality.k_sqi) > 5
    assert quality.bas_sqi.min() > 0.9


def test_window_quality_rejects_noise_hum_and_nothing() -> None:
    n = 30_000
    rng = np.random.default_rng(0)
    hum = np.sin(2 * np.pi * 50 * np.arange(n) / 250) + 0.01 * rng.standard_normal(n)
    for raw in (rng.standard_normal(n), hum, np.cumsum(rng.standard_normal(n)), np.zeros(n)):
        assert shares(judged(raw, 250.0))["reject"] > 0.9


def test_window_quality_rejects_where_an_electrode_is_lost() -> None:
    made = simulated(4, fs=250.0, clean=True)
    ecg = made.ecg_mv.copy()
    ecg[12 * 250 : 18 * 250] = 10.0
    verdict = judged(ecg, 250.0).verdict
    assert set(verdict[4:6]) == {VERDICTS.index("reject")}
    assert np.mean(np.delete(verdict, [3, 4, 5, 6]) == VERDICTS.index("accept")) > 0.9


def test_window_quality_falls_with_noise() -> None:
    made, rng = simulated(3, fs=250.0, clean=True), np.random.default_rng(1)
    loud = noise.contact(len(made.ecg_mv), 250.0, rms_mv=1.0, rng=rng)
    accepted = [shares(judged(made.ecg_mv + level * loud, 250.0))["accept"] for level in (0.0, 0.3, 1.0)]
    assert accepted[0] > accepted[1] > accepted[2]
    templates = [judged(made.ecg_mv + level * loud, 250.0).template.mean() for level in (0.0, 0.3, 1.0)]
    assert templates[0] > templates[1] > templates[2]


def test_window_quality_bas_sqi_is_of_the_signal_as_recorded() -> None:
    made = simulated(3, fs=250.0, clean=True)
    wander = np.sin(2 * np.pi * 0.3 * np.arange(len(made.ecg_mv)) / 250)
    quiet, moved = judged(made.ecg_mv, 250.0), judged(made.ecg_mv + 2 * wander, 250.0)
    assert quiet.bas_sqi.min() > 0.9
    assert np.median(moved.bas_sqi) < 0.3
    np.testing.assert_allclose(moved.p_sqi, quiet.p_sqi, atol=0.1)
    assert shares(moved)["accept"] > 0.9  # a wander alone is taken away later


def test_window_quality_p_sqi_and_k_sqi_of_known_signals() -> None:
    at_s = np.arange(3000) / 250
    low, high = (np.sin(2 * np.pi * hz * at_s) for hz in (10.0, 30.0))
    for raw, expected in ((low, 1.0), (low + high, 0.5), (high, 0.0)):
        quality = window_quality(
            raw, 250.0, peaks=np.empty(0, dtype=np.int64), start_sample=np.array([750]), size=750
        )
        assert quality.p_sqi == pytest.approx([expected], abs=0.01)
        assert quality.b_sqi.tolist() == quality.template.tolist() == quality.verdict.tolist() == [0]
    assert window_quality(
        high, 250.0, peaks=np.empty(0, dtype=np.int64), start_sample=np.array([750]), size=750
    ).k_sqi == pytest.approx([1.5], abs=0.01)  # of a sine


def test_thresholds_are_those_of_the_indices_and_fall() -> None:
    assert [*THRESHOLDS, "verdict"] == list(WindowQuality.__dataclass_fields__)
    assert all(good > usable for good, usable in THRESHOLDS.values())


def test_window_quality_of_a_thinned_signal_is_that_of_the_signal() -> None:
    raw = simulated(2, fs=2000.0).ecg_mv
    peaks, start = find_r_peaks(raw, 2000.0), np.arange(0, len(raw) - 5999, 6000)
    of_raw = window_quality(raw, 2000.0, peaks=peaks, start_sample=start, size=6000)
    of_thin = window_quality(
        thinned(raw, 8), 250.0, peaks=peaks // 8, start_sample=start // 8, size=6000 // 8
    )
    for name in INDICES:
        np.testing.assert_array_equal(getattr(of_raw, name), getattr(of_thin, name))


def test_window_quality_looks_at_long_stretches_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = simulated(2, fs=250.0, duration_s=300.0).ecg_mv
    whole = judged(raw, 250.0)
    monkeypatch.setattr(module, "PART_S", 60.0)
    in_parts = judged(raw, 250.0)
    assert len(in_parts.verdict) == len(whole.verdict) == 100
    np.testing.assert_array_equal(in_parts.verdict, whole.verdict)
    np.testing.assert_array_equal(in_parts.p_sqi, whole.p_sqi)  # of the window alone
    np.testing.assert_allclose(in_parts.k_sqi, whole.k_sqi, rtol=1e-2)
    np.testing.assert_allclose(in_parts.template, whole.template, atol=0.05)
    assert (in_parts.template != whole.template).any()  # of each minute's median beat


def test_worst_takes_the_first_of_equals() -> None:
    leads = [
        WindowQuality(*(np.array(row, dtype=float) for row in np.full((5, 3), value)), np.array(verdicts))
        for value, verdicts in ((0.1, [2, 0, 1]), (0.2, [1, 0, 2]))
    ]
    found = worst(leads)
    assert found.verdict.tolist() == [1, 0, 1]
    assert found.k_sqi.tolist() == [0.2, 0.1, 0.1]
    assert joined([found, found]).verdict.tolist() == [1, 0, 1, 1, 0, 1]


@settings(deadline=None, max_examples=40)
@given(
    hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(-1e6, 1e6)),
    st.sampled_from([4.0, 100.0, 1000.0]),
    st.integers(1, 4000),
)
def test_window_quality_takes_any_numbers(raw: np.ndarray, fs: float, size: int) -> None:
    raw = np.tile(raw, 20)
    start = np.arange(0, len(raw), size)
    quality = window_quality(raw, fs, peaks=find_r_peaks(raw, fs), start_sample=start, size=size)
    for name in THRESHOLDS:
        values = getattr(quality, name)
        assert values.shape == start.shape
        assert np.isfinite(values).all()
    assert set(quality.verdict) <= {0, 1, 2}
