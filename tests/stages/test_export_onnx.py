"""A run becomes one file, under a name that is free or that is its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.calibrations import calibration
from support.onnx_files import spec_of, trained_run

from ecgkit.errors import RunError
from ecgkit.stages import export_onnx
from ecgkit.stages.predictors import load_predictor
from ecgkit.training import calibration_file
from ecgkit.training.calibration_file import CALIBRATION_FILE
from ecgkit.training.weights import save_weights

SPEC = spec_of("mlp", "none")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("study") / "runs"
    run = trained_run(SPEC)
    save_weights(runs / "001", run.model, run.card)
    calibration_file.write(runs / "001" / CALIBRATION_FILE, calibration())
    return runs


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


@pytest.mark.parametrize("name", ["001", "latest"])
def test_run_writes_the_file_into_the_run_folder(runs: Path, name: str) -> None:
    summary = export_onnx.run(name, runs=runs)
    assert summary.path == runs / "001" / "model.onnx"
    assert summary.size_bytes == summary.path.stat().st_size
    assert summary.takes == {"windows": (1, 64)}
    assert summary.gives == {"subject_logits": (4,), "condition_logits": (3,)}
    assert summary.difference <= summary.tolerance == 1e-4
    assert set(summary.calibrated) == {"subject", "condition"}
    found = json.loads(json.dumps(summary.as_json(), allow_nan=False))
    assert found["inputs"] == {"windows": ["batch", 1, 64]}
    assert found["trained_on_simulated_data"] is True


def test_run_replaces_the_file_by_the_same(runs: Path) -> None:
    first = export_onnx.run("001", runs=runs).path.read_bytes()
    assert export_onnx.run("001", runs=runs).path.read_bytes() == first


def test_run_takes_a_folder_and_another_name(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "net.onnx"
    assert export_onnx.run(str(runs / "001"), out=out).path == out
    assert load_predictor(out).card == load_predictor(runs / "001").card
    assert not (runs / "001" / "model.onnx").exists()


def test_run_without_a_calibration_exports_none(runs: Path) -> None:
    (runs / "001" / CALIBRATION_FILE).unlink()
    summary = export_onnx.run("001", runs=runs)
    assert summary.calibrated == ()
    assert load_predictor(summary.path).calibration is None


@pytest.mark.parametrize("name", ["net", "net.pt", "session.acq", "."])
def test_run_refuses_another_ending(runs: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match=r"--out .*expected a name that ends in \.onnx"):
        export_onnx.run("001", runs=runs, out=tmp_path / name)


def test_run_refuses_to_replace_what_it_did_not_make(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"somebody's network")
    with pytest.raises(RunError, match=r"other.onnx: there is another file here"):
        export_onnx.run("001", runs=runs, out=tmp_path / "other.onnx")
    assert (tmp_path / "other.onnx").read_bytes() == b"somebody's network"


def test_run_refuses_a_folder_s_name(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").mkdir()
    with pytest.raises(IsADirectoryError):
        export_onnx.run("001", runs=runs, out=tmp_path / "net.onnx")


def test_run_names_a_run_that_is_not_there(runs: Path) -> None:
    with pytest.raises(RunError, match="unknown run '7'"):
        export_onnx.run("7", runs=runs)
