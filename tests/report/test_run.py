"""The page about a run holds every number, needs no network, and takes any text."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from support.run_pages import CONDITIONS, calibration, curves, task_scores

from ecgkit.report.run import (
    Example,
    NetworkPart,
    RunReport,
    VariedWindow,
    render_run_report,
)
from ecgkit.report.run_scores import Grid, SchemeScores

GRID = Grid(("01", "02"), CONDITIONS, np.array([[10, 10, 0], [10, 20, 0]]), np.array([[9, 0, 0], [5, 20, 0]]))


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
        grids={("leave-subjects-out", "condition"): GRID},
        training=("Adam, 3 epochs.",),
        fits=(curves(final=False), curves(final=True)),
        calibration=None,
        not_calibrated="The probabilities are not calibrated.",
        augmentation=None,
        examples=(example,),
        network=NetworkPart((("parameters", "122,268"),), (("stem", "Conv1d", "32 × 150", "224", "9"),), 2),
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


def test_render_run_report_says_in_words_what_the_scores_mean(content: RunReport) -> None:
    text = visible(render_run_report(content))
    assert "Of 100 windows about 89 were given the state they were recorded in" in text
    assert "rest is most often taken for exercise" not in text
    assert "rest is most often taken for breathing: 10 of its 60 windows (17%)" in text


def test_render_run_report_has_a_cell_for_each_subject_and_condition_tested(content: RunReport) -> None:
    page = render_run_report(content)
    assert re.findall(r'<td class="cell-1" style="--share:([\d.]+)"', page) == [
        "0.90",
        "0.00",
        "0.50",
        "1.00",
    ]
    assert "by subject and condition" not in render_run_report(dataclasses.replace(content, grids={}))


def test_render_run_report_shows_what_the_network_is_made_of(content: RunReport) -> None:
    text = visible(render_run_report(content))
    for expected in ("parameters 122,268", "stem Conv1d 32 × 150 224 9", "And 2 more layers"):
        assert expected in text


def test_render_run_report_without_calibration_says_why(content: RunReport) -> None:
    assert "The probabilities are not calibrated." in visible(render_run_report(content))


def test_render_run_report_shows_calibration(content: RunReport) -> None:
    text = visible(render_run_report(dataclasses.replace(content, calibration=calibration())))
    for expected in (
        "State: how often an answer is right",
        "0.274 → 0.084",
        "10 windows 55.2",
        "1.2 [0.4, 3.0]",
        "No finer <target>.",
    ):
        assert expected in text
    assert "not calibrated" not in text


def test_render_run_report_shows_variations_only_where_there_were_some(content: RunReport) -> None:
    assert "Variations" not in visible(render_run_report(content))
    ecg = np.zeros((1, 300), np.float32)
    varied = VariedWindow(("White noise added.",), "subject 01, rest, 3 s", ecg, np.stack([ecg] * 4))
    page = render_run_report(dataclasses.replace(content, augmentation=varied))
    assert "White noise added." in page
    assert page.count("varied</figcaption>") == 4


def test_render_run_report_says_which_epochs_were_kept(content: RunReport) -> None:
    assert "never the best one" in visible(render_run_report(content)).replace("\n", " ")
    chosen = tuple(dataclasses.replace(fit, kept_epoch=n) for n, fit in enumerate(content.fits, start=2))
    text = visible(render_run_report(dataclasses.replace(content, fits=chosen)))
    assert "epochs 2 to 3. The weights of this run are those of epoch 3." in text
    assert "never the best one" not in text


def test_render_run_report_of_one_task_only(content: RunReport) -> None:
    fits = tuple(
        dataclasses.replace(fit, **{name: {"condition": table["condition"]} for name, table in tables(fit)})
        for fit in content.fits
    )
    page = render_run_report(dataclasses.replace(content, fits=fits, examples=()))
    assert "Identity" not in page


def tables(fit: object) -> list[tuple[str, dict[str, np.ndarray]]]:
    names = ("accuracy", "test_accuracy", "loss", "weight", "gradient_norm")
    return [(name, getattr(fit, name)) for name in names]


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
