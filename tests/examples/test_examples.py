"""Every example runs on a simulated study, and what it prints is what it should."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"
SAYS = {
    "read_with_h5py": r"SIMULATED data\. State of 240 windows.*\n  all +0\.\d\d",
    "train_with_pytorch": r"SIMULATED data\. State of \d\d windows, on subjects never seen:\n  [01]\.\d\d",
    "train_with_scikit_learn": r"SIMULATED data\. State of 240 windows, on subjects never seen:\n  0\.\d\d",
    "arrays_for_keras": r"training: windows \(\d+, 300, 1\) float32.*\nkeras\.Input\(shape=\(300, 1\)\)",
    "arrays_for_braindecode": r"windows \(\d+, 1, 300\) float32, .*\n\{'n_chans': 1, 'n_times': 300",
    "arrays_for_tsai": r"windows \(240, 1, 300\) float32, labels \['deep_breathing', 'exercise', 'rest'\]",
}


def test_every_example_is_tried_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == SAYS.keys()


@pytest.mark.parametrize("name", SAYS)
def test_example_has_not_the_name_of_a_package(name: str) -> None:
    # python puts the script's folder first: a module of that name would hide the package
    assert importlib.util.find_spec(name) is None
    assert name not in {"torch", "sklearn", "keras", "braindecode", "tsai", "h5py", "tensorflow"}


@pytest.mark.parametrize("name", SAYS)
def test_example_runs_and_says_what_came_out(name: str, built_study: Path) -> None:
    script = FOLDER / f"{name}.py"
    if "torch" in re.findall(r"^import (\w+)", script.read_text(encoding="utf-8"), flags=re.M):
        pytest.importorskip("torch")
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(built_study / "dataset.h5")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert re.search(SAYS[name], run.stdout, flags=re.S), run.stdout
