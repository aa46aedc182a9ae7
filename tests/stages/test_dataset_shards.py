"""What commands make of a data set in shards: the same as of one file, and whatever is changed is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.dataset_files import T, labelled, moved_parts, write_small
from support.studies import make_study

from ecgkit.dataset.card import card_text
from ecgkit.dataset.read import open_dataset
from ecgkit.dataset.shard_writing import shard_paths
from ecgkit.records import Tags
from ecgkit.stages import (
    dataset_diff,
    dataset_info,
    dataset_shards,
    dataset_verify,
    erase,
    export_dataset,
    verify,
)
from ecgkit.study.folder import Study

WINDOW_BYTES = 4 * T


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small(tmp_path / "d.h5", labelled(), shard_windows=5)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """The same data set in one file."""
    return write_small(tmp_path / "plain" / "d.h5", labelled())


def findings(path: Path) -> list[str]:
    return [f"{item.severity} {item.where}: {item.text}" for item in dataset_verify.run(path).findings]


def test_verify_finds_nothing_wrong_with_shards(path: Path) -> None:
    assert findings(path) == []


def _bit(file: h5py.File) -> None:
    file["windows"][3, 0, 7] += 1


def _nan(file: h5py.File) -> None:
    file["windows"][3, 0, 7] = np.nan


def _added(file: h5py.File) -> None:
    file["extra"] = np.arange(3)


def _link(file: h5py.File) -> None:
    file["extra"] = h5py.ExternalLink("o.h5", "/x")


@pytest.mark.parametrize("change", [_bit, _nan, _added, _link])
def test_verify_names_the_shard_that_was_changed(path: Path, change: Callable[[h5py.File], None]) -> None:
    shard = open_dataset(path).files[2]
    with h5py.File(shard, "a") as file:
        change(file)
    found = findings(path)
    assert any(str(shard) in text for text in found)
    assert any("its content is not what was written" in text for text in found) == (change is not _link)
    assert any("/windows: NaN or infinity, first in row 8" in text for text in found) == (change is _nan)


def test_verify_finds_a_shard_that_is_gone(path: Path) -> None:
    shard = open_dataset(path).files[3]
    shard.unlink()
    (text,) = findings(path)
    assert f"{shard}: missing, a shard with 5 windows" in text


def test_verify_finds_what_others_would_read_instead(path: Path) -> None:
    with h5py.File(path, "a") as file:
        sources = file["windows"].virtual_sources()
        layout = h5py.VirtualLayout(shape=(16, 1, T), dtype="<f4")
        for row, source in zip((0, 5, 10, 15), reversed(sources), strict=True):
            stop = min(16, row + 5)
            layout[row:stop] = h5py.VirtualSource(source.file_name, "/windows", shape=(stop - row, 1, T))
        del file["windows"]
        file.create_virtual_dataset("windows", layout)
    (text,) = findings(path)
    assert text.startswith("fault /windows: joins something else than all of d.")
    assert "other programs would read other windows than ecgkit" in text


def test_verify_survives_what_hdf5_does_not(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_shards, "ANSWER_S", 5.0)
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    for offset in (heap + 24, content.index(b"/windows\0", heap) + 13):  # sizes of what lies in it
        spoiled = bytearray(content)
        spoiled[offset : offset + 4] = b"\xff\xff\xff\x7f"
        path.write_bytes(spoiled)
        (text,) = findings(path)
        assert text.startswith("fault /windows: ")


def test_diff_tells_windows_apart_wherever_they_lie(path: Path, plain: Path, tmp_path: Path) -> None:
    assert dataset_diff.run(path, plain).is_same
    other = write_small(tmp_path / "other.h5", moved_parts(0.25), shard_windows=3)
    found = dataset_diff.run(path, other).windows
    assert (found.equal, found.different) == (0, 16)
    assert found.largest == pytest.approx(0.25, abs=1e-6)


def test_info_head_and_card_count_all_files(path: Path, plain: Path) -> None:
    one, several = dataset_info.run(plain), dataset_info.run(path)
    assert several.size_bytes == sum(file.stat().st_size for file in path.parent.glob("*.h5"))
    assert several.as_json()["files"] == ["d.h5", *(shard.name for shard in shard_paths(path))]
    assert several.as_json()["content_sha256"] == one.as_json()["content_sha256"]
    assert dataset_info.head(path, n_rows=7) == dataset_info.head(plain, n_rows=7)
    assert "An HDF5 file and 4 shards beside it, to be kept and copied together, of the" in " ".join(
        card_text(several.data).split()
    )
    json.dumps(several.as_json(), allow_nan=False)


@pytest.mark.parametrize("name", ["npz", "tracings", "parquet", "huggingface"])
def test_export_of_shards_is_that_of_one_file(
    path: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name in ("parquet", "huggingface"):
        pytest.importorskip("pyarrow")
    monkeypatch.setattr("ecgkit.exports.formats.BLOCK_BYTES", 3 * WINDOW_BYTES)
    made = {}
    for source in (path, plain):
        out = tmp_path / f"out-{source.parent.name}"
        export_dataset.run(name, source, out)
        files = [out] if out.is_file() else sorted(each for each in out.rglob("*") if each.is_file())
        made[source] = [
            each.read_bytes() for each in files if each.suffix != ".md"
        ]  # the card says what files there were
    assert made[path] == made[plain]


def test_export_as_npz_is_read_back(path: Path, tmp_path: Path) -> None:
    export_dataset.run("npz", path, tmp_path / "o.npz")
    with np.load(tmp_path / "o.npz") as found:
        np.testing.assert_array_equal(found["windows"], open_dataset(path).windows)
        assert found["windows"].dtype == np.float32


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study of two subjects whose data set lies in shards."""
    study = make_study(tmp_path / "study", ["gone", "stays"], conditions=("rest",))
    write_dataset_of(study, "gone", "stays")
    return study


def write_dataset_of(study: Study, *subjects: str) -> None:
    """Write a data set of these subjects in the study; its windows are noise."""
    parts = [
        replace(part, tags=Tags(subject, "rest"))
        for subject, part in zip(sorted(subjects), moved_parts(len(subjects)), strict=False)
    ]
    write_small(study.dataset_path, parts, shard_windows=3)


def test_erase_takes_shards_along(study: Study) -> None:
    assert len(shard_paths(study.dataset_path)) == 3
    assert erase.plan(study.folder, "gone").others == ()
    assert erase.run(study.folder, "gone").dataset
    assert list(study.folder.glob("dataset*")) == []
    assert verify.run(study.folder).is_sound


def test_erase_takes_shards_of_an_older_data_set_and_leaves_those_of_others(study: Study) -> None:
    older = shard_paths(study.dataset_path)
    for path in older:
        shutil.copy(path, study.folder.parent)
    write_dataset_of(study, "stays")
    own = shard_paths(study.dataset_path)
    assert set(own).isdisjoint(older)
    for path in older:
        shutil.move(study.folder.parent / path.name, study.folder)
    remarks = [item.where for item in verify.run(study.folder).findings]
    assert remarks[-3:] == [path.name for path in older]
    assert not erase.run(study.folder, "gone").dataset
    assert shard_paths(study.dataset_path) == own
    assert len(open_dataset(study.dataset_path)) == 4


def test_erase_names_the_shards_of_a_data_set_that_is_not_the_study_s(study: Study) -> None:
    for path in open_dataset(study.dataset_path).files:
        path.rename(path.with_name(path.name.replace("dataset", "mine")))
    others = erase.plan(study.folder, "gone").others
    assert len(others) == 4
    assert others[0] == "mine.h5"


def test_verify_of_a_study_finds_what_was_changed_in_a_shard(study: Study) -> None:
    assert not [item for item in verify.run(study.folder).findings if item.severity == "fault"]
    with h5py.File(shard_paths(study.dataset_path)[1], "a") as file:
        file["windows"][0] = 0
    texts = [item.text for item in verify.run(study.folder).findings if item.severity == "fault"]
    assert any("its content is not what was written" in text for text in texts)
