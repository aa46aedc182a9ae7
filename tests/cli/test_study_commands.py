"""retag, exclude, include, remove, merge and verify as they are called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.studies import make_study

from ecgkit.cli import main
from ecgkit.records import Tags
from ecgkit.study.folder import Study, open_study
from ecgkit.study.session_file import read_headers, session_path

REST = "sub-07_visit-1_cond-rest_take-1"
EXERCISE = "sub-07_visit-1_cond-exercise_take-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("made") / "study", ["07"], conditions=("rest", "exercise"))


@pytest.fixture
def some(made: Study, tmp_path: Path) -> Study:
    """A copy of a study of one subject at rest and in exercise."""
    return open_study(shutil.copytree(made.folder, tmp_path / "study"))


def run(*args: object, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    assert (ended.value.code or 0) == code


def run_json(capsys: pytest.CaptureFixture[str], *args: object, code: int = 0) -> Any:
    """Run a command with --json; nothing else may be on standard output."""
    run(*args, "--json", code=code)
    shown = capsys.readouterr()
    assert shown.err == ""
    return json.loads(shown.out)


def test_retag_says_what_it_did(some: Study, capsys: pytest.CaptureFixture[str]) -> None:
    run("retag", REST, "--condition", "exercise", "--swap", "--reason", "labels", "--study", some.folder)
    assert capsys.readouterr().out == (
        f"{REST} -> {EXERCISE}\n{EXERCISE} -> {REST}\n"
        "Retagged; what was recorded and what was excluded is kept.\n"
    )


def test_retag_json_and_dry_run(some: Study, capsys: pytest.CaptureFixture[str]) -> None:
    before = [header.tags for header in read_headers(some)]
    args = ["retag", "--all-of", "07", "--subject", "08", "--study", some.folder]
    shown = run_json(capsys, *args, "--dry-run")
    assert shown["retagged"][0] == {"session": EXERCISE, "to": EXERCISE.replace("07", "08")}
    assert shown["done"] is False
    assert [header.tags for header in read_headers(some)] == before
    assert run_json(capsys, *args)["done"] is True


def test_exclude_list_and_include(some: Study, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--study", some.folder]
    run("exclude", REST, "--start", "0:05", "--stop", "7.5", "--reason", "loose", *where)
    assert capsys.readouterr().out == f"{REST}: excluded\n  0:05 to 0:07.500: loose\n"
    run("exclude", REST, "--start", "5", "--stop", "7,5", "--reason", "loose", *where)
    assert "was excluded already" in capsys.readouterr().out
    (listed,) = run_json(capsys, "exclude", "--list", *where)
    assert listed["excluded"] == [{"start_s": 5.0, "stop_s": 7.5, "reason": "loose"}]
    run("exclude", "--list", *where)
    assert "Exclusions: 1, in sessions: 1." in capsys.readouterr().out
    run("include", REST, "--start", "5", "--stop", "7.5", *where)
    assert capsys.readouterr().out == f"{REST}: all of it is used again\n"
    run("include", REST, *where)
    assert capsys.readouterr().out == f"{REST}: nothing was excluded\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["exclude"], "expected a SESSION and --reason, or --list alone"),
        (["exclude", REST], "expected a SESSION and --reason"),
        (["exclude", REST, "--list", "--reason", "a"], "or --list alone"),
        (["exclude", REST, "--reason", "a", "--start", "1:75"], "time '1:75'"),
        (["remove", REST], "and --reason"),
        (["remove", "--subject", "07", "--erase", "--reason", "a"], "or --subject and --erase"),
        (["remove", "--subject", "07", "--erase"], "can't be undone: look with --dry-run"),
        (["remove", "--subject", "07", "--erase", "--json"], "can't be undone"),
        (["merge", "other", "--rename-subjects", "a"], "expected OLD=NEW"),
        (["merge", "other", "--rename-subjects", "a=b", "--rename-subjects", "a=c"], "each OLD once"),
        (["merge", "nowhere"], "nowhere: no study here"),
        (["retag", "nobody", "--visit", "2"], "no session 'nobody'"),
    ],
)
def test_wrong_use_is_told(
    some: Study, args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*args, "--study", some.folder, code=2)
    assert message in capsys.readouterr().err
    assert len(some.session_paths()) == 2


def test_remove_says_what_it_did(some: Study, capsys: pytest.CaptureFixture[str]) -> None:
    run("remove", REST, "--reason", "broken cable", "--dry-run", "--study", some.folder)
    assert capsys.readouterr().out == f"{REST}: would be removed\n"
    assert run_json(capsys, "remove", REST, "--reason", "x", "--study", some.folder)["removed"] == [REST]
    assert not session_path(some, Tags("07", "rest")).exists()


def test_remove_erase_says_first_what_goes(some: Study, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["remove", "--subject", "07", "--erase", "--study", some.folder]
    part = some.folder / ".dataset.h5.parts" / f"{0:032x}.h5"
    part.parent.mkdir()
    part.touch()
    run(*args, "--dry-run")
    shown = capsys.readouterr().out
    assert f"  session {REST}\n" in shown
    assert "  .dataset.h5.parts: the windows of an interrupted build, which may be the subject's\n" in shown
    assert part.exists()
    assert "  the row in participants.tsv\n" in shown
    assert shown.endswith("Nothing was erased.\n")
    assert len(some.session_paths()) == 2
    run(*args, "--yes")
    assert "Not ours to erase: the source recordings, backups" in capsys.readouterr().out
    assert some.session_paths() == ()


def test_remove_erase_json(some: Study, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run_json(capsys, "remove", "--subject", "07", "--erase", "--yes", "--study", some.folder)
    assert (shown["sessions"], shown["done"]) == ([EXERCISE, REST], True)


def test_merge_says_what_it_did(some: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_study(tmp_path / "other", ["08"], conditions=("rest",), first=2)
    args = ["merge", other.folder, "--study", some.folder, "--rename-subjects", "08=09"]
    run(*args)
    key = "sub-09_visit-1_cond-rest_take-1"
    assert capsys.readouterr().out == (
        f"{key}: taken from {other.folder}\nSessions taken from {other.folder}: 1; here already: 0.\n"
        f"Next: ecgkit status --study {some.folder}\n"
    )
    assert run_json(capsys, *args)["already_there"] == 1


def test_verify_exit_codes(some: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("verify", "--study", some.folder)
    assert capsys.readouterr().out.endswith("no data set, 0 runs: sound.\n")
    assert run_json(capsys, "verify", "--study", some.folder)["sound"] is True
    (some.folder / "participants.tsv").unlink()
    run("verify", "--study", some.folder, code=1)
    assert "WRONG  participants.tsv: no row for subject 07" in capsys.readouterr().out
    shown = run_json(capsys, "verify", "--study", some.folder, code=1)
    assert [item["severity"] for item in shown["findings"]] == ["fault"]
    run("verify", "--study", tmp_path / "nowhere", code=2)
