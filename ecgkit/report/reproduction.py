"""The page about a table of the paper, made anew: scores over seeds beside the paper's, and what holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecgkit.metrics.seeds import OverSeeds
from ecgkit.report import reproduction_figures as figures
from ecgkit.report.pages import render
from ecgkit.report.run_scores import TASK_QUESTIONS, TASK_TITLES, TONES

Verdict = Literal["holds", "does not hold", "can't tell"]
Interval = tuple[float, float]

STILL = {"holds": "yes", "does not hold": "no", "can't tell": "open"}  # verdict -> class of its tag
PAPER_HEADING = "paper (its own data, its random split)"


@dataclass(frozen=True, slots=True)
class PaperScores:
    """What the paper prints for a row and task, as shares.

    Attributes
    ----------
    interval
        Wilson's, 95 %, for as many windows as the paper seems to have tested.
    """

    accuracy: float
    interval: Interval
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None


@dataclass(frozen=True, slots=True)
class Versus:
    """A row against the reference: row minus reference, accuracy, seed by seed.

    Attributes
    ----------
    p_corrected
        The paired t-test's p, corrected by Holm for all comparisons of its `TaskTable`.
    people
        95 % interval of the difference for other subjects like these, the seeds' networks as they are; None
        where the scheme does not test people or conditions that are new.
    """

    difference: OverSeeds
    p_corrected: float | None = None
    people: Interval | None = None


@dataclass(frozen=True, slots=True)
class RowScores:
    """A row of a table, for one task under one scheme.

    Attributes
    ----------
    seeds
        Of the trainings that are there, `wanted` how many were asked for.
    accuracies
        One a seed, in their order.
    measures
        "accuracy", "precision", "recall", "f1" -> over seeds; empty if nothing is there.
    wilson
        95 % interval of the mean accuracy for as many windows as one seed tests, taken as independent.
    people
        95 % interval of the mean accuracy for other subjects like these; None as in `Versus`.
    seconds
        Of training, mean over seeds, all its fits together.
    versus
        None for the reference, and where no seed has both.
    """

    name: str
    wanted: int
    seeds: tuple[int, ...] = ()
    accuracies: tuple[float, ...] = ()
    measures: Mapping[str, OverSeeds] | None = None
    wilson: Interval | None = None
    people: Interval | None = None
    seconds: float | None = None
    versus: Versus | None = None
    paper: PaperScores | None = None

    @property
    def accuracy(self) -> OverSeeds | None:
        """Accuracy over seeds."""
        return self.measures["accuracy"] if self.measures else None

    @property
    def is_whole(self) -> bool:
        """Whether every seed that was asked for is there."""
        return len(self.seeds) == self.wanted


@dataclass(frozen=True, slots=True)
class TaskTable:
    """The rows of a table for one task under one scheme, the reference first.

    Attributes
    ----------
    chance
        Accuracy of always giving the most frequent answer; None if nothing is there.
    tested
        Windows that each seed tests; 0 if nothing is there.
    """

    task: str
    scheme: str
    chance: float | None
    tested: int
    rows: tuple[RowScores, ...]

    @property
    def has_people(self) -> bool:
        """Whether there are intervals for other subjects."""
        return any(row.people for row in self.rows)

    @property
    def comparisons(self) -> int:
        """How many comparisons the p-values were corrected for."""
        return sum(row.versus is not None and row.versus.p_corrected is not None for row in self.rows)

    @property
    def has_paper(self) -> bool:
        """Whether the paper has numbers for it."""
        return any(row.paper for row in self.rows)


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that the paper says, held against the numbers.

    Attributes
    ----------
    about
        What is claimed, in a few words.
    paper
        What the paper has for it; "" where it has no number.
    """

    about: str
    paper: str
    verdict: Verdict
    here: str


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Accuracy over epochs of one row and task under one scheme.

    Attributes
    ----------
    training, tested
        One line a seed, (seed, epoch), mean over folds.
    """

    row: str
    task: str
    scheme: str
    seeds: tuple[int, ...]
    training: NDArray[np.float64]
    tested: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SchemeText:
    """What a scheme can and can't show; `gives_away` is what the leakage check found, a sentence each."""

    name: str
    sentence: str
    leaks: bool
    gives_away: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A table under one `--split`.

    Attributes
    ----------
    missing
        Fits that are not there, of `wanted`.
    """

    split: str
    schemes: tuple[SchemeText, ...]
    tables: tuple[TaskTable, ...]
    claims: tuple[Claim, ...]
    curves: tuple[Curve, ...]
    missing: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Reproduction:
    """All that the page shows.

    Attributes
    ----------
    about
        The data in one line.
    facts, training
        (name, value) about the data, and about the trainings.
    columns, cross
        Of a table of backbones and attention modules: names of the modules, and backbone -> names of rows.
    curve_pairs
        Which rows' curves are drawn together.
    command
        That makes it, in the folder of the data set.
    files
        (name, what is in it), beside the page.
    """

    name: str
    title: str
    simulated: bool
    about: str
    facts: tuple[tuple[str, str], ...]
    training: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    columns: tuple[str, ...]
    cross: Mapping[str, tuple[str, ...]]
    curve_pairs: tuple[tuple[str, ...], ...]
    command: str
    files: tuple[tuple[str, str], ...]

    @property
    def claims(self) -> tuple[tuple[str, Claim], ...]:
        """All claims with the split they were held against under."""
        return tuple((section.split, claim) for section in self.sections for claim in section.claims)

    @property
    def has_paper(self) -> bool:
        """Whether the paper says something of what is claimed."""
        return any(claim.paper for _, claim in self.claims)


def render_reproduction(content: Reproduction) -> str:
    """Write the page about a table: one HTML text that needs no other file and no network.

    Parameters
    ----------
    content
        What the page shows. Its texts are escaped here.
    """
    return render(
        "reproduction.html.j2",
        page=content,
        titles=TASK_TITLES,
        questions=TASK_QUESTIONS,
        tags=STILL,
        paper_heading=PAPER_HEADING,
        dots=[[_dot_plot(table) for table in section.tables] for section in content.sections],
        cells=[[_cells(content, table) for table in section.tables] for section in content.sections],
        curves=[_curve_charts(content, section) for section in content.sections],
        signed=signed,
        p_text=p_text,
        score=score_text,
        interval_of=interval_of,
    )


def render_index(pages: tuple[Reproduction, ...]) -> str:
    """Write the page that leads to those of several tables, with what of the paper holds."""
    return render("reproduction_index.html.j2", pages=pages, tags=STILL)


def signed(share: float) -> str:
    """Write a difference in percentage points, with its sign.

    Examples
    --------
    >>> signed(-0.0123), signed(0.005), signed(0.0001)
    ('−1.2', '+0.5', '0.0')
    """
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def p_text(p: float | None) -> str:
    """Write a p-value; a dash where no test was made.

    Examples
    --------
    >>> p_text(0.0001), p_text(0.0316), p_text(0.25), p_text(None)
    ('< 0.001', '0.032', '0.25', '–')
    """
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def score_text(seen: OverSeeds | None) -> str:
    """Write mean ± standard deviation in percent; a dash where there is nothing.

    Examples
    --------
    >>> score_text(OverSeeds(3, 0.8412, 0.0117)), score_text(OverSeeds(1, 0.5)), score_text(None)
    ('84.1 ± 1.2', '50.0', '–')
    """
    if seen is None:
        return "–"
    return f"{100 * seen.mean:.1f}" + ("" if seen.sd is None else f" ± {100 * seen.sd:.1f}")


def _cells(content: Reproduction, table: TaskTable) -> dict[str, list[tuple[RowScores, float | None]]]:
    """Lay a table out as backbone -> rows, each with how high it lies among all, from 0 to 1."""
    if not content.cross:
        return {}
    rows = {row.name: row for row in table.rows}
    means = [row.accuracy.mean for row in table.rows if row.accuracy]
    low, span = min(means, default=0.0), (max(means, default=0.0) - min(means, default=0.0)) or 1.0
    return {
        backbone: [
            (rows[name], (seen.mean - low) / span if (seen := rows[name].accuracy) else None)
            for name in names
        ]
        for backbone, names in content.cross.items()
    }


def _dot_plot(table: TaskTable) -> str:
    dots = [
        figures.Dots(
            label=row.name,
            values=row.accuracies,
            text=score_text(row.accuracy) if row.accuracy else figures.NOT_THERE,
            mean=row.accuracy.mean if row.accuracy else None,
            interval=interval_of(row.accuracy),
            people=row.people,
            other=row.paper.accuracy if row.paper else None,
        )
        for row in table.rows
    ]
    title = f"{TASK_TITLES[table.task]}: accuracy under {table.scheme}"
    return figures.dot_plot(dots, title=title, tone=TONES[table.task], chance=table.chance)


def interval_of(seen: OverSeeds | None) -> Interval | None:
    """Return the interval over seeds; None where there are too few."""
    if seen is None or seen.low is None or seen.high is None:
        return None
    return seen.low, seen.high


def _curve_charts(content: Reproduction, section: Section) -> list[str]:
    """Draw the rows of a pair together: each task on the training windows, then on the tested ones."""
    drawings = []
    for names in content.curve_pairs:
        pairs = dict.fromkeys((curve.task, curve.scheme) for curve in section.curves)
        for task, scheme in pairs:
            curves = [c for c in section.curves if c.row in names and (c.task, c.scheme) == (task, scheme)]
            for what in ("training", "tested"):
                bands = [figures.Band(curve.row, getattr(curve, what)) for curve in curves]
                title = f"{TASK_TITLES[task]}: accuracy on the {what} windows ({scheme})"
                if bands:
                    drawings.append(figures.band_chart(bands, title=title, dashed=what == "tested"))
    return drawings
