"""``ecgkit info``: everything that is in a file, on 80 columns and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ecgkit.cli import ecgkit
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq


@pytest.fixture
def file(tmp_path: Path) -> Path:
    channels = [
        AcqChannel(np.zeros(61001, np.int16), "ECG [raw]", "mV", scale=0.001),
        AcqChannel(np.zeros(7626), "RESP\x1b[2J", "Volts", divider=8),
    ]
    markers = [AcqMarker(0, "Segment 1", style="apnd", created=datetime(2024, 3, 5, 10, 30, tzinfo=UTC))]
    markers += [AcqMarker(1000 * n, f"breath {n}", channel=1) for n in range(1, 25)]
    markers += [AcqMarker(30000, "Segment 2", style="apnd")]
    path = tmp_path / "session.acq"
    write_acq(path, channels, fs=1000, markers=markers, journal="Calm.")
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(ecgkit, ["info", *map(str, args)], env={"COLUMNS": "80"})


def test_info_shows_what_is_in_the_file(file: Path) -> None:
    result = run(file)
    assert result.exit_code == 0
    lines = [" ".join(line.replace("│", " ").split()) for line in result.stdout.splitlines()]
    for line in (
        "format acq (AcqKnowledge 5.0.1, revision 132)",
        "byte order little-endian",
        "compressed no",
        "base rate 1000 Hz",
        "duration 61.008 s (0:01:01)",
        "start 2024-03-05 10:30:00 UTC",
        "markers 26",
        "journal 5 characters",
        "0 ECG [raw] mV 1000 61001 61.001 int16",
        "1 RESP\N{REPLACEMENT CHARACTER}[2J Volts 125 7626 61.008 float64",
        "ECG channel 0, 'ECG [raw]': its name says 'ECG'",
        "segments 0.000 to 30.000 s, 30.000 to 61.008 s, with a pause between them",
        "0 0.000 Segment 1 apnd",
        "19000 19.000 breath 19 flag RESP\N{REPLACEMENT CHARACTER}[2J",
        "and 6 more markers (all with --json)",
    ):
        assert line in lines
    assert "breath 20" not in result.stdout
    assert "\x1b[2J" not in result.stdout
    assert max(map(len, (line for line in result.stdout.splitlines() if not line.startswith("file")))) <= 80


def test_info_json_holds_everything(file: Path) -> None:
    content = json.loads(run(file, "--json").stdout)
    assert content["version"] == "AcqKnowledge 5.0.1, revision 132"
    assert (content["fs"], content["duration_s"], content["byte_order"]) == (1000, 61.008, "little-endian")
    assert content["start_time"] == "2024-03-05T10:30:00+00:00"
    assert content["channels"][0] == {
        "index": 0,
        "number": 1,
        "name": "ECG [raw]",
        "unit": "mV",
        "fs": 1000.0,
        "n_samples": 61001,
        "duration_s": 61.001,
        "stored_as": "int16",
        "scale": 0.001,
        "offset": 0.0,
    }
    assert content["ecg"] == {"index": 0, "reason": "its name says 'ECG'"}
    assert len(content["markers"]) == 26
    assert content["markers"][1] == {
        "sample": 1000,
        "time_s": 1.0,
        "text": "breath 1",
        "style": "flag",
        "channel": 1,
        "created": None,
    }
    assert content["segments_s"] == [[0.0, 30.0], [30.0, 61.008]]
    assert content["journal_characters"] == 5
    assert "Calm." not in json.dumps(content)
    assert content["warnings"] == []


def test_info_warns_without_an_ecg_channel_and_of_damage(tmp_path: Path) -> None:
    path = tmp_path / "file.acq"
    write_acq(path, [AcqChannel(np.zeros(9), "Pressure", "mmHg")], fs=100)
    path.write_bytes(path.read_bytes()[:-3])
    result = run(path)
    assert result.exit_code == 0
    assert "Warning: cut off in the journal length: expected 4 bytes" in result.stderr
    assert "Warning: no ECG channel chosen: no channel is named like an ECG" in result.stderr
    content = json.loads(run(path, "--json").stdout)
    assert content["ecg"] is None
    assert content["ecg_problem"].startswith("no channel is named like an ECG")
    assert len(content["warnings"]) == 1


def test_info_reads_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "file.acq"
    write_acq(path, [AcqChannel(np.zeros(9, np.int16), "ECG", "mV")], fs=100, compressed=True)
    data = bytearray(path.read_bytes())
    data[-3] ^= 0xFF  # the stream's checksum
    path.write_bytes(data)
    assert run(path).exit_code == 0


def test_info_of_a_wrong_file_is_one_line_and_exit_code_2(file: Path, tmp_path: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])
    command = [sys.executable, "-m", "ecgkit", "info"]
    for path, message in (
        (file, "cut off in the header of channel 1 of 2"),
        (tmp_path / "x", "no such file"),
    ):
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith(f"Error: {path}: {message}")
        assert done.stderr.count("\n") == 1


def test_info_runs_as_a_program(file: Path) -> None:
    command = [sys.executable, "-m", "ecgkit", "info", str(file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
    assert json.loads(done.stdout)["channels"][1]["fs"] == 125
    assert done.stderr == ""
