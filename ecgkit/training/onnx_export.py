"""Write a run's network as one ONNX file, after PyTorch and ONNX Runtime were seen to give the same.

The file is the same for the same run, ecgkit and exporter: no time, no path of the machine and no line of
code gets into it. The reading side, which needs no torch, is `ecgkit.training.onnx_file`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscript
import torch
from numpy.typing import NDArray

import ecgkit
from ecgkit.errors import RunError
from ecgkit.files import atomic_path
from ecgkit.models.dual_task import DualTaskNet
from ecgkit.models.spec import ModelSpec
from ecgkit.training.calibration_file import Calibration
from ecgkit.training.card import card_content
from ecgkit.training.onnx_checks import only_needed
from ecgkit.training.onnx_file import INPUT, OnnxRun, metadata, opened, outputs_of, seal
from ecgkit.training.weights import Run

OPSET = 20
TOLERANCE = 1e-4  # of the largest logit, or of 1 where all are smaller
BATCHES = (1, 2, 17)
AMPLITUDE = 1000.0  # of the extreme windows; those of a data set lie in 0 to 1, or are some millivolts

# What torch's exporter says to its own developers; anything else is heard.
_SAID_TO_OTHERS = (
    (FutureWarning, r"`isinstance\(treespec, LeafSpec\)` is deprecated"),
    (FutureWarning, r"_check_is_size will be removed"),
    (UserWarning, r"The tensor attributes? self\.backbone\.cells\._flat_weights"),
)
_LOG_OF_MISSING_TORCHVISION = "torch.onnx._internal.exporter._registration"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    difference
        The largest between PyTorch and ONNX Runtime, relative to the largest logit or to 1.
    n_windows
        How many windows both were given.
    """

    path: Path
    size_bytes: int
    difference: float
    n_windows: int


def export_onnx(run: Run, calibration: Calibration | None, path: Path) -> Exported:
    """Write a run's network, card and calibration as one ONNX file, if it computes what PyTorch does.

    Raises
    ------
    RunError
        The network can't be exported, or the file gives other answers than PyTorch by more than `TOLERANCE`.
    OSError
        The file can't be written.
    """
    model = _converted(run.model)
    only_needed(model)
    model.producer_name, model.producer_version = "ecgkit", ecgkit.__version__
    exporter = {"ecgkit": ecgkit.__version__, "onnx": onnx.__version__, "onnxscript": onnxscript.__version__}
    content = metadata(card_content(run.card), calibration, exporter | {"torch": torch.__version__})
    onnx.helper.set_model_props(model, content)
    body = model.SerializeToString(deterministic=True)
    raw = body + seal(body)
    difference, n_windows = parity(run.model, opened(path, raw))
    if not difference <= TOLERANCE:
        raise RunError(
            f"{path}: not written. PyTorch and ONNX Runtime differ by {difference:.2g} of the largest logit, "
            f"at most {TOLERANCE:g} is allowed; were weights or windows far too large? Train again"
        )
    with atomic_path(path) as part:
        part.write_bytes(raw)
    return Exported(path, len(raw), difference, n_windows)


def parity(model: DualTaskNet, exported: OnnxRun) -> tuple[float, int]:
    """Compare PyTorch and ONNX Runtime on random and on extreme windows, in batches of several sizes.

    Returns
    -------
    The largest difference, relative to the largest logit of the batch or to 1; NaN where a logit is no
    number. And how many windows were compared.
    """
    names = [port.name for port in outputs_of(model.spec)]
    differences, n_windows = [0.0], 0
    for windows in _probes(model.spec):
        with torch.inference_mode():
            expected = model(torch.from_numpy(windows))
        found = exported.session.run(names, {INPUT: windows})
        differences += [_difference(a.numpy(), b) for a, b in zip(expected, found, strict=True)]
        n_windows += len(windows)
    return float(np.max(differences)), n_windows


def _difference(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    return float(np.abs(expected - found).max() / max(1.0, float(np.abs(expected).max())))


def _probes(spec: ModelSpec) -> Iterator[NDArray[np.float32]]:
    """Yield batches of windows: as data sets have them, far from them, and none of a signal at all."""
    rng = np.random.default_rng(0)
    shape = (spec.n_leads, spec.n_samples)
    for n in BATCHES:
        uniform = rng.random((n, *shape))
        spikes = np.where(uniform > 0.99, AMPLITUDE, 0.0)
        for windows in (uniform, rng.standard_normal((n, *shape)), AMPLITUDE * (uniform - 0.5), spikes):
            yield windows.astype(np.float32)
        for constant in (0.0, 1.0, -AMPLITUDE):
            yield np.full((n, *shape), constant, np.float32)


def _converted(model: DualTaskNet) -> Any:
    """Return the network as an `onnx.ModelProto`, as torch's exporter makes it."""
    spec = model.spec
    example = torch.zeros(2, spec.n_leads, spec.n_samples)
    try:
        with _only_what_concerns_us(), torch.no_grad():
            program = torch.onnx.export(
                model.eval(),
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[port.name for port in outputs_of(spec)],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise RunError(
            f"backbone {spec.backbone!r} with attention {spec.attention!r} can't be exported by torch "
            f"{torch.__version__} ({' '.join(str(error).split())[:200]})"
        ) from error
    if program is None:
        raise RunError(f"torch {torch.__version__} exported nothing")
    return program.model_proto


@contextmanager
def _only_what_concerns_us() -> Iterator[None]:
    log = logging.getLogger(_LOG_OF_MISSING_TORCHVISION)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category, message in _SAID_TO_OTHERS:
                warnings.filterwarnings("ignore", message=message, category=category)
            yield
    finally:
        log.setLevel(level)
