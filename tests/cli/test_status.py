"""``ecgkit status`` as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from ecgkit.cli import ecgkit
from ecgkit.errors import EcgkitError, StudyError

SESSION = "sessions/sub-01_visit-1_cond-rest_take-1.h5"


def run(*args: object, columns: int = 100) -> Result:
    return CliRunner().invoke(ecgkit, ["status", *map(str, args)], env={"COLUMNS": str(columns)})


def test_status_shows_subjects_by_conditions_and_the_next_step(built_study: Path) -> None:
    result = run("--study", built_study)
    assert result.exit_code == 0
    lines = [
        " ".join(line.replace("│", " ").replace("┃", " ").split()) for line in result.stdout.splitlines()
    ]
    assert lines[0] == "Study study (Rest, exercise and deep breathing, three minutes each) SIMULATED"
    assert "subject visit Rest Exercise (recovery) Deep breathing" in lines
    assert sum(line.startswith(("01 1 ", "04 2 ")) for line in lines) == 2
    assert "24 sessions of 4 subjects; 0 missing." in lines
    assert lines[-1] == "Next: ecgkit train"


def test_status_says_what_is_missing(study: Path) -> None:
    (study / SESSION).unlink()
    (study / "dataset.h5").unlink()
    result = run("--study", study)
    assert "missing" in result.stdout
    assert "23 sessions of 4 subjects; 1 missing." in result.stdout
    assert result.stdout.endswith("data set: not built; runs: 0\nNext: ecgkit build-dataset\n")
    shown = json.loads(run("--study", study, "--json").stdout)
    assert shown["missing"] == [{"subject": "01", "visit": 1, "condition": "rest"}]
    assert (shown["dataset"], len(shown["sessions"])) == (None, 23)


def test_status_of_an_empty_study_names_the_next_step(study: Path) -> None:
    shutil.rmtree(study / "sessions")
    (study / "dataset.h5").unlink()
    result = run("--study", study)
    assert result.exit_code == 0
    assert "Next: ecgkit ingest FILE --subject ID --condition KEY" in result.stdout
    assert json.loads(run("--study", study, "--json").stdout)["sessions"] == []


def test_status_shows_sessions_of_conditions_that_the_protocol_lacks(study: Path) -> None:
    text = (Path(__file__).parents[2] / "protocols" / "dt4ecg.yaml").read_text(encoding="utf-8")
    (study / "protocol.yaml").write_text(text.replace("  rest:", "  sitting:"), encoding="utf-8")
    (study / "study.yaml").write_text(
        "format_version: '1.0'\nname: study\nprotocol: protocol.yaml\n", encoding="utf-8"
    )
    shown = json.loads(run("--study", study, "--json").stdout)
    assert len(shown["sessions"]) == 24
    assert {row["condition"] for row in shown["missing"]} == {"sitting"}
    assert run("--study", study).exit_code == 0


def test_status_finds_the_study_from_inside(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study / "sessions")
    assert "24 sessions" in run().stdout


@pytest.mark.parametrize("columns", [10, 40, 300])
def test_status_fits_any_terminal(built_study: Path, columns: int) -> None:
    result = run("--study", built_study, columns=columns)
    assert result.exit_code == 0
    table = [line for line in result.stdout.splitlines() if line.startswith(("│", "┃", "┏"))]
    assert max(map(len, table)) <= columns


def test_status_of_nothing_says_how_to_begin(study: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "none", study / "study.yaml", tmp_path / "empty"):
        error = run("--study", folder).exception
        assert isinstance(error, StudyError)
        assert "no study here (study.yaml is missing). Make one by" in str(error)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("format", "other", "format is 'other', expected 'ecgkit-session'"),
        ("format_version", "9.0", "ecgkit-session version '9.0', this ecgkit reads 1.1"),
        ("format_version", np.arange(3), "damaged"),
        ("subject", "../x", "subject id '../x'"),
        ("subject", 7, "attribute 'subject' is 7, expected str"),
        ("condition", "exercise", "the file's tags are sub-01_visit-1_cond-exercise_take-1"),
        ("duration_s", np.nan, "attribute 'duration_s' is nan, expected float above 0"),
        ("duration_s", np.inf, "attribute 'duration_s' is inf"),
        ("warnings", "no JSON", "damaged"),
        ("warnings", "[" * 20_000, "damaged"),
    ],
)
def test_status_names_the_damaged_session(study: Path, name: str, value: object, message: str) -> None:
    with h5py.File(study / SESSION, "r+") as file:
        file.attrs[name] = value
    error = run("--study", study).exception
    assert isinstance(error, EcgkitError), error
    assert str(error).startswith(str(study / SESSION))
    assert str(error).count(str(study)) == 1
    assert message in str(error)


def test_status_shows_texts_of_others_without_their_escapes(study: Path) -> None:
    with h5py.File(study / SESSION, "r+") as file:
        file.attrs["warnings"] = '["\\u001b[2J[bold]careful"]'
    shown = run("--study", study).stdout
    assert "\N{REPLACEMENT CHARACTER}[2J[bold]careful" in shown
    assert "\x1b" not in shown
