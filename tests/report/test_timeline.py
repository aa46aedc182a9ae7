"""Strips show every answer where it was given, and stay small however long the recording is."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.report.timeline import (
    LANE,
    LEFT,
    MOST_STRIPS,
    NO_ANSWER,
    RIGHT,
    STRIPS_S,
    UNKNOWN,
    Lane,
    Timeline,
    clock,
    draw_strips,
    legend,
)

FS = 100.0
HOSTILE = "<script>alert(1)</script> \x1b[2J \ud800 \"'& 心電図"


def lane(
    answer: list[int] | np.ndarray, *, labels: tuple[str, ...] = ("01", "02"), **changes: object
) -> Lane:
    codes = np.asarray(answer)
    probability = np.where(codes == NO_ANSWER, np.nan, 0.75)
    values = {"title": "Identity", "tones": (0, 3), "threshold": None} | changes
    return Lane(labels=labels, answer=codes, probability=probability, **values)


def timeline(
    *lanes: Lane, window_s: float = 3.0, start_s: np.ndarray | None = None, fuse: int = 1
) -> Timeline:
    """Windows one after the other, a beat a second; an answer for each `fuse` of them."""
    n = len(lanes[0].answer)
    window = (np.arange(round(window_s * FS)) % 100 == 0).astype(np.float32)
    starts = np.arange(n * fuse) * window_s if start_s is None else start_s
    rejected = np.repeat(lanes[0].answer == NO_ANSWER, fuse)
    return Timeline(
        fs=FS,
        ecg=np.tile(window, (n * fuse, 1)),
        ecg_start_s=starts,
        rejected=rejected,
        start_s=starts[::fuse],
        stop_s=starts[fuse - 1 :: fuse] + window_s,
        rate_bpm=np.where(lanes[0].answer == NO_ANSWER, np.nan, 60.0),
        lanes=lanes,
    )


def blocks(drawing: str, css: str) -> list[tuple[float, float]]:
    """Where the blocks of a look begin and end, as shares of the strip."""
    found = re.findall(rf'<rect class="{css}" x="(\d+)" y="\d+" width="(\d+)"', drawing)
    return [((int(x) - LEFT) / (RIGHT - LEFT), (int(x) + int(w) - LEFT) / (RIGHT - LEFT)) for x, w in found]


def test_strips_show_each_answer_where_it_was_given() -> None:
    answers = [0] * 4 + [1] + [UNKNOWN] * 3 + [NO_ANSWER] * 2
    (strip,) = draw_strips(timeline(lane(answers)))
    assert blocks(strip, "is-0") == [pytest.approx((0, 0.4), abs=1e-3)]
    assert blocks(strip, "is-3") == [pytest.approx((0.4, 0.5), abs=1e-3)]
    assert blocks(strip, "is-unknown") == [pytest.approx((0.5, 0.8), abs=1e-3)]
    assert blocks(strip, "is-none") == [pytest.approx((0.8, 1.0), abs=1e-3)]
    assert blocks(strip, "left-out") == [pytest.approx((0.8, 1.0), abs=2e-3)]
    assert re.findall(r">(01|02|unknown|no answer)<", strip) == ["01", "02", "unknown"]


def test_strips_break_at_a_pause() -> None:
    starts = np.array([0.0, 3.0, 20.0, 23.0])
    (strip,) = draw_strips(timeline(lane([0, 0, 0, 0]), start_s=starts))
    assert blocks(strip, "is-0") == [
        pytest.approx((0, 0.2), abs=1e-3),
        pytest.approx((2 / 3, 26 / 30), abs=1e-3),
    ]
    (curve,) = re.findall(r'class="curve" d="([^"]*)"', strip)
    assert curve.count("M") == 2
    (signal,) = re.findall(r'class="ecg" d="([^"]*)"', strip)
    assert signal.count("M") == 2


def test_strips_show_an_answer_over_several_strips_in_each() -> None:
    strips = draw_strips(timeline(lane([0, 1]), fuse=15))  # 45 s each
    assert [blocks(strip, "is-0") for strip in strips] == [
        [pytest.approx((0, 1))],
        [pytest.approx((0, 0.5), abs=1e-3)],
        [],
    ]
    assert blocks(strips[1], "is-3") == [pytest.approx((0.5, 1), abs=1e-3)]
    assert blocks(strips[2], "is-3") == [pytest.approx((0, 1))]


def test_strips_draw_overlapping_windows_once() -> None:
    starts = np.arange(19) * 1.5
    (strip,) = draw_strips(timeline(lane([0] * 19), start_s=starts))
    (signal,) = re.findall(r'class="ecg" d="([^"]*)"', strip)
    assert signal.count("M") == 1
    assert blocks(strip, "is-0") == [pytest.approx((0, 1), abs=1e-3)]


def test_strips_draw_the_threshold_and_the_probability_at_their_heights() -> None:
    (strip,) = draw_strips(timeline(lane([0, 0], threshold=0.9)))
    (frame_top,) = re.findall(r'<rect class="frame" x="\d+" y="(\d+)"', strip)
    (limit,) = re.findall(r'class="limit" d="M\d+ (\d+)H', strip)
    (level,) = re.findall(r'class="curve" d="M\d+ (\d+)H', strip)
    assert int(limit) - int(frame_top) == pytest.approx(LANE * 0.1, abs=1)
    assert int(level) - int(frame_top) == pytest.approx(LANE * 0.25, abs=1)
    assert "limit" not in draw_strips(timeline(lane([0])))[0]


@pytest.mark.parametrize(
    ("n", "strip_s", "n_strips"),
    [(1, 30, 1), (20, 30, 2), (121, 60, 7), (28_800, 7200, 12), (201_600, 86400, 7)],
)
def test_strips_are_few_however_long_the_recording_is(n: int, strip_s: int, n_strips: int) -> None:
    made = timeline(lane([0] * n))
    assert made.strip_s == strip_s
    assert strip_s in STRIPS_S
    assert -(-made.duration_s // strip_s) == n_strips <= MOST_STRIPS


def test_strips_of_a_day_show_shares_and_stay_small() -> None:
    generator = np.random.default_rng(3)
    answers = generator.choice([0, 1, 2, UNKNOWN, NO_ANSWER], 28_800, p=[0.4, 0.3, 0.1, 0.1, 0.1])
    made = timeline(lane(answers, labels=("01", "02", "03")))
    assert made.in_columns
    strips = draw_strips(made)
    assert len(strips) == 12
    assert sum(map(len, strips)) < 1_500_000
    heights = {
        css: sum(float(v) for v in re.findall(r"v-([\d.]+)h", outline))
        for css, outline in re.findall(r'<path class="(is-[\w]+)" d="([^"]*)"', strips[0])
    }
    total = sum(heights.values())
    shares = {css: height / total for css, height in heights.items()}
    assert shares == pytest.approx(
        {"is-0": 0.4, "is-3": 0.3, "is-other": 0.1, "is-unknown": 0.1, "is-none": 0.1}, abs=0.03
    )


@given(
    st.lists(st.integers(-2, 1), min_size=1, max_size=400),
    st.integers(1, 4),
    st.sampled_from([0.4, 3.0, 600.0]),
)
@settings(max_examples=40, deadline=None)
def test_strips_are_whole_drawings_of_any_answers(answers: list[int], fuse: int, window_s: float) -> None:
    made = timeline(lane(answers), lane(answers, title="State"), window_s=window_s, fuse=fuse)
    for strip in draw_strips(made):
        ET.fromstring(strip)
        assert "nan" not in strip


@pytest.mark.parametrize("value", [0.0, 1e30, -1e30, 1e-45], ids=str)
def test_strips_take_any_signal(value: float) -> None:
    made = timeline(lane([0, 1]))
    made.ecg[:] = value
    made.rate_bpm[:] = np.nan
    (strip,) = draw_strips(made)
    ET.fromstring(strip)
    assert "no heart beats" in strip


def test_strips_take_any_label() -> None:
    (strip,) = draw_strips(timeline(lane([0] * 10, labels=(HOSTILE,), title="Identity")))
    ET.fromstring(strip)
    assert "<script" not in strip
    assert "\x1b" not in strip


def test_legend_names_the_looks_that_there_are() -> None:
    assert legend(lane([0, 1, UNKNOWN, NO_ANSWER])) == [
        ("is-0", "01"),
        ("is-3", "02"),
        ("is-unknown", "unknown"),
    ]
    many = lane(list(range(5)), labels=("a", "b", "c", "d", "e"))
    assert legend(many) == [("is-0", "a"), ("is-3", "b"), ("is-other", "others (3)")]


def test_clock_counts_from_the_start() -> None:
    assert [clock(seconds) for seconds in (0, 59.9, 61, 3600, 90_061)] == [
        "0:00",
        "0:59",
        "1:01",
        "1:00:00",
        "25:01:01",
    ]
