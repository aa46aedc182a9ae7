"""Data sets in shards: the same windows and the same hash, and no older data set is harmed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.dataset_files import T, describe, moved_parts, parts_of, write_small
from support.killed import killed_everywhere

from ecgkit.dataset import shard_writing
from ecgkit.dataset.read import open_dataset
from ecgkit.dataset.shard_files import SHARD_NAME
from ecgkit.dataset.shard_writing import shard_paths, unused_shards
from ecgkit.dataset.write import write_dataset
from ecgkit.errors import DatasetError

N, WINDOW_BYTES = 16, 4 * T


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("each", "sizes"), [(1, [1] * 16), (5, [5, 5, 5, 1]), (8, [8, 8]), (15, [15, 1])])
def test_shards_hold_whole_windows_in_order(tmp_path: Path, each: int, sizes: list[int]) -> None:
    plain = open_dataset(write_small(tmp_path / "plain.h5"))
    parts = parts_of()
    shard_bytes = each * WINDOW_BYTES + (WINDOW_BYTES - 1 if each < 15 else 0)
    sha256 = write_dataset(tmp_path / "d.h5", parts, describe(), plain.folds, shard_bytes=shard_bytes)
    data = open_dataset(tmp_path / "d.h5")
    assert [file.shape[0] for file in data.windows.stored.files] == sizes
    np.testing.assert_array_equal(data.windows, plain.windows)
    assert data.table.equals(plain.table)
    assert sha256 == data.sha256 == plain.sha256
    for number, path in enumerate(data.files[1:]):
        name = SHARD_NAME.fullmatch(path.name)
        assert name is not None
        assert (name[1], int(name[3])) == ("d", number)
    assert data.files == (tmp_path / "d.h5", *shard_paths(tmp_path / "d.h5"))


def test_shards_are_plain_to_h5py_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_small(tmp_path / "set" / "d.h5", shard_windows=5)
    whole = np.concatenate([part.windows for part in parts_of()])
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")  # shards are found beside the file, wherever the reader is
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["windows"][3:12], whole[3:12])
        assert file["windows"].attrs["description"].decode().startswith("ECG windows")
    with h5py.File(shard_paths(path)[1]) as file:
        assert (file.attrs["format"].decode(), bool(file.attrs["simulated"])) == ("ecgkit-windows", True)
        assert file["windows"].chunks is None
        np.testing.assert_array_equal(file["windows"], whole[5:10])


def test_missing_shard_is_nan_to_h5py_and_not_zero(tmp_path: Path) -> None:
    path = write_small(tmp_path / "d.h5", shard_windows=5)
    shard_paths(path)[2].unlink()
    with h5py.File(path) as file:
        missing = np.isnan(file["windows"]).all(axis=(1, 2))
    assert np.flatnonzero(missing).tolist() == list(range(10, 15))


def test_shards_of_the_same_content_have_the_same_bytes_at_any_time(tmp_path: Path) -> None:
    one = write_small(tmp_path / "a" / "d.h5", shard_windows=6)
    time.sleep(1.1)  # HDF5 counts times in seconds
    two = write_small(tmp_path / "b" / "d.h5", shard_windows=6)
    assert names(one.parent) == names(two.parent)
    assert [path.read_bytes() for path in open_dataset(one).files] == [
        path.read_bytes() for path in open_dataset(two).files
    ]


@pytest.mark.parametrize("shard_windows", [None, 5])
def test_numbers_lie_where_a_mapped_array_is_aligned(tmp_path: Path, shard_windows: int | None) -> None:
    """NumPy copies all of an array that is not."""
    data = open_dataset(write_small(tmp_path / "d.h5", shard_windows=shard_windows))
    for row in (0, 6, 15):
        assert data.windows[row].flags.aligned
    assert all(column.flags.aligned for column in data.columns.values())


def test_windows_that_fit_into_one_shard_are_one_file(tmp_path: Path) -> None:
    path = write_small(tmp_path / "d.h5", shard_windows=N)
    assert names(tmp_path) == ["d.h5"]
    assert path.read_bytes() == write_small(tmp_path / "plain.h5").read_bytes()


def test_data_set_built_anew_leaves_no_shard_of_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    found = []
    for shard_windows, parts in (
        (5, None),
        (6, None),
        (6, moved_parts(1)),
        (None, None),
        (4, None),
        (4, None),
    ):
        write_small(path, parts, shard_windows=shard_windows)
        found.append(names(tmp_path))
        data = open_dataset(path)
        assert found[-1] == sorted(file.name for file in data.files)
        np.testing.assert_array_equal(data.windows, np.concatenate([p.windows for p in parts or parts_of()]))
    assert [len(each) for each in found] == [5, 4, 4, 1, 5, 5]
    assert found[1] != found[2]
    assert found[4] == found[5]


def test_shards_of_other_data_sets_stay(tmp_path: Path) -> None:
    write_small(tmp_path / "d.h5", shard_windows=5)
    (tmp_path / "d.h5").rename(tmp_path / "kept.hdf5")  # goes on referring to shards that are called d
    write_small(tmp_path / "other.h5", shard_windows=5)
    write_small(tmp_path / "d.h5", moved_parts(1), shard_windows=5)
    write_small(tmp_path / "d.h5", moved_parts(2), shard_windows=5)
    assert len(names(tmp_path)) == 3 * (1 + 4)
    np.testing.assert_array_equal(
        open_dataset(tmp_path / "kept.hdf5").windows, open_dataset(tmp_path / "other.h5").windows
    )


def test_only_shards_that_nobody_may_refer_to_are_removed_parts(tmp_path: Path) -> None:
    write_small(tmp_path / "d.h5", shard_windows=5)
    old = shard_paths(tmp_path / "d.h5")
    strangers = [
        tmp_path / f"d.{'0' * 12}-000.h5",
        tmp_path / f"d.{'0' * 12}-001.h5",
        tmp_path / "d.0-000.h5",
    ]
    strangers[0].write_text("notes")
    strangers[1].symlink_to(old[0])
    strangers[2].write_bytes(old[0].read_bytes())
    (tmp_path / "damaged.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    write_small(tmp_path / "d.h5")
    assert all(path.exists() for path in (*old, *strangers))
    assert unused_shards(tmp_path / "d.h5") == []
    (tmp_path / "damaged.h5").unlink()
    write_small(tmp_path / "d.h5")
    assert not any(path.exists() for path in old)
    assert strangers[0].exists()
    assert strangers[1].is_symlink()
    assert strangers[2].exists()


@pytest.mark.parametrize(
    ("name", "shard_bytes", "message"),
    [
        ("d.h5", WINDOW_BYTES - 1, r"would need over 1000 of them; expected at least 120 bytes"),
        ("d.h5", 0, "would need over 1000"),
        ("d%b.h5", 5 * WINDOW_BYTES, "shards can't be called 'd%b'"),
        ("d" * 220 + ".h5", 5 * WINDOW_BYTES, "choose a name of up to 200 characters, and 235 bytes"),
        ("\u5fc3" * 79 + ".h5", 5 * WINDOW_BYTES, "choose a name of up to 200 characters, and 235 bytes"),
        ("d." + "x" * 235, 5 * WINDOW_BYTES, "that ends in .h5"),
    ],
)
def test_shards_that_can_not_be_are_refused(
    tmp_path: Path, name: str, shard_bytes: int, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        write_dataset(tmp_path / name, parts_of(), describe(), {}, shard_bytes=shard_bytes)
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="a path is not so long there")
@pytest.mark.parametrize("stem", ["d" * 200, "\u5fc3" * 78 + "d"])
def test_shards_of_the_longest_names_can_be_read(tmp_path: Path, stem: str) -> None:
    path = write_small(tmp_path / f"{stem}.h5", shard_windows=5)
    assert len(open_dataset(path)) == N
    assert len(shard_paths(path)) == 4
    with h5py.File(path) as file:
        assert not np.isnan(file["windows"]).any()


def test_number_of_shards_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_writing, "MOST_SHARDS", 3)
    with pytest.raises(DatasetError, match="over 3 of them; expected at least 720 bytes"):
        write_dataset(tmp_path / "d.h5", parts_of(), describe(), {}, shard_bytes=5 * WINDOW_BYTES)
    write_dataset(tmp_path / "d.h5", parts_of(), describe(), {}, shard_bytes=720)


class _Failing:
    """Windows whose second half can't be read."""

    shape = (4, 1, T)

    def __len__(self) -> int:
        return 4

    def __getitem__(self, rows: slice) -> np.ndarray:
        if rows.stop > 2:
            raise OSError(5, "Input/output error")
        return np.zeros((rows.stop - rows.start, 1, T), "f4")


@pytest.mark.parametrize("shard_windows", [None, 2, 5])
def test_build_that_fails_leaves_the_older_data_set(tmp_path: Path, shard_windows: int | None) -> None:
    path = write_small(tmp_path / "d.h5", shard_windows=3)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    bad = [*moved_parts(1)[:3], replace(moved_parts(1)[3], windows=_Failing())]
    shard_bytes = None if shard_windows is None else shard_windows * WINDOW_BYTES
    with pytest.raises(OSError, match="Input/output error"):
        write_dataset(path, bad, describe(), {}, shard_bytes=shard_bytes)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_build_that_fails_when_shards_are_in_place_takes_them_away(tmp_path: Path, monkeypatch) -> None:
    path = write_small(tmp_path / "d.h5", shard_windows=3)
    before = names(tmp_path)

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shard_writing, "sync_folder", full)
    with pytest.raises(OSError, match="No space left"):
        write_small(path, moved_parts(1), shard_windows=3)
    assert names(tmp_path) == before
    assert len(open_dataset(path)) == N


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX has them")
def test_build_that_was_killed_leaves_the_older_or_the_newer_data_set(tmp_path: Path) -> None:
    write_small(tmp_path / "set" / "d.h5", shard_windows=6)
    support = Path(__file__).parents[1]
    imports = (
        f"import sys; sys.path.insert(0, {str(support)!r})\n"
        "from support.dataset_files import moved_parts, write_small"
    )
    script = "write_small(folder / 'd.h5', moved_parts(1), shard_windows=5)"
    done, killed = killed_everywhere(tmp_path / "set", script, imports=imports, every=2)
    old, new = open_dataset(tmp_path / "set" / "d.h5"), open_dataset(done / "d.h5")
    outcomes = set()
    for folder in killed:
        data = open_dataset(folder / "d.h5")
        outcomes.add(data.sha256)
        np.testing.assert_array_equal(data.windows, (old if data.sha256 == old.sha256 else new).windows)
        write_small(folder / "d.h5", shard_windows=6)
        assert names(folder) == names(tmp_path / "set")
    assert outcomes <= {old.sha256, new.sha256}
    assert len(killed) > 8


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX has them")
def test_build_killed_while_it_writes_a_shard_leaves_the_older_data_set(tmp_path: Path) -> None:
    path = write_small(tmp_path / "d.h5", shard_windows=6)
    before = names(tmp_path)
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from dataclasses import replace
from pathlib import Path
from support.dataset_files import describe, parts_of
from ecgkit.dataset.write import write_dataset

class Killing:
    shape = (4, 1, {T})
    def __len__(self): return 4
    def __getitem__(self, rows): os.kill(os.getpid(), signal.SIGKILL)

parts = parts_of()
parts[2] = replace(parts[2], windows=Killing())
write_dataset(Path({str(path)!r}), parts, describe(), {{}}, shard_bytes=480)
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) > len(before)
    assert len(open_dataset(path)) == N
    write_small(path, shard_windows=6)
    assert names(tmp_path) == before


def test_windows_are_copied_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Counting:
        shape = (4, 1, T)

        def __len__(self) -> int:
            return 4

        def __getitem__(self, rows: slice) -> np.ndarray:
            asked.append(rows.stop - rows.start)
            return np.ones((rows.stop - rows.start, 1, T), "f4")

    monkeypatch.setattr(shard_writing, "BLOCK_BYTES", 3 * WINDOW_BYTES)
    parts = [replace(part, windows=Counting()) for part in parts_of()]
    for shard_bytes in (None, 7 * WINDOW_BYTES):
        write_dataset(tmp_path / "d.h5", parts, describe(), {}, shard_bytes=shard_bytes)
        assert sum(asked) == N
        assert max(asked) == 3
        asked.clear()
