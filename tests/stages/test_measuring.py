import dataclasses

import numpy as np
import pytest
from support.recordings import in_memory, simulated

from ecgkit.analysis.quality import VERDICTS
from ecgkit.analysis.respiration import EDR_FS, breathing_rate, edr
from ecgkit.analysis.rpeaks import find_r_peaks
from ecgkit.errors import SignalError
from ecgkit.exclusions import Exclusion
from ecgkit.records import Recording, Session, Tags
from ecgkit.stages.measuring import QUALITY_WINDOW_S, observe

FS = 250.0
NOISE = np.random.default_rng(0)


def session(recording: Recording, *excluded: Exclusion) -> Session:
    return Session(Tags("07", "rest"), recording, (0,), ("X",), None, "0" * 64, excluded=excluded)


@pytest.fixture(scope="module")
def ecg() -> np.ndarray:
    """Two minutes at rest, mV; the R peaks stand in `truth`."""
    return simulated(fs=FS, duration_s=120.0, clean=True).ecg_mv


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return simulated(fs=FS, duration_s=120.0, clean=True).r_peaks_s


def test_observe_sees_the_beats_that_are_there(ecg: np.ndarray, truth: np.ndarray) -> None:
    seen = observe(session(in_memory(ecg, FS)))
    (beats_s,) = seen.beats_s
    inner = truth[(truth > 0.5) & (truth < 119.5)]
    assert all(np.min(np.abs(beats_s - at)) < 0.01 for at in inner)
    assert seen.measures.rhythm.heart_rate_bpm == pytest.approx(60 / np.mean(np.diff(truth)), rel=0.01)
    assert seen.measures.duration_s == 120
    np.testing.assert_array_equal(seen.quality.start_s, np.arange(0, 120, QUALITY_WINDOW_S))
    assert set(seen.quality.indices.verdict) == {VERDICTS.index("accept")}
    assert seen.measures.quality_share == 1
    assert np.isnan(seen.measures.respiration_hz)
    assert seen.warnings == ()


def test_observe_leaves_excluded_spans_out(ecg: np.ndarray) -> None:
    whole = observe(session(in_memory(ecg, FS)))
    seen = observe(session(in_memory(ecg, FS), Exclusion(30, 60, "talked"), Exclusion(118, np.inf, "got up")))
    first, second = seen.beats_s
    all_s = whole.beats_s[0]
    np.testing.assert_array_equal(first, all_s[all_s < 30])
    np.testing.assert_array_equal(second, all_s[(all_s >= 60) & (all_s < 118)])
    np.testing.assert_array_equal(seen.quality.start_s, [0, 10, 20, 60, 70, 80, 90, 100])
    assert seen.measures.duration_s == 88
    assert seen.measures.rhythm.n_beats == len(first) + len(second) < whole.measures.rhythm.n_beats


def test_observe_of_a_session_excluded_as_a_whole_tells_nothing(ecg: np.ndarray) -> None:
    seen = observe(session(in_memory(ecg, FS), Exclusion(0, np.inf, "withdrawn")))
    assert seen.beats_s == ()
    assert np.isnan(seen.measures.quality_share)
    assert np.isnan(seen.measures.rhythm.heart_rate_bpm)


def test_observe_rejects_windows_without_an_ecg(ecg: np.ndarray) -> None:
    spoiled = ecg.copy()
    spoiled[round(40 * FS) : round(100 * FS)] = NOISE.standard_normal(round(60 * FS))
    verdict = observe(session(in_memory(spoiled, FS))).quality.indices.verdict
    assert list(verdict[4:10]) == [VERDICTS.index("reject")] * 6
    assert all(verdict[:3] > 0)


def test_observe_rejects_windows_with_a_gap(ecg: np.ndarray) -> None:
    broken = ecg.copy()
    broken[round(45 * FS)] = np.nan
    seen = observe(session(in_memory(broken, FS)))
    assert seen.quality.indices.verdict[4] == VERDICTS.index("reject")
    assert len(seen.beats_s) == 2
    assert seen.measures.quality_share == pytest.approx(11 / 12)


def test_observe_in_blocks_sees_what_it_sees_at_once(
    ecg: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = observe(session(in_memory(ecg, FS)))
    monkeypatch.setattr("ecgkit.stages.signal_blocks.BLOCK_S", 33.0)
    monkeypatch.setattr("ecgkit.stages.signal_blocks.LEAST_SAMPLES", 1)
    blocks = observe(session(in_memory(ecg, FS)))
    np.testing.assert_array_equal(blocks.quality.start_s, whole.quality.start_s)
    np.testing.assert_array_equal(blocks.quality.indices.verdict, whole.quality.indices.verdict)
    assert blocks.measures.rhythm.heart_rate_bpm == pytest.approx(
        whole.measures.rhythm.heart_rate_bpm, rel=1e-3
    )


def test_observe_finds_the_breathing_of_belt_and_ecg() -> None:
    made = simulated(condition="deep_breathing", fs=FS, duration_s=120.0, clean=True)
    ecg = in_memory(made.ecg_mv, FS)
    belt = in_memory(made.respiration, FS / made.respiration_divider).channels[0]
    both = dataclasses.replace(ecg, channels=(*ecg.channels, dataclasses.replace(belt, index=1)))
    measures = observe(dataclasses.replace(session(both), respiration=1)).measures
    assert measures.respiration_hz == pytest.approx(0.1, abs=0.01)
    series = edr(made.ecg_mv, FS, find_r_peaks(made.ecg_mv, FS))
    assert measures.edr_hz == breathing_rate(series, EDR_FS)[0]
    assert measures.rhythm.breathing_hz == pytest.approx(0.1, abs=0.01)


def test_observe_refuses_a_flat_lead() -> None:
    with pytest.raises(SignalError, match=r"a\.acq, channel 'ECG'.*--channel names another"):
        observe(session(in_memory(np.zeros(round(60 * FS)), FS)))


def test_observe_leaves_excluded_spans_out_of_the_breathing() -> None:
    """Deep breathing after free breathing: with the one excluded, only the other is seen."""
    free, deep = (
        simulated(condition=name, fs=FS, duration_s=60.0, clean=True) for name in ("rest", "deep_breathing")
    )
    ecg = in_memory(np.concatenate([free.ecg_mv, deep.ecg_mv]), FS)
    belt = in_memory(np.concatenate([free.respiration, deep.respiration]), FS / deep.respiration_divider)
    both = dataclasses.replace(ecg, channels=(*ecg.channels, dataclasses.replace(belt.channels[0], index=1)))
    rates_hz = [
        observe(dataclasses.replace(session(both, span), respiration=1)).measures.respiration_hz
        for span in (Exclusion(0, 60, "x"), Exclusion(60, np.inf, "x"))
    ]
    assert rates_hz[0] == pytest.approx(0.1, abs=0.02)
    assert rates_hz[1] > 0.15
