"""The leads of a recording: named, found, derived."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import ecgkit
from ecgkit.errors import ChannelError
from ecgkit.readers.leads import choose_ecg
from ecgkit.simulate.acq_writer import AcqChannel, write_acq

RANDOM = np.random.default_rng(2)
LEAD_I, LEAD_II = (RANDOM.integers(-2000, 2000, 900, dtype=np.int16) for _ in range(2))


def recording(path: Path, *channels: AcqChannel, compressed: bool = False) -> ecgkit.records.Recording:
    write_acq(path / "leads.acq", channels, fs=1000, compressed=compressed)
    return ecgkit.read(path / "leads.acq")


def two_leads(path: Path, *, compressed: bool = False) -> ecgkit.records.Recording:
    """Lead II first and in microvolts, one sample longer."""
    return recording(
        path,
        AcqChannel(np.append(LEAD_II, np.int16(7)), "ECG Lead II", "uV", 2.0, 10.0),
        AcqChannel(np.zeros(113), "RESP", "V", divider=8),
        AcqChannel(LEAD_I, "ECG Lead I", "mV", 0.001, 0.5),
        compressed=compressed,
    )


def test_choose_ecg_takes_one_lead_by_default(tmp_path: Path) -> None:
    chosen = choose_ecg(two_leads(tmp_path))
    assert (chosen.indexes, chosen.names) == ((2,), ("I",))
    assert "lead I of the leads I, II" in chosen.reason


@pytest.mark.parametrize(
    ("named", "indexes", "names"),
    [
        (["II", "I"], (0, 2), ("II", "I")),
        (["Lead I"], (2,), ("I",)),
        (["ECG Lead I", "0"], (2, 0), ("I", "II")),
        (["1"], (1,), ("RESP",)),
        (["I", "II", "III"], (2, 0, 3), ("I", "II", "III")),
        (["III"], (3,), ("III",)),
    ],
)
def test_choose_ecg_takes_names_positions_and_leads(
    tmp_path: Path, named: list[str], indexes: tuple[int, ...], names: tuple[str, ...]
) -> None:
    chosen = choose_ecg(two_leads(tmp_path), named)
    assert (chosen.indexes, chosen.names, chosen.reason) == (indexes, names, "as named")
    assert [chosen.recording.channels[index] for index in indexes] == list(chosen.channels)


@pytest.mark.parametrize("compressed", [False, True])
def test_lead_three_is_lead_two_less_lead_one(tmp_path: Path, compressed: bool) -> None:
    (three,) = choose_ecg(two_leads(tmp_path, compressed=compressed), ["III"]).channels
    expected = (LEAD_II * 2.0 + 10.0) * 0.001 - (LEAD_I * 0.001 + 0.5)
    assert (three.name, three.unit, three.fs, three.n_samples) == ("III = II - I", "mV", 1000.0, 900)
    np.testing.assert_allclose(three.read(), expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(three.read(17, 500), three.read()[17:500])
    np.testing.assert_array_equal(np.concatenate(list(three.chunks(256))), three.read())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(three)).read(), three.read())


def test_choose_ecg_prefers_a_lead_three_that_was_recorded(tmp_path: Path) -> None:
    names = ("Lead I", "Lead II", "Lead III")
    leads = recording(tmp_path, *(AcqChannel(LEAD_I, name, "mV") for name in names))
    assert choose_ecg(leads, ["III"]).indexes == (2,)


def test_choose_ecg_refuses_one_lead_twice(tmp_path: Path) -> None:
    for named in (["I", "ECG Lead I"], ["III", "III"]):
        with pytest.raises(ChannelError, match="is named twice as a lead"):
            choose_ecg(two_leads(tmp_path), named)


def test_choose_ecg_refuses_leads_of_several_rates_or_units(tmp_path: Path) -> None:
    with pytest.raises(
        ChannelError, match=r"differ in rate or unit.* 0: 'ECG Lead II' \(uV, 1000 Hz\); 1: 'RESP'"
    ):
        choose_ecg(two_leads(tmp_path), ["II", "RESP"])
    mixed = recording(tmp_path, AcqChannel(LEAD_I, "Lead I", "mV"), AcqChannel(LEAD_II, "Lead II", "adu"))
    with pytest.raises(ChannelError, match="differ in rate or unit"):
        choose_ecg(mixed, ["I", "II"])


def test_choose_ecg_of_a_lead_that_is_not_there_lists_the_channels(tmp_path: Path) -> None:
    with pytest.raises(ChannelError) as caught:
        choose_ecg(two_leads(tmp_path), ["aVF"], looks=lambda channel: f"looks {channel.index}")
    assert "'aVF'" in str(caught.value)
    assert "1: 'RESP' (V, 125 Hz), looks 1" in str(caught.value)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (AcqChannel(LEAD_II[::2].copy(), "Lead II", "mV", divider=2), "II in mV at 500 Hz"),
        (AcqChannel(LEAD_II, "Lead II", ""), "II in no unit at 1000 Hz; expected one rate"),
    ],
)
def test_lead_three_needs_one_rate_and_voltages(tmp_path: Path, second: AcqChannel, message: str) -> None:
    leads = recording(tmp_path, AcqChannel(LEAD_I, "Lead I", "mV"), second)
    with pytest.raises(ChannelError, match=message):
        choose_ecg(leads, ["III"])


def test_choose_ecg_tells_two_channels_of_one_lead_apart(tmp_path: Path) -> None:
    channels = (AcqChannel(LEAD_I, name, "mV") for name in ("ECG I", "ECG I filtered"))
    chosen = choose_ecg(recording(tmp_path, *channels), ["1", "0"])
    assert chosen.names == ("ECG I filtered (1)", "ECG I (0)")


def test_lead_three_is_not_derived_from_leads_that_two_channels_claim(tmp_path: Path) -> None:
    names = ("Lead I", "ECG I", "Lead II")
    leads = recording(tmp_path, *(AcqChannel(LEAD_I, name, "mV") for name in names))
    with pytest.raises(ChannelError, match="The channels are 0: 'Lead I'"):
        choose_ecg(leads, ["III"])
