"""`ecgkit demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.demo import DemoSummary


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder."
)
@click.option("--epochs", type=int, default=10, show_default=True, help="Few are enough to show the way.")
@click.option("--subjects", type=int, default=15, show_default=True, help="How many people to simulate.")
@click.option("--duration-s", type=float, default=180.0, show_default=True, help="Length of a recording.")
@click.option("--jobs", type=int, help="Processes side by side.  [default: as many as there are cores]")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def demo(out: Path, epochs: int, subjects: int, duration_s: float, jobs: int | None, as_json: bool) -> None:
    """Go the whole way once, on simulated recordings."""
    from ecgkit.cli.console import progress, show_json
    from ecgkit.stages import demo as stage

    with progress(quiet=as_json) as bars:
        summary = stage.run(
            out, epochs=epochs, n_subjects=subjects, duration_s=duration_s, jobs=jobs, progress=bars
        )
    show_json(summary.as_json()) if as_json else _show(summary)


def _show(summary: DemoSummary) -> None:
    from ecgkit.cli.train import show_scores

    overall, asked = summary.predicted.overall, summary.asked
    click.echo("\nAll of this is SIMULATED: nobody was recorded.\n")
    click.echo(
        f"  {summary.simulated.out}   {len(summary.simulated.files)} recordings (.acq), two visits each"
    )
    click.echo(f"  {summary.study}   the study: {summary.built.n_sessions} sessions of the first visits")
    click.echo(f"  {summary.page}   every session, and whether it is what its tags say")
    click.echo(f"  {summary.built.path}   {summary.built.n_windows} windows")
    click.echo(f"  {summary.trained.run}   weights, scores, report\n")
    show_scores(summary.trained)
    click.echo(f"Asked of {asked.path.name}, a second visit that was never ingested:")
    for what, said, truth, probability in (
        ("who", overall.subject, asked.subject, overall.subject_probability),
        ("state", overall.condition, asked.condition, overall.condition_probability),
    ):
        verdict = "right" if said == truth else f"wrong, it is {truth}"
        click.echo(f"  {what:6} {said} ({probability:.2f}): {verdict}")
    click.echo("One file is an example, not a test: what to expect is the table above.")
    click.echo(f"\nReport: {summary.trained.run / 'report.html'}")
    click.echo("\nNow with files of your own:")
    click.echo("  ecgkit ingest session.acq --subject 07 --condition exercise")
    click.echo("  ecgkit build-dataset")
    click.echo("  ecgkit train")
