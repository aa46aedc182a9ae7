"""The page of a prediction says what was answered, takes any text, and needs no network."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from ecgkit.report.prediction import Headline, PredictionPage, render_prediction, tally
from ecgkit.report.timeline import NO_ANSWER, UNKNOWN, Lane, Timeline

HOSTILE = "$1 {{ 7 * 7 }} <script>alert(1)</script> \x1b[2J \ud800 \"'&  心電図"
ANSWERS = np.array([0, 0, 1, UNKNOWN, UNKNOWN, UNKNOWN, NO_ANSWER])
PROBABILITY = np.array([0.9, 0.8, 0.7, 0.5, 0.4, 0.6, np.nan])


def lanes(who: str = "07") -> tuple[Lane, ...]:
    state = np.where(ANSWERS == NO_ANSWER, NO_ANSWER, 0)
    return (
        Lane("Identity", (who, "09"), (0, 3), ANSWERS, PROBABILITY, 0.65),
        Lane("State", ("rest",), (1, 2, 4), state, PROBABILITY),
    )


@pytest.fixture
def page() -> PredictionPage:
    starts = np.arange(7) * 3.0
    return PredictionPage(
        title="Run 001, asked of a recording",
        summary="acq, channel ECG · 0:21 · 6 of 7 windows of 3 s used · 61 beats/min",
        banners=("The file is SIMULATED: nobody was recorded.",),
        headlines=(
            Headline(
                "Identity", "who is it?", "unknown", False, ("probability 0.52 (calibrated), 6 windows",)
            ),
            Headline("State", "in which state?", "rest", True, ("probability 0.66 (calibrated), 6 windows",)),
        ),
        calibration=("'unknown' is what stays under 0.65.",),
        timeline=Timeline(
            fs=100.0,
            ecg=np.zeros((7, 300), dtype=np.float32),
            ecg_start_s=starts,
            rejected=ANSWERS == NO_ANSWER,
            start_s=starts,
            stop_s=starts + 3,
            rate_bpm=np.full(7, 61.0),
            lanes=lanes(),
        ),
        limits=("The run knows 15 people.",),
        facts=(("network", "resnet + sca"),),
        notes=("cut off in the journal",),
    )


class Outline(HTMLParser):
    """Collects tags and visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_prediction_page_says_what_there_is(page: PredictionPage) -> None:
    text = Outline(render_prediction(page)).text
    for expected in (
        "Run 001, asked of a recording",
        "The file is SIMULATED: nobody was recorded.",
        "Identity: who is it? unknown probability 0.52 (calibrated), 6 windows",
        "'unknown' is what stays under 0.65.",
        "Each strip is 0:30 long.",
        "threshold of “unknown”",
        "quality “reject”: left out",
        "07 2 33 % 0.85",
        "unknown 3 50 % 0.50",
        "The run knows 15 people.",
        "network resnet + sca",
        "cut off in the journal",
    ):
        assert expected in text


def test_prediction_page_explains_only_what_is_drawn(page: PredictionPage) -> None:
    plain = tuple(dataclasses.replace(lane, threshold=None) for lane in page.timeline.lanes)
    shown = dataclasses.replace(page.timeline, lanes=plain, rejected=np.zeros(7, dtype=bool))
    text = Outline(render_prediction(dataclasses.replace(page, timeline=shown))).text
    assert "threshold of" not in text
    assert "left out" not in text
    assert "a column of a lane" not in text


def test_prediction_page_of_a_day_says_what_a_column_is(page: PredictionPage) -> None:
    n = 28_800
    starts = np.arange(n) * 3.0
    lane = Lane("State", ("rest",), (1, 2, 4), np.zeros(n, dtype=np.int64), np.full(n, 0.5))
    day = Timeline(
        fs=10.0,
        ecg=np.zeros((n, 30), dtype=np.float32),
        ecg_start_s=starts,
        rejected=np.zeros(n, dtype=bool),
        start_s=starts,
        stop_s=starts + 3,
        rate_bpm=np.full(n, 61.0),
        lanes=(lane,),
    )
    content = render_prediction(dataclasses.replace(page, timeline=day))
    assert "a column of a lane stands for 0:32 and shows the shares" in Outline(content).text
    assert len(content) < 1_000_000


def test_prediction_page_needs_nothing_from_outside(page: PredictionPage) -> None:
    text = render_prediction(page)
    assert "http" not in text
    assert not {"script", "link", "img", "iframe", "image"} & set(Outline(text).tags)
    assert "url(" not in re.sub(r"url\(#\w+\)", "", text)
    for name in re.findall(r"url\(#(\w+)\)", text):
        assert f'id="{name}"' in text
    for variable in re.findall(r"var\((--[\w-]+)\)", text):
        assert text.count(f"{variable}: #") >= 2, f"{variable} has no light and dark colour"


def test_prediction_page_takes_any_text(page: PredictionPage) -> None:
    content = dataclasses.replace(
        page,
        title=HOSTILE,
        summary=HOSTILE,
        banners=(HOSTILE,),
        headlines=(Headline(HOSTILE, HOSTILE, HOSTILE, True, (HOSTILE,)),),
        calibration=(HOSTILE,),
        timeline=dataclasses.replace(page.timeline, lanes=lanes(HOSTILE)),
        limits=(HOSTILE,),
        facts=((HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
    )
    text = render_prediction(content)
    text.encode()
    assert "script" not in Outline(text).tags
    assert "\x1b" not in text
    assert "{{ 7 * 7 }}" in text


def test_tally_counts_answers_and_puts_unknown_last() -> None:
    rows = tally(lanes()[0])
    assert [(row.answer, row.n) for row in rows] == [("07", 2), ("09", 1), ("unknown", 3)]
    assert [row.share for row in rows] == pytest.approx([1 / 3, 1 / 6, 1 / 2])
    assert [row.probability for row in rows] == pytest.approx([0.85, 0.7, 0.5])
    nothing = dataclasses.replace(lanes()[1], answer=np.full(7, NO_ANSWER))
    assert tally(nothing) == []
