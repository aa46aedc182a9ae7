"""`ecgkit dataset` and `ecgkit export FORMAT` as a user runs them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner, Result
from support.dataset_files import parts_of, write_small

from ecgkit.cli import ecgkit, main


def run(*args: object) -> Result:
    result = CliRunner().invoke(ecgkit, list(map(str, args)), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small(tmp_path / "d.h5")


def test_info_shows_who_and_what_and_what_leaks(built_study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_study)
    shown = run("dataset", "info")
    for part in ("(SIMULATED data)", "24 sessions of 4 subjects", "deep_breathing", "paper: 1 fold", "LEAKS"):
        assert part in shown.stdout
    assert "Next: ecgkit dataset verify" in shown.stdout


def test_info_counts_sessions_by_the_lab_s_own_labels(tmp_path: Path) -> None:
    parts = [
        replace(part, labels={"electrode": "" if n == 0 else "gel" if n < 3 else "dry"})
        for n, part in enumerate(parts_of())
    ]
    shown = run("dataset", "info", write_small(tmp_path / "d.h5", parts)).stdout
    assert "own label  electrode (sessions): not known 1, dry 1, gel 2" in shown


def test_info_json_is_one_document(path: Path) -> None:
    assert json.loads(run("dataset", "info", path, "--json").stdout)["windows"] == 16


def test_verify_exits_with_1_where_something_is_wrong(path: Path) -> None:
    sound = run("dataset", "verify", path)
    assert (sound.return_value, sound.stdout) == (0, f"{path} (SIMULATED data): 16 windows: sound.\n")
    with h5py.File(path, "a") as file:
        file["windows"][0] = 7
    wrong = run("dataset", "verify", path)
    assert wrong.return_value == 1
    assert "WRONG  /: its content is not what was written" in wrong.stdout
    assert wrong.stdout.endswith("16 windows: 1 wrong.\n")
    shown = json.loads(run("dataset", "verify", path, "--json").stdout)
    assert (shown["sound"], len(shown["findings"])) == (False, 1)


def test_diff_exits_with_1_where_they_differ(path: Path, tmp_path: Path) -> None:
    same = run("dataset", "diff", path, write_small(tmp_path / "same.h5"))
    assert same.return_value == 0
    assert "16 with the same samples, 0 with others" in same.stdout
    other = write_small(tmp_path / "other.h5", parts_of(n_visits=2))
    differs = run("dataset", "diff", path, other)
    assert differs.return_value == 1
    assert "sessions only in B: sub-01_visit-2_cond-exercise_take-1" in differs.stdout
    assert "windows: 0 only in A, 16 only in B" in differs.stdout
    assert differs.stdout.endswith("they differ.\n")
    assert not json.loads(run("dataset", "diff", path, other, "--json").stdout)["same"]


def test_head_shows_as_many_rows_as_asked_for(path: Path) -> None:
    assert run("dataset", "head", path, "--rows", 3).stdout.count("exercise") == 3
    assert len(json.loads(run("dataset", "head", path, "--json").stdout)) == 10


@pytest.mark.parametrize("command", ["info", "verify", "head"])
def test_no_data_set_is_a_clear_error(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["dataset", command, str(tmp_path / "none.h5")])
    assert stop.value.code == 2
    assert "no data set here. Build one with: ecgkit build-dataset" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["info", "verify", "head", "diff"])
def test_the_study_s_data_set_is_meant_unless_one_is_named(
    command: str, built_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = built_study / "dataset.h5"
    first = [path] if command == "diff" else []
    named = run("dataset", command, *first, path, "--json")
    monkeypatch.chdir(tmp_path)
    of_study = run("dataset", command, *first, "--study", built_study, "--json")
    monkeypatch.chdir(built_study / "sessions")
    found = run("dataset", command, *first, "--json")
    assert json.loads(named.stdout) == json.loads(of_study.stdout) == json.loads(found.stdout)
    assert named.return_value == of_study.return_value == found.return_value


def test_a_data_set_and_a_study_are_not_named_both(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["dataset", "info", str(path), "--study", str(path.parent)])
    assert stop.value.code == 2
    assert "a data set, or --study and its folder, and not both" in capsys.readouterr().err


def test_no_data_set_in_a_study_says_how_to_build_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["dataset", "info", "--study", str(tmp_path)])
    assert stop.value.code == 2
    assert "no data set here. Build one with: ecgkit build-dataset" in capsys.readouterr().err


def test_export_says_what_it_wrote_how_exact_and_how_to_read_it(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "d.npz"
    shown = run("export", "npz", path, out).stdout
    assert f"{out}: npz  (SIMULATED data)" in shown
    assert "16 windows of 4 sessions, 1 file, " in shown
    assert "values      exact" in shown
    assert f'Next: data = numpy.load("{out}")' in shown


def test_export_json_is_one_document(built_study: Path, tmp_path: Path) -> None:
    shown = json.loads(run("export", "wfdb", built_study, tmp_path / "out", "--json").stdout)
    assert (len(shown["sessions"]), shown["largest_errors"], shown["windows"]) == (24, {}, 0)


def test_export_refuses_to_write_over_something(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["export", "npz", str(path), str(path)])
    assert stop.value.code == 2
    assert "there is something here already" in capsys.readouterr().err
