import numpy as np

from ecgkit.analysis.quality import finite_runs, template_correlation

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


def test_finite_runs_stop_at_every_lead() -> None:
    signal = np.zeros((2, 10))
    signal[0, 3] = np.nan
    signal[1, 7:9] = np.inf
    assert finite_runs(signal) == [(0, 3), (4, 7), (9, 10)]
    assert finite_runs(np.full((1, 3), np.nan)) == []
