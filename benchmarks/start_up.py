"""What it costs to start: `ecgkit --help`, and `ecgkit info` on a recording of one hour.

    python benchmarks/start_up.py

Each command and the bare interpreter run in turn, in new processes: medians of CPU time (user and system),
and of the time on the clock beside it.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from read import LAYOUTS, write_recording

ROUNDS = 21
HELP_GOAL_MS, INFO_GOAL_MS = 80, 400


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.acq"
        write_recording(path, next(layout for layout in LAYOUTS if len(layout.dtypes) == 16), minutes=60)
        ecgkit = [sys.executable, "-m", "ecgkit"]
        commands = {
            "bare interpreter": [sys.executable, "-c", ""],
            "ecgkit --help": [*ecgkit, "--help"],
            "ecgkit info (16 channels, one hour)": [*ecgkit, "info", str(path)],
        }
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                taken[name].append(run(command))
    bare, help_page, info = (statistics.median(cpu for cpu, _ in times) for times in taken.values())
    for name, times in taken.items():
        cpu, clock = (statistics.median(values) for values in zip(*times, strict=True))
        print(f"{name:<36} {cpu:7.1f} ms CPU {clock:7.1f} ms on the clock")
    print(verdict("ecgkit --help over the bare interpreter", help_page - bare, HELP_GOAL_MS))
    print(verdict("ecgkit info", info, INFO_GOAL_MS))


def run(command: Sequence[str]) -> tuple[float, float]:
    """Run a command; return its CPU milliseconds and those on the clock."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return 1e3 * cpu, 1e3 * (time.perf_counter() - start)


def verdict(what: str, ms: float, goal: float) -> str:
    return f"{what}: {ms:.1f} ms, goal {goal}: " + (
        "reached" if ms < goal else f"short by {ms - goal:.1f} ms"
    )


if __name__ == "__main__":
    main()
