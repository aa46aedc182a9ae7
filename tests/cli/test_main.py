"""The command line as a whole: exit codes, errors in one line, terminals that can't take the output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ecgkit.cli import COMMANDS, ecgkit, main, printable
from ecgkit.stages.simulate import SimulatedFile

posix = pytest.mark.skipif(os.name == "nt", reason="file descriptors and signals as POSIX has them")


def run(
    *args: object, cwd: Path | None = None, prepare: Callable[[], None] | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m ecgkit`` as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "ecgkit", *map(str, args)],
        env={**os.environ, **env},
        cwd=cwd,
        preexec_fn=prepare,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def exit_code(*args: object) -> int:
    """Run the command line in this process."""
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_main_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(ecgkit, [command, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: ecgkit {command}")


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["ingest", "-h"]])
def test_main_help_ends_with_0(args: list[str]) -> None:
    assert exit_code(*args) == 0


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["ingest"],
        ["status", "--nonsense"],
        ["info", "-file.acq"],
        ["ingest", "a", "--visit", "x"],
    ],
)
def test_main_wrong_usage_ends_with_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*args) == 2
    assert "--help" in capsys.readouterr().err


def test_main_bad_input_is_one_line_and_2(tmp_path: Path) -> None:
    result = run("info", tmp_path / "none.acq")
    assert result.returncode == 2
    assert result.stdout == ""
    assert (
        result.stderr
        == f"Error: {tmp_path / 'none.acq'}: no such file; check the name and the folder you are in\n"
    )


def test_main_without_torch_names_the_extra(study: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from ecgkit.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "train", "--study", study], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith(
        "Error: torch is not installed; it comes with: pip install 'ecgkit-mp160[train]'"
    )
    assert result.stderr.count("\n") == 1


@posix
def test_main_reader_gone_is_quiet(simulated_files: tuple[SimulatedFile, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # what `| head` does once it has seen enough
    command = [sys.executable, "-m", "ecgkit", "info", simulated_files[0].path]
    result = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_main_output_onto_a_full_disk_is_said(built_study: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "ecgkit", "status", "--study", built_study]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: no space left on the disk")
    assert result.stderr.count("\n") == 1


@posix
def test_main_works_without_any_output(built_study: Path) -> None:
    result = run("status", "--study", built_study, prepare=lambda: (os.close(1), os.close(2), None)[-1])
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "env",
    [{"PYTHONIOENCODING": "ascii:strict"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
)
def test_main_prints_whatever_the_terminal_can_show(built_study: Path, env: dict[str, str]) -> None:
    result = run("status", "--study", built_study, **env, COLUMNS="40")
    assert (result.returncode, result.stderr) == (0, "")
    assert "Next: ecgkit train" in result.stdout


@posix
def test_main_in_a_removed_folder(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    result = run("status", cwd=gone, prepare=gone.rmdir)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: the folder that you are in was removed")


def test_main_errors_leave_the_terminal_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("info", tmp_path / "\x1b[2J.acq") == 2
    shown = capsys.readouterr().err
    assert "\N{REPLACEMENT CHARACTER}[2J.acq: no such file" in shown
    assert "\x1b" not in shown


def test_printable_keeps_words_and_lines() -> None:
    assert printable("Grüße, 5 µV\nnext") == "Grüße, 5 µV\nnext"
    assert printable("a\x1b[31m\r\x07\udcff") == "a\ufffd[31m\ufffd\ufffd\ufffd"
