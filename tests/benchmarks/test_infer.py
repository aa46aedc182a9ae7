"""The benchmark of single windows: all its sides compute the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
from ecgkit.models.dual_task import ModelSpec

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "infer.py"


@pytest.fixture(scope="module")
def infer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("infer", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_ways_give_the_same_answer(infer: ModuleType, tmp_path: Path) -> None:
    small = ModelSpec("cnn", "none", 1, 32, 4, 3, stem_channels=4, widths=(4,), strides=(1,))
    sides = infer.ways(small, tmp_path / "network.onnx")
    first, *others = [[np.asarray(part) for part in side()] for side in sides.values()]
    assert [part.shape for part in first] == [(1, 4), (1, 3)]
    for other in others:
        for one, two in zip(first, other, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-5)
    assert set(infer.alternate(sides, repeats=2)) == set(sides)
