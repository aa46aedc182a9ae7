"""The respiration channel by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ecgkit
from ecgkit.readers.respiration_channel import find_respiration
from ecgkit.records import Channel


def channels(*rows: tuple[str, str]) -> list[Channel]:
    return [
        Channel(
            index, index, name, unit, 50.0, 10, np.dtype(np.float64), 1.0, 0.0, lambda a, b: np.zeros(b - a)
        )
        for index, (name, unit) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    "name",
    [
        *["RSP", "RESP", "Resp.", "Respiration", "RESP - RSP100C", "RSP, X, RSP2-R", "Respiratory belt"],
        *["Breathing", "Thoracic", "Abdomen", "rsp_belt", "RSP100C", "Chest belt"],
    ],
)
def test_find_respiration_takes_the_channel_named_like_it(name: str) -> None:
    assert find_respiration(channels(("ECG", "mV"), (name, "Volts"), ("Respiration Rate", "BPM"))) == 1


@pytest.mark.parametrize(
    "name",
    ["ECG", "Resp Rate", "Respiration phase", "CO2 breath", "Response", "Corresp", "RSA", "Trespass", ""],
)
def test_find_respiration_takes_no_other_channel(name: str) -> None:
    assert find_respiration(channels((name, "V"))) is None


def test_find_respiration_does_not_choose_between_two() -> None:
    assert find_respiration(channels(("Thorax", "V"), ("Abdomen", "V"))) is None
    assert find_respiration(channels(("Respiration", "BPM"))) is None


@pytest.mark.real_data
def test_find_respiration_in_all_real_files(real_data: Path) -> None:
    found = []
    for path in sorted((real_data / "acq").rglob("*.acq")):
        recording = ecgkit.read(path)
        index = find_respiration(recording.channels)
        found.append((path.stem, None if index is None else recording.channels[index].name))
    without = ["iso_8859_1", "r35_test", "r42_test"]
    assert len(found) == 32
    assert sorted(stem for stem, name in found if name is None) == without
    assert {name for stem, name in found if stem not in without} == {"RESP - RSP100C"}
