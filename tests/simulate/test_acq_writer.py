"""The `.acq` writer: read back exactly, by bioread and by ecgkit; what does not fit is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import bioread
import neurokit2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ecgkit
from ecgkit.errors import ChannelError, ConfigError
from ecgkit.readers.usable import clean_text
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq

DAY = datetime(2024, 3, 5, 10, 30, tzinfo=UTC)


def counts(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(1 << 15), 1 << 15, n, dtype=np.int16)


def texts(max_bytes: int) -> st.SearchStrategy[str]:
    characters = st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])
    return st.text(characters, max_size=max_bytes).filter(lambda text: len(text.encode()) <= max_bytes)


@st.composite
def acq_channels(draw: st.DrawFn) -> list[AcqChannel]:
    numbers = draw(st.lists(st.integers(0, 32767), min_size=1, max_size=16, unique=True))
    # either a recording that stops anywhere in a frame, or counts that have nothing to do with each other
    ticks = draw(st.one_of(st.none(), st.integers(1, 700)))
    channels = []
    for number in numbers:
        divider = draw(st.sampled_from([1, 1, 2, 3, 4, 5, 8, 64]))
        n = draw(st.integers(1, 60)) if ticks is None else -(-ticks // divider)
        as_int = draw(st.booleans())
        dtype = np.int16 if as_int else np.float64
        samples = draw(
            hnp.arrays(dtype, n, elements=None if as_int else st.floats(width=64, allow_nan=False))
        )
        channels.append(
            AcqChannel(
                samples=samples,
                name=draw(texts(39)),
                unit=draw(texts(19)),
                scale=draw(st.floats(-1e6, 1e6)),
                offset=draw(st.floats(-1e6, 1e6)),
                divider=divider,
                number=number,
            )
        )
    return channels


def acq_markers(n_channels: int) -> st.SearchStrategy[list[AcqMarker]]:
    marker = st.builds(
        AcqMarker,
        sample=st.integers(0, (1 << 32) - 1),
        text=texts(80),
        style=st.sampled_from(["flag", "apnd", "qrs", "usr1"]),
        channel=st.one_of(st.none(), st.integers(0, n_channels - 1)),
        created=st.one_of(st.none(), st.integers(0, 10**12).map(lambda ms: DAY + timedelta(milliseconds=ms))),
    )
    return st.lists(marker, max_size=6)


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_write_acq_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    channels = data.draw(acq_channels())
    markers = data.draw(acq_markers(len(channels)))
    journal = data.draw(st.one_of(st.none(), texts(300)))
    path = tmp_path_factory.mktemp("written") / "file.acq"
    fs = data.draw(st.sampled_from([100.0, 250.0, 1000.0, 2000.0, 44.1]))
    order, compressed = data.draw(st.sampled_from(["little", "big"])), data.draw(st.booleans())

    write_acq(
        path, channels, fs=fs, markers=markers, journal=journal, byte_order=order, compressed=compressed
    )

    theirs = bioread.read(str(path))
    ours = ecgkit.read(path)
    assert ours.fs == theirs.samples_per_second == pytest.approx(fs, rel=1e-15)
    assert ours.journal == theirs.journal == journal
    assert dict(ours.details) == {
        "byte order": f"{order}-endian",
        "compressed": "yes" if compressed else "no",
    }
    for written, bio, channel in zip(channels, theirs.channels, ours.channels, strict=True):
        assert (bio.name, bio.units) == (written.name, written.unit)
        assert (channel.name, channel.unit) == (clean_text(bio.name), clean_text(bio.units))
        assert channel.number == bio.order_num == written.number
        assert channel.fs == fs / written.divider == fs / bio.frequency_divider
        np.testing.assert_array_equal(bio.raw_data, written.samples)
        np.testing.assert_array_equal(channel.read(), bio.data)
        raw = channel.read_raw()
        assert raw.dtype == written.samples.dtype == channel.dtype
        np.testing.assert_array_equal(raw, written.samples)
        start = data.draw(st.integers(0, channel.n_samples))
        stop = data.draw(st.integers(start, channel.n_samples))
        np.testing.assert_array_equal(channel.read_raw(start, stop), written.samples[start:stop])
    for put, bio, marker in zip(markers, theirs.event_markers, ours.markers, strict=True):
        assert (bio.sample_index, bio.text, bio.type_code) == (put.sample, put.text, put.style.ljust(4))
        assert (marker.sample, marker.text) == (bio.sample_index, clean_text(bio.text))
        assert marker.style == clean_text(bio.type_code)
        assert marker.channel == put.channel
        assert marker.created == put.created
        assert marker.time_s == pytest.approx(put.sample / fs)


@pytest.mark.parametrize("compressed", [False, True])
def test_write_acq_is_read_by_neurokit(tmp_path: Path, compressed: bool) -> None:
    ecg = AcqChannel(counts(3000), "ECG", "mV", scale=0.001, offset=-0.5)
    resp = AcqChannel(np.sin(np.arange(3000) / 300), "Respiration", "V")
    write_acq(tmp_path / "file.acq", [ecg, resp], fs=1000, compressed=compressed)
    table, rate = neurokit2.read_acqknowledge(str(tmp_path / "file.acq"))
    assert rate == 1000
    assert list(table.columns) == ["ECG", "Respiration"]
    np.testing.assert_array_equal(table["ECG"], ecg.samples * 0.001 - 0.5)
    np.testing.assert_array_equal(table["Respiration"], resp.samples)


def test_write_acq_gives_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a.acq", "b.acq"):
        write_acq(tmp_path / name, [AcqChannel(counts(50), "ECG", "mV")], fs=500, markers=[AcqMarker(3, "x")])
    assert (tmp_path / "a.acq").read_bytes() == (tmp_path / "b.acq").read_bytes()


def test_write_acq_lays_two_rates_out_by_ticks(tmp_path: Path) -> None:
    fast = AcqChannel(np.array([1, 2, 3, 4, 5], np.int16), "fast", "V")
    slow = AcqChannel(np.array([11, 12, 13], np.int16), "slow", "V", divider=2)
    write_acq(tmp_path / "file.acq", [slow, fast], fs=1000)
    data_start = 2414 + 40 + 2 * 1828 + 8 + 2 * 4
    data = np.frombuffer((tmp_path / "file.acq").read_bytes(), "<i2", count=8, offset=data_start)
    assert data.tolist() == [11, 1, 2, 12, 3, 4, 13, 5]


def test_write_acq_keeps_a_channel_without_samples(tmp_path: Path) -> None:
    empty = AcqChannel(np.zeros(0), "empty", "V")
    for compressed in (False, True):
        write_acq(tmp_path / "file.acq", [empty], fs=1000, compressed=compressed)
        assert len(ecgkit.read(tmp_path / "file.acq").channels[0].read()) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "n" * 40}, "name takes 40 bytes .* at most 39"),
        ({"name": "é" * 20}, "name takes 40 bytes"),
        ({"name": "a\0b"}, "none of them NUL"),
        ({"unit": "u" * 20}, "unit takes 20 bytes .* at most 19"),
        ({"samples": np.zeros(4, np.int32)}, "type int32, expected int16 or float64"),
        ({"samples": np.zeros((4, 2))}, r"shape \(4, 2\), expected \(n,\)"),
        ({"divider": 0}, "divider 0, expected 1 to 32767"),
        ({"scale": float("nan")}, "scale nan"),
        ({"number": -1}, "channel numbers"),
    ],
)
def test_write_acq_refuses_channels_that_do_not_fit(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    fitting = {"samples": counts(4), "name": "ECG", "unit": "mV"}
    with pytest.raises(ChannelError, match=message):
        write_acq(tmp_path / "file.acq", [AcqChannel(**(fitting | changes))], fs=1000)
    assert list(tmp_path.iterdir()) == []


def test_write_acq_refuses_no_channels_seventeen_and_equal_numbers(tmp_path: Path) -> None:
    channel = AcqChannel(counts(4), "ECG", "mV", number=1)
    for channels in ([], [channel] * 2, [AcqChannel(counts(4), "ECG", "mV")] * 17):
        with pytest.raises(ChannelError):
            write_acq(tmp_path / "file.acq", channels, fs=1000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fs": 0}, "sampling rate 0 Hz"),
        ({"fs": float("inf")}, "sampling rate inf Hz"),
        ({"byte_order": "middle"}, "expected 'little' or 'big'"),
        ({"journal": "a\0b"}, "journal: holds a NUL"),
        ({"journal": "\ud800"}, "can't be written as UTF-8"),
        ({"markers": [AcqMarker(-1, "x")]}, "sample -1"),
        ({"markers": [AcqMarker(0, "x" * 32767)]}, "a text of 32768 bytes"),
        ({"markers": [AcqMarker(0, "x\0y")]}, "NUL character"),
        ({"markers": [AcqMarker(0, "x", style="flags")]}, "style 'flags'"),
        ({"markers": [AcqMarker(0, "x", channel=1)]}, "channel 1, expected 0 to 0"),
        ({"markers": [AcqMarker(0, "x", created=datetime(2024, 1, 1))]}, "expected a time zone"),
    ],
)
def test_write_acq_refuses_settings_that_do_not_fit(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        write_acq(tmp_path / "file.acq", [AcqChannel(counts(4), "ECG", "mV")], **({"fs": 1000} | options))
    assert list(tmp_path.iterdir()) == []
