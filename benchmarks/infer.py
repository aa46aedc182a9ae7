"""What one window costs: PyTorch against ONNX Runtime on the file that `ecgkit export onnx` writes.

    python benchmarks/infer.py

All sides run in turn in one process, on one thread, in CPU time. Only the ratios carry over to
another machine.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from ecgkit.models.dual_task import ModelSpec, build_model
from ecgkit.training.apply import logits
from ecgkit.training.card import RunCard
from ecgkit.training.onnx_export import export_onnx
from ecgkit.training.onnx_file import INPUT, load_onnx
from ecgkit.training.weights import Run, current_versions

SPEC = ModelSpec("resnet", "sca", n_leads=1, n_samples=300, n_subjects=15, n_conditions=3)
REPEATS = 1000


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        seconds = alternate(ways(SPEC, Path(folder) / "network.onnx"))
    eager = seconds["PyTorch, the network"]
    print("one window, CPU time")
    for name, value in seconds.items():
        print(f"{name:<24} {value * 1e3:7.3f} ms, PyTorch takes {eager / value:5.2f} times as long")


def ways(spec: ModelSpec, path: Path) -> dict[str, Callable[[], object]]:
    """Return ways to apply one network to one window; `path` is where its ONNX file goes."""
    run = untrained(spec)
    export_onnx(run, None, path)
    exported = load_onnx(path)
    window = np.random.default_rng(0).random((1, spec.n_leads, spec.n_samples), dtype=np.float32)
    tensor = torch.from_numpy(window)

    def network() -> object:
        with torch.inference_mode():
            return run.model(tensor)

    return {
        "PyTorch, the network": network,
        "PyTorch, as predict": lambda: logits(run.model, window),
        "ONNX, the network": lambda: exported.session.run(None, {INPUT: window}),
        "ONNX, as predict": lambda: exported.outputs(window),
    }


def untrained(spec: ModelSpec) -> Run:
    """Return a run of random weights."""
    torch.manual_seed(0)
    card = RunCard(
        spec=spec,
        fs=100.0,
        lead_names=tuple(f"lead {number}" for number in range(spec.n_leads)),
        subject_labels=tuple(f"{number:02d}" for number in range(spec.n_subjects)),
        condition_labels=tuple(f"state {number}" for number in range(spec.n_conditions)),
        pipeline={},
        dataset_sha256="0" * 64,
        split="all",
        seed=0,
        training={},
        simulated=True,
        versions=current_versions(),
    )
    return Run(build_model(spec).eval(), card)


def alternate(sides: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Return the median CPU seconds of each side, run in turn; the first tenth warms up."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            start = time.process_time()
            side()
            taken[name].append(time.process_time() - start)
    return {name: statistics.median(values[repeats // 10 :]) for name, values in taken.items()}


if __name__ == "__main__":
    main()
