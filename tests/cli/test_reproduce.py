"""``ecgkit reproduce`` as people call it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from support.calls import MANY_S, start
from support.made_cells import make_cells_of, write_dataset_of_noise

from ecgkit.cli import main
from ecgkit.stages.reproduce import ReproduceOptions, make_plan
from ecgkit.stages.reproduce import executing as executing_module


def call(*args: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A data set whose Table IV is there, three seeds and two epochs."""
    dataset = write_dataset_of_noise(tmp_path / "d.h5")
    make_cells_of(
        make_plan(ReproduceOptions(dataset, "table4", seeds=3, epochs=2)),
        lambda cell, task: (9 + 2 * cell.seed + (cell.row == "GradNorm on") * (3 + cell.seed)) / 18,
    )
    return dataset


TABLE4 = ("reproduce", "table4", "--seeds", "3", "--epochs", "2", "--dataset")


def test_reproduce_says_what_holds_and_where_the_page_is(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*TABLE4, made) == 0
    screen = capsys.readouterr().out
    for expected in (
        "6 fits, 6 there already",
        "SIMULATED study 'small'",
        "GradNorm on is better than GradNorm off: holds",
        "in the paper: 84.11 against 78.22 (+5.9 points)",
        f"Page: {made.parent / 'reproduce' / 'table4.html'}",
        "--split honest",
    ):
        assert expected in screen


def test_reproduce_without_a_data_set_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("reproduce", "table4") == 2
    assert "ecgkit build-dataset" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_reproduce_with_cells_missing_says_how_many(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("reproduce", "table4", "--epochs", "2", "--dataset", made, "--results-only") == 0
    screen = capsys.readouterr().out
    assert "10 fits, 6 there already\n" in screen
    assert "4 of 10 fits are not there: the tables are not whole." in screen


def test_reproduce_json_is_one_document(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*TABLE4, made, "--json") == 0
    screen = capsys.readouterr()
    content = json.loads(screen.out)
    assert content["fits"] == {"wanted": 6, "missing": 0, "failed": []}
    assert content["tables"][0]["sections"][0]["claims"][0]["verdict"] == "holds"
    assert screen.err == ""


def test_reproduce_exits_with_1_if_a_fit_failed(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        from ecgkit.errors import TrainingError

        raise TrainingError("the loss is no longer a finite number")

    monkeypatch.setattr(executing_module, "do_fit", fails)
    command = ("reproduce", "table4", "--seeds", "4", "--epochs", "2", "--jobs", "1", "--dataset", made)
    assert call(*command) == 1
    screen = capsys.readouterr()
    assert "8 fits, 6 there already, 2 to do: less than a minute, as those took" in screen.out
    assert "GradNorm on, seed 3, paper 0: the loss is no longer" in screen.err
    assert "2 of 8 fits are not there" in screen.out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("table9",), "unknown table 'table9'"),
        (("table4", "--split", "random"), "unknown split 'random'"),
        (("table4", "--seeds", "0"), "expected 1 to 1000"),
        (("table4", "--jobs", "2", "--cluster", "tcp://h:1"), "give one of them"),
    ],
)
def test_reproduce_refuses_what_it_does_not_know(
    made: Path, options: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("reproduce", *options, "--dataset", made) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="a Ctrl-C can't be sent to one process on Windows")
def test_reproduce_interrupted_says_how_many_are_left(tmp_path: Path) -> None:
    dataset = write_dataset_of_noise(tmp_path / "d.h5", n_windows=40)
    process = start("reproduce", "table4", "--dataset", dataset, "--seeds", "9", "--jobs", "1")
    until = time.monotonic() + 60
    while not list(tmp_path.glob("reproduce/cells/*/*/*/fit.json")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, screen = process.communicate(timeout=MANY_S)
    assert process.returncode == 130
    done = len(list(tmp_path.glob("reproduce/cells/*/*/*/fit.json")))
    assert f"{18 - done} fits are left; those that are done stay." in screen
    assert "run the same command again" in screen
    assert "Traceback" not in screen
