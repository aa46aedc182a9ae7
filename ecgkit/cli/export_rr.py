"""`ecgkit export rr`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.export_rr import RrSummary


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option("--session", "keys", multiple=True, metavar="KEY", help="Only this session; may be repeated.")
@click.option("--with-excluded", is_flag=True, help="Also sessions that are excluded from the study.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def rr(folder: Path, study: Path | None, keys: tuple[str, ...], with_excluded: bool, as_json: bool) -> None:
    """Write R peaks, RR intervals and heart rate variability as CSV into a new FOLDER.

    A file of beats for each session, and hrv.csv with a row for each: SDNN, RMSSD, LF, HF and others. What
    the columns are stands in the folder's README.txt and columns.json.
    """
    from ecgkit.cli import console
    from ecgkit.stages import export_rr as stage
    from ecgkit.study.folder import find_study

    with console.progress(quiet=as_json) as progress:
        summary = stage.run(
            find_study(study), folder, with_excluded=with_excluded, keys=keys, progress=progress
        )
    console.show_json(summary.as_json()) if as_json else _show(summary)


def _show(summary: RrSummary) -> None:
    from ecgkit.cli.console import show, show_warnings

    simulated = "SIMULATED: " if summary.simulated else ""
    show(f"{simulated}{summary.n_beats} R peaks of {len(summary.sessions)} sessions in {summary.out}")
    if summary.left_out:
        show(f"Left out, since excluded from the study: {', '.join(summary.left_out)}")
    show_warnings(f"{key}: no R peaks in it" for key in summary.without_beats)
    show(f"Next: {summary.out / 'hrv.csv'}, a row for each session; README.txt beside it says what is in it.")
