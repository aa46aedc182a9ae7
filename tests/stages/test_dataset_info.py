import json
from pathlib import Path

import pytest
from support.dataset_files import labelled, write_small

from ecgkit.dataset.read import open_dataset
from ecgkit.errors import DatasetError
from ecgkit.stages import dataset_info


def test_run_says_what_is_in_it(built_study: Path) -> None:
    path = built_study / "dataset.h5"
    found, data = dataset_info.run(path), open_dataset(path)
    shown = found.as_json()
    json.dumps(shown, allow_nan=False)
    assert (shown["windows"], shown["simulated"], shown["stale"]) == (len(data), True, [])
    assert shown["bytes"] == path.stat().st_size
    counts = shown["windows_by_subject_and_condition"]
    assert sum(n for row in counts.values() for cell in row.values() for n in cell.values()) == len(data)
    assert list(counts["01"]["rest"]) == ["reject", "doubtful", "accept"]
    assert set(shown["sessions"]) == set(data.sessions)
    assert shown["splits"]["leave-visit-out"]["scores"] == ["identity"]
    assert shown["splits"]["blocked"]["leaks"]


def test_run_says_that_the_study_has_changed(study: Path) -> None:
    (study / "sessions" / "sub-01_visit-1_cond-rest_take-1.h5").unlink()
    assert "the study has changed" in dataset_info.run(study / "dataset.h5").stale[0]


def test_head_is_the_table_as_plain_values(built_study: Path) -> None:
    path = built_study / "dataset.h5"
    rows, table = dataset_info.head(path, n_rows=25), open_dataset(path).table
    json.dumps(rows, allow_nan=False)
    assert len(rows) == 25
    assert [row["session"] for row in rows] == table["session"][:25].tolist()
    assert rows[1]["start_s"] == 3.0
    assert {row["quality"] for row in rows} <= {"reject", "doubtful", "accept"}
    assert len(dataset_info.head(path, n_rows=10_000)) == len(table)


def test_run_without_a_data_set_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="ecgkit build-dataset"):
        dataset_info.run(tmp_path / "dataset.h5")


def test_run_and_head_say_own_labels(tmp_path: Path) -> None:
    path = write_small(tmp_path / "d.h5", labelled())
    shown = dataset_info.run(path).as_json()
    assert shown["sessions_by_label"] == {"arm": {"A": 2, "B": 2}, "ward": {"": 1, "b": 1, "ä 1": 2}}
    rows = dataset_info.head(path, n_rows=5)
    assert [row["ward"] for row in rows] == ["ä 1"] * 4 + [None]
