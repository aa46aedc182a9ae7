from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from support.recordings import in_memory, simulated

from ecgkit.analysis.quality import INDICES
from ecgkit.config import PipelineConfig
from ecgkit.errors import EcgkitError
from ecgkit.exclusions import Exclusion, used_spans
from ecgkit.readers import read
from ecgkit.readers.ecg_channel import find_ecg
from ecgkit.records import Recording
from ecgkit.simulate.study import simulate_recording
from ecgkit.stages import window_facts as module
from ecgkit.stages.signal_check import check_channel
from ecgkit.stages.window_facts import beats_between, qrs_sign
from ecgkit.stages.windows import cut_recording

ROUNDING_BPM = 1e-6


def both_ways(
    recording: Recording, *, ecg: int = 0, excluded: Sequence[Exclusion] = (), **settings: object
) -> tuple[float, int]:
    """Cut with the beats that ingest stores, and with beats found anew.

    Returns the greatest difference in heart rate, and how many of the qualities differ.
    """
    stored = check_channel(recording, recording.channels[ecg]).peaks_s
    spans_s = used_spans(excluded, duration_s=recording.duration_s)
    used = [beats_between(stored, start_s=start, stop_s=stop) + start for start, stop in spans_s]
    given, found = (
        cut_recording(recording, [ecg], PipelineConfig(**settings), excluded, beats_s=beats_s)
        for beats_s in (used, None)
    )
    np.testing.assert_array_equal(given.windows, found.windows)
    np.testing.assert_array_equal(np.isnan(given.heart_rate_bpm), np.isnan(found.heart_rate_bpm))
    difference = np.nanmax(np.abs(given.heart_rate_bpm - found.heart_rate_bpm), initial=0)
    names = INDICES if difference < ROUNDING_BPM else ("verdict",)
    return difference, sum(
        int(np.count_nonzero(getattr(given.quality, name) != getattr(found.quality, name))) for name in names
    )


@pytest.mark.parametrize("fs", [250.0, 360.0, 1000.0, 2000.0])
@pytest.mark.parametrize("condition", ["rest", "exercise"])
def test_beats_found_anew_are_those_that_ingest_stores(fs: float, condition: str) -> None:
    made = simulated(3, condition, fs=fs, duration_s=60.0)
    difference, n_other = both_ways(in_memory(np.rint(made.ecg_mv / 3e-4).astype(np.int16), fs, scale=3e-4))
    assert difference < ROUNDING_BPM
    assert n_other == 0


@pytest.mark.parametrize(("duration_s", "fs"), [(1200.0, 250.0), (603.0, 250.0), (700.0, 100.0)])
def test_beats_found_anew_are_the_same_in_long_recordings(duration_s: float, fs: float) -> None:
    ecg_mv = simulated(2, fs=fs, duration_s=duration_s).ecg_mv
    difference, n_other = both_ways(in_memory(ecg_mv, fs), mains="none")
    assert difference < ROUNDING_BPM
    assert n_other == 0


def test_beats_found_anew_beside_gaps_and_exclusions_are_nearly_the_same() -> None:
    counts = np.rint(simulated(2, fs=1000.0, duration_s=700.0).ecg_mv / 3e-4).astype(np.int16)
    paused = in_memory(counts, 1000.0, scale=3e-4, pauses=(123_457, 598_001))
    for recording, excluded in (
        (paused, ()),
        (in_memory(counts, 1000.0, scale=3e-4), [Exclusion(100.3, 160.013, "moved")]),
    ):
        difference, n_other = both_ways(recording, excluded=excluded)
        assert difference < 0.2
        assert n_other == 0


@pytest.mark.real_data
def test_beats_found_anew_are_the_same_on_real_recordings(real_data: Path) -> None:
    paths = [
        *sorted(real_data.glob("ecgiddb/Person_0[3-6]/*.hea")),
        *sorted(real_data.glob("wrist/s3_*.edf")),
    ]
    n = 0
    for path in paths:
        try:
            recording = read(path)
            ecg = find_ecg(recording.channels).index
        except EcgkitError:
            continue
        difference, n_other = both_ways(recording, ecg=ecg)
        assert difference < ROUNDING_BPM, path
        assert n_other == 0, path
        n += 1
    assert n > 10


def test_beats_between_are_counted_from_the_start() -> None:
    beats_s = (np.array([1.0, 2.0]), np.array([5.0, 6.0, 7.5]))
    assert beats_between(beats_s, start_s=2.0, stop_s=7.0).tolist() == [0.0, 3.0, 4.0]
    assert beats_between((), start_s=2.0, stop_s=7.0).tolist() == []


@pytest.fixture(scope="module")
def upright_ecg() -> tuple[np.ndarray, np.ndarray]:
    made = simulate_recording(2, "rest", 1, fs=100.0, seed=3, duration_s=60.0, mains_hz=45.0, clean=True)
    return made.ecg_mv, made.r_peaks_s


def test_qrs_sign_tells_which_way_up(upright_ecg: tuple[np.ndarray, np.ndarray]) -> None:
    ecg, beats_s = upright_ecg
    assert qrs_sign([ecg], [beats_s], 100.0, name="ECG") == 1
    assert qrs_sign([-ecg], [beats_s], 100.0, name="ECG") == -1
    halves = ([-ecg[:3000], -ecg[3000:]], [beats_s[beats_s < 30], beats_s[beats_s >= 30] - 30])
    assert qrs_sign(*halves, 100.0, name="Lead II") == -1
    assert qrs_sign([-ecg], [beats_s], 100.0, name="aVR") == 0  # points down by nature


def test_qrs_sign_looks_at_some_beats_of_many(
    upright_ecg: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    ecg, beats_s = upright_ecg
    monkeypatch.setattr(module, "MOST_BEATS", 9)
    assert qrs_sign([-ecg], [beats_s], 100.0, name="ECG") == -1


def test_qrs_sign_of_what_is_no_ecg_can_not_be_told(upright_ecg: tuple[np.ndarray, np.ndarray]) -> None:
    ecg, beats_s = upright_ecg
    noise = np.random.default_rng(0).normal(size=len(ecg))
    assert qrs_sign([noise], [beats_s], 100.0, name="ECG") == 0
    assert qrs_sign([ecg], [beats_s[:4]], 100.0, name="ECG") == 0
    assert qrs_sign([ecg], [np.empty(0)], 100.0, name="ECG") == 0
