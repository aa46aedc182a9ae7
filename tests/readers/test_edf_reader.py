"""EDF and BDF: samples, annotations, gaps, faults, against a decoding of a few lines and edfio itself."""

from __future__ import annotations

import io
import pickle
import tracemalloc
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.edf_files import LIMITS, SAMPLES, Signal, annotations, counts, header, pack, times, write

import ecgkit
from ecgkit.errors import ReadError
from ecgkit.readers.edf_annotations import find_segments
from ecgkit.readers.edf_reader import matches
from ecgkit.records import Channel, Marker


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sample files. Read only."""
    return {name: build(tmp_path_factory.mktemp("file")) for name, build in SAMPLES.items()}


def _decoded(path: Path) -> list[tuple[str, NDArray[np.int64], tuple[float, float, int, int]]]:
    """Decode an ordinary file: label, counts, physical and digital range of each signal with samples."""
    data = path.read_bytes()
    n = int(data[252:256])
    fields, at = [], 256
    for length in (16, 80, 8, 8, 8, 8, 8, 80, 8, 32):
        fields.append([data[at + i * length : at + (i + 1) * length].decode().strip() for i in range(n)])
        at += n * length
    sizes = [int(text) for text in fields[8]]
    size = 3 if data.startswith(b"\xff") else 2
    body = np.frombuffer(data, np.uint8, offset=at).reshape(-1, size * sum(sizes))
    signals = []
    for i, label in enumerate(fields[0]):
        begin = size * sum(sizes[:i])
        part = body[:, begin : begin + size * sizes[i]].reshape(-1, size)
        top = part[:, -1].view(np.int8).astype(np.int64) << 8 * (size - 1)
        low = sum(part[:, k].astype(np.int64) << 8 * k for k in range(size - 1))
        if not label.endswith(" Annotations"):
            ranges = (float(fields[3][i]), float(fields[4][i]), int(fields[5][i]), int(fields[6][i]))
            signals.append((label, top + low, ranges))
    return signals


def _equals_decoding(recording: ecgkit.Recording, path: Path) -> None:
    for channel, (label, raw, (low, high, least, most)) in zip(
        recording.channels, _decoded(path), strict=True
    ):
        assert channel.name == (label or f"signal {channel.number}")
        np.testing.assert_array_equal(channel.read_raw(), raw)
        values = low + (raw - least) * (high - low) / (most - least)
        tolerance = 1e-15 * max(abs(low), abs(high), abs(values).max())
        np.testing.assert_allclose(channel.read(), values, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", SAMPLES)
def test_read_equals_a_decoding_of_a_few_lines(built: dict[str, Path], name: str) -> None:
    recording = ecgkit.read(built[name])
    assert recording.format == "edf"
    assert recording.warnings == recording.lost == ()
    _equals_decoding(recording, built[name])
    wide = name.startswith("bdf")
    assert {channel.dtype for channel in recording.channels} == {np.dtype("int32" if wide else "int16")}


@pytest.mark.parametrize("name", SAMPLES)
def test_read_equals_edfio(built: dict[str, Path], name: str) -> None:
    recording = ecgkit.read(built[name])
    theirs = (edfio.read_bdf if name.startswith("bdf") else edfio.read_edf)(built[name])
    for channel, signal in zip(recording.channels, theirs.signals, strict=True):
        assert (channel.name, channel.unit, channel.fs) == (
            signal.label,
            signal.physical_dimension,
            signal.sampling_frequency,
        )
        np.testing.assert_array_equal(channel.read_raw(), signal.digital)
        largest = max(*map(abs, signal.physical_range), *abs(signal.data))
        np.testing.assert_allclose(channel.read(), signal.data, rtol=0, atol=1e-15 * largest)
    assert recording.start_time == theirs.startdatetime
    if name != "with-gaps":  # edfio counts the seconds of the clock, gaps among them
        found = sorted((round(m.time_s, 12), m.text) for m in recording.markers)
        assert found == [(note.onset, note.text) for note in theirs.annotations]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(SAMPLES)))
def test_ranges_and_chunks_equal_the_whole(built: dict[str, Path], data: st.DataObject, name: str) -> None:
    channel = data.draw(st.sampled_from(ecgkit.read(built[name]).channels))
    whole = channel.read_raw()
    start = data.draw(st.integers(0, channel.n_samples))
    stop = data.draw(st.integers(start, channel.n_samples))
    np.testing.assert_array_equal(channel.read_raw(start, stop), whole[start:stop])
    size = data.draw(st.integers(20, channel.n_samples + 20))
    chunks = list(channel.raw_chunks(size, start=start, stop=stop))
    np.testing.assert_array_equal(np.concatenate([whole[:0], *chunks]), whole[start:stop])


@pytest.mark.parametrize("block", [1, 1000, 2000])
def test_ranges_over_many_blocks_equal_the_whole(
    built: dict[str, Path], monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("ecgkit.readers.edf_records.BLOCK_BYTES", block)
    channels = ecgkit.read(built["several-rates"]).channels
    for channel, (_, raw, _) in zip(channels, _decoded(built["several-rates"]), strict=True):
        np.testing.assert_array_equal(channel.read_raw(), raw)
        np.testing.assert_array_equal(channel.read_raw(1, channel.n_samples - 1), raw[1:-1])


def test_channels_can_be_pickled(built: dict[str, Path]) -> None:
    for path in built.values():
        for channel in ecgkit.read(path).channels:
            twin: Channel = pickle.loads(pickle.dumps(channel))
            np.testing.assert_array_equal(twin.read(), channel.read())


def test_read_tells_what_the_header_says(built: dict[str, Path]) -> None:
    recording = ecgkit.read(built["several-rates"])
    assert (recording.fs, recording.version, recording.duration_s) == (100, "EDF", 5)
    assert [(c.number, c.name, c.unit, c.fs, c.n_samples) for c in recording.channels] == [
        (0, "ECG I", "mV", 100, 500),
        (1, "Temp", "degC", 1, 5),
        (2, "upside", "uV", 50, 250),
    ]
    assert recording.details == (("records", "5 of 1 s"),)
    assert recording.start_time == datetime(2021, 3, 2, 4, 5, 6)
    assert [
        ecgkit.read(built[name]).version for name in ("annotated", "with-gaps", "bdf", "bdf-annotated")
    ] == [
        "EDF+C",
        "EDF+D",
        "BDF",
        "BDF+C",
    ]
    assert [channel.number for channel in ecgkit.read(built["annotated"]).channels] == [0, 2]


def test_who_was_recorded_is_not_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.edf",
        "EDF",
        [Signal(counts("EDF", 10, 1))],
        n_records=1,
        patient="MCH-0234567 F 02-MAY-1951 Haagse_Harry",
        recorded="Startdate 02-MAR-2002 EMG561 BK/JOP Sony",
    )
    assert not any(
        word in repr(ecgkit.read(path)) for word in ("MCH", "Haagse", "1951", "JOP", "Sony", "EMG")
    )


def _marks(markers: tuple[Marker, ...]) -> list[tuple[int, float, str, str]]:
    return [(m.sample, m.time_s, m.text, m.style) for m in markers]


def test_annotations_become_markers(built: dict[str, Path]) -> None:
    recording = ecgkit.read(built["annotated"])
    assert recording.start_time == datetime(2021, 3, 2, 4, 5, 6, 250_000)
    assert _marks(recording.markers) == [
        (0, 0.0, "start", "edf"),
        (250, 1.25, "lights off", "edf"),
        (250, 1.25, "Schlaf Ä", "edf"),
        (300, 1.5, "beat", "edf"),
    ]
    assert recording.segments(recording.channels[0]) == ((0, 800),)


def test_gaps_between_data_records_start_segments(built: dict[str, Path]) -> None:
    recording = ecgkit.read(built["with-gaps"])
    assert _marks(recording.markers) == [
        (0, 0.0, "first", "edf"),
        (200, 2.0, "gap of 8 s", "apnd"),
        (200, 2.0, "in the pause", "edf"),
        (225, 2.25, "second", "edf"),
        (400, 4.0, "gap of 0.25 s", "apnd"),
        (475, 4.75, "third", "edf"),
    ]
    first, second = recording.channels
    assert recording.segments(first) == ((0, 200), (200, 400), (400, 600))
    assert recording.segments(second) == ((0, 100), (100, 200), (200, 300))


def test_times_that_were_rounded_are_no_gaps() -> None:
    onsets = [round(k / 3, 3) for k in range(300)]
    assert len(find_segments(onsets, duration_s=1 / 3, fs=2000)) == 1
    onsets[7:] = [onset + 0.004 for onset in onsets[7:]]
    assert len(find_segments(onsets, duration_s=1 / 3, fs=2000)) == 2
    assert len(find_segments(onsets, duration_s=1 / 3, fs=100)) == 1  # less than a sample
    assert len(find_segments([0, float("nan"), 2, 1], duration_s=1, fs=100)) == 2  # time goes back


def test_files_written_by_edfio_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for kind, write_to in (("Edf", tmp_path / "a.edf"), ("Bdf", tmp_path / "a.bdf")):
        signal = getattr(edfio, f"{kind}Signal")
        file = getattr(edfio, kind)(
            [
                signal(rng.normal(size=1280), 256, label="ECG", physical_dimension="mV"),
                signal(np.arange(40.0), 8),
            ],
            annotations=[edfio.EdfAnnotation(1.5, None, "N"), edfio.EdfAnnotation(4.9, 0.1, "V")],
            starttime=time(1, 2, 3, 500_000),
            recording=edfio.Recording(startdate=date(2023, 4, 5)),
        )
        file.write(write_to)
        recording = ecgkit.read(write_to)
        _equals_decoding(recording, write_to)
        assert _marks(recording.markers) == [(384, 1.5, "N", "edf"), (1254, 1254 / 256, "V", "edf")]
        assert recording.start_time == datetime(2023, 4, 5, 1, 2, 3, 500_000)
        assert recording.channels[1].name == "signal 1"


@pytest.mark.parametrize(
    ("said", "expected", "warned"),
    [
        ({"start": "01.02.8503.04.05"}, datetime(1985, 2, 1, 3, 4, 5), False),
        ({"start": " 1. 2.8403.04.05"}, datetime(2084, 2, 1, 3, 4, 5), False),
        ({"start": "01.01.8500.00.00"}, None, False),
        ({"recorded": "Startdate X X X X"}, None, False),
        ({"recorded": "Startdate not recorded"}, datetime(2021, 3, 2, 4, 5, 6), False),
        ({"start": "31.02.2104.05.06"}, None, True),
        ({"start": "02.03.yy04.05.06"}, None, True),
        ({"start": "02.03.2125.05.06"}, None, True),
        ({"start": " " * 16}, None, True),
    ],
)
def test_start_time_is_the_files_clock(
    tmp_path: Path, said: dict[str, str], expected: datetime | None, warned: bool
) -> None:
    path = write(tmp_path / "x.edf", "EDF", [Signal(counts("EDF", 10, 1))], n_records=1, **said)
    recording = ecgkit.read(path)
    assert recording.start_time == expected
    warning = ("the start date and time can't be understood, and are left out",)
    assert recording.warnings == (warning if warned else ())


def test_units_are_read_in_either_encoding(tmp_path: Path) -> None:
    path = write(tmp_path / "x.edf", "EDF", [Signal(counts("EDF", 10, 1), unit="µV")], n_records=1)
    assert ecgkit.read(path).channels[0].unit == "µV"
    data = path.read_bytes()
    path.write_bytes(data.replace("µV ".encode("latin-1"), "µV".encode()))
    assert ecgkit.read(path).channels[0].unit == "µV"
    # what edfio takes for annotations is none of the channels
    path.write_bytes(data.replace(b"ECG" + b" " * 13, b"EDF Annotations\xa0"))
    with pytest.raises(ReadError, match="holds annotations and no signals"):
        ecgkit.read(path)


@pytest.mark.parametrize(
    ("physical", "digital"),
    [(("1", "1"), (-5, 5)), (("0", "9"), (7, 7)), (("nan", "1"), (0, 1)), (("-1e308", "1e308"), (0, 1))],
)
def test_scales_that_give_no_values_are_told(
    tmp_path: Path, physical: tuple[str, str], digital: tuple[int, int]
) -> None:
    signal = Signal(counts("EDF", 10, 1), physical=physical, digital=digital)
    recording = ecgkit.read(write(tmp_path / "x.edf", "EDF", [signal], n_records=1))
    assert "give no usable values; only its raw samples can be used" in recording.warnings[0]
    np.testing.assert_array_equal(recording.channels[0].read_raw(), signal.counts)


def _overwritten(path: Path, at: int, text: str) -> Path:
    data = bytearray(path.read_bytes())
    data[at : at + len(text)] = text.encode()
    path.write_bytes(data)
    return path


# of a file of two signals: the label of the first lies at 256, the lowest value at 256 + 2 * 104
@pytest.mark.parametrize(
    ("at", "text", "message"),
    [
        (252, "9999", "length of the header, at 184 in the header, is '768', expected a number from 2.56e"),
        (252, "0   ", "number of signals, at 252 in the header, is '0', expected a number from 1"),
        (252, "-1  ", "number of signals"),
        (252, "abcd", "number of signals"),
        (184, "512     ", "length of the header"),
        (244, "0       ", "duration of a data record, at 244 in the header, is '0'"),
        (244, "nan     ", "duration of a data record"),
        (244, "1e99    ", "duration of a data record"),
        (244, "0.000001", "channel 0 'ECG' has a rate of 1e.08 Hz"),
        (236, "99999999", r"expected 99999999 data records of 400 bytes, got 3 data records and 0 bytes"),
        (236, "-7      ", "number of data records, at 236"),
        (256 + 2 * 216, "0       ", "samples of signal 0 in a data record, at 688 in the header, is '0'"),
        (256 + 2 * 216, "-4      ", "samples of signal 0 in a data record"),
        (256 + 2 * 216, "99999999", "data records of 200000198 bytes, 1200 bytes behind the header"),
        (256 + 2 * 104, "low     ", "signals in the header can't be read"),
        (256 + 2 * 120, "1e3     ", "signals in the header can't be read"),
    ],
)
def test_impossible_headers_are_refused(tmp_path: Path, at: int, text: str, message: str) -> None:
    path = _overwritten(SAMPLES["plain"](tmp_path), at, text)
    tracemalloc.start()
    with pytest.raises(ReadError, match=message):
        ecgkit.read(path)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    try:  # with salvage it may be read, as far as there is anything
        recording = ecgkit.read(path, salvage=True)
        assert len(recording.channels) == len(recording.lost) == 2
    except ReadError:
        pass


def test_a_file_of_annotations_alone_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.edf", "EDF", [], n_records=2, notes=times(2), reserved="EDF+C")
    with pytest.raises(ReadError, match="holds annotations and no signals, expected at least one"):
        ecgkit.read(path)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_cut_file_is_refused_or_salvaged(tmp_path: Path, name: str) -> None:
    path = SAMPLES[name](tmp_path)
    data = path.read_bytes()
    recording = ecgkit.read(path)
    whole = [channel.read_raw() for channel in recording.channels]
    n_header = int(data[184:192])
    for length in (*range(1, n_header, 97), *range(n_header, len(data), 61), len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ReadError, match="--salvage" if length >= n_header else "Copy|not a recording"):
            ecgkit.read(path)
        if length < n_header:
            with pytest.raises(ReadError):
                ecgkit.read(path, salvage=True)
            continue
        cut = ecgkit.read(path, salvage=True)
        assert len(cut.lost) == max(
            1, sum(c.n_samples < len(w) for c, w in zip(cut.channels, whole, strict=True))
        )
        for channel, expected in zip(cut.channels, whole, strict=True):
            np.testing.assert_array_equal(channel.read_raw(), expected[: channel.n_samples])
        # every byte that holds a whole sample is there
        size = 3 if name.startswith("bdf") else 2
        held = sum(channel.n_samples for channel in cut.channels) * size
        notes = len(data) - n_header - sum(map(len, whole)) * size
        assert held > length - n_header - size - notes
        assert {m.text for m in cut.markers} <= {m.text for m in recording.markers}


def test_an_incomplete_data_record_keeps_what_it_holds(tmp_path: Path) -> None:
    path = SAMPLES["plain"](tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: 768 + 2 * 400 + 2 * 130 + 1])
    recording = ecgkit.read(path, salvage=True)
    assert [channel.n_samples for channel in recording.channels] == [300, 230]
    np.testing.assert_array_equal(recording.channels[1].read_raw(), counts("EDF", 300, 2)[:230])
    assert recording.lost == ("channel 1 'Resp': the last 0.28 s (70 of 300 samples)",)


@pytest.mark.parametrize("kind", ["EDF", "BDF"])
def test_a_recording_that_was_not_ended_is_refused_or_salvaged(tmp_path: Path, kind: str) -> None:
    signal = Signal(counts(kind, 40, 1), digital=LIMITS[kind])
    path = write(tmp_path / "x", kind, [signal], n_records=4, stated=-1)
    with pytest.raises(
        ReadError, match=r"was not ended: the number of data records is -1; got 4 .*--salvage"
    ):
        ecgkit.read(path)
    recording = ecgkit.read(path, salvage=True)
    np.testing.assert_array_equal(recording.channels[0].read_raw(), signal.counts)
    assert recording.lost[0].startswith(
        "the recording was not ended: the number of data records is -1; got 4"
    )


def test_data_records_beyond_the_stated_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "x.edf", "EDF", [Signal(counts("EDF", 40, 1))], n_records=4, stated=3)
    recording = ecgkit.read(path)
    assert recording.channels[0].n_samples == 30
    assert recording.warnings == (
        "expected 3 data records, got 4 data records and 0 bytes; what lies behind is left out; --salvage "
        "takes all data records",
    )
    salvaged = ecgkit.read(path, salvage=True)
    assert (salvaged.channels[0].n_samples, salvaged.lost) == (40, ())
    assert "all are taken" in salvaged.warnings[0]


def test_bytes_behind_the_data_records_are_told(tmp_path: Path) -> None:
    path = SAMPLES["plain"](tmp_path)
    path.write_bytes(path.read_bytes() + bytes(5))
    for salvage in (False, True):
        recording = ecgkit.read(path, salvage=salvage)
        assert recording.channels[0].n_samples == 300
        assert recording.warnings == (
            "expected 3 data records, got 3 data records and 5 bytes; what lies behind is left out",
        )


def test_a_file_without_data_records_has_no_samples(tmp_path: Path) -> None:
    for kind in ("EDF", "BDF"):
        path = write(tmp_path / "x", kind, [Signal(np.zeros(0, np.int64))], n_records=0)
        channel = ecgkit.read(path).channels[0]
        assert (channel.n_samples, len(channel.read())) == (0, 0)


@pytest.mark.parametrize(
    ("edit", "warning", "texts"),
    [
        (lambda note: b"\xff" * len(note), "annotations that can't be read and are left out: 1", ["two"]),
        (
            lambda note: note.replace(b"+1\x14", b"?1\x14"),
            "annotations that can't be read and are left out: 1",
            ["one", "two"],
        ),
        (
            lambda note: note.replace(b"+1.5", b"+1e5"),
            "annotations that can't be read and are left out: 1",
            ["two"],
        ),
        (
            lambda note: note.replace(b"+1.5", b"+999"),
            "1 of 2 markers lie outside the recording",
            ["two", "one"],
        ),
        (lambda note: note.replace(b"one", b"\xe4ne"), "", ["\N{REPLACEMENT CHARACTER}ne", "two"]),
        (lambda note: bytes(len(note)), "", ["two"]),
    ],
)
def test_unreadable_annotations_cost_no_samples(
    tmp_path: Path, edit: Callable[[bytes], bytes], warning: str, texts: list[str]
) -> None:
    notes = times(3)
    notes[1] = edit(notes[1] + annotations(("+1.5", ["one"])))
    notes[2] += annotations(("+2.5", ["two"]))
    signal = Signal(counts("EDF", 30, 1))
    path = write(tmp_path / "x.edf", "EDF", [signal], n_records=3, notes=notes, reserved="EDF+C")
    recording = ecgkit.read(path)
    np.testing.assert_array_equal(recording.channels[0].read_raw(), signal.counts)
    assert [marker.text for marker in recording.markers] == texts
    assert recording.warnings[0].startswith(warning) if warning else recording.warnings == ()


def test_a_file_cut_since_its_header_was_read_is_told(tmp_path: Path) -> None:
    path = SAMPLES["plain"](tmp_path)
    channel = ecgkit.read(path).channels[0]
    path.write_bytes(path.read_bytes()[:800])
    with pytest.raises(ReadError, match="expected 1200 bytes at 768, got 32; it has changed"):
        channel.read()
    path.unlink()
    with pytest.raises(ReadError, match="No such file"):
        channel.read()


@pytest.mark.parametrize("kind", ["EDF", "BDF"])
def test_a_range_of_a_long_file_needs_little_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "long"
    signals = [Signal(np.zeros(0, np.int64), digital=LIMITS[kind])] * 4
    size = 4000 * (2 if kind == "EDF" else 3)
    first = header(kind, signals, [1000] * 4, n_records=50_000)
    with path.open("wb") as file:
        file.write(first)
        file.truncate(len(first) + 50_000 * size)
        file.seek(len(first) + 30_000 * size)
        file.write(pack(kind, np.arange(4000)))
    ecgkit.read(path).channels[0].read(0, 1)  # edfio is imported
    tracemalloc.start()
    channel = ecgkit.read(path).channels[3]
    np.testing.assert_array_equal(channel.read_raw(29_999_999, 30_000_002), [0, 3000, 3001])
    assert next(channel.chunks(size=100_000)).shape == (100_000,)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_matches_leaves_tables_alone(built: dict[str, Path]) -> None:
    head = built["plain"].read_bytes()[:4096]
    assert matches(head)
    assert not matches(head[:255])
    assert not matches(b"0       1       2\n" * 50)
    assert not matches(b"1" + head[1:])


def _own_bytes(path: Path) -> Any:
    with path.open("rb") as file:
        return edfio.read_edf(io.BytesIO(file.read()))


@pytest.mark.real_data
def test_all_wrist_files_equal_a_decoding_of_a_few_lines(real_data: Path) -> None:
    paths = sorted((real_data / "wrist").glob("*.edf"))
    assert len(paths) == 16
    for path in paths:
        recording = ecgkit.read(path)
        _equals_decoding(recording, path)
        assert [(m.time_s, m.text) for m in recording.markers] == [*_own_bytes(path).annotations]
        assert (recording.fs, len(recording.channels), recording.channels[0].name) == (256, 15, "chest_ecg")
        assert recording.warnings == recording.lost == ()
        chest = recording.channels[0]
        np.testing.assert_array_equal(chest[1000:2000], chest.read()[1000:2000])


def test_markers_find_their_segment_when_the_clock_was_set_back(tmp_path: Path) -> None:
    notes = times(6, (0, 100), (2, 10), (4, 50))
    notes[0] += annotations(("+100.5", ["a"]))
    notes[2] += annotations(("+10.5", ["b"]))
    notes[4] += annotations(("+51.5", ["c"]))
    path = write(
        tmp_path / "x.edf", "EDF", [Signal(counts("EDF", 600, 1))], n_records=6, notes=notes, reserved="EDF+D"
    )
    recording = ecgkit.read(path)
    assert {m.text: m.time_s for m in recording.markers if m.style == "edf"} == {"a": 0.5, "b": 2.5, "c": 5.5}
    assert recording.segments(recording.channels[0]) == ((0, 200), (200, 400), (400, 600))


def test_annotations_are_read_over_the_edges_of_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ecgkit.read(SAMPLES["annotated"](tmp_path))
    for size in (1, 500, 1200):
        monkeypatch.setattr("ecgkit.readers.edf_annotations.BLOCK_BYTES", size)
        assert ecgkit.read(whole.path).markers == whole.markers


def test_a_text_starts_no_segment(tmp_path: Path) -> None:
    notes = times(6)
    notes[0] += annotations(("+2", ["Segment 7"]))
    path = write(
        tmp_path / "x.edf", "EDF", [Signal(counts("EDF", 600, 1))], n_records=6, notes=notes, reserved="EDF+C"
    )
    recording = ecgkit.read(path)
    assert [m.text for m in recording.markers] == ["Segment 7"]
    assert recording.segments(recording.channels[0]) == ((0, 600),)
