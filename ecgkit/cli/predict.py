"""``ecgkit predict``: who is it, and in which state?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgkit.cli import printable
from ecgkit.cli.reading import reading_options, take_reading

if TYPE_CHECKING:
    from ecgkit.stages.predict import Answer, Failure, Prediction

ROWS_SHOWN = 60
LINE = "{:>9}  {:<20} {:>5}  {:<14} {:>5}  {:>9}  {:>8}"
FILE_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE_PATH)
@click.option("--study", type=FILE_PATH, help="Study folder, where RUN is a run's number.")
@reading_options
@click.option("--fuse", type=int, default=1, help="Answer so many windows together.  [default: 1]")
@click.option(
    "--fpir",
    metavar="RATE",
    default="0.05",
    show_default=True,
    help="Share of people who are not enrolled that may be given a name: 0.001, 0.01, 0.05, 0.1; none: all.",
)
@click.option("--keep-rejected", is_flag=True, help="Use windows of quality 'reject' as well.")
@click.option("--csv", "table", type=FILE_PATH, metavar="TABLE", help="Write the answers as a table.")
@click.option("--html", "page", type=FILE_PATH, metavar="PAGE", help="Draw the answers over the signal.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def predict(
    run: str, files: tuple[Path, ...], study: Path | None, fpir: str, as_json: bool, **options: Any
) -> int:
    """Apply RUN to raw FILEs: who is it, and in which state?

    RUN is a run's folder, its number in the study's runs/, "latest", or an .onnx file. Exits with 1 if a file
    has no usable window, or one of several can't be used.

    \b
    ecgkit predict latest session.acq
    ecgkit predict latest session.acq --fuse 10 --html session.html
    """
    from ecgkit.cli.console import progress, show_json
    from ecgkit.stages import predict as stage
    from ecgkit.study.folder import find_study

    reading, leads = take_reading(options)
    how = stage.PredictOptions(leads=leads, reading=reading, fpir=_rate(fpir), **options)
    runs = find_study(study) / "runs"
    with progress(quiet=as_json or len(files) == 1) as bars:
        found = stage.run_all(run, files, runs=runs, options=how, progress=bars)
    contents = [made.as_json() for made in found]
    show_json(contents if len(files) > 1 else contents[0]) if as_json else _show(found, how.page, how.table)
    return _exit_code(found)


def _rate(text: str) -> float | None:
    if text.strip().lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r}: expected a rate, such as 0.05, or none", param_hint="--fpir"
        ) from None


def _exit_code(found: Sequence[Prediction | Failure]) -> int:
    from ecgkit.cli import EXIT_FAILED
    from ecgkit.stages.predict import Prediction

    return 0 if all(isinstance(made, Prediction) and made.usable for made in found) else EXIT_FAILED


def _show(found: Sequence[Prediction | Failure], *written: Path | None) -> None:
    """Print one file's answers, or a line for each of several files; then what was written."""
    from ecgkit.cli.console import show
    from ecgkit.stages.predict import Prediction

    if len(found) == 1 and isinstance(found[0], Prediction):
        _show_one(found[0])
    else:
        _show_all(found)
    for path in written:
        if path is not None:
            show(f"written: {path}")


def _show_one(found: Prediction) -> None:
    """Print the answer over the file, then a line an answer, shortened, then how to read it."""
    from ecgkit.cli.console import show, show_warnings

    overall = found.overall
    show_warnings(found.warnings)
    show(f"{found.file}  channel {', '.join(map(repr, found.channels))} ({found.reason})")
    for line in _headlines(found):
        click.echo(line)
    left_out = f", {overall.n_rejected} of quality 'reject' left out" if overall.n_rejected else ""
    show(f"fused over {overall.n_windows} windows{left_out}, taken as one person in one state\n")
    show(LINE.format("time", "who", "p", "state", "p", "beats/min", "quality"))
    for answer in found.answers[:ROWS_SHOWN]:
        show(_line(answer))
    if len(found.answers) > ROWS_SHOWN:
        show(f"and {len(found.answers) - ROWS_SHOWN} more lines (all with --json or --csv)")
    show("")
    for remark in found.remarks:
        show(remark)


def _headlines(found: Prediction) -> list[str]:
    """Return the answers over the whole file, a line a task."""
    overall, lines = found.overall, []
    if not found.usable:
        return [f"  {click.style('no usable window', bold=True)}: there is no answer"]
    if "subject" in found.tasks:
        who = click.style(printable(overall.who), bold=True)
        lines.append(f"  who   {who}  ({_p(overall.subject_probability)})")
    if "condition" in found.tasks:
        state = click.style(printable(overall.condition or "–"), bold=True)
        lines.append(f"  state {state}  ({_p(overall.condition_probability)})")
    return lines


def _show_all(found: Sequence[Prediction | Failure]) -> None:
    from ecgkit.cli.console import show_table, show_warnings
    from ecgkit.stages.predict import Failure, Prediction

    predictions = [made for made in found if isinstance(made, Prediction)]
    rows = [
        (
            made.file,
            made.overall.who,
            _p(made.overall.subject_probability),
            made.overall.condition or "–",
            _p(made.overall.condition_probability),
            f"{made.overall.n_windows} of {made.overall.n_windows + made.overall.n_rejected}",
        )
        for made in predictions
    ]
    show_table(("file", "who", "p", "state", "p", "windows used"), rows)
    show_warnings(f"{made.file}: {text}" for made in predictions for text in made.warnings)
    show_warnings(made.error for made in found if isinstance(made, Failure))
    failed = len(found) - len(predictions)
    click.echo(
        f"{len(predictions)} of {len(found)} files answered{'; why not the others: above' * bool(failed)}"
    )
    for remark in dict.fromkeys(remark for made in predictions for remark in made.remarks):
        click.echo(remark)


def _line(answer: Answer) -> str:
    used = f" ({answer.n_rejected} left out)" if answer.n_windows and answer.n_rejected else ""
    return LINE.format(
        f"{answer.start_s:.1f} s",
        answer.who,
        _p(answer.subject_probability),
        answer.condition or "–",
        _p(answer.condition_probability),
        "–" if answer.heart_rate_bpm is None else f"{answer.heart_rate_bpm:.0f}",
        f"{answer.quality}{used}",
    )


def _p(probability: float | None) -> str:
    return "–" if probability is None else f"{probability:.2f}"
