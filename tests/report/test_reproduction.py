"""The page of a reproduction and its drawings, from numbers that are made up."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from ecgkit.metrics.seeds import OverSeeds, over_seeds
from ecgkit.report.reproduction import (
    Claim,
    Curve,
    PaperScores,
    Reproduction,
    RowScores,
    SchemeText,
    Section,
    TaskTable,
    Versus,
    p_text,
    render_index,
    render_reproduction,
    score_text,
    signed,
)
from ecgkit.report.reproduction_figures import Band, Dots, band_chart, dot_plot

NASTY = "<script>alert('1')</script>"


def row_of(name: str, *accuracies: float, wanted: int = 3, **more: object) -> RowScores:
    measures = {key: over_seeds(accuracies) for key in ("accuracy", "precision", "recall", "f1")}
    seeds = tuple(range(len(accuracies)))
    row = RowScores(name, wanted, seeds, accuracies, measures, wilson=(0.8, 0.9), seconds=61.0)
    return replace(row, **more)  # type: ignore[arg-type]


def page_of(*rows: RowScores, **changes: object) -> Reproduction:
    table = TaskTable("condition", "paper", 0.34, 799, rows)
    scheme = SchemeText("paper", "It leaks.", leaks=True, gives_away=("leak: the same recording.",))
    claim = Claim(f"{NASTY} is first", "first: 90.11", "can't tell", "it takes 3 seeds")
    section = Section("paper", (scheme,), (table,), (claim,), (), missing=0, wanted=6)
    page = Reproduction(
        name="table1",
        title="Table I",
        simulated=True,
        about=f"study {NASTY}",
        facts=(("study", NASTY),),
        training=(("epochs", "50"),),
        sections=(section,),
        columns=(),
        cross={},
        curve_pairs=(),
        command="ecgkit reproduce table1 --dataset dataset.h5",
        files=(("table1.csv", "every score"),),
    )
    return replace(page, **changes)  # type: ignore[arg-type]


FIRST = row_of("ours", 0.84, 0.85, 0.86, paper=PaperScores(0.9011, (0.879, 0.92), 0.9025, 0.9011, 0.9011))
SECOND = row_of("theirs", 0.80, 0.82, 0.81, versus=Versus(over_seeds([-0.04, -0.03, -0.05]), 0.0123))


def test_page_shows_ours_and_the_papers_numbers_side_by_side() -> None:
    page = render_reproduction(page_of(FIRST, SECOND))
    for shown in (
        "85.0 ± 1.0",
        "82.5–87.5",
        "90.11",
        "87.9–92.0",
        "paper (its own data, its random split)",
        "−4.0",
        "−6.5 to −1.5",
        "0.012",
        "61 s",
        "SIMULATED DATA",
        "It leaks.",
        "What of the paper holds here",
        "ecgkit reproduce table1 --dataset dataset.h5",
    ):
        assert shown in page, shown


def test_page_escapes_every_text() -> None:
    for page in (render_reproduction(page_of(FIRST, row_of(NASTY, 0.5))), render_index((page_of(FIRST),))):
        assert "<script" not in page
        assert "&lt;script" in page


def test_page_marks_what_is_not_there() -> None:
    content = page_of(FIRST, row_of("half", 0.5, 0.6), RowScores("none of it", 3))
    section = replace(content.sections[0], missing=4)
    page = render_reproduction(replace(content, sections=(section,)))
    assert "NOT WHOLE" in page
    assert "<b>2 of 3</b>" in page
    assert "<b>0 of 3</b>" in page
    assert "not there yet</text>" in page


def test_page_of_nothing_at_all_can_be_made() -> None:
    assert "Table I" in render_reproduction(page_of(RowScores("a", 5), RowScores("b", 5)))


def test_page_of_a_cross_shades_by_accuracy_and_marks_the_best() -> None:
    rows = (
        row_of("A + SCA", 0.9, 0.9, 0.9),
        row_of("A", 0.8, 0.8, 0.8),
        RowScores("B", 3),
        RowScores("B + SCA", 3),
    )
    content = page_of(*rows, columns=("none", "SCA"), cross={"A": ("A", "A + SCA"), "B": ("B", "B + SCA")})
    page = render_reproduction(content)
    assert re.findall(r'--share: ([\d.]+)"( class="best")?', page) == [
        ("0.000", ""),
        ("1.000", ' class="best"'),
        ("0.000", ""),
        ("0.000", ""),
    ]


def test_page_draws_the_curves_of_a_pair_together() -> None:
    curves = tuple(
        Curve(name, "condition", "paper", (0, 1), np.full((2, 5), 0.5), np.full((2, 5), 0.25))
        for name in ("on", "off")
    )
    content = page_of(row_of("on", 0.5), row_of("off", 0.5))
    section = replace(content.sections[0], curves=curves)
    page = render_reproduction(replace(content, sections=(section,), curve_pairs=(("on", "off"),)))
    assert page.count('class="band"') == 4
    assert "State: accuracy on the training windows (paper)" in page


def test_dot_plot_places_its_marks_on_one_axis() -> None:
    rows = [
        Dots("a", (0.7, 0.8), "75.0 ± 7.1", 0.75, (0.7, 0.8), (0.65, 0.85), 0.9),
        Dots("b", (), "not there yet"),
    ]
    drawing = dot_plot(rows, title="T", tone=1, chance=0.1)
    [mean] = re.findall(r'class="dot" cx="([\d.]+)" cy="75"', drawing)
    rings = [float(x) for x in re.findall(r'class="ring" cx="([\d.]+)" cy="75"', drawing)]
    [diamond] = re.findall(r'class="diamond" d="M([\d.]+) 69', drawing)
    assert float(mean) == pytest.approx(np.mean(rings), abs=0.1)
    # 0.9 lies three times as far from the mean as 0.8 does
    assert float(diamond) - float(mean) == pytest.approx(3 * (rings[1] - float(mean)), abs=0.3)
    assert "chance" not in drawing.replace('class="chance', "")  # it lies outside of the axis
    assert drawing.count("not there yet") == 1


def test_dot_plot_of_equal_scores_has_an_axis() -> None:
    drawing = dot_plot([Dots("a", (1.0,), "100.0", 1.0)], title="T", tone=0, chance=None)
    assert "nan" not in drawing
    assert "100 %" in drawing


def test_band_chart_keeps_within_its_frame() -> None:
    values = np.array([[0.1, 0.9, 1.0], [0.3, 1.0, 1.0]])
    drawing = band_chart([Band("on", values), Band("off", values[:1])], title="T")
    numbers = [int(n) for d in re.findall(r'class="line" d="M(\d+ \d+)', drawing) for n in d.split()]
    assert all(0 <= number <= 4700 for number in numbers)
    assert drawing.count('class="band"') == 2


def test_texts_of_numbers() -> None:
    assert (signed(0.0004), signed(-0.0004), signed(0.051), signed(-0.051)) == ("0.0", "0.0", "+5.1", "−5.1")
    assert [p_text(p) for p in (None, 0.0005, 0.04, 0.4, 1.0)] == ["–", "< 0.001", "0.040", "0.40", "1.00"]
    assert score_text(OverSeeds(2, 0.5, 0.25)) == "50.0 ± 25.0"
