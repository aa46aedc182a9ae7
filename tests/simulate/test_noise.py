from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ecgkit.simulate import noise

FS = 500.0
N = 60 * 500


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def power(signal: noise.Signal, low_hz: float, high_hz: float) -> float:
    frequencies = np.fft.rfftfreq(signal.size, 1 / FS)
    spectrum = np.abs(np.fft.rfft(signal - signal.mean())) ** 2
    return float(spectrum[(frequencies >= low_hz) & (frequencies < high_hz)].sum() / spectrum.sum())


def test_shaped_noise_has_unit_spread_no_mean_and_its_band() -> None:
    drawn = noise.shaped_noise(N, FS, noise.band(5.0, 20.0), rng=generator())
    assert drawn.shape == (N,)
    assert drawn.mean() == pytest.approx(0, abs=1e-12)
    assert drawn.std() == pytest.approx(1)
    assert power(drawn, 2.5, 40) > 0.97


@pytest.mark.parametrize("n", [2, 3, 997])
def test_shaped_noise_takes_any_length(n: int) -> None:
    assert np.isfinite(noise.shaped_noise(n, FS, noise.band(0.5, 8.0), rng=generator())).all()


def test_mains_is_at_the_asked_frequency_with_a_third_harmonic() -> None:
    hum = noise.mains(N, FS, mains_hz=50.0, amplitude_mv=0.02, rng=generator())
    assert power(hum, 49.5, 50.5) > 0.9
    assert power(hum, 149.5, 150.5) == pytest.approx(0.2**2 / (1 + 0.2**2), rel=0.1)


def test_mains_leaves_out_a_harmonic_above_half_the_rate() -> None:
    hum = noise.mains(N, 250.0, mains_hz=50.0, amplitude_mv=0.02, rng=generator())
    assert power(hum, 99, 101) > 0.99  # 50 Hz at 250 Hz, read at 500 Hz; no alias of 150 Hz


def test_muscle_noise_lies_above_the_waves_and_has_its_level() -> None:
    emg = noise.muscle(N, FS, rms_mv=0.02, rng=generator())
    assert power(emg, 18, 250) > 0.97
    assert 0.01 < emg.std() < 0.06


def test_contact_noise_lies_among_the_waves() -> None:
    assert power(noise.contact(N, FS, rms_mv=0.03, rng=generator()), 0.3, 10) > 0.97


def test_baseline_follows_the_breath() -> None:
    breath = np.sin(2 * np.pi * 0.25 * np.arange(N) / FS)
    levels = noise.NoiseLevels(
        offset_mv=0.3,
        breath_mv=0.1,
        drift_mv=0.0,
        contact_mv=0,
        muscle_mv=0,
        mains_mv=0,
        motion_per_min=0,
        detached=False,
    )
    assert_array_equal(
        noise.baseline(N, FS, breath=breath, levels=levels, rng=generator()), 0.3 + 0.1 * breath
    )


def test_motion_lists_every_deflection_and_nothing_else() -> None:
    signal, spans = noise.motion(N, FS, per_min=6.0, rng=generator())
    listed = np.zeros(N, dtype=bool)
    for span in spans:
        assert span.kind == "motion"
        listed[round(span.start_s * FS) : round(span.stop_s * FS)] = True
    assert len(spans) >= 2
    assert not signal[~listed].any()
    assert np.abs(signal).max() > 0.1


def test_motion_at_rate_zero_is_nothing() -> None:
    signal, spans = noise.motion(N, FS, per_min=0.0, rng=generator())
    assert not signal.any()
    assert spans == ()


def test_detach_replaces_one_listed_stretch_by_a_line() -> None:
    kinds = set()
    for seed in range(12):
        ecg = generator(seed).normal(size=N)
        off, (span,) = noise.detach(ecg, FS, rail_mv=10.0, rng=generator(seed))
        start, stop = round(span.start_s * FS), round(span.stop_s * FS)
        assert 1.0 <= span.stop_s - span.start_s <= 4.0
        assert np.ptp(off[start:stop]) == 0
        assert (abs(off[start]) == 10.0) == (span.kind == "railed")
        assert_array_equal(np.delete(off, np.s_[start:stop]), np.delete(ecg, np.s_[start:stop]))
        kinds.add(span.kind)
    assert kinds == {"flat", "railed"}


def test_detach_leaves_a_short_recording_alone() -> None:
    ecg = generator().normal(size=round(2 * FS))
    off, spans = noise.detach(ecg, FS, rail_mv=10.0, rng=generator())
    assert_array_equal(off, ecg)
    assert spans == ()
