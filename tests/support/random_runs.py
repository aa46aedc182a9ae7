"""Runs whose network was never trained: as good as any to test what is made of its outputs."""

from __future__ import annotations

from pathlib import Path

import torch

from ecgkit.config import TrainConfig
from ecgkit.dataset.read import open_dataset
from ecgkit.models.dual_task import build_model
from ecgkit.stages.fitting import EVERYTHING, FitTask, model_spec, run_card
from ecgkit.training.weights import save_weights

LOUD = 1000.0  # times what the heads begin with: answers differ from window to window, and are sure


def write_random_run(folder: Path, dataset: Path, *, task: str = "both", seed: int = 0) -> Path:
    """Write a run folder with a random network for a data set; it has no calibration."""
    data, settings = open_dataset(dataset), TrainConfig(task=task, backbone="cnn", attention="none")
    torch.manual_seed(seed)
    model = build_model(model_spec(data, settings))
    with torch.no_grad():
        for head in (model.subject_head, model.condition_head):
            if head is not None:
                head.weight.mul_(LOUD)
    fitted = FitTask(EVERYTHING, "0", keep_weights=True, dataset_sha256=data.sha256)
    folder.mkdir(parents=True)
    save_weights(folder, model.eval(), run_card(data, fitted, settings))
    return folder
