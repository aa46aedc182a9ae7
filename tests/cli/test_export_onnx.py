"""``ecgkit export onnx`` as people call it, and ``ecgkit predict`` with what it wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.random_runs import write_random_run

from ecgkit.cli import main
from ecgkit.stages.simulate import SimulatedFile


@pytest.fixture(scope="module")
def study(built_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with one run, exported."""
    folder = tmp_path_factory.mktemp("study")
    write_random_run(folder / "runs" / "001", built_study / "dataset.h5")
    assert call("export", "onnx", "latest", "--study", folder) == 0
    return folder


def call(*args: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_export_onnx_says_what_it_made_and_what_comes_next(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.onnx"
    assert call("export", "onnx", study / "runs" / "001", "--out", out) == 0
    screen = capsys.readouterr().out
    assert out.is_file()
    assert f"{out}: the network of {study / 'runs' / '001'}  (trained on SIMULATED data)" in screen
    assert "windows (batch, 1, 300): 100 Hz" in screen
    assert "subject_logits (batch, 4), condition_logits (batch, 3)" in screen
    assert "probabilities are not calibrated" in screen
    assert "0.0001 is allowed" in screen
    assert f"Next: ecgkit predict {out} session.acq" in screen


def test_export_onnx_json_is_one_document(study: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("export", "onnx", "001", "--study", study, "--json") == 0
    told = capfd.readouterr()
    assert json.loads(told.out)["file"] == str(study / "runs" / "001" / "model.onnx")
    assert told.err == ""


def test_export_onnx_names_a_run_that_is_not_there(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("export", "onnx", "9", "--study", study) == 2
    assert "unknown run '9'" in capsys.readouterr().err


def test_export_onnx_refuses_a_run_that_was_changed(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (study / "runs" / "001").glob("[rw]*.[js]*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert call("export", "onnx", tmp_path) == 2
    assert "damaged" in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()


def test_predict_takes_the_file_in_place_of_the_run_without_torch(
    study: Path, simulated_files: tuple[SimulatedFile, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    run, recording = study / "runs" / "001", simulated_files[0].path
    assert call("predict", run, recording, "--json") == 0
    expected = json.loads(capsys.readouterr().out)
    program = (
        "import sys; from ecgkit.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", program, "predict", str(run / "model.onnx"), str(recording), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["run"] == str(run / "model.onnx")
    assert len(found["answers"]) == len(expected["answers"])
    for one, two in zip(found["answers"], expected["answers"], strict=True):
        assert (one["subject"], one["condition"]) == (two["subject"], two["condition"])
        assert one["subject_probability"] == pytest.approx(two["subject_probability"], abs=1e-3)


def test_predict_refuses_a_damaged_file(
    study: Path,
    tmp_path: Path,
    simulated_files: tuple[SimulatedFile, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw = bytearray((study / "runs" / "001" / "model.onnx").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "net.onnx").write_bytes(raw)
    assert call("predict", tmp_path / "net.onnx", simulated_files[0].path) == 2
    assert "its last bytes are not the hash of the others" in capsys.readouterr().err
