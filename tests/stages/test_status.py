import dataclasses
import math
import shutil
from pathlib import Path

import pytest
from support.studies import session_of

from ecgkit.exclusions import Exclusion
from ecgkit.records import Tags
from ecgkit.stages import status
from ecgkit.stages.measuring import observe
from ecgkit.study.folder import create_study
from ecgkit.study.session_file import session_path, write_session


def test_status_of_a_complete_study(built_study: Path) -> None:
    found = status.run(built_study)
    assert len(found.sessions) == 24
    assert found.missing == ()
    assert found.dataset == built_study / "dataset.h5"
    assert list(found.rows)[:3] == [("01", 1), ("01", 2), ("02", 1)]
    assert found.conditions == ("rest", "exercise", "deep_breathing")
    assert found.next_commands == ("ecgkit train",)


def test_status_judges_every_session_and_names_each_that_is_not_right(built_study: Path) -> None:
    found = status.run(built_study)  # of 30 s, where the protocol wants a minute at least
    assert {seen.state for seen in found.sessions} <= {"fail", "other"}
    assert len(found.points) == 24
    assert set(found.rows_to_see) == set(found.rows)
    shown = found.as_json()
    assert [row["session"] for row in shown["sessions"]] == [s.header.tags.key for s in found.sessions]
    duration, *_ = shown["sessions"][0]["compliance"]["checks"]
    assert (duration["measure"], duration["value"], duration["verdict"]) == ("duration_s", 30.0, "fail")
    assert {point["session"] for point in shown["points"]} == {row["session"] for row in shown["sessions"]}


def test_status_names_what_is_missing(study: Path) -> None:
    (study / "sessions" / "sub-03_visit-2_cond-exercise_take-1.h5").unlink()
    found = status.run(study)
    assert found.missing == (("03", 2, "exercise"),)
    [point] = [point for point in found.points if point.state == "missing"]
    assert point.command == "ecgkit ingest FILE --subject 03 --condition exercise --visit 2"
    assert "23 sessions of 4 subjects (" in found.summary
    assert found.summary.endswith("); 1 missing.")


def test_status_of_an_empty_study(tmp_path: Path) -> None:
    create_study(tmp_path, protocol="dt4ecg")
    found = status.run(tmp_path)
    assert (found.sessions, found.missing, found.points) == ((), (), ())
    assert (found.dataset, found.n_runs) == (None, 0)
    assert found.next_commands == ("ecgkit ingest FILE --subject ID --condition KEY",)


def test_status_says_when_the_data_set_is_behind_or_damaged(study: Path) -> None:
    assert status.run(study).stale == ()
    (study / "sessions" / "sub-03_visit-2_cond-exercise_take-1.h5").unlink()
    assert "the study has changed" in status.run(study).stale[0]
    (study / "dataset.h5").write_bytes(b"not HDF5")
    assert "damaged" in status.run(study).stale[0]


@pytest.fixture(scope="module")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three minutes in each condition of one subject, simulated. Read only."""
    study = create_study(tmp_path_factory.mktemp("small") / "study", protocol="dt4ecg")
    for condition in ("rest", "exercise", "deep_breathing"):
        session = session_of(Tags("01", condition), number=1, duration_s=180.0)
        write_session(session_path(study, session.tags), session, observe(session))
    return study.folder


def test_status_of_sessions_that_are_what_they_should_be(small_study: Path) -> None:
    found = status.run(small_study)
    assert [seen.state for seen in found.sessions] == ["ok", "ok", "ok"]
    assert found.points == ()
    assert found.summary == "3 sessions of 1 subject (3 ok); 0 missing."


def test_status_finds_swapped_labels_and_what_is_excluded(small_study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_study, tmp_path / "study"))
    study = status.run(folder).study
    for condition, other in (("rest", "exercise"), ("exercise", "rest")):
        session = session_of(Tags("01", other), number=1, duration_s=180.0)
        session = dataclasses.replace(session, tags=Tags("01", condition))
        write_session(session_path(study, session.tags), session, observe(session))
    asleep = dataclasses.replace(
        session_of(Tags("01", "deep_breathing"), number=1, duration_s=180.0),
        excluded=(Exclusion(0, math.inf, "fell asleep"),),
    )
    write_session(session_path(study, asleep.tags), asleep, observe(asleep))
    found = status.run(folder)
    assert [seen.state for seen in found.sessions] == ["other", "other", "excluded"]
    assert [point.command.split()[1] for point in found.points if point.command] == ["retag"]
    assert found.summary == "3 sessions of 1 subject (1 excluded, 2 looks like another); 0 missing."


def test_rows_to_see_has_the_worst_first(small_study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_study, tmp_path / "study"))
    study = status.run(folder).study
    session = session_of(Tags("02", "rest"), number=1, duration_s=20.0)
    write_session(session_path(study, session.tags), session, observe(session))
    whole = session_of(Tags("03", "rest"), number=1, duration_s=180.0)
    write_session(session_path(study, whole.tags), whole, observe(whole))
    assert status.run(folder).rows_to_see == (("02", 1), ("03", 1))  # too short; two are missing


def test_status_names_a_damaged_file_and_shows_the_others(small_study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_study, tmp_path / "study"))
    whole = status.run(folder)
    damaged = whole.sessions[0].header.path
    damaged.write_bytes(damaged.read_bytes()[:3000])
    found = status.run(folder)
    assert len(found.sessions) == len(whole.sessions) - 1
    (point,) = [point for point in found.points if point.kinds == ("a damaged file",)]
    assert (point.state, point.who) == ("fail", f"file {damaged.name}")
    assert point.text.startswith("damaged, or not a whole ecgkit-session file")
