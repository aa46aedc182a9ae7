import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.recordings import simulated

from ecgkit.analysis.looks import looks_like
from ecgkit.readers import read

FS = 500.0
TIME_S = np.arange(60 * FS) / FS
NOISE = np.random.default_rng(0).standard_normal(len(TIME_S))


@pytest.mark.parametrize("fs", [100.0, 500.0, 2000.0])
@pytest.mark.parametrize(("subject", "condition"), [(1, "rest"), (2, "exercise"), (5, "deep_breathing")])
def test_looks_like_an_ecg_with_its_rate(fs: float, subject: int, condition: str) -> None:
    recording = simulated(subject, condition, fs=fs)
    words = looks_like(recording.ecg_mv, fs)
    match = re.fullmatch(r"like an ECG, (\d+) beats/min", words)
    assert match, words
    assert int(match[1]) == pytest.approx(60 / np.diff(recording.r_peaks_s).mean(), abs=3)
    assert looks_like(1e-3 * recording.ecg_mv + 7.0, fs) == words
    assert looks_like(-recording.ecg_mv, fs).startswith("like an ECG")


def test_looks_like_an_ecg_where_an_electrode_was_lost_for_a_while() -> None:
    ecg = simulated(1).ecg_mv.copy()
    ecg[10_000:12_000] = 10.0
    assert looks_like(ecg, FS).startswith("like an ECG")


def test_looks_like_respiration_with_its_rate() -> None:
    recording = simulated(1, "deep_breathing")
    fs = recording.fs / recording.respiration_divider
    assert looks_like(recording.respiration, fs) == "slow waves like respiration, 6/min"
    assert looks_like(np.sin(2 * np.pi * 0.25 * TIME_S), FS) == "slow waves like respiration, 15/min"
    assert looks_like(np.sin(2 * np.pi * 0.25 * np.arange(200) / 4), 4.0).endswith("respiration, 15/min")


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        (np.zeros(5000), "flat"),
        (np.full(5000, np.nan), "no numbers"),
        (np.empty(0), "no numbers"),
        (np.array([1.0, 2.0]), "can't tell"),
        (5.0 * (TIME_S % 3 < 0.05), "steps like a trigger"),
        (5.0 * (TIME_S % 20 < 10) + 0.05 * NOISE, "steps like a trigger"),
        (NOISE, "noise"),
        (np.diff(NOISE), "noise"),
        (np.cumsum(np.cumsum(NOISE)), "a slow drift"),
        (np.sin(2 * np.pi * 60 * TIME_S) + 0.1 * NOISE, "a tone of 60 Hz"),
        (np.sin(2 * np.pi * 1.2 * TIME_S) ** 3 + 0.05 * NOISE, "waves like a pulse, 72/min"),
        (np.sin(2 * np.pi * 0.25 * TIME_S[:5000]), "can't tell"),  # 10 s
    ],
)
def test_looks_like_what_it_is(signal: np.ndarray, words: str) -> None:
    assert looks_like(signal, FS) == words


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(np.float64, st.integers(0, 300), elements=st.floats(width=64)),
    st.sampled_from([1e-3, 4.0, 30.0, 1000.0, 1e6]),
)
def test_looks_like_something_whatever_the_samples(signal: np.ndarray, fs: float) -> None:
    assert looks_like(np.tile(signal, 20), fs)


@pytest.mark.real_data
def test_looks_like_what_real_channels_are(real_data: Path) -> None:
    looks = {
        c.name: looks_like(c.read(), c.fs) for c in read(real_data / "acq/physio/physio-5.0.1.acq").channels
    }
    assert looks == {
        "EDA filtered, differentiated": "a slow drift",
        "EKG - ERS100C": "like an ECG, 67 beats/min",
        "RESP - RSP100C": "slow waves like respiration, 6/min",
        "EDA - GSR100C": "a slow drift",
    }
