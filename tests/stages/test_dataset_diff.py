from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.dataset_files import describe, labelled, part_of, parts_of, write_small

from ecgkit.errors import DatasetError
from ecgkit.records import Tags
from ecgkit.stages import dataset_diff


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small(tmp_path / "a.h5")


def test_run_of_a_data_set_and_its_copy_finds_nothing(path: Path, tmp_path: Path) -> None:
    found = dataset_diff.run(path, write_small(tmp_path / "b.h5"))
    assert found.is_same
    assert (found.windows.equal, found.windows.different, found.windows.largest) == (16, 0, 0.0)
    shown = found.as_json()
    assert not any(shown[name] for name in ("attributes", "pipeline", "split_settings", "participants"))


def test_run_names_settings_that_differ(path: Path, tmp_path: Path) -> None:
    other = describe(unit="V", pipeline={"scale": "none", "new": 1}, versions={"ecgkit": "y"})
    found = dataset_diff.run(path, write_small(tmp_path / "b.h5", description=other))
    assert set(found.attributes) == {"unit", "versions"}
    assert found.attributes["unit"] == ("mV", "V")
    assert found.pipeline == {"fs": (10.0, None), "new": (None, 1), "scale": ("recording", "none")}
    assert not found.is_same


def test_run_names_sessions_of_one_only_and_of_other_sources(path: Path, tmp_path: Path) -> None:
    parts = parts_of()
    parts = [*parts[1:3], replace(parts[3], sha256="f" * 64), part_of(Tags("03", "rest"))]
    other = describe(participants={"01": {"sex": "F", "age": "31"}, "02": {"sex": "", "age": "41"}})
    found = dataset_diff.run(path, write_small(tmp_path / "b.h5", parts, other))
    assert found.sessions_added == ("sub-03_visit-1_cond-rest_take-1",)
    assert found.sessions_removed == ("sub-01_visit-1_cond-exercise_take-1",)
    assert found.sessions_changed == ("sub-02_visit-1_cond-rest_take-1",)
    assert found.participants == ("01",)
    assert (found.windows.only_a, found.windows.only_b, found.windows.equal) == (4, 4, 12)


def test_run_measures_how_far_samples_and_columns_are_apart(path: Path, tmp_path: Path) -> None:
    parts = parts_of()
    windows = parts[2].windows.copy()
    windows[1, 0, 4] += 0.25
    windows[2] = np.nan
    columns = {**parts[2].columns, "heart_rate_bpm": np.array([np.nan, np.nan, 68.571429, 72.857143])}
    parts[2] = replace(parts[2], windows=windows, columns=columns)
    found = dataset_diff.run(path, write_small(tmp_path / "b.h5", parts)).windows
    assert (found.equal, found.different) == (14, 2)
    assert found.largest == pytest.approx(0.25, abs=1e-6)
    assert found.columns == {"heart_rate_bpm": 1}  # NaN is NaN


def test_run_does_not_compare_samples_of_other_leads(path: Path, tmp_path: Path) -> None:
    found = dataset_diff.run(path, write_small(tmp_path / "b.h5", parts_of(3), describe(3)))
    assert (found.same_shape, found.windows.equal, found.windows.different) == (False, 0, 0)
    assert found.attributes["leads"] == (("I",), ("I", "II", "III"))
    assert not found.is_same
    json.dumps(found.as_json(), allow_nan=False)


def test_run_compares_splits(path: Path, tmp_path: Path) -> None:
    import h5py

    other = write_small(tmp_path / "b.h5")
    with h5py.File(other, "a") as file:
        del file["splits/blocked"]
        file["splits/paper/0"][0] = 3 - file["splits/paper/0"][0]
        file["splits/mine/x"] = np.tile([1, 2], 8).astype("|u1")
    found = dataset_diff.run(path, other)
    assert (found.splits_added, found.splits_removed) == (("mine/x",), ("blocked/0", "blocked/1"))
    assert found.windows.folds == {("paper", "0"): 1}


def test_run_refuses_what_is_no_data_set(path: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no data set here"):
        dataset_diff.run(path, tmp_path / "none.h5")


def test_run_compares_own_labels(tmp_path: Path) -> None:
    parts = labelled()
    parts[0] = replace(parts[0], labels={"arm": "B", "ward": ""})
    parts[1] = replace(parts[1], labels={"arm": "A", "ward": "c"})
    one, two = write_small(tmp_path / "a.h5", labelled()), write_small(tmp_path / "b.h5", parts)
    found = dataset_diff.run(one, two)
    assert found.windows.columns == {"ward": 8}
    assert found.attributes.keys() == {"own_labels"}
    json.dumps(found.as_json(), allow_nan=False)
    assert dataset_diff.run(one, write_small(tmp_path / "c.h5")).attributes["own_labels"][1] == {}
