from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.studies import make_study, put, session_of

from ecgkit.errors import StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.records import Tags
from ecgkit.stages import exclude, merge, remove, retag, verify
from ecgkit.stages.retag import NewTags
from ecgkit.study.changing import locked, read_log
from ecgkit.study.folder import Study, open_study, read_participants
from ecgkit.study.session_file import read_headers, read_session, session_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Study]:
    """Studies of subjects 01 and 02, and of 03 and 04, at rest and in exercise."""
    folder, what = tmp_path_factory.mktemp("made"), ("rest", "exercise")
    here = make_study(folder / "here", ["01", "02"], conditions=what)
    return here, make_study(folder / "there", ["03", "04"], conditions=what, first=3)


@pytest.fixture
def here(made: tuple[Study, Study], tmp_path: Path) -> Study:
    return open_study(shutil.copytree(made[0].folder, tmp_path / "here"))


@pytest.fixture
def there(made: tuple[Study, Study], tmp_path: Path) -> Study:
    return open_study(shutil.copytree(made[1].folder, tmp_path / "there"))


def content(study: Study) -> dict[str, bytes]:
    folder = study.folder
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sessions(study: Study) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in study.session_paths()}


def conflicts(there: Study, here: Study, **options: dict[str, str]) -> str:
    """Merge what can't be merged; return what it says. Nothing is written."""
    before = content(here), content(there)
    with pytest.raises(StudyError, match="nothing was written") as refused:
        merge.run(there.folder, here.folder, **options)
    assert (content(here), content(there)) == before
    return str(refused.value)


def test_merge_takes_everything_and_leaves_the_other_study_as_it_is(here: Study, there: Study) -> None:
    exclude.run(there.folder, "03_visit-1_cond-rest", start_s=1, stop_s=2, reason="loose")
    (there.folder / "participants.tsv").write_text(
        "participant_id\tage\tsport\nsub-03\t31\trowing\nsub-04\tn/a\tn/a\n"
    )
    both, before = sessions(here) | sessions(there), content(there)
    done = merge.run(there.folder, here.folder)
    assert (len(done.taken), done.already_there, done.in_both, done.done) == (4, 0, (), True)
    assert sessions(here) == both
    assert content(there) == before
    assert read_participants(here) == {
        "01": {"age": "", "sex": "", "handedness": "", "sport": ""},
        "02": {"age": "", "sex": "", "handedness": "", "sport": ""},
        "03": {"age": "31", "sex": "", "handedness": "", "sport": "rowing"},
        "04": {"age": "", "sex": "", "handedness": "", "sport": ""},
    }
    entries = read_log(here)
    assert entries[0] == read_log(there)[0]
    assert [entry["action"] for entry in entries] == ["exclude", *["merge"] * 4]
    assert entries[1]["study"] == "there"
    assert verify.run(here.folder).findings == ()


def test_merge_again_writes_nothing(here: Study, there: Study) -> None:
    merge.run(there.folder, here.folder)
    before = content(here)
    done = merge.run(there.folder, here.folder)
    assert (done.taken, done.already_there) == ((), 4)
    assert content(here) == before


def test_merge_both_ways_gives_the_same_sessions(here: Study, there: Study, tmp_path: Path) -> None:
    other = open_study(shutil.copytree(there.folder, tmp_path / "other"))
    merge.run(there.folder, here.folder)
    merge.run(here.folder, other.folder)
    assert sessions(here) == sessions(other)


def test_merge_renames_subjects(here: Study, there: Study) -> None:
    retag.run(there.folder, None, NewTags(subject="01"), all_of="03")
    (there.folder / "participants.tsv").write_text("participant_id\tage\nsub-01\t31\nsub-04\t20\n")
    before = read_session(session_path(there, Tags("01", "rest")))
    done = merge.run(there.folder, here.folder, renamed={"01": "05"})
    assert "sub-05_visit-1_cond-rest_take-1" in done.taken
    assert done.in_both == ()
    after = read_session(session_path(here, Tags("05", "rest")))
    assert after.sha256 == before.sha256
    np.testing.assert_array_equal(
        after.recording.channels[0].read_raw(), before.recording.channels[0].read_raw()
    )
    assert read_participants(here)["05"]["age"] == "31"
    assert read_log(here)[0]["to"] == "sub-05_visit-1_cond-exercise_take-1"
    assert verify.run(here.folder).is_sound
    before_again = content(here)
    assert merge.run(there.folder, here.folder, renamed={"01": "05"}).already_there == 4
    assert content(here) == before_again


def test_merge_says_which_subjects_are_in_both(here: Study, there: Study) -> None:
    put(there, session_of(Tags("01", "rest", visit=2), number=9))
    assert merge.run(there.folder, here.folder).in_both == ("01",)


def test_merge_dry_run_writes_nothing(here: Study, there: Study) -> None:
    before = {path: path.stat().st_mtime_ns for path in here.folder.rglob("*")}
    done = merge.run(there.folder, here.folder, dry_run=True)
    assert (len(done.taken), done.done) == (4, False)
    assert {path: path.stat().st_mtime_ns for path in here.folder.rglob("*")} == before


def test_merge_lists_every_conflict(here: Study, there: Study) -> None:
    put(there, session_of(Tags("01", "rest"), number=9))  # other bytes under the same tags
    put(there, session_of(Tags("05", "rest"), number=2))  # subject 02's bytes under other tags
    put(there, session_of(Tags("2", "exercise"), number=8))
    put(there, session_of(Tags("02", "exercise"), number=2))  # the same session
    exclude.run(there.folder, "sub-02_visit-1_cond-exercise", start_s=1, stop_s=2, reason="loose")
    for study, age in ((here, 31), (there, 32)):
        rows = [f"sub-{subject}\t{age}\n" for subject in read_participants(study)]
        (study.folder / "participants.tsv").write_text("participant_id\tage\n" + "".join(rows))
    text = conflicts(there, here)
    for sentence in (
        "sub-01_visit-1_cond-rest_take-1 is here from another recording",
        "sub-05_visit-1_cond-rest_take-1 there is the same recording as sub-02_visit-1_cond-rest_take-1 here",
        "subjects '02' and '2' differ by case or leading zeros only",
        "sub-02_visit-1_cond-exercise_take-1, the same recording: not the same is excluded",
        "participants.tsv: age of 01 is '31' here, '32' there",
    ):
        assert sentence in text
    assert text.count("  - ") == 6


def test_merge_wants_the_same_protocol_mains_and_key(here: Study, there: Study) -> None:
    (there.folder / "study.yaml").write_text(
        f"format_version: '1.0'\nname: a\nprotocol: ewing\nmains_hz: 50\npseudonym_key: '{'0' * 32}'\n"
    )
    text = conflicts(there, here)
    assert "protocol 'ewing' there, 'dt4ecg' here: another protocol" in text
    assert "mains of 50 Hz there, 60 Hz here" in text
    assert "not pseudonyms of the same key" in text


@pytest.mark.parametrize(
    ("renamed", "message"),
    [
        ({"09": "10"}, "the other study has no subject '09'"),
        ({"03": "../x"}, "expected 1 to 32 letters and digits"),
        ({"03": "04"}, "two subjects of the other study would both be '04'"),
        ({"03": "1"}, "subjects '01' and '1' differ by case"),
    ],
)
def test_merge_refuses_new_ids_that_can_not_be(
    here: Study, there: Study, renamed: dict[str, str], message: str
) -> None:
    assert message in conflicts(there, here, renamed=renamed)


def test_merge_takes_no_damaged_session(here: Study, there: Study) -> None:
    path = there.session_paths()[0]
    with h5py.File(path, "a") as file:
        file["channels/000"][0] += 1
    assert f"{path} is damaged" in conflicts(there, here)


def test_merge_of_a_study_with_itself_is_refused(here: Study, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="this is the study itself"):
        merge.run(here.folder / ".." / "here", here.folder)


def test_merge_brings_the_log_of_what_was_removed(here: Study, there: Study) -> None:
    remove.run(there.folder, ["03_visit-1_cond-rest"], reason="ill")
    merge.run(there.folder, here.folder, renamed={"03": "05"})
    assert read_log(here)[0]["session"] == "sub-05_visit-1_cond-rest_take-1"


def test_merge_keeps_exclusions(here: Study, there: Study) -> None:
    exclude.run(there.folder, "03_visit-1_cond-rest", reason="asleep")
    merge.run(there.folder, here.folder, renamed={"03": "05"})
    (header,) = [h for h in read_headers(here) if h.tags == Tags("05", "rest")]
    assert header.excluded == (Exclusion(0, float("inf"), "asleep"),)


def test_merge_waits_for_who_changes_the_other_study(
    here: Study, there: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "locked", partial(locked, wait_s=0))
    before = content(here)
    with locked(there.folder), pytest.raises(StudyError, match=f"{there.folder}: another ecgkit is working"):
        merge.run(there.folder, here.folder)
    assert content(here) == before
    (there.folder / ".lock").unlink()
    merge.run(there.folder, here.folder)
    assert not (there.folder / ".lock").exists()  # it is only read


def test_merge_joins_labels(here: Study, there: Study) -> None:
    retag.run(there.folder, None, NewTags(subject="01"), all_of="03")
    here.labels_path.write_text("subject,group\n01,a\n02,b\n")
    there.labels_path.write_text("subject\tcondition\tposture\n01\trest\tlying\n04\t\tsitting\n")
    there_before = content(there)
    merge.run(there.folder, here.folder, renamed={"01": "05"})
    assert here.labels_path.read_text() == (
        "subject\tcondition\tgroup\tposture\n"
        "01\tn/a\ta\tn/a\n02\tn/a\tb\tn/a\n05\trest\tn/a\tlying\n04\tn/a\tn/a\tsitting\n"
    )
    assert content(there) == there_before
    assert verify.run(here.folder).findings == ()
    before = content(here)
    merge.run(there.folder, here.folder, renamed={"01": "05"})
    assert content(here) == before


def test_merge_without_labels_there_leaves_those_here(here: Study, there: Study) -> None:
    here.labels_path.write_text("subject,group\n01,a\n")
    merge.run(there.folder, here.folder)
    assert here.labels_path.read_text() == "subject,group\n01,a\n"


def test_merge_takes_labels_that_were_made_later(here: Study, there: Study) -> None:
    merge.run(there.folder, here.folder)
    there.labels_path.write_text("subject\tgroup\n03\ta\n")
    merge.run(there.folder, here.folder)
    assert here.labels_path.read_text() == "subject\tgroup\n03\ta\n"


def test_merge_lists_labels_that_contradict(here: Study, there: Study) -> None:
    put(there, session_of(Tags("01", "rest", visit=2), number=9))
    here.labels_path.write_text("subject\tgroup\n01\ta\n")
    there.labels_path.write_text("subject\tgroup\n01\tb\n")
    text = conflicts(there, here)
    assert f"{here.labels_path}, line 2, and {there.labels_path}, line 2: group of sub-01_visit-1" in text


def test_merge_lets_no_row_speak_of_a_session_that_it_was_not_about(here: Study, there: Study) -> None:
    put(there, session_of(Tags("01", "rest", visit=2), number=9))
    here.labels_path.write_text("subject\telectrode\n01\tgel\n")
    assert (
        "labels.tsv: nobody has said electrode of sub-01_visit-2_cond-rest_take-1, and it would be 'gel'"
    ) in conflicts(there, here)
    here.labels_path.write_text("subject\tvisit\telectrode\n01\t1\tgel\n")
    merge.run(there.folder, here.folder)
    assert here.labels_path.read_text() == "subject\tvisit\telectrode\n01\t1\tgel\n"


def test_merge_refuses_more_labels_than_a_data_set_has(here: Study, there: Study) -> None:
    for study, first in ((here, 0), (there, 33)):
        names = "\t".join(f"l{number}" for number in range(first, first + 33))
        study.labels_path.write_text(f"subject\t{names}\n")
    assert "labels.tsv: of both studies: 66 labels, expected at most 64" in conflicts(there, here)


def test_merge_refuses_labels_that_are_no_table(here: Study, there: Study) -> None:
    there.labels_path.write_text("group\n")
    assert f"{there.labels_path}: no column 'subject'" in conflicts(there, here)
