"""``ecgkit train`` as people call it."""

from __future__ import annotations

import html
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.peers import peers

from ecgkit.cli import main
from ecgkit.stages.simulate import SimulatedFile

QUICK = ["--backbone", "cnn", "--attention", "none", "--batch-size", "32", "--jobs", "1"]


def call(*args: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_train_ends_with_scores_their_meaning_and_the_next_step(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(study)
    assert call("train", "--epochs", "1", "--split", "paper", *QUICK) == 0
    screen = capsys.readouterr().out
    for expected in (
        "state",
        "identity",
        "paper (leaks)",
        "95 % interval",
        "independent",
        "chance",
        "It leaks",
    ):
        assert expected in screen
    assert f"Report: {study / 'runs' / '001' / 'report.html'}" in screen
    assert f"Next: ecgkit predict {study / 'runs' / '001'} FILE" in screen
    shown = [line for line in screen.splitlines() if "paper (leaks)" in line or "independent" in line]
    assert max(map(len, shown)) <= 80


@pytest.mark.parametrize(
    ("mode", "out", "called"),
    [("--split paper", None, "runs/001"), ("--no-evaluate", "my runs/a", "'{}/my runs/a'")],
)
def test_train_again_by_the_commands_on_the_page(
    study: Path,
    tmp_path: Path,
    simulated_files: tuple[SimulatedFile, ...],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    out: str | None,
    called: str,
) -> None:
    run = tmp_path / out if out else study / "runs" / "001"
    where = ["--out", run] if out else []
    assert call("train", "--study", study, "--epochs", "1", *mode.split(), *where, *QUICK) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    again, ask = html.unescape(page.partition("<pre>")[2].partition("</pre>")[0]).splitlines()
    quoted = called.format(tmp_path.as_posix())
    assert shlex.split(again) == shlex.split(f"ecgkit train dataset.h5 --config {quoted}/config.yaml {mode}")
    assert ask == f"ecgkit predict {quoted} FILE.acq"
    monkeypatch.chdir(study)
    assert call(*shlex.split(again)[1:]) == 0
    repeated = study / "runs" / ("001" if out else "002")
    for name in ("weights.safetensors", "config.yaml"):
        assert (repeated / name).read_bytes() == (run / name).read_bytes()
    assert call(*shlex.split(ask)[1:-1], simulated_files[0].path) == 0


def test_train_json_is_the_metrics(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("train", study / "dataset.h5", "--epochs", "1", "--split", "paper", "--json", *QUICK) == 0
    screen = capsys.readouterr()
    printed = json.loads(screen.out)
    written = json.loads((study / "runs" / "001" / "metrics.json").read_text())
    assert printed == {"run": str(study / "runs" / "001"), "warnings": [], **written}
    assert screen.err == ""


def test_train_writes_where_it_is_told(study: Path, tmp_path: Path) -> None:
    assert (
        call("train", "--study", study, "--no-evaluate", "--epochs", "1", "--out", tmp_path / "mine", *QUICK)
        == 0
    )
    assert (tmp_path / "mine" / "weights.safetensors").exists()
    assert not (study / "runs").exists()


def test_train_without_a_data_set_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("train") == 2
    assert "ecgkit build-dataset" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_train_lists_the_names_that_it_knows(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("train", "--study", study, "--backbone", "gru") == 2
    assert "known are: cnn, densenet" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="a Ctrl-C can't be sent to one process on Windows")
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_train_interrupted_goes_on_to_the_same_run(study: Path, tmp_path: Path, by: signal.Signals) -> None:
    ask = ["train", "--study", str(study), "--epochs", "2", *QUICK[:-1], "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ecgkit", *ask],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    until = time.monotonic() + 120
    while not (done := list(study.glob("runs/.unfinished-*/fits/*/*/done"))) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, by)
    # the workers hold these pipes too: this returns when all of them have ended
    _, screen = process.communicate(timeout=60)
    if by == signal.SIGINT:
        assert process.returncode == 130
        assert b"run the same command again" in screen
        assert b"Traceback" not in screen
    (work,) = study.glob("runs/.unfinished-*")
    assert [path.name for path in (study / "runs").iterdir()] == [work.name]
    before = {path: path.with_name("history.csv").stat().st_mtime_ns for path in done}
    kept = tmp_path / "kept"
    shutil.copytree(study, kept)
    assert call(*ask) == 0
    assert [path.name for path in (study / "runs").iterdir()] == ["001"]
    assert call("train", "--study", kept, *ask[3:], "--fresh") == 0
    assert [path.name for path in (kept / "runs").iterdir()] == ["001"]
    for name in ("weights.safetensors", "predictions.csv", "calibration.json"):
        assert (study / "runs" / "001" / name).read_bytes() == (kept / "runs" / "001" / name).read_bytes()
    assert before


def test_train_learns_one_task(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("train", "--study", study, "--task", "condition", "--epochs", "1", "--json", *QUICK) == 0
    made = json.loads(capsys.readouterr().out)
    assert {task for scheme in made["schemes"] for task in scheme["tasks"]} == {"condition"}
    card = json.loads((study / "runs" / "001" / "run.json").read_text())
    assert (card["training"]["balancing"], card["subject_labels"]) == ("single-task", [])
    assert call("train", "--study", study, "--task", "condition", "--split", "leave-visit-out") == 2
    assert "--split leave-visit-out can't test --task condition" in capsys.readouterr().err


def test_train_takes_every_setting_by_a_flag(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--schedule", "cosine", "--class-weights", "balanced", "--precision", "mixed", "--validation"]
    varied = ["--augment", "noise=0.05", "--augment", "amplitude=0.2", "--balancing", "pcgrad"]
    assert call("train", "--study", study, "--split", "paper", "--epochs", "2", *flags, *varied, *QUICK) == 0
    trained = json.loads((study / "runs" / "001" / "run.json").read_text())["training"]
    assert trained["schedule"] == "cosine"
    assert trained["augmentation"]["noise"] == 0.05
    assert trained["augmentation"]["amplitude"] == 0.2
    assert trained["validation"] is True
    history = (study / "runs" / "001" / "history.csv").read_text().splitlines()
    assert all(float(line.split(",")[-1]) >= 0 for line in history[1:])


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--augment", "noise"], "expected NAME=X"),
        (["--augment", "colour=1"], "augmentation.colour"),
        (["--augment", "noise=-1"], "augmentation.noise"),
        (["--schedule", "none"], "known are: constant, cosine"),
        (["--balancing", "single-task"], "--task subject or --task condition"),
        (["--task", "subject", "--balancing", "gradnorm"], "--balancing single-task"),
        (["--cluster", "tcp://127.0.0.1:9", "--jobs", "2"], "give one of them"),
    ],
)
def test_train_refuses_flags_that_do_not_fit(
    study: Path, capsys: pytest.CaptureFixture[str], flags: list[str], says: str
) -> None:
    assert call("train", "--study", study, *flags) == 2
    assert says in capsys.readouterr().err
    assert not (study / "runs").exists()


def test_train_in_two_processes_leaves_one_run(study: Path) -> None:
    ask = [
        "train",
        "--study",
        str(study),
        "--split",
        "leave-condition-out",
        "--epochs",
        "1",
        "--device",
        "cpu",
    ]
    ended = peers(f"from ecgkit.cli import main; main({[*ask, *QUICK[:-2]]!r})")
    assert [one.code for one in ended] == [0, 0], ended
    assert "Report:" in ended[0].output
    assert ended[1].output == ""
    assert [path.name for path in (study / "runs").iterdir()] == ["001"]
    card = json.loads((study / "runs" / "001" / "run.json").read_text())
    assert card["training"]["processes"] == 2
