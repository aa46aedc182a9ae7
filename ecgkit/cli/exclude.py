"""`ecgkit exclude`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.exclude import Excluded


@click.command()
@click.argument("session", required=False)
@click.option("--start", metavar="TIME", help="From here on, from the session's start: 90, 1:30 or 0:01:30.")
@click.option("--stop", metavar="TIME", help="Up to here.")
@click.option("--reason", help="Why; kept with the session.")
@click.option("--list", "only_list", is_flag=True, help="Show what is excluded in the study.")
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def exclude(
    session: str | None,
    start: str | None,
    stop: str | None,
    reason: str | None,
    only_list: bool,
    study: Path | None,
    as_json: bool,
) -> None:
    """Do not use a SESSION, or the part of it from --start to --stop; it stays in the study.

    What is left is measured again. Data sets that are built from now on, verdicts and measures go
    without it. ecgkit include takes it back.

    \b
    ecgkit exclude sub-07_visit-1_cond-rest --start 3:10 --stop 3:40 --reason "cable was loose"
    ecgkit exclude --list
    """
    from ecgkit.stages import exclude as stage
    from ecgkit.study.folder import find_study

    folder = find_study(study)
    if only_list and (session, start, stop, reason) == (None,) * 4:
        return _list(stage.listed(folder), as_json=as_json)
    if session is None or reason is None or only_list:
        raise click.UsageError("expected a SESSION and --reason, or --list alone")
    _show(stage.run(folder, session, reason=reason, **span_of(start, stop)), as_json=as_json)
    return None


def span_of(start: str | None, stop: str | None) -> dict[str, float | None]:
    """Return the times as seconds, None where none was given."""
    from ecgkit.stages.ingest.plan import parse_time_s

    return {
        "start_s": None if start is None else parse_time_s(start),
        "stop_s": None if stop is None else parse_time_s(stop),
    }


def _show(made: Excluded, *, as_json: bool) -> None:
    from ecgkit.cli.console import show, show_json

    if as_json:
        show_json(made.as_json())
        return
    show(f"{made.session}: {'excluded' if made.changed else 'was excluded already'}")
    for item in made.exclusions:
        show(f"  {item.span_text}: {item.reason}")
    for sentence in made.next_steps:
        show(f"! {sentence}")


def _list(found: tuple[Excluded, ...], *, as_json: bool) -> None:
    from ecgkit.cli.console import show, show_json, show_table

    if as_json:
        show_json([item.as_json() for item in found])
        return
    rows = [(made.session, item.span_text, item.reason) for made in found for item in made.exclusions]
    if rows:
        show_table(("session", "excluded", "reason"), rows)
    show(f"Exclusions: {len(rows)}, in sessions: {len(found)}.")
