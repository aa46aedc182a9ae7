"""``ecgkit reproduce``: the paper's tables and figures on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ecgkit.stages.reproduce import Plan, ReproduceOptions, ReproduceSummary

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("table")
@click.option("--dataset", type=PATH, help="The data set.  [default: dataset.h5 in the study]")
@click.option("--study", type=PATH, help="Study folder.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    help="paper, honest (each task's own schemes) or a scheme; can be given several times.  [default: paper]",
)
@click.option("--seeds", type=int, default=5, show_default=True, help="Trainings of each row.")
@click.option("--epochs", type=int, help="Instead of the paper's 50; rows of 20 keep 20 or less.")
@click.option("--device", help="cpu, cuda, cuda:1, …  [default: a GPU where there is one]")
@click.option("--jobs", type=click.IntRange(1), help="Fits side by side.  [default: as many as CPUs]")
@click.option("--cluster", metavar="ADDRESS", help="tcp://… of a dask scheduler whose workers do the fits.")
@click.option("--out", type=PATH, help="Folder for the results.  [default: reproduce beside the data set]")
@click.option("--results-only", is_flag=True, help="Train nothing: make the tables of what is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the tables for scripts.")
def reproduce(as_json: bool, **options: Any) -> int:
    """Train a TABLE of the paper anew: table1, table3, table4, figures6-7, balancing or all.

    Leaves tables as CSV, JSON, Markdown and one HTML page, beside the paper's numbers. Interrupted, the same
    command goes on where it was: each fit is kept as it is done.

    \b
    ecgkit reproduce table1
    ecgkit reproduce table1 --split honest --seeds 3
    """
    from ecgkit.cli import EXIT_FAILED
    from ecgkit.cli.console import progress, show_json, show_warnings
    from ecgkit.stages import reproduce as stage

    plan = stage.make_plan(_options(**options))
    if not as_json:
        _announce(plan)
    try:
        with progress(quiet=as_json) as bars:
            summary = stage.run(plan, progress=bars)
    except KeyboardInterrupt:
        click.echo(f"\n{plan.left()} fits are left; those that are done stay.", err=True)
        raise
    show_warnings((*summary.failures, *summary.warnings))
    show_json(summary.as_json()) if as_json else _show(summary, plan)
    return EXIT_FAILED if summary.failures else 0


def _options(
    dataset: Path | None, study: Path | None, splits: tuple[str, ...], **given: Any
) -> ReproduceOptions:
    from ecgkit.stages.reproduce import ReproduceOptions
    from ecgkit.study.folder import find_study

    if dataset is None:
        dataset = find_study(study) / "dataset.h5"
    return ReproduceOptions(dataset=dataset, splits=splits or ("paper",), **given)


def _announce(plan: Plan) -> None:
    """Say what is to be done, before it is begun."""
    from ecgkit.cli.console import show

    there = plan.n_fits - len(plan.to_do)
    text = f"{plan.n_fits} fits, {there} there already"
    if plan.to_do and not plan.options.results_only:
        hours = plan.hours()
        text += f", {len(plan.to_do)} to do"
        if hours is not None:
            text += f": {_duration(hours)}, as those took"
    show(text)


def _duration(hours: float) -> str:
    if 60 * hours < 1:
        return "less than a minute"
    return f"about {60 * hours:.0f} min" if hours < 2 else f"about {hours:.1f} h"


def _show(summary: ReproduceSummary, plan: Plan) -> None:
    """Print what of the paper holds, what is missing, and where the tables are."""
    from ecgkit.cli.console import show
    from ecgkit.stages.reproduce.page import about

    show(f"\n{about(plan.data)}")
    for table in summary.tables:
        click.echo(f"\n{click.style(table.title, bold=True)}")
        for _, claim in table.claims:
            click.echo(f"  {claim.about}: {click.style(claim.verdict, bold=True)}")
            if len(summary.tables) == 1:
                show(f"    here: {claim.here}\n    in the paper: {claim.paper or 'no number'}")
    if summary.n_left:
        show(f"\n{summary.n_left} of {summary.n_fits} fits are not there: the tables are not whole.")
    show(f"\nPage: {summary.page}; beside it the same as CSV, JSON and Markdown")
    if plan.options.splits == ("paper",):
        show(f"Next: ecgkit reproduce {plan.options.table} --split honest")
        show("      (tests the state on new people, identity in another condition)")
