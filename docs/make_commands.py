"""Write docs/commands.md from the commands themselves: python docs/make_commands.py"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

import click

from ecgkit.cli import COMMANDS, ecgkit
from ecgkit.config import Config
from ecgkit.models.attention import ATTENTIONS
from ecgkit.models.backbones import BACKBONES
from ecgkit.training.balancing import BALANCERS

HEAD = """\
# Commands

Written by `python docs/make_commands.py` from what `ecgkit COMMAND --help` says.

A study is found by `--study`, else by the nearest `study.yaml` upwards, else it is `./study`. `dataset.h5`
and `runs/` lie in it. A setting comes from, last wins: what is built in (the paper), the protocol,
`study.yaml`, the file named by `--config`, the option; a preset comes right after what is built in.

Exit codes: 0 done, 1 part of it failed (a session left out of a data set; `info --check` or `protocol check`
found something) or the reader of the output went away, 2 bad input or usage, 130 interrupted.
"""

SETTINGS_HEAD = """\
## Settings

What a file for `--config` may hold, all of it optional:

```yaml
preset: recommended
sessions: {conditions: [rest, exercise]}
pipeline: {mains_hz: 50, window_s: 10}
splits: {seed: 1}
train: {balancing: equal, epochs: 20}
```

`preset` (paper or recommended) lies under all the others. `build-dataset` uses `sessions`, `pipeline` and
`splits`, `train` uses `train`.
"""
CHOICES = {"backbone": BACKBONES, "attention": ATTENTIONS, "balancing": BALANCERS}


def page() -> str:
    """Return the page's text."""
    commands = (line for name in COMMANDS for line in section(name, command_of(name)))
    return "\n".join([HEAD, *commands, SETTINGS_HEAD, *settings()])


def settings() -> Iterator[str]:
    """Give a table of the fields of each section of the config."""
    sections = {
        name: part for name, part in Config.model_fields.items() if hasattr(part.annotation, "model_fields")
    }
    for name, part in sections.items():
        yield f"| `{name}` | default | meaning |\n|---|---|---|"
        for field, about in part.annotation.model_fields.items():
            known = f"; known: {', '.join(CHOICES[field])}" if field in CHOICES else ""
            known += (
                f": {', '.join(get_args(about.annotation))}"
                if get_origin(about.annotation) is Literal
                else ""
            )
            yield f"| `{field}` | {about.default} | {about.description}{known} |"
        yield ""


def command_of(name: str) -> click.Command:
    """Import a command."""
    command = ecgkit.get_command(click.Context(ecgkit), name)
    assert command is not None
    return command


def section(name: str, command: click.Command) -> Iterator[str]:
    """Give the lines of one command's section; of a group, of its commands too."""
    assert command.help is not None
    text, _, example = inspect.cleandoc(command.help).partition("\b\n")
    arguments = " ".join(
        p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)
    )
    group = isinstance(command, click.Group)
    yield f"## ecgkit {name}\n"
    yield f"`ecgkit {name} {'COMMAND' if group else '[OPTIONS]'}{' ' + arguments if arguments else ''}`\n"
    yield text.strip() + "\n"
    if example:
        yield f"```\n{example.strip()}\n```\n"
    if isinstance(command, click.Group):
        for inner in command.commands:
            yield from section(f"{name} {inner}", command.commands[inner])
        return
    if not any(isinstance(parameter, click.Option) for parameter in command.params):
        return
    yield "| option | meaning |\n|---|---|"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            flag, meaning = parameter.get_help_record(click.Context(command)) or ("", "")
            yield f"| `{flag}` | {' '.join(meaning.split()).replace('|', '/')} |"
    yield ""


if __name__ == "__main__":
    (Path(__file__).parent / "commands.md").write_text(page(), encoding="utf-8", newline="\n")
