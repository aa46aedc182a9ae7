"""`.acq` files: the real ones equal to bioread's reading, damaged ones answered clearly."""

from __future__ import annotations

import contextlib
import logging
import pickle
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bioread
import numpy as np
import pytest
from support import acq_files
from support.acq_files import (
    CHANNEL_0,
    CHANNEL_1,
    DATA,
    FIRST_MARKER,
    MARKERS,
    SAMPLES,
    SEGMENT_DATE,
    patched,
    samples,
    write,
    write_lesson,
)

import ecgkit
from ecgkit.errors import ChannelError, ReadError
from ecgkit.readers.acq_samples import CHUNK_BYTES
from ecgkit.records import Recording
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq

VERSIONS = ("3.8.1", "3.9.1", "4.1.0", "4.2.0", "4.3.0", "4.4.0", "5.0.1")
PAIRS = [f"{kind}/{kind}-{version}" for kind in ("physio", "nojournal") for version in VERSIONS]
REAL = [f"{pair}{twin}.acq" for pair in PAIRS for twin in ("", "-c")] + [
    "misc/iso_8859_1.acq",
    "misc/r35_test.acq",
    "misc/r42_test.acq",
    "unicode/small-unicode-4.4.0.acq",
]
# AcqKnowledge's own 3.8.1 files of this recording lose their frames from here on, each in another way
LOST_FROM_TICK = {"physio/physio-3.8.1": 123392, "nojournal/nojournal-3.8.1": 123392}
SHIFTED = "physio/physio-5.0.1-c.acq"  # its markers are 34304 samples early, as AcqKnowledge stored them


def assert_samples_as_written(recording: Recording) -> None:
    for channel, written in zip(recording.channels, samples(), strict=True):
        np.testing.assert_array_equal(channel.read_raw(), written)


def style_of(theirs: Any, marker: Any) -> str:
    """Return the style of bioread's marker; before AcqKnowledge 4.4 its text tells a segment's start."""
    old = theirs.graph_header.file_revision < 128
    return "apnd" if old and re.fullmatch(r"Segment \d+", marker.text) else marker.type_code or ""


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_read_real_file_equals_bioread(real_data: Path, name: str) -> None:
    ours = ecgkit.read(real_data / "acq" / name)
    theirs = bioread.read(str(real_data / "acq" / name))
    for channel, bio in zip(ours.channels, theirs.channels, strict=True):
        assert (channel.name, channel.unit, channel.number) == (bio.name, bio.units, bio.order_num)
        assert (channel.fs, channel.n_samples) == (bio.samples_per_second, bio.point_count)
        raw = channel.read_raw()
        assert raw.dtype.isnative
        assert raw.dtype == channel.dtype
        np.testing.assert_array_equal(raw, bio.raw_data)
        np.testing.assert_array_equal(channel.read(), bio.data)
        start, stop = channel.n_samples // 3, channel.n_samples // 2
        np.testing.assert_array_equal(channel.read(start, stop), bio.data[start:stop])
    for marker, bio in zip(ours.markers, theirs.event_markers, strict=True):
        assert (marker.sample, marker.text) == (bio.sample_index, bio.text)
        assert (marker.style, marker.created) == (style_of(theirs, bio), bio.date_created_utc)
        number = None if marker.channel is None else ours.channels[marker.channel].number
        assert number == bio.channel_number
        assert marker.time_s == pytest.approx(bio.time_index)
    assert ours.journal == theirs.journal
    assert len(ours.warnings) == (1 if name == SHIFTED else 0)


@pytest.mark.real_data
@pytest.mark.parametrize("pair", PAIRS)
def test_read_compressed_twin_equals_uncompressed(real_data: Path, pair: str) -> None:
    plain = ecgkit.read(real_data / "acq" / f"{pair}.acq")
    packed = ecgkit.read(real_data / "acq" / f"{pair}-c.acq")
    assert (dict(plain.details)["compressed"], dict(packed.details)["compressed"]) == ("no", "yes")
    assert plain.channels == packed.channels
    assert plain.journal == packed.journal
    assert plain.markers == packed.markers or f"{pair}-c.acq" == SHIFTED
    for one, other in zip(plain.channels, packed.channels, strict=True):
        stop = int(min(one.n_samples, LOST_FROM_TICK.get(pair, 1 << 40) * one.fs // plain.fs))
        np.testing.assert_array_equal(one.read_raw(0, stop), other.read_raw(0, stop))


@pytest.mark.real_data
def test_read_real_file_gives_version_date_and_marker_channels(real_data: Path) -> None:
    recording = ecgkit.read(real_data / "acq/physio/physio-5.0.1.acq")
    assert recording.version == "AcqKnowledge 5.0.1, revision 132"
    assert recording.start_time == datetime(2016, 2, 2, 16, 30, 56, 276_000, tzinfo=UTC)
    assert [marker.channel for marker in recording.markers] == [None, 2, 2, None, 3, 0, None, 3, 0, None]


def test_read_gives_what_was_written(tmp_path: Path) -> None:
    recording = ecgkit.read(str(write(tmp_path / "file.acq")))
    ecg, respiration = recording.channels
    assert (ecg.index, ecg.number, ecg.fs, ecg.n_samples) == (0, 4, 1000.0, 1001)
    assert (ecg.scale, ecg.offset, ecg.dtype) == (0.001, 0.25, np.dtype(np.int16))
    assert (respiration.fs, respiration.scale) == (250.0, 1.0)
    assert [(m.sample, m.text, m.style, m.channel) for m in recording.markers] == [
        (0, "Segment 1", "apnd", None),
        (100, "in", "rein", 1),
        (400, "Größe", "flag", None),
    ]
    assert recording.start_time == SEGMENT_DATE  # the segment's, though another marker's is earlier
    assert recording.journal == "All went well."
    assert recording.warnings == ()
    assert_samples_as_written(recording)


def test_read_takes_scale_and_offset_of_float_channels_for_meaningless(tmp_path: Path) -> None:
    path = patched(write(tmp_path / "file.acq"), CHANNEL_1 + 92, "d", 5.0)
    assert_samples_as_written(ecgkit.read(path))


def test_channel_read_crosses_chunks_exactly(tmp_path: Path) -> None:
    n = CHUNK_BYTES // 10 + 1000
    slow, fast = np.arange(-(-n // 3), dtype=np.float64), (np.arange(n) % 30011).astype(np.int16)
    for compressed in (False, True):
        path = tmp_path / "file.acq"
        channels = [AcqChannel(slow, "slow", "V", divider=3), AcqChannel(fast, "ECG", "mV")]
        write_acq(path, [*channels, AcqChannel(slow, "more", "V", divider=3)], fs=1000, compressed=compressed)
        recording = ecgkit.read(path)
        np.testing.assert_array_equal(recording.channels[1].read_raw(), fast)
        np.testing.assert_array_equal(recording.channels[2].read_raw(7, len(slow) - 5), slow[7:-5])


@pytest.mark.parametrize("name", SAMPLES)
def test_read_of_every_revision_equals_bioread(tmp_path: Path, name: str) -> None:
    path = SAMPLES[name](tmp_path)
    ours, theirs = ecgkit.read(path), bioread.read(str(path))
    for channel, bio in zip(ours.channels, theirs.channels, strict=True):
        assert (channel.name, channel.unit, channel.number) == (bio.name, bio.units, bio.order_num)
        assert channel.fs == bio.samples_per_second
        np.testing.assert_array_equal(channel.read(), bio.data)
    for marker, bio in zip(ours.markers, theirs.event_markers, strict=True):
        assert (marker.sample, marker.text) == (bio.sample_index, bio.text)
        assert marker.style == style_of(theirs, bio)
        never_set = bio.date_created_utc is None or bio.date_created_utc.year == 1970
        assert marker.created == (None if never_set else bio.date_created_utc)
        assert (marker.channel is None) == (bio.channel_number is None)
    assert ours.journal == theirs.journal
    assert ours.warnings == ()


def test_read_of_a_lesson_file_without_extension_splits_at_its_segments(tmp_path: Path) -> None:
    recording = ecgkit.read(write_lesson(tmp_path))
    (ecg,) = recording.channels
    assert recording.format == "acq"
    assert recording.segments(ecg) == ((0, 400), (400, 800), (800, 1200), (1200, 1500))
    assert [marker.text for marker in recording.markers][2:] == ["Deep breathing", "After exercise"]


@pytest.mark.parametrize(("revision", "told"), [(42, True), (84, True), (124, True), (128, False)])
def test_text_tells_a_segment_before_version_4_4_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: int, told: bool
) -> None:
    texts = ((0, b"Segment 1"), (120, b"Segment 2"), (200, b"Segment 3 ends"))
    monkeypatch.setattr(acq_files, "OLD_MARKERS", texts)
    recording = ecgkit.read(acq_files.write_old(tmp_path / "file.acq", revision=revision))
    expected = ((0, 120), (120, 301)) if told else ((0, 301),)
    assert recording.segments(recording.channels[0]) == expected


def test_read_of_many_markers_takes_seconds_not_minutes(tmp_path: Path) -> None:
    markers = [AcqMarker(n, "R", style="qrs", channel=n % 2) for n in range(100_000)]
    path = write(tmp_path / "file.acq", markers=markers)
    began = time.process_time()
    recording = ecgkit.read(path)
    assert time.process_time() - began < 5
    assert [marker.sample for marker in recording.markers] == list(range(100_000))


def test_channel_read_survives_pickling_and_knows_its_range(tmp_path: Path) -> None:
    channel = ecgkit.read(write(tmp_path / "file.acq")).channels[0]
    copy = pickle.loads(pickle.dumps(channel))
    np.testing.assert_array_equal(copy.read(10, 20), channel.read()[10:20])
    assert len(channel.read(1001)) == 0
    with pytest.raises(ChannelError, match=r"\[0, 1002\) asked for, it has \[0, 1001\)"):
        channel.read(0, 1002)


@pytest.mark.parametrize("compressed", [False, True])
def test_read_of_a_cut_file_fails_or_warns(tmp_path: Path, compressed: bool) -> None:
    whole = write(tmp_path / "whole.acq", compressed=compressed).read_bytes()
    cuts = {*np.linspace(1, len(whole) - 1, 50).astype(int).tolist(), MARKERS, FIRST_MARKER, len(whole) - 1}
    cuts |= {2, 5, 6, 2399, CHANNEL_0, CHANNEL_0 + 20, CHANNEL_1, DATA - 8, DATA - 1, DATA, DATA + 1}
    for cut in sorted(cuts):
        path = tmp_path / "cut.acq"
        path.write_bytes(whole[:cut])
        if compressed or cut < MARKERS:
            with pytest.raises(ReadError, match=r"cut\.acq: (cut off in the|not a recording)"):
                ecgkit.read(path)
        else:
            recording = ecgkit.read(path)
            assert "cut off in the" in recording.warnings[0]
            assert_samples_as_written(recording)


def test_read_of_cut_samples_says_expected_and_got(tmp_path: Path) -> None:
    path = write(tmp_path / "file.acq")
    path.write_bytes(path.read_bytes()[: DATA + 100])
    with pytest.raises(ReadError, match=f"cut off in the samples: expected 4010 bytes at {DATA}, got 100 "):
        ecgkit.read(path)


@pytest.mark.parametrize(
    ("offset", "code", "value", "message"),
    [
        (6, "i", 0, "graph header at 0 claims a length of 0 bytes"),
        (6, "i", 1 << 30, "cut off in the graph header"),
        (10, "h", 0, "graph header at 0 gives 0 channels"),
        (10, "h", -3, "graph header at 0 gives -3 channels"),
        (10, "h", 32767, "graph header at 0 gives 32767 channels, expected 1 to 512"),
        (10, "h", 512, "cut off in the header of channel|header of channel .* claims a length"),
        (16, "d", 0.0, "gives 0.0 ms per sample"),
        (16, "d", -1.0, "gives -1.0 ms per sample"),
        (16, "d", float("nan"), "gives nan ms per sample"),
        (16, "d", float("inf"), "gives inf ms per sample"),
        (16, "d", 5e-324, "ms per sample"),
        (
            16,
            "d",
            1.7e308,
            "expected a sampling rate of 1e-06 to 1e\\+07 Hz",
        ),
        (2414, "i", 0, "padding header at 2414 claims a length of 0"),
        (CHANNEL_0, "i", -5, "header of channel 0 of 2 at .* claims a length of -5"),
        (CHANNEL_1 + 88, "i", -1, "header of channel 1 of 2 at 4282 gives a sample count of -1, expected at"),
        (CHANNEL_1 + 88, "i", 1 << 30, "cut off in the samples"),
        (CHANNEL_1 + 152, "h", -2, "header of channel 1 of 2 at 4282 gives a divider of -2"),
        (DATA - 16, "i", -1, "foreign data at .* claims a length of -1"),
        (DATA - 8, "i", 0x00070007, "sample types of 2 channels are not where they should be"),
    ],
)
def test_read_names_the_field_that_is_impossible(
    tmp_path: Path, offset: int, code: str, value: float, message: str
) -> None:
    path = write(tmp_path / "file.acq")
    with pytest.raises(ReadError, match=message):
        ecgkit.read(patched(path, offset, code, value))


@pytest.mark.parametrize(
    ("offset", "code", "value", "message", "markers"),
    [
        (MARKERS + 4, "i", -7, f"marker header at {MARKERS} gives -8 markers", 0),
        (MARKERS + 4, "i", 1 << 30, "marker 3 of 1073741823 (lies beyond|at)|cut off", 3),
        (MARKERS, "i", 41 + 32 + 10, "marker 1 of 3 at .* lies beyond the markers' section", 1),
        (FIRST_MARKER + 30, "h", -34, "text of marker 0 of 3 at .* claims a length of -34", 0),
        (FIRST_MARKER + 8, "h", 99, "1 of 3 markers on a channel number that no channel has", 3),
        (FIRST_MARKER, "I", (1 << 32) - 5, "1 of 3 markers lie outside the recording of 1004 samples", 3),
        (FIRST_MARKER + 14, "Q", (1 << 64) - 1, "1 of 3 markers with a date outside 1990 to 2099", 3),
        (FIRST_MARKER + 14, "Q", 1, "1 of 3 markers with a date outside 1990 to 2099", 3),
    ],
)
def test_read_keeps_the_samples_when_markers_are_damaged(
    tmp_path: Path, offset: int, code: str, value: int, message: str, markers: int
) -> None:
    path = write(tmp_path / "file.acq")
    recording = ecgkit.read(patched(path, offset, code, value))
    assert_samples_as_written(recording)
    assert len(recording.warnings) == 1
    assert re.search(message, recording.warnings[0])
    assert len(recording.markers) == markers
    assert all(m.created is None or m.created.year == 2024 for m in recording.markers)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("length", [-1, 0x7FFFFFFF, 1000])
def test_read_keeps_the_samples_when_the_journal_is_damaged(
    tmp_path: Path, compressed: bool, length: int
) -> None:
    path = write(tmp_path / "file.acq", compressed=compressed)
    text = path.read_bytes().index(b"All went well.")
    recording = ecgkit.read(patched(path, text - 4, "i", length))
    assert_samples_as_written(recording)
    assert recording.journal is None
    assert len(recording.markers) == 3
    assert recording.warnings == (
        f"the journal at {text} claims {length} bytes of text, there are 15; it is left out",
    )


@pytest.mark.parametrize("length", [-1, 1 << 30])
def test_read_of_a_wrong_journal_section_warns_or_loses_compressed_samples(
    tmp_path: Path, length: int
) -> None:
    for compressed in (False, True):
        path = write(tmp_path / "file.acq", compressed=compressed)
        section = path.read_bytes().index(b"All went well.") - 594 - 4
        patched(path, section, "i", length)
        if compressed:
            with pytest.raises(ReadError, match="compressed samples behind it can't be found"):
                ecgkit.read(path)
        else:
            recording = ecgkit.read(path)
            assert_samples_as_written(recording)
            assert len(recording.markers) == 3
            assert "journal" in recording.warnings[0]


@pytest.mark.parametrize("scale", [float("nan"), float("-inf"), 0.0, 1e307])
def test_read_warns_of_a_scale_that_gives_no_values(tmp_path: Path, scale: float) -> None:
    recording = ecgkit.read(patched(write(tmp_path / "file.acq"), CHANNEL_0 + 92, "d", scale))
    assert recording.warnings == (
        f"channel 0 'ECG': scale {scale} and offset 0.25 give no usable values; only its raw samples can be "
        "used",
    )


def test_channel_read_of_a_damaged_stream_fails(tmp_path: Path) -> None:
    path = write(tmp_path / "file.acq", compressed=True, journal=None)
    data = bytearray(path.read_bytes())
    stream = data.index(b"mV\0x") + 3
    data[stream + 40] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ReadError, match=r"samples of channel 'ECG'.* (can't be inflated|inflate to)"):
        ecgkit.read(path).channels[0].read(0, 5)


@pytest.mark.parametrize(("count", "got"), [(1000, "more"), (1002, "2002")])
def test_channel_read_of_a_stream_of_another_length_fails(tmp_path: Path, count: int, got: str) -> None:
    path = write(tmp_path / "file.acq", compressed=True)
    stream = path.read_bytes().index(b"mV\0x") + 3
    patched(path, CHANNEL_0 + 88, "i", count)
    with pytest.raises(ReadError, match=f"inflate to 2002, the channel's header says {2 * count}"):
        ecgkit.read(path)
    patched(path, stream - 7 - 8, "i", 2 * count)
    with pytest.raises(ReadError, match=f"inflate to {got} bytes, its header says {2 * count}"):
        ecgkit.read(path).channels[0].read()


def test_read_refuses_a_stream_that_claims_more_than_zlib_can_hold(tmp_path: Path) -> None:
    path = write(tmp_path / "file.acq", compressed=True)
    stream = path.read_bytes().index(b"mV\0x") + 3
    patched(path, CHANNEL_0 + 88, "i", (1 << 30) - 1)
    patched(path, stream - 7 - 8, "i", (1 << 31) - 2)
    with pytest.raises(ReadError, match="compressed samples of channel 0"):
        ecgkit.read(path)


def test_channel_read_fails_when_the_file_has_shrunk_or_gone(tmp_path: Path) -> None:
    path = write(tmp_path / "file.acq")
    channel = ecgkit.read(path).channels[0]
    path.write_bytes(path.read_bytes()[: DATA + 50])
    with pytest.raises(ReadError, match=r"ends inside its samples: expected .* got 50; it has changed"):
        channel.read()
    path.unlink()
    with pytest.raises(ReadError, match="can't be opened for its samples"):
        channel.read()


def test_read_of_random_damage_never_fails_otherwise(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    path = tmp_path / "file.acq"
    for compressed in (False, True):
        whole = write(path, compressed=compressed).read_bytes()
        for _ in range(250):
            data = bytearray(whole)
            # mostly where the fields are: the first bytes of each header
            block = random.choice([0, CHANNEL_0, CHANNEL_1, DATA - 16, DATA if compressed else MARKERS])
            for offset in block + random.integers(0, 160, random.integers(1, 4)):
                data[offset] = random.integers(0, 256)
            path.write_bytes(data)
            with contextlib.suppress(ReadError):
                for channel in ecgkit.read(path).channels:
                    assert len(channel.read_raw()) == channel.n_samples


def test_read_prints_nothing_and_leaves_logging_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("bioread")
    before = (logger.level, list(logger.handlers), list(logger.filters), logger.propagate)
    path = write(tmp_path / "file.acq")
    ecgkit.read(patched(path, MARKERS + 4, "i", -7))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ReadError):
        ecgkit.read(path)
    assert capfd.readouterr() == ("", "")
    assert before == (logger.level, list(logger.handlers), list(logger.filters), logger.propagate)
