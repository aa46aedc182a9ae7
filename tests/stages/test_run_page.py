"""The page about a run is gathered from its data set, its scores and its history."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.run_folders import card, write_history

pytest.importorskip("torch")

from ecgkit.dataset.read import Dataset, open_dataset
from ecgkit.report.run import RunReport, render_run_report
from ecgkit.stages.calibrating import calibrate
from ecgkit.stages.evaluation import Answers, evaluate
from ecgkit.stages.run_page import describe_run, summary

SCHEMES = {"leave-subjects-out": "condition", "leave-condition-out": "subject"}


@pytest.fixture(scope="module")
def data(built_study: Path) -> Dataset:
    return open_dataset(built_study / "dataset.h5")


def answers(data: Dataset, scheme: str, task: str) -> Answers:
    """Return answers for all windows, three of four of them right."""
    true, n = data.codes(task), len(data.labels(task))
    logits = np.random.default_rng(0).normal(size=(len(data), n)).astype(np.float32)
    right = np.arange(len(data)) % 4 > 0
    logits[right, true[right]] += 5
    return Answers(scheme, task, np.arange(len(data)), np.full(len(data), "0"), true, logits)


def described(
    data: Dataset, tmp_path: Path, *, schemes: dict[str, str] | None = None, **more: Any
) -> RunReport:
    chosen = SCHEMES if schemes is None else schemes
    write_history(tmp_path / "history.csv", tuple(chosen), 3)
    parts = [answers(data, scheme, task) for scheme, task in chosen.items()]
    found: dict[str, Any] = {
        "card": card(),
        "weights_note": "They were fitted on all windows.",
        "schemes": evaluate(data, parts, dict.fromkeys(chosen, ())),
        "answers": parts,
        "history": tmp_path / "history.csv",
        "mode": "",
    }
    return describe_run(data.path.parent / "runs" / "001", data, **{**found, **more})


def test_describe_run_says_what_was_trained_on_what(data: Dataset, tmp_path: Path) -> None:
    report = described(data, tmp_path)
    assert report.summary == (
        f"network (cnn + none, gradnorm), 3 epochs, on {len(data)} windows of 3 s: 4 subjects in 3 conditions"
    )
    assert report.commands[0] == "ecgkit train dataset.h5 --config runs/001/config.yaml"
    assert dict(report.facts)["content sha256"] == data.sha256
    assert set(report.grids) == set(SCHEMES.items())


def test_describe_run_takes_right_and_wrong_examples_of_both_tasks(data: Dataset, tmp_path: Path) -> None:
    examples = described(data, tmp_path).examples
    kinds = [(example.task, example.true == example.answered) for example in examples]
    assert kinds == [(task, right) for task in ("condition", "subject") for right in [True] * 3 + [False] * 3]
    assert all(example.ecg.shape == (1, 300) for example in examples)


def test_describe_run_without_calibration_says_so(data: Dataset, tmp_path: Path) -> None:
    report = described(data, tmp_path)
    assert report.calibration is None
    assert "calibration.json" not in dict(report.files)
    assert "are not calibrated" in render_run_report(report)


def test_describe_run_shows_the_calibration_that_there_is(data: Dataset, tmp_path: Path) -> None:
    parts = [answers(data, scheme, task) for scheme, task in SCHEMES.items()]
    found = calibrate(data, parts, None)
    report = described(data, tmp_path, calibration=found)
    assert report.calibration is not None
    assert [task.task for task in report.calibration.tasks] == ["condition", "subject"]
    for task in report.calibration.tasks:
        assert task.temperature == found.tasks[task.task].temperature
        assert task.after.ece == found.tasks[task.task].after.ece
    assert "calibration.json" in dict(report.files)
    page = render_run_report(report)
    assert "are not calibrated" not in page
    assert f"{found.tasks['subject'].temperature:.3f}" in page


def test_describe_run_that_was_not_tested(data: Dataset, tmp_path: Path) -> None:
    page = render_run_report(described(data, tmp_path, schemes={}))
    assert "This run was not evaluated" in page
    assert "Nothing was tested. The probabilities of this run are not calibrated" in page


def test_describe_run_of_one_task(data: Dataset, tmp_path: Path) -> None:
    content = card(task="condition", balancing="single-task")
    content["spec"]["n_subjects"] = 0
    report = described(data, tmp_path, schemes={"leave-subjects-out": "condition"}, card=content)
    assert "(cnn + none, state only)" in report.summary
    assert "One head only: the state." in report.training
    assert {example.task for example in report.examples} == {"condition"}


def test_describe_run_writes_settings_inside_settings_flat(data: Dataset, tmp_path: Path) -> None:
    off = {"noise": 0.0, "mains": 0.0}
    rows = dict(described(data, tmp_path, card=card(augmentation=off)).settings["Training"])
    assert rows["augmentation"] == "none"
    rows = dict(described(data, tmp_path, card=card(augmentation=off | {"noise": 0.1})).settings["Training"])
    assert rows["augmentation.noise"] == "0.1"
    assert "augmentation.mains" not in rows


def test_describe_run_escapes_the_texts_of_a_data_set(data: Dataset, tmp_path: Path) -> None:
    named = dataclasses.replace(data, study="<script>alert(1)</script>")
    assert "<script" not in render_run_report(described(named, tmp_path))


def test_summary_counts_in_thousands(data: Dataset) -> None:
    assert summary(data, card()["training"]).startswith("network (cnn + none, gradnorm), 3 epochs, on ")
