"""Where a fit's windows come from: the same batches from memory and from the file, each window once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.stored_windows import write_shards, write_windows

from ecgkit.dataset.batches import Batch
from ecgkit.dataset.shards import AnyWindows
from ecgkit.errors import TrainingError
from ecgkit.models.dual_task import ModelSpec
from ecgkit.training.loop import EpochRecord, FitSettings, fit, logits
from ecgkit.training.supply import (
    Labelled,
    batch_edges,
    checked,
    in_order,
    join_single,
    refuse_non_finite,
    shuffled_epochs,
    steps_per_epoch,
    way_taken,
)

CPU = torch.device("cpu")
SMALL = ModelSpec(
    "cnn", "none", 1, 48, n_subjects=4, n_conditions=3, stem_channels=8, widths=(8, 16), strides=(1, 2)
)
SETTINGS = FitSettings(
    epochs=3, batch_size=16, learning_rate=0.001, balancing="gradnorm", seed=0, threads=1, device="cpu"
)
N = 203
Epochs = list[list[tuple[list[int], list[int], list[int]]]]


def of_rows(windows: AnyWindows) -> Labelled:
    """Label each window by its row."""
    rows = np.arange(len(windows))
    return Labelled(windows, rows % 7, rows % 5)


def dealt(source: Labelled, n_epochs: int = 2, *, way: str = "auto", seed: int = 0) -> Epochs:
    """Deal some epochs; a window's first value is its row."""
    epochs = shuffled_epochs(source, batch_size=16, seed=seed, device=CPU, way=way)
    return [
        [(windows[:, 0, 0].int().tolist(), a.tolist(), b.tolist()) for windows, a, b in batches]
        for batches in islice(epochs, n_epochs)
    ]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> np.memmap:
    return write_windows(tmp_path_factory.mktemp("supply") / "windows.h5", N)


@pytest.mark.parametrize("way", ["memory", "mapped", "blocks"])
@pytest.mark.parametrize("rows", [None, np.arange(3, N, 2), np.arange(10, 43)])
def test_shuffled_epochs_deal_each_window_once_with_its_labels(
    stored: np.memmap, rows: NDArray[np.int64] | None, way: str
) -> None:
    labelled = of_rows(stored)
    source = Labelled(labelled.windows, labelled.subjects, labelled.conditions, rows)
    orders = []
    for batches in dealt(source, way=way):
        order = [row for batch, _, _ in batches for row in batch]
        assert sorted(order) == list(range(N) if rows is None else rows)
        assert [label for _, subjects, _ in batches for label in subjects] == [row % 7 for row in order]
        assert [label for _, _, conditions in batches for label in conditions] == [row % 5 for row in order]
        assert all(2 <= len(batch) <= 17 for batch, _, _ in batches)
        orders.append(order)
    assert orders[0] != orders[1]


@pytest.mark.parametrize("way", ["memory", "mapped", "blocks"])
def test_shuffled_epochs_are_the_same_again_and_others_for_another_seed(stored: np.memmap, way: str) -> None:
    source = of_rows(stored)
    assert dealt(source, way=way) == dealt(source, way=way)
    assert dealt(source, way=way) != dealt(source, way=way, seed=1)


@pytest.mark.parametrize("way", ["memory", "mapped", "blocks"])
def test_shuffled_epochs_begin_where_asked(stored: np.memmap, way: str) -> None:
    source = of_rows(stored)
    later = shuffled_epochs(source, batch_size=16, seed=0, device=CPU, way=way, first_epoch=3)
    got = [batch[:, 0, 0].int().tolist() for batch, _, _ in next(later)]
    assert got == [rows for rows, _, _ in dealt(source, 3, way=way)[2]]


@pytest.mark.parametrize("way", ["memory", "mapped", "blocks"])
@pytest.mark.parametrize("n", [16, 17, 160, 161, 170, N])
def test_steps_per_epoch_is_the_number_of_batches_of_every_way(stored: np.memmap, n: int, way: str) -> None:
    source = Labelled(stored, np.zeros(N, int), np.zeros(N, int), np.arange(n))
    assert [len(batches) for batches in dealt(source, way=way)] == [steps_per_epoch(n, 16)] * 2


def test_way_taken_is_the_one_of_the_batches(stored: np.memmap, monkeypatch: pytest.MonkeyPatch) -> None:
    for memory, expected in ((stored.nbytes, "blocks"), (4 * stored.nbytes, "mapped"), (1 << 40, "memory")):
        for module in ("ecgkit.dataset.batches", "ecgkit.training.supply"):
            monkeypatch.setattr(f"{module}.memory_bytes", lambda memory=memory: memory)
        assert way_taken(of_rows(stored)) == in_order(stored).way == expected
    assert way_taken(of_rows(np.array(stored))) == "memory"
    assert way_taken(of_rows(stored), "blocks") == "blocks"


def test_shuffled_epochs_are_the_same_in_memory_and_mapped(stored: np.memmap) -> None:
    source = of_rows(stored)
    in_memory = dealt(source, way="memory")
    assert dealt(source, way="mapped") == dealt(of_rows(np.array(stored))) == in_memory
    assert dealt(source, way="blocks") != in_memory


@pytest.mark.parametrize("way", ["memory", "mapped", "blocks"])
def test_shuffled_epochs_are_the_same_from_shards(stored: np.memmap, tmp_path: Path, way: str) -> None:
    sharded = write_shards(tmp_path, (60, 1, 90, N - 151))
    assert dealt(of_rows(sharded), way=way) == dealt(of_rows(stored), way=way)


@pytest.mark.parametrize("way", ["memory", "mapped", "blocks"])
def test_shuffled_epochs_refuse_windows_that_hold_no_numbers(tmp_path: Path, way: str) -> None:
    mapped = write_windows(tmp_path / "windows.h5", 40)
    with (tmp_path / "windows.h5").open("r+b") as file:
        for row in (7, 9):
            file.seek(mapped.offset + row * mapped[0].nbytes)
            file.write(np.float32(np.nan).tobytes())
    source = of_rows(np.memmap(mapped.filename, "<f4", "r", mapped.offset, mapped.shape))
    with pytest.raises(TrainingError, match="2 of 40 windows hold NaN or infinity, the first is window 7"):
        shuffled_epochs(source, batch_size=16, seed=0, device=CPU, way=way)
    with pytest.raises(TrainingError, match="1 of 3 windows hold NaN or infinity, the first is window 9"):
        refuse_non_finite(in_order(source.windows, np.array([8, 9, 11]), way=way))


@given(n=st.integers(2, 3000), batch_size=st.integers(2, 64))
def test_batch_edges_cover_everything_and_none_has_one_window(n: int, batch_size: int) -> None:
    cut = list(batch_edges(n, batch_size))
    assert [index for start, stop in cut for index in range(start, stop)] == list(range(n))
    sizes = [stop - start for start, stop in cut]
    assert min(sizes) >= 2
    assert max(sizes) <= batch_size + 1
    assert set(sizes[:-1]) <= {batch_size}


@given(n=st.integers(2, 300), batch_size=st.integers(2, 20))
def test_join_single_cuts_as_batch_edges_does(n: int, batch_size: int) -> None:
    def batches() -> Iterator[Batch]:
        for start in range(0, n, batch_size):
            rows = np.arange(start, min(start + batch_size, n))
            yield rows, rows[:, None, None].astype(np.float32)

    joined = list(join_single(batches()))
    assert [(rows[0], rows[-1] + 1) for rows, _ in joined] == list(batch_edges(n, batch_size))
    assert all((windows[:, 0, 0] == rows).all() for rows, windows in joined)


def test_checked_takes_labels_of_any_kind_and_counts_the_chosen() -> None:
    source = Labelled(np.zeros((5, 1, 48)), [0, 1, 2, 3, -1], [0, 1, 2, 0, 1], np.array([1, 4]))
    found = checked(SMALL, source)
    assert (found.windows.shape, found.subjects.dtype, len(found)) == ((5, 1, 48), np.dtype(np.int64), 2)


# fits


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """Windows in a file whose frequency tells the subject and whose height tells the condition."""
    random = np.random.default_rng(0)
    mapped = write_windows(tmp_path_factory.mktemp("waves") / "windows.h5", 401, (1, 48))
    subject, condition = random.integers(0, 4, 401), random.integers(0, 3, 401)
    time = np.arange(48) / 48
    wave = np.sin(2 * np.pi * (2 + 3 * subject[:, None]) * time + random.uniform(0, 6, (401, 1)))
    values = (wave * (1 + condition[:, None]))[:, None].astype("<f4")
    np.memmap(mapped.filename, "<f4", "r+", mapped.offset, mapped.shape)[:] = values
    windows = np.memmap(mapped.filename, "<f4", "r", mapped.offset, mapped.shape)
    return Labelled(windows, subject, condition)


def weights_and_records(
    source: Labelled, way: str, settings: FitSettings = SETTINGS
) -> tuple[list[bytes], list[tuple[float, ...]]]:
    records: list[EpochRecord] = []
    model = fit(SMALL, source, settings=settings, on_epoch=records.append, monitor=source, way=way)
    bits = [tensor.numpy().tobytes() for tensor in model.state_dict().values()]
    return bits, [(r.subject_loss, r.condition_accuracy, r.monitor_subject_accuracy) for r in records]


def test_fit_gives_the_same_bits_from_memory_and_from_the_mapped_file(waves: Labelled) -> None:
    in_memory = weights_and_records(waves, "memory")
    assert weights_and_records(waves, "mapped") == in_memory
    copied = Labelled(np.array(waves.windows), waves.subjects, waves.conditions)
    assert weights_and_records(copied, "auto") == in_memory


def test_fit_past_memory_is_reproducible_and_learns(waves: Labelled) -> None:
    long = FitSettings(
        epochs=25, batch_size=16, learning_rate=0.003, balancing="equal", seed=0, threads=1, device="cpu"
    )
    first = weights_and_records(waves, "blocks", long)
    assert weights_and_records(waves, "blocks", long) == first
    _, records = first
    assert records[-1][2] > 0.9


def test_fit_on_some_rows_is_a_fit_on_these_windows(waves: Labelled) -> None:
    rows = np.flatnonzero(np.arange(401) % 3 > 0)
    chosen = Labelled(waves.windows, waves.subjects, waves.conditions, rows)
    alone = Labelled(waves.windows[rows], *(np.asarray(x)[rows] for x in (waves.subjects, waves.conditions)))
    assert weights_and_records(chosen, "auto") == weights_and_records(alone, "auto")


def test_logits_of_windows_in_order_are_those_of_the_array(waves: Labelled) -> None:
    model = fit(SMALL, waves, settings=SETTINGS)
    rows = np.arange(5, 300, 3)
    whole = logits(model, waves.windows[rows])
    for way in ("memory", "mapped", "blocks"):
        parts = logits(model, in_order(waves.windows, rows, way=way))
        assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))
