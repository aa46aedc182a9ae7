"""A data set of every version there was goes on being read; golden/make.py made them."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgkit.dataset.read import READERS, open_dataset
from ecgkit.dataset.schema import FORMAT_VERSION, HASH
from ecgkit.h5 import content_sha256
from ecgkit.stages import dataset_verify

GOLDEN = Path(__file__).parent / "golden"
MOST_BYTES = 50_000


def test_golden_file_is_there_for_every_version() -> None:
    assert {path.name for path in GOLDEN.iterdir() if path.is_dir() and path.name[0].isdigit()} == set(
        READERS
    )
    assert FORMAT_VERSION in READERS


@pytest.mark.parametrize("version", READERS)
def test_golden_file_is_what_was_written(version: str) -> None:
    path = GOLDEN / version / "dataset.h5"
    assert path.stat().st_size <= MOST_BYTES
    data = open_dataset(path)
    assert data.simulated
    with h5py.File(path) as file:
        assert file.attrs["format_version"].decode() == version
        assert content_sha256(file, but=HASH) == data.sha256
    assert not [item for item in dataset_verify.run(path).findings if item.severity == "fault"]


def test_golden_1_2_in_shards_reads_as_the_one_file() -> None:
    one, several = (open_dataset(GOLDEN / "1.2" / name) for name in ("dataset.h5", "shards/dataset.h5"))
    assert [file.stat().st_size <= MOST_BYTES for file in several.files] == [True] * 4
    assert several.sha256 == one.sha256
    np.testing.assert_array_equal(several.windows, one.windows)
    with h5py.File(several.path) as file:
        np.testing.assert_array_equal(file["windows"], one.windows)
    assert not [item for item in dataset_verify.run(several.path).findings if item.severity == "fault"]


def test_golden_1_2_reads_as_it_did() -> None:
    data = open_dataset(GOLDEN / "1.2" / "dataset.h5")
    assert data.sha256 == "434c7529f611144b0b9180e7538c06748e1b288883a6820f46ad223074c90946"
    assert (data.subjects, data.conditions, data.leads) == (("01", "02"), ("exercise", "rest"), ("I", "II"))
    assert (data.fs, data.window_s, data.unit, data.study) == (10.0, 3.0, "mV", "golden – é")
    assert data.windows.shape == (32, 2, 30)
    assert data.windows[0, 0, :2].tolist() == [0.219037264585495, 0.955618679523468]
    assert data.windows[-1, 1, -2:].tolist() == [0.513580858707428, 0.04817979782819748]
    assert data.columns["heart_rate_bpm"][2:4].tolist() == [68.57142639160156, 72.85713958740234]
    assert np.isnan(data.columns["heart_rate_bpm"][1])
    assert data.columns["scale_gain"][0].tolist() == [3.0, 3.0]
    assert data.columns["start_s"].tolist() == 8 * [0.0, 3.0, 6.0, 9.0]
    assert data.columns["quality"].tolist() == 8 * [0, 1, 2, 0]
    assert data.participants == {"age": ("30", "41"), "sex": ("F", "")}
    assert data.table["session"][5] == "sub-01_visit-2_cond-exercise_take-1"
    assert data.sources["sub-01_visit-1_cond-exercise_take-1"] == {
        "channels": ["ECG 0", "ECG 1"],
        "excluded_s": [[4.0, 7.5], [100.0, None]],
        "sha256": "11".rjust(64, "0"),
        "span_s": [30.0, 210.0],
    }
    assert data.left_out["sub-03_visit-1_cond-rest_take-1"]["reason"] == "too short"
    assert data.own_labels == {"electrode": ("dry – Ω", "gel")}
    assert data.texts("electrode")[::4].tolist() == 2 * ["gel", None, "dry – Ω", "gel"]
    schemes = (
        "blocked",
        "leave-condition-out",
        "leave-subjects-out",
        "leave-visit-out",
        "paper",
        "paper-kfold",
    )
    assert data.schemes == schemes
    roles = "11212121112211112111121212111211"
    assert data.split("paper")["0"].tolist() == [int(role) for role in roles]


def test_golden_file_is_read_by_h5py_alone() -> None:
    with h5py.File(GOLDEN / "1.2" / "dataset.h5") as file:
        assert file.attrs["study"].decode() == "golden – é"
        assert file["labels/electrode"].asstr()[:].tolist() == ["dry – Ω", "gel"]
        assert file["participants/sex"].asstr()[:].tolist() == ["F", ""]
        assert json.loads(file["about/pipeline"][()]) == {"fs": 10.0, "scale": "recording"}
