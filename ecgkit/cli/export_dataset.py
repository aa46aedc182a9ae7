"""`ecgkit export npz`, `parquet`, `huggingface`, `tracings`, `wfdb`, `edf`: one command for each format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecgkit.stages.export_dataset import ExportSummary

PATH = click.Path(path_type=Path)
DATASET = "\n\nSOURCE is a data set, or the folder of a study that has one."
STUDY = (
    "\n\nSOURCE is the folder of a study. Sessions that are excluded stay out. Exits with 1 if the "
    "format can't hold one of the others."
)
# format -> what the command says of itself
FORMATS = {
    "npz": f"Write a data set as one file for NumPy: arrays, and all else as JSON.{DATASET}",
    "parquet": f"Write a data set's table, a row a window, as one Parquet file.{DATASET}",
    "huggingface": f"Write a data set as a folder that Hugging Face's datasets package loads.{DATASET}",
    "tracings": f"Write a data set as HDF5 `tracings` (window, time, lead) with a CSV beside it.{DATASET}",
    "wfdb": f"Write a study's recordings as WFDB records, with R peaks and markers.{STUDY}",
    "edf": f"Write a study's recordings as EDF+ files, with R peaks and markers.{STUDY}",
}


def commands() -> Iterator[click.Command]:
    """Yield a command for each format."""
    return (_command(name, text) for name, text in FORMATS.items())


def _command(name: str, text: str) -> click.Command:
    @click.command(name, help=f"{text}\n\nOUT must not be there yet.")
    @click.argument("source", type=PATH)
    @click.argument("out", type=PATH)
    @click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
    def export(source: Path, out: Path, as_json: bool) -> int:
        from ecgkit.cli import EXIT_FAILED, console
        from ecgkit.stages import export_dataset as stage

        with console.progress(quiet=as_json) as bars:
            summary = stage.run(name, source, out, progress=bars)
        console.show_warnings(f"{key} left out: {why}" for key, why in summary.refused.items())
        console.show_json(summary.as_json()) if as_json else _show(summary)
        return EXIT_FAILED if summary.refused else 0

    return export


def _show(summary: ExportSummary) -> None:
    from ecgkit.cli.console import show

    simulated = "  (SIMULATED data)" if summary.simulated else ""
    show(f"{summary.out}: {summary.format}{simulated}")
    windows = f"{summary.n_windows} windows of " if summary.n_windows else ""
    files = "1 file" if summary.n_files == 1 else f"{summary.n_files} files"
    size = f"{files}, {summary.size_bytes / 1e6:.1f} MB"
    show(f"  written     {windows}{len(summary.sessions)} sessions, {size}")
    for line in _exactness(summary):
        show(f"  values      {line}")
    for key, notes in list(summary.notes.items())[:5]:
        show(f"  note        {key}: {'; '.join(notes)}")
    for key, reason in summary.left_out.items():
        show(f"  left out    {key}, excluded: {reason}")
    show(f"Next: {summary.reads}")


def _exactness(summary: ExportSummary) -> Iterator[str]:
    """Say how exact the values are; of a session the channel that is off by most, of each unit."""
    if not summary.errors:
        yield "exact"
        return
    worst: dict[str, tuple[float, str]] = {}
    for key, channels in summary.errors.items():
        for channel, (error, unit) in channels.items():
            worst[unit] = max(worst.get(unit, (0.0, "")), (error, f"{key}, {channel}"))
    for unit, (error, where) in worst.items():
        yield f"off by up to {error:.3g} {unit} ({where}); the others less, or not at all"
