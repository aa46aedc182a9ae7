"""What fits left is read with care."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.made_cells import make_cells_of, write_dataset_of_noise

from ecgkit.errors import TrainingError
from ecgkit.stages.reproduce import Plan, ReproduceOptions, make_plan
from ecgkit.stages.reproduce.scores import read_scores


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    options = ReproduceOptions(write_dataset_of_noise(tmp_path / "d.h5"), "table4", seeds=1, epochs=2)
    plan = make_plan(options)
    make_cells_of(plan, lambda cell, task: 0.5)
    return plan


def first_fit(plan: Plan) -> Path:
    cell, task = plan.to_do[0]
    return task.folder(cell.folder(plan.cells))


def test_scores_are_those_of_the_outputs(plan: Plan) -> None:
    scores = list(read_scores(plan.data, plan.parts[0].cells, plan.cells))
    assert [(one.row, one.task) for one in scores] == [
        ("GradNorm on", "condition"),
        ("GradNorm on", "subject"),
        ("GradNorm off", "condition"),
        ("GradNorm off", "subject"),
    ]
    for one in scores:
        assert one.measures["accuracy"] == 0.5
        assert (one.tested, int(one.right.sum()), int(one.windows.sum())) == (18, 9, 18)


def rewrite(**changes: object) -> Callable[[Path], None]:
    """Replace arrays of the outputs; None takes one away."""

    def damage(fit: Path) -> None:
        with np.load(fit / "logits.npz") as stored:
            arrays = dict(stored)
        arrays |= {name: np.asarray(value) for name, value in changes.items() if value is not None}
        kept = {name: array for name, array in arrays.items() if changes.get(name, 1) is not None}
        np.savez(fit / "logits.npz", **kept)

    return damage


def cut(name: str) -> Callable[[Path], None]:
    def damage(fit: Path) -> None:
        content = (fit / name).read_bytes()
        (fit / name).write_bytes(content[: len(content) // 2])

    return damage


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (rewrite(rows=np.arange(18)), "not the windows that this fold tests"),
        (rewrite(condition=np.zeros((18, 3), np.float32)), r"condition is (larger|not \(18, 2\))"),
        (rewrite(condition=np.full((18, 2), np.nan, np.float32)), "finite numbers"),
        (rewrite(condition=np.zeros(1_000_000)), "larger than expected"),
        (rewrite(condition=np.array([{}], dtype=object)), "pickle|Object arrays"),
        (rewrite(condition=None), "condition"),
        (cut("logits.npz"), "zip"),
        (cut("history.csv"), "epochs, expected 2|history|could not"),
        (cut("fit.json"), "damaged"),
        (lambda fit: (fit / "fit.json").write_text(json.dumps(["seconds"])), "damaged"),
        (lambda fit: (fit / "logits.npz").unlink(), "logits.npz"),
    ],
)
def test_damaged_fits_are_refused_by_their_folder(
    plan: Plan, damage: Callable[[Path], object], expected: str
) -> None:
    damage(first_fit(plan))
    with pytest.raises(TrainingError, match=expected) as refused:
        list(read_scores(plan.data, plan.parts[0].cells, plan.cells))
    assert str(first_fit(plan)) in str(refused.value)
    assert "remove this folder" in str(refused.value)
