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
    "predict_with_onnx": r"SIMULATED data\. 240 windows; .*\n  subject +right 0\.\d\d .*\n  condition +right",
    "arrays_for_tsai": r"windows \(240, 1, 300\) float32, labels \['deep_breathing', 'exercise', 'rest'\]",
}


def test_every_example_is_tried_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == SAYS.keys()


@pytest.mark.parametrize("name", SAYS)
def test_example_has_not_the_name_of_a_package(name: str) -> None:
    # python puts the script's folder first: a module of that name would hide the package
    assert importlib.util.find_spec(name) is None
    assert name not in {"torch", "sklearn", "keras", "braindecode", "tsai", "h5py", "tensorflow", "onnx"}


@pytest.fixture(scope="module")
def network(built_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network for the data set, as ONNX; it was never trained."""
    pytest.importorskip("torch")
    from support.random_runs import write_random_run

    from ecgkit.stages import export_onnx

    folder = write_random_run(tmp_path_factory.mktemp("runs") / "001", built_study / "dataset.h5")
    return export_onnx.run(str(folder)).path


@pytest.mark.parametrize("name", SAYS)
def test_example_runs_and_says_what_came_out(
    name: str, built_study: Path, request: pytest.FixtureRequest
) -> None:
    script = FOLDER / f"{name}.py"
    if "torch" in re.findall(r"^import (\w+)", script.read_text(encoding="utf-8"), flags=re.M):
        pytest.importorskip("torch")
    files = [built_study / "dataset.h5"]
    if name.endswith("onnx"):
        files.insert(0, request.getfixturevalue("network"))
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script), *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert re.search(SAYS[name], run.stdout, flags=re.S), run.stdout
