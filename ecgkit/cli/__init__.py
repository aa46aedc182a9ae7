"""The command line. Importing it costs click and nothing else; each command imports where it works."""

from __future__ import annotations

import _thread
import errno
import importlib
import io
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

from ecgkit import __version__
from ecgkit.errors import EcgkitError

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

# name -> module:command; the order is the one in which they are used
COMMANDS = {
    "demo": "ecgkit.cli.demo:demo",
    "simulate": "ecgkit.cli.simulate:simulate",
    "info": "ecgkit.cli.info:info",
    "protocol": "ecgkit.cli.protocol:protocol",
    "ingest": "ecgkit.cli.ingest:ingest",
    "status": "ecgkit.cli.status:status",
    "retag": "ecgkit.cli.retag:retag",
    "exclude": "ecgkit.cli.exclude:exclude",
    "include": "ecgkit.cli.include:include",
    "remove": "ecgkit.cli.remove:remove",
    "merge": "ecgkit.cli.merge:merge",
    "verify": "ecgkit.cli.verify:verify",
    "export": "ecgkit.cli.export:export",
    "build-dataset": "ecgkit.cli.build_dataset:build_dataset",
    "dataset": "ecgkit.cli.dataset:dataset",
    "models": "ecgkit.cli.models:models",
    "train": "ecgkit.cli.train:train",
    "reproduce": "ecgkit.cli.reproduce:reproduce",
    "runs": "ecgkit.cli.runs:runs",
    "predict": "ecgkit.cli.predict:predict",
}

# package -> the extra that it comes with
EXTRAS = {
    "torch": "train",
    "safetensors": "train",
    "onnx": "train",
    "onnxscript": "train",
    "onnxruntime": "train",
    "lightning_fabric": "fabric",
    "tensorboard": "tensorboard",
    "pyarrow": "exports",
    "edfio": "formats",
    "distributed": "cluster",
    "dask": "cluster",
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without … or µ is no reason to fail
    sys.unraisablehook = _interrupt_again
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # Python's own are for programmers; ours are part of the output
    sys.exit(_exit_code(args))


def printable(text: str) -> str:
    """Replace what would move the cursor or colour the terminal; files and names can hold anything."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _exit_code(args: Sequence[str] | None) -> int:
    try:
        result = ecgkit.main(args, prog_name="ecgkit", standalone_mode=False)
        _flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except EcgkitError as error:
        return _complain(str(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted. Nothing was left half-written; run the same command again.", err=True)
        return EXIT_INTERRUPTED
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _complain(
            f"{error.name} is not installed; it comes with: pip install 'ecgkit-mp160[{extra}]' "
            "(the README says how to take a small CPU build of torch)"
        )
    except OSError as error:
        _give_up_output()
        if error.errno == errno.EPIPE:
            return EXIT_FAILED
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _complain(
                f"no space left on the disk ({error.filename or 'while writing'}); nothing was left "
                "half-written. Free some space and run the same command again"
            )
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}; nothing was left half-written")
    return result if isinstance(result, int) else 0


def _interrupt_again(lost: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came where Python can't raise, such as while an HDF5 object was let go of."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        again = threading.Timer(0.02, _thread.interrupt_main)
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


def _complain(message: str) -> int:
    click.echo(click.style("Error: ", fg="red", bold=True, reset=True) + printable(message), err=True)
    return EXIT_BAD_INPUT


def _give_up_output() -> None:
    """If nobody takes our output any more (`ecgkit … | head`), don't let the exit complain about it."""
    try:
        _flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _flush() -> None:
    if sys.stdout:  # there is none after `>&-`
        sys.stdout.flush()
