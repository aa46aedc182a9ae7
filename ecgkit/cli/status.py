"""`ecgkit status`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.status import Status
    from ecgkit.stages.status_points import Seen

MOST_ROWS = 40  # of a table that is shown whole
MOST_POINTS = 10
WORDS = {
    "ok": "ok",
    "warn": "warn",
    "fail": "FAIL",
    "unjudged": "not judged",
    "noted": "ok !",
    "excluded": "excluded",
}
MARKS = WORDS | {"other": "looks like another", "noted": "note"}


@click.command()
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option(
    "--html",
    "page",
    metavar="[FILE]",
    is_flag=False,
    flag_value="",
    help="Write a page that shows every session.  [default: status.html in the study]",
)
@click.option("--all", "show_all", is_flag=True, help="Show all subjects, and all that is to be looked at.")
@click.option("--json", "as_json", is_flag=True, help="Print it for scripts, with every number.")
def status(study: Path | None, page: str | None, show_all: bool, as_json: bool) -> None:
    """Show subjects by conditions: what is there and as the protocol asks, and what is not."""
    from ecgkit.cli.console import progress, show_json
    from ecgkit.stages import status as stage
    from ecgkit.stages.study_page import write_page
    from ecgkit.study.folder import find_study

    found, written = stage.run(find_study(study)), None
    if page is not None:
        with progress(quiet=as_json) as bars:
            written = write_page(found, Path(page) if page else None, progress=bars)
    show_json(found.as_json(page=written)) if as_json else _show(found, written, show_all=show_all)


def _show(found: Status, page: Path | None, *, show_all: bool) -> None:
    from ecgkit.cli.console import show, show_table

    simulated = "  SIMULATED" if any(seen.header.simulated for seen in found.sessions) else ""
    show(f"Study {found.study.settings.name} ({found.protocol.title}){simulated}")
    rows = _rows(found, show_all=show_all)
    if rows or not found.rows:
        show_table(["subject", "visit", *map(found.label, found.conditions)], rows)
        show("Each cell: verdict (! with a note), length, mean heart rate in beats/min.")
    if len(rows) < len(found.rows):
        to_see = f"{len(found.rows_to_see)} with something to see"
        show(f"{len(rows)} of {len(found.rows)} rows, of {to_see}; --all shows all.")
    lines = (*_points(found, show_all=show_all), *_remarks(found, page))
    for line in lines:
        show(line)


def _rows(found: Status, *, show_all: bool) -> list[tuple[object, ...]]:
    rows = found.rows
    if len(rows) > MOST_ROWS and not show_all:
        worst = set(found.rows_to_see[:MOST_ROWS])
        rows = {who: row for who, row in rows.items() if who in worst}
    return [(*who, *(_cell(found, key, seen) for key, seen in row.items())) for who, row in rows.items()]


def _cell(found: Status, condition: str, sessions: tuple[Seen, ...]) -> str:
    if not sessions:
        return "missing" if condition in found.protocol.conditions else ""
    return ", ".join(map(_one, sessions))


def _one(seen: Seen) -> str:
    from ecgkit.report.study_figures import clock

    header = seen.header
    rate = "" if header.heart_rate_bpm is None else f" {header.heart_rate_bpm:.0f}/min"
    take = f"#{header.tags.take} " if header.tags.take > 1 else ""
    return f"{take}{_word(seen)} {clock(header.duration_s)}{rate}"


def _word(seen: Seen) -> str:
    if seen.state == "other" and seen.compliance is not None:
        return f"looks like {seen.compliance.looks_like}"
    return WORDS[seen.state]


def _points(found: Status, *, show_all: bool) -> Iterator[str]:
    """Say what to look at, the worst first, and what to do about it."""
    from ecgkit.cli.console import in_study

    shown = found.points if show_all else found.points[:MOST_POINTS]
    for point in shown:
        yield f"{MARKS.get(point.state, point.state)}: {point.who}: {point.text}"
        if point.command:
            yield f"    {in_study(point.command, found.study.folder)}"
    if len(shown) < len(found.points):
        yield f"and {len(found.points) - len(shown)} more: --all, --html or --json"
    if found.sessions and not found.points:
        yield "Every session is there and is what the protocol asks for."


def _remarks(found: Status, page: Path | None) -> Iterator[str]:
    from ecgkit.cli.console import in_study

    yield found.summary
    yield f"data set: {found.dataset or 'not built'}; runs: {found.n_runs}"
    yield from (f"! {sentence}" for sentence in found.stale)
    if page is not None:
        yield f"page: {page} ({page.stat().st_size / 1e6:.1f} MB)"
    elif found.points:
        yield f"Each session drawn, with every number: {in_study('ecgkit status --html', found.study.folder)}"
    yield from (f"Next: {in_study(command, found.study.folder)}" for command in found.next_commands)
