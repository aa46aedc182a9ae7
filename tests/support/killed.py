"""What changes a study, killed at every moment when it is about to change something on the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Runs a script again and again, each time on a fresh copy of the study and in a copy of this process, which
# ends without a word at the n-th moment. Says how each ended; the first and the last are not disturbed.
LAUNCHER = """
import os, shutil, sys
from pathlib import Path

original = Path(sys.argv[1])
names = {}
exec(sys.argv[2], names)
EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open"}

def run(folder, last):
    moment = 0

    def count(event, arguments):
        nonlocal moment
        only_read = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) == 0
        if event in EVENTS and str(folder) in str(arguments[0]) and not only_read:
            moment += 1
            if moment == last:
                os._exit(9)

    sys.addaudithook(count)
    exec(sys.argv[3], {**names, "folder": folder})

for moment in (0, *range(1, 1000, int(sys.argv[4]))):
    folder = original.with_name(f"killed-{moment}")
    shutil.copytree(original, folder)
    if (child := os.fork()) == 0:
        run(folder, moment)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(code, folder)
    if moment and code == 0:
        break
"""


def killed_everywhere(study: Path, script: str, *, imports: str, every: int = 1) -> tuple[Path, list[Path]]:
    """Run a script on copies of a study, `folder` in it; return the undisturbed one and the killed ones.

    `every` takes only one of so many moments.
    """
    result = in_another_process(LAUNCHER, study, imports, script, every)
    assert result.stderr == ""
    lines = [line.split(" ", 1) for line in result.stdout.splitlines()]
    assert [code for code, _ in lines] == ["0", *["9"] * (len(lines) - 2), "0"]
    copies = [Path(folder) for _, folder in lines]
    return copies[0], copies[1:-1]


def in_another_process(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end."""
    call = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, check=False)
