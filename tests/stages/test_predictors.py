"""A run and the file exported from it are asked in the same way, and answer the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.calibrations import calibration
from support.onnx_files import spec_of, trained_run, windows_for

from ecgkit.errors import RunError
from ecgkit.stages.predictors import calibration_of, load_predictor
from ecgkit.training import calibration_file
from ecgkit.training.calibration_file import CALIBRATION_FILE
from ecgkit.training.onnx_export import export_onnx
from ecgkit.training.weights import save_weights

SPEC = spec_of("cnn", "none", n_leads=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a calibration, and the file exported from it beside it."""
    place = tmp_path_factory.mktemp("predictors")
    run = trained_run(SPEC)
    save_weights(place / "run", run.model, run.card)
    calibration_file.write(place / "run" / CALIBRATION_FILE, calibration())
    export_onnx(run, calibration(), place / "net.onnx")
    return place


def test_predictors_of_both_kinds_answer_the_same(folder: Path) -> None:
    weights, onnx = load_predictor(folder / "run"), load_predictor(folder / "net.onnx")
    assert (weights.kind, onnx.kind) == ("weights", "onnx")
    assert (weights.path, onnx.path) == (folder / "run", folder / "net.onnx")
    assert weights.card == onnx.card
    assert weights.calibration == onnx.calibration == calibration()
    windows = windows_for(SPEC, 700)
    for one, two in zip(weights.outputs(windows), onnx.outputs(windows), strict=True):
        assert one.dtype == two.dtype == np.float32
        np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("missing", ["subject", "condition"])
def test_predictors_of_one_task_leave_the_other_empty(missing: str, tmp_path: Path) -> None:
    spec = spec_of("cnn", "none", **{f"n_{missing}s": 0})
    run = trained_run(spec)
    save_weights(tmp_path / "run", run.model, run.card)
    export_onnx(run, None, tmp_path / "net.onnx")
    expected = {"subject": (5, 4), "condition": (5, 3)} | {missing: (5, 0)}
    for place in ("run", "net.onnx"):
        predictor = load_predictor(tmp_path / place)
        assert predictor.calibration is None
        outputs = predictor.outputs(windows_for(spec, 5))
        assert [out.shape for out in outputs] == [expected["subject"], expected["condition"]]


def test_predictor_refuses_answers_that_are_no_numbers(folder: Path, tmp_path: Path) -> None:
    run = trained_run(SPEC)
    with torch.no_grad():
        run.model.subject_head.bias.fill_(3e38)
        run.model.subject_head.weight.fill_(3e38)
    save_weights(tmp_path / "run", run.model, run.card)
    with pytest.raises(RunError, match="run: the network gives NaN or infinity for these windows"):
        load_predictor(tmp_path / "run").outputs(np.full((2, 2, 64), 1e6, np.float32))


def test_calibration_of_is_none_only_where_there_is_none(folder: Path, tmp_path: Path) -> None:
    assert calibration_of(folder / "run") == calibration()
    assert calibration_of(tmp_path) is None
    (tmp_path / CALIBRATION_FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=CALIBRATION_FILE):
        calibration_of(tmp_path)


@pytest.mark.parametrize("name", ["nothing", "nothing.onnx"])
def test_load_predictor_names_what_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match=rf"{name}: can't be read"):
        load_predictor(tmp_path / name)


def test_load_predictor_of_a_file_imports_no_torch(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from ecgkit.stages.predictors import load_predictor\n"
        "load_predictor(Path(sys.argv[1])).outputs(np.zeros((3, 2, 64), np.float32))\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder / "net.onnx")], check=False)
    assert done.returncode == 0
