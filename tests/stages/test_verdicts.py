import dataclasses
from pathlib import Path

import pytest

from ecgkit.analysis.measures import Measures
from ecgkit.analysis.rhythm import measure_rhythm
from ecgkit.exclusions import Exclusion
from ecgkit.protocol.model import load_protocol
from ecgkit.records import Tags
from ecgkit.stages.verdicts import judge_sessions
from ecgkit.study.session_file import SessionHeader

DT4ECG = load_protocol("dt4ecg")
OUT = (Exclusion(0, float("inf"), "talked"),)


def header(
    tags: Tags, rate_bpm: float, *, slope: float = 0.0, excluded: tuple[Exclusion, ...] = ()
) -> SessionHeader:
    rhythm = dataclasses.replace(
        measure_rhythm([]),
        heart_rate_bpm=rate_bpm,
        start_heart_rate_bpm=rate_bpm - 1.5 * slope,
        stop_heart_rate_bpm=rate_bpm + 1.5 * slope,
        slope_bpm_per_min=slope,
        breathing_share=0.1,
    )
    return SessionHeader(
        path=Path("none"),
        tags=tags,
        sha256="",
        span_s=None,
        fs=1000.0,
        duration_s=180.0,
        ecg=(0,),
        leads=("X",),
        simulated=True,
        measures=Measures(rhythm, 180.0, quality_share=1.0, respiration_hz=0.25),
        warnings=(),
        lost=(),
        excluded=excluded,
        content_sha256="",
    )


def above_rest(headers: list[SessionHeader], key: str) -> float:
    checks = judge_sessions(DT4ECG, headers)[key].checks
    (value,) = [check.value for check in checks if check.measure == "above_rest_bpm"]
    return value


def test_sessions_are_compared_with_the_rest_of_their_own_visit() -> None:
    headers = [
        header(Tags("02", "exercise", 2), 120, slope=-8),
        header(Tags("01", "rest", 1), 60),
        header(Tags("02", "rest", 1), 70),
        header(Tags("02", "rest", 2), 80),
        header(Tags("02", "exercise", 1), 120, slope=-8),
    ]
    assert above_rest(headers, headers[0].tags.key) == 40
    assert above_rest(headers, headers[4].tags.key) == 50
    assert {c.verdict for c in judge_sessions(DT4ECG, headers).values()} == {"pass"}


def test_excluded_sessions_are_not_judged_and_no_reference() -> None:
    effort = header(Tags("01", "exercise"), 120, slope=-8)
    rest = header(Tags("01", "rest"), 60, excluded=OUT)
    second = header(Tags("01", "rest", take=2), 65)
    assert above_rest([effort, rest, second], effort.tags.key) == 55
    assert rest.tags.key not in judge_sessions(DT4ECG, [effort, rest, second])


def test_sessions_of_unknown_conditions_are_not_judged() -> None:
    assert judge_sessions(DT4ECG, [header(Tags("01", "dancing"), 100)]) == {}


@pytest.mark.parametrize("swapped", [False, True])
def test_swapped_labels_are_named(swapped: bool) -> None:
    calm, effort = Tags("01", "rest"), Tags("01", "exercise")
    if swapped:
        calm, effort = effort, calm
    judged = judge_sessions(DT4ECG, [header(calm, 62), header(effort, 118, slope=-9)])
    looks = {key.split("cond-")[1].split("_")[0]: verdict.looks_like for key, verdict in judged.items()}
    assert looks == (
        {"rest": "exercise", "exercise": "rest"} if swapped else {"rest": None, "exercise": None}
    )


def test_a_repeated_rest_is_compared_with_where_the_first_one_was_bad() -> None:
    """A first rest of 118 beats/min only warns; the repetition passes, and counts."""
    bad, good = header(Tags("01", "rest"), 118), header(Tags("01", "rest", take=2), 62)
    effort = header(Tags("01", "exercise"), 110, slope=-8)
    assert above_rest([bad, good, effort], effort.tags.key) == 48
    judged = judge_sessions(DT4ECG, [bad, effort])[effort.tags.key]
    assert judged.verdict == "fail"


def test_a_rest_in_which_nothing_could_be_measured_is_no_reference() -> None:
    nothing, good = header(Tags("01", "rest"), float("nan")), header(Tags("01", "rest", take=2), 62)
    effort = header(Tags("01", "exercise"), 110, slope=-8)
    assert above_rest([nothing, good, effort], effort.tags.key) == 48
    alone = judge_sessions(DT4ECG, [nothing, effort])[effort.tags.key]
    assert alone.text == "pass: not compared with rest, since there is no usable one on this visit"


def test_two_spans_that_cover_a_session_exclude_it() -> None:
    halves = (Exclusion(0, 90, "talked"), Exclusion(90, float("inf"), "got up"))
    assert header(Tags("01", "rest"), 62, excluded=halves).is_excluded
    assert not header(Tags("01", "rest"), 62, excluded=halves[:1]).is_excluded
