"""do.py says in one line what is wrong, and does nothing twice."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def do(tmp_path: Path) -> dict:
    """What do.py defines, with its .venv in an empty folder."""
    names = runpy.run_path(str(ROOT / "do.py"))
    names["setup"].__globals__.update(VENV=tmp_path / ".venv", STAMP=tmp_path / ".venv" / "stamp")
    return names


def test_do_without_a_command_shows_its_help() -> None:
    run = subprocess.run([sys.executable, str(ROOT / "do.py")], capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert "do.py demo" in run.stdout
    unknown = subprocess.run([sys.executable, str(ROOT / "do.py"), "x"], capture_output=True, check=False)
    assert unknown.returncode == 2


def test_setup_refuses_an_old_python_in_one_line(
    do: dict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    assert do["main"](["setup"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"do.py: Python 3.11 or newer is needed; this is {sys.version.split()[0]}"
    ]


def test_setup_refuses_a_python_without_venv_in_one_line(
    do: dict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert do["main"](["test"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "apt install python3-venv" in line


def test_setup_refuses_options_that_it_does_not_know(do: dict, capsys: pytest.CaptureFixture[str]) -> None:
    assert do["main"](["setup", "--gpu"]) == 2
    assert "--system-packages and --without-train" in capsys.readouterr().err


def test_setup_that_stands_is_not_done_again_and_keeps_its_options(
    do: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    space = do["setup"].__globals__
    monkeypatch.setitem(space, "install", lambda options: asked.append(options) or 0)
    stamp = space["STAMP"]
    stamp.parent.mkdir()
    stamp.write_text(f"{do['fingerprint']()} --without-train\n")
    assert do["setup"]([]) == do["setup"](["--without-train"]) == 0
    assert asked == []
    stamp.write_text("made-from-something-else --without-train\n")
    assert do["setup"]([]) == do["setup"](["--system-packages"]) == 0
    assert asked == [["--without-train"], ["--system-packages"]]


def test_constraints_name_no_host() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert pins
    assert all("==" in pin and "/" not in pin and "+" not in pin and "@" not in pin for pin in pins)
