"""Windows read from where they lie in a file."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support.stored_windows import SHAPE, write_windows

from ecgkit.dataset.blocks import read_pools
from ecgkit.dataset.shards import map_windows, stored_windows
from ecgkit.dataset.stored import StoredWindows, gather, mapped_file, read_windows, warm, window_file
from ecgkit.errors import DatasetError


def stored_in(path: Path, n: int, shape: tuple[int, int] = SHAPE) -> StoredWindows:
    stored = stored_windows(write_windows(path, n, shape))
    assert stored is not None
    return stored


def test_stored_windows_map_to_what_they_were(tmp_path: Path) -> None:
    mapped = write_windows(tmp_path / "w.h5", 20)
    stored = stored_windows(mapped)
    assert stored is not None
    (file,) = stored.files
    assert (stored.shape, stored.window_bytes, file.offset) == ((20, *SHAPE), 24, mapped.offset)
    np.testing.assert_array_equal(file.map(), mapped)


def test_only_a_whole_map_of_float32_windows_is_stored(tmp_path: Path) -> None:
    mapped = write_windows(tmp_path / "w.h5", 20)
    doubles = np.memmap(tmp_path / "w.h5", dtype="<f8", mode="r", shape=(2, 1, 3))
    flat = np.memmap(tmp_path / "w.h5", dtype="<f4", mode="r", shape=(40,))
    for other in (
        mapped[1:],
        mapped[:, :1],
        mapped[::2],
        np.array(mapped),
        np.asarray(mapped),
        doubles,
        flat,
    ):
        assert stored_windows(other) is mapped_file(other) is None


@pytest.mark.parametrize("skipped", [0, 2])
def test_gather_copies_no_more_than_is_asked_for(tmp_path: Path, skipped: int) -> None:
    windows = np.random.default_rng(0).random((20_000, 2, 50), dtype="f4")  # 8 MB
    (tmp_path / "w").write_bytes(bytes(skipped) + windows.tobytes())
    mapped = np.memmap(tmp_path / "w", dtype="<f4", mode="r", offset=skipped, shape=windows.shape)
    assert mapped.flags.aligned == (skipped == 0)
    rows = np.random.default_rng(0).permutation(20_000)[:100]
    out = np.empty((100, 2, 50), "f4")
    tracemalloc.start()
    try:
        found = gather(mapped, rows), gather(mapped, rows, out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500_000
    assert found[1] is out
    for each in found:
        assert each.flags.aligned
        assert each.flags.c_contiguous
        np.testing.assert_array_equal(each, windows[rows])


@pytest.mark.parametrize("step", [1, 2, 7, 40])
def test_read_windows_reads_over_small_gaps_and_skips_large_ones(tmp_path: Path, step: int) -> None:
    stored = stored_in(tmp_path / "w.h5", 600, (1, 2000))  # 8 windows are read over, 131 read at once
    rows = np.unique(np.concatenate([np.arange(0, 600, step), np.arange(300, 330)]))
    out = np.empty((len(rows), 1, 2000), "f4")
    read_windows(stored, rows, out)
    np.testing.assert_array_equal(out, map_windows(stored)[rows])


@pytest.mark.parametrize("rows", [np.arange(50), np.arange(0, 50, 2)])
@pytest.mark.parametrize("read_ahead", [False, True])
def test_file_that_is_cut_short_is_refused(tmp_path: Path, rows, read_ahead: bool) -> None:
    (whole,) = stored_in(tmp_path / "w.h5", 50).files
    os.truncate(whole.path, whole.offset + 30 * whole.window_bytes)
    cut = StoredWindows((window_file(whole.path, whole.offset, whole.shape, whole.path.stat()),))
    with pytest.raises(DatasetError, match=r"w\.h5: cut short: window \d+ is not in it"):
        list(read_pools(cut, [rows], len(rows), read_ahead=read_ahead))
    warm(cut, 0, 49)  # who reads them afterwards will say it


def test_file_that_was_changed_or_removed_is_refused(tmp_path: Path) -> None:
    stored = stored_in(tmp_path / "w.h5", 50)
    (file,) = stored.files
    os.utime(file.path, ns=(0, 0))
    for use in (file.open, file.map, lambda: warm(stored, 0, 1)):
        with pytest.raises(DatasetError, match="was changed since it was opened; open the data set again"):
            use()
    file.path.unlink()
    with pytest.raises(DatasetError, match="can't be read any more"):
        file.open()
