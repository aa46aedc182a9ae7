"""``ecgkit train``: evaluate and fit a dual-task network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ecgkit.report.run_scores import SchemeScores, TaskScores
    from ecgkit.stages.train import TrainOptions, TrainSummary

LINE = "{:<9} {:<19} {:>8}   {:<13}  {:>6}   {}"
PATH = click.Path(path_type=Path)


@click.command()
@click.argument("dataset", type=PATH, required=False)
@click.option("--study", type=PATH, help="Study folder.")
@click.option("--out", type=PATH, help="The run's folder.  [default: the next number in runs/]")
@click.option("--config", "config_file", type=PATH, help="YAML with settings.")
@click.option("--split", help="Train and test under this scheme only, such as paper.")
@click.option("--no-evaluate", is_flag=True, help="Fit the weights and test nothing.")
@click.option(
    "--task", type=click.Choice(["both", "subject", "condition"]), help="What is learnt.  [default: both]"
)
@click.option("--backbone", help="Name of the backbone.  [default: resnet]")
@click.option("--attention", help="Name of the attention module; none for lstm and mlp.  [default: sca]")
@click.option("--balancing", help="How the two losses are weighed.  [default: gradnorm]")
@click.option("--epochs", type=int, help="Passes over the windows.  [default: 50]")
@click.option("--batch-size", type=int, help="Windows a step.  [default: 16]")
@click.option("--learning-rate", type=float, help="Adam's.  [default: 0.001]")
@click.option("--schedule", help="Course of the learning rate.  [default: constant]")
@click.option("--class-weights", type=click.Choice(["none", "balanced"]), help="For classes of unequal size.")
@click.option(
    "--augment", multiple=True, metavar="NAME=X", help="Vary training windows: amplitude, baseline, noise, …"
)
@click.option("--validation", is_flag=True, help="Hold windows of the training back, to choose the epoch by.")
@click.option("--seed", type=int, help="Seed of weights and batches.  [default: 0]")
@click.option("--threads", type=int, help="CPU threads of each fit.  [default: 1]")
@click.option("--device", help="cpu, cuda, cuda:1, …  [default: a GPU where there is one]")
@click.option(
    "--precision", type=click.Choice(["float32", "mixed"]), help="Of the products.  [default: float32]"
)
@click.option("--jobs", type=int, help="Fits side by side.  [default: as many as there are CPUs for]")
@click.option("--cluster", metavar="ADDRESS", help="Fits on a dask cluster.")
@click.option("--fresh", is_flag=True, help="Begin anew where the same training was interrupted.")
@click.option("--tensorboard", "events", type=PATH, help="Folder for TensorBoard to follow.")
@click.option("--json", "as_json", is_flag=True, help="Print the metrics for scripts.")
def train(as_json: bool, **options: Any) -> None:
    """Train DT4ECG on DATASET: who is it, and in which state?

    Each task is evaluated under its own honest scheme first, then the weights are fitted on all windows.
    Leaves a run folder: weights, metrics, history and report.html. A training that was interrupted goes on
    when it is called again.

    \b
    ecgkit train
    ecgkit train --split paper --epochs 50
    """
    from ecgkit.cli.console import progress, show_json, show_warnings
    from ecgkit.stages import train as stage

    with progress(quiet=as_json) as bars:
        summary = stage.run(_options(**options), progress=bars)
    if summary is None:
        return
    show_warnings(summary.warnings)
    show_json(summary.as_json()) if as_json else _show(summary)


def _options(
    dataset: Path | None,
    study: Path | None,
    out: Path | None,
    config_file: Path | None,
    split: str | None,
    no_evaluate: bool,
    augment: tuple[str, ...],
    validation: bool,
    jobs: int | None,
    cluster: str | None,
    fresh: bool,
    events: Path | None,
    **settings: Any,
) -> TrainOptions:
    from ecgkit.stages.train import TrainOptions
    from ecgkit.study.folder import find_study

    variations = dict(_variation(text) for text in augment) or None
    folder = dataset.parent if dataset is not None and study is None else find_study(study)
    return TrainOptions(
        dataset=dataset or folder / "dataset.h5",
        runs=folder / "runs",
        out=out,
        config_file=config_file,
        flags={"train": {**settings, "augmentation": variations, "validation": validation or None}},
        split=split,
        evaluate=not no_evaluate,
        jobs=jobs,
        cluster=cluster,
        fresh=fresh,
        events=events,
    )


def _variation(text: str) -> tuple[str, str]:
    """Return name and value of a variation that was asked for."""
    name, found, value = text.partition("=")
    if not found:
        raise click.BadParameter(f"{text!r}: expected NAME=X, such as amplitude=0.2", param_hint="--augment")
    return name, value


def _show(summary: TrainSummary) -> None:
    """Print what was trained, how well it does, what that means, and what comes next."""
    click.echo(f"{summary.about}{'  SIMULATED data' if summary.simulated else ''}\n")
    show_scores(summary)
    for scheme in summary.schemes:
        click.echo(f"{click.style(scheme.name, bold=True)}: {scheme.sentence}")
    click.echo(f"{click.style('weights', bold=True)}: {summary.weights_note}")
    click.echo(f"Report: {summary.run / 'report.html'}  ({summary.metrics['seconds']:.0f} s)")
    click.echo(f"Next: ecgkit predict {summary.run} FILE")


def show_scores(summary: TrainSummary) -> None:
    """Print a line for each task and scheme, at most 80 characters wide; nothing if nothing was tested."""
    if not summary.schemes:
        return
    click.echo(LINE.format("task", "scheme", "accuracy", "95 % interval", "chance", "over folds"))
    for scheme in summary.schemes:
        for scores in scheme.tasks:
            click.echo(LINE.format(*_cells(scheme, scores)))
    click.echo("In percent; over folds: mean ± SD. Never the epoch that is best on the tested windows.")
    click.echo("The interval is Wilson's: it takes windows as independent, which they are not.\n")


def _cells(scheme: SchemeScores, scores: TaskScores) -> tuple[str, ...]:
    overall, n_folds = scores.overall, len(scores.folds)
    spread = f"{100 * scores.fold_mean:.1f} ± {100 * scores.fold_sd:.1f} ({n_folds})"
    return (
        {"subject": "identity", "condition": "state"}[scores.task],
        scheme.name + (" (leaks)" if scheme.leaks else ""),
        f"{100 * overall.accuracy:.1f}",
        f"{100 * overall.accuracy_low:.1f} to {100 * overall.accuracy_high:.1f}",
        f"{100 * scores.chance:.1f}",
        spread if n_folds > 1 else "one fold",
    )
