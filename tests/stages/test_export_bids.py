from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.bids_files import full_session
from support.recordings import NOTHING_SEEN

from ecgkit.errors import StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.records import Session, Tags
from ecgkit.stages import export_bids
from ecgkit.stages.export_bids import BidsOptions
from ecgkit.stages.ingest import run_all
from ecgkit.stages.ingest.asked import Asked
from ecgkit.study.folder import create_study, open_study
from ecgkit.study.session_file import read_headers, read_session, session_path, write_session

WHOLE = (Exclusion(0.0, float("inf"), "another person"),)


def put(folder: Path, *sessions: Session, protocol: str = "dt4ecg") -> Path:
    """Put sessions into a study, without the trouble of files."""
    study = create_study(folder, protocol=protocol)
    study.sessions_folder.mkdir(exist_ok=True)
    for session in sessions:
        write_session(session_path(study, session.tags), session, NOTHING_SEEN)
    return folder


def tagged(subject: str, condition: str, visit: int = 1, take: int = 1, **changes: object) -> Session:
    return full_session(tags=Tags(subject, condition, visit, take), **changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_run_writes_every_session_that_is_not_excluded(tmp_path: Path) -> None:
    sessions = (
        tagged("02", "rest"),
        tagged("01", "deep_breathing", 2, 3),
        tagged("01", "rest", excluded=WHOLE),
    )
    study = put(tmp_path / "study", *sessions)
    summary = export_bids.run(tmp_path / "out", study_folder=study)
    assert (summary.sessions, summary.subjects, summary.tables) == (2, 2, 6)
    assert summary.left_out == {"sub-01_visit-1_cond-rest_take-1": "another person"}
    assert summary.simulated
    assert summary.size_bytes == sum(map(len, contents(tmp_path / "out").values()))
    tables = {name for name in contents(tmp_path / "out") if name.endswith("250Hz_physio.tsv.gz")}
    assert tables == {
        "sub-01/ses-2/beh/sub-01_ses-2_task-deepbreathing_run-3_recording-250Hz_physio.tsv.gz",
        "sub-02/ses-1/beh/sub-02_ses-1_task-rest_run-1_recording-250Hz_physio.tsv.gz",
    }
    assert all(map(export_bids.OWN_FILE.fullmatch, contents(tmp_path / "out")))


def test_run_writes_the_same_bytes_each_time(tmp_path: Path) -> None:
    sessions = [tagged(f"{subject:02}", "rest") for subject in range(1, 11)]
    study = put(tmp_path / "study", *sessions)
    export_bids.run(tmp_path / "one", study_folder=study, options=BidsOptions(jobs=1))
    export_bids.run(tmp_path / "two", study_folder=study, options=BidsOptions(jobs=2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_ingest_takes_an_export_back_with_equal_sessions(built_study: Path, tmp_path: Path) -> None:
    export_bids.run(tmp_path / "out", study_folder=built_study)
    summary = run_all(Asked(files=(tmp_path / "out",)), study_folder=tmp_path / "again")
    assert not any(session.outcome == "failed" for session in summary.sessions)
    before, after = (read_headers(open_study(folder)) for folder in (built_study, tmp_path / "again"))
    assert [header.tags for header in after] == [header.tags for header in before]
    for header, other in zip(before, after, strict=True):
        one, two = read_session(header.path), read_session(other.path)
        assert one.recording.channels == two.recording.channels
        assert one.recording.markers == two.recording.markers
        assert (one.ecg, one.leads, one.respiration) == (two.ecg, two.leads, two.respiration)
        assert one.recording.simulated
        assert two.recording.simulated
        for channel, copy in zip(one.recording.channels, two.recording.channels, strict=True):
            np.testing.assert_array_equal(channel.read_raw(), copy.read_raw())
            np.testing.assert_array_equal(channel.read(), copy.read())
        assert header.measures == other.measures


def test_run_takes_dates_along_only_where_they_were_kept(tmp_path: Path) -> None:
    session = tagged("01", "rest")
    dated = replace(
        session, recording=replace(session.recording, start_time=datetime(2024, 3, 1, tzinfo=UTC))
    )
    summary = export_bids.run(tmp_path / "a", study_folder=put(tmp_path / "one", session))
    assert not summary.dated
    assert not list((tmp_path / "a").rglob("*_scans.tsv"))
    summary = export_bids.run(tmp_path / "b", study_folder=put(tmp_path / "two", dated))
    assert summary.dated
    (scans,) = (tmp_path / "b").rglob("*_scans.tsv")
    assert scans.read_text(encoding="utf-8").count("2024-03-01T00:00:00Z") == 3


def test_run_takes_no_columns_along_that_nobody_asked_for(tmp_path: Path) -> None:
    study = put(tmp_path / "study", tagged("01", "rest"))
    table = "participant_id\tage\tname\tgroup\nsub-01\t33\tJo\tx\nsub-02\t44\tAl\ty\n"
    (study / "participants.tsv").write_text(table, encoding="utf-8")
    summary = export_bids.run(tmp_path / "a", study_folder=study)
    assert summary.columns_left_out == ("name", "group")
    assert (tmp_path / "a" / "participants.tsv").read_text("utf-8") == "participant_id\tage\nsub-01\t33\n"
    export_bids.run(tmp_path / "b", study_folder=study, options=BidsOptions(columns=("group",)))
    header = (tmp_path / "b" / "participants.tsv").read_text("utf-8").splitlines()[0]
    assert header == "participant_id\tage\tgroup"
    with pytest.raises(StudyError, match=r"unknown column of participants.tsv 'groups'"):
        export_bids.run(tmp_path / "c", study_folder=study, options=BidsOptions(columns=("groups",)))


def test_run_refuses_conditions_that_become_one_task(tmp_path: Path) -> None:
    study = put(tmp_path / "study", tagged("01", "deep_breathing"), tagged("01", "deepbreathing"))
    with pytest.raises(StudyError, match="'deep_breathing' and 'deepbreathing' would both be"):
        export_bids.run(tmp_path / "out", study_folder=study)
    assert not (tmp_path / "out").exists()


def test_run_refuses_a_study_without_sessions(tmp_path: Path) -> None:
    study = put(tmp_path / "study", tagged("01", "rest", excluded=WHOLE))
    with pytest.raises(StudyError, match="no session to export"):
        export_bids.run(tmp_path / "out", study_folder=study)


def test_run_replaces_its_own_export_only_if_told_to(tmp_path: Path) -> None:
    study = put(tmp_path / "study", tagged("01", "rest"))
    out = tmp_path / "out"
    out.mkdir()
    export_bids.run(out, study_folder=study)  # into an empty folder
    with pytest.raises(StudyError, match="an earlier export is here; --force replaces it"):
        export_bids.run(out, study_folder=study)
    put(study, tagged("02", "rest"))
    export_bids.run(out, study_folder=study, options=BidsOptions(force=True))
    assert {path.name for path in out.glob("sub-*")} == {"sub-01", "sub-02"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "study"]


@pytest.mark.parametrize("added", ["derivatives/a.txt", "sub-01/anat/x.nii", "README.md"])
def test_run_replaces_nothing_that_others_added(tmp_path: Path, added: str) -> None:
    study = put(tmp_path / "study", tagged("01", "rest"))
    export_bids.run(tmp_path / "out", study_folder=study)
    (tmp_path / "out" / added).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / added).write_text("mine", encoding="utf-8")
    with pytest.raises(StudyError, match=f"to which '{added}' was added"):
        export_bids.run(tmp_path / "out", study_folder=study, options=BidsOptions(force=True))
    assert (tmp_path / "out" / added).is_file()


def test_run_never_replaces_what_it_did_not_write(tmp_path: Path) -> None:
    study = put(tmp_path / "study", tagged("01", "rest"))
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for place in (study, tmp_path, tmp_path / "file"):
        with pytest.raises(StudyError, match=r"did not export|a file is in the way"):
            export_bids.run(place, study_folder=study, options=BidsOptions(force=True))
    assert open_study(study)


def test_run_leaves_nothing_behind_where_a_session_is_damaged(tmp_path: Path) -> None:
    study = put(tmp_path / "study", tagged("01", "rest"), tagged("02", "rest"))
    path = session_path(open_study(study), Tags("02", "rest"))
    data = bytearray(path.read_bytes())
    place = data.index(bytes(64), len(data) // 2)
    data[place - 4000 : place] = bytes(4000)
    path.write_bytes(data)
    with pytest.raises(StudyError):
        export_bids.run(tmp_path / "out", study_folder=study)
    assert [path.name for path in tmp_path.iterdir()] == ["study"]
