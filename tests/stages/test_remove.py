from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.studies import make_study

from ecgkit.errors import StudyError
from ecgkit.records import Tags
from ecgkit.stages import remove, verify
from ecgkit.study.changing import read_log
from ecgkit.study.folder import Study, open_study, read_participants
from ecgkit.study.session_file import read_headers, session_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(
        tmp_path_factory.mktemp("made") / "study", ["07", "08"], conditions=("rest", "exercise")
    )


@pytest.fixture
def some(made: Study, tmp_path: Path) -> Study:
    """A copy of a study of two subjects at rest and in exercise."""
    return open_study(shutil.copytree(made.folder, tmp_path / "study"))


def test_remove_takes_the_session_and_keeps_its_tags_and_hash(some: Study) -> None:
    sha256 = {header.tags.key: header.sha256 for header in read_headers(some)}
    gone = remove.run(some.folder, ["07_visit-1_cond-rest"], reason="broken cable")
    assert (gone.sessions, gone.done) == (("sub-07_visit-1_cond-rest_take-1",), True)
    assert not session_path(some, Tags("07", "rest")).exists()
    assert len(some.session_paths()) == 3
    (entry,) = read_log(some)
    assert entry.pop("at")
    assert entry == {
        "action": "remove",
        "session": gone.sessions[0],
        "sha256": sha256[gone.sessions[0]],
        "reason": "broken cable",
    }
    assert verify.run(some.folder).findings == ()


def test_remove_all_of_a_subject_keeps_what_the_participant_s_row_says(some: Study) -> None:
    (some.folder / "participants.tsv").write_text("participant_id\tage\nsub-07\t31\nsub-08\tn/a\n")
    remove.run(some.folder, [], subject="07", reason="ill")
    assert set(read_participants(some)) == {"07", "08"}
    remove.run(some.folder, [], subject="08", reason="ill")
    assert set(read_participants(some)) == {"07"}
    assert some.session_paths() == ()


def test_remove_takes_each_session_once(some: Study) -> None:
    name = "sub-07_visit-1_cond-rest_take-1.h5"
    assert len(remove.run(some.folder, [name, f"study/sessions/{name}"], reason="ill").sessions) == 1


@pytest.mark.parametrize(
    ("names", "subject", "message"),
    [
        ((), None, "expected SESSIONs, or --subject"),
        (("07",), "07", "and not both"),
        (("07",), None, "'07' may mean"),
        (("07_visit-1_cond-rest", "nobody"), None, "no session 'nobody'"),
        ((), "09", "no session of subject '09'"),
    ],
)
def test_remove_refuses_and_removes_nothing(
    some: Study, names: tuple[str, ...], subject: str | None, message: str
) -> None:
    before = {path: path.read_bytes() for path in some.folder.rglob("*") if path.is_file()}
    with pytest.raises(StudyError, match=message):
        remove.run(some.folder, names, subject=subject, reason="ill")
    assert {path: path.read_bytes() for path in some.folder.rglob("*") if path.is_file()} == before


def test_remove_dry_run_removes_nothing(some: Study) -> None:
    gone = remove.run(some.folder, [], subject="07", reason="ill", dry_run=True)
    assert (len(gone.sessions), gone.done) == (2, False)
    assert len(some.session_paths()) == 4


def test_remove_names_the_rows_of_labels_that_are_about_nobody_now(some: Study) -> None:
    some.labels_path.write_text("subject\tcondition\tgroup\n08\t\tb\n07\t\ta\n07\trest\ta\n")
    (said,) = remove.run(some.folder, ["07_visit-1_cond-rest"], reason="ill").next_steps
    assert "labels.tsv was left as it is: what it says in line 4 is of sessions" in said
    (said,) = remove.run(some.folder, [], subject="07", reason="ill").next_steps
    assert "in line 3 is" in said
