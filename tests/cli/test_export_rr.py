"""``ecgkit export rr`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from ecgkit.cli.export_rr import rr
from ecgkit.errors import StudyError

REST = "sub-01_visit-1_cond-rest_take-1"
EXERCISE = "sub-01_visit-1_cond-exercise_take-1"


def run(*args: object) -> Result:
    return CliRunner().invoke(rr, [str(arg) for arg in args])


def test_export_rr_says_what_it_wrote_and_where_to_look(built_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "rr"
    result = run(
        out, "--study", built_study, "--session", REST, "--session", REST.replace("rest", "exercise")
    )
    assert result.exit_code == 0, result.output
    first, last = result.stdout.splitlines()
    assert first.startswith("SIMULATED: ")
    assert first.endswith(f"R peaks of 2 sessions in {out}")
    assert last.startswith(f"Next: {out / 'hrv.csv'}")
    assert len((out / "hrv.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_export_rr_json_is_all_of_the_output(built_study: Path, tmp_path: Path) -> None:
    result = run(tmp_path / "rr", "--study", built_study, "--session", REST, "--json")
    content = json.loads(result.output)
    assert content["out"] == str(tmp_path / "rr")
    assert content["sessions"] == [REST]
    assert content["n_beats"] > 20
    assert content["left_out"] == []


def test_export_rr_without_a_study_or_onto_something(built_study: Path, tmp_path: Path) -> None:
    assert isinstance(run(tmp_path / "rr", "--study", tmp_path).exception, StudyError)
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert isinstance(run(tmp_path, "--study", built_study).exception, StudyError)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
