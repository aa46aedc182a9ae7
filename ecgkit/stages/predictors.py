"""A trained network to ask, from a run folder or from an ONNX file; the latter needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import RunError
from ecgkit.training import calibration_file
from ecgkit.training.calibration_file import CALIBRATION_FILE, Calibration
from ecgkit.training.card import RunCard

Windows = NDArray[np.float32]
Logits = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A network that can be asked.

    Attributes
    ----------
    path
        The run folder or the file.
    kind
        "weights" or "onnx".
    calibration
        None where there is none.
    apply
        The network: windows to logits.
    """

    path: Path
    kind: str
    card: RunCard
    calibration: Calibration | None
    apply: Callable[[Windows], Logits]

    def outputs(self, windows: Windows) -> Logits:
        """Apply the network, some windows at a time.

        Parameters
        ----------
        windows
            (N, lead, T)

        Returns
        -------
        Logits, (N, subjects) and (N, conditions); (N, 0) of a task that the network has not.

        Raises
        ------
        RunError, TrainingError
            The windows have another shape, or what comes out is no number.
        """
        subject, condition = self.apply(windows)
        if not (np.isfinite(subject).all() and np.isfinite(condition).all()):
            raise RunError(f"{self.path}: the network gives NaN or infinity for these windows; train again")
        return subject, condition


def load_predictor(path: Path) -> Predictor:
    """Load a network from a run folder or an ONNX file, which may come from an untrusted source.

    Raises
    ------
    RunError
        It is missing, damaged, too large, of another format or version, or its parts don't belong together.
    """
    return _from_folder(path) if path.is_dir() else _from_onnx(path)


def calibration_of(folder: Path) -> Calibration | None:
    """Read the calibration of a run folder; None where there is none.

    Raises
    ------
    RunError
        There is one, and it can't be used.
    """
    path = folder / CALIBRATION_FILE
    return calibration_file.read(path) if path.exists() else None


def _from_folder(folder: Path) -> Predictor:
    from ecgkit.training.apply import logits
    from ecgkit.training.weights import load_run

    run = load_run(folder)
    calibration = calibration_of(folder)
    return Predictor(folder, "weights", run.card, calibration, lambda windows: logits(run.model, windows))


def _from_onnx(path: Path) -> Predictor:
    from ecgkit.training.onnx_file import load_onnx

    run = load_onnx(path)
    return Predictor(path, "onnx", run.card, run.calibration, run.outputs)
