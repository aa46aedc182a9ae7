"""Outputs of the fits, joined by row; those for people who are not enrolled are kept apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgkit.dataset.read import Dataset, open_dataset
from ecgkit.stages.evaluation import collect, collect_unknown, evaluate, write_out_of_fold
from ecgkit.stages.fitting import LOGITS_FILE, FitTask, write_logits

SCORED = {"leave-subjects-out": ("condition",), "leave-condition-out": ("subject",)}


@pytest.fixture(scope="module")
def data(built_study: Path) -> Dataset:
    return open_dataset(built_study / "dataset.h5")


@pytest.fixture
def tasks(data: Dataset, tmp_path: Path) -> tuple[FitTask, ...]:
    """Fits whose outputs are there: the row's number in the first class."""
    tasks = tuple(
        FitTask(scheme, fold, scored=SCORED[scheme], dataset_sha256=data.sha256)
        for scheme in SCORED
        for fold in data.split(scheme)
    )
    for task in tasks:
        task.folder(tmp_path).mkdir(parents=True)
        write(task, tmp_path, data, n_subjects=len(data.subjects))
    return tasks


def write(task: FitTask, fits: Path, data: Dataset, *, n_subjects: int) -> None:
    _, test = task.rows(data)
    outputs = {
        "subject": np.zeros((len(test), n_subjects), dtype=np.float32),
        "condition": np.zeros((len(test), len(data.conditions)), dtype=np.float32),
    }
    for values in outputs.values():
        values[:, :1] = test[:, None]
    write_logits(task.folder(fits) / LOGITS_FILE, test, outputs)


def test_collect_joins_the_folds_by_row(data: Dataset, tasks: tuple[FitTask, ...], tmp_path: Path) -> None:
    found = {(part.scheme, part.task): part for part in collect(data, tasks, tmp_path)}
    assert set(found) == {("leave-subjects-out", "condition"), ("leave-condition-out", "subject")}
    for part in found.values():
        assert part.rows.tolist() == list(range(len(data)))
        assert part.logits[:, 0].tolist() == part.rows.tolist()


def test_collect_unknown_takes_the_subject_heads_of_leave_subjects_out(
    data: Dataset, tasks: tuple[FitTask, ...], tmp_path: Path
) -> None:
    found = collect_unknown(data, tasks, tmp_path)
    assert found is not None
    assert (found.scheme, found.task) == ("leave-subjects-out", "unknown")
    assert found.logits.shape == (len(data), len(data.subjects))
    assert found.true.tolist() == data.codes("subject").tolist()
    assert collect_unknown(data, [task for task in tasks if "condition" in task.scheme], tmp_path) is None


def test_collect_takes_only_the_tasks_that_were_trained(
    data: Dataset, tasks: tuple[FitTask, ...], tmp_path: Path
) -> None:
    states = [task for task in tasks if task.scheme == "leave-subjects-out"]
    for task in states:
        write(task, tmp_path, data, n_subjects=0)
    assert collect_unknown(data, states, tmp_path) is None
    assert [part.task for part in collect(data, states, tmp_path)] == ["condition"]


def test_out_of_fold_names_the_outputs_for_unknown_people(
    data: Dataset, tasks: tuple[FitTask, ...], tmp_path: Path
) -> None:
    answers, unknown = collect(data, tasks, tmp_path), collect_unknown(data, tasks, tmp_path)
    assert unknown is not None
    write_out_of_fold(tmp_path / "out_of_fold.npz", [*answers, unknown])
    with np.load(tmp_path / "out_of_fold.npz", allow_pickle=False) as stored:
        assert set(stored) == {
            f"{name}/{part}"
            for name in (
                "leave-subjects-out/condition",
                "leave-subjects-out/unknown",
                "leave-condition-out/subject",
            )
            for part in ("rows", "logits")
        }


def test_evaluate_scores_each_scheme_s_task(
    data: Dataset, tasks: tuple[FitTask, ...], tmp_path: Path
) -> None:
    schemes = evaluate(data, collect(data, tasks, tmp_path), dict.fromkeys(SCORED, ()))
    assert [(scheme.name, [scores.task for scores in scheme.tasks]) for scheme in schemes] == [
        ("leave-subjects-out", ["condition"]),
        ("leave-condition-out", ["subject"]),
    ]
    # row 0 has no larger output than the others: every row answers its first class
    assert schemes[0].tasks[0].overall.accuracy == pytest.approx((data.codes("condition") == 0).mean())
