"""The windows that a fit trains on or watches: held where they fit, else drawn from the file as it goes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ecgkit.dataset.batches import Batch, Batches, Batching, choose_way
from ecgkit.dataset.memory import memory_bytes
from ecgkit.dataset.shards import AnyWindows, ShardedWindows, stored_windows
from ecgkit.errors import TrainingError
from ecgkit.models.spec import ModelSpec

UNKNOWN = -1
READ_WINDOWS = 1024  # at a time, in order

Given = ShardedWindows | NDArray[np.generic]
LabelledBatch = tuple[Tensor, Tensor, Tensor]  # windows (B, lead, T), subjects (B,), conditions (B,)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Windows with both labels of each, and which of them are meant.

    Attributes
    ----------
    windows
        (N, lead, T): any array, or those of `ecgkit.open_dataset`, which are not loaded.
    subjects, conditions
        (N,), whole numbers from 0; -1 where not known: such a window does not count for that task.
    rows
        Row numbers, each once; None: all.
    """

    windows: Given
    subjects: ArrayLike
    conditions: ArrayLike
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.windows) if self.rows is None else len(self.rows)


def in_order(windows: Given, rows: NDArray[np.int64] | None = None, *, way: str = "auto") -> Batches:
    """Return windows (N, lead, T), or some rows of them, as blocks in the order of their rows."""
    batching = Batching(batch_size=READ_WINDOWS, seed=0, shuffle=False)
    return Batches(_as_float32(windows), batching, rows=rows, way=way)


def shuffled_epochs(
    given: Labelled,
    *,
    batch_size: int,
    seed: int,
    device: torch.device,
    way: str = "auto",
    first_epoch: int = 1,
) -> Iterator[Iterator[LabelledBatch]]:
    """Deal shuffled batches on a device, epoch after epoch without end, the same ones for the same seed.

    Where the windows fit into memory they are held on the device. Where only the file does, the same batches
    are gathered from it. Past memory they are drawn in shuffled blocks, and are others. Only the last batch
    can be larger or smaller: a single window left over joins the batch before it, because batch
    normalisation can't train on one.

    Parameters
    ----------
    given
        Windows and labels that were `checked`.
    way
        As `ecgkit.dataset.batches.Batches` has them: "auto", "memory", "mapped", "blocks".
    first_epoch
        The first to deal, counted from 1, as it is after those before it.

    Raises
    ------
    TrainingError
        A window holds what is not a number.
    """
    windows = _as_float32(given.windows)
    reading = in_order(windows, given.rows, way=way)
    refuse_non_finite(reading)
    labels = torch.tensor(given.subjects).to(device), torch.tensor(given.conditions).to(device)  # (N,) each
    if reading.way == "blocks":
        batching = Batching(batch_size=batch_size, seed=seed)
        drawn = Batches(windows, batching, rows=given.rows, way="blocks")
        return (_drawn(drawn.epoch(epoch), labels) for epoch in itertools.count(first_epoch - 1))
    rows = np.arange(len(given)) if given.rows is None else np.sort(given.rows)
    gather: Callable[[Tensor], Tensor] = partial(_gathered, windows, rows)
    if reading.way == "memory":
        gather = _held(reading, windows.shape[1:]).to(device).__getitem__
    chosen = torch.from_numpy(rows).to(device)
    of_rows = labels[0][chosen], labels[1][chosen]  # (n,) each
    order = torch.Generator().manual_seed(seed)
    for _ in range(1, first_epoch):
        torch.randperm(len(rows), generator=order)
    return (_dealt(gather, of_rows, batch_size=batch_size, order=order) for _ in itertools.count())


def way_taken(given: Labelled, way: str = "auto") -> str:
    """Return where windows come from: `way`, and for "auto" what this machine has the memory for."""
    windows = _as_float32(given.windows)
    needed = len(given) * windows[:1].nbytes
    return choose_way(way, stored_windows(windows), needed_bytes=needed, memory=memory_bytes())


def refuse_non_finite(reading: Batches) -> None:
    """Read all and refuse windows that hold what is not a number."""
    found = [rows[~np.isfinite(windows).all(axis=(1, 2))] for rows, windows in reading.epoch(0)]
    bad = np.concatenate(found)
    if bad.size:
        raise TrainingError(
            f"training: {bad.size} of {reading.n_windows} windows hold NaN or infinity, the first is window "
            f"{bad[0]}; expected numbers only. Build the data set again without them"
        )


def checked(spec: ModelSpec, given: Labelled) -> Labelled:
    """Check windows and labels against a network; return the labels as int64.

    Raises
    ------
    TrainingError
        They don't fit it.
    """
    windows = _as_float32(given.windows)
    check_shape(spec, windows.shape)
    subjects, conditions = (
        _checked_labels(task, np.asarray(labels), n_classes, len(windows))
        for task, labels, n_classes in (
            ("subject", given.subjects, spec.n_subjects),
            ("condition", given.conditions, spec.n_conditions),
        )
    )
    return Labelled(windows, subjects, conditions, given.rows)


def check_shape(spec: ModelSpec, shape: tuple[int, ...]) -> None:
    """Refuse windows that a network is not built for."""
    if len(shape) != 3 or shape[1:] != (spec.n_leads, spec.n_samples):
        raise TrainingError(
            f"windows of shape {shape}: expected (N, {spec.n_leads}, {spec.n_samples}): "
            "windows, leads, samples. Take the windows of the data set that the network is for"
        )


def batch_edges(n: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """Cut ``range(n)`` into batches, as (start, stop); a last batch of 1 joins the one before it.

    Examples
    --------
    >>> list(batch_edges(7, 3))
    [(0, 3), (3, 7)]
    """
    edges = list(range(0, n, batch_size))
    if n % batch_size == 1 and len(edges) > 1:
        edges.pop()
    return itertools.pairwise([*edges, n])


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Return how many batches `n` windows make, the same for every way."""
    return len(list(batch_edges(n, batch_size)))


def _as_float32(windows: Given) -> AnyWindows:
    """Return windows as they are where they can be drawn from, else copied."""
    if isinstance(windows, ShardedWindows) or windows.dtype == np.float32:
        return cast(AnyWindows, windows)
    return np.asarray(windows, dtype=np.float32)


def _held(reading: Batches, shape: tuple[int, ...]) -> Tensor:
    """Copy windows into memory, (n, lead, T)."""
    held = torch.empty((reading.n_windows, *shape))
    stop = 0
    for _, windows in reading.epoch(0):
        start, stop = stop, stop + len(windows)
        held[start:stop] = torch.from_numpy(windows)
    return held


def _gathered(windows: AnyWindows, rows: NDArray[np.int64], places: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(windows[rows[places.cpu().numpy()]]))


def _dealt(
    gather: Callable[[Tensor], Tensor],
    labels: tuple[Tensor, Tensor],
    *,
    batch_size: int,
    order: torch.Generator,
) -> Iterator[LabelledBatch]:
    device, n = labels[0].device, len(labels[0])
    places = torch.randperm(n, generator=order).to(device)
    subjects, conditions = (label[places] for label in labels)
    for start, stop in batch_edges(n, batch_size):
        yield gather(places[start:stop]).to(device), subjects[start:stop], conditions[start:stop]


def _drawn(batches: Iterable[Batch], labels: tuple[Tensor, Tensor]) -> Iterator[LabelledBatch]:
    device = labels[0].device
    for rows, windows in join_single(batches):
        where = torch.from_numpy(rows).to(device)
        yield torch.from_numpy(windows).to(device), labels[0][where], labels[1][where]


def join_single(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Let a batch of one window, which only the last can be, join the one before it."""
    before: Batch | None = None
    for rows, windows in batches:
        if before is not None and len(rows) == 1:
            before = np.concatenate([before[0], rows]), np.concatenate([before[1], windows])
            continue
        if before is not None:
            yield before
        before = rows, windows
    if before is not None:
        yield before


def _checked_labels(task: str, labels: NDArray[np.generic], n_classes: int, n: int) -> NDArray[np.int64]:
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise TrainingError(
            f"{task} labels of shape {labels.shape}, {labels.dtype}: expected ({n},) whole numbers"
        )
    if n_classes == 0:  # a task that is not learnt
        return np.full(n, UNKNOWN)
    whole = labels.astype(np.int64)
    wrong = whole[(whole < UNKNOWN) | (whole >= n_classes)]
    if wrong.size:
        raise TrainingError(
            f"{task} label {wrong[0]}: expected 0 to {n_classes - 1}, or {UNKNOWN} for not known"
        )
    return whole
