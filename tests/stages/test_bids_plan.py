from __future__ import annotations

from pathlib import Path

import pytest
from support.bids_files import full_session, write_json, write_table

from ecgkit.errors import ReadError, StudyError
from ecgkit.exports.bids_session import Task, write_session
from ecgkit.records import Tags
from ecgkit.stages.bids_plan import is_bids, plan_bids

SIDECAR = {"SamplingFrequency": 100, "StartTime": 0, "Columns": ["ecg"]}


def data_set(folder: Path, *tables: str, **sidecar: object) -> Path:
    """A data set of other people's with these tables, named without their end."""
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
    sessions = plan_bids(folder, **options)  # type: ignore[arg-type]
    return [(session.tags.key, session.file.relative_to(folder).as_posix()) for session in sessions]


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
    sessions = plan_bids(tmp_path)
    assert [session.tags for session in sessions] == tags
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
    sessions = plan_bids(data_set(tmp_path, *names[:3]))
    assert [(s.tags.subject, s.tags.visit) for s in sessions] == [("a", 1), ("a", 2), ("b", 2)]
    assert sessions[0].warnings == ("ses-post of the data set was taken for visit 1",)
    assert sessions[1].warnings == ("ses-pre of the data set was taken for visit 2",)


def test_plan_numbers_recordings_that_their_run_does_not_tell_apart(tmp_path: Path) -> None:
    names = ("acq-a_run-1", "acq-b_run-1", "acq-b_run-2")
    sessions = plan_bids(data_set(tmp_path, *(f"sub-01/beh/sub-01_task-rest_{name}" for name in names)))
    assert [session.tags.take for session in sessions] == [1, 2, 3]
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
        plan_bids(data_set(tmp_path))


def test_plan_refuses_labels_that_are_no_ids(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"sub-a\+b_task-rest_physio.tsv.gz: subject id 'a\+b'"):
        plan_bids(data_set(tmp_path, "sub-a+b/beh/sub-a+b_task-rest"))


def test_plan_follows_no_link_out_of_the_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    data_set(folder, "sub-01/beh/sub-01_task-rest")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "sub-02_task-rest_physio.tsv.gz").write_bytes(b"")
    (folder / "sub-02").mkdir()
    (folder / "sub-02" / "beh").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StudyError, match="a link out of the data set"):
        plan_bids(folder)


def test_plan_takes_links_into_the_data_sets_own_store(tmp_path: Path) -> None:
    folder = data_set(tmp_path, "sub-01/beh/sub-01_task-rest")
    table = folder / "sub-01/beh/sub-01_task-rest_physio.tsv.gz"
    (folder / ".git").mkdir()
    table.rename(folder / ".git" / "content")
    table.symlink_to(folder / ".git" / "content")
    assert len(plan_bids(folder)) == 1
