"""Data sets in other people's formats, read back with their own packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from support.dataset_files import describe, labelled, parts_of, write_small

from ecgkit.dataset.read import Dataset, open_dataset
from ecgkit.exports import formats, huggingface, parquet
from ecgkit.stages import export_dataset

N = 16


@pytest.fixture(params=[1, 3], ids=["one lead", "three leads"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    n_leads = request.param
    return open_dataset(write_small(tmp_path / "d.h5", parts_of(n_leads), describe(n_leads)))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything written in many pieces."""
    monkeypatch.setattr(formats, "BLOCK_BYTES", 700)
    monkeypatch.setattr(huggingface, "SHARD_BYTES", 1500)
    monkeypatch.setattr(parquet, "ROWS", 5)


def exported(data: Dataset, name: str, out: Path) -> Path:
    summary = export_dataset.run(name, data.path, out)
    assert (summary.n_windows, summary.simulated, summary.refused) == (N, True, {})
    assert summary.size_bytes == sum(p.stat().st_size for p in [out, *out.rglob("*")] if p.is_file())
    return out


def check_table(table: pd.DataFrame, data: Dataset) -> None:
    """Compare a table with that of the data set, value by value."""
    ours = data.table
    assert table["row"].tolist() == list(range(N))
    for name in ours:
        theirs = table[name]
        if ours[name].dtype == object:
            assert theirs.astype(str).str.zfill(2 if name == "subject" else 0).tolist() == ours[name].tolist()
        else:
            np.testing.assert_array_equal(theirs.to_numpy().astype(ours[name].dtype), ours[name])
    for at, lead in enumerate(data.leads):
        np.testing.assert_array_equal(table[f"scale_gain/{lead}"], data.columns["scale_gain"][:, at])
    for scheme, folds in data.folds.items():
        for fold, roles in folds.items():
            np.testing.assert_array_equal(table[f"splits/{scheme}/{fold}"], roles)
    assert [float(age) for age in table["participants/age"]] == [30.0] * 8 + [41.0] * 8


def check_about(about: dict[str, Any], data: Dataset) -> None:
    assert (about["simulated"], about["content_sha256"]) == (True, data.sha256)
    assert (about["fs"], about["pipeline"]) == (data.fs, data.pipeline)
    assert about["sources"] == data.sources


def test_npz_holds_every_array_and_no_pickle(data: Dataset, tmp_path: Path) -> None:
    path = exported(data, "npz", tmp_path / "out.npz")
    with np.load(path, allow_pickle=False) as found:
        assert found["windows"].dtype == np.float32
        np.testing.assert_array_equal(found["windows"], data.windows)
        for name, values in data.columns.items():
            np.testing.assert_array_equal(found[f"table/{name}"], values)
        for name in ("subjects", "conditions", "sessions", "leads"):
            assert tuple(found[name]) == getattr(data, name)
        assert found["participants/sex"].tolist() == ["F", ""]
        np.testing.assert_array_equal(found["splits/paper/0"], data.folds["paper"]["0"])
        check_about(json.loads(str(found["about"])), data)
        assert all(found[name].dtype != object for name in found)


def test_parquet_is_the_table(data: Dataset, tmp_path: Path, small_blocks: None) -> None:
    pa = pytest.importorskip("pyarrow.parquet")
    path = exported(data, "parquet", tmp_path / "out.parquet")
    check_table(pd.read_parquet(path), data)
    schema = pa.read_schema(path)
    check_about(json.loads(schema.metadata[b"ecgkit"]), data)
    assert pa.ParquetFile(path).num_row_groups == 4
    for name in schema.names:
        assert schema.field(name).metadata[b"description"], name


def test_huggingface_is_the_layout_that_load_dataset_knows(
    data: Dataset, tmp_path: Path, small_blocks: None
) -> None:
    pytest.importorskip("pyarrow")
    folder = exported(data, "huggingface", tmp_path / "out")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    _, head, text = readme.split("---\n", 2)
    (config,) = yaml.safe_load(head)["configs"]
    assert config["config_name"] == "default"
    (split,) = config["data_files"]
    paths = sorted(folder.glob(split["path"]))
    assert len(paths) > 1
    assert [path.name for path in paths] == [
        f"windows-{number:05d}-of-{len(paths):05d}.parquet" for number in range(len(paths))
    ]
    table = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    check_table(table, data)
    samples = np.array([[*map(list, window)] for window in table["ecg"]], dtype=np.float32)
    np.testing.assert_array_equal(samples, data.windows)
    check_about(json.loads((folder / "about.json").read_text(encoding="utf-8")), data)
    assert "SIMULATED" in text
    assert "simulated" in yaml.safe_load(head)["tags"]
    assert "load_dataset(" in text


def test_tracings_are_window_time_lead_with_a_row_each(
    data: Dataset, tmp_path: Path, small_blocks: None
) -> None:
    folder = exported(data, "tracings", tmp_path / "out")
    with h5py.File(folder / "tracings.hdf5") as file:
        assert file["tracings"].dtype == np.float32
        assert file["tracings"].shape == (N, data.windows.shape[2], len(data.leads))
        np.testing.assert_array_equal(np.swapaxes(file["tracings"][:], 1, 2), data.windows)
        check_about(json.loads(file.attrs["about"]), data)
    check_table(pd.read_csv(folder / "windows.csv"), data)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "SIMULATED" in readme
    assert "- `scale_gain/I`: physical value" in readme


@pytest.mark.parametrize("name", ["npz", "parquet", "huggingface", "tracings"])
def test_exports_have_the_same_bytes_each_time(data: Dataset, tmp_path: Path, name: str) -> None:
    if name in ("parquet", "huggingface"):
        pytest.importorskip("pyarrow")
    one, two = exported(data, name, tmp_path / "one"), exported(data, name, tmp_path / "two")
    for path in [one, *one.rglob("*")]:
        if path.is_file():
            assert path.read_bytes() == (two / path.relative_to(one)).read_bytes(), path


@pytest.fixture
def labelled_data(tmp_path: Path) -> Dataset:
    return open_dataset(write_small(tmp_path / "d.h5", labelled()))


def test_own_labels_are_columns_too(labelled_data: Dataset, tmp_path: Path, small_blocks: None) -> None:
    data, wards = labelled_data, ["ä 1"] * 4 + [None] * 4 + ["b"] * 4 + ["ä 1"] * 4
    pa = pytest.importorskip("pyarrow.parquet")
    path = exported(data, "parquet", tmp_path / "out.parquet")
    found = pa.read_table(path)
    assert found["ward"].to_pylist() == wards
    assert [found.schema.field(name).nullable for name in ("ward", "arm", "subject")] == [True, False, False]
    assert b"own label" in found.schema.field("ward").metadata[b"description"]
    folder = exported(data, "huggingface", tmp_path / "hf")
    parts = [pd.read_parquet(part)["ward"] for part in sorted(folder.glob("data/*.parquet"))]
    assert pd.concat(parts).tolist() == wards
    table = pd.read_csv(exported(data, "tracings", tmp_path / "t") / "windows.csv")
    assert table["ward"].astype(object).where(table["ward"].notna(), None).tolist() == wards
    with np.load(exported(data, "npz", tmp_path / "out.npz"), allow_pickle=False) as arrays:
        assert arrays["labels/ward"].tolist() == ["b", "ä 1"]
        assert arrays["table/ward"].tolist() == [1] * 4 + [-1] * 4 + [0] * 4 + [1] * 4
