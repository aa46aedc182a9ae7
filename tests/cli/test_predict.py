"""``ecgkit predict`` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.calibrations import calibration
from support.random_runs import write_random_run

from ecgkit.analysis.quality import VERDICTS
from ecgkit.cli import main
from ecgkit.simulate.acq_writer import AcqChannel, write_acq
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.training import calibration_file
from ecgkit.training.card import read_json_file


@pytest.fixture(scope="module")
def run(built_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in a study's runs/, with a calibration whose thresholds nobody reaches."""
    folder = tmp_path_factory.mktemp("study") / "runs" / "001"
    write_random_run(folder, built_study / "dataset.h5")
    sha256 = read_json_file(folder / "run.json")["dataset_sha256"]
    calibration_file.write(folder / "calibration.json", calibration(sha256=sha256, limits=(1.0, 1.0)))
    return folder


def call(*args: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def signal_file(path: Path, *, seconds: float, noise: bool = False) -> Path:
    """Write a spike a second, or noise."""
    signal = np.zeros(int(seconds * 250))
    signal[::250] = 1.0
    if noise:
        signal = np.random.default_rng(2).normal(0, 1, len(signal))
    write_acq(path, [AcqChannel(signal, "ECG", "mV")], fs=250.0)
    return path


def test_predict_puts_the_fused_answer_on_top(
    run: Path, simulated_files: tuple[SimulatedFile, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("predict", run, simulated_files[0].path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("  who   unknown; nearest: 0")
    assert lines[1].endswith(")")
    assert lines[2].startswith("  state ")
    assert "fused over 10 windows" in lines[3]
    assert sum(" s  " in line for line in lines) == 10
    assert all("  unknown; nearest: 0" in line for line in lines if " s  " in line)
    assert any("calibrated by a temperature" in line for line in lines)
    assert any("--fpir none gives everybody a name" in line for line in lines)
    assert all(line.split()[-1] in VERDICTS for line in lines if " s  " in line)


def test_predict_gives_everybody_a_name_if_asked(
    run: Path, simulated_files: tuple[SimulatedFile, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("predict", run, simulated_files[0].path, "--fpir", "none") == 0
    screen = capsys.readouterr().out
    assert "unknown" not in screen.splitlines()[1]
    assert "still given the name" in screen
    assert call("predict", run, simulated_files[0].path, "--fpir", "much") == 2
    assert "'much': expected a rate, such as 0.05, or none" in capsys.readouterr().err
    assert call("predict", run, simulated_files[0].path, "--fpir", "0.5") == 2
    assert "expected one of 0.001" in capsys.readouterr().err


def test_predict_json_holds_every_window(
    run: Path, simulated_files: tuple[SimulatedFile, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    study = run.parent.parent
    assert call("predict", "latest", simulated_files[0].path, "--study", study, "--fuse", "2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["answers"]) == 5
    assert set(found["overall"]) >= {"subject", "subject_probability", "condition", "unknown", "n_rejected"}
    assert found["threshold"]["fpir_new"] == 0.07


def test_predict_of_several_files_prints_a_line_each(
    run: Path,
    simulated_files: tuple[SimulatedFile, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    files = [file.path for file in simulated_files[:2]]
    assert call("predict", run, *files, "--json") == 0
    assert [made["file"] for made in json.loads(capsys.readouterr().out)] == [str(file) for file in files]
    short = signal_file(tmp_path / "short.acq", seconds=2)
    assert call("predict", run, *files, short, "--csv", tmp_path / "all.csv") == 1
    screen = capsys.readouterr()
    assert "2 of 3 files answered" in screen.out
    assert screen.out.count("10 of 10") == 2
    assert "shorter than one window" in screen.err
    assert call("predict", run, *files, short, "--json") == 1
    assert "shorter" in json.loads(capsys.readouterr().out)[2]["error"]


def test_predict_without_a_usable_window_exits_with_1(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = signal_file(tmp_path / "noise.acq", seconds=12, noise=True)
    assert call("predict", run, noise, "--html", tmp_path / "noise.html") == 1
    screen = capsys.readouterr().out
    assert screen.splitlines()[1].strip().startswith("no usable window")
    assert "--keep-rejected" in screen
    assert (tmp_path / "noise.html").exists()
    assert call("predict", run, noise, "--keep-rejected") == 0


def test_predict_refuses_a_single_file_that_does_not_fit(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("predict", run, signal_file(tmp_path / "short.acq", seconds=2), "--json") == 2
    screen = capsys.readouterr()
    assert (screen.out, "shorter than one window" in screen.err) == ("", True)


def test_predict_says_what_it_wrote(
    run: Path,
    simulated_files: tuple[SimulatedFile, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, page = tmp_path / "a.csv", tmp_path / "a.html"
    assert call("predict", run, simulated_files[0].path, "--csv", table, "--html", page) == 0
    screen = capsys.readouterr().out
    assert f"written: {table}" in screen
    assert f"written: {page}" in screen
    assert len(table.read_text().splitlines()) == 11


def test_predict_shows_every_window_of_three_minutes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("predict", run, signal_file(tmp_path / "beats.acq", seconds=180)) == 0
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
    assert "and 6 more lines (all with --json or --csv)" in capsys.readouterr().out


def test_predict_with_an_unknown_run_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("predict", "latest", "session.acq") == 2
    assert "ecgkit train" in capsys.readouterr().err
