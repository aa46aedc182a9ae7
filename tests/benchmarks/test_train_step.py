"""The benchmark of training steps: its steps are steps, and its medians medians."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("torch")
SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "train_step.py"


@pytest.fixture(scope="module")
def train_step() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_step", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_balancing_of_two_tasks_has_a_step_that_is_timed(train_step: ModuleType) -> None:
    steps = {name: train_step.make_step(name) for name in train_step.OF_TWO_TASKS}
    assert {"equal", "gradnorm", "pcgrad"} < set(steps)
    seconds = train_step.alternate(steps, repeats=2)
    assert set(seconds) == set(steps)
    assert min(seconds.values()) > 0


def test_the_sides_are_run_in_turn(train_step: ModuleType) -> None:
    seen: list[str] = []
    train_step.alternate({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, repeats=3)
    assert "".join(seen) == "ababab"


def test_an_epoch_is_worth_as_many_products_as_it_has_operations(train_step: ModuleType) -> None:
    # 5.6 million multiply-adds a window forward, about twice as many backward
    products = train_step.products_of_an_epoch(train_step.make_step("equal"))
    per_window = products * train_step.SIDE**3 / train_step.N_WINDOWS
    assert per_window == pytest.approx(3 * 5.62e6, rel=0.05)
