"""Parts of the page about a run: its scores by subject, its course, calibration, network, variations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.read import Dataset
from ecgkit.report.run import NetworkPart, VariedWindow
from ecgkit.report.run_calibration import CalibratedTask, CalibrationPart, Reliability, UnknownRow
from ecgkit.report.run_curves import FitCurves
from ecgkit.report.run_scores import Grid
from ecgkit.stages.evaluation import Answers
from ecgkit.stages.run_files import TASKS, FitHistory

if TYPE_CHECKING:
    from ecgkit.models.describe import Description
    from ecgkit.training import calibration_file

VARIED_WINDOWS = 5
MOST_LAYERS = 60
LAYER_DEPTH = 2
UNKNOWN_WINDOWS = (1, 5, 20)  # of the thresholds in calibration.json
NAMES = {"subject": "identity", "condition": "the state"}


def grid_of(data: Dataset, answers: Answers) -> Grid:
    """Count tested windows and right answers by subject and condition."""
    shape = len(data.subjects), len(data.conditions)
    cells = data.codes("subject")[answers.rows] * shape[1] + data.codes("condition")[answers.rows]
    right = answers.true == answers.answered
    n, n_right = (
        np.bincount(cells[chosen], minlength=shape[0] * shape[1]).reshape(shape)
        for chosen in (slice(None), right)
    )
    return Grid(data.subjects, data.conditions, n, n_right)


def curves_of(history: Sequence[FitHistory], *, kept: str, chosen: bool = False) -> tuple[FitCurves, ...]:
    """Return the course of each fit.

    Parameters
    ----------
    kept
        The scheme whose fit gave the run's weights.
    chosen
        Whether each fit kept the epoch that was best on windows held back.
    """
    return tuple(_curves(fit, final=fit.scheme == kept, chosen=chosen) for fit in history)


def _curves(fit: FitHistory, *, final: bool, chosen: bool) -> FitCurves:
    def both(pattern: str) -> dict[str, NDArray[np.float64]]:
        names = {task: pattern.format(task) for task in TASKS}
        return {task: fit.columns[name] for task, name in names.items() if name in fit.columns}

    validation = both("validation_{}_accuracy")
    epoch = fit.columns["epoch"]
    return FitCurves(
        final=final,
        epoch=epoch,
        accuracy=both("{}_accuracy"),
        test_accuracy=both("monitor_{}_accuracy"),
        loss=both("{}_loss"),
        weight=both("{}_weight"),
        gradient_norm=both("{}_gradient_norm"),
        validation_accuracy=validation,
        kept_epoch=_best(epoch, list(validation.values())) if chosen else None,
    )


def _best(epoch: NDArray[np.float64], accuracies: list[NDArray[np.float64]]) -> int | None:
    """Return the first epoch of the best mean accuracy over the tasks that were watched, None if none was."""
    seen = [accuracy for accuracy in accuracies if np.isfinite(accuracy).any()]
    return int(epoch[np.nanargmax(np.mean(seen, axis=0))]) if seen else None


def training_in_words(training: Mapping[str, Any]) -> tuple[str, ...]:
    """Say how a network was trained, a sentence each; `training` is that of run.json."""
    task, schedule = training.get("task", "both"), training.get("schedule", "constant")
    rate = "constant" if schedule == "constant" else f"then by the schedule {schedule}"
    said = [
        f"Both heads together; how the two losses weigh is decided by {training['balancing']}."
        if task == "both"
        else f"One head only: {NAMES[task]}.",
        f"Adam, {training['epochs']} epochs, {training['batch_size']} windows a step, learning rate "
        f"{training['learning_rate']:g}, {rate}; seed {training['seed']}.",
    ]
    if training.get("class_weights", "none") != "none":
        said.append("Each window weighs as if all classes were equally frequent.")
    if training.get("precision", "float32") != "float32":
        said.append("In mixed precision: bfloat16 where it is safe.")
    return tuple(said)


def calibration_part(found: calibration_file.Calibration) -> CalibrationPart:
    """Return what the page shows of calibration.json."""
    return CalibrationPart(
        tasks=tuple(_calibrated(task, found.tasks[task]) for task in reversed(TASKS) if task in found.tasks),
        unknown=tuple(_unknown(row) for row in found.thresholds if row.n_windows in UNKNOWN_WINDOWS),
        missing=found.missing,
    )


def _calibrated(task: str, found: calibration_file.TaskCalibration) -> CalibratedTask:
    fused = tuple((row.n_windows, row.n, row.probability, row.accuracy, row.ece) for row in found.fused)
    return CalibratedTask(
        task=task,
        scheme=found.scheme,
        temperature=found.temperature,
        n_windows=found.n_windows,
        n_subjects=found.n_persons,
        before=_reliability(found.before),
        after=_reliability(found.after),
        fused=fused if len(fused) > 1 else (),
    )


def _reliability(found: calibration_file.Reliability) -> Reliability:
    return Reliability(
        ece=found.ece,
        nll=found.nll,
        brier=found.brier,
        probability=np.array([each.probability for each in found.bins]),
        accuracy=np.array([each.accuracy for each in found.bins]),
    )


def _unknown(row: calibration_file.Threshold) -> UnknownRow:
    return UnknownRow(
        n_windows=row.n_windows,
        target=row.target,
        threshold=row.threshold,
        fpir_new=_with_interval(row.fpir_new, row.fpir_new_low, row.fpir_new_high),
        fnir=_with_interval(row.fnir, row.fnir_low, row.fnir_high),
        n_strangers=row.n_non_mated_persons,
        n_enrolled=row.n_mated_persons,
    )


def _with_interval(
    share: float | None, low: float | None, high: float | None
) -> tuple[float, float, float] | None:
    return None if share is None or low is None or high is None else (share, low, high)


def network_part(spec: Mapping[str, Any], *, fs: float) -> NetworkPart:
    """Describe a network by the specification in run.json."""
    from ecgkit.models.describe import describe
    from ecgkit.models.spec import ModelSpec
    from ecgkit.training.device import use_threads

    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in spec.items()}
    with use_threads(1):  # small steps: more threads on few, busy cores are many times slower
        found = describe(ModelSpec(**plain), depth=LAYER_DEPTH)
    rows = [
        (
            layer.name,
            layer.kind,
            " × ".join(map(str, layer.shape)),
            f"{layer.parameters:,}",
            f"{layer.multiply_adds:,}",
        )
        for layer in found.layers
    ]
    return NetworkPart(_network_facts(found, fs), tuple(rows[:MOST_LAYERS]), max(0, len(rows) - MOST_LAYERS))


def _network_facts(found: Description, fs: float) -> tuple[tuple[str, str], ...]:
    spec, samples = found.spec, found.receptive_field_samples
    whole = samples is None or samples >= spec.n_samples
    heads = {"subjects": spec.n_subjects, "conditions": spec.n_conditions}
    return (
        ("backbone, attention", f"{spec.backbone}, {spec.attention}"),
        ("heads", " and ".join(f"{n} {name}" for name, n in heads.items() if n)),
        ("window", f"{spec.n_leads} × {spec.n_samples} (leads × samples), {spec.n_samples / fs:g} s"),
        ("parameters", f"{found.parameters:,}"),
        ("multiply-adds", f"{found.multiply_adds:,} a window"),
        ("backbone gives", f"{found.channels} × {found.steps} (channels × steps)"),
        ("one step sees", "the whole window" if whole else f"{samples} samples, {(samples or 0) / fs:g} s"),
    )


def variations(data: Dataset, augmentation: Mapping[str, Any], *, seed: int) -> VariedWindow | None:
    """Show how training windows were varied, on one of the data set; None if they were not."""
    if not any(augmentation.values()):
        return None
    from ecgkit.training.augment import Augmentation, described, examples

    how, row = Augmentation(**augmentation), len(data) // 2
    ecg = np.array(data.windows[row])
    return VariedWindow(
        sentences=described(how),
        where=window_in_words(data, row),
        ecg=ecg,
        varied=examples(ecg, how, fs=data.fs, n=VARIED_WINDOWS, seed=seed),
    )


def window_in_words(data: Dataset, row: int) -> str:
    """Say where a window is from."""
    subject, condition = (data.labels(name)[data.columns[name][row]] for name in ("subject", "condition"))
    visit, take, start_s = (data.columns[column][row] for column in ("visit", "take", "start_s"))
    repetition = f", take {take}" if take > 1 else ""
    return f"subject {subject}, visit {visit}, {condition}{repetition}, {start_s:g} s"
