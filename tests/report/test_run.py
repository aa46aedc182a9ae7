"""The page about a run holds every number, needs no network, and takes any text."""

from __future__ import annotations

import dataclasses
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from ecgkit.metrics.classification import score
from ecgkit.report import svg
from ecgkit.report.run import (
    Example,
    FitCurves,
    RunReport,
    SchemeScores,
    TaskScores,
    render_run_report,
    training_charts,
)

CONDITIONS = ("breathing", "exercise", "rest")


def task_scores(task: str = "condition") -> TaskScores:
    true = np.repeat([0, 1, 2], 60)
    answered = np.concatenate([[0] * 50, [1] * 5, [2] * 5, [1] * 60, [0] * 10, [2] * 50])
    folds = [("0", 0.85), ("1", 0.93)]
    return TaskScores(
        task=task,
        overall=score(true, answered, 3),
        chance=1 / 3,
        classes=CONDITIONS,
        folds=tuple(svg.Share(name, value, 0.8, 0.95, 90) for name, value in folds),
        groups={"by subject": (svg.Share("01", 0.9, 0.8, 0.95, 60),)},
    )


def curves(*, final: bool) -> FitCurves:
    epoch = np.arange(1, 4.0)
    table = {"subject": epoch / 4, "condition": epoch / 5}
    unseen = {task: np.full(3, math.nan) for task in table}
    return FitCurves(final, epoch, table, unseen if final else table, table, table, table)


@pytest.fixture
def content() -> RunReport:
    example = Example(
        np.zeros((1, 300), np.float32), "subject 01, rest, 3.0 s", "condition", "rest", "exercise", 0.6
    )
    return RunReport(
        name="001",
        summary="DT4ECG on 3 subjects",
        simulated=True,
        fs=100.0,
        facts=(("subjects", "3"),),
        conditions=(("rest", "Rest: sitting still."),),
        weights_note="They were not tested.",
        schemes=(
            SchemeScores("leave-subjects-out", "Shows the state of strangers.", False, (), (task_scores(),)),
        ),
        fits=(curves(final=False), curves(final=True)),
        examples=(example,),
        settings={"Training": (("epochs", "3"),)},
        commands=("ecgkit predict 001 FILE",),
        files=(("metrics.json", "every number of this page"),),
    )


class Outline(HTMLParser):
    """Collects tags and visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def visible(page: str) -> str:
    outline = Outline()
    outline.feed(page)
    return re.sub(r"\s+", " ", " ".join(outline.words))


def test_render_run_report_shows_scores_interval_and_chance(content: RunReport) -> None:
    text = visible(render_run_report(content))
    for expected in ("88.9 %", "[83.5, 92.7]", "chance 33%", "89.0 ± 5.7", "Shows the state of strangers."):
        assert expected in text


def test_render_run_report_says_what_the_conditions_are(content: RunReport) -> None:
    assert "Conditions rest Rest: sitting still." in visible(render_run_report(content))


def test_task_scores_spread_of_one_fold_is_nought() -> None:
    scores = dataclasses.replace(task_scores(), folds=task_scores().folds[:1])
    assert (scores.fold_mean, scores.fold_sd) == (0.85, 0.0)


def test_training_charts_leave_out_what_was_never_seen() -> None:
    assert len(training_charts([curves(final=False), curves(final=True)])) == 5
    assert len(training_charts([curves(final=True)])) == 4


def test_training_charts_name_each_task_once() -> None:
    for chart in training_charts([curves(final=False), curves(final=True)]):
        assert chart.count(">Identity<") == chart.count(">State<") == 1


def test_render_run_report_says_when_data_are_simulated(content: RunReport) -> None:
    assert "SIMULATED DATA" in render_run_report(content)
    assert "SIMULATED" not in render_run_report(dataclasses.replace(content, simulated=False))


def test_render_run_report_marks_leaking_schemes(content: RunReport) -> None:
    leaking = dataclasses.replace(content.schemes[0], leaks=True)
    marked = render_run_report(dataclasses.replace(content, schemes=(leaking,)))
    assert '<span class="tag">leaks</span>' in marked
    assert '<span class="tag">leaks</span>' not in render_run_report(content)


def test_render_run_report_says_what_the_folds_give_away(content: RunReport) -> None:
    assert "The leakage check found nothing in its folds." in visible(render_run_report(content))
    said = ("Caveat (identity): All 6 windows <came> from visits.", "Bias (state): One was: new.")
    scheme = dataclasses.replace(content.schemes[0], gives_away=said)
    text = visible(render_run_report(dataclasses.replace(content, schemes=(scheme,))))
    assert "Caveat (identity). All 6 windows <came> from visits." in text
    assert "Bias (state). One was: new." in text
    assert "found nothing" not in text


def test_render_run_report_needs_nothing_from_outside(content: RunReport) -> None:
    page = render_run_report(content)
    without_namespace = page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "http" not in without_namespace
    assert not {"script", "link", "img", "iframe"} & set(tags(page))


def tags(page: str) -> list[str]:
    outline = Outline()
    outline.feed(page)
    return outline.tags


def test_render_run_report_escapes_what_it_is_given(content: RunReport) -> None:
    page = render_run_report(dataclasses.replace(content, name="<script>alert(1)</script>"))
    assert "script" not in tags(page)


def test_render_run_report_without_evaluation_says_so(content: RunReport) -> None:
    page = render_run_report(dataclasses.replace(content, schemes=(), examples=()))
    assert "This run was not evaluated" in page


def test_render_run_report_is_the_same_each_time(content: RunReport) -> None:
    assert render_run_report(content) == render_run_report(content)
