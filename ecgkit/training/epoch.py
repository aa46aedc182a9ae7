"""One epoch of a training: the steps, and what is seen in them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ecgkit.errors import TrainingError
from ecgkit.models.dual_task import DualTaskNet, last_shared_weight, trunk_weights
from ecgkit.models.spec import TASKS
from ecgkit.training.balancing import Balancer, Shared
from ecgkit.training.engine import Engine
from ecgkit.training.losses import accuracy, known_cross_entropy
from ecgkit.training.supply import UNKNOWN, LabelledBatch

SEEN_WINDOWS = 16_384  # whose outputs are held at a time
PRECISIONS = ("float32", "mixed")

Numbers = dict[str, tuple[float, int]]  # name -> value, and of how many windows or steps it is the mean


@dataclass(slots=True)
class Stepper:
    """All that a step needs; what changes from step to step lies in its parts.

    Attributes
    ----------
    class_weights
        (classes,) for each of the network's tasks, or None.
    rate
        Learning rate of each step, counted from 0; None: the optimiser's.
    n_steps
        Steps done.
    """

    model: DualTaskNet
    balancer: Balancer
    optimizer: torch.optim.Optimizer
    engine: Engine
    class_weights: tuple[Tensor | None, ...]
    rate: Callable[[int], float] | None = None
    mixed: bool = False
    n_steps: int = 0

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context for the network's products."""
        if not self.mixed:
            return contextlib.nullcontext()
        return torch.autocast(next(self.model.parameters()).device.type, dtype=torch.bfloat16)


def run_epoch(stepper: Stepper, batches: Iterable[LabelledBatch]) -> dict[str, float]:
    """Take a step for each batch; return what was seen, by the names of `EpochRecord`.

    The balancer hears of the epoch's losses, and running statistics become those of all processes.
    """
    shared = Shared(last_shared_weight(stepper.model), trunk_weights(stepper.model))
    parts: list[Numbers] = []
    seen, n_seen = _Seen(stepper.model.spec.tasks), 0
    stepper.model.train()
    for batch in batches:
        _step(stepper, batch, shared, seen)
        n_seen += len(batch[0])
        if n_seen >= SEEN_WINDOWS:
            parts.append(seen.numbers())
            seen, n_seen = _Seen(stepper.model.spec.tasks), 0
    if seen.weights:
        parts.append(seen.numbers())
    means = mean_numbers(parts, stepper.engine)
    stepper.balancer.end_epoch([means[f"{task}_loss"] for task in stepper.model.spec.tasks])
    stepper.engine.average_buffers(stepper.model)
    return means


def _step(stepper: Stepper, batch: LabelledBatch, shared: Shared, seen: _Seen) -> None:
    model, engine = stepper.model, stepper.engine
    windows, *all_labels = engine.share(batch)
    labels = [label for task, label in zip(TASKS, all_labels, strict=True) if task in model.spec.tasks]
    if stepper.rate is not None:
        for group in stepper.optimizer.param_groups:
            group["lr"] = stepper.rate(stepper.n_steps)
    stepper.optimizer.zero_grad(set_to_none=True)
    with stepper.autocast():
        logits = model(windows)  # (B, classes) for each task
        losses = [
            known_cross_entropy(output, label, weights, mean=engine.mean)
            for output, label, weights in zip(logits, labels, stepper.class_weights, strict=True)
        ]
    balanced = stepper.balancer.backward(losses, shared, mean=engine.mean)
    if engine.world_size > 1:
        engine.average_gradients([*model.parameters(), *stepper.balancer.parameters()])
    stepper.optimizer.step()
    stepper.n_steps += 1
    seen.labels.append(labels)
    seen.logits.append([output.detach() for output in logits])
    seen.weights.append(balanced.weights)
    seen.gradient_norms.append(balanced.gradient_norms)


@dataclass(slots=True)
class _Seen:
    """What some steps leave behind, kept on the device: numbers are asked for once in many steps."""

    tasks: tuple[str, ...]
    labels: list[list[Tensor]] = field(default_factory=list)
    logits: list[list[Tensor]] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    gradient_norms: list[Tensor] = field(default_factory=list)

    def numbers(self) -> Numbers:
        """Return loss, accuracy, mean weight and mean gradient norm of each task, and of how many each is."""
        weights = torch.stack(self.weights).mean(dim=0).tolist()  # (steps, M) to (M,)
        norms = torch.stack(self.gradient_norms).mean(dim=0).tolist()
        found: Numbers = {}
        for task in TASKS:
            if task not in self.tasks:
                nothing = ("loss", "accuracy", "weight", "gradient_norm")
                found |= {f"{task}_{name}": (math.nan, 0) for name in nothing}
                continue
            index = self.tasks.index(task)
            output = torch.cat([batch[index] for batch in self.logits]).float()  # (N, classes)
            labels = torch.cat([batch[index] for batch in self.labels])  # (N,)
            n_known = int((labels != UNKNOWN).sum())
            loss = float(known_cross_entropy(output, labels)) if n_known else math.nan
            found[f"{task}_loss"] = loss, n_known
            found[f"{task}_accuracy"] = accuracy(output, labels), n_known
            found[f"{task}_weight"] = weights[index], len(self.weights)
            found[f"{task}_gradient_norm"] = norms[index], len(self.weights)
        return found


def mean_numbers(parts: list[Numbers], engine: Engine) -> dict[str, float]:
    """Return each number's mean over all parts of an epoch and all processes; NaN where nothing was seen."""
    means = {}
    for name in parts[0]:
        seen = [part[name] for part in parts if part[name][1]]
        n = sum(count for _, count in seen)
        means[name] = sum(value * (count / n) for value, count in seen) if seen else math.nan
        if engine.world_size > 1:
            total = 0.0 if n == 0 else means[name] * n
            both = engine.sum(torch.tensor([total, float(n)], dtype=torch.float64)).tolist()
            means[name] = both[0] / both[1] if both[1] else math.nan
    return means


def check_precision(precision: str, device: torch.device) -> bool:
    """Return whether products are computed in bfloat16.

    Raises
    ------
    TrainingError
        There is no such precision, or not on this device.
    """
    if precision not in PRECISIONS:
        raise TrainingError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    there = {"cpu": lambda: True, "cuda": torch.cuda.is_bf16_supported}
    if precision == "mixed" and not (device.type in there and there[device.type]()):
        raise TrainingError(
            f"precision 'mixed': device {str(device)!r} does not compute in bfloat16; take float32"
        )
    return precision == "mixed"
