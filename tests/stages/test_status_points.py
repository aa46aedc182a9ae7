"""What is to be looked at is named, with the command that puts it right."""

import math

import pytest
from support.headers import header

from ecgkit.exclusions import Exclusion
from ecgkit.protocol.model import load_protocol
from ecgkit.records import Tags
from ecgkit.report.study import Point
from ecgkit.stages.status_points import Seen, missing_point, name_of, session_points, worst_first
from ecgkit.stages.verdicts import judge_sessions
from ecgkit.study.session_file import SessionHeader

DT4ECG = load_protocol("dt4ecg")
REST, EFFORT, DEEP = (Tags("01", key) for key in DT4ECG.conditions)


def row(*headers: SessionHeader) -> dict[str, tuple[Seen, ...]]:
    judged = judge_sessions(DT4ECG, headers)
    keys = [*DT4ECG.conditions, *{h.tags.condition for h in headers} - set(DT4ECG.conditions)]
    seen = [Seen(header, judged.get(header.tags.key)) for header in headers]
    return {key: tuple(s for s in seen if s.header.tags.condition == key) for key in keys}


def points(*headers: SessionHeader) -> list[Point]:
    return list(session_points(DT4ECG, row(*headers)))


def test_nothing_is_said_of_sessions_that_are_what_they_should_be() -> None:
    assert points(header(REST), header(EFFORT), header(DEEP)) == []


def test_a_swapped_pair_is_put_right_by_one_command() -> None:
    first, second = points(header(REST, as_in="exercise"), header(EFFORT, as_in="rest"))
    assert (first.state, second.state) == ("other", "other")
    assert first.text.startswith(f"looks like Exercise (recovery), perhaps swapped with {EFFORT.key}; mean h")
    assert first.command == f"ecgkit retag {REST.key} --condition exercise --swap"
    assert second.command == ""
    assert first.kinds[0] == "looks like Exercise (recovery)"


def test_a_wrong_label_goes_where_there_is_room() -> None:
    [alone] = points(header(DEEP, as_in="rest"))
    assert alone.command == f"ecgkit retag {DEEP.key} --condition rest"
    [beside] = points(header(REST), header(DEEP, as_in="rest"))
    assert beside.command == f"ecgkit retag {DEEP.key} --condition rest --take 2"


def test_a_failed_session_is_named_with_its_numbers_only() -> None:
    [point] = points(header(REST, duration_s=45.0, warnings=("clipped", "hum")))
    assert point == Point(
        state="fail",
        key=REST.key,
        who="subject 01, Rest",
        text="duration 45 s, expected at least 162; and 2 notes on the signal",
        kinds=("duration", "a warning of the signal"),
        command=f'ecgkit exclude {REST.key} --reason "…"',
    )


def test_a_warning_of_the_signal_leaves_the_verdict_alone() -> None:
    [point] = points(header(REST, warnings=("hum of 60 Hz",)))
    assert (point.state, point.text, point.command) == ("noted", "hum of 60 Hz", "")


def test_exclusions_are_told_with_their_reasons() -> None:
    whole = Exclusion(0, math.inf, "electrode fell off")
    [point] = points(header(REST, excluded=(whole,)))
    assert (point.state, point.text) == ("excluded", "excluded: electrode fell off")
    assert point.command == ""  # somebody decided so
    part = Seen(header(REST, excluded=(Exclusion(60, 90, "cough"), Exclusion(100, math.inf, "talk"))), None)
    assert part.notes == ("excluded 1:00 to 1:30: cough", "excluded 1:40 to the end: talk")
    assert part.as_json()["excluded"][1] == {"start_s": 100, "stop_s": None, "reason": "talk"}


def test_a_condition_that_the_protocol_lacks_is_not_judged() -> None:
    [point] = points(header(Tags("01", "dancing"), as_in="rest"))
    assert (point.state, point.who) == ("unjudged", "subject 01, dancing")
    assert point.text == "not judged: the protocol has no condition dancing"


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (REST, "subject 01, Rest"),
        (Tags("07", "exercise", 2, 3), "subject 07, Exercise (recovery), visit 2, take 3"),
    ],
)
def test_name_of_says_visit_and_take_where_there_are_several(tags: Tags, name: str) -> None:
    assert name_of(DT4ECG, tags) == name


def test_missing_point_says_how_to_take_it_in() -> None:
    point = missing_point(DT4ECG, "07", 2, "exercise")
    assert (point.who, point.text) == ("subject 07, visit 2", "Exercise (recovery) is missing")
    assert point.command == "ecgkit ingest FILE --subject 07 --condition exercise --visit 2"


def test_worst_first_sorts_by_state_then_by_how_much_is_wrong() -> None:
    some = [
        Point("noted", "n", "", ""),
        Point("warn", "w1", "", "", ("a",)),
        Point("warn", "w2", "", "", ("a", "b")),
        Point("fail", "f", "", ""),
        Point("missing", "m", "", ""),
        Point("other", "o1", "", "", ("a",)),
        Point("other", "o2", "", "", ("a", "b")),
    ]
    assert [point.key for point in worst_first(some)] == ["o1", "o2", "f", "m", "w2", "w1", "n"]
