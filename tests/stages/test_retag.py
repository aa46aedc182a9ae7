from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.killed import killed_everywhere
from support.studies import make_study, put, session_of

from ecgkit.errors import EcgkitError, ProtocolError, StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.protocol.model import protocols_folder
from ecgkit.records import Tags
from ecgkit.stages import build_dataset, exclude, retag, verify
from ecgkit.stages.retag import NewTags
from ecgkit.study.changing import read_log
from ecgkit.study.folder import Study, create_study, open_study, read_participants
from ecgkit.study.session_file import read_headers, read_observations, read_session, session_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(
        tmp_path_factory.mktemp("made") / "study", ["07", "08"], conditions=("rest", "exercise")
    )


@pytest.fixture
def some(made: Study, tmp_path: Path) -> Study:
    """A copy of a study of two subjects at rest and in exercise."""
    return open_study(shutil.copytree(made.folder, tmp_path / "study"))


def keys(study: Study) -> list[str]:
    return [header.tags.key for header in read_headers(study)]


def test_retag_gives_the_file_that_the_right_tags_would_have_given(some: Study, tmp_path: Path) -> None:
    made = retag.run(some.folder, "sub-08_visit-1_cond-rest_take-1", NewTags(visit=2, take=3))
    assert made.moves == (("sub-08_visit-1_cond-rest_take-1", "sub-08_visit-2_cond-rest_take-3"),)
    other = create_study(tmp_path / "other", protocol="dt4ecg")
    tags = Tags("08", "rest", visit=2, take=3)
    put(other, session_of(tags, number=2))
    assert session_path(some, tags).read_bytes() == session_path(other, tags).read_bytes()
    assert len(keys(some)) == 4
    assert verify.run(some.folder).is_sound


def test_retag_swap_exchanges_two_sessions(some: Study) -> None:
    rest, exercise = (session_path(some, Tags("07", name)) for name in ("rest", "exercise"))
    exclude.run(some.folder, "sub-07_visit-1_cond-rest", start_s=2, stop_s=4, reason="loose")
    before = {path: (read_session(path), read_observations(path)) for path in (rest, exercise)}
    samples = {path: before[path][0].recording.channels[0].read_raw() for path in before}
    made = retag.run(
        some.folder, "sub-07_visit-1_cond-rest", NewTags(condition="exercise"), swap=True, reason="labels"
    )
    assert len(made.moves) == 2
    for path, was in ((rest, exercise), (exercise, rest)):
        session = read_session(path)
        np.testing.assert_array_equal(session.recording.channels[0].read_raw(), samples[was])
        assert session.sha256 == before[was][0].sha256
        assert session.excluded == before[was][0].excluded
        assert read_observations(path).measures == before[was][1].measures
    assert read_session(exercise).excluded == (Exclusion(2.0, 4.0, "loose"),)
    entries = [entry for entry in read_log(some) if entry["action"] == "retag"]
    assert [(e["session"], e["to"], e["sha256"], e["reason"]) for e in entries] == [
        (old, new, before[session_path(some, Tags(*old_tags))][0].sha256, "labels")
        for (old, new), old_tags in zip(made.moves, [("07", "rest"), ("07", "exercise")], strict=True)
    ]
    assert verify.run(some.folder).is_sound


def test_retag_twice_swapped_is_as_before(some: Study) -> None:
    before = {path.name: path.read_bytes() for path in some.session_paths()}
    for _ in range(2):
        retag.run(some.folder, "07_visit-1_cond-rest", NewTags(subject="08"), swap=True)
    assert {path.name: path.read_bytes() for path in some.session_paths()} == before


def test_retag_keeps_warnings_since_none_is_of_the_condition(some: Study) -> None:
    (before,) = [h for h in read_headers(some) if h.tags == Tags("07", "exercise")]
    retag.run(some.folder, "07_visit-1_cond-exercise", NewTags(visit=2, condition="deep_breathing"))
    (header,) = [h for h in read_headers(some) if h.tags.visit == 2]
    assert header.warnings == before.warnings == ()  # 20 s; the verdict alone speaks of the length


def test_retag_all_of_takes_the_participant_along(some: Study) -> None:
    (some.folder / "participants.tsv").write_text("participant_id\tage\nsub-07\t31\nsub-08\t28\n")
    retag.run(some.folder, None, NewTags(subject="09"), all_of="07")
    assert {header.tags.subject for header in read_headers(some)} == {"08", "09"}
    assert read_participants(some) == {"08": {"age": "28"}, "09": {"age": "31"}}
    assert verify.run(some.folder).findings == ()


def test_retag_all_of_may_change_the_spelling_of_an_id(some: Study) -> None:
    retag.run(some.folder, None, NewTags(subject="7"), all_of="07")
    assert {header.tags.subject for header in read_headers(some)} == {"08", "7"}


def test_retag_all_of_swaps_two_subjects(some: Study) -> None:
    before = {header.tags: header.sha256 for header in read_headers(some)}
    retag.run(some.folder, None, NewTags(subject="08"), all_of="07", swap=True)
    other = {"07": "08", "08": "07"}
    assert {header.tags: header.sha256 for header in read_headers(some)} == {
        replace(tags, subject=other[tags.subject]): sha256 for tags, sha256 in before.items()
    }


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX has them")
def test_retag_that_was_killed_is_done_or_not_begun(some: Study) -> None:
    script = "retag.run(folder, '07_visit-1_cond-rest', retag.NewTags(subject='08'), swap=True)"
    before = {path.name: path.read_bytes() for path in some.session_paths()}
    done, killed = killed_everywhere(some.folder, script, imports="from ecgkit.stages import retag", every=4)
    after = {path.name: path.read_bytes() for path in open_study(done).session_paths()}
    assert len(killed) > 5
    for folder in killed:
        found = {path.name: path.read_bytes() for path in open_study(folder).session_paths()}
        assert found in (before, after)
        assert len(read_log(open_study(folder))) == (2 if found == after else 0)


def test_retag_to_a_subject_that_is_new_adds_the_participant(some: Study) -> None:
    retag.run(some.folder, "08_visit-1_cond-rest", NewTags(subject="09"))
    assert set(read_participants(some)) == {"07", "08", "09"}


def test_retag_dry_run_changes_nothing(some: Study) -> None:
    before = {path: path.stat().st_mtime_ns for path in some.folder.rglob("*")}
    made = retag.run(some.folder, "07_visit-1_cond-rest", NewTags(subject="08"), swap=True, dry_run=True)
    assert (len(made.moves), made.done) == (2, False)
    assert {path: path.stat().st_mtime_ns for path in some.folder.rglob("*")} == before


def test_retag_with_the_tags_that_are_there_does_nothing(some: Study) -> None:
    before = {path: path.stat().st_mtime_ns for path in some.folder.rglob("*")}
    assert retag.run(some.folder, "07_visit-1_cond-rest", NewTags(condition="Rest")).moves == ()
    assert {path: path.stat().st_mtime_ns for path in some.folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("session", "new", "options", "error", "message"),
    [
        ("nobody", NewTags(visit=2), {}, StudyError, "no session 'nobody'"),
        ("rest", NewTags(visit=2), {}, StudyError, "'rest' may mean sub-07_.*, sub-08_"),
        ("7_visit-1_cond-rest", NewTags(visit=2), {}, StudyError, "no session '7_visit"),
        ("", NewTags(visit=2), {}, StudyError, "no session ''"),
        ("07_visit-1_cond-rest", NewTags(), {}, StudyError, "no new tag given"),
        ("07_visit-1_cond-rest", NewTags(subject="08"), {"all_of": "07"}, StudyError, "not both"),
        (None, NewTags(subject="08"), {}, StudyError, "not both"),
        (None, NewTags(subject="08", visit=2), {"all_of": "07"}, StudyError, "no other new tag"),
        (None, NewTags(subject="08"), {"all_of": "7"}, StudyError, "no session of subject '7'"),
        (
            None,
            NewTags(subject="09"),
            {"all_of": "07", "swap": True},
            StudyError,
            "no session of subject '09' to swap",
        ),
        ("07_visit-1_cond-rest", NewTags(visit=2), {"reason": " "}, StudyError, "reason ' ': expected"),
        (
            "07_visit-1_cond-rest",
            NewTags(visit=2),
            {"reason": "a\x1bb"},
            StudyError,
            "expected 1 to 500 characters",
        ),
    ],
)
def test_retag_refuses_and_changes_nothing(
    some: Study, session: str | None, new: NewTags, options: dict, error: type[EcgkitError], message: str
) -> None:
    before = {path: path.read_bytes() for path in some.folder.rglob("*") if path.is_file()}
    with pytest.raises(error, match=message):
        retag.run(some.folder, session, new, **options)
    assert {path: path.read_bytes() for path in some.folder.rglob("*") if path.is_file()} == before


def test_retag_honours_the_subject_pattern(some: Study) -> None:
    own = protocols_folder().joinpath("dt4ecg.yaml").read_text() + "subject_pattern: '[0-9]{2}'\n"
    (some.folder / "protocol.yaml").write_text(own)
    (some.folder / "study.yaml").write_text("format_version: '1.0'\nname: a\nprotocol: protocol.yaml\n")
    with pytest.raises(ProtocolError, match="subject id 's9', expected one that matches"):
        retag.run(some.folder, "07_visit-1_cond-rest", NewTags(subject="s9"))
    assert retag.run(some.folder, "07_visit-1_cond-rest", NewTags(subject="09")).done


def test_retag_in_a_study_of_pseudonyms_takes_no_clear_id(some: Study) -> None:
    with (some.folder / "study.yaml").open("a") as file:
        file.write(f"pseudonym_key: '{'0' * 32}'\n")
    with pytest.raises(StudyError, match="the study keeps pseudonyms, and 'miller' is none"):
        retag.run(some.folder, "07_visit-1_cond-rest", NewTags(subject="miller"))
    retag.run(some.folder, "07_visit-1_cond-rest", NewTags(subject="pabcdefghij"))
    assert "sub-pabcdefghij_visit-1_cond-rest_take-1" in keys(some)


def test_retag_says_that_the_data_set_is_stale(some: Study) -> None:
    build_dataset.run(some.folder)
    made = retag.run(some.folder, "07_visit-1_cond-rest", NewTags(visit=2))
    assert "build it again with: ecgkit build-dataset" in made.next_steps[0]


@pytest.mark.parametrize(
    ("row", "is_named"),
    [
        ("07\t\t\tgel", False),
        ("07\trest\t\tgel", True),
        ("07\texercise\t\tgel", False),
        ("07\t\t1\tgel", False),
    ],
)
def test_retag_names_the_rows_of_labels_that_it_concerns(some: Study, row: str, is_named: bool) -> None:
    text = f"subject\tcondition\tvisit\telectrode\n08\t\t\tdry\n{row}\n"
    some.labels_path.write_text(text)
    name, new = "07_visit-1_cond-rest", NewTags(condition="deep_breathing")
    assert retag.run(some.folder, name, new, dry_run=True).next_steps == ()
    said = retag.run(some.folder, name, new).next_steps
    assert (
        len(said) == 1 and "labels.tsv was left as it is: what it says in line 3 is" in said[0]
    ) == is_named
    assert some.labels_path.read_text() == text


def test_retag_of_a_subject_names_labels_and_says_if_they_can_not_be_read(some: Study) -> None:
    some.labels_path.write_text("subject\tgroup\n07\ta\n08\tb\n")
    (said,) = retag.run(some.folder, None, NewTags(subject="09"), all_of="07").next_steps
    assert "in line 2 is of sessions that have other tags now" in said
    some.labels_path.write_text("group\n")
    (said,) = retag.run(some.folder, None, NewTags(subject="07"), all_of="09").next_steps
    assert "labels.tsv: no column 'subject'" in said
