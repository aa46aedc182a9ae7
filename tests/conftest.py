"""Fixtures for all tests: a small simulated study, and the real recordings where they are."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from ecgkit.records import Tags
from ecgkit.stages import build_dataset, ingest, simulate
from ecgkit.stages.simulate import SimulatedFile

WITH_TORCH = importlib.util.find_spec("torch") is not None
NEEDS_TORCH = (
    "models",
    "training",
    "stages/test_models",
    "stages/test_train",
    "stages/test_predict",
    "stages/test_executing",
    "stages/reproduce",
    "stages/test_export_onnx",
    "stages/test_predictors",
    "cli/test_models",
    "cli/test_train",
    "cli/test_reproduce",
    "cli/test_export_onnx",
    "cli/test_predict",
    "cli/test_demo",
)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what needs torch where it is not installed."""
    place = collection_path.relative_to(Path(__file__).parent).as_posix()
    return True if not WITH_TORCH and place.startswith(NEEDS_TORCH) else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for what takes many minutes."""
    parser.addoption("--soak", action="store_true", help="also run the campaigns that take many minutes")


def pytest_report_header() -> str:
    """Say what is left out."""
    return "torch: " + ("installed" if WITH_TORCH else "not installed, so the tests of training are left out")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real recordings; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ECGKIT_REAL_DATA", default))
    if not folder.is_dir():
        pytest.skip("no real recordings here: set ECGKIT_REAL_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def simulated_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulatedFile, ...]:
    """Simulated recordings: 4 subjects x 3 conditions x 2 visits, 30 s each. Read only."""
    out = tmp_path_factory.mktemp("simulated") / "sim"
    return simulate.run(out, n_subjects=4, seed=3, visits=2, duration_s=30.0).files


@pytest.fixture(scope="session")
def built_study(simulated_files: tuple[SimulatedFile, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of the simulated recordings with its data set built. Read only: take `study` to change it."""
    folder = tmp_path_factory.mktemp("built") / "study"
    for file in simulated_files:
        tags = Tags(file.subject, file.condition, file.visit, file.take)
        ingest.run(file.path, tags, study_folder=folder)
    build_dataset.run(folder)
    return folder


@pytest.fixture
def study(built_study: Path, tmp_path: Path) -> Path:
    """A copy of the built study that the test may change."""
    return Path(shutil.copytree(built_study, tmp_path / "study"))
