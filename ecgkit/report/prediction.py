"""The page about what a run says of a recording: the answer, the answers over time, what they are worth."""

from __future__ import annotations

from dataclasses import dataclass

from ecgkit.report.pages import templates
from ecgkit.report.timeline import COLUMNS, Lane, Timeline, clock, draw_strips, legend

MOST_LABELS = 20  # of the table of answers


@dataclass(frozen=True, slots=True)
class Headline:
    """One task's answer over the whole recording.

    Attributes
    ----------
    question
        What is asked, such as "who is it?".
    answer
        A label, "unknown", or that there is none.
    certain
        Whether it is a label.
    notes
        How probable it is, over how many windows; a line each.
    """

    task: str
    question: str
    answer: str
    certain: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PredictionPage:
    """All that the page shows. The recording's file name, which can tell who it is, is not in it.

    Attributes
    ----------
    title, summary
        What was asked, and the facts in one line.
    banners
        That the run or the file is simulated.
    headlines
        A task each.
    calibration
        What the probabilities and "unknown" are worth; a sentence each.
    limits
        What the page can't show; a sentence each.
    facts
        (name, value) of the run and the recording.
    notes
        What is wrong with the file itself; a sentence each.
    """

    title: str
    summary: str
    banners: tuple[str, ...]
    headlines: tuple[Headline, ...]
    calibration: tuple[str, ...]
    timeline: Timeline
    limits: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """How often an answer was given: of how many, and its mean probability."""

    css: str
    answer: str
    n: int
    share: float
    probability: float


def tally(lane: Lane) -> list[Tally]:
    """Count the answers of a lane, the most frequent first, at most 20; "unknown" comes last.

    Shares are of the answers that there are; their probabilities are those of the name that was the best.
    """
    given = [int(answer) for answer in range(min(len(lane.labels), MOST_LABELS))] + [-1]
    n_answers = max(int((lane.answer >= -1).sum()), 1)
    rows = []
    for answer in given:
        mine = lane.answer == answer
        if mine.any():
            n = int(mine.sum())
            mean = float(lane.probability[mine].mean())
            rows.append(Tally(lane.css(answer), lane.text(answer), n, n / n_answers, mean))
    return rows


def render_prediction(page: PredictionPage) -> str:
    """Write the page: one HTML text that needs no other file and no network."""
    from markupsafe import Markup

    timeline = page.timeline
    return (
        templates()
        .get_template("prediction.html.j2")
        .render(
            page=page,
            strips=[Markup(strip) for strip in draw_strips(timeline)],
            legends=[(lane, legend(lane)) for lane in timeline.lanes],
            tallies=[(lane, tally(lane)) for lane in timeline.lanes],
            strip=clock(timeline.strip_s),
            column=clock(timeline.strip_s / COLUMNS) if timeline.in_columns else "",
            any_rejected=bool(timeline.rejected.any()),
        )
    )
