import numpy as np
import pytest
from support.recordings import in_memory, simulated

from ecgkit.config import PipelineConfig
from ecgkit.errors import SignalError
from ecgkit.stages.mains_check import middle
from ecgkit.stages.windows import cut_recording

FS = 1000.0


def ecg_with(
    *lines_hz: float, fs: float = FS, amplitude_mv: float = 0.3, from_s: float = 0.0, unit: str = "mV"
) -> np.ndarray:
    """A minute of an ECG with lines, in counts of a microvolt."""
    ecg_mv = simulated(2, fs=fs, clean=True).ecg_mv
    t = np.arange(len(ecg_mv)) / fs
    hum = sum((np.sin(2 * np.pi * hz * t + hz) for hz in lines_hz), start=np.zeros(len(t)))
    return np.rint((ecg_mv + amplitude_mv * hum * (t >= from_s)) * 1000).astype(np.int16)


def warnings(counts: np.ndarray, *, recorded_fs: float = FS, **settings: object) -> tuple[str, ...]:
    recording = in_memory(counts, recorded_fs, unit="uV")
    return cut_recording(recording, [0], PipelineConfig(**settings)).warnings


def test_mains_that_goes_is_nothing_to_say() -> None:
    for settings in ({}, {"fs": 250}, {"fs": 250, "mains_hz": 50}):
        hum_hz = settings.get("mains_hz", 60)
        assert warnings(ecg_with(hum_hz), **settings) == ()
        assert warnings(ecg_with(), **settings) == ()


def test_mains_that_is_set_wrong_is_named() -> None:
    (sentence,) = warnings(ecg_with(50))
    assert sentence == (
        "channel 'ECG': hum at 50 Hz is seen and none at 60 Hz: set pipeline.mains_hz (or the study's "
        "mains_hz) to 50; at 100 Hz nothing of either is left"
    )
    (sentence,) = warnings(ecg_with(50, 100), fs=250)
    assert sentence.endswith("to 50")
    assert warnings(ecg_with(50, 60)) == ()  # a tone of its own beside mains
    (sentence,) = warnings(ecg_with(60), mains_hz=50)
    assert "hum at 60 Hz is seen and none at 50 Hz" in sentence


def test_mains_that_is_still_there_is_named_with_what_to_do() -> None:
    assert warnings(ecg_with(50, 100), fs=250, mains_hz=50) == (
        "channel 'ECG': a line at 100 Hz is there after cleaning; set pipeline.mains_lines to 2",
    )
    assert warnings(ecg_with(50, 100), fs=250, mains_hz=50, mains_lines=2) == ()
    (sentence,) = warnings(ecg_with(60), fs=250, mains="none")
    assert sentence == "channel 'ECG': a line at 60 Hz is there after cleaning; pipeline.mains is none"
    (sentence,) = warnings(ecg_with(60.7), fs=250)
    assert "a line at 60 Hz is there after cleaning; it strays" in sentence


def test_mains_that_has_folded_is_named() -> None:
    hum = ecg_with(60, fs=100.0)
    (sentence,) = warnings(hum, recorded_fs=100.0, mains="none")
    assert sentence == (
        "channel 'ECG': a line at 40 Hz is there after cleaning; it is mains of 60 Hz, aliased; "
        "pipeline.mains is none"
    )
    assert warnings(hum, recorded_fs=100.0, mains="alias-notch") == ()


def test_a_little_hum_and_a_moment_of_it_count_for_nothing() -> None:
    assert warnings(ecg_with(50, amplitude_mv=0.01)) == ()
    assert warnings(ecg_with(50, from_s=57.0)) == ()


def test_the_refusal_of_a_notch_says_whether_there_is_a_line() -> None:
    for counts, seen in ((ecg_with(60, fs=100.0), "a"), (ecg_with(fs=100.0), "no")):
        with pytest.raises(
            SignalError, match=rf"alias-notch.* In this recording {seen} line is seen at 40 Hz"
        ):
            cut_recording(in_memory(counts, 100.0), [0], PipelineConfig())
    with pytest.raises(SignalError, match=r"it can't be undone.* say so$"):
        cut_recording(in_memory(ecg_with(fs=100.0), 100.0), [0], PipelineConfig(mains_hz=50))


def test_middle_is_a_minute_away_from_the_ends() -> None:
    assert middle(1000, 201_000, 1000.0) == (71_000, 131_000)
    assert middle(0, 20_000, 1000.0) == (1000, 19_000)
    assert middle(0, 1500, 1000.0) == (750, 750)
