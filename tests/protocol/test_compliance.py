"""Verdicts on numbers, and on the simulated study: what is right passes, what is wrong is named."""

import dataclasses
import json
import math

import pytest

from ecgkit.analysis.measures import Measures
from ecgkit.analysis.respiration import breathing_rate
from ecgkit.analysis.rhythm import Rhythm, measure_rhythm
from ecgkit.errors import ProtocolError
from ecgkit.protocol.compliance import VALUES, Compliance, judge, judge_visit
from ecgkit.protocol.model import MEASURES, load_protocol
from ecgkit.simulate.study import CONDITIONS, simulate_recording

DT4ECG = load_protocol("dt4ecg")
UNKNOWN = Rhythm(**{field.name: math.nan for field in dataclasses.fields(Rhythm)})


def measures(duration_s: float = 180.0, **numbers: float) -> Measures:
    """Numbers of a session; what is not given could not be measured."""
    outside = {
        name: numbers.pop(name) for name in ("quality_share", "edr_hz", "respiration_hz") if name in numbers
    }
    return Measures(dataclasses.replace(UNKNOWN, **numbers), duration_s, **outside)


REST = measures(
    heart_rate_bpm=60,
    slope_bpm_per_min=0.5,
    start_heart_rate_bpm=59,
    stop_heart_rate_bpm=61,
    breathing_hz=0.25,
    breathing_share=0.2,
    respiration_hz=0.25,
)
EXERCISE = measures(
    heart_rate_bpm=90,
    slope_bpm_per_min=-12,
    start_heart_rate_bpm=115,
    stop_heart_rate_bpm=80,
    breathing_hz=0.05,
    breathing_share=0.3,
)
DEEP = measures(
    heart_rate_bpm=63,
    slope_bpm_per_min=-0.5,
    start_heart_rate_bpm=64,
    stop_heart_rate_bpm=63,
    breathing_hz=0.1,
    breathing_share=0.9,
    e_minus_i_bpm=18,
)


def verdicts(found: Compliance) -> dict[str, str]:
    return {check.measure: check.verdict for check in found.checks}


def test_every_measure_has_a_value() -> None:
    assert list(VALUES) == list(MEASURES)
    for value in VALUES.values():
        assert math.isnan(value(measures(), None))


@pytest.mark.parametrize(
    ("key", "session"), [("rest", REST), ("exercise", EXERCISE), ("deep_breathing", DEEP)]
)
def test_judge_passes_who_complied(key: str, session: Measures) -> None:
    found = judge(DT4ECG, key, session, rest=None if key == "rest" else REST)
    assert (found.condition, found.verdict, found.looks_like, found.text) == (key, "pass", None, "pass")


@pytest.mark.parametrize(
    ("labelled", "session", "truly"),
    [
        ("rest", EXERCISE, "exercise"),
        ("rest", DEEP, "deep_breathing"),
        ("exercise", REST, "rest"),
        ("exercise", DEEP, "deep_breathing"),
        ("deep_breathing", REST, "rest"),
        ("deep_breathing", EXERCISE, "exercise"),
    ],
)
def test_judge_names_what_a_swapped_label_looks_like(labelled: str, session: Measures, truly: str) -> None:
    found = judge(DT4ECG, labelled, session, rest=None if labelled == "rest" else REST)
    assert (found.verdict, found.looks_like) == ("fail", truly)
    assert found.text.endswith(f"; looks like {DT4ECG.conditions[truly].label}")


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (39.9, "warn"),
        (40, "pass"),
        (100, "pass"),
        (100.1, "warn"),
        (120, "warn"),
        (120.1, "fail"),
        (20, "fail"),
    ],
)
def test_judge_takes_bounds_as_included(value: float, verdict: str) -> None:
    found = judge(DT4ECG, "rest", measures(heart_rate_bpm=value))
    assert verdicts(found)["heart_rate_bpm"] == found.verdict == verdict


def test_judge_says_numbers_and_thresholds() -> None:
    found = judge(DT4ECG, "rest", measures(heart_rate_bpm=131.4))
    assert found.text == "fail: mean heart rate 131 beats/min, expected 40 to 100"
    (check,) = [check for check in found.checks if check.measure == "heart_rate_bpm"]
    assert (check.value, check.pass_range, check.warn_range) == (131.4, (40, 100), (30, 120))
    assert check.source.startswith("tachycardia")
    found = judge(DT4ECG, "exercise", dataclasses.replace(EXERCISE, duration_s=100.0), rest=REST)
    assert found.text == "warn: duration 100 s, expected at least 162"


@pytest.mark.parametrize(
    ("duration_s", "verdict"), [(59.9, "fail"), (60, "warn"), (161, "warn"), (162, "pass")]
)
def test_judge_checks_the_duration(duration_s: float, verdict: str) -> None:
    found = judge(DT4ECG, "rest", dataclasses.replace(REST, duration_s=duration_s))
    assert (verdicts(found)["duration_s"], found.verdict) == (verdict, verdict)
    assert found.looks_like is None  # a short recording is not another condition


def test_judge_checks_quality_in_every_condition() -> None:
    found = judge(DT4ECG, "rest", dataclasses.replace(REST, quality_share=0.3))
    assert found.text == "fail: share of the recording with a usable ECG 0.3, expected at least 0.8"
    assert found.looks_like is None


def test_judge_never_passes_what_could_not_be_measured() -> None:
    found = judge(DT4ECG, "rest", measures())
    assert found.verdict == "not judged"
    assert set(verdicts(found).values()) == {"not judged", "pass"}
    assert "mean heart rate can't be told" in found.text
    assert judge(DT4ECG, "rest", measures(duration_s=20)).verdict == "fail"
    assert verdicts(judge(DT4ECG, "exercise", EXERCISE))["above_rest_bpm"] == "not judged"


def test_judge_remarks_on_a_small_answer_without_a_verdict() -> None:
    small = dataclasses.replace(DEEP, rhythm=dataclasses.replace(DEEP.rhythm, e_minus_i_bpm=8.0))
    found = judge(DT4ECG, "deep_breathing", small, rest=REST)
    assert found.verdict == "pass"
    assert verdicts(found)["e_minus_i_bpm"] == "fail"
    assert found.text == "pass: remark: E - I difference of the heart rate 8 beats/min, expected at least 15"


def test_judge_believes_the_belt_more_than_the_heart_rate() -> None:
    odd = dataclasses.replace(DEEP, rhythm=dataclasses.replace(DEEP.rhythm, breathing_hz=0.3))
    assert judge(DT4ECG, "deep_breathing", odd).verdict == "fail"
    assert judge(DT4ECG, "deep_breathing", dataclasses.replace(odd, respiration_hz=0.1)).verdict == "warn"
    assert judge(DT4ECG, "deep_breathing", dataclasses.replace(DEEP, respiration_hz=0.25)).verdict == "fail"


def test_judge_names_all_conditions_that_fit_equally() -> None:
    lesson = load_protocol("bsl-l05")
    found = judge(lesson, "after_exercise", measures(25, heart_rate_bpm=70, slope_bpm_per_min=5.0))
    assert found.looks_like == "supine"
    assert found.text.endswith("looks like Supine or Seated")


def test_judge_does_not_guess_from_little() -> None:
    """Ten seconds of a fast heart at rest are no exercise: two of its three checks can't be judged."""
    found = judge(DT4ECG, "rest", measures(heart_rate_bpm=103, start_heart_rate_bpm=103))
    assert (found.verdict, found.looks_like) == ("warn", None)


def test_judge_shows_as_many_digits_as_it_takes() -> None:
    found = judge(DT4ECG, "rest", measures(heart_rate_bpm=100.04))
    assert found.text == "warn: mean heart rate 100.04 beats/min, expected 40 to 100"
    found = judge(DT4ECG, "deep_breathing", measures(breathing_share=0.64996))
    assert "at 0.07 to 0.13 Hz 0.64996, expected at least 0.65" in found.text


def test_judge_of_an_unknown_condition_lists_the_known() -> None:
    with pytest.raises(ProtocolError, match=r"unknown condition 'resting'.*Did you mean 'rest'"):
        judge(DT4ECG, "resting", REST)


def test_compliance_as_json_has_no_nan() -> None:
    content = judge(DT4ECG, "rest", measures(heart_rate_bpm=150)).as_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["verdict"] == "fail"
    assert {check["value"] for check in content["checks"]} == {180.0, 150.0, None}


def test_judge_visit_compares_with_a_rest_that_does_not_fail() -> None:
    swapped = judge_visit(DT4ECG, [("rest", EXERCISE), ("exercise", REST), ("deep_breathing", DEEP)])
    assert [found.looks_like for found in swapped] == ["exercise", "rest", None]
    assert verdicts(swapped[1])["above_rest_bpm"] == "not judged"
    again = judge_visit(DT4ECG, [("rest", EXERCISE), ("rest", REST), ("exercise", EXERCISE)])
    assert [found.verdict for found in again] == ["fail", "pass", "pass"]
    assert verdicts(again[2])["above_rest_bpm"] == "pass"


def simulated(subject: int, condition: str, *, seed: int, duration_s: float = 180.0) -> Measures:
    """Numbers of a simulated recording, from its true R peaks."""
    made = simulate_recording(
        subject, condition, 1, fs=100, seed=seed, duration_s=duration_s, mains_hz=40, clean=True
    )
    return Measures(
        rhythm=measure_rhythm([made.r_peaks_s]),
        duration_s=duration_s,
        quality_share=1.0,
        respiration_hz=breathing_rate(made.respiration, made.fs / made.respiration_divider)[0],
    )


@pytest.fixture(scope="module")
def study() -> dict[int, dict[str, Measures]]:
    """The numbers of the 45 recordings of a simulated study."""
    return {n: {key: simulated(n, key, seed=1) for key in CONDITIONS} for n in range(1, 16)}


def flagged(study: dict[int, dict[str, Measures]]) -> dict[tuple[int, str], Compliance]:
    """Judge all; return what did not pass."""
    found = {n: judge_visit(DT4ECG, list(sessions.items())) for n, sessions in study.items()}
    return {(n, one.condition): one for n, ones in found.items() for one in ones if one.verdict != "pass"}


def without_belt(study: dict[int, dict[str, Measures]]) -> dict[int, dict[str, Measures]]:
    return {
        n: {key: dataclasses.replace(one, respiration_hz=math.nan) for key, one in sessions.items()}
        for n, sessions in study.items()
    }


def test_judge_finds_next_to_nothing_in_the_clean_simulated_study(
    study: dict[int, dict[str, Measures]],
) -> None:
    assert len(flagged(study)) <= 1
    assert len(flagged(without_belt(study))) <= 1


@pytest.mark.parametrize("belt", [True, False])
def test_judge_names_swapped_labels_and_spoiled_recordings(
    study: dict[int, dict[str, Measures]], belt: bool
) -> None:
    clean = study if belt else without_belt(study)
    spoiled = {n: dict(sessions) for n, sessions in clean.items()}
    spoiled[2] |= {"rest": clean[2]["exercise"]}
    spoiled[5] |= {"exercise": clean[5]["deep_breathing"]}
    spoiled[9] |= {"deep_breathing": clean[9]["rest"]}
    spoiled[12] |= {"rest": dataclasses.replace(clean[12]["rest"], quality_share=0.4)}
    spoiled[14] |= {"exercise": simulated(14, "exercise", seed=1, duration_s=30.0)}
    found = flagged(spoiled)
    assert found.keys() - flagged(clean).keys() == {
        (2, "rest"),
        (5, "exercise"),
        (9, "deep_breathing"),
        (12, "rest"),
        (14, "exercise"),
    }
    assert found[2, "rest"].looks_like == "exercise"
    assert found[5, "exercise"].looks_like == "deep_breathing"
    assert found[9, "deep_breathing"].looks_like == "rest"
    assert "usable ECG 0.4" in found[12, "rest"].text
    assert "duration 30 s" in found[14, "exercise"].text
