import json
from pathlib import Path

import numpy as np
import pytest

from ecgkit.errors import ProtocolError, ReadError
from ecgkit.protocol.model import load_protocol, shipped_protocols
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq
from ecgkit.stages import protocol as stage

FS = 200


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two minutes of a flat channel: rest from 10 to 100 s."""
    path = tmp_path / "a.acq"
    markers = [AcqMarker(10 * FS, "rest start"), AcqMarker(100 * FS, "rest stop")]
    write_acq(path, [AcqChannel(np.zeros(120 * FS), "ECG", "mV")], fs=FS, markers=markers)
    return path


def test_shipped_loads_them_all() -> None:
    assert [protocol.name for protocol in stage.shipped()] == list(shipped_protocols())


@pytest.mark.parametrize("source", ["bsl-l05", "dt4ecg", "ewing", "rest"])
def test_new_copies_a_protocol_under_the_files_name(tmp_path: Path, source: str) -> None:
    path = tmp_path / "my lab: 07.yaml"
    stage.new(path, source=source)
    mine, theirs = load_protocol(str(path)), load_protocol(source)
    assert mine.name == "my lab: 07"
    assert mine.model_copy(update={"name": source}) == theirs
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# Begun as a copy of '{source}'. Check it by: ecgkit protocol check FILE"
    assert sum(line.startswith("#") for line in lines) > 1  # the comments came along


def test_new_copies_a_file_of_ones_own(tmp_path: Path) -> None:
    stage.new(tmp_path / "a.yaml", source="rest")
    stage.new(tmp_path / "b.yml", source=str(tmp_path / "a.yaml"))
    assert load_protocol(str(tmp_path / "b.yml")).name == "b"


def test_new_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine: all mine")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nowhere.yaml")
    for name in ("mine.yaml", "link.yaml"):
        with pytest.raises(ProtocolError, match="is there already and stays as it is"):
            stage.new(tmp_path / name, source="dt4ecg")
    assert (tmp_path / "mine.yaml").read_text() == "mine: all mine"
    assert not (tmp_path / "nowhere.yaml").exists()


def test_new_refuses_what_it_can_not_copy(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"ends in \.yaml or \.yml"):
        stage.new(tmp_path / "mine.txt", source="dt4ecg")
    with pytest.raises(ProtocolError, match="unknown protocol 'dt4egc'"):
        stage.new(tmp_path / "mine.yaml", source="dt4egc")
    flow = json.dumps(load_protocol("rest").model_dump(mode="json"))
    (tmp_path / "flow.yaml").write_text(flow)
    with pytest.raises(ProtocolError, match="no line that starts with 'name:'"):
        stage.new(tmp_path / "mine.yaml", source=str(tmp_path / "flow.yaml"))
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize("name", ["bsl-l05", "dt4ecg", "ewing", "rest"])
def test_check_finds_nothing_in_the_shipped_ones(name: str) -> None:
    found = stage.check(name)
    assert found.problems == ()
    assert found.protocol == load_protocol(name)
    assert found.advice == (
        ("no checks: nobody will know whether valsalva was done as asked",) if name == "ewing" else ()
    )


def test_check_shows_what_would_be_tagged(recording: Path) -> None:
    found = stage.check("dt4ecg", recording=recording)
    assert found.problems == ()
    assert found.as_json()["spans"] == [
        {
            "condition": "rest",
            "take": 1,
            "start_s": 10.0,
            "stop_s": 100.0,
            "reason": "from the marker at 10.000 s to the one at 100.000 s",
            "warnings": [],
        }
    ]


def test_check_says_when_rules_do_not_fit_the_recording(recording: Path) -> None:
    found = stage.check("ewing", recording=recording)
    assert found.problems == ()  # "rest start" is one of its own
    found = stage.check("bsl-l05", recording=recording)
    assert found.spans is not None  # one segment: the first of the lesson
    stage.new(recording.parent / "mine.yaml", source="dt4ecg")
    text = (recording.parent / "mine.yaml").read_text(encoding="utf-8")
    (recording.parent / "mine.yaml").write_text(text.replace("rest (start|begin)", "pause"), encoding="utf-8")
    found = stage.check(str(recording.parent / "mine.yaml"), recording=recording)
    assert found.spans is None
    assert "got 'rest start', 'rest stop'" in found.problems[0]


def test_check_names_what_is_wrong_and_where(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    stage.new(path, source="dt4ecg")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("mains_hz: 60", "mains: 60"), encoding="utf-8")
    found = stage.check(str(path))
    assert found.protocol is None
    assert "unknown setting 'mains'" in found.problems[0]
    assert "(lines " in found.problems[0]
    path.write_text(text.replace("fs_hz: 1000", "fs_hz: 1000\nfs_hz: 500", 1), encoding="utf-8")
    line = text.splitlines().index("fs_hz: 1000") + 1
    assert stage.check(str(path)).problems == (
        f"{path}: fs_hz stands at line {line} and again at {line + 1}",
    )


def test_check_advises_on_a_bare_protocol(tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text(
        "{name: bare, title: t, lead: {name: I}, mains_hz: 50, fs_hz: 500, conditions: "
        "{sit: {label: a, duration_s: 9, least_duration_s: 9}, "
        "stand: {label: b, duration_s: 9, least_duration_s: 9}}, "
        "segments: [sit]}"
    )
    assert stage.check(str(path)).advice == (
        "no markers: stand can't be found in a recording, only be named",
        "no checks: nobody will know whether sit, stand was done as asked",
    )


def test_check_of_what_is_not_there_raises(tmp_path: Path, recording: Path) -> None:
    with pytest.raises(ProtocolError, match="can't be read"):
        stage.check(str(tmp_path / "none.yaml"))
    with pytest.raises(ProtocolError, match="unknown protocol"):
        stage.check("none")
    with pytest.raises(ReadError):
        stage.check("dt4ecg", recording=tmp_path / "none.acq")
