"""The command line. Importing it costs click and nothing else; each command imports where it works."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from ecgkit import __version__
from ecgkit.errors import EcgkitError

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

# name -> module:command; the order is the one in which they are used
COMMANDS = {
    "demo": "ecgkit.cli.demo:demo",
    "simulate": "ecgkit.cli.simulate:simulate",
    "info": "ecgkit.cli.info:info",
    "ingest": "ecgkit.cli.ingest:ingest",
    "status": "ecgkit.cli.status:status",
    "build-dataset": "ecgkit.cli.build_dataset:build_dataset",
    "train": "ecgkit.cli.train:train",
    "predict": "ecgkit.cli.predict:predict",
}


class CommandTable(click.Group):
    """A group whose commands are looked up in `COMMANDS` and imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=CommandTable,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: ecgkit demo",
)
@click.version_option(__version__, prog_name="ecgkit")
def ecgkit() -> None:
    """From BIOPAC AcqKnowledge files to ECG data sets and honestly evaluated models.

    \b
    ecgkit ingest session.acq --subject 07 --condition exercise
    ecgkit build-dataset
    ecgkit train
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; exit with 0 done, 1 a check failed, 2 bad input, 130 interrupted."""
    sys.exit(_exit_code(args))


def _exit_code(args: Sequence[str] | None) -> int:
    try:
        result = ecgkit.main(args, prog_name="ecgkit", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except EcgkitError as error:
        return _complain(str(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted. Nothing was left half-written; run the same command again.", err=True)
        return EXIT_INTERRUPTED
    except ModuleNotFoundError as error:
        extra = {"torch": "train", "safetensors": "train"}.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _complain(
            f"{error.name} is not installed; it comes with: pip install 'ecgkit-mp160[{extra}]' "
            "(the README says how to take a small CPU build of torch)"
        )
    except OSError as error:
        if error.errno == errno.EPIPE:
            return _close_quietly()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _complain(
                f"no space left on the disk ({error.filename or 'while writing'}); nothing was left "
                "half-written. Free some space and run the same command again"
            )
        return _complain(f"{error.strerror or error} ({error.filename})" if error.filename else str(error))
    return result if isinstance(result, int) else 0


def _complain(message: str) -> int:
    click.echo(click.style("Error: ", fg="red", bold=True, reset=True) + message, err=True)
    return EXIT_BAD_INPUT


def _close_quietly() -> int:
    """The reader of our output has gone (`ecgkit … | head`); don't let the exit complain about it."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
