"""`ecgkit export onnx`: a run's network as one file that ONNX Runtime computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import RunError
from ecgkit.files import refuse_special
from ecgkit.stages.predictors import calibration_of
from ecgkit.stages.run_folder import find_run
from ecgkit.training.card import RunCard

FILE = "model.onnx"
SUFFIX = ".onnx"


@dataclass(frozen=True, slots=True)
class OnnxSummary:
    """What was written.

    Attributes
    ----------
    run
        The run's folder.
    path
        The file.
    takes, gives
        Its inputs and outputs: name to shape, without the batch.
    calibrated
        Tasks whose probabilities are calibrated.
    difference, tolerance
        The largest between PyTorch and ONNX Runtime, relative to the largest logit or to 1; and the most
        that is allowed.
    n_windows
        How many windows both were given.
    """

    run: Path
    path: Path
    size_bytes: int
    card: RunCard
    takes: dict[str, tuple[int, ...]]
    gives: dict[str, tuple[int, ...]]
    calibrated: tuple[str, ...]
    difference: float
    tolerance: float
    n_windows: int

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "run": str(self.run),
            "file": str(self.path),
            "size_bytes": self.size_bytes,
            "inputs": {name: ["batch", *shape] for name, shape in self.takes.items()},
            "outputs": {name: ["batch", *shape] for name, shape in self.gives.items()},
            "fs": self.card.fs,
            "leads": list(self.card.lead_names),
            "calibrated": list(self.calibrated),
            "difference": self.difference,
            "tolerance": self.tolerance,
            "windows_compared": self.n_windows,
            "trained_on_simulated_data": self.card.simulated,
        }


def run(name: str, *, runs: Path | None = None, out: Path | None = None) -> OnnxSummary:
    """Write a run's network as an ONNX file.

    Parameters
    ----------
    name
        A run folder, or the name of a run in `runs`.
    runs
        The study's folder of runs.
    out
        The file; by default `model.onnx` in the run folder.

    Raises
    ------
    RunError
        The run can't be used or exported, or something else has the file's name.
    OSError
        The file can't be written.
    """
    from ecgkit.training.onnx_export import TOLERANCE, export_onnx
    from ecgkit.training.onnx_file import inputs_of, outputs_of
    from ecgkit.training.weights import load_run

    folder = find_run(name, runs)
    path = out or folder / FILE
    _check_name(path)
    trained, calibration = load_run(folder), calibration_of(folder)
    exported = export_onnx(trained, calibration, path)
    return OnnxSummary(
        run=folder,
        path=path,
        size_bytes=exported.size_bytes,
        card=trained.card,
        takes={port.name: port.shape for port in inputs_of(trained.card.spec)},
        gives={port.name: port.shape for port in outputs_of(trained.card.spec)},
        calibrated=tuple(calibration.tasks) if calibration else (),
        difference=exported.difference,
        tolerance=TOLERANCE,
        n_windows=exported.n_windows,
    )


def _check_name(path: Path) -> None:
    """Refuse a name under which the file would not be found again, or would replace something else."""
    from ecgkit.training.onnx_file import is_ours

    if path.suffix.lower() != SUFFIX:
        raise RunError(f"--out {path}: expected a name that ends in {SUFFIX}, such as {FILE}")
    refuse_special(path)
    if path.exists() and not is_ours(path):
        raise RunError(f"{path}: there is another file here, not one of ours; name a new one with --out")
