"""The training loop: plain, the same every time for the same seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name everyone knows it by)
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ecgkit.dataset.batches import Batches
from ecgkit.errors import TrainingError
from ecgkit.lookup import pick
from ecgkit.models.dual_task import DualTaskNet, ModelSpec, build_model, last_shared_weight, trunk_weights
from ecgkit.training.augment import NONE, Augmentation
from ecgkit.training.balancing import BALANCERS, Balancer, Shared
from ecgkit.training.device import reproducible, resolve_device, use_threads
from ecgkit.training.supply import (
    UNKNOWN,
    Labelled,
    LabelledBatch,
    check_shape,
    checked,
    in_order,
    refuse_non_finite,
    shuffled_epochs,
)

TASKS = ("subject", "condition")
Watched = tuple[Batches, tuple[Tensor, Tensor]]
SEEN_WINDOWS = 16_384  # whose outputs are held at a time


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How to train.

    Attributes
    ----------
    epochs, batch_size, learning_rate
        Of Adam, with its usual other constants.
    balancing
        Name in `BALANCERS`.
    seed
        Of the first weights and of the order of the windows.
    threads
        CPU threads.
    device
        Name for `resolve_device`.
    schedule
        Name in `ecgkit.training.schedule.SCHEDULES`: the learning rate over the training.
    class_weights
        "none", or "balanced": each known label weighs as if all classes were equally frequent.
    precision
        "float32", or "mixed": bfloat16 where torch holds it safe.
    augmentation
        How training windows are varied; an empty one changes nothing.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    balancing: str
    seed: int
    threads: int
    device: str
    schedule: str = "constant"
    class_weights: str = "none"
    precision: str = "float32"
    augmentation: Augmentation = NONE


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What was seen in one epoch; NaN where there was nothing to see.

    Attributes
    ----------
    epoch
        From 1.
    seconds
        Time of the training itself, without the monitor.
    subject_loss, subject_accuracy, …
        Over the epoch's windows, as the network stood when each was met, in training mode.
    subject_weight, subject_gradient_norm, …
        The balancer's, mean over the epoch's steps.
    monitor_subject_accuracy, …
        On the windows to watch, after the epoch.
    """

    epoch: int
    seconds: float
    subject_loss: float
    condition_loss: float
    subject_accuracy: float
    condition_accuracy: float
    subject_weight: float
    condition_weight: float
    subject_gradient_norm: float
    condition_gradient_norm: float
    monitor_subject_accuracy: float
    monitor_condition_accuracy: float


def fit(
    spec: ModelSpec,
    training: Labelled,
    *,
    settings: FitSettings,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    monitor: Labelled | None = None,
    way: str = "auto",
) -> DualTaskNet:
    """Train a new network.

    The same arguments give the same weights, bit for bit, on the same machine and torch, whatever
    ran before.

    Parameters
    ----------
    spec
        The network.
    training
        Windows (N, lead, T) with their labels; at least 2.
    on_epoch
        Called after each epoch.
    monitor
        What to watch after each epoch; it changes nothing in the training.
    way
        Where the windows come from (`ecgkit.training.supply.shuffled_epochs`).

    Returns
    -------
    The network after the last epoch, on the CPU, in evaluation mode.

    Raises
    ------
    TrainingError
        The windows or labels don't fit the specification or hold what is not a number; no such
        device; the loss is no longer finite.
    ConfigError
        A name in the specification or the settings is unknown.
    """
    device = resolve_device(settings.device)
    training = checked(spec, training)
    _check_enough(len(training), settings.batch_size)
    watched = _watched(checked(spec, monitor)) if monitor else None
    balancer = pick(BALANCERS, settings.balancing, what="balancing")
    epochs = shuffled_epochs(
        training, batch_size=settings.batch_size, seed=settings.seed, device=device, way=way
    )
    with reproducible(device, seed=settings.seed, threads=settings.threads):
        model = build_model(spec).to(device)
        optimizer = torch.optim.Adam(
            model.parameters(), lr=settings.learning_rate, fused=device.type in ("cpu", "cuda")
        )
        balancing: Balancer = balancer((spec.n_subjects, spec.n_conditions)).to(device)
        for epoch, batches in zip(range(1, settings.epochs + 1), epochs, strict=False):
            start = time.perf_counter()
            seen = _run_epoch(model, batches, optimizer=optimizer, balancer=balancing)
            seconds = time.perf_counter() - start
            _refuse_non_finite(epoch, model, settings)
            record = EpochRecord(epoch, seconds, **seen, **_accuracies(model, watched, settings.threads))
            if on_epoch is not None:
                on_epoch(record)
    return model.eval().cpu()


def logits(
    model: DualTaskNet,
    windows: ArrayLike | Batches,
    *,
    batch_size: int = 1024,
    device: str | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Apply a network to windows, in evaluation mode.

    Parameters
    ----------
    windows
        (N, lead, T); or blocks of them, as `ecgkit.training.supply.in_order` gives them.
    batch_size
        Windows at a time, of an array.
    device
        Where to compute; the model moves there. None: where it is.
    threads
        CPU threads.

    Returns
    -------
    (N, subjects) and (N, conditions)

    Raises
    ------
    TrainingError
        The windows don't have the shape that the network was built for.
    """
    if device is not None:
        model.to(resolve_device(device))
    where = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), use_threads(threads):
            parts = [
                model(torch.tensor(block, dtype=torch.float32).to(where))
                for block in _blocks(model.spec, windows, batch_size)
            ]
    finally:
        model.train(training)
    if not parts:
        return np.empty((0, model.spec.n_subjects), "f4"), np.empty((0, model.spec.n_conditions), "f4")
    subject, condition = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    return subject, condition


def _blocks(spec: ModelSpec, windows: ArrayLike | Batches, batch_size: int) -> Iterator[NDArray[np.generic]]:
    if isinstance(windows, Batches):
        blocks = (block for _, block in windows.epoch(0))
    else:
        array = np.asarray(windows)
        check_shape(spec, array.shape)
        blocks = (array[start : start + batch_size] for start in range(0, len(array), batch_size))
    for block in blocks:
        check_shape(spec, block.shape)
        yield block


@dataclass(slots=True)
class _Steps:
    """What some steps leave behind, kept on the device: numbers are asked for once in many steps."""

    labels: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    logits: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    gradient_norms: list[Tensor] = field(default_factory=list)

    def numbers(self) -> dict[str, tuple[float, int]]:
        """Return loss, accuracy, mean weight and mean gradient norm of each task, and of how many each is."""
        weights = torch.stack(self.weights).mean(dim=0).tolist()  # (steps, M) to (M,)
        norms = torch.stack(self.gradient_norms).mean(dim=0).tolist()
        found: dict[str, tuple[float, int]] = {}
        for index, task in enumerate(TASKS):
            output = torch.cat([batch[index] for batch in self.logits])  # (N, classes)
            labels = torch.cat([batch[index] for batch in self.labels])  # (N,)
            n_known = int((labels != UNKNOWN).sum())
            loss = float(known_cross_entropy(output, labels)) if n_known else math.nan
            found[f"{task}_loss"] = loss, n_known
            found[f"{task}_accuracy"] = accuracy(output, labels), n_known
            found[f"{task}_weight"] = weights[index], len(self.weights)
            found[f"{task}_gradient_norm"] = norms[index], len(self.weights)
        return found


def _mean_numbers(parts: list[dict[str, tuple[float, int]]]) -> dict[str, float]:
    """Return the mean of each number over all parts of an epoch; NaN where there was nothing to see."""
    means = {}
    for name in parts[0]:
        seen = [part[name] for part in parts if part[name][1]]
        n = sum(count for _, count in seen)
        means[name] = sum(value * (count / n) for value, count in seen) if seen else math.nan
    return means


def _run_epoch(
    model: DualTaskNet,
    batches: Iterable[LabelledBatch],
    *,
    optimizer: torch.optim.Optimizer,
    balancer: Balancer,
) -> dict[str, float]:
    shared = Shared(last_shared_weight(model), trunk_weights(model))
    parts, steps, n_seen = [], _Steps(), 0
    model.train()
    for windows, subjects, conditions in batches:
        optimizer.zero_grad(set_to_none=True)
        subject, condition = model(windows)  # (B, subjects), (B, conditions)
        losses = known_cross_entropy(subject, subjects), known_cross_entropy(condition, conditions)
        balanced = balancer.backward(losses, shared)
        optimizer.step()
        steps.labels.append((subjects, conditions))
        steps.logits.append((subject.detach(), condition.detach()))
        steps.weights.append(balanced.weights)
        steps.gradient_norms.append(balanced.gradient_norms)
        n_seen += len(windows)
        if n_seen >= SEEN_WINDOWS:
            parts.append(steps.numbers())
            steps, n_seen = _Steps(), 0
    if steps.weights:
        parts.append(steps.numbers())
    return _mean_numbers(parts)


def known_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy over the windows whose label is known, 0 where none is.

    Parameters
    ----------
    logits
        (B, classes)
    labels
        (B,), -1 where not known.
    """
    total = F.cross_entropy(logits, labels, ignore_index=UNKNOWN, reduction="sum")
    return total / (labels != UNKNOWN).sum().clamp_min(1)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the share of known labels that the largest logit meets; NaN where none is known.

    Parameters
    ----------
    logits
        (N, classes)
    labels
        (N,), -1 where not known.
    """
    n_known = int((labels != UNKNOWN).sum())
    return int((logits.argmax(dim=1) == labels).sum()) / n_known if n_known else math.nan


def _watched(given: Labelled) -> Watched:
    """Return windows to watch, in order, and the labels of each, (n,)."""
    windows = in_order(given.windows, given.rows)
    refuse_non_finite(windows)
    rows = slice(None) if given.rows is None else np.sort(given.rows)
    subjects, conditions = np.asarray(given.subjects)[rows], np.asarray(given.conditions)[rows]
    return windows, (torch.from_numpy(subjects), torch.from_numpy(conditions))


def _accuracies(model: DualTaskNet, watched: Watched | None, threads: int) -> dict[str, float]:
    names = [f"monitor_{task}_accuracy" for task in TASKS]
    if watched is None:
        return dict.fromkeys(names, math.nan)
    windows, labels = watched
    outputs = logits(model, windows, threads=threads)
    found = (accuracy(torch.from_numpy(output), label) for output, label in zip(outputs, labels, strict=True))
    return dict(zip(names, found, strict=True))


def _check_enough(n: int, batch_size: int) -> None:
    if min(n, batch_size) < 2:
        raise TrainingError(
            f"training: {n} windows in batches of {batch_size}; expected at least 2 of both, "
            "because batch normalisation can't train on one"
        )


def _refuse_non_finite(epoch: int, model: DualTaskNet, settings: FitSettings) -> None:
    """Stop where a loss or gradient was not a number: from then on the weights are not either."""
    if not all(bool(torch.isfinite(weight).all()) for weight in model.parameters()):
        raise TrainingError(
            f"training: the loss is no longer a finite number in epoch {epoch} (seed {settings.seed}, "
            f"learning rate {settings.learning_rate:g}); try a lower learning rate"
        )
