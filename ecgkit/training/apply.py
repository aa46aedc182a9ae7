"""A network applied to windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ecgkit.dataset.batches import Batches
from ecgkit.models.dual_task import DualTaskNet
from ecgkit.models.spec import TASKS, ModelSpec
from ecgkit.training.device import resolve_device, use_threads
from ecgkit.training.supply import check_shape


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
    (N, subjects) and (N, conditions); (N, 0) for a task that the network has no head for.

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
    outputs: dict[str, list[NDArray[np.float32]]] = {task: [] for task in model.spec.tasks}
    n = 0
    try:
        with torch.inference_mode(), use_threads(threads):
            for block in _blocks(model.spec, windows, batch_size):
                n += len(block)
                given = model(torch.tensor(block, dtype=torch.float32).to(where))
                for task, output in zip(model.spec.tasks, given, strict=True):
                    outputs[task].append(output.cpu().numpy())
    finally:
        model.train(training)
    n_classes = (model.spec.n_subjects, model.spec.n_conditions)
    subject, condition = (
        np.concatenate(outputs[task]) if outputs.get(task) else np.empty((n, classes), "f4")
        for task, classes in zip(TASKS, n_classes, strict=True)
    )
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
