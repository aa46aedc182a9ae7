"""What is read of a data set in shards, and what of strangers' files is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.dataset_files import T, moved_parts, parts_of, write_small

from ecgkit.dataset.read import open_dataset
from ecgkit.dataset.schema import HASH
from ecgkit.dataset.shard_files import MOST_SHARDS, fault_of_joined, refuse_spoiled_shard
from ecgkit.errors import DatasetError
from ecgkit.h5 import content_sha256, write_json

N, SHAPE = 16, (16, 1, T)
WHOLE = np.concatenate([part.windows for part in parts_of()])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small(tmp_path / "d.h5", shard_windows=6)


def shards_of(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        content: dict[str, Any] = json.loads(file["about/shards"][()])
        return content


def relist(path: Path, content: object) -> None:
    with h5py.File(path, "a") as file:
        del file["about/shards"]
        write_json(file, "shards", content, error=DatasetError)


def test_copy_of_all_files_reads_wherever_it_lies(path: Path, tmp_path: Path) -> None:
    for name in ("copy", "moved"):
        (tmp_path / name).mkdir()
    for file in open_dataset(path).files:
        shutil.copy(file, tmp_path / "copy")
        shutil.move(file, tmp_path / "moved")
    (tmp_path / "moved" / "d.h5").rename(tmp_path / "moved" / "renamed.hdf5")
    (tmp_path / "link.h5").symlink_to(tmp_path / "copy" / "d.h5")
    for place in ("copy/d.h5", "moved/renamed.hdf5", "link.h5"):
        np.testing.assert_array_equal(open_dataset(tmp_path / place).windows, WHOLE)


def first(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    """Change the first entry of a list of shards."""

    def changed(content: dict[str, Any]) -> object:
        name = min(content)
        return {**content, name: change(content[name])}

    return changed


def renamed(name: str) -> Callable[[dict[str, Any]], object]:
    def changed(content: dict[str, Any]) -> object:
        old, *others = sorted(content)
        return {name: content[old], **{other: content[other] for other in others}}

    return changed


WRONG_LISTS = {
    "no object": (lambda _: [1], "expected a JSON object of 1 to 1000 shards"),
    "empty": (lambda _: {}, "expected a JSON object of 1 to 1000 shards"),
    "too many": (
        lambda content: {f"d.{'0' * 12}-{n:03d}.h5": content[min(content)] for n in range(MOST_SHARDS + 1)},
        "expected a JSON object of 1 to 1000 shards",
    ),
    "a path": (renamed("../d.000000000000-000.h5"), "a shard '../d"),
    "an absolute path": (renamed("/etc/d.000000000000-000.h5"), "a shard '/etc"),
    "a folder of Windows": (renamed("..\\d.000000000000-000.h5"), "a shard "),
    "another name": (renamed("a.h5"), "a shard 'a.h5'"),
    "of another set": (renamed("d.000000000000-000.h5"), "a shard "),
    "not from 0": (renamed("d.000000000000-007.h5"), "a shard "),
    "no entry": (first(lambda _: 1), "expected its number of windows and its content_sha256"),
    "no windows": (first(lambda entry: {**entry, "windows": 0}), "expected its number of windows"),
    "part of a window": (first(lambda entry: {**entry, "windows": 5.5}), "expected its number of windows"),
    "true windows": (first(lambda entry: {**entry, "windows": True}), "expected its number of windows"),
    "huge": (first(lambda entry: {**entry, "windows": 1 << 62}), "another shard than .* lists: 6 windows"),
    "other hash": (first(lambda entry: {**entry, HASH: "0" * 64}), "another shard than"),
    "no hash": (first(lambda entry: {**entry, HASH: 7}), "expected its number of windows"),
    "one missing": (
        lambda content: dict(sorted(content.items())[:-1]),
        r"/table/.*: shape \(16,\), expected",
    ),
}


@pytest.mark.parametrize(("change", "message"), WRONG_LISTS.values(), ids=WRONG_LISTS)
def test_list_of_shards_that_can_not_be_is_refused(
    path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    relist(path, change(shards_of(path)))
    with pytest.raises(DatasetError, match=message) as caught:
        open_dataset(path)
    assert str(path) in str(caught.value)


def _with_file(shard: Path, change: Callable[[h5py.File], None]) -> None:
    with h5py.File(shard, "a") as file:
        change(file)


def _windows_as(**created: Any) -> Callable[[Path], None]:
    def change(file: h5py.File) -> None:
        del file["windows"]
        file.create_dataset("windows", **created)

    return lambda shard: _with_file(shard, change)


def _virtual(file: h5py.File) -> None:
    del file["windows"]
    layout = h5py.VirtualLayout(shape=(6, 1, T), dtype="<f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "windows", shape=(6, 1, T))
    file.create_virtual_dataset("windows", layout)


def _external(file: h5py.File) -> None:
    del file["windows"]
    file.create_dataset("windows", shape=(6, 1, T), dtype="<f4", external=[("/etc/passwd", 0, 24 * T)])


def _link(shard: Path) -> None:
    shard.rename(shard.with_name("real.h5"))
    shard.symlink_to("real.h5")


def _folder(shard: Path) -> None:
    shard.unlink()
    shard.mkdir()


def _cut(shard: Path) -> None:
    os.truncate(shard, shard.stat().st_size - 100)


def _other_format(file: h5py.File) -> None:
    file.attrs["format"] = np.bytes_(b"ecgkit-session")


def _other_version(file: h5py.File) -> None:
    file.attrs["format_version"] = np.bytes_(b"9.0")


ZEROS = np.zeros((6, 1, T), "<f4")
WRONG_SHARDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, "missing, a shard with 6 windows of .*d.h5. Copy all files of a data set"),
    "a link": (_link, "a link or no file, expected a shard of"),
    "a folder": (_folder, "a link or no file"),
    "text": (lambda shard: shard.write_text("x"), "damaged, or not a whole ecgkit-windows file"),
    "cut": (_cut, "damaged, or not a whole"),
    "of another format": (lambda shard: _with_file(shard, _other_format), "format is 'ecgkit-session'"),
    "newer": (lambda shard: _with_file(shard, _other_version), "ecgkit-windows version '9.0'"),
    "virtual": (lambda shard: _with_file(shard, _virtual), "/windows: expected a data set stored in this"),
    "external": (lambda shard: _with_file(shard, _external), "/windows: expected a data set stored in this"),
    "packed": (_windows_as(data=ZEROS, chunks=True), "/windows: in chunks or compressed; expected one piece"),
    "doubles": (_windows_as(data=ZEROS.astype("<f8")), "/windows: type float64, expected float32"),
    "more windows": (_windows_as(data=np.zeros((7, 1, T), "<f4")), "another shard than .* lists: 7 windows"),
    "shorter windows": (_windows_as(data=np.zeros((6, 1, T - 1), "<f4")), r"leads and samples \(1, 29\)"),
    "empty windows": (_windows_as(shape=(6, 1, 0), dtype="<f4"), "/windows: "),
    "flat": (_windows_as(data=np.zeros(6, "<f4")), "1 axes; expected kind 'f', 3 axes"),
}


@pytest.mark.parametrize(("change", "message"), WRONG_SHARDS.values(), ids=WRONG_SHARDS)
def test_shard_that_is_not_as_the_format_says_is_refused(
    path: Path, change: Callable[[Path], None], message: str
) -> None:
    shard = open_dataset(path).files[2]
    change(shard)
    with pytest.raises(DatasetError, match=message) as caught:
        open_dataset(path)
    assert str(shard) in str(caught.value)


def test_shards_of_two_data_sets_are_not_mixed(path: Path, tmp_path: Path) -> None:
    other = open_dataset(write_small(tmp_path / "other" / "d.h5", moved_parts(1), shard_windows=6))
    shutil.copy(other.files[1], open_dataset(path).files[1])
    with pytest.raises(DatasetError, match=r"another shard than .*Copy all files of a data set together"):
        open_dataset(path)


def _no_windows(file: h5py.File) -> None:
    del file["windows"]


def _own_windows(file: h5py.File) -> None:
    del file["windows"]
    file["windows"] = WHOLE


def _windows_elsewhere(file: h5py.File) -> None:
    del file["windows"]
    file["windows"] = h5py.ExternalLink("o.h5", "/windows")


@pytest.mark.parametrize("change", [_no_windows, _own_windows, _windows_elsewhere])
def test_list_of_shards_without_what_joins_them_is_refused(path: Path, change) -> None:
    _with_file(path, change)
    with pytest.raises(DatasetError, match="/windows: expected the virtual data set that joins the shards"):
        open_dataset(path)


def test_virtual_windows_without_a_list_of_shards_are_refused(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["about/shards"]
    with pytest.raises(DatasetError, match="/windows: expected a data set stored in this file"):
        open_dataset(path)


def test_open_dataset_never_asks_hdf5_to_join_shards(path: Path) -> None:
    """A named pipe in a shard's place would have HDF5 wait for ever."""
    names = sorted(shards_of(path))
    rejoin(path, [("pipe-0.h5", "/windows", 0, N)])
    os.mkfifo(path.with_name("pipe-0.h5"))
    assert len(open_dataset(path)) == N
    shard = path.with_name(names[0])
    shard.unlink()
    os.mkfifo(shard)
    with pytest.raises(DatasetError, match="a link or no file"):
        open_dataset(path)


def test_open_dataset_reads_past_a_damaged_heap(path: Path) -> None:
    """HDF5 crashes, or reads for ever, over some of these when it opens what joins the shards."""
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    for offset in range(heap, heap + 400, 9):
        spoiled = bytearray(content)
        spoiled[offset] ^= 0xFF
        path.write_bytes(spoiled)
        np.testing.assert_array_equal(open_dataset(path).windows, WHOLE)


def rejoin(path: Path, sources: list[tuple[str, str, int, int]], **layout: Any) -> None:
    """Join other things as /windows: (file, name in it, first row, end)."""
    joined = h5py.VirtualLayout(**{"shape": SHAPE, "dtype": "<f4"} | layout)
    for name, inside, start, stop in sources:
        joined[start:stop] = h5py.VirtualSource(name, inside, shape=(stop - start, *joined.shape[1:]))
    with h5py.File(path, "a") as file:
        description = file["windows"].attrs["description"]
        del file["windows"]
        file.create_virtual_dataset("windows", joined).attrs["description"] = description


def test_fault_of_joined_tells_what_other_programs_would_read(path: Path) -> None:
    assert fault_of_joined(path, SHAPE) == ""
    one, two, three = sorted(shards_of(path))
    good = [(one, "/windows", 0, 6), (two, "/windows", 6, 12), (three, "/windows", 12, 16)]
    rejoin(path, good)
    assert fault_of_joined(path, SHAPE) == ""
    for place, source in (
        (0, ("/tmp/x.h5", "/windows", 0, 6)),
        (1, (one, "/windows", 6, 12)),
        (1, (two, "/other", 6, 12)),
        (1, (two, "/windows", 5, 12)),
        (2, (three, "/windows", 12, 15)),
    ):
        rejoin(path, [*good[:place], source, *good[place + 1 :]])
        assert "joins something else than all of" in fault_of_joined(path, SHAPE)
    rejoin(path, good[:2])
    assert fault_of_joined(path, SHAPE) == "joins 2 sources, expected 3 shards"
    rejoin(path, good, maxshape=(None, 1, T))
    assert "joins something else" in fault_of_joined(path, SHAPE)
    rejoin(path, good, dtype="<f8")
    assert fault_of_joined(path, SHAPE) == f"is float64 of shape {SHAPE}, expected float32 {SHAPE}"
    rejoin(path, good)
    with h5py.File(path, "a") as file:
        file["windows"].attrs["description"] = np.bytes_(b"something else")
    assert fault_of_joined(path, SHAPE) == "has other attributes than in its shards"


def test_refuse_spoiled_shard_finds_one_bit_and_what_was_added(path: Path) -> None:
    _, one, two, _ = open_dataset(path).files
    refuse_spoiled_shard(one)
    with h5py.File(one) as file:
        offset = file["windows"].id.get_offset()
    content = bytearray(one.read_bytes())
    content[offset + 99] ^= 1
    one.write_bytes(content)
    with h5py.File(two, "a") as file:
        file["note"] = np.arange(3)
    for shard in (one, two):
        with pytest.raises(DatasetError, match="its content is not what was written"):
            refuse_spoiled_shard(shard)


def test_hash_of_a_file_does_not_open_what_something_else_stands_for(path: Path) -> None:
    """Whatever lies there: HDF5 may crash over it."""
    data = open_dataset(path)
    with h5py.File(path) as file, h5py.File(data.files[1]) as shard:
        instead = {"windows": (shard["windows"], SHAPE, [WHOLE[:3], WHOLE[3:]]), "about/shards": None}
        assert content_sha256(file, but=HASH, instead=instead) == data.sha256
    with h5py.File(write_small(path.with_name("plain.h5"))) as file:
        assert content_sha256(file, but=HASH) == data.sha256
