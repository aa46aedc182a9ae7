"""The training loop: plain, in memory, the same every time for the same seed."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name everyone knows it by)
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ecgkit.errors import TrainingError
from ecgkit.lookup import pick
from ecgkit.models.dual_task import DualTaskNet, ModelSpec, build_model, last_shared_weight
from ecgkit.training.balancing import BALANCERS, Balancer
from ecgkit.training.device import reproducible, resolve_device, use_threads

UNKNOWN = -1
TASKS = ("subject", "condition")

Labelled = tuple[ArrayLike, ArrayLike, ArrayLike]


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
    """

    epochs: int
    batch_size: int
    learning_rate: float
    balancing: str
    seed: int
    threads: int
    device: str


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
    windows: ArrayLike,
    subject_labels: ArrayLike,
    condition_labels: ArrayLike,
    *,
    settings: FitSettings,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    monitor: Labelled | None = None,
) -> DualTaskNet:
    """Train a new network on windows in memory.

    The same arguments give the same weights, bit for bit, on the same machine and torch, whatever
    ran before. Only the last batch can be larger or smaller than the others: a single window left
    over joins the batch before it, because batch normalisation can't train on one.

    Parameters
    ----------
    spec
        The network.
    windows
        (N, lead, T), float32.
    subject_labels, condition_labels
        (N,), whole numbers from 0; -1 where not known: such a window does not count for that task.
    on_epoch
        Called after each epoch.
    monitor
        Windows and both labels to watch after each epoch; they change nothing in the training.

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
    data = [tensor.to(device) for tensor in _as_tensors(spec, windows, subject_labels, condition_labels)]
    watched = _as_tensors(spec, *monitor) if monitor else None
    _check_enough(len(data[0]), settings.batch_size)
    balancer = pick(BALANCERS, settings.balancing, what="balancing")
    with reproducible(device, seed=settings.seed, threads=settings.threads):
        model = build_model(spec).to(device)
        optimizer = torch.optim.Adam(
            model.parameters(), lr=settings.learning_rate, fused=device.type in ("cpu", "cuda")
        )
        balancing = balancer((spec.n_subjects, spec.n_conditions), device=device)
        order = torch.Generator().manual_seed(settings.seed)
        for epoch in range(1, settings.epochs + 1):
            start = time.perf_counter()
            steps = _run_epoch(
                model,
                data,
                optimizer=optimizer,
                balancer=balancing,
                batch_size=settings.batch_size,
                order=order,
            )
            seen = steps.numbers()
            seconds = time.perf_counter() - start
            _refuse_non_finite(epoch, model, settings)
            record = EpochRecord(epoch, seconds, **seen, **_accuracies(model, watched, settings.threads))
            if on_epoch is not None:
                on_epoch(record)
    return model.eval().cpu()


def logits(
    model: DualTaskNet,
    windows: ArrayLike,
    *,
    batch_size: int = 1024,
    device: str | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Apply a network to windows, in evaluation mode.

    Parameters
    ----------
    windows
        (N, lead, T); may be a memory map.
    batch_size
        Windows at a time.
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
    windows = np.asarray(windows)
    _check_shape(model.spec, windows)
    if device is not None:
        model.to(resolve_device(device))
    where = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), use_threads(threads):
            parts = [
                model(torch.tensor(windows[start : start + batch_size], dtype=torch.float32).to(where))
                for start in range(0, len(windows), batch_size)
            ]
    finally:
        model.train(training)
    if not parts:
        return np.empty((0, model.spec.n_subjects), "f4"), np.empty((0, model.spec.n_conditions), "f4")
    subject, condition = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    return subject, condition


@dataclass(slots=True)
class _Steps:
    """What an epoch's steps leave behind, kept on the device: numbers are asked for once an epoch."""

    labels: tuple[Tensor, Tensor]
    logits: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    gradient_norms: list[Tensor] = field(default_factory=list)

    def numbers(self) -> dict[str, float]:
        """Return loss, accuracy, mean weight and mean gradient norm of each task."""
        weights = torch.stack(self.weights).mean(dim=0).tolist()  # (steps, M) to (M,)
        norms = torch.stack(self.gradient_norms).mean(dim=0).tolist()
        found = {}
        for index, (task, labels) in enumerate(zip(TASKS, self.labels, strict=True)):
            output = torch.cat([batch[index] for batch in self.logits])  # (N, classes)
            known = bool((labels != UNKNOWN).any())
            found[f"{task}_loss"] = float(known_cross_entropy(output, labels)) if known else math.nan
            found[f"{task}_accuracy"] = accuracy(output, labels)
            found[f"{task}_weight"] = weights[index]
            found[f"{task}_gradient_norm"] = norms[index]
        return found


def _run_epoch(
    model: DualTaskNet,
    data: Sequence[Tensor],
    *,
    optimizer: torch.optim.Optimizer,
    balancer: Balancer,
    batch_size: int,
    order: torch.Generator,
) -> _Steps:
    windows, *labels = data
    shuffled = torch.randperm(len(windows), generator=order).to(windows.device)
    subjects, conditions = (label[shuffled] for label in labels)
    steps = _Steps((subjects, conditions))
    shared = last_shared_weight(model)
    model.train()
    for start, stop in batches(len(windows), batch_size):
        optimizer.zero_grad(set_to_none=True)
        subject, condition = model(windows[shuffled[start:stop]])  # (B, subjects), (B, conditions)
        losses = (
            known_cross_entropy(subject, subjects[start:stop]),
            known_cross_entropy(condition, conditions[start:stop]),
        )
        balanced = balancer.combine(losses, shared)
        balanced.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        steps.logits.append((subject.detach(), condition.detach()))
        steps.weights.append(balanced.weights)
        steps.gradient_norms.append(balanced.gradient_norms)
    return steps


def batches(n: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """Cut ``range(n)`` into batches, as (start, stop); a last batch of 1 joins the one before it.

    Examples
    --------
    >>> list(batches(7, 3))
    [(0, 3), (3, 7)]
    """
    edges = list(range(0, n, batch_size))
    if n % batch_size == 1 and len(edges) > 1:
        edges.pop()
    return itertools.pairwise([*edges, n])


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


def _accuracies(
    model: DualTaskNet, watched: tuple[Tensor, Tensor, Tensor] | None, threads: int
) -> dict[str, float]:
    names = [f"monitor_{task}_accuracy" for task in TASKS]
    if watched is None:
        return dict.fromkeys(names, math.nan)
    windows, *labels = watched
    outputs = logits(model, windows.numpy(), threads=threads)
    found = (accuracy(torch.from_numpy(output), label) for output, label in zip(outputs, labels, strict=True))
    return dict(zip(names, found, strict=True))


def _as_tensors(
    spec: ModelSpec, windows: ArrayLike, subject_labels: ArrayLike, condition_labels: ArrayLike
) -> tuple[Tensor, Tensor, Tensor]:
    """Check windows and labels against the specification and copy them."""
    windows = np.asarray(windows, dtype=np.float32)
    _check_shape(spec, windows)
    bad = np.flatnonzero(~np.isfinite(windows).all(axis=(1, 2)))
    if bad.size:
        raise TrainingError(
            f"training: {bad.size} of {len(windows)} windows hold NaN or infinity, the first is window "
            f"{bad[0]}; expected numbers only. Build the data set again without them"
        )
    labels = [
        _checked_labels(task, np.asarray(given), n_classes, len(windows))
        for task, given, n_classes in (
            ("subject", subject_labels, spec.n_subjects),
            ("condition", condition_labels, spec.n_conditions),
        )
    ]
    return torch.tensor(windows), torch.tensor(labels[0]), torch.tensor(labels[1])


def _check_shape(spec: ModelSpec, windows: NDArray[np.generic]) -> None:
    if windows.ndim != 3 or windows.shape[1:] != (spec.n_leads, spec.n_samples):
        raise TrainingError(
            f"windows of shape {windows.shape}: expected (N, {spec.n_leads}, {spec.n_samples}): "
            "windows, leads, samples. Take the windows of the data set that the network is for"
        )


def _checked_labels(task: str, labels: NDArray[np.generic], n_classes: int, n: int) -> NDArray[np.int64]:
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise TrainingError(
            f"{task} labels of shape {labels.shape}, {labels.dtype}: expected ({n},) whole numbers"
        )
    whole = labels.astype(np.int64)
    wrong = whole[(whole < UNKNOWN) | (whole >= n_classes)]
    if wrong.size:
        raise TrainingError(
            f"{task} label {wrong[0]}: expected 0 to {n_classes - 1}, or {UNKNOWN} for not known"
        )
    return whole


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
