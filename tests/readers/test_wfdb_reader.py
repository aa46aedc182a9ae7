"""WFDB records: every format, range, fault and trap, against the writer's counts and wfdb itself."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wfdb_files import LIMITS, SAMPLES, Signal, annotation, counts, pack, stored, write_record

import ecgkit
from ecgkit.errors import ReadError
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.wfdb_reader import matches, read
from ecgkit.records import Recording

# wfdb 4.3 stumbles over big-endian counts, and over skew with several samples in a frame
NOT_BY_WFDB = {"format-61", "several-rates"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sample records, each in its folder. Read only."""
    return {name: build(tmp_path_factory.mktemp("record")) for name, build in SAMPLES.items()}


def _edited(header: Path, edit: Callable[[str], str]) -> Path:
    header.write_text(edit(header.read_text()))
    return header


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - NOT_BY_WFDB))
def test_read_equals_wfdb(built: dict[str, Path], name: str) -> None:
    path = built[name]
    recording = ecgkit.read(path)
    theirs = wfdb.rdrecord(str(path.with_suffix("")), physical=False, smooth_frames=False)
    assert [c.name for c in recording.channels] == [n or f"signal {i}" for i, n in enumerate(theirs.sig_name)]
    assert [c.unit for c in recording.channels] == theirs.units
    for channel, raw, skew, baseline, gain in zip(
        recording.channels,
        theirs.e_d_signal,
        theirs.skew,
        theirs.baseline,
        theirs.adc_gain,
        strict=True,
    ):
        # wfdb fills what skew takes from the end with "no sample"; here the channel is shorter
        n = len(raw) - (skew or 0) * round(channel.fs / theirs.fs)
        assert channel.n_samples == n
        np.testing.assert_array_equal(channel.read_raw(), raw[:n])
        expected = (raw[:n] - float(baseline)) / gain
        if channel.missing is not None:
            expected[raw[:n] == channel.missing] = np.nan
        np.testing.assert_allclose(channel.read(), expected, rtol=1e-15, atol=4e-16 * abs(baseline / gain))


@pytest.mark.parametrize("fmt", LIMITS)
@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 5, 6, 7])
def test_read_every_format_to_its_last_sample(tmp_path: Path, fmt: str, n_frames: int) -> None:
    signals = [Signal(counts(fmt, n_frames, seed)) for seed in range(2)]
    recording = ecgkit.read(write_record(tmp_path, fmt, signals))
    for channel, signal in zip(recording.channels, signals, strict=True):
        raw = channel.read_raw()
        assert raw.dtype == channel.dtype == ("int32" if fmt in ("8", "24", "32") else "int16")
        np.testing.assert_array_equal(raw, signal.counts)
        assert channel.missing == (None if fmt == "8" else LIMITS[fmt][0])
    assert recording.version == f"WFDB, signal format {fmt}"


def test_read_gives_no_sample_as_nan(tmp_path: Path) -> None:
    values = np.array([-2048, -2047, 0, 2047])
    channel = ecgkit.read(write_record(tmp_path, "212", [Signal(values, "200(10)/mV")])).channels[0]
    np.testing.assert_allclose(channel.read(), [np.nan, -10.285, -0.05, 10.185], rtol=1e-15)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(SAMPLES)))
def test_ranges_and_chunks_equal_the_whole(built: dict[str, Path], data: st.DataObject, name: str) -> None:
    channel = data.draw(st.sampled_from(ecgkit.read(built[name]).channels))
    whole = channel.read_raw()
    start = data.draw(st.integers(0, channel.n_samples))
    stop = data.draw(st.integers(start, channel.n_samples))
    np.testing.assert_array_equal(channel.read_raw(start, stop), whole[start:stop])
    size = data.draw(st.integers(1, channel.n_samples + 1))
    chunks = list(channel.raw_chunks(size, start=start, stop=stop))
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    np.testing.assert_array_equal(np.concatenate([whole[:0], *chunks]), whole[start:stop])


@pytest.mark.parametrize("fmt", ["8", "16", "212", "310"])
def test_ranges_over_many_blocks_equal_the_whole(
    tmp_path: Path, fmt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgkit.readers.wfdb_samples.BLOCK_SAMPLES", 30)
    signals = [Signal(counts(fmt, 500, 1)), Signal(counts(fmt, 1500, 2), per_frame=3)]
    for channel, signal in zip(
        ecgkit.read(write_record(tmp_path, fmt, signals)).channels, signals, strict=True
    ):
        for start, stop in ((0, 500), (1, 499), (217, 218), (100, 401)):
            np.testing.assert_array_equal(channel.read_raw(start, stop), signal.counts[start:stop])
        chunks = list(channel.raw_chunks(7))
        np.testing.assert_array_equal(np.concatenate(chunks), signal.counts)


def test_channels_can_be_pickled(built: dict[str, Path]) -> None:
    for path in built.values():
        for channel in ecgkit.read(path).channels:
            twin = pickle.loads(pickle.dumps(channel))
            np.testing.assert_array_equal(twin.read(), channel.read())


def test_read_places_channels_of_several_rates(built: dict[str, Path]) -> None:
    recording = ecgkit.read(built["several-rates"])
    assert recording.fs == 4 * 125.5
    assert [channel.fs for channel in recording.channels] == [125.5, 4 * 125.5, 3 * 125.5]
    assert [channel.n_samples for channel in recording.channels] == [198, 800, 585]
    np.testing.assert_array_equal(recording.channels[2].read_raw(), counts("212", 600, 3)[15:])


def test_read_tells_what_the_header_says(built: dict[str, Path]) -> None:
    path = built["annotated"]
    recording = ecgkit.read(path)
    assert (recording.format, recording.fs, recording.path) == ("wfdb", 500, path)
    assert [(c.name, c.unit, c.scale, c.offset) for c in recording.channels] == [
        ("ECG I", "mV", 1 / 200, 5 / 200),
        ("ECG II", "uV", 1 / 1000, -3 / 1000),
    ]
    assert recording.start_time == datetime(2021, 3, 5, 12, 30, 15, 500000)
    assert recording.files == (path, path.with_suffix(".dat"), path.with_suffix(".atr"))
    assert recording.warnings == recording.lost == ()
    # who was recorded stands in the journal only, which a study does not keep
    assert recording.journal == "Age: 23\nECG date: 05.03.2021"
    assert recording.details == (("data files", "1"),)
    assert len(recording.sha256()) == 64


def test_read_says_what_the_header_leaves_out(built: dict[str, Path]) -> None:
    recording = ecgkit.read(built["says-little"])
    first = recording.channels[0]
    assert (first.name, first.unit, first.fs, first.n_samples) == ("signal 0", "mV", 250, 77)
    assert (first.scale, first.offset) == (1 / 200, 0)
    assert recording.start_time is recording.journal is None
    assert len(recording.warnings) == 2
    assert recording.warnings[1].startswith(
        "channel 1 'signal 1' is not calibrated: the header gives no gain"
    )


def test_read_takes_signals_from_several_files(built: dict[str, Path]) -> None:
    recording = ecgkit.read(built["two-files"])
    assert [path.name for path in recording.files] == ["both.hea", "one.dat", "two.dat"]
    assert [(c.name, c.unit) for c in recording.channels] == [
        ("I", "mV"),
        ("II", "mV"),
        ("signal 2", "cmH2O"),
    ]
    np.testing.assert_array_equal(recording.channels[2].read_raw(), counts("80", 60, 3))
    assert recording.version == "WFDB, signal format 16, 80"


def _marks(recording: Recording) -> list[tuple[int, str, str, int | None]]:
    return [(m.sample, m.text, m.style, m.channel) for m in recording.markers]


def test_annotations_become_markers(built: dict[str, Path]) -> None:
    recording = ecgkit.read(built["annotated"])
    expected = [(100, "N", "atr", None), (400, "V", "atr", None), (420, "+ (AFIB", "atr", None)]
    assert _marks(recording) == [*expected, (820, '" pause', "atr", None)]
    assert [marker.time_s for marker in recording.markers] == [0.2, 0.8, 0.84, 1.64]
    theirs = wfdb.rdann(str(built["annotated"].with_suffix("")), "atr")
    assert [marker.sample for marker in recording.markers] == theirs.sample.tolist()
    assert [marker.text.split()[0] for marker in recording.markers] == theirs.symbol


def test_annotations_written_by_wfdb_are_read(tmp_path: Path) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 90_000, 1)), Signal(counts("16", 90_000, 2))])
    samples, symbols = np.array([5, 70_000, 80_000]), ["N", "A", "x"]
    wfdb.wrann(
        "rec",
        "qrs",
        samples * 2,
        symbols,
        chan=np.array([0, 1, 1]),
        aux_note=["", "note", ""],
        fs=1000,
        custom_labels=[(45, "x", "own label")],
        write_dir=str(tmp_path),
    )
    assert _marks(ecgkit.read(header)) == [
        (5, "N", "qrs", 0),
        (70_000, "A note", "qrs", 1),
        (80_000, "x", "qrs", 1),
    ]


def test_annotations_count_in_frames(tmp_path: Path) -> None:
    signals = [Signal(counts("16", 100, 1)), Signal(counts("16", 400, 2), per_frame=4)]
    header = write_record(tmp_path, "16", signals, record="100 {frames}")
    (tmp_path / "rec.atr").write_bytes(annotation(50, 1) + b"\0\0")
    marker = ecgkit.read(header).markers[0]
    assert (marker.sample, marker.time_s) == (200, 0.5)


def test_only_annotation_files_are_taken_for_such(tmp_path: Path) -> None:
    header = write_record(tmp_path, "16", [Signal(np.zeros(50, np.int64))])
    (tmp_path / "rec.txt").write_text("a note")
    (tmp_path / "rec.atr.bak").write_bytes(annotation(5, 1) + b"\0\0")
    (tmp_path / "rec_2.atr").write_bytes(annotation(5, 1) + b"\0\0")
    (tmp_path / "rec.odd").write_bytes(b"\1\0\0")
    (tmp_path / "rec.qrs").symlink_to(tmp_path / "rec_2.atr")
    (tmp_path / "rec.ecg").mkdir()
    recording = ecgkit.read(header)
    assert recording.markers == recording.warnings == ()


@pytest.mark.parametrize("other", ["edf", "BIN", "mp3", "h5", "bak2.bin"])
def test_data_files_that_end_in_zeros_are_no_annotations(tmp_path: Path, other: str) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 50, 1))], name="a")
    (tmp_path / f"a.{other}").write_bytes(bytes(range(1, 255)) * 8 + b"\0\0")
    recording = ecgkit.read(header)
    assert recording.markers == recording.warnings == ()
    (tmp_path / "a.q1c").write_bytes(annotation(5, 1) + b"\0\0")  # an annotator's name with a figure
    assert [marker.style for marker in ecgkit.read(header).markers] == ["q1c"]


def test_the_hash_covers_the_annotations(tmp_path: Path) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 50, 1))])
    before = ecgkit.read(header).sha256()
    hashes = {before}
    for step in (5, 6):
        (tmp_path / "rec.qrs").write_bytes(annotation(step, 1) + b"\0\0")
        hashes.add(ecgkit.read(header).sha256())
    assert len(hashes) == 3
    (tmp_path / "rec.qrs").unlink()
    assert ecgkit.read(header).sha256() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\1", "the .atr annotations can't be read"),
        (b"\x00\xec\x01\x00", "the .atr annotations can't be read"),  # a skip that ends the file
        (bytes(1 << 23), "the .atr annotations are over 1048576 bytes; left out"),
        (annotation(900, 1) + b"\0\0", "1 of 1 markers lie outside the recording of 50 samples"),
    ],
)
def test_unreadable_annotations_cost_no_samples(tmp_path: Path, content: bytes, message: str) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 50, 1))])
    (tmp_path / "rec.atr").write_bytes(content)
    recording = ecgkit.read(header)
    np.testing.assert_array_equal(recording.channels[0].read_raw(), counts("16", 50, 1))
    assert len(recording.warnings) == 1
    assert recording.warnings[0].startswith(message)
    assert str(tmp_path) not in recording.warnings[0]


def test_notes_that_hang_wfdb_are_read(tmp_path: Path) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 50, 1))])
    notes = ("## time resolution: 1000", "## time resolution: 500", "## annotation type definitions")
    data = b"".join(annotation(0, 22, note) for note in notes)
    (tmp_path / "rec.atr").write_bytes(data + annotation(20, 1) + b"\0\0")
    assert _marks(ecgkit.read(header)) == [(10, "N", "atr", None)]


@pytest.mark.parametrize(
    "name",
    [
        "../rec.dat",
        "/etc/passwd",
        "sub/rec.dat",
        "..",
        "..\\rec.dat",
        "C:rec.dat",
        "http://host/rec.dat",
        "-",
        "~",
    ],
)
def test_signal_files_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 50, 1))])
    _edited(header, lambda text: text.replace("rec.dat", name))
    with pytest.raises(
        ReadError, match=r"rec\.hea: the samples of signal 0 should lie in .* beside the header"
    ):
        read(header, ReadOptions(salvage=True))


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    header = write_record(inside, "16", [Signal(counts("16", 50, 1))])
    (inside / "rec.dat").rename(outside / "rec.dat")
    (inside / "rec.dat").symlink_to(outside / "rec.dat")
    with pytest.raises(ReadError, match=r"rec\.dat is a link out of the folder"):
        ecgkit.read(header, salvage=True)
    (inside / "rec.dat").unlink()
    (outside / "rec.dat").rename(inside / "other.dat")
    (inside / "rec.dat").symlink_to("other.dat")
    np.testing.assert_array_equal(ecgkit.read(header).channels[0].read_raw(), counts("16", 50, 1))


@pytest.mark.parametrize("folder", ["a::http", "[b]", "c*", "file:", "%20 e"])
def test_folder_names_are_no_urls_or_patterns(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    header = SAMPLES["annotated"](tmp_path / folder)
    recording = ecgkit.read(header)
    assert len(recording.markers) == 4
    np.testing.assert_array_equal(recording.channels[0].read_raw(), counts("16", 1000, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "rec 1 500 50",
            "rec 1 500 999999999999999",
            "has 100 bytes, expected 1999999999999998 for 999999999999999 frames",
        ),
        ("rec 1 500", "rec 999999999 500", "announces 999999999 signals and describes 1"),
        ("rec 1 500", "rec 0 500", "announces 0 signals and describes 1"),
        ("rec 1 500", "rec 2 500", "announces 2 signals and describes 1"),
        ("rec 1 500", "rec/3 1 500", "a record of 3 segments, expected one"),
        ("rec 1 500", "rec 1 0", "gives 0 frames a second"),
        ("rec 1 500", "rec 1 1e99", r"gives 1e\+99 frames a second"),
        (".dat 16", ".dat 16x0", "the line of signal 0"),
        (".dat 16", ".dat 16x999999999", r"has 100 bytes, expected \d+ for 50 frames"),
        (".dat 16", ".dat 16+999999999999999", r"has 100 bytes, expected \d+ for 50 frames"),
        (".dat 16", ".dat 516", "signal format 516, ecgkit reads 8, 16, 24"),
        (".dat 16", ".dat 17", "signal format 17, ecgkit reads"),
        ("200(10)", "2o0(10)", "the line of signal 0"),
        ("rec.dat", "gone.dat", r"gone\.dat is not beside it"),
    ],
)
def test_impossible_headers_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 50, 1))])
    _edited(header, lambda text: text.replace(old, new))
    tracemalloc.start()
    with pytest.raises(ReadError, match=message):
        ecgkit.read(header)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_signals_of_one_file_must_lie_together_in_one_format(tmp_path: Path) -> None:
    header = SAMPLES["two-files"](tmp_path)
    for old, new in (("one.dat 16 200/mV 12 0 0 0 0 II", "one.dat 61"), ("one.dat 16", "two.dat 80")):
        text = header.read_text()
        header.write_text(text.replace(old, new, 1))
        with pytest.raises(ReadError, match="differ in format or offset, or others stand between"):
            ecgkit.read(header)
        header.write_text(text)


def test_a_header_too_long_is_refused(tmp_path: Path) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 50, 1))], comments=["x" * 300_000])
    with pytest.raises(ReadError, match="too long for a header"):
        ecgkit.read(header)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("1:2 03/04/2005", datetime(2005, 4, 3, 0, 1, 2)),
        ("7 03/04/2005", datetime(2005, 4, 3, 0, 0, 7)),
        ("12:00:00", None),
    ],
)
def test_start_time_is_the_headers_clock(tmp_path: Path, when: str, expected: datetime | None) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 9, 1))], record=f"500 {{frames}} {when}")
    recording = ecgkit.read(header)
    assert (recording.start_time, recording.warnings) == (expected, ())


@pytest.mark.parametrize("when", ["25:00:00 01/01/2020", "12:00:00 31/02/2020", "x y", "1:2:3:4 01/01/2020"])
def test_dates_that_cannot_be_are_left_out(tmp_path: Path, when: str) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 9, 1))], record=f"500 {{frames}} {when}")
    recording = ecgkit.read(header)
    assert recording.start_time is None
    assert recording.warnings == ("the header's date and time can't be understood, and are left out",)


@pytest.mark.parametrize("gain", ["1e-320", "1e999"])
def test_scales_that_give_no_values_are_told(tmp_path: Path, gain: str) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 9, 1), f"{gain}/mV")])
    recording = ecgkit.read(header)
    assert "only its raw samples can be used" in recording.warnings[-1]
    np.testing.assert_array_equal(recording.channels[0].read_raw(), counts("16", 9, 1))


def test_units_are_read_in_either_encoding(tmp_path: Path) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 9, 1), "200/µV 12 0 0 0 0 Ableitung Ä")])
    assert ecgkit.read(header).channels[0].unit == "µV"
    header.write_bytes(header.read_text(encoding="utf-8").encode("latin-1"))
    assert ecgkit.read(header).channels[0].name == "Ableitung Ä"


@pytest.mark.parametrize(
    "name", ["format-16", "format-212", "format-310-one-signal", "format-311", "format-8"]
)
def test_a_cut_signal_file_is_refused_or_salvaged(tmp_path: Path, name: str) -> None:
    header = SAMPLES[name](tmp_path)
    data = header.with_suffix(".dat").read_bytes()
    whole = [channel.read_raw() for channel in ecgkit.read(header).channels]
    bits = {"format-16": 16, "format-212": 12, "format-310-one-signal": 32 / 3, "format-311": 32 / 3}
    for length in range(0, len(data), 7):
        header.with_suffix(".dat").write_bytes(data[:length])
        with pytest.raises(
            ReadError, match=rf"signal file 1 of 1 has {length} bytes, expected {len(data)}.*--salvage"
        ):
            ecgkit.read(header)
        recording = ecgkit.read(header, salvage=True)
        n_frames = recording.channels[0].n_samples
        assert n_frames >= int(length * 8 / bits.get(name, 8) / len(whole)) - 1
        for channel, lost, expected in zip(recording.channels, recording.lost, whole, strict=True):
            np.testing.assert_array_equal(channel.read_raw(), expected[:n_frames])
            gone = f"{len(expected) - n_frames} of {len(expected)}" if n_frames else f"all {len(expected)}"
            assert lost.startswith(f"channel {channel.index} 'ECG': ")
            assert f"{gone} samples" in lost
    header.with_suffix(".dat").unlink()
    with pytest.raises(ReadError, match="copy the whole record"):
        ecgkit.read(header)
    assert {channel.n_samples for channel in ecgkit.read(header, salvage=True).channels} == {0}


def test_salvage_keeps_the_files_that_are_whole(tmp_path: Path) -> None:
    header = SAMPLES["two-files"](tmp_path)
    (tmp_path / "one.dat").unlink()
    recording = ecgkit.read(header, salvage=True)
    assert [channel.n_samples for channel in recording.channels] == [0, 0, 60]
    assert len(recording.lost) == 2
    assert [path.name for path in recording.files] == ["both.hea", "two.dat"]
    assert recording.lost[0] == "channel 0 'I': all 60 samples"


def test_a_cut_header_is_a_recording_or_a_read_error(tmp_path: Path) -> None:
    header = SAMPLES["annotated"](tmp_path)
    text = header.read_bytes()
    for length in range(1, len(text)):
        header.write_bytes(text[:length])
        try:
            recording = ecgkit.read(header, salvage=True)
        except ReadError:
            continue
        assert len(recording.channels) == 2


def test_bytes_behind_the_samples_are_told(tmp_path: Path) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 50, 1))])
    with header.with_suffix(".dat").open("ab") as file:
        file.write(bytes(10))
    recording = ecgkit.read(header)
    assert recording.channels[0].n_samples == 50
    assert recording.warnings == (
        "signal file 1 of 1 has 110 bytes, expected 100; what lies behind them is left out",
    )


def test_a_file_cut_since_its_header_was_read_is_told(tmp_path: Path) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 50, 1))])
    channel = ecgkit.read(header).channels[0]
    header.with_suffix(".dat").write_bytes(b"12")
    with pytest.raises(ReadError, match="expected 100 bytes at 0, got 2; it has changed"):
        channel.read()
    header.with_suffix(".dat").unlink()
    with pytest.raises(ReadError, match="No such file"):
        channel.read()


def test_a_range_of_a_long_record_needs_little_memory(tmp_path: Path) -> None:
    header = write_record(tmp_path, "16", [Signal(np.zeros(9, np.int64))] * 4)
    _edited(header, lambda text: text.replace("500 9", "500 50000000"))
    with header.with_suffix(".dat").open("r+b") as file:
        file.truncate(400_000_000)
        file.seek(8 * 30_000_000)
        file.write(pack("16", np.arange(4)))
    ecgkit.read(header).channels[0].read(0, 1)  # wfdb is imported
    tracemalloc.start()
    channel = ecgkit.read(header).channels[3]
    np.testing.assert_array_equal(channel.read_raw(29_999_999, 30_000_002), [0, 3, 0])
    assert next(channel.chunks(size=100_000)).shape == (100_000,)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "head",
    [
        b"1 2 500\n3 16 501\n",
        b"time 2 500\n0.1 16 200\n",
        b"Some text, 2 500\n",
        b"ECG,RESP\n1,2\n",
        b"\0\0\x84\0",
    ],
)
def test_matches_leaves_tables_alone(head: bytes) -> None:
    assert not matches(head)


@pytest.mark.parametrize(
    "head",
    [b"100 2 360 650000\n100.dat 212 200", b"# c\n\nr_1 1 500\nA0001.mat 16+24 1000/mV", b"p-1/22 3 125 9\n"],
)
def test_matches_knows_headers(head: bytes) -> None:
    assert matches(head)


def test_the_header_is_pointed_to(tmp_path: Path) -> None:
    header = write_record(tmp_path, "16", [Signal(counts("16", 50, 1))])
    for name in ("rec", "rec.dat", "rec.atr"):
        with pytest.raises(ReadError, match=r"There is rec\.hea: give that one"):
            ecgkit.read(header.with_name(name))


def test_the_writer_agrees_with_wfdbs(tmp_path: Path) -> None:
    for fmt in ("16", "24", "32", "80", "212"):
        signals = [Signal(counts(fmt, 101, seed)) for seed in range(2)]
        columns = np.stack([signal.counts for signal in signals], axis=1)
        wfdb.wrsamp(
            f"w{fmt}",
            500,
            ["mV"] * 2,
            ["a", "b"],
            d_signal=columns,
            fmt=[fmt] * 2,
            adc_gain=[200.0] * 2,
            baseline=[0] * 2,
            write_dir=str(tmp_path),
        )
        assert (tmp_path / f"w{fmt}.dat").read_bytes() == stored(fmt, signals)
        recording = ecgkit.read(tmp_path / f"w{fmt}.hea")
        np.testing.assert_array_equal(recording.channel("b").read_raw(), signals[1].counts)


@pytest.mark.real_data
def test_all_records_of_ecg_id_equal_their_bytes_and_wfdb(real_data: Path) -> None:
    headers = sorted((real_data / "ecgiddb").glob("*/*.hea"))
    assert len(headers) == 310
    for path in headers:
        recording = ecgkit.read(path)
        raw = np.fromfile(path.with_suffix(".dat"), "<i2").reshape(-1, 2)
        theirs = wfdb.rdrecord(str(path.with_suffix("")))
        marks = wfdb.rdann(str(path.with_suffix("")), "atr")
        for channel in recording.channels:
            counted = channel.read_raw()
            np.testing.assert_array_equal(counted, raw[:, channel.index])
            values = channel.read()
            np.testing.assert_allclose(values, (counted - 0.0) / 200, rtol=3e-16, atol=0)
            np.testing.assert_allclose(values, theirs.p_signal[:, channel.index], rtol=3e-16, atol=0)
        assert [c.name for c in recording.channels] == theirs.sig_name == ["ECG I", "ECG I filtered"]
        assert [marker.sample for marker in recording.markers] == marks.sample.tolist()
        assert [marker.text for marker in recording.markers] == marks.symbol
        assert recording.warnings == recording.lost == ()
