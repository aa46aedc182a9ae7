"""Export: every network gives as ONNX what it gives in PyTorch, in the same bytes each time."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from support.calibrations import calibration
from support.onnx_files import model_of, spec_of, trained_run, windows_for

import ecgkit
from ecgkit.errors import RunError
from ecgkit.models.attention import ATTENTIONS
from ecgkit.models.backbones import BACKBONES, takes
from ecgkit.training import onnx_export
from ecgkit.training.apply import logits
from ecgkit.training.onnx_checks import constants_of
from ecgkit.training.onnx_export import TOLERANCE, export_onnx, parity
from ecgkit.training.onnx_file import CARD_KEY, OnnxRun, load_onnx
from ecgkit.training.onnx_shapes import Value, infer
from ecgkit.training.weights import Run, load_run, save_weights

SHALLOW = {name: {"widths": (8,), "strides": (2,)} for name in ("mobilenet", "efficientnet")}  # many layers
PAIRS = [
    (*pair, SHALLOW.get(pair[0], {})) for pair in itertools.product(BACKBONES, ATTENTIONS) if takes(*pair)
]
ONE_TASK = [
    ("resnet", "sca", {"n_subjects": 0}),
    ("resnet", "sca", {"n_conditions": 0}),
    ("lstm", "none", {"n_subjects": 0, "n_leads": 3}),
]


@pytest.fixture(scope="module")
def run() -> Run:
    return trained_run(spec_of("resnet", "sca"))


@pytest.fixture(scope="module")
def file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(run, calibration(), path)
    return path


@pytest.mark.parametrize(("backbone", "attention", "changes"), PAIRS + ONE_TASK)
def test_every_pair_trains_a_step_and_predicts_equal_as_onnx(
    backbone: str, attention: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    spec = spec_of(backbone, attention, **changes)
    trained = trained_run(spec)
    save_weights(tmp_path, trained.model, trained.card)
    run = load_run(tmp_path)
    assert export_onnx(run, None, tmp_path / "model.onnx").difference <= TOLERANCE / 10
    loaded = load_onnx(tmp_path / "model.onnx")
    assert loaded.card == run.card
    windows = windows_for(spec, loaded.batch + 3)
    for given, expected in zip(loaded.outputs(windows), logits(run.model, windows), strict=True):
        assert given.shape == expected.shape
        assert given.dtype == np.float32
        np.testing.assert_allclose(given, expected, atol=1e-5, rtol=1e-5)
    check_as_others_do(model_of((tmp_path / "model.onnx").read_bytes()))


def check_as_others_do(model: Any) -> None:
    """The onnx package finds the model valid, and tells the same shapes as we do."""
    onnx.checker.check_model(model, full_check=True)
    batch = 5
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[0].Clear()
    dims[0].dim_value = batch
    for port in model.graph.output:
        port.type.tensor_type.ClearField("shape")
    told = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    expected = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*told.value_info, *told.output)
    }
    known = constants_of(model.graph) | {"windows": Value(tuple(dim.dim_value for dim in dims))}
    for node in model.graph.node:
        given = infer(node, known)
        known |= given
        assert {name: value.shape for name, value in given.items()} == {
            name: expected[name] for name in given
        }, node


def test_export_writes_the_same_bytes_each_time(run: Run, file: Path, tmp_path: Path) -> None:
    export_onnx(run, calibration(), tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == file.read_bytes()
    program = (
        "import sys; from pathlib import Path; from support.onnx_files import spec_of, trained_run\n"
        "from support.calibrations import calibration\n"
        "from ecgkit.training.onnx_export import export_onnx\n"
        "export_onnx(trained_run(spec_of('mlp', 'none')), None, Path(sys.argv[1]))\n"
        "export_onnx(trained_run(spec_of('resnet', 'sca')), calibration(), Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "elsewhere.onnx")]
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    assert ended.stdout == ""
    assert (tmp_path / "elsewhere.onnx").read_bytes() == file.read_bytes()


def test_export_says_nothing_of_this_machine(file: Path) -> None:
    raw = file.read_bytes()
    places = (str(Path(ecgkit.__file__).parents[1]), str(Path(torch.__file__).parents[1]), str(Path.home()))
    for told in (*places, ".py", "stack_trace", "aten.", "torch.nn"):
        assert told.encode() not in raw, told


def test_export_is_one_file_that_folds_the_batch_normalisation(file: Path) -> None:
    assert [path.name for path in file.parent.iterdir()] == ["model.onnx"]
    model = model_of(file.read_bytes())
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    assert all(tensor.HasField("raw_data") for tensor in model.graph.initializer)


def test_export_can_be_used_without_ecgkit(run: Run, file: Path) -> None:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert [(port.name, port.shape, port.type) for port in session.get_inputs()] == [
        ("windows", ["batch", 1, 64], "tensor(float)")
    ]
    assert [(port.name, port.shape) for port in session.get_outputs()] == [
        ("subject_logits", ["batch", 4]),
        ("condition_logits", ["batch", 3]),
    ]
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["ecgkit.card"])["subject_labels"] == list(run.card.subject_labels)
    assert json.loads(said["ecgkit.calibration"])["tasks"]["subject"]["temperature"] == 1.5
    assert set(json.loads(said["ecgkit.exporter"])) == {"ecgkit", "onnx", "onnxscript", "torch"}
    assert "weights_sha256" not in said[CARD_KEY]


def test_export_keeps_card_and_calibration(run: Run, file: Path) -> None:
    loaded = load_onnx(file)
    assert (loaded.card, loaded.calibration) == (run.card, calibration())


def test_export_warns_of_nothing_and_prints_nothing(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    lstm = trained_run(spec_of("lstm", "none"))
    before = torch.get_rng_state()
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        export_onnx(lstm, None, tmp_path / "model.onnx")
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert torch.equal(torch.get_rng_state(), before)


def test_export_writes_nothing_if_the_file_would_answer_otherwise(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = onnx_export._converted

    def moved(model: torch.nn.Module) -> Any:
        made = converted(model)
        bias = next(tensor for tensor in made.graph.initializer if tensor.name == "subject_head.bias")
        bias.raw_data = (np.frombuffer(bias.raw_data, "<f4") + 0.01).tobytes()
        return made

    monkeypatch.setattr(onnx_export, "_converted", moved)
    with pytest.raises(RunError, match=r"not written. PyTorch and ONNX Runtime differ by 0\.0"):
        export_onnx(run, None, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_parity_is_not_a_number_where_an_answer_is_none(run: Run, file: Path) -> None:
    class Broken:
        def run(self, names: list[str], given: dict[str, Any]) -> list[Any]:
            return [np.full((len(given["windows"]), n), np.nan, np.float32) for n in (4, 3)]

    loaded = load_onnx(file)
    broken = OnnxRun(loaded.path, loaded.card, None, 1, Broken())
    assert np.isnan(parity(run.model, broken)[0])


def test_parity_compares_batches_of_all_sizes(run: Run, file: Path) -> None:
    difference, n_windows = parity(run.model, load_onnx(file))
    assert n_windows == 7 * (1 + 2 + 17)
    assert 0 <= difference < 1e-5


def test_export_refuses_a_calibration_of_another_data_set(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="calibration is of another data set"):
        export_onnx(run, calibration(sha256="1" * 64), tmp_path / "model.onnx")
    with pytest.raises(RunError, match="calibration is of another data set"):
        export_onnx(run, replace(calibration(), simulated=False), tmp_path / "model.onnx")
