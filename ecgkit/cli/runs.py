"""``ecgkit runs``: the trainings of a study, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecgkit.stages.runs import FoundRun, RunList, Score, ShownRun
    from ecgkit.stages.runs_compare import Comparison

PATH = click.Path(path_type=Path)
TASKS = {"condition": "state", "subject": "identity"}
ACCURACY = "Accuracy, percent, and its 95 % interval over subjects drawn anew"
LEAST_P = 0.0001
USUAL = {"condition": "leave-subjects-out", "subject": "leave-condition-out"}
study_option = click.option("--study", type=PATH, help="Study folder, whose runs/ is meant.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print it for scripts.")


@click.group(invoke_without_command=True)
@click.pass_context
def runs(context: click.Context) -> None:
    """List the runs of a study, look at one, compare some.

    A run is named by its number, its folder, or "latest".

    \b
    ecgkit runs
    ecgkit runs show 003
    ecgkit runs compare 001 003 --html compared.html
    ecgkit runs tensorboard 001 003 --out events
    """
    if context.invoked_subcommand is None:
        context.invoke(list_runs, study=None, as_json=False)


@runs.command("list")
@study_option
@json_option
def list_runs(study: Path | None, as_json: bool) -> None:
    """List the runs of a study in the order of their numbers, and trainings that are not done."""
    from ecgkit.cli.console import show_json
    from ecgkit.stages import runs as stage
    from ecgkit.study.folder import find_study

    found = stage.run_list(find_study(study))
    show_json(found.as_json()) if as_json else _show_list(found)


@runs.command()
@click.argument("name", default="latest")
@study_option
@json_option
def show(name: str, study: Path | None, as_json: bool) -> None:
    """Show what run NAME is and how it did; the latest unless one is named."""
    from ecgkit.cli.console import show_json
    from ecgkit.stages import runs as stage
    from ecgkit.study.folder import find_study

    found = stage.run_show(name, find_study(study))
    show_json(found.as_json()) if as_json else _show_run(found)


@runs.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--html", "page", type=PATH, help="Write a page with their curves over each other.")
@study_option
@json_option
def compare(names: tuple[str, ...], page: Path | None, study: Path | None, as_json: bool) -> None:
    """Compare runs NAMES: settings that differ, scores, and the first with each other on the same windows."""
    from ecgkit.cli.console import show_json
    from ecgkit.stages import runs_compare as stage
    from ecgkit.study.folder import find_study

    found = stage.run(names, find_study(study), page=page)
    show_json(found.as_json()) if as_json else _show_comparison(found)


@runs.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--out", type=PATH, required=True, help="Folder for the event files.")
@study_option
@json_option
def tensorboard(names: tuple[str, ...], out: Path, study: Path | None, as_json: bool) -> None:
    """Write the histories of runs NAMES for TensorBoard, a folder a run and in it one a fit."""
    from ecgkit.cli.console import show, show_json
    from ecgkit.stages import runs_tensorboard as stage
    from ecgkit.study.folder import find_study

    found = stage.run(names, find_study(study), out=out)
    if as_json:
        show_json(found.as_json())
    else:
        show(f"Wrote {found.n_fits} fits of {len(found.runs)} runs to {found.folder}.")
        show(f"Next: tensorboard --logdir {found.folder}")


def _show_list(found: RunList) -> None:
    from ecgkit.cli.console import show, show_table

    if found.runs:
        show_table(("run", "what", "data", "epochs", "state", "identity"), map(_row, found.runs))
        show("Accuracy in percent, in brackets 95 % over subjects drawn anew; unless a scheme is named,")
        show("the state under leave-subjects-out and identity under leave-condition-out.")
        if any(run.same_dataset is False for run in found.runs):
            show("* trained on another data set than the study has now.")
    for run in found.runs:
        if run.problem:
            show(f"{run.name}: {run.problem}")
    for training in found.unfinished:
        of = f" of {training.of_epochs:,}" if training.of_epochs else ""
        show(f"Not finished ({training.epochs:,}{of} epochs): {training.about or training.name}")
    if found.unfinished:
        show("The same ecgkit train goes on with it, unless it is under way.")
    if not found.runs and not found.unfinished:
        show("No runs yet.")
    show(f"Next: {_next(found)}")


def _next(found: RunList) -> str:
    sound = [run.name for run in found.runs if not run.problem]
    if len(sound) > 1:
        return f"ecgkit runs compare {' '.join(sound[-2:])}, or ecgkit runs show {sound[-1]}"
    return f"ecgkit runs show {sound[0]}" if sound else "ecgkit train"


def _row(run: FoundRun) -> tuple[str, ...]:
    if run.card is None:
        return run.name, "can't be read", "", "", "", ""
    data = run.card.dataset_sha256[:8] + ("*" if run.same_dataset is False else "")
    marks = "\nSIMULATED" if run.card.simulated else ""
    epochs = str(run.card.training.get("epochs", "?"))
    return (run.name, run.what, data + marks, epochs, *(_cell(run.scores, task) for task in TASKS))


def _cell(scores: Sequence[Score], task: str) -> str:
    lines = [
        _accuracy(score) + ("" if score.scheme == USUAL[task] else f"\n{_scheme(score)}")
        for score in scores
        if score.task == task
    ]
    return "\n".join(lines) or "–"


def _accuracy(score: Score) -> str:
    return f"{100 * score.accuracy:.1f} [{100 * score.low:.0f}, {100 * score.high:.0f}]"


def _scheme(score: Score) -> str:
    return score.scheme + (" (leaks)" if score.leaks else "")


def _show_run(shown: ShownRun) -> None:
    from ecgkit.cli.console import show, show_table

    for name, text in _facts(shown):
        show(f"{name:<11} {text}")
    if shown.run.scores:
        columns = ("task", "accuracy", "chance", "F1", "windows")
        show_table(columns, [_score_row(score) for score in shown.run.scores])
        show("In percent; in brackets the accuracy's 95 % interval over subjects drawn anew.")
    if shown.report:
        show(f"Report: {shown.report}")
    show(f"Next: ecgkit predict {shown.run.folder} FILE")


def _facts(shown: ShownRun) -> Iterator[tuple[str, str]]:
    run, card = shown.run, shown.run.card
    if card is None:
        return
    simulated = "  SIMULATED" if card.simulated else ""
    same = {True: ", as the study has it", False: ", not the one that the study has now", None: ""}
    yield "run", f"{run.name}: {run.what}{simulated}"
    yield "data set", f"{card.dataset_sha256[:16]}…{same[run.same_dataset]}"
    yield (
        "classes",
        f"{len(card.subject_labels)} subjects, {len(card.condition_labels)} conditions; leads "
        f"{', '.join(card.lead_names)} at {card.fs:g} Hz",
    )
    part = "all windows" if card.split == "all" else f"the training part of {card.split}"
    yield "weights", f"fitted on {part}"
    fits = "1 fit" if shown.n_fits == 1 else f"{shown.n_fits} fits"
    yield "history", f"{fits}, {shown.epochs} epochs; seed {card.seed}"


def _score_row(score: Score) -> tuple[str, ...]:
    return (
        f"{TASKS[score.task]}\n{_scheme(score)}",
        f"{100 * score.accuracy:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]",
        f"{100 * score.chance:.1f}",
        f"{100 * score.f1:.1f}",
        f"{score.n:,}",
    )


def _show_comparison(found: Comparison) -> None:
    from ecgkit.cli.console import show, show_table

    names = [run.name for run in found.runs]
    if found.settings:
        show_table(("what differs", *names), [(name, *values) for name, values in found.settings.items()])
    show(f"{found.n_same} settings are the same.\n")
    if found.scores:
        show_table(("task", *names), _score_rows(found), title=ACCURACY)
    if found.differences:
        columns = ("task", "runs", "difference", "right in one", "p")
        show_table(columns, _difference_rows(found), title="On the same windows, percentage points")
        show("Where the interval holds 0, other subjects could turn the difference round. Right in one:")
        show("only in the first run / only in the other. McNemar's p takes windows as independent, which")
        show("those of one recording are not: it is too small.")
    for remark in found.remarks:
        show(remark)
    show(f"Page: {found.page}" if found.page else "Next: the same with --html FILE draws their curves.")


def _score_rows(found: Comparison) -> Iterator[tuple[str, ...]]:
    for (_, task), row in found.scores.items():
        named = next(_scheme(score) for score in row if score)
        yield f"{TASKS[task]}\n{named}", *(_accuracy(score) if score else "–" for score in row)


def _difference_rows(found: Comparison) -> Iterator[tuple[str, ...]]:
    for each in found.differences:
        known = each.low is not None and each.high is not None
        interval = f" [{100 * (each.low or 0):+.1f}, {100 * (each.high or 0):+.1f}]" if known else ""
        yield (
            f"{TASKS[each.task]}\n{each.scheme}",
            f"{each.other} − {each.first}",
            f"{100 * each.difference:+.1f}{interval}",
            f"{each.only_first:,} / {each.only_other:,}",
            f"{each.p_value:.2g}" if each.p_value >= LEAST_P else f"< {LEAST_P:g}",
        )
