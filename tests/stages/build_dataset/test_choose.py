from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.headers import header

from ecgkit.config import SessionsConfig
from ecgkit.errors import ConfigError, DatasetError
from ecgkit.exclusions import Exclusion
from ecgkit.protocol.model import load_protocol
from ecgkit.records import Tags
from ecgkit.stages.build_dataset.choose import Choice, choose
from ecgkit.study.folder import Study, StudyFile
from ecgkit.study.session_file import SessionHeader

DT4ECG = load_protocol("dt4ecg")
STUDY = Study(Path("study"), StudyFile(format_version="1.0", name="study", protocol="dt4ecg"))
OUT = (Exclusion(0, math.inf, "fell asleep"),)
SPAN = (Exclusion(3, 5, "coughed"),)


def study_of(*subjects: str) -> list[SessionHeader]:
    """Good sessions: each subject in each condition, on two visits."""
    return [
        header(Tags(who, what, visit))
        for who in subjects
        for what in ("rest", "exercise", "deep_breathing")
        for visit in (1, 2)
    ]


def chosen(headers: list[SessionHeader], **wanted: object) -> Choice:
    return choose(STUDY, DT4ECG, headers, SessionsConfig(**wanted))


def keys(choice: Choice) -> list[str]:
    return [kept.tags.key for kept in choice.kept]


def test_choose_takes_all_in_order_of_tags_if_nothing_is_said() -> None:
    headers = study_of("07", "01")
    choice = chosen(headers[::-1])
    assert [kept.tags for kept in choice.kept] == sorted(header.tags for header in headers)
    assert (choice.excluded, choice.not_chosen, choice.left_out, choice.warnings) == ({}, {}, {}, ())
    assert choice.leads == (DT4ECG.lead.name,)


def test_choose_by_tags_says_of_each_other_session_what_was_not_asked_for() -> None:
    choice = chosen(study_of("01", "07"), subjects=["07"], conditions=["Rest", "deep-breathing"], visits=[2])
    assert keys(choice) == ["sub-07_visit-2_cond-deep_breathing_take-1", "sub-07_visit-2_cond-rest_take-1"]
    reasons = {key: out["reason"] for key, out in choice.not_chosen.items()}
    assert len(reasons) == 10
    assert reasons["sub-01_visit-2_cond-rest_take-1"] == "not chosen: subject 01 was not asked for"
    assert (
        reasons["sub-07_visit-1_cond-exercise_take-1"] == "not chosen: condition exercise was not asked for"
    )
    assert reasons["sub-07_visit-1_cond-rest_take-1"] == "not chosen: visit 1 was not asked for"


def test_choose_says_which_part_of_its_source_a_session_is() -> None:
    other = header(Tags("01", "rest"), sha256="ab" * 32, span_s=(10.0, 40.0), excluded=SPAN)
    choice = chosen([other, header(Tags("07", "rest"))], subjects=["07"])
    assert choice.not_chosen == {
        other.tags.key: {
            "sha256": "ab" * 32,
            "reason": "not chosen: subject 01 was not asked for",
            "span_s": [10.0, 40.0],
            "excluded_s": [[3, 5]],
        }
    }


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"subjects": ["07", "7"]}, r"study: unknown subject '7'\. Did you mean '07'\?"),
        ({"subjects": ["31"]}, "study: unknown subject '31'; known are: 01, 07"),
        (
            {"conditions": ["exercize"]},
            "unknown condition 'exercize'; known are: deep_breathing, .*'exercise'",
        ),
        ({"visits": [3]}, "no visit 3; there are: 1, 2"),
    ],
)
def test_choose_refuses_what_the_study_does_not_have(wanted: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        chosen(study_of("01", "07"), **wanted)


def test_choose_refuses_a_condition_that_only_the_protocol_has() -> None:
    with pytest.raises(ConfigError, match="unknown condition 'exercise'; known are: rest"):
        chosen([header(Tags("07", "rest"))], conditions=["exercise"])


# a short one, one that is far too short, one that is breathed deeply in
WARNS, FAILS, OTHER = (Tags(who, "rest") for who in ("02", "03", "04"))


def judged_study() -> list[SessionHeader]:
    return [
        header(Tags("01", "rest")),
        header(WARNS, duration_s=150.0),
        header(FAILS, duration_s=10.0),
        header(OTHER, as_in="deep_breathing"),
    ]


@pytest.mark.parametrize(("verdict", "subjects"), [(None, "01 02 03 04"), ("warn", "01 02"), ("pass", "01")])
def test_choose_by_verdict(verdict: str | None, subjects: str) -> None:
    choice = chosen(judged_study(), verdict=verdict)
    assert [kept.tags.subject for kept in choice.kept] == subjects.split()


def test_choose_by_verdict_gives_the_verdict_as_status_words_it() -> None:
    reasons = {key: out["reason"] for key, out in chosen(judged_study(), verdict="pass").not_chosen.items()}
    assert reasons[FAILS.key] == "not chosen: its verdict is fail: duration 10 s, expected at least 162"
    assert reasons[WARNS.key] == "not chosen: its verdict is warn: duration 150 s, expected at least 162"
    assert reasons[OTHER.key].endswith("looks like Deep breathing")


def test_choose_judges_by_all_sessions_of_a_visit_chosen_or_not() -> None:
    """An exercise is compared with a rest that does not go into the data set itself."""
    rest, effort = header(Tags("01", "rest")), header(Tags("01", "exercise"))
    rhythm = dataclasses.replace(rest.measures.rhythm, heart_rate_bpm=118.0)
    fast = dataclasses.replace(rest, measures=dataclasses.replace(rest.measures, rhythm=rhythm))
    assert keys(chosen([rest, effort], conditions=["exercise"], verdict="pass")) == [effort.tags.key]
    with pytest.raises(DatasetError, match=r"1 not asked for .*, 1 by their verdict"):
        chosen([fast, effort], conditions=["exercise"], verdict="warn")


def test_choose_keeps_what_can_not_be_judged_and_says_so() -> None:
    strange = header(Tags("01", "dancing"), as_in="rest")
    choice = chosen([strange, header(Tags("01", "rest"))], verdict="pass")
    assert len(choice.kept) == 2
    assert choice.warnings == (
        f"1 of the sessions could not be judged: {strange.tags.key}. They are kept; ecgkit exclude takes one "
        "out",
    )
    assert chosen([strange]).warnings == ()


def test_choose_leaves_out_excluded_sessions_whatever_is_asked_for() -> None:
    gone = header(Tags("01", "rest"), excluded=OUT)
    part = header(Tags("02", "rest"), excluded=SPAN)
    choice = chosen([gone, part], subjects=["02"])
    assert keys(choice) == [part.tags.key]
    assert choice.excluded[gone.tags.key]["reason"] == "excluded: fell asleep"
    assert choice.not_chosen == {}


def test_choose_says_what_has_taken_every_session_out() -> None:
    with pytest.raises(DatasetError, match=r"the study is empty.*ecgkit ingest"):
        chosen([])
    gone = header(Tags("01", "rest"), excluded=OUT)
    with pytest.raises(DatasetError, match="all 1 sessions are excluded; ecgkit include"):
        chosen([gone])
    with pytest.raises(DatasetError) as refused:
        chosen([gone, *judged_study()[2:], *study_of("05")], subjects=["01", "03", "04"], verdict="warn")
    assert str(refused.value) == (
        "study: no session is left for the data set: 1 excluded, 6 not asked for (subjects 01, 03, 04), "
        "2 by their verdict (warn or better was asked for). ecgkit status shows what is there"
    )


def test_choose_keeps_the_leads_that_most_have() -> None:
    two = [header(Tags(who, "rest"), leads=("I", "II"), ecg=(0, 1)) for who in ("01", "02")]
    other = header(Tags("03", "rest"), leads=("II",))
    choice = chosen([*two, other])
    assert (keys(choice), choice.leads) == ([h.tags.key for h in two], ("I", "II"))
    assert choice.left_out[other.tags.key]["reason"] == (
        "its leads are II, the others' I, II; ingest it with --leads"
    )
    with pytest.raises(DatasetError, match="1 sessions have the leads I, II, as many have II"):
        chosen([two[0], other])
    assert chosen([*two, other], subjects=["03"]).leads == ("II",)  # of those that are chosen


def test_choose_calls_one_lead_as_the_protocol_unless_all_say_which_it_is() -> None:
    named, unnamed = header(Tags("01", "rest"), leads=("II",)), header(Tags("02", "rest"), leads=("ECG",))
    nothing = header(Tags("03", "rest"), leads=())  # a damaged header; opening the session says so
    assert chosen([named]).leads == ("II",)
    assert chosen([named, unnamed]).leads == (DT4ECG.lead.name,)
    assert len(chosen([unnamed, nothing]).kept) == 2


HEADERS = st.lists(
    st.builds(
        lambda who, what, visit, as_in, out, leads: header(
            Tags(who, what, visit), as_in=as_in, excluded=out, leads=leads
        ),
        st.sampled_from(["01", "02", "07"]),
        st.sampled_from(["rest", "exercise", "dancing"]),
        st.sampled_from([1, 2]),
        st.sampled_from(["rest", "exercise", "deep_breathing"]),
        st.sampled_from([(), (), OUT, SPAN]),
        st.sampled_from([("X",), ("X",), ("II",)]),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda made: made.tags,
)


@given(HEADERS, st.sampled_from([None, "warn", "pass"]), st.booleans(), st.randoms(use_true_random=False))
def test_every_session_is_kept_or_has_a_reason_whatever_their_order(
    headers: list[SessionHeader], verdict: str | None, one_subject: bool, rng: object
) -> None:
    wanted = {"verdict": verdict, "subjects": [headers[0].tags.subject] if one_subject else None}
    try:
        choice = chosen(headers, **wanted)
    except DatasetError:
        return
    others = [choice.excluded, choice.not_chosen, choice.left_out]
    every = keys(choice) + [key for out in others for key in out]
    assert sorted(every) == sorted(header.tags.key for header in headers)
    assert keys(choice) == [kept.tags.key for kept in sorted(choice.kept, key=lambda kept: kept.tags)]
    assert all(
        set(out) <= {"sha256", "reason", "span_s", "excluded_s"} for of in others for out in of.values()
    )
    shuffled = headers.copy()
    rng.shuffle(shuffled)
    assert chosen(shuffled, **wanted) == choice
