"""The ECG channel by name, unit and rate; units of voltage."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest

import ecgkit
from ecgkit.errors import ChannelError
from ecgkit.readers.ecg_channel import find_ecg, lead_of, millivolts_per_unit
from ecgkit.readers.respiration_channel import find_respiration
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
    *["ECG (.05 - 150 Hz)", "Electrocardiogram", "II", "aVR", "MLII", "v5", "chest_ecg", "ECG ECG1"],
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
    *["EDA - GSR100C", "ECoG", "PPG", "Leading edge", "Lead IV", "Analog 1 filtered", "VII", "I think", "X"],
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


@pytest.mark.parametrize("name", ["channel 1", "column 0", "CH1", "Analog input", "", "0"])
def test_find_ecg_takes_an_only_channel_whose_name_says_nothing(name: str) -> None:
    choice = find_ecg(channels((name, "")))
    assert (choice.index, choice.reason) == (0, "the only channel, and its name says nothing else")
    with pytest.raises(ChannelError, match="no channel is named like an ECG"):
        find_ecg(channels((name, ""), ("channel 2", "")))


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


def test_find_ecg_takes_the_first_of_several_leads() -> None:
    choice = find_ecg(channels(("V5",), ("Lead II",), ("RESP", "", 3.90625), ("ECG I",)))
    assert choice.index == 3
    assert choice.reason == "lead I of the leads I, II, V5; --leads takes several"


def test_find_ecg_does_not_choose_between_channels_that_are_no_leads() -> None:
    rows = channels(("ECG 1",), ("ECG 2",), ("RESP", "", 3.90625))
    with pytest.raises(ChannelError) as caught:
        find_ecg(rows, looks=lambda channel: "slow waves" if channel.index == 2 else "like an ECG")
    assert str(caught.value) == (
        "2 channels are named like an ECG; give one with --channel NAME. The channels are "
        "0: 'ECG 1' (mV, 1000 Hz), like an ECG; 1: 'ECG 2' (mV, 1000 Hz), like an ECG; "
        "2: 'RESP' (no unit, 3.90625 Hz), slow waves"
    )


@pytest.mark.parametrize(
    ("lead", "names"),
    [
        (
            "I",
            ["I", "i", "ECG I", "ECG I filtered", "Lead I", "Lead 1", "LEAD_I", "lead i ecg", "ECG Lead I"],
        ),
        ("II", ["II", "Lead II", "EKG - Lead II", "ECG (Lead II)", "ECG Lead 2", "CH1 Lead II"]),
        ("III", ["III", "Lead-3"]),
        ("aVF", ["AVF", "ECG aVF", "EKG - Lead aVF"]),
        ("V5", ["V5", "ECG V5"]),
        ("MLII", ["MLII"]),
        (
            None,
            ["ECG", "ECG 2", "ECG1", "EKG - ERS100C", "ECG, X, ECG2-R", "Respiration I", "1", "IV", "V7", ""],
        ),
    ],
)
def test_lead_of_knows_the_lead_that_a_name_says(lead: str | None, names: list[str]) -> None:
    assert [lead_of(name) for name in names] == [lead] * len(names)


@pytest.mark.parametrize("filling", [" ", "lead ", "ecg", "_", "(", "r", "1", "lead- ", "respir"])
def test_names_of_any_length_are_told_at_once(filling: str) -> None:
    began = time.process_time()
    for name in (f"ecg{filling * 16_000}x", f"lead{filling * 16_000}", filling * 16_000):
        lead_of(name)
        find_respiration([channel(0, name)])
        millivolts_per_unit(name)
        with contextlib.suppress(ChannelError):
            find_ecg([channel(0, name), channel(1, name)])
    assert time.process_time() - began < 1


@pytest.mark.real_data
def test_find_ecg_in_all_real_files(real_data: Path) -> None:
    found, without = [], []
    for path in sorted((real_data / "acq").rglob("*.acq")):
        channels = ecgkit.read(path).channels
        try:
            found.append(channels[find_ecg(channels).index].name)
        except ChannelError:
            without.append(path.name)
    assert without == ["iso_8859_1.acq", "r35_test.acq"]  # pressures; two times "Analog input"
    assert sorted(found) == ["ECG (.05 - 150 Hz)", *29 * ["EKG - ERS100C"]]


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
