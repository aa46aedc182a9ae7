"""`ecgkit status`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.status import Status
    from ecgkit.study.session_file import SessionHeader


@click.command()
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option("--json", "as_json", is_flag=True, help="Print it for scripts.")
def status(study: Path | None, as_json: bool) -> None:
    """Show subjects by conditions: what is there, what is missing."""
    from ecgkit.cli.console import show_json
    from ecgkit.stages import status as stage
    from ecgkit.study.folder import find_study

    found = stage.run(find_study(study))
    show_json(found.as_json()) if as_json else _show(found)


def _show(found: Status) -> None:
    from ecgkit.cli.console import show, show_table

    simulated = "  SIMULATED" if any(header.simulated for header in found.sessions) else ""
    show(f"Study {found.study.settings.name} ({found.protocol.title}){simulated}")
    known = found.protocol.conditions
    conditions = next(iter(found.rows.values()), known)
    columns = ["subject", "visit", *(known[key].label if key in known else key for key in conditions)]
    rows = [
        (subject, visit, *(_cell(headers) for headers in row.values()))
        for (subject, visit), row in found.rows.items()
    ]
    show_table(columns, rows)
    show("Each cell: length of the recording, mean heart rate in beats/min; ! has a warning.")
    for line in _remarks(found):
        show(line)


def _cell(headers: tuple[SessionHeader, ...]) -> str:
    if not headers:
        return "missing"
    return ", ".join(_one(header) for header in headers)


def _one(header: SessionHeader) -> str:
    minutes, seconds = divmod(round(header.duration_s), 60)
    rate = "?" if header.heart_rate_bpm is None else f"{header.heart_rate_bpm:.0f}"
    take = f"#{header.tags.take} " if header.tags.take > 1 else ""
    return f"{take}{minutes}:{seconds:02d}  {rate}/min{' !' if header.warnings else ''}"


def _remarks(found: Status) -> Iterator[str]:
    n_subjects = len({header.tags.subject for header in found.sessions})
    yield f"{len(found.sessions)} sessions of {n_subjects} subjects; {len(found.missing)} missing."
    for header in found.sessions:
        for warning in header.warnings:
            yield f"! {header.tags.key}: {warning}"
    yield f"data set: {found.dataset or 'not built'}; runs: {found.n_runs}"
    for sentence in found.stale:
        yield f"! {sentence}"
    if not found.sessions:
        yield "Next: ecgkit ingest FILE --subject ID --condition KEY"
    elif found.dataset is None or found.stale:
        yield "Next: ecgkit build-dataset"
    elif not found.n_runs:
        yield "Next: ecgkit train"
