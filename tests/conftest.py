"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real recordings; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ECGKIT_REAL_DATA", default))
    if not folder.is_dir():
        pytest.skip("no real recordings here: set ECGKIT_REAL_DATA to the folder that holds them")
    return folder
