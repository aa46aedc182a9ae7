"""`ecgkit export`: what a study, a data set or a run holds, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgkit.cli import export_dataset
from ecgkit.cli.export_onnx import onnx
from ecgkit.cli.export_rr import rr

if TYPE_CHECKING:
    from ecgkit.stages.export_bids import BidsSummary


@click.group()
def export() -> None:
    """Hand a study, its data set or a trained network on, in other people's formats.

    \b
    ecgkit export bids OUT
    ecgkit export rr OUT
    ecgkit export wfdb study OUT
    ecgkit export npz study/dataset.h5 OUT.npz
    ecgkit export onnx latest
    """


export.add_command(rr)
export.add_command(onnx)
for command in export_dataset.commands():
    export.add_command(command)


@export.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option("--author", "authors", multiple=True, metavar="NAME", help="Who made the data; once for each.")
@click.option("--license", default="", metavar="TEXT", help="Under which licence it is, such as CC0.")
@click.option("--columns", default="", metavar="NAMES", help="Of participants.tsv also: group,site.")
@click.option("--force", is_flag=True, help="Replace an earlier export in OUT.")
@click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one a processor]")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def bids(out: Path, study: Path | None, columns: str, as_json: bool, **options: Any) -> None:
    """Write the study as a BIDS data set into the folder OUT, which must not be there yet.

    Sessions that are excluded stay out. `ecgkit ingest OUT` takes such a folder back.
    """
    from ecgkit.cli.console import progress, show_json
    from ecgkit.stages import export_bids as stage
    from ecgkit.study.folder import find_study

    names = tuple(filter(None, (name.strip() for name in columns.split(","))))
    chosen = stage.BidsOptions(columns=names, **options)
    with progress(quiet=as_json) as bars:
        summary = stage.run(out, study_folder=find_study(study), options=chosen, progress=bars)
    show_json(summary.as_json()) if as_json else _show(summary)


def _show(summary: BidsSummary) -> None:
    from ecgkit.cli.console import show

    simulated = "  (SIMULATED recordings)" if summary.simulated else ""
    show(f"{summary.folder}: a BIDS data set{simulated}")
    show(f"  sessions    {summary.sessions} of {summary.subjects} subjects")
    show(f"  tables      {summary.tables}, {summary.size_bytes / 1e6:.1f} MB in all")
    for session, reason in summary.left_out.items():
        show(f"  left out    {session}, excluded: {reason}")
    if summary.columns_left_out:
        left = ", ".join(summary.columns_left_out)
        show(f"  left out    columns of participants.tsv: {left} (--columns takes them along)")
    if summary.dated:
        show("  dates       kept: the study has them, and *_scans.tsv shows them")
    show(f"Next: npx bids-validator {summary.folder}")
