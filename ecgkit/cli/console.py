"""What commands show: progress bars, tables, summaries. Imported by a command when it runs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichBars
from rich.table import Table
from rich.text import Text

from ecgkit.cli import printable
from ecgkit.progress import Progress, Silent


class Bars:
    """Progress bars on standard error, one a task."""

    def __init__(self, bars: RichBars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def start(self, task: str, total: int) -> None:
        """Show a bar for the task."""
        self._bars.start()
        self._tasks[task] = self._bars.add_task(task, total=total, note="")

    def advance(self, task: str, note: str = "") -> None:
        """Move the task's bar on by one step."""
        self._bars.update(self._tasks[task], advance=1, note=note)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """Show progress while the block runs; quiet (with ``--json``) shows nothing."""
    if quiet:
        yield Silent()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    bars = RichBars(*columns, console=Console(stderr=True))
    try:
        yield Bars(bars)
    finally:
        if bars.tasks:  # else rich would print an empty line
            bars.stop()


def show_json(content: Any) -> None:
    """Print one JSON document on standard output, in ASCII: any encoding of the terminal carries it."""
    click.echo(json.dumps(content, indent=2, allow_nan=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print a table on standard output, as wide as the terminal, numbers as given."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(_text(column), overflow="fold")
    for row in rows:
        table.add_row(*map(_text, row))
    Console().print(table)


def show(line: str) -> None:
    """Print a line on standard output."""
    click.echo(printable(line))


def in_study(command: str, folder: Path) -> str:
    """Complete a command by the study that it is about, where it would not find it by itself."""
    from ecgkit.study.folder import find_study

    if find_study().resolve() == folder.resolve():
        return command
    name, _, rest = command.partition(" when ")
    option = f" --study {shlex.quote(str(folder))}"
    return f"{name}{option} when {rest}" if rest else f"{name}{option}"


def show_next(folder: Path, *commands: str) -> None:
    """Print what can be done next with a study."""
    show(f"Next: {', or '.join(in_study(command, folder) for command in commands)}")


def show_warnings(warnings: Iterable[str]) -> None:
    """Print each warning on standard error."""
    for warning in warnings:
        click.echo(
            click.style("Warning: ", fg="yellow", bold=True, reset=True) + printable(warning), err=True
        )


def _text(cell: object) -> Text:
    """Make a cell of a table, without markup: "[mV]" is a name, not a style."""
    return Text(printable(str(cell)))
