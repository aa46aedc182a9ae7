"""The page about a study says what is wrong first, holds every session, and takes any text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from ecgkit.protocol.compliance import CheckResult
from ecgkit.report.study import (
    MOST_ROWS,
    STATES,
    Column,
    Expectation,
    Figures,
    Group,
    Point,
    Row,
    SessionPart,
    StudyPage,
    render_study_page,
)

HOSTILE = '"><script>alert(1)</script>&amp;\x1b'
DURATION = CheckResult(
    "duration_s", 45.0, "fail", (162, None), (60, None), counts=True, source="ours", text="duration 45 s"
)
FIGURES = Figures('<svg class="mm"/>', '<svg class="mm"/>', '<svg class="mm"/>')


def part(subject: str, condition: str, state: str = "ok", **more: object) -> SessionPart:
    plain = SessionPart(
        key=f"sub-{subject}_visit-1_cond-{condition}_take-1",
        condition=condition,
        name=condition.capitalize(),
        state=state,
        sentence="pass" if state == "ok" else "fail: duration 45 s, expected at least 162",
        duration_s=180.0,
        heart_rate_bpm=61.7,
        checks=(DURATION,),
        notes=(),
        figures=FIGURES,
        strip_note="ECG, 25 mm/s, 10 mm/mV; from 1:27",
    )
    return dataclasses.replace(plain, **more)


def page(*rows: Row, points: tuple[Point, ...] = (), **more: object) -> StudyPage:
    expectations = (Expectation("duration", "at least 162 s", "at least 60 s", "a paper of 1996"),)
    plain = StudyPage(
        name="breath",
        title="Rest and run",
        simulated="",
        made="Made by ecgkit",
        facts=(("protocol", "dt4ecg"),),
        columns=(
            Column("rest", "Rest", "Sitting still.", (("duration", "180 s"),), expectations),
            Column("exercise", "Exercise", "Recovery.", (), expectations),
        ),
        rows=rows,
        points=points,
        commands=("ecgkit build-dataset",),
    )
    return dataclasses.replace(plain, **more)


def right(subject: str) -> Row:
    return Row(subject, 1, ((part(subject, "rest"),), (part(subject, "exercise"),)), has_gap=False)


def wrong(subject: str) -> tuple[Row, tuple[Point, ...]]:
    """A subject one of whose sessions fails, while the other is missing."""
    failed = part(subject, "rest", "fail")
    points = (
        Point(
            "fail", failed.key, f"subject {subject}, Rest", "duration 45 s", ("duration",), "ecgkit exclude"
        ),
        Point("missing", "", f"subject {subject}", "Exercise is missing", ("Exercise",), "ecgkit ingest"),
    )
    return Row(subject, 1, ((failed,), ()), has_gap=True), points


class Outline(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str, css: str = "") -> list[dict[str, str | None]]:
        return [
            attrs for name, attrs in self.tags if name == tag and css in (attrs.get("class") or "").split(" ")
        ]


def test_page_of_a_study_without_faults_says_so() -> None:
    text = Outline(render_study_page(page(right("01"), right("02")))).text
    assert "Nothing: every session is there and is what the protocol asks for." in text
    assert "✓ 4 ok" in text
    assert "SIMULATED" not in text


def test_page_of_an_empty_study_names_the_next_step() -> None:
    outline = Outline(render_study_page(page(commands=("ecgkit ingest FILE",))))
    assert "There is no session yet." in outline.text
    assert "ecgkit ingest FILE" in outline.text
    assert not outline.all("table", "grid-table")


def test_page_says_first_what_is_wrong_with_what_to_do() -> None:
    row, points = wrong("07")
    shown = page(right("01"), row, points=points, simulated="These sessions were made by a program.")
    assert shown.counts == {"fail": 1, "missing": 1, "ok": 2}
    text = Outline(render_study_page(shown)).text
    order = [
        "SIMULATED DATA",
        "✗ 1 fail",
        "subject 07, Rest",
        "ecgkit exclude",
        "Exercise is missing",
        "ecgkit ingest",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "Nothing:" not in text


def test_page_shows_a_cell_a_session_that_leads_to_it() -> None:
    row, points = wrong("07")
    outline = Outline(render_study_page(page(right("01"), row, points=points)))
    cells = outline.all("a", "cell")
    sections = [attrs["id"] for attrs in outline.all("section", "session")]
    assert [cell["href"] for cell in cells] == [f"#{key}" for key in sections]
    assert [cell["class"] for cell in cells] == ["cell ok", "cell ok", "cell fail"]
    assert len(outline.all("span", "missing")) == 4  # at the top, of the group, in the legend, in the grid
    assert len(outline.all("svg", "mm")) == 3 * len(sections)
    assert "✗ 3:00, 62" in outline.text
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {attrs["href"][1:] for attrs in outline.all("a") if attrs["href"]}
    assert targets <= set(ids)


def test_page_says_each_check_and_where_its_bounds_come_from() -> None:
    row, points = wrong("07")
    outline = Outline(render_study_page(page(row, points=points)))
    assert outline.all("li", "fail")
    assert "duration 45 s" in outline.text
    assert "1 duration at least 162 s at least 60 s a paper of 1996" in outline.text


def test_page_opens_what_has_findings_in_small_studies_only() -> None:
    row, points = wrong("99")
    few = Outline(render_study_page(page(right("01"), row, points=points)))
    assert ["open" in attrs for attrs in few.all("details", "subject")] == [False, True]
    many = [right(f"{i:02d}") for i in range(60)]
    opened = Outline(render_study_page(page(*many, row, points=points))).all("details", "subject")
    assert not any("open" in attrs for attrs in opened)


def test_page_folds_long_groups_and_counts_what_is_most_often_wrong() -> None:
    rows, points = zip(*(wrong(f"{i:02d}") for i in range(20)), strict=True)
    shown = page(*rows, points=tuple(point for pair in points for point in pair))
    outline = Outline(render_study_page(shown))
    assert outline.text.count(f"and {20 - MOST_ROWS} more") == 2
    assert "Most often: duration (20)." in outline.text
    assert len(outline.all("td", "who")) == 40


def test_group_kinds_names_the_most_frequent_first() -> None:
    points = tuple(Point("warn", "", "", "", kinds) for kinds in (("a",), ("a", "b"), ("b",), ("b",)))
    assert Group("warn", points).kinds == "b (3), a (2)"


def test_page_names_visits_where_there_are_several() -> None:
    second = dataclasses.replace(right("01"), visit=2, cells=((), ()), has_gap=True)
    assert "visit 2" in Outline(render_study_page(page(right("01"), second))).text
    assert "visit" not in Outline(render_study_page(page(right("01")))).text.partition("All sessions")[2]


def test_page_says_which_condition_the_protocol_lacks() -> None:
    columns = (Column("dancing", "dancing", asked_for=False),)
    row = Row("01", 1, ((),), has_gap=False)
    outline = Outline(render_study_page(page(row, columns=columns)))
    assert "The protocol has no such condition" in outline.text
    assert not outline.all("span", "cell")


def test_page_needs_nothing_from_outside_and_runs_its_own_script_alone() -> None:
    row, points = wrong("07")
    text = render_study_page(page(row, points=points))
    assert "http:" not in text
    assert "https:" not in text
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [attrs["content"] for attrs in Outline(text).all("meta") if "http-equiv" in attrs]
    assert policy is not None
    assert policy.split("; ")[:3] == [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
    ]
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in Outline(text).tags}


def test_page_escapes_every_text_that_it_is_given() -> None:
    failed = part("07", "rest", "fail", sentence=HOSTILE, notes=(HOSTILE,), strip_note=HOSTILE, name=HOSTILE)
    failed = dataclasses.replace(failed, checks=(dataclasses.replace(DURATION, text=HOSTILE),))
    plain = page(
        Row("07", 1, ((failed,), ()), has_gap=True),
        points=(Point("fail", failed.key, HOSTILE, HOSTILE, (HOSTILE,), HOSTILE),),
        name=HOSTILE,
        title=HOSTILE,
        simulated=HOSTILE,
        made=HOSTILE,
        facts=((HOSTILE, HOSTILE),),
        commands=(HOSTILE,),
    )
    expectation = Expectation(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    column = Column("rest", HOSTILE, HOSTILE, ((HOSTILE, HOSTILE),), (expectation,))
    text = render_study_page(dataclasses.replace(plain, columns=(column, column)))
    assert Counter(tag for tag, _ in Outline(text).tags)["script"] == 1
    assert "\x1b" not in text
    assert "&amp;amp;" in text  # shown as it was given


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_colour_and_a_sign_of_its_own(state: str) -> None:
    text = render_study_page(page(right("01")))
    assert re.search(rf"\.{state}\b[^{{}}]*{{ --of:", text), f"no colour for {state}"
    assert [sign for sign, _, _ in STATES.values()].count(STATES[state][0]) == 1


def test_page_is_the_same_each_time() -> None:
    row, points = wrong("07")
    assert render_study_page(page(row, points=points)) == render_study_page(page(row, points=points))
