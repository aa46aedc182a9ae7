"""The options that say how a recording is read and which of its channels are taken: of several commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ecgkit.readers.options import ReadOptions

OPTIONS = (
    click.option("--channel", help="The ECG channel, by name or position, where it can't be told."),
    click.option("--leads", metavar="A,B,C", help="Several ECG channels; III is derived from I and II."),
    click.option("--salvage", is_flag=True, help="Take what is there of a damaged file."),
    click.option("--fs", type=float, metavar="HZ", help="Sampling rate, where the file does not say it."),
    click.option("--columns", metavar="A,B", help="Columns of a text file to take, by name or position."),
    click.option("--unit", help="Unit of channels whose file states none, such as mV."),
)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def take_reading(options: dict[str, Any]) -> tuple[ReadOptions, tuple[str, ...]]:
    """Take the options out of a command's, and return how the file is read and the named leads.

    Raises
    ------
    click.UsageError
        Both --channel and --leads are given, or a list has an empty name.
    """
    from ecgkit.readers.options import ReadOptions

    channel, leads = options.pop("channel"), options.pop("leads")
    if channel is not None and leads is not None:
        raise click.UsageError("--channel and --leads are both given; --channel X is --leads X of one lead")
    how = ReadOptions(
        salvage=options.pop("salvage"),
        fs=options.pop("fs"),
        columns=_names("--columns", options.pop("columns")),
        unit=options.pop("unit"),
    )
    return how, (channel,) if channel is not None else _names("--leads", leads)


def _names(option: str, text: str | None) -> tuple[str, ...]:
    """Split names at commas."""
    names = () if text is None else tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise click.UsageError(f"{option} {text!r}: an empty name; expected names with commas between them")
    return names
