"""The page on which runs are compared."""

from __future__ import annotations

import dataclasses

import pytest
from support.run_pages import curves

from ecgkit.report.runs import (
    ComparedRun,
    ComparisonPage,
    Difference,
    ScoreRow,
    comparison_charts,
    render_comparison,
)

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def content() -> ComparisonPage:
    fits = {"leave-subjects-out": (curves(final=False), curves(final=False)), "all": (curves(final=True),)}
    return ComparisonPage(
        runs=(
            ComparedRun("001", "cnn + none, gradnorm", True, fits),
            ComparedRun("002", "cnn + none, equal", True, fits),
        ),
        settings=(("training.balancing", ("gradnorm", "equal")),),
        n_same=40,
        scores=(
            ScoreRow(
                "condition", "leave-subjects-out", False, 1 / 3, ((0.5, 0.4, 0.6, 80), (0.7, 0.6, 0.8, 80))
            ),
            ScoreRow("subject", "paper", True, 0.1, (None, (0.9, 0.8, 0.95, 80))),
        ),
        differences=(
            Difference("001", "002", "leave-subjects-out", "condition", 80, 4, 20, 0.2, -0.05, 0.4, 2e-7),
        ),
        remarks=("Each run is one training.",),
    )


def test_render_comparison_shows_settings_scores_and_differences(content: ComparisonPage) -> None:
    page = render_comparison(content)
    for part in (
        "training.balancing",
        "40 settings are the same",
        "+20.0",
        "−5.0 to +40.0",
        "4 / 20",
        "&lt; 0.0001",
    ):
        assert part in page
    assert "Identity: paper (leaks)" in page
    assert "SIMULATED DATA" in page


def test_render_comparison_says_which_runs_are_simulated(content: ComparisonPage) -> None:
    real = dataclasses.replace(content.runs[0], simulated=False)
    assert "a program: 002." in render_comparison(dataclasses.replace(content, runs=(real, content.runs[1])))
    plain = tuple(dataclasses.replace(run, simulated=False) for run in content.runs)
    assert "SIMULATED" not in render_comparison(dataclasses.replace(content, runs=plain))


def test_render_comparison_escapes_what_it_is_given(content: ComparisonPage) -> None:
    run = dataclasses.replace(content.runs[0], name=HOSTILE, what=HOSTILE)
    settings, remarks = ((HOSTILE, (HOSTILE, HOSTILE)),), (HOSTILE,)
    hostile = dataclasses.replace(content, runs=(run, content.runs[1]), settings=settings, remarks=remarks)
    assert "<script" not in render_comparison(hostile)


def test_render_comparison_of_runs_that_were_not_tested(content: ComparisonPage) -> None:
    page = render_comparison(dataclasses.replace(content, scores=(), differences=(), settings=()))
    assert "None of the runs was tested." in page
    assert "No setting." in page


def test_comparison_charts_have_a_line_a_run(content: ComparisonPage) -> None:
    charts = comparison_charts(content, content.scores[0])
    assert len(charts) == 4
    for chart in charts:
        assert chart.count("<polyline") == 2
        assert ">001<" in chart
        assert ">002<" in chart


def test_comparison_charts_go_as_far_as_all_folds(content: ComparisonPage) -> None:
    short = curves(final=False)
    short = dataclasses.replace(short, loss={task: values[:2] for task, values in short.loss.items()})
    run = dataclasses.replace(content.runs[0], curves={"leave-subjects-out": (curves(final=False), short)})
    chart = comparison_charts(dataclasses.replace(content, runs=(run,)), content.scores[0])[2]
    assert len(chart.partition('points="')[2].partition('"')[0].split()) == 2


def test_comparison_charts_of_a_scheme_that_no_run_has(content: ComparisonPage) -> None:
    assert comparison_charts(content, content.scores[1]) == []
