"""The training loop: plain, the same every time for the same seed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ecgkit.dataset.batches import Batches
from ecgkit.errors import TrainingError
from ecgkit.lookup import pick
from ecgkit.models.dual_task import DualTaskNet, build_model
from ecgkit.models.spec import TASKS, ModelSpec
from ecgkit.training.apply import logits
from ecgkit.training.augment import NONE, Augmentation, varied
from ecgkit.training.balancing import BALANCERS, Balancer
from ecgkit.training.checkpoint import Keeper
from ecgkit.training.device import reproducible, resolve_device
from ecgkit.training.engine import Alone, Engine, check_alike
from ecgkit.training.epoch import Stepper, check_precision, run_epoch
from ecgkit.training.losses import accuracy, balanced_class_weights
from ecgkit.training.schedule import SCHEDULES
from ecgkit.training.supply import (
    Labelled,
    LabelledBatch,
    checked,
    in_order,
    refuse_non_finite,
    shuffled_epochs,
    steps_per_epoch,
    way_taken,
)
from ecgkit.training.weights import current_versions

ALONE = Alone()
CHECKPOINT_EVERY_S = 5.0
Watched = tuple[Batches, tuple[Tensor, Tensor]]


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
    fs
        Rate of the windows, Hz; only an augmentation asks for it.
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
    fs: float | None = None


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
        Over the epoch's windows, as the network stood when each was met, in training mode; every window
        counts 1, whatever the class weights.
    subject_weight, subject_gradient_norm, …
        The balancer's, mean over the epoch's steps.
    monitor_subject_accuracy, …
        On the windows to watch, after the epoch.
    validation_subject_accuracy, …
        On the windows that the epoch is chosen by.
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
    validation_subject_accuracy: float = math.nan
    validation_condition_accuracy: float = math.nan

    @property
    def validation_score(self) -> float:
        """Mean validation accuracy over the tasks that have one; NaN where none has."""
        scores = (self.validation_subject_accuracy, self.validation_condition_accuracy)
        known = [score for score in scores if not math.isnan(score)]
        return sum(known) / len(known) if known else math.nan


def fit(
    spec: ModelSpec,
    training: Labelled,
    *,
    settings: FitSettings,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    monitor: Labelled | None = None,
    validation: Labelled | None = None,
    way: str = "auto",
    checkpoint: Path | None = None,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
    engine: Engine = ALONE,
) -> DualTaskNet:
    """Train a new network.

    The same arguments give the same weights, bit for bit, on the same machine and torch, whatever
    ran before, and however often the training was interrupted.

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
    validation
        What to choose the epoch by: the first of those with the best mean accuracy over the tasks.
    way
        Where the windows come from (`ecgkit.training.supply.shuffled_epochs`).
    checkpoint
        Where the training's state is kept after an epoch; where the file is there, the training goes on from
        it. It stays when the training is done.
    checkpoint_every_s
        At most so often, seconds.
    engine
        The processes that train together.

    Returns
    -------
    The network after the last epoch, or the chosen one, on the CPU, in evaluation mode.

    Raises
    ------
    TrainingError
        The windows or labels don't fit the specification or hold what is not a number; no such
        device; the loss is no longer finite; the checkpoint is damaged or of another training.
    ConfigError
        A name in the specification or the settings is unknown.
    """
    device = engine.device(resolve_device(settings.device))
    training = checked(spec, training)
    _check_enough(len(training), settings.batch_size)
    watch, choose = (_watched(checked(spec, given)) if given else None for given in (monitor, validation))
    way = way_taken(training, way)  # "auto" depends on the memory of a machine, and the batches with it
    facts = {"blocks": way == "blocks", "device": device.type, "processes": engine.world_size}
    fingerprint = _fingerprint(spec, training, validation, settings, facts)
    check_alike(engine, {"way": way, "training": fingerprint})
    keeper = Keeper(checkpoint, checkpoint_every_s, fingerprint, settings.epochs)
    with reproducible(device, seed=settings.seed, threads=settings.threads):
        stepper = _stepper(spec, training, settings, device=device, engine=engine)
        n_done, best = keeper.resume(stepper)
        stepper.n_steps = n_done * steps_per_epoch(len(training), settings.batch_size)
        supply = partial(shuffled_epochs, batch_size=settings.batch_size, seed=settings.seed, device=device)
        epochs = supply(training, way=way, first_epoch=n_done + 1)
        for epoch, batches in zip(range(n_done + 1, settings.epochs + 1), epochs, strict=False):
            record = _one_epoch(stepper, batches, settings, epoch=epoch, watch=watch, choose=choose)
            if choose is not None:
                best.hear(epoch, record.validation_score, stepper.model)
            if on_epoch is not None:
                on_epoch(record)
            keeper.keep(stepper, epoch=epoch, best=best)
        if best.weights is not None:
            stepper.model.load_state_dict(best.weights)
    return stepper.model.eval().cpu()


def _one_epoch(
    stepper: Stepper,
    batches: Iterator[LabelledBatch],
    settings: FitSettings,
    *,
    epoch: int,
    watch: Watched | None,
    choose: Watched | None,
) -> EpochRecord:
    """Train for an epoch, then look at the windows to watch and those to choose by."""
    start = time.perf_counter()
    seen = run_epoch(stepper, _varied(batches, settings, epoch))
    seconds = time.perf_counter() - start
    _refuse_non_finite(epoch, stepper.model, settings)
    accuracies = {
        **_accuracies("monitor", stepper.model, watch, settings.threads),
        **_accuracies("validation", stepper.model, choose, settings.threads),
    }
    record = EpochRecord(epoch, seconds, **seen, **accuracies)
    if choose is not None and math.isnan(record.validation_score):
        raise TrainingError("training: no validation window has a known label; there is nothing to choose by")
    return record


def _stepper(
    spec: ModelSpec, training: Labelled, settings: FitSettings, *, device: torch.device, engine: Engine
) -> Stepper:
    """Build the network and all that trains it; the weights are drawn from torch's global generator."""
    mixed = check_precision(settings.precision, device)
    model = build_model(spec).to(device)
    n_classes = [n for n in (spec.n_subjects, spec.n_conditions) if n]
    balancer: Balancer = pick(BALANCERS, settings.balancing, what="balancing")(n_classes).to(device)
    optimizer = torch.optim.Adam(
        [*model.parameters(), *balancer.parameters()],
        lr=settings.learning_rate,
        fused=device.type in ("cpu", "cuda"),
    )
    return Stepper(
        model,
        balancer,
        optimizer,
        engine,
        class_weights=_class_weights(spec, training, settings.class_weights, device),
        rate=_rate(settings, len(training)),
        mixed=mixed,
    )


def _rate(settings: FitSettings, n: int) -> Callable[[int], float] | None:
    """Return the learning rate of each step; None where it never changes."""
    schedule = pick(SCHEDULES, settings.schedule, what="schedule")
    if settings.schedule == "constant":
        return None
    n_steps = settings.epochs * steps_per_epoch(n, settings.batch_size)
    return lambda step: settings.learning_rate * float(schedule(step, n_steps))


def _class_weights(
    spec: ModelSpec, training: Labelled, how: str, device: torch.device
) -> tuple[Tensor | None, ...]:
    if how not in ("none", "balanced"):
        raise TrainingError(f"class weights {how!r}: expected none or balanced")
    if how == "none":
        return tuple(None for _ in spec.tasks)
    rows = slice(None) if training.rows is None else training.rows
    columns = {
        "subject": (training.subjects, spec.n_subjects),
        "condition": (training.conditions, spec.n_conditions),
    }
    return tuple(
        balanced_class_weights(torch.from_numpy(np.asarray(labels)[rows]), n_classes).to(device)
        for labels, n_classes in (columns[task] for task in spec.tasks)
    )


def _varied(batches: Iterator[LabelledBatch], settings: FitSettings, epoch: int) -> Iterator[LabelledBatch]:
    """Vary an epoch's windows; the draws follow from seed and epoch alone, so nothing has to be kept."""
    if settings.augmentation == NONE:
        return batches
    if settings.fs is None:
        raise TrainingError("training: an augmentation needs the windows' rate, fs; got none")
    seed = np.random.SeedSequence([settings.seed, epoch]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(seed >> np.uint64(1)))
    vary = partial(varied, augmentation=settings.augmentation, fs=settings.fs, generator=generator)
    return ((vary(windows), *labels) for windows, *labels in batches)  # type: ignore[misc]


def _fingerprint(
    spec: ModelSpec,
    training: Labelled,
    validation: Labelled | None,
    settings: FitSettings,
    facts: Mapping[str, object],
) -> str:
    """Return a hash of what is trained on what, and how; the windows themselves are not read."""
    versions = current_versions()
    told = [dataclasses.asdict(spec), dataclasses.asdict(settings), facts, versions]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for given in (training, validation):
        if given is None:
            continue
        digest.update(repr(given.windows.shape).encode())
        for column in (given.subjects, given.conditions, given.rows):
            digest.update(
                b"none" if column is None else np.ascontiguousarray(column, dtype=np.int64).tobytes()
            )
    return digest.hexdigest()


def _watched(given: Labelled) -> Watched:
    """Return windows to watch, in order, and the labels of each, (n,)."""
    windows = in_order(given.windows, given.rows)
    refuse_non_finite(windows)
    rows = slice(None) if given.rows is None else np.sort(given.rows)
    subjects, conditions = np.asarray(given.subjects)[rows], np.asarray(given.conditions)[rows]
    return windows, (torch.from_numpy(subjects), torch.from_numpy(conditions))


def _accuracies(what: str, model: DualTaskNet, watched: Watched | None, threads: int) -> dict[str, float]:
    found = dict.fromkeys((f"{what}_{task}_accuracy" for task in TASKS), math.nan)
    if watched is None:
        return found
    windows, labels = watched
    for task, output, label in zip(TASKS, logits(model, windows, threads=threads), labels, strict=True):
        if output.shape[1]:
            found[f"{what}_{task}_accuracy"] = accuracy(torch.from_numpy(output), label)
    return found


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
