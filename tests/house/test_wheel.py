"""The built wheel holds what it must and runs on its own."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout by the setuptools that is installed."""
    out = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source")
    for name in package_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(out.glob("*.whl"))


def package_files() -> list[str]:
    """What the wheel is made of, relative to the checkout, with forward slashes."""
    found = [path for part in ("ecgkit", "protocols") for path in (ROOT / part).rglob("*")]
    kept = [path for path in found if path.suffix in {".py", ".j2", ".css", ".js", ".typed", ".yaml"}]
    return [path.relative_to(ROOT).as_posix() for path in kept] + ["pyproject.toml", "README.md", "LICENSE"]


def test_wheel_holds_every_module_and_every_protocol(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for name in package_files()[:-3]:
        assert name.replace("protocols/", "ecgkit/_protocols/") in inside
    assert not [name for name in inside if name.startswith(("tests/", "docs/"))]


def test_wheel_installs_and_runs(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own that borrows the dependencies, but not the checkout."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    borrowed = tmp_path / "borrowed"
    borrowed.mkdir()
    for entry in Path(libraries).iterdir():
        if "ecgkit" not in entry.name.lower() and entry.suffix != ".pth":
            (borrowed / entry.name).symlink_to(entry)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "installed"), str(borrowed)])}
    code = (
        "import ecgkit; from ecgkit.protocol.model import load_protocol, protocols_folder\n"
        "print(ecgkit.__file__); print(protocols_folder()); print(load_protocol('dt4ecg').name)"
    )
    shown = subprocess.run(
        [str(python), "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    package, protocols, name = shown.stdout.splitlines()
    assert Path(package).is_relative_to(tmp_path / "installed")
    assert Path(protocols) == tmp_path / "installed" / "ecgkit" / "_protocols"
    assert name == "dt4ecg"
    simulate = ["-m", "ecgkit", "simulate", "--subjects", "1", "--duration-s", "10", "--out", "sim"]
    run = subprocess.run(
        [str(python), *simulate], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert len(list((tmp_path / "sim").glob("*.acq"))) == 3
