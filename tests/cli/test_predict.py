"""``ecgkit predict`` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ecgkit.analysis.quality import VERDICTS
from ecgkit.cli import main
from ecgkit.simulate.acq_writer import AcqChannel, write_acq
from ecgkit.stages import train
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.stages.train import TrainOptions


@pytest.fixture(scope="module")
def run(built_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "runs"
    flags = {"train": {"backbone": "cnn", "attention": "none", "epochs": 1, "batch_size": 32}}
    options = TrainOptions(built_study / "dataset.h5", folder, flags=flags, evaluate=False, jobs=1)
    return train.run(options).run


def call(*args: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_predict_puts_the_fused_answer_on_top(
    run: Path, simulated_files: tuple[SimulatedFile, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("predict", run, simulated_files[0].path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("  who ")
    assert lines[2].startswith("  state ")
    assert "fused over 10 windows" in lines[3]
    assert sum(" s  " in line for line in lines) == 10
    assert any("not calibrated" in line for line in lines)
    assert all(line.split()[-1] in VERDICTS for line in lines if " s  " in line)


def test_predict_json_holds_every_window(
    run: Path, simulated_files: tuple[SimulatedFile, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    study = run.parent.parent
    assert call("predict", "latest", simulated_files[0].path, "--study", study, "--fuse", "2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["answers"]) == 5
    assert set(found["overall"]) >= {"subject", "subject_probability", "condition", "condition_probability"}


def test_predict_shows_every_window_of_three_minutes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signal = np.zeros(180 * 250)
    signal[::250] = 1.0
    write_acq(tmp_path / "beats.acq", [AcqChannel(signal, "ECG", "mV")], fs=250.0)
    assert call("predict", run, tmp_path / "beats.acq") == 0
    screen = capsys.readouterr().out
    assert sum(" s  " in line for line in screen.splitlines()) == 60
    assert "more lines" not in screen


def test_predict_shortens_long_tables(
    run: Path,
    simulated_files: tuple[SimulatedFile, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ecgkit.cli.predict.ROWS_SHOWN", 4)
    assert call("predict", run, simulated_files[0].path) == 0
    assert "and 6 more lines (all with --json)" in capsys.readouterr().out


def test_predict_with_an_unknown_run_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("predict", "latest", "session.acq") == 2
    assert "ecgkit train" in capsys.readouterr().err
