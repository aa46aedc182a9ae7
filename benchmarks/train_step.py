"""What a step costs under each balancing over a step with equal weights, and how long an epoch takes.

    python benchmarks/train_step.py

All sides run in turn in one process, on one thread, in CPU time. Only the ratios carry over to
another machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ecgkit.lookup import pick
from ecgkit.models.dual_task import ModelSpec, build_model, last_shared_weight, trunk_weights
from ecgkit.training.balancing import BALANCERS, Shared
from ecgkit.training.loop import EpochRecord, FitSettings, fit
from ecgkit.training.losses import known_cross_entropy
from ecgkit.training.supply import Labelled

SPEC = ModelSpec("resnet", "sca", n_leads=1, n_samples=300, n_subjects=15, n_conditions=3)
N_WINDOWS, BATCH = 1890, 16
REPEATS = 200
SIDE = 768
OF_TWO_TASKS = [name for name in BALANCERS if name != "single-task"]


def main() -> None:
    torch.set_num_threads(1)
    steps = {name: make_step(name) for name in OF_TWO_TASKS}
    seconds = alternate(steps)
    print("a step of 16 windows, CPU time")
    for name in sorted(seconds, key=seconds.__getitem__):
        ratio = seconds[name] / seconds["equal"]
        print(f"{name:<20} {seconds[name] * 1e3:8.2f} ms, {ratio:5.2f} times equal")
    products = products_of_an_epoch(steps["equal"])
    print(f"an epoch of {N_WINDOWS} windows; the floor is that of as many operations in matrix products")
    for name in ("equal", "gradnorm"):
        epochs = epochs_cpu_s(name)
        epoch = statistics.median(epoch for epoch, _ in epochs)
        ratio = statistics.median(epoch / (products * product) for epoch, product in epochs)
        print(f"{name:<20} {epoch:8.2f} s,  {ratio:5.2f} times the floating-point floor")


def make_step(balancing: str) -> Callable[[], None]:
    """Return one training step of the default network on a fixed batch."""
    torch.manual_seed(0)
    model = build_model(SPEC).train()
    n_classes = (SPEC.n_subjects, SPEC.n_conditions)
    balancer = pick(BALANCERS, balancing, what="balancing")(n_classes)
    learned = [*model.parameters(), *balancer.parameters()]
    optimizer = torch.optim.Adam(learned, lr=0.001, fused=True)
    shared = Shared(last_shared_weight(model), trunk_weights(model))
    windows = torch.rand(BATCH, SPEC.n_leads, SPEC.n_samples)
    labels = [torch.randint(0, n, (BATCH,)) for n in n_classes]

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        losses = [known_cross_entropy(out, label) for out, label in zip(model(windows), labels, strict=True)]
        balancer.backward(losses, shared)
        optimizer.step()

    return step


def alternate(steps: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Return the median CPU seconds of each step, run in turn; the first tenth warms up."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            start = time.process_time()
            step()
            taken[name].append(time.process_time() - start)
    return {name: statistics.median(values[repeats // 10 :]) for name, values in taken.items()}


def epochs_cpu_s(balancing: str, n_epochs: int = 6) -> list[tuple[float, float]]:
    """Return the CPU seconds of each epoch but the first, and of a matrix product right after it."""
    random = np.random.default_rng(0)
    windows = random.random((N_WINDOWS, SPEC.n_leads, SPEC.n_samples), dtype=np.float32)
    labels = [random.integers(0, n, N_WINDOWS) for n in (SPEC.n_subjects, SPEC.n_conditions)]
    settings = FitSettings(n_epochs, BATCH, 0.001, balancing, seed=0, threads=1, device="cpu")
    a, b = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    taken, start = [], 0.0

    def ended(_: EpochRecord) -> None:
        nonlocal start
        epoch = time.process_time() - start
        product = alternate({"product": lambda: torch.mm(a, b)}, repeats=20)["product"]
        taken.append((epoch, product))
        start = time.process_time()

    fit(SPEC, Labelled(windows, *labels), settings=settings, on_epoch=ended)
    return taken[1:]


def products_of_an_epoch(step: Callable[[], object]) -> float:
    """Return how many products of `SIDE` x `SIDE` matrices take as many operations as an epoch."""
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops() / (2 * SIDE**3) * N_WINDOWS / BATCH)


if __name__ == "__main__":
    main()
