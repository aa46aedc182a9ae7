"""XDF files: streams on one time axis, every sample exact; damaged files refused within bounds."""

from __future__ import annotations

import pickle
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pyxdf")

from support.xdf_files import (
    BOUNDARY,
    CLOCK_OFFSET,
    FILE_HEADER,
    FORMATS,
    SAMPLES,
    SAMPLES_TAG,
    STREAM_HEADER,
    Stream,
    chunk,
    ecg,
    length,
    markers,
    xdf_bytes,
)

import ecgkit
from ecgkit.errors import ReadError

RAW_TYPES = {"int8": "int16", "int64": "float64", "double64": "float64"}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file.xdf"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", SAMPLES)
def test_read_gives_every_sample_file(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = SAMPLES[name](tmp_path)
    assert path.stat().st_size < 20_000
    recording = ecgkit.read(path)
    assert (recording.format, recording.fs, recording.channels[0].n_samples) == ("xdf", 250.0, 300)
    assert [(c.name, c.unit) for c in recording.channels[:2]] == [
        ("ECG: Lead I", "microvolts"),
        ("ECG: Lead II", "microvolts"),
    ]
    assert recording.start_time == datetime(2024, 3, 5, 9, 30, tzinfo=UTC)
    assert (recording.warnings, recording.lost) == ((), ())
    assert capfd.readouterr() == ("", "")


@settings(max_examples=40)
@given(
    kind=st.sampled_from(sorted(FORMATS)),
    n_samples=st.integers(1, 80),
    stamped=st.integers(1, 90),
    size=st.integers(1, 90),
    rate=st.sampled_from([50.0, 250.0, 1000.0]),
)
def test_read_equals_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, kind: str, n_samples: int, stamped: int, size: int, rate: float
) -> None:
    stream = replace(ecg(kind, n_samples, rate), stamped=stamped, chunk=size)
    path = written(tmp_path_factory.mktemp("xdf"), xdf_bytes(stream))
    for channel, column in zip(ecgkit.read(path).channels, stream.samples.T, strict=True):
        raw = channel.read_raw()
        assert raw.dtype == channel.dtype == RAW_TYPES.get(kind, kind.replace("double64", "float64"))
        np.testing.assert_array_equal(raw, column)
        assert channel.fs == rate


def test_read_aligns_streams_that_start_later(tmp_path: Path) -> None:
    early, late = ecg(), replace(ecg("int16", 60, 50.0, 100.413), name="Belt", labels=(), units=())
    recording = ecgkit.read(written(tmp_path, xdf_bytes(early, late)))
    belt = recording.channel("Belt: channel 2")
    assert (belt.n_samples, belt.dtype, belt.fs) == (81, np.dtype(np.float32), 50.0)
    samples = belt.read()
    assert np.isnan(samples[:21]).all()
    np.testing.assert_array_equal(samples[21:], late.samples[:, 1])
    assert recording.channels[0].dtype == np.dtype(np.float64)
    assert recording.details == (("streams", "ECG at 250 Hz, Belt at 50 Hz, 0.420 s after the first"),)


def test_read_brings_the_clocks_together(tmp_path: Path) -> None:
    offsets = [(1000.0 + second, -900.0) for second in range(5)]
    other = replace(ecg("float32", 60, 50.0, 1000.2), name="Other clock", offsets=offsets)
    event = replace(markers(["go"], [1000.6]), offsets=offsets)
    recording = ecgkit.read(written(tmp_path, xdf_bytes(ecg(), other, event)))
    samples = recording.channels[2].read()
    assert np.isnan(samples[:10]).all()
    np.testing.assert_array_equal(samples[10:], other.samples[:, 0].astype(float))
    assert [(marker.sample, marker.text) for marker in recording.markers] == [(150, "go")]


def test_read_fills_pauses_with_nan(tmp_path: Path) -> None:
    stream = ecg("int16", 3000)
    stream.times[1200:] += 2 / 250  # two samples lost
    stream.times[2000:] += 3.0
    recording = ecgkit.read(written(tmp_path, xdf_bytes(replace(stream, stamped=1))))
    samples = recording.channels[0].read()
    assert len(samples) == 3000 + 2 + 750
    assert np.isnan(samples).nonzero()[0].tolist() == [1200, 1201, *range(2002, 2752)]
    np.testing.assert_array_equal(samples[~np.isnan(samples)], stream.samples[:, 0])
    assert recording.details == (("streams", "ECG at 250 Hz, with pauses of 3.008 s"),)


def test_read_takes_no_jitter_for_pauses(tmp_path: Path) -> None:
    stream = ecg(n_samples=3000)
    packets = np.repeat(np.random.default_rng(0).uniform(0, 0.08, 100), 30)
    jittery = replace(stream, times=stream.times + packets, stamped=30)
    assert ecgkit.read(written(tmp_path, xdf_bytes(jittery))).channels[0].n_samples == 3000
    jittery.times[1500:] += 5.0
    samples = ecgkit.read(written(tmp_path, xdf_bytes(jittery))).channels[0].read()
    assert np.isnan(samples).sum() == pytest.approx(1250, abs=10)
    np.testing.assert_array_equal(samples[:1500], stream.samples[:1500, 0])


JITTERS = {
    "none": np.zeros(6000),
    "of samples": np.random.default_rng(1).normal(0, 0.002, 6000),
    "of packets": np.repeat(np.random.default_rng(2).uniform(0, 0.05, 600), 10),
    "of stalls that catch up": np.tile(np.concatenate([np.zeros(570), np.linspace(0.2, 0, 30)]), 10),
}


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("n_pauses", [0, 10])
def test_read_tells_many_pauses_from_jitter(tmp_path: Path, jitter: str, n_pauses: int) -> None:
    stream = Stream("ECG", np.arange(6000.0)[:, None], 100 + np.arange(6000) / 100, 100.0, stamped=1)
    for pause in range(n_pauses):
        stream.times[500 * (pause + 1) :] += 0.5
    stream.times = stream.times + JITTERS[jitter]
    recording = ecgkit.read(written(tmp_path, xdf_bytes(stream)))
    samples = recording.channels[0].read()
    filled = np.isnan(samples)
    assert filled.sum() == pytest.approx(50 * n_pauses, abs=15)
    np.testing.assert_array_equal(samples[~filled], np.arange(6000.0))
    ends = np.flatnonzero(np.diff(filled.astype(int)) == -1)
    if jitter in ("none", "of samples"):
        assert [int(samples[end + 1]) for end in ends] == [500 * (pause + 1) for pause in range(n_pauses)]
        assert recording.warnings == ()


def test_read_takes_a_fast_clock_that_jitters_for_no_pauses(tmp_path: Path) -> None:
    times = 100 + np.arange(30_000) * 1.0003 / 250 + np.random.default_rng(0).normal(0, 0.0016, 30_000)
    stream = Stream("ECG", np.zeros((30_000, 1)), times, 250.0, stamped=1)
    assert ecgkit.read(written(tmp_path, xdf_bytes(stream))).channels[0].n_samples == 30_000


def test_read_begins_a_segment_where_time_steps_back(tmp_path: Path) -> None:
    stream = replace(ecg(n_samples=3000), stamped=1)
    stream.times[1000:] -= 1.5
    recording = ecgkit.read(written(tmp_path, xdf_bytes(stream)))
    assert recording.segments(recording.channels[0]) == ((0, 1000), (1000, 3000))


def test_read_warns_of_a_rate_that_is_not_the_stated_one(tmp_path: Path) -> None:
    stream = ecg(n_samples=3000)
    slow = replace(stream, times=100 + np.arange(3000) / 225, stamped=1)
    recording = ecgkit.read(written(tmp_path, xdf_bytes(slow)))
    assert recording.channels[0].fs == 250.0
    assert recording.warnings == (
        "stream 'ECG' ran at 225 Hz by the recorder's clock, it states 250: its end lies +1.33 s from where "
        "it is put",
    )


def test_read_gives_irregular_streams_as_markers(tmp_path: Path) -> None:
    intervals = Stream("RR", np.array([[812.5], [800.0]]), [100.4, 101.2], stamped=1)
    recording = ecgkit.read(
        written(tmp_path, xdf_bytes(ecg(), intervals, markers(["Größe", "b"], [99.0, 101.0])))
    )
    assert [(marker.sample, marker.time_s, marker.text) for marker in recording.markers] == [
        (0, 0.0, "Markers: Größe"),
        (100, 0.4, "RR: 812.5"),
        (250, 1.0, "Markers: b"),
        (300, 1.2, "RR: 800"),
    ]
    assert recording.warnings == ("1 markers were set before the first sample and are put there",)


def test_read_says_what_the_recorder_left_open_or_empty(tmp_path: Path) -> None:
    empty = replace(ecg(n_samples=0), name="Empty")
    recording = ecgkit.read(written(tmp_path, xdf_bytes(ecg(), empty, footers=False)))
    assert recording.warnings == (
        "streams without samples are left out: 'Empty'",
        "the recorder did not close the file; samples of its end may be missing",
    )


def test_read_refuses_files_without_a_regular_stream(tmp_path: Path) -> None:
    with pytest.raises(
        ReadError, match="no samples of a stream of numbers at a regular rate; its streams: 'Ma"
    ):
        ecgkit.read(written(tmp_path, xdf_bytes(markers())))
    with pytest.raises(ReadError, match="its streams: none"):
        ecgkit.read(written(tmp_path, xdf_bytes()))


def test_channel_survives_pickling(tmp_path: Path) -> None:
    channel = ecgkit.read(SAMPLES["double"](tmp_path)).channels[1]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(channel)).read(5, 9), ecg().samples[5:9, 1])


def test_read_of_a_cut_file_fails_or_salvages_the_prefix(tmp_path: Path) -> None:
    content = xdf_bytes(ecg("int16"), markers())
    first = content.index(struct.pack("<HI", SAMPLES_TAG, 1))
    for cut in np.linspace(5, len(content) - 1, 50).astype(int).tolist():
        path = written(tmp_path, content[:cut])
        try:
            recording = ecgkit.read(path)
        except ReadError as error:
            message = str(error)
        else:
            assert "the recorder did not close the file" in recording.warnings[-1]
            continue
        if "cut off" not in message:
            assert "no samples of a stream" in message
            continue
        if cut < first + 310:
            continue
        recording = ecgkit.read(path, salvage=True)
        assert "from there on all is lost" in recording.lost[0]
        for channel, column in zip(recording.channels, ecg("int16").samples.T, strict=True):
            assert 50 <= channel.n_samples <= 300
            np.testing.assert_array_equal(channel.read_raw(), column[: channel.n_samples])


def test_read_fills_no_endless_pause(tmp_path: Path) -> None:
    late = replace(ecg("float32", 60, 1000.0, 1e9), name="Late")
    path = written(tmp_path, xdf_bytes(ecg(), late))
    with pytest.raises(
        ReadError, match=r"stream 'Late' lacks 1e\+09 s at its start or in pauses, too long to fill"
    ):
        ecgkit.read(path)
    recording = ecgkit.read(path, salvage=True)
    assert len(recording.channels) == 2
    assert "it is left out" in recording.lost[0]


def hostile(*chunks: bytes) -> bytes:
    return b"XDF:" + chunk(FILE_HEADER, b"<info><version>1.0</version></info>") + b"".join(chunks)


def described(**fields: object) -> bytes:
    texts = {"name": "S", "channel_count": 1, "nominal_srate": 100, "channel_format": "int16"} | fields
    xml = "".join(f"<{key}>{value}</{key}>" for key, value in texts.items())
    return chunk(STREAM_HEADER, struct.pack("<I", 1) + f"<info>{xml}</info>".encode())


def samples(count: bytes, body: bytes = b"", number: int = 1) -> bytes:
    return chunk(SAMPLES_TAG, struct.pack("<I", number) + count + body)


BOMB = b'<!DOCTYPE info [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><info>&b;</info>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (hostile(chunk(BOUNDARY, b"", claimed=1 << 40)), "cut off: expected 1099511627776 bytes, got 2"),
        (hostile(b"\x03\0\0\0"), "a length of 3 bytes, expected 1, 4 or 8"),
        (hostile(b"\x01\x01\0"), "a length of 1 bytes, expected at least 2"),
        (hostile(chunk(SAMPLES_TAG, b"ab")), "which hold no stream's number"),
        (hostile(samples(length(0))), "no stream 1"),
        (hostile(described(), described()), "stream 1 begins twice"),
        (hostile(described(channel_count=10**9)), "stream 'S' of 1000000000 channels"),
        (
            hostile(
                described(channel_count="1000000000</channel_count><channel_count>1")
            ),  # the first counts
            "stream 'S' of 1000000000 channels",
        ),
        (b"XDF:" + chunk(FILE_HEADER, b"<info>\xff</info>"), "XML that can't be read"),
        (hostile(described(channel_count="many")), "without a number of channels or a rate"),
        (hostile(described(nominal_srate="nan")), "stream 'S' at nan Hz"),
        (hostile(described(nominal_srate=1e300)), r"stream 'S' at 1e\+300 Hz"),
        (hostile(described(channel_format="object")), "stream 'S' of type 'object'"),
        (hostile(described(), samples(length(1 << 33))), "8589934592 samples claimed in 0 bytes"),
        (hostile(described(), samples(length(2), b"\0ab\x08")), "2 samples claimed in 4 bytes"),
        (hostile(described(), samples(length(2), b"\0ab\0ab\0")), "2 samples of .* in a chunk of"),
        (hostile(described(), samples(b"\x07")), "a length of 7 bytes"),
        (
            hostile(
                described(channel_format="string", nominal_srate=0),
                samples(length(1), b"\0\x04\xff\xff\xff\x7f"),
            ),
            "1 samples of 2147483655 bytes in a chunk of 8",
        ),
        (hostile(chunk(STREAM_HEADER, b"\0\0\0\0" + BOMB)), "XML with a document type or entities"),
        (hostile(chunk(STREAM_HEADER, b"\0\0\0\0<info>")), "XML that can't be read"),
        (hostile(chunk(STREAM_HEADER, b"\0\0\0\0<a/>")), "XML that begins with 'a'"),
        (hostile(chunk(STREAM_HEADER, b"\0\0\0\0" + b"<a>" * 50_000 + b"</a>" * 50_000)), "begins with 'a'"),
        (hostile(described(), chunk(CLOCK_OFFSET, struct.pack("<I", 1) + bytes(7))), "not two numbers"),
        (
            hostile(described(), chunk(CLOCK_OFFSET, struct.pack("<Idd", 1, np.nan, 0))),
            "a clock offset that is not two numbers",
        ),
        (hostile(chunk(9, b"") * 30_000), "more than 2.... chunks up to byte"),
        (hostile(described(), chunk(6, b"\1\0\0\0<info>" + b"<a/>" * 400_000 + b"</info>")), "bytes of XML"),
        (
            hostile(described(), samples(length(2), b"\x08" + struct.pack("<d", 1e300) + b"ab\0cd")),
            "stream 'S' has impossible times",
        ),
    ],
)
def test_read_refuses_impossible_chunks(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        ecgkit.read(written(tmp_path, content))


def test_read_survives_deep_xml(tmp_path: Path) -> None:
    deep = described(desc="<a>" * 30_000 + "</a>" * 30_000)
    stream = samples(length(2), b"\x08" + struct.pack("<d", 5.0) + b"ab\0cd")
    with pytest.raises(ReadError, match="the streams can't be read"):
        ecgkit.read(written(tmp_path, hostile(deep, stream)))
