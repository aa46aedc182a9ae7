"""The ECG channel by name, unit and rate; units of voltage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ecgkit
from ecgkit.errors import ChannelError
from ecgkit.readers.ecg_channel import find_ecg, millivolts_per_unit
from ecgkit.records import Channel

ECG_NAMES = [
    *[
        "ECG",
        "EKG",
        "ecg",
        "ECG1",
        "ECG2-R",
        "EKG - ERS100C",
        "ECG100C",
        "ECG - ECG100C",
        "ERS100C",
        "ECG_raw",
    ],
    *["Lead I", "LEAD_II", "lead iii", "Lead 2", "lead aVF", "ECG Lead II", "EKG, X, ECG2-R"],
    *["ECG (.05 - 150 Hz)", "Electrocardiogram"],
]
OTHER_NAMES = [
    *["Heart Rate", "HR", "BPM", "ECG Rate", "ECG BPM", "ECG - Heart Rate", "R-R", "ECG R-R Interval", "HRV"],
    *[
        "RR from ECG",
        "ECG R-wave",
        "ECG QRS",
        "ECG integrated",
        "Respiration",
        "RESP - RSP100C",
        "EMG",
        "EEG",
    ],
    *["EDA - GSR100C", "ECoG", "PPG", "Leading edge", "Lead IV", "Analog input", ""],
]


def channel(index: int, name: str, unit: str = "mV", fs: float = 1000.0) -> Channel:
    return Channel(
        index=index,
        number=index + 1,
        name=name,
        unit=unit,
        fs=fs,
        n_samples=0,
        dtype=np.dtype(np.float64),
        scale=1.0,
        offset=0.0,
        sample_reader=lambda start, stop: np.zeros(stop - start),
    )


def channels(*rows: tuple[object, ...]) -> list[Channel]:
    return [channel(index, *row) for index, row in enumerate(rows)]


@pytest.mark.parametrize("name", ECG_NAMES)
def test_find_ecg_takes_the_channel_named_like_one(name: str) -> None:
    choice = find_ecg(channels(("Respiration", "V"), (name,), ("ECG Heart Rate", "BPM")))
    assert choice.index == 1
    assert choice.reason.startswith("its name says ")


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_find_ecg_takes_no_other_channel(name: str) -> None:
    with pytest.raises(ChannelError, match="no channel is named like an ECG; give one with --channel NAME"):
        find_ecg(channels((name,)))


def test_find_ecg_takes_no_channel_in_beats_per_minute() -> None:
    assert find_ecg(channels(("ECG", "BPM"), ("ECG", "mV"))).index == 1


@pytest.mark.parametrize(
    ("rows", "index", "difference"),
    [
        ([("ECG A", "mmHg"), ("ECG B", "Volts")], 1, "with a unit of voltage"),
        ([("ECG A", "mV", 62.5), ("ECG B", "mV", 250.0)], 1, "at 100 Hz or more"),
        ([("ECG", "mV"), ("ECG filtered", "mV")], 0, "that is not named as filtered"),
    ],
)
def test_find_ecg_tells_several_apart(rows: list[tuple[object, ...]], index: int, difference: str) -> None:
    choice = find_ecg(channels(*rows))
    assert choice.index == index
    assert choice.reason == f"its name says 'ECG'; of 2 such channels the only one {difference}"


def test_find_ecg_does_not_choose_between_leads() -> None:
    with pytest.raises(ChannelError) as caught:
        find_ecg(channels(("Lead I",), ("Lead II",), ("RESP", "", 3.90625)))
    assert str(caught.value) == (
        "2 channels are named like an ECG; give one with --channel NAME. The channels are "
        "0: 'Lead I' (mV, 1000 Hz); 1: 'Lead II' (mV, 1000 Hz); 2: 'RESP' (no unit, 3.90625 Hz)"
    )


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "index"), [("physio/physio-5.0.1", 1), ("nojournal/nojournal-3.8.1-c", 0), ("misc/r42_test", 0)]
)
def test_find_ecg_in_real_files(real_data: Path, name: str, index: int) -> None:
    assert find_ecg(ecgkit.read(real_data / "acq" / f"{name}.acq").channels).index == index


@pytest.mark.parametrize(
    ("units", "millivolts"),
    [
        (["mV", "MV", "mv", "millivolts", "milliVolt", "m V", "mVolts", "(mV)", " mV "], 1.0),
        (["V", "Volts", "volt", "VOLTS", "[V]"], 1000.0),
        (["uV", "\N{MICRO SIGN}V", "\N{GREEK SMALL LETTER MU}V", "microV", "microvolts", "uVolts"], 0.001),
        (["nV", "nanovolt"], 1e-6),
        (["", "microsiemens", "mmHg", "BPM", "kV", "VV", "L/sec", "\N{MICRO SIGN}S", "m"], None),
    ],
)
def test_millivolts_per_unit(units: list[str], millivolts: float | None) -> None:
    assert [millivolts_per_unit(unit) for unit in units] == [millivolts] * len(units)
