"""Parts of the page about a run hold what the run and its data set hold."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support.calibrations import calibration
from support.run_folders import card, make_run

pytest.importorskip("torch")

from ecgkit.config import TrainConfig
from ecgkit.dataset.read import open_dataset
from ecgkit.stages.evaluation import Answers
from ecgkit.stages.run_files import FitHistory, history_of
from ecgkit.stages.run_parts import (
    calibration_part,
    curves_of,
    grid_of,
    network_part,
    training_in_words,
    variations,
    window_in_words,
)


def test_grid_of_counts_windows_and_right_answers(built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    rows = np.flatnonzero(data.codes("subject") != 1)
    true = data.codes("condition")[rows]
    logits = np.eye(len(data.conditions), dtype=np.float32)[np.where(rows % 2, true, (true + 1) % 3)]
    grid = grid_of(data, Answers("paper", "condition", rows, np.full(len(rows), "0"), true, logits))
    table = data.table.iloc[rows]
    for i, subject in enumerate(data.subjects):
        for j, condition in enumerate(data.conditions):
            cell = table[(table["subject"] == subject) & (table["condition"] == condition)]
            assert (grid.n[i, j], grid.right[i, j]) == (len(cell), (cell.index.to_numpy() % 2).sum())
    assert [name for name, _ in grid.rows] == [data.subjects[0], *data.subjects[2:]]


def test_curves_of_a_run(tmp_path: Path) -> None:
    fits = curves_of(history_of(make_run(tmp_path / "001")), kept="all")
    assert [fit.final for fit in fits] == [False] * 4 + [True]
    np.testing.assert_allclose(fits[0].test_accuracy["condition"], [0.1, 0.2, 0.3])
    assert np.isnan(fits[0].test_accuracy["subject"]).all()
    assert {fit.kept_epoch for fit in fits} == {None}


def history(subject: list[float], condition: list[float]) -> FitHistory:
    columns = {"epoch": [1, 2, 3, 4], "seconds": [1] * 4, "validation_subject_accuracy": subject}
    columns |= {"validation_condition_accuracy": condition}
    return FitHistory("all", "0", {name: np.array(values, dtype=float) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("subject", "condition", "kept"),
    [
        ([0.1, 0.5, 0.5, 0.4], [0.2, 0.6, 0.6, 0.6], 2),  # the first of equals
        ([0.1, 0.9, 0.2, 0.3], [0.9, 0.2, 0.95, 0.9], 4),
        ([math.nan] * 4, [0.2, 0.6, 0.7, 0.6], 3),  # a task that is not watched here
        ([math.nan] * 4, [math.nan] * 4, None),
    ],
)
def test_curves_of_name_the_epoch_that_was_kept(
    subject: list[float], condition: list[float], kept: int | None
) -> None:
    assert curves_of([history(subject, condition)], kept="all", chosen=True)[0].kept_epoch == kept
    assert curves_of([history(subject, condition)], kept="all")[0].kept_epoch is None


def test_training_in_words_of_the_default() -> None:
    assert training_in_words(TrainConfig().model_dump()) == (
        "Both heads together; how the two losses weigh is decided by gradnorm.",
        "Adam, 50 epochs, 16 windows a step, learning rate 0.001, constant; seed 0.",
    )


def test_training_in_words_names_what_is_not_the_default() -> None:
    settings = TrainConfig(
        task="subject", schedule="cosine", class_weights="balanced", precision="mixed", seed=7
    )
    said = " ".join(training_in_words(settings.model_dump()))
    for part in ("One head only: identity", "schedule cosine; seed 7", "equally frequent", "bfloat16"):
        assert part in said
    assert "balancing" not in said


def test_network_part_describes_the_network_of_a_card() -> None:
    part = network_part(card()["spec"], fs=100.0)
    facts = dict(part.facts)
    assert facts["heads"] == "4 subjects and 2 conditions"
    assert facts["window"] == "1 × 300 (leads × samples), 3 s"
    assert facts["one step sees"] == "51 samples, 0.51 s"
    counts = [int(row[3].replace(",", "")) for row in part.layers]
    assert facts["parameters"] == f"{sum(counts):,}"


def test_network_part_of_one_task_has_one_head() -> None:
    part = network_part({**card()["spec"], "n_subjects": 0}, fs=100.0)
    assert dict(part.facts)["heads"] == "2 conditions"


def test_variations_are_shown_only_where_there_were_some(built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    off = TrainConfig().augmentation.model_dump()
    assert variations(data, off, seed=0) is None
    assert variations(data, {}, seed=0) is None
    part = variations(data, off | {"noise": 0.1}, seed=0)
    again = variations(data, off | {"noise": 0.1}, seed=0)
    assert part is not None
    assert again is not None
    assert part.varied.shape == (5, *part.ecg.shape)
    np.testing.assert_array_equal(part.varied, again.varied)
    assert not np.array_equal(part.varied[0], part.varied[1])
    assert part.where == window_in_words(data, len(data) // 2)


def test_calibration_part_shows_what_is_in_the_file() -> None:
    part = calibration_part(calibration())
    assert [(task.task, task.temperature) for task in part.tasks] == [("condition", 2.5), ("subject", 1.5)]
    np.testing.assert_array_equal(part.tasks[0].before.accuracy, [0.5, 0.75])
    assert part.tasks[0].fused[1] == (5, 12, 0.65, 0.75, 0.1)
    assert [(row.n_windows, row.threshold, row.fpir_new) for row in part.unknown] == [
        (1, 0.8, (0.07, 0.01, 0.2)),
        (5, 0.7, (0.07, 0.01, 0.2)),
    ]
    assert part.missing == ("No threshold at 1 %.",)
