"""The drawing of the heart rate shows beats, expectations, quality, and what is left out."""

from __future__ import annotations

import dataclasses
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from ecgkit.analysis.rhythm import measure_rhythm
from ecgkit.protocol.compliance import CheckResult
from ecgkit.report.study_rate import Expected, RatePicture, draw_rate, expected_rates

BEATS_S = np.arange(0.5, 180, 1.0)  # 60 beats a minute


def check(measure: str, value: float, low: float | None, high: float | None) -> CheckResult:
    return CheckResult(measure, value, "pass", (low, high), None, counts=True, source="a paper", text="t")


def picture(*checks: CheckResult, beats_s: np.ndarray = BEATS_S, **more: Any) -> RatePicture:
    plain = RatePicture(
        beats_s=(beats_s,),
        rhythm=measure_rhythm([beats_s]),
        checks=checks,
        duration_s=180.0,
        expected_s=180.0,
    )
    return dataclasses.replace(plain, **more)


def boxes(drawing: str, css: str) -> list[tuple[int, int]]:
    """From where to where the boxes of a class reach."""
    found = "".join(re.findall(rf'<path class="{css}" d="([^"]*)"', drawing))
    return [(int(a), int(b)) for a, b in re.findall(r"M(\d+) \d+H(\d+)", found)]


def test_expected_rates_are_in_beats_a_minute_wherever_the_check_is_relative() -> None:
    rhythm = dataclasses.replace(
        measure_rhythm([]), heart_rate_bpm=110.0, start_heart_rate_bpm=120.0, stop_heart_rate_bpm=100.0
    )
    checks = [
        check("heart_rate_bpm", 110.0, 40, 100),
        check("start_heart_rate_bpm", 120.0, 90, None),
        check("change_bpm", -20.0, -10, 10),
        check("above_rest_bpm", 50.0, 10, None),
        check("ratio_to_rest", 2.0, 1.2, 3),
        check("quality_share", 1.0, 0.8, None),
    ]
    assert expected_rates(checks, rhythm, duration_s=180.0) == [
        Expected("heart_rate_bpm", 0.0, 180.0, 40.0, 100.0, 110.0, "pass"),
        Expected("start_heart_rate_bpm", 0.0, 30.0, 90.0, np.inf, 120.0, "pass"),
        Expected("change_bpm", 150.0, 180.0, 110.0, 130.0, 100.0, "pass"),
        Expected("above_rest_bpm", 0.0, 180.0, 70.0, np.inf, 110.0, "pass"),
        Expected("ratio_to_rest", 0.0, 180.0, 66.0, 165.0, 110.0, "pass"),
    ]


def test_expected_rates_leave_out_what_was_not_measured() -> None:
    assert (
        expected_rates([check("above_rest_bpm", np.nan, 10, None)], measure_rhythm([]), duration_s=60) == []
    )


def test_draw_rate_draws_each_expectation_and_what_was_measured() -> None:
    drawing = draw_rate(picture(check("heart_rate_bpm", 60.0, 50, 70), check("change_bpm", 0.0, -10, 10)))
    ElementTree.fromstring(drawing)
    assert drawing.count('class="expected"') == drawing.count('class="bar pass"') == 2
    assert "no heart rate" not in drawing


def test_draw_rate_does_not_cross_a_gap() -> None:
    stretches = (BEATS_S[BEATS_S < 60], BEATS_S[BEATS_S > 90])
    drawing = draw_rate(picture(excluded_s=((60.0, 90.0),)))
    assert boxes(drawing, "excluded") == [(593, 845)]
    parted = draw_rate(dataclasses.replace(picture(), beats_s=stretches))
    [line] = re.findall(r'<path class="rate" d="([^"]*)"', parted)
    assert line.count("M") == 2


def test_draw_rate_shades_rejected_windows_and_tracks_quality() -> None:
    drawing = draw_rate(picture(rejected_s=((0.0, 10.0), (10.0, 20.0)), doubtful_s=((90.0, 100.0),)))
    assert boxes(drawing, "rejected") == boxes(drawing, "reject") == [(90, 258)]
    assert boxes(drawing, "doubtful") == [(845, 929)]


def test_draw_rate_shows_what_lacks_of_the_duration() -> None:
    short = draw_rate(picture(duration_s=90.0, beats_s=BEATS_S[:90]))
    assert '<rect class="absent" x="845" y="50" width="755"' in short
    assert "absent" not in draw_rate(picture())


def test_draw_rate_paces_breaths_in_and_out() -> None:
    drawing = draw_rate(picture(breath_period_s=10.0))
    [dash] = re.findall(r'stroke-dasharray="([\d.]+)"', drawing)
    assert float(dash) == pytest.approx(1510 / 180 * 5, abs=0.1)
    assert "pacer" not in draw_rate(picture(breath_period_s=10.0, duration_s=86_400.0))  # none could be seen


def test_draw_rate_says_where_the_recovery_begins_and_how_it_should_fall() -> None:
    drawing = draw_rate(picture(check("slope_bpm_per_min", 0.0, None, -2), delay_s=60.0))
    assert "begins 60 s after the stimulus" in drawing
    assert drawing.count('class="slope"') == 1
    assert "slope" not in draw_rate(picture(check("slope_bpm_per_min", 0.0, -2, 2)))


@pytest.mark.parametrize("beats_s", [np.empty(0), np.array([3.0])])
def test_draw_rate_without_beats_says_so(beats_s: np.ndarray) -> None:
    stretches = (beats_s,) if len(beats_s) else ()
    drawing = draw_rate(dataclasses.replace(picture(), beats_s=stretches, rhythm=measure_rhythm([])))
    ElementTree.fromstring(drawing)
    assert "no heart rate that can be told" in drawing


def test_draw_rate_of_a_day_stays_small() -> None:
    day_s = 86_400.0
    beats_s = np.cumsum(np.random.default_rng(0).normal(0.9, 0.05, 95_000))
    windows = tuple((float(start), float(start) + 10) for start in range(0, 86_400, 20))
    drawing = draw_rate(picture(beats_s=beats_s, duration_s=day_s, rejected_s=windows, doubtful_s=windows))
    assert len(drawing) < 12_000
    assert "12:00:00" in drawing


@pytest.mark.parametrize("duration_s", [0.5, 59.0, 1e7, 1e15])
def test_draw_rate_has_few_marks_of_time(duration_s: float) -> None:
    marks = re.findall(r">\d+:\d\d", draw_rate(picture(duration_s=duration_s, expected_s=1.0)))
    assert 1 <= len(marks) <= 9
