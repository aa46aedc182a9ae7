"""``ecgkit predict``: who is it, and in which state?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgkit.cli import printable
from ecgkit.cli.reading import reading_options, take_reading

if TYPE_CHECKING:
    from ecgkit.stages.predict import Answer, Prediction

ROWS_SHOWN = 60
LINE = "{:>9}  {:<14} {:>5}  {:<16} {:>5}  {:>9}  {:>8}"


@click.command()
@click.argument("run")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--study", type=click.Path(path_type=Path), help="Study folder, where RUN is a run's number.")
@reading_options
@click.option("--fuse", type=int, default=1, help="Answer so many windows together.  [default: 1]")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def predict(run: str, file: Path, study: Path | None, fuse: int, as_json: bool, **options: Any) -> None:
    """Apply RUN to a raw FILE: who is it, and in which state?

    RUN is a run's folder, its number in the study's runs/, or "latest".

    \b
    ecgkit predict latest session.acq
    """
    from ecgkit.cli.console import show_json, show_warnings
    from ecgkit.stages import predict as stage
    from ecgkit.study.folder import find_study

    reading, leads = take_reading(options)
    runs = find_study(study) / "runs"
    found = stage.run(run, file, runs=runs, leads=leads, reading=reading, fuse=fuse)
    show_warnings(found.warnings)
    show_json(found.as_json()) if as_json else _show(found)


def _show(found: Prediction) -> None:
    """Print the answer over the file, then a line a window, shortened, then how to read it."""
    overall = found.overall
    click.echo(f"{found.file}  channel {', '.join(map(repr, found.channels))} ({found.reason})")
    for what, label, probability in (
        ("who", overall.subject, overall.subject_probability),
        ("state", overall.condition, overall.condition_probability),
    ):
        click.echo(f"  {what:<6}{click.style(printable(label), bold=True)}  ({probability:.2f})")
    click.echo(f"fused over {overall.n_windows} windows, taken as one person in one state\n")
    click.echo(LINE.format("time", "who", "p", "state", "p", "beats/min", "quality"))
    for answer in found.answers[:ROWS_SHOWN]:
        click.echo(_line(answer))
    if len(found.answers) > ROWS_SHOWN:
        click.echo(f"and {len(found.answers) - ROWS_SHOWN} more lines (all with --json)")
    click.echo()
    for remark in found.remarks:
        click.echo(remark)


def _line(answer: Answer) -> str:
    return LINE.format(
        f"{answer.start_s:.1f} s",
        printable(answer.subject),
        f"{answer.subject_probability:.2f}",
        printable(answer.condition),
        f"{answer.condition_probability:.2f}",
        "–" if answer.heart_rate_bpm is None else f"{answer.heart_rate_bpm:.0f}",
        answer.quality,
    )
