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


def test_scores_tell_the_kinds_of_devices(plan: Plan) -> None:
    (first_fit(plan) / "fit.json").write_text(json.dumps({"seconds": 1.0, "device": "cuda"}))
    devices = {one.row: one.devices for one in read_scores(plan.data, plan.parts[0].cells, plan.cells)}
    assert devices == {"GradNorm on": {"cuda"}, "GradNorm off": {"cpu"}}


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


def write(name: str, changed: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda fit: (fit / name).write_text(changed((fit / name).read_text()))


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (rewrite(rows=np.arange(18)), "not the windows that this fold tests"),
        (
            rewrite(condition=np.zeros((18, 3), np.float32)),
            r"condition: float32 \(18, 3\), expected float32 \(18, 2\)",
        ),
        (rewrite(condition=np.full((18, 2), np.nan, np.float32)), "finite numbers"),
        (rewrite(condition=np.zeros(1_000_000)), "larger than expected"),
        (rewrite(condition=np.array([{}], dtype=object)), "object"),
        (rewrite(condition=None), "condition"),
        (cut("logits.npz"), "zip"),
        (cut("history.csv"), "epochs, expected 2|history|could not"),
        (write("history.csv", lambda text: text.replace("0.5", 140_000 * "5")), "damaged"),
        (write("history.csv", lambda text: '"' + text), "damaged"),
        (write("history.csv", lambda text: text + 2000 * ",\n"), "bytes, expected at most|epochs"),
        (write("history.csv", lambda text: text.replace("0.5", "")), "damaged"),
        (write("history.csv", lambda text: text.replace("0.5", "nan")), "not from 0 to 1"),
        (write("history.csv", lambda text: text.replace("0.5", "1.5")), "not from 0 to 1"),
        (write("history.csv", lambda text: text.replace("0.5,", "")), "damaged"),
        (write("fit.json", lambda _: '{"seconds": NaN}'), "JSON"),
        (write("fit.json", lambda _: 60_000 * "["), "JSON"),
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
