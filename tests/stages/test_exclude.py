from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.studies import make_study

from ecgkit.errors import StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.records import Tags
from ecgkit.stages import exclude, verify
from ecgkit.study.changing import read_log
from ecgkit.study.folder import Study, open_study
from ecgkit.study.session_file import read_header, read_observations, read_session, session_path

KEY = "sub-07_visit-1_cond-rest_take-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("made") / "study", ["07"], conditions=("rest", "exercise"))


@pytest.fixture
def some(made: Study, tmp_path: Path) -> Study:
    """A copy of a study of one subject, 20 s at rest and 20 s in exercise."""
    return open_study(shutil.copytree(made.folder, tmp_path / "study"))


def test_exclude_a_span_measures_the_rest_again(some: Study) -> None:
    path = session_path(some, Tags("07", "rest"))
    before, samples = read_observations(path), read_session(path).recording.channels[0].read_raw()
    made = exclude.run(some.folder, KEY, start_s=5, stop_s=12.5, reason="cable was  loose")
    assert (made.exclusions, made.changed) == ((Exclusion(5.0, 12.5, "cable was loose"),), True)
    assert read_header(path).excluded == made.exclusions
    after = read_observations(path)
    beats_s = np.concatenate(after.beats_s)
    assert not np.any((beats_s >= 5) & (beats_s < 12.5))
    np.testing.assert_array_equal(
        beats_s, [time_s for time_s in np.concatenate(before.beats_s) if not 5 <= time_s < 12.5]
    )
    assert after.measures.rhythm.n_beats < before.measures.rhythm.n_beats
    assert after.warnings == before.warnings
    np.testing.assert_array_equal(read_session(path).recording.channels[0].read_raw(), samples)
    (entry,) = read_log(some)
    assert entry.pop("at")
    assert entry == {
        "action": "exclude",
        "session": KEY,
        "start_s": 5,
        "stop_s": 12.5,
        "sha256": read_header(path).sha256,
        "reason": "cable was loose",
    }
    assert verify.run(some.folder).is_sound


def test_include_takes_everything_back_bit_for_bit(some: Study) -> None:
    before = {path.name: path.read_bytes() for path in some.session_paths()}
    exclude.run(some.folder, KEY, start_s=5, stop_s=10, reason="loose")
    exclude.run(some.folder, KEY, start_s=12, reason="coughing")
    exclude.run(some.folder, KEY, reason="wrong person")
    made = exclude.undo(some.folder, KEY)
    assert (made.exclusions, made.changed) == ((), True)
    assert {path.name: path.read_bytes() for path in some.session_paths()} == before
    assert [entry["reason"] for entry in read_log(some) if entry["action"] == "include"] == [
        "wrong person",
        "loose",
        "coughing",
    ]


def test_include_takes_one_span_back(some: Study) -> None:
    exclude.run(some.folder, KEY, start_s=5, stop_s=10, reason="loose")
    exclude.run(some.folder, KEY, start_s=12, reason="coughing")
    assert exclude.undo(some.folder, KEY, start_s=5, stop_s=10).exclusions == (
        Exclusion(12, math.inf, "coughing"),
    )
    with pytest.raises(StudyError, match="0:05 to 0:10 was not excluded; excluded are: 0:12 to the end"):
        exclude.undo(some.folder, KEY, start_s=5, stop_s=10)


def test_exclude_the_whole_session_keeps_what_was_seen(some: Study) -> None:
    path = session_path(some, Tags("07", "rest"))
    before = read_observations(path)
    exclude.run(some.folder, KEY, start_s=0, stop_s=20, reason="wrong person")
    assert read_header(path).is_excluded
    assert read_observations(path).measures == before.measures
    assert exclude.undo(some.folder, KEY).exclusions == ()


def test_exclude_again_changes_the_reason_only(some: Study) -> None:
    exclude.run(some.folder, KEY, start_s=5, stop_s=10, reason="loose")
    path = session_path(some, Tags("07", "rest"))
    before = path.read_bytes(), len(read_log(some))
    assert not exclude.run(some.folder, KEY, start_s=5, stop_s=10, reason="loose").changed
    assert (path.read_bytes(), len(read_log(some))) == before
    made = exclude.run(some.folder, KEY, start_s=5, stop_s=10, reason="cable")
    assert made.exclusions == (Exclusion(5, 10, "cable"),)


def test_include_of_nothing_writes_nothing(some: Study) -> None:
    before = {path: path.stat().st_mtime_ns for path in some.folder.rglob("*")}
    assert not exclude.undo(some.folder, KEY).changed
    assert {path: path.stat().st_mtime_ns for path in some.folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("start_s", "stop_s"), [(10, 5), (5, 5), (20, None), (25, 30), (math.nan, None), (-1, 5), (None, 0)]
)
def test_exclude_refuses_a_span_that_is_none(
    some: Study, start_s: float | None, stop_s: float | None
) -> None:
    with pytest.raises(StudyError, match="expected a start before the stop, and within the session's 20 s"):
        exclude.run(some.folder, KEY, start_s=start_s, stop_s=stop_s, reason="loose")


def test_listed_are_the_sessions_with_exclusions(some: Study) -> None:
    assert exclude.listed(some.folder) == ()
    exclude.run(some.folder, KEY, start_s=5, stop_s=10, reason="loose")
    (found,) = exclude.listed(some.folder)
    assert (found.session, found.exclusions) == (KEY, (Exclusion(5, 10, "loose"),))
