"""What a GradNorm step costs over a step with equal weights, and how long an epoch takes.

    python benchmarks/train_step.py

Both sides run in turn in one process, on one thread, in CPU time. Only the ratios carry over to
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
from ecgkit.models.dual_task import ModelSpec, build_model, last_shared_weight
from ecgkit.training.balancing import BALANCERS
from ecgkit.training.loop import FitSettings, fit, known_cross_entropy
from ecgkit.training.supply import Labelled

SPEC = ModelSpec("resnet", "sca", n_leads=1, n_samples=300, n_subjects=15, n_conditions=3)
N_WINDOWS, BATCH = 1890, 16
REPEATS = 200


def main() -> None:
    torch.set_num_threads(1)
    steps = {name: make_step(name) for name in ("equal", "gradnorm")}
    seconds = alternate(steps)
    floor = floor_of_an_epoch(steps["equal"])
    print(f"step, equal weights   {seconds['equal'] * 1e3:8.2f} ms")
    print(f"step, GradNorm        {seconds['gradnorm'] * 1e3:8.2f} ms")
    print(f"ratio                 {seconds['gradnorm'] / seconds['equal']:8.2f}")
    for name in steps:
        epoch = epoch_cpu_s(name)
        print(f"epoch, {name:<14} {epoch:8.2f} s, {epoch / floor:.2f} times the floating-point floor")
    print(f"floor                 {floor:8.2f} s")


def make_step(balancing: str) -> Callable[[], None]:
    """Return one training step of the default network on a fixed batch."""
    torch.manual_seed(0)
    model = build_model(SPEC).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
    n_classes = (SPEC.n_subjects, SPEC.n_conditions)
    balancer = pick(BALANCERS, balancing, what="balancing")(n_classes, device=torch.device("cpu"))
    windows = torch.rand(BATCH, SPEC.n_leads, SPEC.n_samples)
    labels = [torch.randint(0, n, (BATCH,)) for n in n_classes]

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        losses = [known_cross_entropy(out, label) for out, label in zip(model(windows), labels, strict=True)]
        balancer.combine(losses, last_shared_weight(model)).loss.backward()
        optimizer.step()

    return step


def alternate(steps: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median CPU seconds of each step, run in turn."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(REPEATS):
        for name, step in steps.items():
            start = time.process_time()
            step()
            taken[name].append(time.process_time() - start)
    return {name: statistics.median(values[REPEATS // 10 :]) for name, values in taken.items()}


def epoch_cpu_s(balancing: str, n_epochs: int = 3) -> float:
    """Return the best CPU seconds of an epoch; a first fit warms up."""
    random = np.random.default_rng(0)
    windows = random.random((N_WINDOWS, SPEC.n_leads, SPEC.n_samples), dtype=np.float32)
    labels = [random.integers(0, n, N_WINDOWS) for n in (SPEC.n_subjects, SPEC.n_conditions)]
    settings = FitSettings(n_epochs, BATCH, 0.001, balancing, seed=0, threads=1, device="cpu")
    times = [time.process_time()]
    data = Labelled(windows, *labels)
    fit(SPEC, data, settings=settings, on_epoch=lambda _: times.append(time.process_time()))
    return float(min(np.diff(times)))


def floor_of_an_epoch(step: Callable[[], object]) -> float:
    """Return an epoch's seconds if it multiplied as fast as a large matrix product does."""
    with FlopCounterMode(display=False) as counter:
        step()
    side = 768
    a, b = torch.rand(side, side), torch.rand(side, side)
    seconds = alternate({"product": lambda: torch.mm(a, b)})["product"]
    per_step = counter.get_total_flops() * seconds / (2 * side**3)
    return float(per_step * N_WINDOWS / BATCH)


if __name__ == "__main__":
    main()
