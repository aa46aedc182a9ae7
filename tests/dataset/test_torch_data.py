"""Batches as tensors: the same ones for any number of workers, however these are started."""

import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.stored_windows import SHAPE, write_shards, write_windows

from ecgkit.dataset.batches import Batches, Batching
from ecgkit.errors import DatasetError

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

from ecgkit.dataset.torch_data import TorchBatches  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores

N = 400
LABEL = np.arange(N) % 7
RATE = np.linspace(40, 180, N)
WAYS = ("memory", "mapped", "blocks")


@pytest.fixture(scope="module")
def mapped() -> Iterator[np.memmap]:
    with tempfile.TemporaryDirectory() as folder:
        yield write_windows(Path(folder) / "w.h5", N)


def torch_batches(mapped: np.memmap, way: str, rows=None, **settings) -> TorchBatches:
    batching = Batching(**({"batch_size": 16, "seed": 0, "block_windows": 20, "pool_blocks": 4} | settings))
    return TorchBatches(Batches(mapped, batching, rows=rows, way=way), LABEL, RATE)


def rows_of(loader) -> list[list[int]]:
    """The rows of each batch, after a look at windows and labels."""
    found = []
    for windows, label, rate in loader:
        assert (windows.dtype, label.dtype, rate.dtype) == (torch.float32, torch.int64, torch.float32)
        assert windows.shape == (len(label), *SHAPE)
        assert windows.is_contiguous()
        rows = windows[:, 0, 0].long()
        np.testing.assert_array_equal(label, LABEL[rows])
        np.testing.assert_array_equal(rate, RATE[rows].astype("f4"))
        found.append(rows.tolist())
    return found


@pytest.mark.parametrize("way", WAYS)
def test_tensors_are_those_of_the_batches(mapped: np.memmap, way: str) -> None:
    data = torch_batches(mapped, way, rows=np.arange(0, N, 3))
    data.set_epoch(2)
    assert rows_of(data) == [rows.tolist() for rows, _ in data.batches.epoch(2)]
    assert len(data) == len(DataLoader(data, batch_size=None)) == 9


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n_workers", [1, 3])
def test_workers_give_the_same_batches_each_once(mapped: np.memmap, way: str, n_workers: int) -> None:
    data = torch_batches(mapped, way)
    loader = DataLoader(data, batch_size=None, num_workers=n_workers)
    alone, shared = rows_of(data), rows_of(loader)
    assert sorted(row for batch in shared for row in batch) == list(range(N))
    assert sorted(shared) == sorted(alone)
    assert rows_of(loader) == shared
    assert way == "blocks" or shared == alone


@pytest.mark.parametrize("way", WAYS)
def test_workers_give_the_same_batches_of_shards_as_of_one_file(
    mapped: np.memmap, tmp_path: Path, way: str
) -> None:
    sharded = write_shards(tmp_path, (150, 249, 1))
    one, several = (
        DataLoader(torch_batches(windows, way), batch_size=None, num_workers=2)
        for windows in (mapped, sharded)
    )
    assert rows_of(one) == rows_of(several)


def test_spawned_workers_that_stay_get_the_next_epoch(mapped: np.memmap) -> None:
    data = torch_batches(mapped, "memory")
    loader = DataLoader(
        data, batch_size=None, num_workers=1, persistent_workers=True, multiprocessing_context="spawn"
    )
    epochs = []
    for epoch in (0, 1, 0):
        data.set_epoch(epoch)
        epochs.append(rows_of(loader))
        assert epochs[-1] == rows_of(data)
    assert epochs[0] != epochs[1]


def test_workers_that_stay_get_the_next_epoch_of_a_copy_too(mapped: np.memmap) -> None:
    data = pickle.loads(pickle.dumps(torch_batches(mapped, "blocks")))
    loader = DataLoader(data, batch_size=None, num_workers=2, persistent_workers=True)
    epochs = []
    for epoch in (0, 1):
        data.set_epoch(epoch)
        epochs.append(rows_of(loader))
    assert sorted(epochs[0]) != sorted(epochs[1])


@pytest.mark.parametrize("way", WAYS)
def test_ranks_with_workers_share_an_epoch(mapped: np.memmap, way: str) -> None:
    ranks = [
        [
            row
            for batch in rows_of(
                DataLoader(
                    torch_batches(mapped, way, rank=rank, world_size=3),
                    batch_size=None,
                    num_workers=2,
                )
            )
            for row in batch
        ]
        for rank in range(3)
    ]
    assert [len(rank) for rank in ranks] == [133] * 3
    assert len(set().union(*ranks)) == 399


def test_more_workers_than_batches_are_no_harm(mapped: np.memmap) -> None:
    data = torch_batches(mapped, "blocks", rows=[1, 2, 3], batch_size=2)
    loader = DataLoader(data, batch_size=None, num_workers=3)
    assert sorted(map(len, rows_of(loader))) == [1, 2]


@pytest.mark.parametrize("label", [np.array(["a"] * N), np.arange(N - 1), 3])
def test_label_that_is_no_number_for_each_window_is_refused(mapped: np.memmap, label) -> None:
    batches = Batches(mapped, Batching(batch_size=2, seed=0), rows=[0, 1])
    with pytest.raises(DatasetError, match=f"one for each of the {N} windows of the data set"):
        TorchBatches(batches, label)
