"""``ecgkit protocol`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ecgkit.cli import ecgkit, main
from ecgkit.protocol.model import Protocol, load_protocol
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq


def run(*args: object, columns: int = 100) -> Result:
    return CliRunner().invoke(
        ecgkit, ["protocol", *map(str, args)], env={"COLUMNS": str(columns)}, standalone_mode=False
    )


def refused(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    """Run it as a program that must end with 2; return what it says."""
    with pytest.raises(SystemExit) as stop:
        main(["protocol", *map(str, args)])
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert err.startswith("Error: ")
    return err


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "a.acq"
    write_acq(
        path, [AcqChannel(np.zeros(24_000), "ECG", "mV")], fs=200, markers=[AcqMarker(2000, "rest\x1b[2J")]
    )
    return path


def test_protocol_list_shows_names_and_conditions() -> None:
    result = run("list")
    assert result.return_value is None
    for name in ("bsl-l05", "dt4ecg", "ewing", "rest"):
        assert f"│ {name}" in result.stdout
    listed = json.loads(run("list", "--json").stdout)
    assert listed[1]["name"] == "dt4ecg"
    assert listed[1]["conditions"] == ["rest", "exercise", "deep_breathing"]


@pytest.mark.parametrize("columns", [40, 80, 300])
def test_protocol_show_is_readable(columns: int) -> None:
    result = run("show", "dt4ecg", columns=columns)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "exercise Exercise (recovery), 180 s, at least 60 s." in text
    assert "Recorded 60 s after the stimulus." in text
    assert "marker rest (start|begin) to rest (stop|end)" in text
    assert "check mean heart rate: passes at 40 to 100 beats/min, warns at 30 to 120. Source:" in text
    assert "passes at 15 or more beats/min, warns at 10 or more, only a remark." in text
    assert max(map(len, result.stdout.splitlines())) <= min(columns, 110)


def test_protocol_show_json_is_the_whole_protocol() -> None:
    for name in ("bsl-l05", "dt4ecg", "ewing", "rest"):
        shown = json.loads(run("show", name, "--json").stdout)
        assert Protocol.model_validate(shown) == load_protocol(name)


def test_protocol_new_then_check(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    result = run("new", mine)
    assert result.stdout == f"{mine}: a copy of dt4ecg. Edit it, then: ecgkit protocol check {mine}\n"
    assert load_protocol(str(mine)).name == "mine"
    result = run("check", mine)
    assert (result.return_value, result.stdout) == (0, f"{mine}: fine, 3 conditions\n")


def test_protocol_check_exits_with_1_where_something_is_wrong(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine\n")
    result = run("check", mine)
    assert result.return_value == 1
    assert result.stdout.startswith(f"wrong: {mine}: title: missing; lead: missing")
    assert json.loads(run("check", mine, "--json").stdout)["problems"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [1]\nb: [*x, *x]\n", "YAML aliases"),
        ("a: !!python/object/apply:os.system [echo]\n", "not valid YAML"),
        ("[" * 100_000, "nested more than 20 deep"),
        ("name: \x1b[2J", "not valid YAML"),
        ("subject_pattern: (a+)+$", "after a group is not accepted"),
    ],
)
def test_protocol_commands_refuse_hostile_yaml(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    result = run("check", mine)
    assert result.return_value == 1
    assert message in result.stdout
    assert "\x1b" not in result.stdout
    assert message in refused(capsys, "show", mine)
    assert message in refused(capsys, "new", tmp_path / "other.yaml", "--from", mine)
    assert not (tmp_path / "other.yaml").exists()


def test_protocol_check_shows_spans_of_a_recording(tmp_path: Path, recording: Path) -> None:
    result = run("check", "dt4ecg", "--recording", recording)
    assert result.return_value == 1
    assert "got 'rest" in result.stdout
    assert "\x1b" not in result.stdout
    result = run("check", "rest", "--recording", recording, columns=140)
    assert result.return_value == 0
    assert "│ rest      │ 1    │ 0.000  │ 120.000 │ segment 1 of 1 │" in result.stdout
    (span,) = json.loads(run("check", "rest", "--recording", recording, "--json").stdout)["spans"]
    assert (span["condition"], span["stop_s"]) == ("rest", 120.0)


def test_protocol_bad_input_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown protocol 'dt4egc'" in refused(capsys, "show", "dt4egc")
    assert "can't be read" in refused(capsys, "check", tmp_path / "none.yaml")
    assert "no such file" in refused(capsys, "check", "rest", "--recording", tmp_path / "none.acq")
    assert "expected a name that ends in" in refused(capsys, "new", tmp_path / "mine")
    (tmp_path / "mine.yaml").write_text("x")
    assert "is there already" in refused(capsys, "new", tmp_path / "mine.yaml")
    assert "folder" in refused(capsys, "new", tmp_path / "mine.yaml" / "a.yaml")


def test_protocol_without_a_command_shows_which_there_are() -> None:
    help_text = CliRunner().invoke(ecgkit, ["protocol", "--help"]).stdout
    for name in ("list", "show", "new", "check"):
        assert f"\n  {name} " in help_text
