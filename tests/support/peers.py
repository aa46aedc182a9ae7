"""Processes of this machine that train together, started as `torchrun` starts them, and what they do."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.clusters import needs_loopback

if TYPE_CHECKING:
    from ecgkit.models.dual_task import ModelSpec
    from ecgkit.training.engine import Engine
    from ecgkit.training.loop import FitSettings
    from ecgkit.training.supply import Labelled

TESTS = Path(__file__).parents[1]
EPOCHS = 5
SEEN = [f"{task}_{what}" for task in ("subject", "condition") for what in ("loss", "accuracy", "weight")]


@dataclass(frozen=True, slots=True)
class Ended:
    """How one process ended."""

    code: int
    output: str


def peers(call: str, *, n: int = 2, limit_s: float = 90.0, **variables: str) -> list[Ended]:
    """Run ``call``, an expression over the names of this module, in n processes that know of each other."""
    needs_loopback()
    if importlib.util.find_spec("lightning_fabric") is None:
        pytest.skip("lightning-fabric is not installed")
    shared = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": str(n),
        "LOCAL_WORLD_SIZE": str(n),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(TESTS),
        **variables,
    }
    command = [sys.executable, "-W", "error", "-c", f"from support.peers import *; {call}"]
    started = [
        subprocess.Popen(
            command,
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(n)
    ]
    try:
        outputs = [process.communicate(timeout=limit_s)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    return [Ended(process.returncode, output) for process, output in zip(started, outputs, strict=True)]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def small_network() -> ModelSpec:
    """Specify a network that trains in a blink."""
    from ecgkit.models.dual_task import ModelSpec

    return ModelSpec(
        "resnet", "sca", 1, 48, n_subjects=4, n_conditions=3, stem_channels=8, widths=(8, 16), strides=(1, 2)
    )


def small_training() -> Labelled:
    """Give windows for two batches of 11 and one of three, some of their labels unknown."""
    from ecgkit.training.supply import Labelled

    random = np.random.default_rng(0)
    subjects, conditions = random.integers(-1, 4, 25), random.integers(-1, 3, 25)
    waves = np.sin(np.arange(48) / (2 + subjects[:, None]) + random.uniform(0, 6, (25, 1)))
    windows = waves * (1 + conditions[:, None]) + random.normal(0, 0.2, waves.shape)
    return Labelled(windows[:, None].astype(np.float32), subjects, conditions)


def small_settings(**changes: Any) -> FitSettings:
    """Say how to train on them."""
    from ecgkit.training.loop import FitSettings

    usual = {"epochs": EPOCHS, "batch_size": 11, "learning_rate": 0.01, "balancing": "gradnorm"}
    return FitSettings(**(usual | {"seed": 5, "threads": 1, "device": "cpu"} | changes))


def show_exchange(out: str) -> None:
    """Do each thing that an engine can do once, and write what came of it."""
    import torch

    from ecgkit.training.fabric_engine import engine_of_environment

    with engine_of_environment("cpu", timeout_s=30) as engine:
        rank = engine.rank
        module = torch.nn.BatchNorm1d(2)
        module.running_mean += rank
        module.num_batches_tracked += 7
        module.weight.grad = torch.tensor([1.0, 2.0]) * (1 + rank)
        engine.average_gradients(module.parameters())  # the bias has no gradient
        engine.average_buffers(module)
        whole = torch.arange(5.0 * 2).reshape(5, 1, 2), torch.arange(5), torch.arange(5)
        part, small = engine.share(whole), engine.share(tuple(tensor[:3] for tensor in whole))
        np.savez(
            f"{out}/{rank}.npz",
            sum=engine.sum(torch.tensor([1, rank])),
            mean=engine.mean(torch.tensor([1, rank])),
            transposed=engine.mean(torch.arange(6).reshape(2, 3).T + rank),
            gradient=module.weight.grad,
            running_mean=module.running_mean,
            count=module.num_batches_tracked,
            part=part[0],
            part_labels=part[1],
            small=small[0],
            small_labels=small[2],
            device=str(engine.device(torch.device("cpu"))),
            given=np.frombuffer(engine.from_first(bytes([rank, 2, 3])), np.uint8),
            nothing=np.frombuffer(engine.from_first(b""), np.uint8),
        )


def fit_together(out: str, balancings: str) -> None:
    """Fit with each balancing, with augmentation, and in two goes; write what was seen and the networks."""
    from ecgkit.training.augment import Augmentation
    from ecgkit.training.fabric_engine import engine_of_environment

    with engine_of_environment("cpu", timeout_s=30) as engine:
        for name in balancings.split():
            np.savez(f"{out}/{name}-{engine.rank}.npz", **fitted(engine, balancing=name))
        everything = Augmentation(0.3, 0.4, 0.05, 0.2, 0.2, 0.5)
        np.savez(f"{out}/varied-{engine.rank}.npz", **fitted(engine, augmentation=everything, fs=100.0))
        checkpoint = Path(f"{out}/checkpoint-{engine.rank}")  # of the first process: the other gets none
        with contextlib.suppress(InterruptedError):
            fitted(engine, checkpoint=checkpoint, until=2)
        np.savez(f"{out}/resumed-{engine.rank}.npz", **fitted(engine, checkpoint=checkpoint))


def fitted(
    engine: Engine, *, checkpoint: Path | None = None, until: int = EPOCHS, **changes: Any
) -> dict[str, Any]:
    """Fit; return what each epoch saw, (epochs,) each, and the network's state."""
    from ecgkit.training.loop import EpochRecord, fit

    records: list[EpochRecord] = []

    def hear(record: EpochRecord) -> None:
        records.append(record)
        if record.epoch > until:
            raise InterruptedError

    model = fit(
        small_network(),
        small_training(),
        settings=small_settings(**changes),
        on_epoch=hear,
        checkpoint=checkpoint,
        checkpoint_every_s=0,
        engine=engine,
    )
    return {**{name: [getattr(one, name) for one in records] for name in SEEN}, **model.state_dict()}


def go_wrong() -> None:
    """Let the second process train on other data, then fall silent, then end; say what is heard of it."""
    import torch

    from ecgkit.errors import TrainingError
    from ecgkit.training.engine import check_alike
    from ecgkit.training.fabric_engine import engine_of_environment

    try:
        with engine_of_environment("cpu", timeout_s=30) as engine:
            check_alike(engine, {"seed": "0", "data set": f"{engine.rank}f00"})
    except TrainingError as error:
        sys.stderr.write(f"differ: {error}\n")
    try:
        with engine_of_environment("cpu", timeout_s=2) as engine:
            time.sleep(5 * engine.rank)
            engine.mean(torch.ones(1))
    except TrainingError as error:
        sys.stderr.write(f"silent: {error}\n")
    with engine_of_environment("cpu", timeout_s=30) as engine:
        if engine.rank == 1:
            os._exit(9)
        engine.mean(torch.ones(1))
