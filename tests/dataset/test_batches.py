"""Batches: every window once, the same for the same seed, whatever the way, the worker and the rank."""

import os
import pickle
import threading
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.stored_windows import SHAPE, write_shards, write_windows

from ecgkit.dataset import batches as batches_module
from ecgkit.dataset.batches import WAYS, Batches, Batching, choose_way
from ecgkit.dataset.shards import ShardedWindows
from ecgkit.dataset.stored import StoredWindows, WindowFile
from ecgkit.errors import DatasetError

STORED_WAYS = ("memory", "mapped", "blocks")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> np.memmap:
    return write_windows(tmp_path_factory.mktemp("batches") / "w.h5", 500)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> ShardedWindows:
    """The same windows as `mapped`."""
    return write_shards(tmp_path_factory.mktemp("sharded"), (130, 1, 200, 169))


def drawn(batches: Batches, epoch: int = 0, **parts: int) -> list[list[int]]:
    """The rows of each batch, after a look at whether these are their windows."""
    found = []
    for rows, windows in batches.epoch(epoch, **parts):
        assert (rows.dtype, windows.dtype, windows.shape[1:]) == (np.int64, np.float32, SHAPE)
        assert windows.flags.c_contiguous
        assert windows.flags.writeable
        np.testing.assert_array_equal(windows[:, 0, 0], rows)
        np.testing.assert_array_equal(windows[:, -1, -1], rows + np.float32(0.5))
        found.append(rows.tolist())
    return found


def flat(batches: list[list[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


@st.composite
def choices(draw: st.DrawFn) -> tuple[NDArray[np.int64] | None, Batching, str]:
    rows = draw(st.none() | st.sets(st.integers(0, 499), min_size=4, max_size=300).map(sorted).map(np.array))
    world_size = draw(st.integers(1, 4))
    batching = Batching(
        batch_size=draw(st.sampled_from([1, 2, 7, 64, 1000])),
        seed=draw(st.integers(0, 1 << 40)),
        shuffle=draw(st.booleans()),
        drop_last=draw(st.booleans()),
        rank=draw(st.integers(0, world_size - 1)),
        world_size=world_size,
        block_windows=draw(st.none() | st.integers(1, 60)),
        pool_blocks=draw(st.integers(1, 5)),
        read_ahead=draw(st.booleans()),
    )
    return rows, batching, draw(st.sampled_from(STORED_WAYS))


@settings(max_examples=150, deadline=None)
@given(choice=choices(), epoch=st.integers(0, 3), n_parts=st.integers(1, 4))
def test_epoch_has_each_window_once_whoever_shares_it(mapped, choice, epoch: int, n_parts: int) -> None:
    rows, batching, way = choice
    batches = Batches(mapped, batching, rows=rows, way=way)
    found = drawn(batches, epoch)
    sizes = [len(batch) for batch in found]
    assert len(found) == len(batches)
    assert all(size == batching.batch_size for size in sizes[:-1])
    assert sum(sizes) == batches.n_windows or batching.drop_last
    assert sum(sizes) > batches.n_windows - batching.batch_size
    chosen = range(500) if rows is None else rows.tolist()
    assert max(Counter(flat(found)).values(), default=1) == 1
    assert set(flat(found)) <= set(chosen)
    assert drawn(batches, epoch) == found
    shared = [drawn(batches, epoch, part=part, n_parts=n_parts) for part in range(n_parts)]
    assert sorted(flat(shared)) == sorted(found)
    if way != "blocks" or not batching.shuffle:
        assert [shared[i % n_parts][i // n_parts] for i in range(len(found))] == found


@settings(max_examples=80, deadline=None)
@given(choice=choices(), epoch=st.integers(0, 3), n_parts=st.integers(1, 3))
def test_shards_give_the_same_batches_as_one_file(mapped, sharded, choice, epoch: int, n_parts: int) -> None:
    rows, batching, way = choice
    one, several = (Batches(windows, batching, rows=rows, way=way) for windows in (mapped, sharded))
    assert (len(one), one.way) == (len(several), several.way)
    for part in range(n_parts):
        parts = {"part": part, "n_parts": n_parts}
        assert drawn(one, epoch, **parts) == drawn(several, epoch, **parts)


@pytest.mark.parametrize("way", STORED_WAYS)
def test_ranks_get_windows_of_their_own_and_all_as_many(mapped: np.memmap, way: str) -> None:
    rows = np.arange(3, 113)  # 110 for 4 ranks: 2 are over
    left_out = set()
    for epoch in range(6):
        ranks = [
            flat(
                drawn(
                    Batches(
                        mapped, Batching(batch_size=8, seed=1, rank=rank, world_size=4), rows=rows, way=way
                    ),
                    epoch,
                )
            )
            for rank in range(4)
        ]
        assert [len(rank) for rank in ranks] == [27] * 4
        assert len(set().union(*ranks)) == 108
        left_out |= set(rows.tolist()) - set().union(*ranks)
    assert len(left_out) > 2  # not the same ones each time


@pytest.mark.parametrize("way", STORED_WAYS)
def test_order_follows_seed_and_epoch_and_nothing_else(mapped: np.memmap, way: str) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        np.random.default_rng().random()
        return flat(
            drawn(Batches(mapped, Batching(batch_size=50, seed=seed, block_windows=20), way=way), epoch)
        )

    orders = {(seed, epoch): order(seed, epoch) for seed in (0, 1) for epoch in (0, 1)}
    assert len(set(map(tuple, orders.values()))) == 4
    assert order(1, 1) == orders[1, 1]
    assert all(sorted(rows) == list(range(500)) for rows in orders.values())


def test_memory_and_mapped_give_the_same_batches(mapped: np.memmap) -> None:
    rows = np.arange(0, 500, 3)
    ways = [
        drawn(Batches(windows, Batching(batch_size=16, seed=5), rows=rows, way=way), 2)
        for windows, way in ((mapped, "memory"), (mapped, "mapped"), (np.array(mapped), "auto"))
    ]
    assert ways[0] == ways[1] == ways[2]


@pytest.mark.parametrize("way", STORED_WAYS)
def test_rows_may_be_a_mask_or_numbers_in_any_order(mapped: np.memmap, way: str) -> None:
    mask = np.arange(500) % 3 == 0
    numbers = np.random.default_rng(0).permutation(np.flatnonzero(mask)).astype(np.uint16)
    given = [
        drawn(Batches(mapped, Batching(batch_size=9, seed=0), rows=rows, way=way))
        for rows in (mask, numbers, numbers.tolist())
    ]
    assert given[0] == given[1] == given[2]


@pytest.mark.parametrize("way", STORED_WAYS)
def test_without_shuffling_rows_come_in_order(mapped: np.memmap, way: str) -> None:
    batching = Batching(batch_size=64, seed=0, shuffle=False)
    rows = np.arange(500)[::-7]
    assert flat(drawn(Batches(mapped, batching, rows=rows, way=way), 3)) == sorted(rows.tolist())


def test_blocks_give_the_same_with_and_without_reading_ahead(mapped: np.memmap) -> None:
    found = [
        drawn(
            Batches(mapped, Batching(batch_size=16, seed=5, block_windows=10, read_ahead=ahead), way="blocks")
        )
        for ahead in (False, True)
    ]
    assert found[0] == found[1]


def test_batch_of_blocks_comes_from_as_many_blocks_as_are_pooled(tmp_path: Path) -> None:
    mapped = write_windows(tmp_path / "w.h5", 40_000)
    batching = Batching(batch_size=256, seed=0, block_windows=250, pool_blocks=8)
    batches = list(Batches(mapped, batching, way="blocks").epoch(0))
    for rows, _ in batches:
        # a pool has 7 or 8 blocks and two parts of one; each lies over one border of this grid at most
        assert 7 <= len(np.unique(rows // 250)) <= 2 * (8 + 2)
    partners = [Counter(rows // 250) for rows, _ in batches[:-1]]
    assert max(max(counts.values()) for counts in partners) < 256 / 8 * 2.5


def test_pools_of_an_epoch_have_about_as_many_batches() -> None:
    batching = Batching(batch_size=256, seed=0)
    assert batching.pool_edges(64 * 256, 1024) == [0, 64 * 256]
    assert batching.pool_edges(64 * 256 + 1, 1024) == [0, 32 * 256, 64 * 256 + 1]  # not 64 batches and one
    assert Batching(batch_size=256, seed=0, drop_last=True).pool_edges(64 * 256 + 1, 1024) == [0, 64 * 256]
    assert Batching(batch_size=256, seed=0, drop_last=True).pool_edges(255, 1024) == [0]
    assert Batching(batch_size=256, seed=0, shuffle=False).pool_edges(600, 1024) == [0, 256, 512, 600]
    assert Batching(batch_size=500, seed=0, pool_blocks=1).pool_edges(1000, 10) == [0, 500, 1000]


def test_block_has_no_more_than_2_mb_and_an_epoch_a_pool_of_blocks() -> None:
    batching = Batching(batch_size=1, seed=0)
    assert batching.block_size(1200, 1 << 20) == 1024
    assert batching.block_size(60_000, 1 << 20) == 34
    assert batching.block_size(1 << 30, 1 << 20) == 1
    assert batching.block_size(1200, 1600) == 100
    assert batching.block_size(1200, 15) == 1
    assert Batching(batch_size=1, seed=0, block_windows=99).block_size(1 << 30, 1 << 20) == 99


@pytest.mark.parametrize("sizes", [(60_000,), (7_000, 50_000, 3_000)])
def test_blocks_hold_two_pools_and_no_more(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    stored = write_shards(tmp_path, sizes, (1, 100))  # 24 MB
    batching = Batching(batch_size=200, seed=0, block_windows=500, pool_blocks=10)  # a pool: 2 MB
    tracemalloc.start()
    try:
        for rows, _ in Batches(stored, batching, way="blocks").epoch(0):
            assert len(rows) == 200
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 2e6 + 1e6


@pytest.mark.parametrize("windows", ["mapped", "sharded"])
def test_epoch_left_early_leaves_no_thread_and_no_file(request: pytest.FixtureRequest, windows: str) -> None:
    threads, files = threading.active_count(), open_files()
    epoch = Batches(
        request.getfixturevalue(windows), Batching(batch_size=4, seed=0, block_windows=2), way="blocks"
    ).epoch(0)
    next(epoch)
    assert threading.active_count() == threads + 1
    epoch.close()
    assert threading.active_count() == threads
    assert open_files() == files


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


@pytest.mark.parametrize("way", STORED_WAYS)
def test_copy_in_another_process_is_small_and_gives_the_same(tmp_path: Path, way: str) -> None:
    mapped = write_windows(tmp_path / "w.h5", 3000)
    batches = Batches(mapped, Batching(batch_size=70, seed=3), rows=np.arange(100, 2000), way=way)
    sent = pickle.dumps(batches)
    assert len(sent) < 12_000  # the row numbers; the windows have 45 kB
    copy = pickle.loads(sent)
    assert drawn(copy, 1) == drawn(batches, 1)
    assert copy.way == {"memory": "mapped"}.get(way, way)


@pytest.mark.parametrize("way", STORED_WAYS)
def test_copy_of_sharded_batches_in_another_process_is_small_and_gives_the_same(
    tmp_path: Path, way: str
) -> None:
    batches = Batches(write_shards(tmp_path, (1000, 2000)), Batching(batch_size=70, seed=3), way=way)
    sent = pickle.dumps(batches)
    assert len(sent) < 3_000
    assert drawn(pickle.loads(sent), 1) == drawn(batches, 1)


@pytest.mark.parametrize("way", ["mapped", "blocks"])
def test_shard_that_is_gone_is_named(tmp_path: Path, way: str) -> None:
    sharded = write_shards(tmp_path, (30, 20))
    copy = pickle.loads(pickle.dumps(Batches(sharded, Batching(batch_size=5, seed=0), way=way)))
    (tmp_path / "001.h5").unlink()
    with pytest.raises(DatasetError, match=r"001\.h5: can't be read any more"):
        drawn(copy)


@pytest.mark.parametrize("way", ["mapped", "blocks"])
def test_data_set_built_anew_meanwhile_is_refused(tmp_path: Path, way: str) -> None:
    path = tmp_path / "w.h5"
    copy = pickle.loads(
        pickle.dumps(Batches(write_windows(path, 50), Batching(batch_size=5, seed=0), way=way))
    )
    path.unlink()
    with pytest.raises(DatasetError, match="can't be read any more"):
        drawn(copy)
    write_windows(path, 50)
    os.utime(path, ns=(0, 0))
    with pytest.raises(DatasetError, match="changed since it was opened"):
        drawn(copy)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([3, 4, 3], "row 3 comes more than once"),
        ([0, 500], "rows from 0 to 500: expected 0 to 499"),
        ([-1], "rows from -1 to -1"),
        ([0.5], "expected row numbers, or a mask"),
        (np.ones(499, bool), "expected row numbers, or a mask"),
        ([[1, 2]], "expected row numbers, or a mask"),
        (np.zeros(500, bool), "0 windows for 1 ranks"),
    ],
)
def test_rows_that_can_not_be_are_refused(mapped: np.memmap, rows, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        Batches(mapped, Batching(batch_size=2, seed=0), rows=rows)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"batch_size": 0}, "batch_size 0: expected a whole number from 1"),
        ({"seed": -1}, "seed -1"),
        ({"block_windows": 0}, "block_windows 0"),
        ({"rank": 2, "world_size": 2}, "rank 2 of 2"),
    ],
)
def test_settings_that_can_not_be_are_refused(setting: dict[str, int], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        Batching(**({"batch_size": 2, "seed": 0} | setting))


def test_windows_that_can_not_be_are_refused(mapped: np.memmap) -> None:
    batching = Batching(batch_size=2, seed=0)
    with pytest.raises(DatasetError, match=r"expected \(N, lead, T\) float32"):
        Batches(np.zeros((5, 1, 3)), batching)
    with pytest.raises(DatasetError, match="a part of mapped windows"):
        Batches(mapped[10:], batching)
    with pytest.raises(DatasetError, match="3 windows for 4 ranks"):
        Batches(mapped, Batching(batch_size=2, seed=0, world_size=4), rows=[1, 2, 3])
    with pytest.raises(DatasetError, match="epoch -1"):
        Batches(mapped, batching).epoch(-1)
    with pytest.raises(DatasetError, match="part 2 of 2"):
        Batches(mapped, batching).epoch(0, part=2, n_parts=2)


def test_way_that_is_unknown_lists_those_that_are(mapped: np.memmap) -> None:
    with pytest.raises(DatasetError, match="known are: auto, blocks, mapped, memory"):
        Batches(mapped, Batching(batch_size=2, seed=0), way="ram")
    for way in ("mapped", "blocks"):
        with pytest.raises(DatasetError, match="needs windows that lie in a file"):
            Batches(np.array(mapped), Batching(batch_size=2, seed=0), way=way)


def test_way_follows_the_size_and_the_memory() -> None:
    stored = StoredWindows((WindowFile(Path("x"), 0, (1_000_000, 1, 250), 0, 0),))  # 1 GB

    def way(needed_bytes: float, memory: float) -> str:
        return choose_way("auto", stored, needed_bytes=int(needed_bytes), memory=int(memory))

    assert way(1e9, 8e9) == "memory"
    assert way(1e9, 7e9) == "mapped"
    assert way(1e8, 1e9) == "memory"  # few of the rows
    assert way(1e9, 2e9) == "mapped"
    assert way(1e9, 1.9e9) == "blocks"
    assert choose_way("auto", None, needed_bytes=1 << 40, memory=1) == "memory"
    assert all(choose_way(way, stored, needed_bytes=1, memory=1) == way for way in WAYS[1:])


def test_batches_take_the_way_that_this_machine_has_the_memory_for(mapped: np.memmap, monkeypatch) -> None:
    ways = []
    for memory in (1 << 40, 2 * mapped.nbytes, mapped.nbytes):
        monkeypatch.setattr(batches_module, "memory_bytes", lambda memory=memory: memory)
        batches = Batches(mapped, Batching(batch_size=100, seed=0))
        ways.append(batches.way)
        assert sorted(flat(drawn(batches))) == list(range(500))
    assert ways == ["memory", "mapped", "blocks"]
