"""`ecgkit status --html`: the page about a study, gathered from its session files."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from pathlib import Path

from ecgkit import __version__
from ecgkit.errors import StudyError
from ecgkit.files import refuse_special, write_text
from ecgkit.progress import Progress, Silent
from ecgkit.protocol.compliance import LONG_ENOUGH, OWN_SOURCE
from ecgkit.protocol.model import MEASURES, Check, Condition, Protocol, Range
from ecgkit.report.study import Column, Expectation, Row, SessionPart, StudyPage, render_study_page
from ecgkit.stages.session_figures import FigureTask, draw_session
from ecgkit.stages.status import Status
from ecgkit.stages.status_points import Seen, more
from ecgkit.stages.workers import default_jobs, in_order, workers

MARK, HEAD_BYTES = b'name="generator" content="ecgkit status"', 1000
FEW = 150  # sessions that are drawn before other processes would have started

_SILENT = Silent()


def write_page(
    found: Status, path: Path | None = None, *, executor: Executor | None = None, progress: Progress = _SILENT
) -> Path:
    """Draw every session of a study and write the page, whole or not at all; return where it is.

    Parameters
    ----------
    path
        By default ``status.html`` in the study.
    executor
        Draws the sessions; by default processes of our own, where there are many sessions.

    Raises
    ------
    StudyError
        Something else lies there than such a page.
    OSError
        The path is that of a folder or a device, or can't be written.
    """
    path = found.study.page_path if path is None else path
    refuse_special(path)
    if path.exists() and not _is_page(path):
        raise StudyError(f"{path}: holds something else than a page of ecgkit status; choose another name")
    jobs = 1 if len(found.sessions) <= FEW else default_jobs()
    with workers(jobs, executor) as pool:
        page = describe_study(found, executor=pool, progress=progress)
    write_text(path, render_study_page(page))
    return path


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK in file.read(HEAD_BYTES)


def describe_study(
    found: Status, *, executor: Executor | None = None, progress: Progress = _SILENT
) -> StudyPage:
    """Gather what the page about a study shows; reads a few seconds of each session's signal."""
    settings, protocol = found.study.settings, found.protocol
    parts = _parts(found, executor, progress)
    n_simulated = sum(seen.header.simulated for seen in found.sessions)
    n_subjects = len({subject for subject, _ in found.rows})
    dataset = "not built" if found.dataset is None else "behind the study" if found.stale else "up to date"
    return StudyPage(
        name=settings.name,
        title=protocol.title,
        simulated=_simulated(n_simulated, len(found.sessions)),
        made=f"Made by ecgkit {__version__} on {datetime.now(UTC):%Y-%m-%d at %H:%M} UTC",
        facts=(
            ("protocol", protocol.name),
            ("subjects", str(n_subjects)),
            ("visits", str(len({visit for _, visit in found.rows}) or 0)),
            ("sessions", str(len(found.sessions))),
            ("missing", str(len(found.missing))),
            ("data set", dataset),
            ("runs", str(found.n_runs)),
        ),
        columns=tuple(_column(protocol, key) for key in found.conditions),
        rows=_rows(found, parts),
        points=found.points,
        commands=found.next_commands,
    )


def _parts(found: Status, executor: Executor | None, progress: Progress) -> dict[str, SessionPart]:
    """Draw all sessions; key of the tags -> what the page shows of it."""
    tasks = [_task(found.protocol, seen) for seen in found.sessions]
    progress.start("drawing", len(tasks))
    parts = {}
    drawn = in_order(executor, draw_session, tasks)
    for seen, (figures, note) in zip(found.sessions, drawn, strict=True):
        tags = seen.header.tags
        parts[tags.key] = SessionPart(
            key=tags.key,
            condition=tags.condition,
            name=f"{found.label(tags.condition)}{more('visit', tags.visit)}{more('take', tags.take)}",
            state=seen.state,
            sentence=seen.sentence,
            duration_s=seen.header.duration_s,
            heart_rate_bpm=seen.header.heart_rate_bpm,
            checks=() if seen.compliance is None else seen.compliance.checks,
            notes=seen.notes,
            figures=figures,
            strip_note=note,
        )
        progress.advance("drawing", tags.key)
    return parts


def _rows(found: Status, parts: Mapping[str, SessionPart]) -> tuple[Row, ...]:
    gaps = {(subject, visit) for subject, visit, _ in found.missing}
    return tuple(
        Row(
            *who,
            tuple(tuple(parts[seen.header.tags.key] for seen in cell) for cell in row.values()),
            who in gaps,
        )
        for who, row in found.rows.items()
    )


def _task(protocol: Protocol, seen: Seen) -> FigureTask:
    condition = protocol.conditions.get(seen.header.tags.condition)
    return FigureTask(
        path=seen.header.path,
        checks=() if seen.compliance is None else seen.compliance.checks,
        expected_s=condition.duration_s if condition else None,
        breath_period_s=condition.breath_period_s if condition else None,
        delay_s=condition.delay_s if condition else None,
    )


def _simulated(n_simulated: int, n_sessions: int) -> str:
    """Say how many sessions were made by a program, "" where none was."""
    if not n_simulated:
        return ""
    which = "These sessions were" if n_simulated == n_sessions else f"{n_simulated} of the sessions were"
    return f"{which} made by a program; nobody was recorded."


def _column(protocol: Protocol, key: str) -> Column:
    condition = protocol.conditions.get(key)
    if condition is None:
        return Column(key, key, asked_for=False)
    facts = {
        "duration": f"{condition.duration_s:g} s, at least {condition.least_duration_s:g} s",
        "delay after the stimulus": condition.delay_s and f"{condition.delay_s:g} s",
        "one breath": condition.breath_period_s and f"{condition.breath_period_s:g} s",
        "reference": "heart rates are compared with this condition's" if condition.reference else None,
    }
    return Column(
        key=key,
        label=condition.label,
        description=condition.description,
        facts=tuple((name, text) for name, text in facts.items() if isinstance(text, str)),
        expectations=(_duration(condition), *map(_expectation, (*protocol.checks, *condition.checks))),
    )


def _duration(condition: Condition) -> Expectation:
    least_s = condition.least_duration_s
    passes = max(LONG_ENOUGH * condition.duration_s, least_s)
    return Expectation("duration", f"at least {passes:g} s", f"at least {least_s:g} s", OWN_SOURCE)


def _expectation(check: Check) -> Expectation:
    what, unit = MEASURES[check.measure]
    remark = "" if check.counts else " (a remark: changes no verdict)"
    warns = "" if check.warn_range is None else _words(check.warn_range, unit)
    return Expectation(what + remark, _words(check.pass_range, unit), warns, check.source)


def _words(bounds: Range, unit: str) -> str:
    """Write a range for people."""
    low, high = ("" if bound is None else f"{bound:g}" for bound in bounds)
    if not low and not high:
        return "whatever else"
    words = f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"
    return f"{words} {unit}".rstrip()
