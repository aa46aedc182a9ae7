from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.bids_files import full_session
from support.recordings import NOTHING_SEEN

from ecgkit.cli import ecgkit, main
from ecgkit.study.folder import create_study
from ecgkit.study.session_file import session_path, write_session


@pytest.fixture
def small_study(tmp_path: Path) -> Path:
    session = full_session()
    study = create_study(tmp_path / "study", protocol="dt4ecg")
    study.sessions_folder.mkdir(exist_ok=True)
    write_session(session_path(study, session.tags), session, NOTHING_SEEN)
    table = "participant_id\tage\tgroup\nsub-01\t33\tx\n"
    (study.folder / "participants.tsv").write_text(table, encoding="utf-8")
    return study.folder


def test_export_lists_what_it_can_write() -> None:
    result = CliRunner().invoke(ecgkit, ["export", "--help"])
    assert {"bids", "rr"} <= set(result.output.split())


def test_export_bids_says_what_it_wrote_and_what_is_next(small_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(ecgkit, ["export", "bids", str(out), "--study", str(small_study)])
    assert result.exit_code == 0
    assert "1 of 1 subjects" in result.stdout
    assert "SIMULATED" in result.stdout
    assert "columns of participants.tsv: group (--columns takes them along)" in result.stdout
    assert f"Next: npx bids-validator {out}" in result.stdout


def test_export_bids_json_is_one_document(small_study: Path, tmp_path: Path) -> None:
    options = ["--study", str(small_study), "--columns", "group", "--author", "A", "--author", "B", "--json"]
    result = CliRunner().invoke(ecgkit, ["export", "bids", str(tmp_path / "out"), *options])
    summary = json.loads(result.stdout)
    assert (summary["sessions"], summary["tables"], summary["columns_left_out"]) == (1, 3, [])
    description = json.loads((tmp_path / "out" / "dataset_description.json").read_text(encoding="utf-8"))
    assert description["Authors"] == ["A", "B"]


def test_export_bids_refuses_a_folder_that_holds_something(
    small_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["export", "bids", str(small_study), "--study", str(small_study)])
    assert stop.value.code == 2
    assert "ecgkit did not export" in capsys.readouterr().err
