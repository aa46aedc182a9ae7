import itertools
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from scipy.signal import resample_poly

from ecgkit.errors import SignalError
from ecgkit.preprocess import resample as module
from ecgkit.preprocess.resample import (
    anti_alias_taps,
    rate_ratio,
    resample,
    resample_portion,
    resampled_size,
    resampling_portions,
)
from ecgkit.simulate.study import simulate_recording

RATES = [250.0, 500.0, 1000.0, 2000.0]


def gain_db(fs: float, tone_hz: float, *, to_fs: float = 100.0) -> float:
    """Gain of the resampler for one tone, measured away from the ends, dB."""
    t = np.arange(int(20 * fs)) / fs
    out = resample(np.sin(2 * np.pi * tone_hz * t), fs, to_fs=to_fs)[200:-200]
    return float(20 * np.log10(np.sqrt(2) * out.std() + 1e-12))


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("tone_hz", [1.0, 10.0, 25.0, 40.0])
def test_resample_passes_up_to_40_hz(fs: float, tone_hz: float) -> None:
    assert abs(gain_db(fs, tone_hz)) < 0.1


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("tone_hz", [50.0, 60.0, 75.0, 100.0])
def test_resample_stops_from_the_new_nyquist_on(fs: float, tone_hz: float) -> None:
    assert gain_db(fs, tone_hz) < -70


def test_resample_keeps_time_and_offset() -> None:
    t = np.arange(10_000) / 1000
    out = resample(5 + np.sin(2 * np.pi * 3 * t), 1000.0, to_fs=100.0)
    expected = 5 + np.sin(2 * np.pi * 3 * np.arange(1000) / 100)
    assert out.shape == (1000,)
    np.testing.assert_allclose(out[50:-50], expected[50:-50], atol=2e-3)
    np.testing.assert_allclose(out, expected, atol=0.25)


def test_resample_at_the_same_rate_changes_nothing() -> None:
    signal = np.random.default_rng(0).normal(size=50)
    np.testing.assert_array_equal(resample(signal, 100.0, to_fs=100.0), signal)


def test_resample_takes_rates_that_are_no_multiples() -> None:
    assert rate_ratio(256.0, 100.0) == (25, 64)
    t = np.arange(2560) / 256
    out = resample(np.sin(2 * np.pi * 5 * t), 256.0, to_fs=100.0)
    np.testing.assert_allclose(
        out[100:-100], np.sin(2 * np.pi * 5 * np.arange(1000) / 100)[100:-100], atol=2e-3
    )


def test_resample_refuses_to_invent_samples() -> None:
    with pytest.raises(SignalError, match=r"recorded at 62.5 Hz, below the 100 Hz"):
        resample(np.zeros(10), 62.5, to_fs=100.0)
    with pytest.raises(SignalError, match="no ratio"):
        rate_ratio(1000.0, 1000.0 / np.pi)


ALL_RATES = [
    *[(fs, 100.0) for fs in (*RATES, 125.0, 128.0, 256.0, 257.0, 360.0, 10_000.0)],
    *[(1000.0, 250.0), (2000.0, 250.0), (1000.0, 500.0), (2000.0, 500.0), (1000.0, 333.0)],
]


def counts_of(fs: float, *, duration_s: float = 20.0) -> np.ndarray:
    """Simulated ECG with hum and wander, int16."""
    ecg_mv = simulate_recording(1, "rest", 1, fs=fs, seed=1, duration_s=duration_s, mains_hz=60.0).ecg_mv
    return np.rint(ecg_mv / 0.0003).astype(np.int16)


def by_scipy(signal: np.ndarray, fs: float, *, to_fs: float) -> np.ndarray:
    """The same filter by scipy in float64, its ends mirrored."""
    up, down = rate_ratio(fs, to_fs)
    taps = anti_alias_taps(fs * up, to_fs)
    pad = -(-len(taps) // (2 * up * down)) * down
    out = resample_poly(np.pad(signal.astype(float), pad, mode="reflect"), up, down, window=taps)
    return out[pad * up // down :][: -(-len(signal) * up // down)]


@pytest.mark.parametrize(("fs", "to_fs"), ALL_RATES)
def test_resample_is_scipys_filter_within_a_millionth(fs: float, to_fs: float) -> None:
    counts = counts_of(fs)
    expected = by_scipy(counts, fs, to_fs=to_fs)
    for signal in (counts, counts.astype(np.float32), counts * 0.0003):
        out = resample(signal, fs, to_fs=to_fs)
        assert out.dtype == np.float64
        scale = 0.0003 if signal.dtype == np.float64 else 1.0
        np.testing.assert_allclose(out / scale, expected, rtol=0, atol=1e-6 * np.ptp(expected))


@pytest.mark.parametrize(("fs", "to_fs"), [(2000.0, 100.0), (1000.0, 100.0), (256.0, 100.0), (1000.0, 250.0)])
def test_resample_counts_give_the_same_bits_in_any_type_and_block(
    fs: float, to_fs: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counts_of(fs)
    expected = resample(counts, fs, to_fs=to_fs)
    for dtype in (np.int32, np.float32, np.float64):
        np.testing.assert_array_equal(resample(counts.astype(dtype), fs, to_fs=to_fs), expected)
    for chunk in (1, 500, 3000):
        monkeypatch.setattr(module, "CHUNK", chunk)
        monkeypatch.setattr(module, "LEAST_ROWS", 1)
        np.testing.assert_array_equal(resample(counts, fs, to_fs=to_fs), expected)


@pytest.mark.parametrize(("fs", "to_fs"), [*ALL_RATES, (500.0, 500.0), (1000.0, 20.0)])
@pytest.mark.parametrize("scale", [None, 0.0003])
def test_resample_part_by_part_gives_the_same_bits(
    fs: float, to_fs: float, scale: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 200)
    monkeypatch.setattr(module, "LEAST_ROWS", 1)
    signal = counts_of(fs, duration_s=20.03)
    if scale is not None:
        signal = signal * scale
    expected = resample(signal, fs, to_fs=to_fs)
    for at_least, spare in ((1, 0), (2000, 7), (10**6, 3)):
        parts = list(
            resampling_portions(
                len(signal), fs, to_fs=to_fs, dtype=signal.dtype, at_least=at_least, spare=spare
            )
        )
        assert [parts[0].first, *(p.last for p in parts)] == [*(p.first for p in parts), len(expected)]
        assert all(after.start <= before.stop - spare for before, after in itertools.pairwise(parts))
        assert len(parts) == 1 or at_least < 10**6
        found = [resample_portion(signal[p.start : p.stop], p, fs, to_fs=to_fs) for p in parts]
        np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize("n", [0, 1, 2, 37, 1000])
def test_resampling_parts_of_short_signals(n: int) -> None:
    parts = list(resampling_portions(n, 2000.0, to_fs=100.0, dtype=np.dtype(np.int16)))
    assert [(part.start, part.stop) for part in parts] == ([(0, n)] if n else [])
    assert resampled_size(n, 2000.0, to_fs=100.0) == -(-n // 20)


def test_resample_gives_the_same_bits_with_other_kernels_and_threads() -> None:
    code = (
        "import hashlib, numpy as np\n"
        "from ecgkit.preprocess.resample import resample\n"
        "counts = np.random.default_rng(0).integers(-9999, 9999, 100_001).astype(np.int16)\n"
        "for signal in (counts, counts * 0.0003):\n"
        "    for fs in (2000.0, 360.0):\n"
        "        print(hashlib.sha256(resample(signal, fs, to_fs=100.0)).hexdigest())\n"
    )
    variants = ({}, {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"})
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True, check=True
        ).stdout
        for env in variants
    }
    assert len(hashes) == 1


@pytest.mark.parametrize("fs", [2000.0, 250.0])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 19, 20, 21, 700])
def test_resample_takes_short_signals(fs: float, n: int) -> None:
    out = resample(np.full(n, 7, dtype=np.int16), fs, to_fs=100.0)
    np.testing.assert_allclose(out, np.full(-(-n * 100 // int(fs)), 7.0), rtol=1e-6)


def test_resample_keeps_an_ecg_beside_a_huge_spike() -> None:
    ecg = counts_of(1000.0, duration_s=300.0) * 0.0003
    spiked = ecg.copy()
    spiked[1000] = 1e9
    clean, out = (resample(signal, 1000.0, to_fs=100.0)[20_000:] for signal in (ecg, spiked))
    np.testing.assert_array_equal(out, clean)


def test_resample_holds_little_more_than_its_result() -> None:
    counts = np.zeros(2_400_000, dtype=np.int16)  # 20 minutes at 2000 Hz
    resample(counts[:1000], 2000.0, to_fs=100.0)
    tracemalloc.start()
    out = resample(counts, 2000.0, to_fs=100.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - out.nbytes < 3e6
