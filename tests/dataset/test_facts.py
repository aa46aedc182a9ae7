from pathlib import Path

import h5py
import numpy as np
import pytest
from support.dataset_files import describe, labelled, part_of, parts_of, write_small

from ecgkit.dataset.facts import count_labels, count_windows, describe_people, describe_splits
from ecgkit.dataset.read import Dataset, open_dataset
from ecgkit.records import Tags


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return open_dataset(write_small(tmp_path / "d.h5", parts_of(n_visits=2)))


def test_count_windows_counts_each_once(tmp_path: Path) -> None:
    parts = [part_of(Tags("01", "rest")), part_of(Tags("02", "exercise"), n_windows=2)]
    counts = count_windows(open_dataset(write_small(tmp_path / "d.h5", parts)))
    assert counts.tolist() == [[[0, 0, 0], [2, 1, 1]], [[1, 1, 0], [0, 0, 0]]]


def test_count_labels_counts_sessions(data: Dataset, tmp_path: Path) -> None:
    found = count_labels(open_dataset(write_small(tmp_path / "own.h5", labelled())))
    assert found == {"arm": {"A": 2, "B": 2}, "ward": {"": 1, "b": 1, "ä 1": 2}}
    assert count_labels(data) == {}


def test_describe_splits_says_what_each_shows(data: Dataset) -> None:
    found = describe_splits(data)
    assert set(found) == set(data.schemes)
    assert (found["paper"].leaks, found["paper"].scores) == (True, ("state", "identity"))
    assert any(text.startswith("Leak (state and identity)") for text in found["paper"].gives_away)
    assert (found["leave-visit-out"].scores, found["leave-visit-out"].gives_away) == (("identity",), ())
    assert found["leave-subjects-out"].n_folds == 2


def test_describe_splits_looks_at_a_split_of_ones_own(tmp_path: Path) -> None:
    path = write_small(tmp_path / "d.h5")
    with h5py.File(path, "a") as file:
        file["splits/mine/a"] = np.tile([1, 2], 8).astype("|u1")
        file["splits/nothing/a"] = np.zeros(16, "|u1")
    found = describe_splits(open_dataset(path))
    assert (found["mine"].leaks, found["mine"].meaning) == (None, "")
    assert "came from recordings of which other windows were trained on" in found["mine"].gives_away[0]
    assert found["nothing"].gives_away[0].startswith("Can't be told: roles a: no window is trained on")


def test_describe_people_counts_and_names_nobody(data: Dataset, tmp_path: Path) -> None:
    assert describe_people(data) == {
        "sex": "1 F, 1 not known",
        "age": "30 to 41 years, median 35.5, of 2 subjects",
    }
    odd = describe(participants={"01": {"age": "n/a", "sex": ""}, "02": {"age": "1e9"}})
    assert describe_people(open_dataset(write_small(tmp_path / "o.h5", description=odd))) == {}
