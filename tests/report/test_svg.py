"""Drawings are well-formed SVG and show their numbers where they belong."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.report import svg

SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(drawing).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (1, 50, [10.0, 20.0, 30.0, 40.0, 50.0]),
        (-3, 3, [-2.0, 0.0, 2.0]),
        (2, 2, [2]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert svg.ticks(low, high) == expected


@given(
    low=st.floats(-1e6, 1e6),
    width=st.floats(1e-3, 1e6),
    most=st.integers(2, 12),
)
def test_ticks_lie_inside_and_are_few(low: float, width: float, most: int) -> None:
    marks = svg.ticks(low, low + width, most=most)
    assert len(marks) <= most
    assert all(low - 1e-6 * width <= mark <= low + width * (1 + 1e-6) for mark in marks)


def drawn_points(data: str) -> list[tuple[int, int]]:
    numbers = [int(number) for number in re.findall(r"-?\d+", data)]
    return [(int(x), int(y)) for x, y in np.array(numbers).reshape(-1, 2).cumsum(axis=0)]


def test_path_goes_through_its_points_in_whole_units() -> None:
    x, y = np.array([0.0, 2.4, 5.0, 5.0, 9.0]), np.array([0.0, 7.6, 3.0, 3.0, -4.0])
    assert drawn_points(svg.path(x, y)) == [(0, 0), (2, 8), (5, 3), (9, -4)]


def test_path_leaves_out_points_on_the_way_but_no_turn() -> None:
    x = np.array([0.0, 1, 2, 3, 3, 3])
    assert svg.path(x, np.array([0.0, 1, 2, 3, 9, 5])) == "M0 0l3 3 0 6 0-4"


def test_path_breaks_at_what_is_no_number() -> None:
    y = np.array([math.nan, 1, 2, math.nan, 4])
    assert svg.path(np.arange(5.0), y) == "M1 1l1 1M4 4l0 0"
    assert svg.path(np.empty(0), np.empty(0)) == ""


def test_path_holds_no_number_beyond_any_drawing() -> None:
    assert svg.path(np.array([0.0, 1.0]), np.array([0.0, math.inf])) == "M0 0l1 1000000"


@given(st.lists(st.tuples(st.integers(-999, 999), st.integers(-999, 999)), min_size=1, max_size=30))
def test_path_ends_where_its_points_end(points: list[tuple[int, int]]) -> None:
    x, y = np.array(points, dtype=np.float64).T
    passed = drawn_points(svg.path(x, y))
    assert (passed[0], passed[-1]) == (points[0], points[-1])
    assert set(passed) <= set(points)


def test_texts_are_grouped_and_escaped() -> None:
    assert svg.texts([], "axis") == ""
    group = ElementTree.fromstring(svg.texts([(1.6, 2, "a < b"), (3, 4, "c")], "axis"))
    assert [(text.get("x"), text.text) for text in group] == [("2", "a < b"), ("3", "c")]


def test_line_chart_draws_faint_lines_behind_and_names_the_rest() -> None:
    x = np.arange(1, 4.0)
    lines = [svg.Line("State", x, x / 4, tone=1), svg.Line("", x, x / 5, tone=1, faint=True)]
    drawing = svg.line_chart(lines, title="Accuracy", x_label="epoch", y_range=(0, 1), chance=[(0.5, 1)])
    drawn = [e.get("class") for e in ElementTree.fromstring(drawing).iter(f"{SVG}polyline")]
    assert drawn == ["line faint tone-1", "line tone-1"]
    assert {"Accuracy", "epoch", "State", "0.4"} <= set(texts(drawing))


def test_line_chart_leaves_out_what_is_not_a_number() -> None:
    y = np.array([0.1, math.nan, 0.3])
    drawing = svg.line_chart([svg.Line("a", np.arange(3.0), y)], title="t", x_label="x")
    [line] = ElementTree.fromstring(drawing).iter(f"{SVG}polyline")
    assert len((line.get("points") or "").split()) == 2
    assert "nan" not in drawing


def test_line_chart_of_one_epoch_is_drawn() -> None:
    one = np.ones(1)
    drawing = ElementTree.fromstring(svg.line_chart([svg.Line("a", one, one)], title="t", x_label="x"))
    assert drawing.tag.endswith("svg")


def test_confusion_map_shows_counts_and_shades_by_row() -> None:
    counts = np.array([[9, 1], [0, 5]])
    drawing = svg.confusion_map(counts, labels=["rest", "run"], title="State")
    cells = [e for e in ElementTree.fromstring(drawing).iter(f"{SVG}rect") if "cell" in e.get("class", "")]
    assert [cell.get("fill-opacity") for cell in cells] == ["0.90", "0.10", "1.00"]
    assert [text for text in texts(drawing) if text.isdigit()] == ["9", "1", "5"]


def test_confusion_map_of_many_classes_stays_small() -> None:
    n = 300
    drawing = svg.confusion_map(
        np.eye(n, dtype=np.int64), labels=[str(i) for i in range(n)], title="Identity"
    )
    assert len(drawing) < 60_000
    assert not [text for text in texts(drawing) if text.isdigit()]


def test_interval_plot_writes_value_and_count() -> None:
    rows = [svg.Share("07", 0.5, 0.4, 0.6, 60)]
    assert {"07", "50% of 60", "chance"} <= set(texts(svg.interval_plot(rows, title="t", chance=0.3)))


def test_interval_bar_says_where_chance_is() -> None:
    bar = svg.interval_bar(svg.Share("accuracy", 0.9, 0.8, 0.95, 10), chance=1 / 3)
    assert "chance 33%" in texts(bar)


def test_ecg_strip_draws_each_lead_even_flat_ones() -> None:
    window = np.zeros((2, 300), dtype=np.float32)
    drawing = svg.ecg_strip(window, fs=100.0, title="ECG")
    assert len(list(ElementTree.fromstring(drawing).iter(f"{SVG}polyline"))) == 2


def test_texts_are_escaped() -> None:
    rows = [svg.Share("<script>", 0.5, 0.4, 0.6, 60)]
    drawing = svg.interval_plot(rows, title='a & "b"')
    assert "<script>" not in drawing
    assert ElementTree.fromstring(drawing).get("aria-label") == 'a & "b"'
