#!/usr/bin/env python3
"""Everything a checkout needs, with Python's standard library only.

    python3 do.py demo          from simulated .acq files to a trained model and a report
    python3 do.py test          all tests
    python3 do.py lint          style and types
    python3 do.py soak          damaged files, kills, many simulated studies (an hour on two cores)
    python3 do.py bench         the benchmarks, each printing its ratios
    python3 do.py setup         only make .venv (the others do it when it is needed)
    python3 do.py constraints   write constraints.txt anew from what is installed

The first call makes .venv and installs into it, which needs a package index; later calls work
offline until pyproject.toml or constraints.txt change. What follows the command goes on to the
tool: python3 do.py test -k reader.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "ecgkit-set-up"
CONSTRAINTS = ROOT / "constraints.txt"
OLDEST_PYTHON = (3, 11)
SYSTEM, WITHOUT_TRAIN = "--system-packages", "--without-train"
CONSTRAINTS_HEAD = """\
# The versions that ecgkit is tested with; do.py installs these. Written by: python3 do.py constraints
"""


def main(args: Sequence[str]) -> int:
    """Run the command named by the first argument; return its exit status."""
    name = args[0] if args else "help"
    if name not in COMMANDS:
        print(__doc__)
        return 0 if name in ("help", "-h", "--help") else 2
    try:
        return COMMANDS[name](list(args[1:]))
    except KeyboardInterrupt:
        return 130


def setup(args: list[str]) -> int:
    """Make .venv, unless one stands that was made from the same pyproject.toml and constraints.txt.

    ``--system-packages`` takes what the Python that runs this has already (a torch, say), of whatever
    version; ``--without-train`` leaves torch out: everything but training and prediction works. Without
    options, those of the last set-up hold.
    """
    unknown = set(args) - {SYSTEM, WITHOUT_TRAIN}
    if unknown:
        return fail(f"setup knows {SYSTEM} and {WITHOUT_TRAIN}, not {' '.join(sorted(unknown))}")
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return fail(f"Python {oldest} or newer is needed; this is {sys.version.split()[0]}")
    made_from, *made_with = STAMP.read_text(encoding="utf-8").split() if STAMP.exists() else ("",)
    if made_from == fingerprint() and set(args) <= set(made_with):
        return 0
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return fail(
            "this Python can't make virtual environments; on Debian and Ubuntu: apt install python3-venv"
        )
    return install(args or made_with)


def install(options: list[str]) -> int:
    """Make .venv anew and install ecgkit into it, editable, with the tested versions."""
    print("Setting up .venv (once; some minutes, most of it torch) …", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    site = ["--system-site-packages"] if SYSTEM in options else []
    pins = [] if SYSTEM in options else ["-c", str(CONSTRAINTS)]  # a pin would replace what is there
    extras = "formats,exports,cluster,test,docs" + (
        "" if WITHOUT_TRAIN in options else ",train,fabric,tensorboard"
    )
    steps = (
        [sys.executable, "-m", "venv", *site, str(VENV)],
        [*pip(), "install", "--quiet", *pins, "-e", f"{ROOT}[{extras}]"],
    )
    for step in steps:
        if subprocess.run(step, cwd=ROOT, check=False).returncode:
            return fail(f"set-up stopped at: {' '.join(step)}. The first set-up needs a package index")
    STAMP.write_text(" ".join([fingerprint(), *options]) + "\n", encoding="utf-8")
    return 0


def demo(args: list[str]) -> int:
    """Run `ecgkit demo`, and say where the command lies."""
    status = setup([]) or run("-m", "ecgkit", "demo", *args)
    if status == 0 and "--json" not in args:
        print(f"The command ecgkit lies in {python().parent.relative_to(ROOT)}; to have it at hand:")
        print("  .venv\\Scripts\\activate" if os.name == "nt" else "  source .venv/bin/activate")
    return status


def test(args: list[str]) -> int:
    """Run the tests, on all cores."""
    return setup([]) or run("-m", "pytest", "-n", "auto", *args)


def soak(args: list[str]) -> int:
    """Run the long campaigns: damaged files, kills, two writers, many simulated studies; on all cores."""
    return setup([]) or run("-m", "pytest", "--soak", "-m", "soak", "-n", "auto", *args)


def lint(args: list[str]) -> int:
    """Check style, format and types."""
    if setup([]):
        return 1
    checks = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"])
    return max(run("-m", *check, *args) for check in checks)


def bench(args: list[str]) -> int:
    """Run the benchmarks, all or those named."""
    names = args or sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py"))
    return setup([]) or max(run(str(ROOT / "benchmarks" / f"{name}.py")) for name in names)


def constraints(args: list[str]) -> int:  # noqa: ARG001 (all commands are called alike)
    """Write down what is installed in .venv; no host names, no local versions."""
    if setup([]):
        return 1
    freeze = subprocess.run(
        [*pip(), "freeze", "--exclude-editable"], capture_output=True, text=True, check=True
    )
    pins = [line.partition("+")[0] for line in freeze.stdout.splitlines() if "==" in line]
    CONSTRAINTS.write_text(CONSTRAINTS_HEAD + "\n".join(pins) + "\n", encoding="utf-8")
    return 0


def run(*args: str) -> int:
    """Run .venv's Python with arguments, from the checkout; return its exit status.

    One thread for each numeric library: on few, busy cores more threads are many times slower.
    """
    threads = {name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return subprocess.run(
        [str(python()), *args], cwd=ROOT, env={**os.environ, **threads}, check=False
    ).returncode


def python() -> Path:
    """Return .venv's Python."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def pip() -> list[str]:
    """Return the command that starts .venv's pip."""
    return [str(python()), "-m", "pip", "--disable-pip-version-check"]


def fingerprint() -> str:
    """Return a hash of what the set-up depends on."""
    parts = [ROOT / "pyproject.toml", CONSTRAINTS]
    content = b"".join(path.read_bytes() for path in parts) + sys.version.encode()
    return hashlib.sha256(content).hexdigest()


def fail(message: str) -> int:
    """Print one clear line; return the exit status of bad input."""
    print(f"do.py: {message}", file=sys.stderr)
    return 2


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "setup": setup,
    "demo": demo,
    "test": test,
    "soak": soak,
    "lint": lint,
    "bench": bench,
    "constraints": constraints,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
