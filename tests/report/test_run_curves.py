"""The course of trainings: what was never seen is left out, each task is named once."""

from __future__ import annotations

import dataclasses

import numpy as np
from support.run_pages import curves

from ecgkit.report.run_curves import kept_in_words, training_charts


def test_training_charts_leave_out_what_was_never_seen() -> None:
    assert len(training_charts([curves(final=False), curves(final=True)])) == 5
    assert len(training_charts([curves(final=True)])) == 4
    assert training_charts([]) == []


def test_training_charts_name_each_task_once() -> None:
    for chart in training_charts([curves(final=False), curves(final=True)]):
        assert chart.count(">Identity<") == chart.count(">State<") == 1


def test_training_charts_show_what_an_epoch_was_chosen_by() -> None:
    fit = dataclasses.replace(curves(final=True), validation_accuracy={"subject": np.array([0.1, 0.2, 0.3])})
    charts = training_charts([fit])
    assert len(charts) == 5
    assert "held back" in charts[1]


def test_training_charts_of_one_task_that_was_not_trained() -> None:
    epoch = np.arange(1, 4.0)
    table = {"subject": epoch / 4, "condition": np.full(3, np.nan)}
    fit = dataclasses.replace(
        curves(final=True), accuracy=table, loss=table, weight=table, gradient_norm=table
    )
    for chart in training_charts([fit]):
        assert "State" not in chart


def test_kept_in_words_is_silent_where_it_was_always_the_last() -> None:
    assert kept_in_words([curves(final=True)]) == ""


def test_kept_in_words_names_the_epochs() -> None:
    fold = dataclasses.replace(curves(final=False), kept_epoch=2)
    assert kept_in_words([fold]).endswith("held back from its training: epoch 2.")
    final = dataclasses.replace(curves(final=True), kept_epoch=3)
    assert kept_in_words([fold, final]).endswith(
        "epochs 2 to 3. The weights of this run are those of epoch 3."
    )
