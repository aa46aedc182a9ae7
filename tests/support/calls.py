"""Calls of the command line in processes of their own, to be killed, interrupted and run side by side."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MANY_S = 600  # a call that takes as long hangs

# Runs a command, and kills it with its workers before its n-th step that changes something in a folder.
STEPPER = """
import os, signal, sys
folder, last, *args = sys.argv[1:]
left = int(last)
def count(event, facts):
    global left
    if event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree") or (
        event == "open" and isinstance(facts[2], int) and facts[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    ):
        if any(str(fact).startswith(folder) for fact in facts[:2]):
            left -= 1
            if left == 0:
                os.killpg(os.getpgrp(), signal.SIGKILL)
sys.addaudithook(count)
from ecgkit.cli import main
try:
    main(args)
finally:
    print("steps", int(last) - left, file=sys.stderr)
"""


def start(*args: object, kill_at: int | None = None, within: Path | None = None) -> subprocess.Popen[str]:
    """Start a command, with all its workers in a process group of their own.

    `kill_at` kills it before its n-th step that changes something in the folder `within`; 0 only counts them.
    """
    stepper = ["-c", STEPPER, str(within), str(kill_at)]
    return subprocess.Popen(
        [sys.executable, *(["-m", "ecgkit"] if kill_at is None else stepper), *map(str, args)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a call to end; return its exit code and what it complained of."""
    try:
        _, errors = process.communicate(timeout=MANY_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"it hangs: {process.args}")
    assert "Traceback" not in errors, errors
    return process.returncode, errors


def killed(process: subprocess.Popen[str]) -> bool:
    """Kill a call and its workers; tell whether it was still under way."""
    under_way = process.poll() is None
    if under_way:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=MANY_S)
    return under_way


def content(folder: Path) -> dict[str, bytes]:
    """Everything in a folder; of folders in it, that they are there."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"(folder)"
        for path in folder.rglob("*")
    }


@contextmanager
def mounted(place: Path, *, megabytes: int) -> Iterator[Path]:
    """Give a small disk of its own; skip the test where none can be mounted."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here: that takes the rights of root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def leave_room(disk: Path, n_bytes: int) -> Path:
    """Fill a disk up to so many bytes; return the file to remove."""
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - n_bytes))
    return filler
