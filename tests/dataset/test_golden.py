"""A data set of every version there was goes on being read; golden/make.py made them."""

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
        assert file.attrs["format_version"] == version
        assert content_sha256(file, but=HASH) == data.sha256
    assert not [item for item in dataset_verify.run(path).findings if item.severity == "fault"]


def test_golden_1_1_reads_as_it_did() -> None:
    data = open_dataset(GOLDEN / "1.1" / "dataset.h5")
    assert data.sha256 == "cf5ed529f09e2d98ec6390bf82d9f4a71a460367a29e7dd26989b7bd369f72b5"
    assert (data.subjects, data.conditions, data.leads) == (("01", "02"), ("exercise", "rest"), ("I",))
    assert (data.fs, data.window_s, data.unit, data.study) == (40.0, 2.0, "mV", "golden")
    assert data.windows.shape == (20, 1, 80)
    assert data.windows[0, 0, :2].tolist() == [0.28795740008354187, 0.3080841600894928]
    assert data.windows[-1, 0, -2:].tolist() == [0.3436964452266693, 0.3178356885910034]
    assert data.columns["heart_rate_bpm"][:2].tolist() == [115.38461303710938, 114.50381469726562]
    assert data.columns["scale_gain"][0].tolist() == [1.0200889311542705]
    assert data.columns["start_s"].tolist() == 4 * [0.0, 4.0, 8.0, 12.0, 16.0]
    np.testing.assert_array_equal(data.columns["quality"], 2)
    assert data.participants == {"age": ("30", "41"), "sex": ("F", "M")}
    assert data.table["session"][5] == "sub-01_visit-1_cond-rest_take-1"
    assert data.schemes == ("blocked", "leave-condition-out", "leave-subjects-out", "paper", "paper-kfold")
    assert data.split("paper")["0"].tolist() == [1, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 1, 1, 2]
