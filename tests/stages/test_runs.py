"""Runs are listed with what they scored; a damaged one is listed as such."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.run_folders import SHA256, make_run

from ecgkit.dataset.read import open_dataset
from ecgkit.errors import RunError
from ecgkit.stages.run_files import read_metrics
from ecgkit.stages.runs import how_tested, read_run, run_list, run_show


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for number, more in enumerate([{}, {"balancing": "equal"}, {"task": "subject"}], start=1):
        make_run(tmp_path / "runs" / f"{number:03d}", seed=number, **more)
    return tmp_path


def test_run_list_says_what_each_run_is_in_the_order_of_the_numbers(runs: Path) -> None:
    make_run(runs / "runs" / "1000")
    make_run(runs / "runs" / "mine", schemes=("paper",))
    found = run_list(runs).runs
    assert [(run.name, run.what, how_tested(run.scores)) for run in found] == [
        ("001", "cnn + none, gradnorm", "leave-subjects-out, leave-condition-out"),
        ("002", "cnn + none, equal", "leave-subjects-out, leave-condition-out"),
        ("003", "cnn + none, identity only", "leave-subjects-out, leave-condition-out"),
        ("1000", "cnn + none, gradnorm", "leave-subjects-out, leave-condition-out"),
        ("mine", "cnn + none, gradnorm", "paper (leaks)"),
    ]


def test_run_list_gives_scores_with_intervals_over_subjects(runs: Path) -> None:
    run = run_list(runs).runs[0]
    metrics = read_metrics(run.folder)
    assert metrics is not None
    state, identity = run.scores
    assert (state.task, state.scheme, identity.task) == ("condition", "leave-subjects-out", "subject")
    scores = metrics.schemes[0].tasks["condition"]
    assert (state.n, state.accuracy, state.chance) == (80, scores.accuracy, 0.5)
    assert min(row.accuracy for row in scores.by_subject) <= state.low < state.accuracy < state.high


def test_run_list_puts_honest_scores_first(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "001", schemes=("paper", "leave-subjects-out"))
    assert [score.leaks for score in run_list(tmp_path).runs[0].scores] == [False, True, True]


def test_run_list_knows_the_study_s_data_set_from_another(built_study: Path, tmp_path: Path) -> None:
    shutil.copyfile(built_study / "dataset.h5", tmp_path / "dataset.h5")
    sha256 = open_dataset(tmp_path / "dataset.h5").sha256
    make_run(tmp_path / "runs" / "001", sha256=sha256)
    make_run(tmp_path / "runs" / "002")
    assert [run.same_dataset for run in run_list(tmp_path).runs] == [True, False]


@pytest.mark.parametrize("content", [None, b"no HDF5"])
def test_run_list_does_not_need_the_data_set(runs: Path, content: bytes | None) -> None:
    if content is not None:
        (runs / "dataset.h5").write_bytes(content)
    found = run_list(runs)
    assert found.dataset_sha256 is None
    assert {run.same_dataset for run in found.runs} == {None}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.json", None, "can't be read"),
        ("run.json", b"{", "not a JSON text"),
        ("run.json", b'{"format": "other"}', "format 'other'"),
        ("metrics.json", b"{}", "ecgkit-metrics"),
        ("metrics.json", b"\xff", "not a JSON text"),
    ],
)
def test_run_list_names_what_is_damaged(runs: Path, name: str, content: bytes | None, said: str) -> None:
    path = runs / "runs" / "002" / name
    path.unlink() if content is None else path.write_bytes(content)
    damaged = run_list(runs).runs[1]
    assert damaged.card is None
    assert said in damaged.problem
    assert [run.problem for run in run_list(runs).runs][::2] == ["", ""]
    with pytest.raises(RunError, match=said.partition("'")[0]):
        read_run(path.parent)


def test_run_list_takes_an_empty_folder_for_a_training_s_place(runs: Path) -> None:
    (runs / "runs" / "004").mkdir()
    assert run_list(runs).runs[-1].problem.startswith("empty")


def test_run_list_tells_of_trainings_that_are_not_done(runs: Path) -> None:
    work = runs / "runs" / ".unfinished-0123"
    for fold, lines in (("0", 3), ("1", 1)):
        (work / "fits" / "paper" / fold).mkdir(parents=True)
        (work / "fits" / "paper" / fold / "history.csv").write_text("heading\n" + "line\n" * lines)
    plan = {"about": "DT4ECG on 4 subjects", "fits": ["paper/0", "paper/1", "all/0"], "epochs": 5}
    (work / "plan.json").write_text(json.dumps(plan))
    (training,) = run_list(runs).unfinished
    assert (training.about, training.epochs, training.of_epochs) == ("DT4ECG on 4 subjects", 4, 15)
    assert len(run_list(runs).runs) == 3


@pytest.mark.parametrize(
    "plan",
    [
        "",
        "[",
        "[]",
        '{"about": 1}',
        '{"about": "x", "fits": 3, "epochs": 1}',
        '{"fits": ["../../x/history.csv"]}',
    ],
)
def test_run_list_bears_what_is_no_plan(runs: Path, plan: str) -> None:
    work = runs / "runs" / ".unfinished-0123"
    work.mkdir()
    (work / "plan.json").write_text(plan)
    (training,) = run_list(runs).unfinished
    assert (training.epochs, training.of_epochs) == (0, None)


def test_run_list_does_not_leave_its_folder_for_a_plan(runs: Path) -> None:
    (runs / "history.csv").write_text("heading\nline\n")
    work = runs / "runs" / ".unfinished-0123"
    work.mkdir()
    plan = {"about": "", "fits": ["../../..", f"{runs}/.", "a/../../../.."], "epochs": 1}
    (work / "plan.json").write_text(json.dumps(plan))
    assert run_list(runs).unfinished[0].epochs == 0


def test_run_list_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="ecgkit train"):
        run_list(tmp_path)


def test_run_list_as_json_is_json(runs: Path) -> None:
    content = json.loads(json.dumps(run_list(runs).as_json(), allow_nan=False))
    assert [run["name"] for run in content["runs"]] == ["001", "002", "003"]
    assert content["runs"][0]["scores"][0]["scheme"] == "leave-subjects-out"
    assert content["runs"][0]["dataset_sha256"] == SHA256


def test_run_show_finds_a_run_by_number_folder_and_latest(runs: Path) -> None:
    for name in ("003", "latest", str(runs / "runs" / "003")):
        assert run_show(name, runs).run.name == "003"
    shown = run_show("001", runs)
    assert (shown.n_fits, shown.epochs, shown.report) == (5, 3, None)


def test_run_show_of_a_run_that_is_not_there_lists_those_that_are(runs: Path) -> None:
    with pytest.raises(RunError, match="known are: 001, 002, 003, latest"):
        run_show("009", runs)


def test_looking_at_runs_never_loads_torch() -> None:
    modules = "ecgkit.stages.runs, ecgkit.stages.runs_compare, ecgkit.stages.runs_tensorboard"
    program = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
