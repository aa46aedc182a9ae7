"""Windows in several files are indexed as one array is."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stored_windows import SHAPE, rows_as_windows, write_shards, write_windows

from ecgkit.dataset import shards as shards_module
from ecgkit.dataset import stored as stored_module
from ecgkit.dataset.shards import ShardedWindows, map_windows, stored_windows
from ecgkit.dataset.stored import StoredWindows, read_blocks, read_windows, warm
from ecgkit.errors import DatasetError

SIZES = (7, 1, 12, 5)
N = sum(SIZES)
WHOLE = rows_as_windows(0, N)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> ShardedWindows:
    return write_shards(tmp_path_factory.mktemp("shards"), SIZES)


def test_sharded_windows_say_what_an_array_says(sharded: ShardedWindows) -> None:
    for name in ("shape", "dtype", "ndim", "size", "nbytes"):
        assert getattr(sharded, name) == getattr(WHOLE, name)
    assert len(sharded) == N
    assert repr(sharded) == f"ShardedWindows(shape=(25, {SHAPE[0]}, {SHAPE[1]}), shards=4)"


ends = st.none() | st.integers(-N - 3, N + 3)
first_axis = st.one_of(
    st.integers(-N, N - 1),
    st.integers(0, N - 1).map(np.int32),
    st.slices(N),
    st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, -1, -3])),
    st.lists(st.integers(-N, N - 1), max_size=40),
    st.lists(st.integers(0, N - 1), min_size=1, max_size=40).map(lambda rows: np.array(rows, np.uint16)),
    st.lists(st.booleans(), min_size=N, max_size=N),
    st.lists(st.booleans(), min_size=N, max_size=N).map(np.array),
)
other_axis = st.one_of(st.integers(0, 1), st.builds(slice, st.integers(0, 2), st.integers(0, 3)))


@settings(max_examples=150, deadline=None)
@given(first=first_axis, others=st.lists(other_axis, max_size=2), at_once=st.sampled_from([1, 100, 1 << 22]))
def test_sharded_windows_are_indexed_as_an_array_is(sharded, first, others, at_once: int) -> None:
    key = (first, *others) if others else first
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards_module, "BLOCK_BYTES", at_once)
        found = sharded[key]
    np.testing.assert_array_equal(found, WHOLE[key])
    assert found.dtype == np.float32
    assert found.shape == WHOLE[key].shape


@pytest.mark.parametrize(
    "key",
    [..., (), (...,), (..., 0), (..., slice(1)), (slice(3, 9), ..., 0), (5, ..., 2), ([3, 20], ..., 1)],
    ids=str,
)
def test_sharded_windows_know_the_dots(sharded: ShardedWindows, key: object) -> None:
    np.testing.assert_array_equal(sharded[key], WHOLE[key])


@pytest.mark.parametrize(
    "key",
    [N, -N - 1, [0, N], [-N - 1], np.ones(N - 1, bool), 0.5, [0.5], [[1, 2]], "a", None, True],
    ids=str,
)
def test_sharded_windows_refuse_rows_that_are_not_there(sharded: ShardedWindows, key: object) -> None:
    with pytest.raises(IndexError, match="windows: rows"):
        sharded[key]


def test_sharded_windows_refuse_lists_on_other_axes(sharded: ShardedWindows) -> None:
    with pytest.raises(IndexError, match="choose rows first"):
        sharded[[0, 1], [0, 1]]
    with pytest.raises(IndexError):
        sharded[0, 5]


def test_sharded_windows_are_an_array_in_memory_when_asked(sharded: ShardedWindows) -> None:
    for made in (np.asarray(sharded), np.array(sharded), sharded[:]):
        np.testing.assert_array_equal(made, WHOLE)
        assert made.dtype == np.float32
    assert np.asarray(sharded, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.stack(list(sharded)), WHOLE)
    with pytest.raises(ValueError, match="without a copy"):
        sharded.__array__(copy=False)


def test_sharded_windows_of_one_shard_are_not_copied(sharded: ShardedWindows) -> None:
    for found in (sharded[9], sharded[8:20], sharded[21:24, 0]):
        assert not found.flags.owndata
        assert not found.flags.writeable
    assert sharded[6:8].flags.owndata


def test_sharded_windows_that_are_sent_are_small_and_map_by_themselves(sharded: ShardedWindows) -> None:
    sharded[0]
    sent = pickle.dumps(sharded)
    assert len(sent) < 2000
    np.testing.assert_array_equal(pickle.loads(sent)[:], WHOLE)


def test_sharded_windows_map_only_so_many_files(sharded: ShardedWindows, monkeypatch) -> None:
    monkeypatch.setattr(shards_module, "MOST_MAPPED", 2)
    copy = ShardedWindows(sharded.stored)
    rows = np.random.default_rng(0).permutation(N)
    np.testing.assert_array_equal(copy[rows], WHOLE[rows])
    np.testing.assert_array_equal(copy[:], WHOLE)
    assert len(copy._maps) == 2


def test_shard_that_was_changed_or_removed_is_refused(tmp_path: Path) -> None:
    sharded = write_shards(tmp_path, SIZES)
    assert sharded[0, 0, 0] == 0
    write_windows(tmp_path / "003.h5", 6)
    with pytest.raises(
        DatasetError, match=r"003\.h5: was changed since it was opened; open the data set again"
    ):
        sharded[-1]
    (tmp_path / "001.h5").unlink()
    with pytest.raises(DatasetError, match=r"001\.h5: can't be read any more"):
        sharded[5:10]
    assert sharded[3, 0, 0] == 3


def test_stored_windows_are_those_of_the_files(sharded: ShardedWindows, tmp_path: Path) -> None:
    assert stored_windows(sharded) is sharded.stored
    assert stored_windows(sharded[2:5]) is None
    assert stored_windows(sharded[:]) is None
    assert isinstance(map_windows(sharded.stored), ShardedWindows)
    one = map_windows(StoredWindows(sharded.stored.files[:1]))
    assert isinstance(one, np.memmap)
    np.testing.assert_array_equal(one, WHOLE[:7])


@settings(max_examples=60, deadline=None)
@given(rows=st.sets(st.integers(0, N - 1), min_size=1).map(sorted).map(np.array))
def test_read_windows_reads_across_files(sharded: ShardedWindows, rows: np.ndarray) -> None:
    out = np.empty((len(rows), *SHAPE), "f4")
    read_windows(sharded.stored, rows, out)
    np.testing.assert_array_equal(out, WHOLE[rows])


def test_read_blocks_reads_all_in_order(sharded: ShardedWindows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_module, "BLOCK_BYTES", 4 * sharded.stored.window_bytes)
    blocks = list(read_blocks(sharded.stored))
    assert [len(block) for block in blocks] == [4, 4, 4, 4, 4, 4, 1]
    np.testing.assert_array_equal(np.concatenate(blocks), WHOLE)


def test_warm_reads_only_the_files_that_it_must(tmp_path: Path) -> None:
    sharded = write_shards(tmp_path, SIZES)
    shutil.move(tmp_path / "003.h5", tmp_path / "gone.h5")
    warm(sharded.stored, 0, 19)
    with pytest.raises(DatasetError, match=r"003\.h5: can't be read any more"):
        warm(sharded.stored, 19, 20)
