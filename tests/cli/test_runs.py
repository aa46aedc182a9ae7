"""``ecgkit runs`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.run_folders import make_run

from ecgkit.cli.runs import runs
from ecgkit.errors import RunError


def run(*args: str, columns: int = 120) -> str:
    result = CliRunner().invoke(runs, args, env={"COLUMNS": str(columns)}, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "study"
    make_run(folder / "runs" / "001", seed=1)
    make_run(folder / "runs" / "002", seed=2, balancing="equal")
    make_run(folder / "runs" / "003", schemes=("paper",))
    monkeypatch.chdir(tmp_path)
    return folder


def test_runs_alone_lists_them(study: Path) -> None:
    shown = run()
    assert shown == run("list") == run("list", "--study", str(study))
    for part in (
        "cnn + none, gradnorm",
        "01234567",
        "SIMULATED",
        "paper (leaks)",
        "ecgkit runs compare 002 003",
    ):
        assert part in shown


def test_list_fits_a_narrow_terminal(study: Path) -> None:
    assert max(map(len, run(columns=80).splitlines())) <= 95


def test_list_names_what_is_damaged_and_goes_on(study: Path) -> None:
    (study / "runs" / "002" / "run.json").write_text("{")
    shown = run("list")
    assert "can't be read" in shown
    assert "not a JSON text" in shown
    assert "ecgkit runs compare 001 003" in shown


def test_list_tells_of_a_training_that_was_interrupted(study: Path) -> None:
    work = study / "runs" / ".unfinished-0123"
    work.mkdir()
    (work / "plan.json").write_text('{"about": "DT4ECG on 4 subjects", "fits": ["all/0"], "epochs": 50}')
    assert "Not finished (0 of 50 epochs): DT4ECG on 4 subjects" in run("list")


def test_list_as_json_is_one_document(study: Path) -> None:
    assert [each["name"] for each in json.loads(run("list", "--json"))["runs"]] == ["001", "002", "003"]


def test_show_takes_the_latest_unless_one_is_named(study: Path) -> None:
    assert run("show") == run("show", "003")
    shown = run("show", "001")
    for part in (
        "001: cnn + none, gradnorm  SIMULATED",
        "4 subjects, 2 conditions; leads II at 100 Hz",
        "5 fits",
    ):
        assert part in shown
    assert json.loads(run("show", "001", "--json"))["epochs_done"] == 3


def test_compare_shows_settings_scores_and_differences(study: Path) -> None:
    shown = run("compare", "001", "002")
    for part in ("training.balancing", "equal", "leave-subjects-out", "002 − 001", "McNemar"):
        assert part in shown
    content = json.loads(run("compare", "001", "002", "--json"))
    assert len(content["differences"]) == 2


def test_compare_writes_the_page(study: Path, tmp_path: Path) -> None:
    assert f"Page: {tmp_path / 'out.html'}" in run(
        "compare", "001", "003", "--html", str(tmp_path / "out.html")
    )
    assert (tmp_path / "out.html").read_text().startswith("<!doctype html>")


def test_compare_refuses_one_alone(study: Path) -> None:
    with pytest.raises(RunError, match="expected 2 to 8"):
        run("compare", "001")


def test_tensorboard_says_what_to_call(study: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    shown = run("tensorboard", "001", "002", "--out", str(tmp_path / "events"))
    assert "Wrote 10 fits of 2 runs" in shown
    assert f"tensorboard --logdir {tmp_path / 'events'}" in shown


def test_list_shows_nothing_that_moves_the_cursor(study: Path) -> None:
    card = study / "runs" / "001" / "run.json"
    card.write_text(card.read_text().replace("gradnorm", "\\u001b[31mred"))
    assert "\x1b" not in run("list") + run("show", "001") + run("compare", "001", "002")
