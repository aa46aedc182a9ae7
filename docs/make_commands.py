"""Write docs/commands.md from the commands themselves: python docs/make_commands.py"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from ecgkit.cli import COMMANDS, ecgkit

HEAD = """\
# Commands

Written by `python docs/make_commands.py` from what `ecgkit COMMAND --help` says.

A study is found by `--study`, else by the nearest `study.yaml` upwards, else it is `./study`. `dataset.h5`
and `runs/` lie in it. A setting comes from, last wins: what is built in (the paper), the protocol,
`study.yaml`, the file named by `--config`, the option.

Exit codes: 0 done, 1 a check failed or the reader of the output went away, 2 bad input or usage,
130 interrupted.
"""


def page() -> str:
    """Return the page's text."""
    return "\n".join([HEAD, *(line for name in COMMANDS for line in section(name))])


def section(name: str) -> Iterator[str]:
    """Give the lines of one command's section."""
    command = ecgkit.get_command(click.Context(ecgkit), name)
    assert command is not None
    assert command.help is not None
    text, _, example = inspect.cleandoc(command.help).partition("\b\n")
    arguments = " ".join(
        p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)
    )
    yield f"## ecgkit {name}\n"
    yield f"`ecgkit {name} [OPTIONS]{' ' + arguments if arguments else ''}`\n"
    yield text.strip() + "\n"
    if example:
        yield f"```\n{example.strip()}\n```\n"
    yield "| option | meaning |\n|---|---|"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            flag, meaning = parameter.get_help_record(click.Context(command)) or ("", "")
            yield f"| `{flag}` | {' '.join(meaning.split()).replace('|', '/')} |"
    yield ""


if __name__ == "__main__":
    (Path(__file__).parent / "commands.md").write_text(page(), encoding="utf-8", newline="\n")
