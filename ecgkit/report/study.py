"""The page about a study: what to record again or to look at, the grid of sessions, each of them drawn."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from ecgkit.protocol.compliance import CheckResult
from ecgkit.report.pages import templates
from ecgkit.report.study_figures import clock

State = Literal["other", "fail", "missing", "warn", "unjudged", "noted", "excluded", "ok"]

# how a session is -> its sign, the word for it, and what that means; the order is the one to look at them in
STATES: dict[State, tuple[str, str, str]] = {
    "other": ("⇄", "looks like another", "its numbers fit another condition: perhaps a wrong label"),
    "fail": ("✗", "fail", "it is not what the protocol asks for"),
    "missing": ("∅", "missing", "the protocol has it and the study has not"),
    "warn": ("!", "warn", "something is not quite as the protocol asks"),
    "unjudged": ("?", "not judged", "nothing could be measured, or the protocol does not say what to expect"),
    "noted": ("✓!", "ok with a note", "as the protocol asks, but the signal has a fault somewhere"),
    "excluded": ("⊘", "excluded", "not used, as somebody decided"),
    "ok": ("✓", "ok", "as the protocol asks"),
}
MOST_OPEN = 30  # subjects of a study whose findings are all open
MOST_ROWS = 8  # of a group that are seen at once
MOST_KINDS = 5
TABLE_ROWS = 25  # of the grid, then a new table with its own heading


@dataclass(frozen=True, slots=True)
class Figures:
    """The drawings of a session as SVG; `strip` is "" where there is no signal."""

    strip: str
    rate: str
    spectra: str


@dataclass(frozen=True, slots=True, eq=False)
class SessionPart:
    """One session.

    Attributes
    ----------
    key
        Its name in the study; unique.
    name
        What its subject's part calls it: condition, visit, take.
    sentence
        The verdict in words.
    checks
        Each with its number; in the order of the condition's `Expectation`s.
    notes
        What else is to be known: warnings, what was lost, exclusions.
    strip_note
        From when the strip is.
    """

    key: str
    condition: str
    name: str
    state: State
    sentence: str
    duration_s: float
    heart_rate_bpm: float | None
    checks: tuple[CheckResult, ...]
    notes: tuple[str, ...]
    figures: Figures
    strip_note: str


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A visit of a subject: for each column its takes; none where there is no session.

    Attributes
    ----------
    has_gap
        Whether a session is missing that the protocol asks for.
    """

    subject: str
    visit: int
    cells: tuple[tuple[SessionPart, ...], ...]
    has_gap: bool

    @property
    def sessions(self) -> tuple[SessionPart, ...]:
        """Its sessions, in the order of the columns."""
        return tuple(session for cell in self.cells for session in cell)

    @property
    def todo(self) -> bool:
        """Whether there is something to see."""
        return self.has_gap or any(session.state != "ok" for session in self.sessions)


@dataclass(frozen=True, slots=True)
class Point:
    """Something to look at or to do.

    Attributes
    ----------
    key
        The session, "" where there is none.
    who, text
        Whom and what it is about.
    kinds
        What is wrong in a few words each, by which many are counted.
    command
        What to do about it, "" for nothing.
    """

    state: State
    key: str
    who: str
    text: str
    kinds: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One check of a condition, in words."""

    what: str
    passes: str
    warns: str
    source: str


@dataclass(frozen=True, slots=True)
class Column:
    """A condition; `facts` and `expectations` are what the protocol says of it, none where it lacks it."""

    key: str
    label: str
    description: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    expectations: tuple[Expectation, ...] = ()
    asked_for: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class StudyPage:
    """All that the page shows.

    Attributes
    ----------
    simulated
        Which sessions a program made, "" where none.
    made
        When and by which version.
    points
        What to look at, the worst first.
    facts
        (name, value) about the study.
    commands
        What to do next.
    """

    name: str
    title: str
    simulated: str
    made: str
    facts: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    points: tuple[Point, ...]
    commands: tuple[str, ...]

    @property
    def sessions(self) -> tuple[SessionPart, ...]:
        """All sessions, in the order of the rows."""
        return tuple(session for row in self.rows for session in row.sessions)

    @property
    def subjects(self) -> tuple[tuple[str, tuple[Row, ...]], ...]:
        """Each subject with the visits."""
        groups = itertools.groupby(self.rows, key=lambda row: row.subject)
        return tuple((subject, tuple(rows)) for subject, rows in groups)

    @property
    def n_visits(self) -> int:
        """How many visits there are."""
        return len({row.visit for row in self.rows})

    @property
    def counts(self) -> dict[State, int]:
        """How many sessions are in each state, and how many are missing; states without any left out."""
        counts = Counter(session.state for session in self.sessions)
        counts["missing"] = sum(point.state == "missing" for point in self.points)
        return {state: counts[state] for state in STATES if counts[state]}

    @property
    def groups(self) -> tuple[Group, ...]:
        """What to look at, by state."""
        of_state = {state: tuple(p for p in self.points if p.state == state) for state in STATES}
        return tuple(Group(state, points) for state, points in of_state.items() if points)


@dataclass(frozen=True, slots=True)
class Group:
    """What to look at for one and the same reason."""

    state: State
    points: tuple[Point, ...]

    @property
    def kinds(self) -> str:
        """What it is about most often, with how often."""
        counts = Counter(kind for point in self.points for kind in point.kinds)
        return ", ".join(f"{kind} ({number})" for kind, number in counts.most_common(MOST_KINDS))


def render_study_page(page: StudyPage) -> str:
    """Write the page about a study: one HTML text that needs no other file and no network.

    Its policy lets a browser run this page's own script alone, and load nothing.

    Parameters
    ----------
    page
        What the page shows. Its texts are escaped here.
    """
    from markupsafe import Markup

    environment = templates()
    environment.filters["clock"] = clock
    script = environment.get_template("study.js").render()
    return environment.get_template("study.html.j2").render(
        page=page,
        states=STATES,
        few=len(page.subjects) <= MOST_OPEN,
        most_rows=MOST_ROWS,
        table_rows=TABLE_ROWS,
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
