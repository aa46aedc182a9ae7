"""Imports go one way, and starting up costs little."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ecgkit
from ecgkit.cli import COMMANDS

PACKAGE = Path(ecgkit.__file__).parent

# from the ground up; packages of one floor do not import each other
FLOORS = [
    {"errors"},
    {"lookup", "files", "progress", "exclusions"},
    {"settings", "h5", "records"},
    {"readers", "analysis", "preprocess", "metrics", "splits", "models"},
    {"protocol", "study", "dataset", "simulate", "exports"},
    {"training", "report"},
    {"config"},
    {"stages"},
    {"cli"},
]
LEVEL = {room: level for level, floor in enumerate(FLOORS) for room in floor}
SAME_FLOOR_ALLOWED = {("protocol", "analysis")}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in LEVEL)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ":" in node.value:
            names = [node.value.partition(":")[0]]  # "module:attribute" of a lookup table
        found |= {name.split(".")[1] for name in names if name.startswith("ecgkit.")}
    return found & set(LEVEL)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    room = room_of(path)
    for imported in imported_rooms(path) - {room}:
        assert LEVEL[imported] < LEVEL[room], f"{room} must not import {imported}"


def test_every_room_has_a_floor() -> None:
    assert {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"} == set(LEVEL)


def loaded_by(code: str) -> set[str]:
    """Top-level modules, beyond the bare interpreter's, that a fresh Python has after running code."""
    program = f"import sys; bare = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - bare))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = {name.partition(".")[0] for name in run.stdout.splitlines()[-1].split()}
    return names - set(sys.stdlib_module_names)


def test_import_ecgkit_imports_nothing() -> None:
    assert loaded_by("import ecgkit") == {"ecgkit"}


def test_help_imports_only_click() -> None:
    code = (
        "from ecgkit.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stop:\n    assert not stop.code\nprint()"
    )
    assert loaded_by(code) - {"_distutils_hack"} <= {"ecgkit", "click", "colorama"}


NEED_TORCH = {"demo", "models", "predict", "reproduce", "train"}


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - NEED_TORCH))
def test_commands_that_do_not_train_never_load_torch(command: str) -> None:
    """What a command imports when it is called, wherever in it that stands."""
    path = PACKAGE / "cli" / f"{command.replace('-', '_')}.py"
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    imports = [ast.unparse(node) for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    assert "torch" not in loaded_by("\n".join(line for line in imports if "ecgkit" in line))


def test_public_names_are_there() -> None:
    pytest.importorskip("torch")
    for name in ecgkit.__all__:
        assert getattr(ecgkit, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ecgkit.nothing  # noqa: B018
