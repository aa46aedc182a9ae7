"""Small calibrations of runs."""

from __future__ import annotations

from ecgkit.training.calibration_file import Bin, Calibration, Fused, Reliability, TaskCalibration, Threshold


def reliability() -> Reliability:
    return Reliability(nll=0.7, brier=0.4, ece=0.05, bins=(Bin(30, 0.4, 0.5), Bin(30, 0.8, 0.75)))


def task(scheme: str, temperature: float) -> TaskCalibration:
    fused = (Fused(1, 60, 0.6, 0.625, 0.05), Fused(5, 12, 0.65, 0.75, 0.1))
    return TaskCalibration(scheme, temperature, 60, 4, reliability(), reliability(), fused)


def threshold(n_windows: int = 1, *, value: float = 0.8, target: float = 0.05) -> Threshold:
    return Threshold(
        n_windows=n_windows,
        target=target,
        threshold=value,
        fpir=0.04,
        fpir_new=0.07,
        fpir_new_low=0.01,
        fpir_new_high=0.2,
        n_non_mated=100,
        n_non_mated_persons=4,
        fnir=0.3,
        fnir_low=0.2,
        fnir_high=0.45,
        n_mated=120,
        n_mated_persons=4,
    )


def calibration(*, sha256: str = "0" * 64, limits: tuple[float, float] = (0.8, 0.7)) -> Calibration:
    """A calibration with thresholds for one window and for five, at a target of 5 %."""
    return Calibration(
        tasks={"subject": task("leave-visit-out", 1.5), "condition": task("leave-subjects-out", 2.5)},
        thresholds=(threshold(1, value=limits[0]), threshold(5, value=limits[1])),
        n_enrolled=3,
        mated_scheme="leave-visit-out",
        n_rejected=2,
        missing=("No threshold at 1 %.",),
        dataset_sha256=sha256,
        simulated=True,
    )
