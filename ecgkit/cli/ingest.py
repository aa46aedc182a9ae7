"""`ecgkit ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgkit.cli.reading import reading_options, take_reading

if TYPE_CHECKING:
    from ecgkit.stages.ingest import IngestSummary


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--subject", required=True, help="Who: letters and digits, such as 07.")
@click.option("--condition", required=True, help="In which state: a key of the protocol.")
@click.option("--visit", type=int, default=1, show_default=True, help="Day, or placement of electrodes.")
@click.option("--take", type=int, default=1, show_default=True, help="Repetition within the visit.")
@click.option("--study", type=click.Path(path_type=Path), help="Study folder; made if it is not there.")
@click.option("--protocol", help="Protocol of a new study, by name or file.  [default: dt4ecg]")
@reading_options
@click.option("--replace", is_flag=True, help="Replace a session with these tags, or of this file.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def ingest(
    file: Path,
    subject: str,
    condition: str,
    visit: int,
    take: int,
    study: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Take a recording into the study, tagged and without loss."""
    from ecgkit.cli.console import show_json, show_warnings
    from ecgkit.records import Tags
    from ecgkit.stages import ingest as stage
    from ecgkit.study.folder import find_study

    reading, leads = take_reading(options)
    tags = Tags(subject, condition, visit, take)
    folder = find_study(study)
    summary = stage.run(file, tags, study_folder=folder, leads=leads, reading=reading, **options)
    show_warnings(summary.warnings)
    show_json(summary.as_json()) if as_json else _show(summary)


def _show(summary: IngestSummary) -> None:
    from ecgkit.cli.console import show

    rate = summary.heart_rate_bpm
    rate_text = "unknown" if rate is None else f"{rate:.0f} beats/min on average"
    simulated = "  (SIMULATED recording)" if summary.simulated else ""
    show(f"{summary.tags.key}: {summary.outcome}{simulated}")
    show(f"  ECG         {', '.join(summary.channels)} ({summary.reason})")
    if summary.respiration:
        show(f"  respiration {summary.respiration}")
    show(f"  duration    {summary.duration_s:.1f} s at {summary.fs:g} Hz")
    show(f"  heart rate  {rate_text}")
    show(f"  study       {summary.study}")
    show("Next: ecgkit status, or ecgkit build-dataset when all recordings are in.")
