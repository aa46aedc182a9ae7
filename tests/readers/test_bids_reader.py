from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
import pytest
from support.bids_files import (
    REST,
    SAMPLES,
    TABLE,
    full_session,
    rows,
    write_json,
    write_recording,
    write_table,
)
from support.mutate import BINARY_WAYS, LARGEST_BYTES, TEXT_WAYS

import ecgkit
from ecgkit.errors import EcgkitError, ReadError
from ecgkit.exports.bids_session import write_session
from ecgkit.readers import bids_table
from ecgkit.readers.bids_reader import told
from ecgkit.readers.leads import choose_ecg
from ecgkit.readers.respiration_channel import find_respiration
from ecgkit.records import Recording

ECG = {"SamplingFrequency": 100, "StartTime": 0, "Columns": ["ecg"]}


def same(one: Recording, other: Recording) -> None:
    np.testing.assert_equal(repr(one.channels), repr(other.channels))  # NaN is no equal of itself
    for channel, original in zip(one.channels, other.channels, strict=True):
        np.testing.assert_array_equal(channel.read_raw(), original.read_raw())
        np.testing.assert_array_equal(channel.read(), original.read())


def exported(folder: Path) -> tuple[Path, ...]:
    """The tables of a session of several rates, as ecgkit exports it."""
    return tuple(folder / table for table in write_session(folder, full_session(), REST))


def test_read_takes_names_rate_and_units_from_the_sidecar(tmp_path: Path) -> None:
    recording = ecgkit.read(write_recording(tmp_path, "34\t110\t0\nn/a\t112.25\t0\n23\t1e2\t1\n"))
    assert [(c.name, c.unit, c.fs, c.number) for c in recording.channels] == [
        ("cardiac", "mV", 50.0, 0),
        ("respiratory", "", 50.0, 1),
        ("trigger", "", 50.0, 2),
    ]
    np.testing.assert_array_equal(recording.channel("cardiac").read(), [34, np.nan, 23])
    np.testing.assert_array_equal(recording.channel("respiratory").read(), [110, 112.25, 100])
    assert find_respiration(recording.channels) == 1
    assert not recording.simulated
    assert told(recording.path) is None


def test_read_counts_events_from_the_first_sample(tmp_path: Path) -> None:
    recording = ecgkit.read(SAMPLES["fmri"](tmp_path))
    assert [(m.sample, m.text) for m in recording.markers] == [(117, "go"), (142, ""), (217, "stop")]


def test_read_leaves_out_events_without_a_time(tmp_path: Path) -> None:
    events = ("onset\tduration\tvalue", "n/a\t1\tlost", "1\t0\t7", "inf\t0\t7")
    recording = ecgkit.read(write_recording(tmp_path, "1\t2\t3\n", events=events))
    assert [marker.text for marker in recording.markers] == ["7"]
    assert recording.warnings[0] == "2 events without a time that can be read, left out"


def test_read_inherits_what_stands_above_in_the_data_set(tmp_path: Path) -> None:
    root = tmp_path / "data"
    folder = root / "sub-01" / "ses-1" / "beh"
    folder.mkdir(parents=True)
    write_json(root / "dataset_description.json", {"Name": "a", "BIDSVersion": "1.8.0"})
    write_json(root / "task-rest_physio.json", {**ECG, "SamplingFrequency": 50, "ecg": {"Units": "V"}})
    write_json(root / "task-other_physio.json", {"SamplingFrequency": 7})
    write_json(root / "sub-01" / "sub-01_task-rest_physio.json", {"SamplingFrequency": 250})
    table = write_table(folder / "sub-01_ses-1_task-rest_physio.tsv.gz", "1\n2\n")
    recording = ecgkit.read(table)
    assert (recording.fs, recording.channels[0].unit, recording.version) == (250, "V", "BIDS 1.8.0")
    assert [path.name for path in recording.files] == [
        "task-rest_physio.json",
        "sub-01_task-rest_physio.json",
        table.name,
    ]


def test_read_looks_for_no_sidecar_outside_the_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "sub-01"
    folder.mkdir()
    write_json(tmp_path / "task-rest_physio.json", ECG)  # there is no description here
    with pytest.raises(ReadError, match=r"its sidecar sub-01_task-rest_physio.json"):
        ecgkit.read(write_table(folder / TABLE, "1\n"))


def test_read_joins_the_tables_of_all_rates(tmp_path: Path) -> None:
    last = SAMPLES["several-tables"](tmp_path)
    first = last.with_name(last.name.replace("cardiac", "breathing"))
    recordings = [ecgkit.read(path) for path in (first, last)]
    same(*recordings)
    assert [(c.name, c.fs, c.n_samples) for c in recordings[0].channels] == [
        ("breathing", 25, 50),
        ("cardiac", 100, 200),
    ]
    assert recordings[0].sha256() == recordings[1].sha256()


def test_read_leaves_out_a_table_that_starts_at_another_time(tmp_path: Path) -> None:
    path = SAMPLES["several-tables"](tmp_path)
    sidecar = path.with_name(path.name.replace(".tsv.gz", ".json"))
    write_json(sidecar, {**json.loads(sidecar.read_text("utf-8")), "StartTime": 2.0})
    recording = ecgkit.read(path)
    assert [channel.name for channel in recording.channels] == ["cardiac"]
    assert recording.warnings == ("1 table of it starts at another time, left out; give one to have it read",)


def test_read_takes_back_exactly_what_was_exported(tmp_path: Path) -> None:
    session = full_session(source_name="Jo.acq")
    original = session.recording
    for table in (tmp_path / table for table in write_session(tmp_path, session, REST)):
        recording = ecgkit.read(table)
        same(recording, original)
        assert recording.markers == original.markers
        assert (recording.fs, recording.simulated, recording.lost) == (500.0, True, ("an end",))
        assert recording.version == "BIDS, from AcqKnowledge 5"
        said = told(table)
        assert said is not None
        assert (said.condition, said.source_name) == ("deep_breathing", "Jo.acq")
        assert said.excluded == session.excluded
        chosen = choose_ecg(recording, said.leads)
        assert (chosen.indexes, chosen.names) == (session.ecg, session.leads)


def test_read_takes_the_start_from_the_list_of_scans(tmp_path: Path) -> None:
    path = write_recording(tmp_path, "1\n", sidecar=ECG)
    folder = tmp_path / "sub-01" / "beh"
    folder.mkdir(parents=True)
    for file in (path, path.with_name(path.name.replace(".tsv.gz", ".json"))):
        file.rename(folder / file.name)
    scans = tmp_path / "sub-01" / "sub-01_scans.tsv"
    for text, expected in {
        "2024-03-01T12:00:00.25Z": datetime(2024, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC),
        "2024-03-01T12:00:00": datetime(2024, 3, 1, 12, 0),
        "n/a": None,
    }.items():
        scans.write_text(f"filename\tacq_time\nbeh/{path.name}\t{text}\n", encoding="utf-8")
        assert ecgkit.read(folder / path.name).start_time == expected


def test_read_takes_a_unit_where_none_is_given(tmp_path: Path) -> None:
    assert ecgkit.read(write_recording(tmp_path, "1\n", sidecar=ECG), unit="uV").channels[0].unit == "uV"
    path = write_recording(tmp_path, "1\n", sidecar={**ECG, "ecg": {"Units": "mV"}})
    with pytest.raises(ReadError, match="gives every column's unit; leave out --unit"):
        ecgkit.read(path, unit="uV")


@pytest.mark.parametrize("text", ["1\r\n2\r\n", "1\n2", "1\n2\n\n", "ecg\n1\n2\n"])
def test_read_forgives_line_ends_and_a_line_of_names(tmp_path: Path, text: str) -> None:
    recording = ecgkit.read(write_recording(tmp_path, text, sidecar=ECG))
    np.testing.assert_array_equal(recording.channels[0].read(), [1, 2])
    assert len(recording.warnings) == text.startswith("ecg")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SamplingFrequency": None}, "SamplingFrequency is 'None', expected a number"),
        ({"SamplingFrequency": True}, "SamplingFrequency is 'True', expected a number"),
        ({"SamplingFrequency": 0}, "SamplingFrequency is 0, expected a sampling rate"),
        ({"SamplingFrequency": 10**400}, "expected a number"),
        ({"StartTime": "0"}, "StartTime is '0', expected a number"),
        ({"Columns": "ecg"}, "Columns is 'ecg', expected a list of names"),
        ({"Columns": ["ecg", ""]}, "expected a list of names"),
        ({"Columns": ["ecg", "ecg"]}, "2 names, 1 of them different"),
        ({"Columns": ["ecg", "rsp"]}, "rows of 1 number, but its sidecar names 2 columns"),
        ({"EcgkitSession": {"version": "9"}}, "EcgkitSession: version"),
        ({"ecg": {"EcgkitChannel": {"index": -1}}}, "EcgkitChannel: index"),
    ],
)
def test_read_refuses_sidecars(tmp_path: Path, changes: dict, message: str) -> None:
    path = write_recording(tmp_path, "1\n2\n", sidecar={**ECG, **changes})
    with pytest.raises(ReadError, match=message):
        ecgkit.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "can't be read"),
        ('{"StartTime": NaN}', "NaN is not JSON"),
        ('["a"]', "expected a JSON object, got list"),
        ('{"a": "' + "x" * (1 << 20) + '"}', "more than 1048576 bytes"),
        ("", "can't be read"),
    ],
)
def test_read_refuses_what_is_no_json(tmp_path: Path, text: str, message: str) -> None:
    path = write_recording(tmp_path, "1\n")
    path.with_name(path.name.replace(".tsv.gz", ".json")).write_text(text, encoding="utf-8")
    with pytest.raises(ReadError, match=message):
        ecgkit.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n2\t3\n", "the number of columns changed from 1 to 2"),
        ("1\nabc\n", "could not convert string 'abc'"),
        ("1\n\n2\n", "a line without numbers"),
        ("1\n\n" * 40_000, "a line without numbers"),
        ("1\nµ\n", "ascii"),
        ("1\n" + "1" * 70_000, "a line of more than 65536 bytes"),
    ],
)
def test_read_refuses_tables(tmp_path: Path, text: str, message: str) -> None:
    path = write_recording(tmp_path, text, sidecar=ECG)
    with pytest.raises(ReadError, match=message):
        ecgkit.read(path)


def test_read_refuses_a_name_that_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"expected a BIDS name such as sub-01_task-rest_physio.tsv.gz"):
        ecgkit.read(write_table(tmp_path / "numbers.tsv.gz", "1\n2\n"))


def test_read_knows_no_other_packed_files(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="not a recording of a format that ecgkit reads"):
        ecgkit.read(write_table(tmp_path / TABLE, "not numbers\n"))


def test_read_refuses_samples_that_were_changed(tmp_path: Path) -> None:
    session = full_session()
    table = tmp_path / next(name for name in write_session(tmp_path, session, REST) if "250Hz" in name.name)
    lines = gzip.decompress(table.read_bytes()).decode().split("\n")
    cells = lines[5].split("\t")
    cells[0] = str(float(cells[0]) + 1e-9)
    lines[5] = "\t".join(cells)
    write_table(table, "\n".join(lines))
    with pytest.raises(
        ReadError, match=r"'ecg_lead_i'|'ECG, Lead I': the rows from 0 on are not the samples"
    ):
        ecgkit.read(table)


def test_read_refuses_a_session_without_one_of_its_tables(tmp_path: Path) -> None:
    tables = exported(tmp_path)
    next(table for table in tables if "62p5Hz" in table.name).unlink()
    with pytest.raises(ReadError, match=r"hold channels \[0, 1, 3, 5\], expected 0 to 5"):
        ecgkit.read(tables[0])
    recording = ecgkit.read(tables[0], salvage=True)
    assert [channel.number for channel in recording.channels] == [5, 6, 8, 10]
    assert [channel.index for channel in recording.channels] == [0, 1, 2, 3]


def test_read_refuses_a_table_that_is_cut_off_unless_it_is_salvaged(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(size=20_000)
    path = write_recording(tmp_path, rows(values.tolist()), sidecar=ECG)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ReadError, match=r"damaged .*--salvage"):
        ecgkit.read(path)
    recording = ecgkit.read(path, salvage=True)
    got = recording.channels[0].read()
    assert 5000 < len(got) < 20_000
    np.testing.assert_array_equal(got, values[: len(got)])
    assert f"breaks off after {len(got)} rows" in recording.lost[0]


def test_read_refuses_what_unpacks_to_far_more_than_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recording(tmp_path, "0\n" * 300_000, sidecar=ECG)
    assert ecgkit.read(path).channels[0].n_samples == 300_000
    monkeypatch.setattr(bids_table, "ROOM_NUMBERS", 1000)
    with pytest.raises(ReadError, match="made to fill the memory"):
        ecgkit.read(path)


@pytest.mark.parametrize("end", ["_physio.json", "_events.tsv"])
def test_read_follows_no_link_out_of_the_data_set(tmp_path: Path, end: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = write_recording(folder, "1\t2\t3\n", events=("onset", "1"))
    file = path.with_name(path.name.replace("_physio.tsv.gz", end))
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReadError, match="a link out of the data set"):
        ecgkit.read(path)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (("time", "1"), "expected onset among them"),
        (("onset\tonset", "1\t1"), "each once"),
        (("onset\tduration", "1"), "line 2: 1 cell, expected 2"),
    ],
)
def test_read_refuses_events(tmp_path: Path, events: tuple[str, ...], message: str) -> None:
    with pytest.raises(ReadError, match=message):
        ecgkit.read(write_recording(tmp_path, "1\t2\t3\n", events=events))


@pytest.mark.parametrize("seed", range(150))
def test_read_of_damaged_text_is_a_recording_or_a_clear_error(tmp_path: Path, seed: int) -> None:
    """Tables damaged before they are packed: behind gzip's checksum no other damage is seen."""
    random = Random(seed)
    path = SAMPLES[random.choice(sorted(SAMPLES))](tmp_path)
    table = random.choice(sorted(tmp_path.glob("*.tsv.gz")))
    data = bytearray(gzip.decompress(table.read_bytes()))
    for _ in range(random.choice((1, 2, 5))):
        way = random.choice(BINARY_WAYS + TEXT_WAYS * 2)
        data = bytearray(way(random, data, bytes(data))[:LARGEST_BYTES])
    table.write_bytes(gzip.compress(bytes(data)))
    for salvage in (False, True):
        try:
            recording = ecgkit.read(path, salvage=salvage)
        except EcgkitError:
            continue
        assert all(len(channel.read()) == channel.n_samples for channel in recording.channels)
