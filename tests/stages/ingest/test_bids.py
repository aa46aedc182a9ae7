from __future__ import annotations

from pathlib import Path

import pytest
from support.bids_files import full_session, write_json, write_table

from ecgkit.errors import ReadError, StudyError
from ecgkit.exports.bids_session import Task, write_session
from ecgkit.records import Tags
from ecgkit.stages.ingest import IngestOptions, run_all
from ecgkit.stages.ingest.asked import Asked
from ecgkit.stages.ingest.bids import is_bids, read_bids
from ecgkit.stages.ingest.plan import Row

SIDECAR = {"SamplingFrequency": 100, "StartTime": 0, "Columns": ["ecg"]}


def data_set(folder: Path, *tables: str, **sidecar: object) -> Path:
    """A data set of other people's with these tables, named without their end."""
    folder.mkdir(exist_ok=True)
    write_json(folder / "dataset_description.json", {"Name": "a", "BIDSVersion": "1.8.0"})
    write_json(folder / "task-all_physio.json", SIDECAR)
    for table in tables:
        path = folder / f"{table}_physio.tsv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, "1\n")
        write_json(folder / f"{table}_physio.json", {**SIDECAR, **sidecar})
    return folder


def planned(folder: Path, **options: object) -> list[tuple[str, str]]:
    """The sessions' tags, and their tables from the data set on."""
    rows = read_bids(folder, **options)  # type: ignore[arg-type]
    return [(tags_of(row).key, row.file.relative_to(folder).as_posix()) for row in rows]


def tags_of(row: Row) -> Tags:
    return Tags(row.subject, row.condition or "", row.visit, row.take)


def test_is_bids_asks_for_a_version(tmp_path: Path) -> None:
    assert not is_bids(tmp_path)
    write_json(tmp_path / "dataset_description.json", {"Name": "a"})
    assert not is_bids(tmp_path)
    assert is_bids(data_set(tmp_path))
    (tmp_path / "dataset_description.json").write_text("{", encoding="utf-8")
    with pytest.raises(ReadError, match="can't be read"):
        is_bids(tmp_path)


def test_plan_gives_an_export_its_tags_again(tmp_path: Path) -> None:
    data_set(tmp_path)
    tags = [Tags("01", "deep_breathing", 2, 3), Tags("01", "rest"), Tags("a7", "rest", 12, 1)]
    for one in tags:
        task = Task(one.condition.replace("_", ""), one.condition, "")
        write_session(tmp_path, full_session(tags=one), task)
    sessions = read_bids(tmp_path)
    assert [tags_of(row) for row in sessions] == tags
    assert not any(session.warnings for session in sessions)
    assert all(session.file.is_file() for session in sessions)
    assert sessions[1].file == tmp_path / (
        "sub-01/ses-1/beh/sub-01_ses-1_task-rest_run-1_recording-0p333333Hz_physio.tsv.gz"
    )


def test_plan_takes_task_ses_and_run_of_other_data_sets(tmp_path: Path) -> None:
    folder = data_set(
        tmp_path,
        "sub-01/ses-02/func/sub-01_ses-02_task-Rest_run-01",
        "sub-01/ses-02/func/sub-01_ses-02_task-Rest_run-04",
        "sub-x/beh/sub-x_task-deepBreathing",
    )
    assert [key for key, _ in planned(folder, conditions=["rest", "deep_breathing"])] == [
        "sub-01_visit-2_cond-rest_take-1",
        "sub-01_visit-2_cond-rest_take-4",
        "sub-x_visit-1_cond-deep_breathing_take-1",
    ]


@pytest.mark.parametrize(
    ("task", "condition"),
    [("Rest", "rest"), ("2back", "task_2back"), ("a+b", "a_b"), ("x" * 60, "x" * 27)],
)
def test_plan_makes_a_condition_of_any_task(tmp_path: Path, task: str, condition: str) -> None:
    ((key, _),) = planned(data_set(tmp_path, f"sub-01/beh/sub-01_task-{task}"))
    assert key == f"sub-01_visit-1_cond-{condition}_take-1"


def test_plan_without_a_task_says_so_by_the_condition(tmp_path: Path) -> None:
    ((key, _),) = planned(data_set(tmp_path, "sub-01/anat/sub-01_acq-a"))
    assert key == "sub-01_visit-1_cond-task_take-1"


def test_plan_numbers_visits_that_have_names_alike_for_all(tmp_path: Path) -> None:
    names = [
        f"sub-{who}/ses-{when}/beh/sub-{who}_ses-{when}_task-rest" for who in "ab" for when in ("pre", "post")
    ]
    sessions = read_bids(data_set(tmp_path, *names[:3]))
    assert [(row.subject, row.visit) for row in sessions] == [("a", 1), ("a", 2), ("b", 2)]
    said = (
        "the visits (ses) of the data set have no numbers from 1 to 9999 of their own; they were numbered in "
        "the order of their names"
    )
    assert [row.warnings for row in sessions] == [(said,)] * 3


def test_plan_numbers_recordings_that_their_run_does_not_tell_apart(tmp_path: Path) -> None:
    names = ("acq-a_run-1", "acq-b_run-1", "acq-b_run-2")
    sessions = read_bids(data_set(tmp_path, *(f"sub-01/beh/sub-01_task-rest_{name}" for name in names)))
    assert [row.take for row in sessions] == [1, 2, 3]
    assert "numbered in the order of their names" in sessions[0].warnings[0]


def test_plan_takes_tables_of_one_recording_together(tmp_path: Path) -> None:
    names = (f"sub-01/beh/sub-01_task-rest_recording-{name}" for name in ("breathing", "cardiac"))
    assert len(planned(data_set(tmp_path, *names))) == 1


def test_plan_leaves_gaze_out(tmp_path: Path) -> None:
    folder = data_set(tmp_path, "sub-01/beh/sub-01_task-rest_recording-eye1", PhysioType="eyetrack")
    data_set(folder, "sub-01/beh/sub-01_task-rest_recording-zecg")
    assert [where for _, where in planned(folder)] == [
        "sub-01/beh/sub-01_task-rest_recording-zecg_physio.tsv.gz"
    ]


def test_plan_keeps_recordings_that_can_not_be_read(tmp_path: Path) -> None:
    folder = data_set(tmp_path, "sub-01/beh/sub-01_task-rest", "sub-02/beh/sub-02_task-rest")
    (folder / "sub-01/beh/sub-01_task-rest_physio.json").write_text("{", encoding="utf-8")
    assert len(planned(folder)) == 2  # reading it will say what is wrong


def test_plan_refuses_a_data_set_without_recordings(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no physiological recording"):
        read_bids(data_set(tmp_path))


def test_ingest_names_labels_that_are_no_ids_and_takes_the_others(tmp_path: Path) -> None:
    folder = data_set(tmp_path / "bids", *(f"sub-{who}/beh/sub-{who}_task-rest" for who in ("a+b", "c")))
    options = IngestOptions(dry_run=True, jobs=1)
    first, other = run_all(Asked((folder,)), study_folder=tmp_path / "study", options=options).sessions
    assert (first.file.name, first.outcome) == ("sub-a+b_task-rest_physio.tsv.gz", "failed")
    assert "subject id 'a+b'" in str(first.error)
    assert other.outcome == "new"


def test_plan_follows_no_link_out_of_the_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    data_set(folder, "sub-01/beh/sub-01_task-rest")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "sub-02_task-rest_physio.tsv.gz").write_bytes(b"")
    (folder / "sub-02").mkdir()
    (folder / "sub-02" / "beh").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StudyError, match="a link out of the data set"):
        read_bids(folder)


def test_plan_takes_links_into_the_data_sets_own_store(tmp_path: Path) -> None:
    folder = data_set(tmp_path, "sub-01/beh/sub-01_task-rest")
    table = folder / "sub-01/beh/sub-01_task-rest_physio.tsv.gz"
    (folder / ".git").mkdir()
    table.rename(folder / ".git" / "content")
    table.symlink_to(folder / ".git" / "content")
    assert len(read_bids(folder)) == 1
