"""``ecgkit status`` as a user runs it."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from support.h5_files import put_json, put_text
from support.studies import session_of

from ecgkit.cli import ecgkit
from ecgkit.errors import EcgkitError, StudyError
from ecgkit.records import Tags
from ecgkit.stages.measuring import observe
from ecgkit.study.folder import create_study
from ecgkit.study.session_file import session_path, write_session

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
    assert any(
        re.fullmatch(r"24 sessions of 4 subjects \(.*\d+ fail.*\); 0 missing\.", line) for line in lines
    )
    assert any(
        line.startswith("Each session drawn, with every number: ecgkit status --html") for line in lines
    )
    assert lines[-1] == f"Next: ecgkit train --study {built_study}"


def test_status_says_what_is_wrong_and_what_to_do(study: Path) -> None:
    lines = run("--study", study, columns=200).stdout.splitlines()
    said = [line for line in lines if line.startswith(("FAIL: ", "looks like another: "))]
    assert len(said) == 10
    assert "subject 0" in said[0]
    assert "duration 30 s, expected at least 162" in "".join(said)
    assert "and 14 more: --all, --html or --json" in lines
    everything = run("--study", study, "--all", columns=200).stdout.splitlines()
    assert sum(line.startswith(("FAIL: ", "looks like another: ")) for line in everything) == 24
    assert not any(line.startswith("and ") for line in everything)


def test_status_writes_the_page_where_it_is_told(study: Path, tmp_path: Path) -> None:
    result = run("--study", study, "--html")
    assert f"page: {study / 'status.html'} (0." in result.stdout
    assert (study / "status.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    shown = json.loads(run("--study", study, "--html", tmp_path / "page.html", "--json").stdout)
    assert shown["page"] == str(tmp_path / "page.html")
    assert (tmp_path / "page.html").is_file()
    assert json.loads(run("--study", study, "--json").stdout)["page"] is None


def test_status_page_is_refused_for_a_folder(study: Path, tmp_path: Path) -> None:
    assert isinstance(run("--study", study, "--html", tmp_path).exception, IsADirectoryError)


@pytest.fixture(scope="module")
def large_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated study of 60 subjects, of whom all but five are as they should be. Read only."""
    study = create_study(tmp_path_factory.mktemp("large") / "study", protocol="rest")
    session = session_of(Tags("1", "rest"), number=1, duration_s=300.0)
    good = observe(session)
    short = dataclasses.replace(good, measures=dataclasses.replace(good.measures, duration_s=9.0))
    recording = session.recording.stretch(0.0, 10.0)
    for number in range(60):
        tags = Tags(f"{number:02d}", "rest")
        tagged = dataclasses.replace(session, tags=tags, recording=recording)
        write_session(session_path(study, tags), tagged, short if number % 12 == 7 else good)
    return study.folder


def test_status_of_many_shows_those_with_something_to_see(large_study: Path) -> None:
    lines = run("--study", large_study).stdout.splitlines()
    rows = [line.split()[1] for line in lines if line.startswith("│")]
    assert rows == ["07", "19", "31", "43", "55"]
    assert "5 of 60 rows, of 5 with something to see; --all shows all." in lines
    assert "60 sessions of 60 subjects (55 ok, 5 fail); 0 missing." in lines
    everything = run("--study", large_study, "--all").stdout.splitlines()
    assert sum(line.startswith("│") for line in everything) == 60


def test_status_says_what_is_missing(study: Path) -> None:
    (study / SESSION).unlink()
    (study / "dataset.h5").unlink()
    result = run("--study", study)
    assert "missing" in result.stdout
    assert "23 sessions of 4 subjects (" in result.stdout
    assert "); 1 missing.\ndata set: not built; runs: 0\n" in result.stdout
    assert result.stdout.endswith(f"\nNext: ecgkit build-dataset --study {study}\n")
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
        ("format_version", "9.0", "ecgkit-session version '9.0', this ecgkit reads "),
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
        if name == "warnings":
            put_json(file, name, str(value))
        else:
            put_text(file, name, value)
    error = run("--study", study).exception
    assert isinstance(error, EcgkitError), error
    assert str(error).startswith(str(study / SESSION))
    assert str(error).count(str(study)) == 1
    assert message in str(error)


def test_status_shows_texts_of_others_without_their_escapes(study: Path) -> None:
    with h5py.File(study / SESSION, "r+") as file:
        put_json(file, "warnings", '["\\u001b[2J[bold]careful"]')
    shown = run("--study", study, "--all").stdout
    assert "1 note on the signal" in shown
    with h5py.File(study / SESSION, "r+") as file:
        measures = json.loads(file["about/measures"][()])
        put_json(file, "measures", json.dumps({**measures, "duration_s": 180.0, "quality_share": 1.0}))
    shown = run("--study", study, "--all").stdout
    assert "\N{REPLACEMENT CHARACTER}[2J[bold]careful" in shown
    assert "\x1b" not in shown
