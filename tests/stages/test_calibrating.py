"""Temperatures and thresholds from outputs that were made to have known ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ecgkit.dataset.read import Dataset, open_dataset
from ecgkit.metrics.calibration import log_softmax
from ecgkit.splits.scheme import TEST
from ecgkit.stages.calibrating import calibrate, fused_answers
from ecgkit.stages.evaluation import UNKNOWN, Answers, collect, collect_unknown
from ecgkit.stages.fitting import LOGITS_FILE, FitTask, write_logits
from ecgkit.training.calibration_file import from_json


@pytest.fixture(scope="module")
def data(built_study: Path) -> Dataset:
    """Four people, three states, two visits; 10 windows a session, three of them rejected."""
    opened = open_dataset(built_study / "dataset.h5")
    quality = np.full(len(opened), 2, dtype=np.int8)
    quality[[0, 15, 16]] = 0
    return dataclasses.replace(opened, columns={**opened.columns, "quality": quality})


def outputs(data: Dataset, scheme: str, task: str, *, margin: float = 3.0, seed: int = 0) -> Answers:
    """Outputs that lean towards the truth by a margin, with noise."""
    column = "subject" if task == UNKNOWN else task
    rows, folds = np.arange(len(data)), np.empty(len(data), dtype="U20")
    for fold, roles in data.split(scheme).items():
        folds[roles == TEST] = fold
    true = data.codes(column)
    noise = np.random.default_rng(seed).normal(0, 2, (len(data), len(data.labels(column))))
    noise[rows, true] += 0 if task == UNKNOWN else margin
    return Answers(scheme, task, rows, folds, true, noise.astype(np.float32))


@pytest.fixture(scope="module")
def answers(data: Dataset) -> list[Answers]:
    return [
        outputs(data, "leave-subjects-out", "condition", seed=1),
        outputs(data, "leave-condition-out", "subject", seed=2),
        outputs(data, "leave-visit-out", "subject", seed=3),
    ]


@pytest.fixture(scope="module")
def unknown(data: Dataset) -> Answers:
    return outputs(data, "leave-subjects-out", UNKNOWN, seed=4)


def test_calibrate_takes_each_task_from_its_scheme(
    data: Dataset, answers: list[Answers], unknown: Answers
) -> None:
    found = calibrate(data, answers, unknown)
    assert {task: made.scheme for task, made in found.tasks.items()} == {
        "subject": "leave-visit-out",
        "condition": "leave-subjects-out",
    }
    assert found.mated_scheme == "leave-visit-out"
    one_visit = calibrate(data, answers[:2], unknown)
    assert one_visit.tasks["subject"].scheme == "leave-condition-out"
    assert (found.dataset_sha256, found.simulated) == (data.sha256, True)
    assert from_json(found.as_json()) == found


def test_calibrate_finds_the_temperature_that_the_outputs_were_multiplied_by(
    data: Dataset, answers: list[Answers], unknown: Answers
) -> None:
    sharper = dataclasses.replace(answers[0], logits=answers[0].logits * 4)
    once = calibrate(data, answers, unknown).tasks["condition"]
    four = calibrate(data, [sharper], None).tasks["condition"]
    assert four.temperature == pytest.approx(4 * once.temperature, rel=1e-6)
    assert four.after.nll == pytest.approx(once.after.nll, rel=1e-6)
    assert four.before.nll > once.before.nll
    assert once.after.nll <= once.before.nll


def test_calibrate_leaves_rejected_windows_out(
    data: Dataset, answers: list[Answers], unknown: Answers
) -> None:
    spoilt = dataclasses.replace(answers[0], logits=answers[0].logits.copy())
    spoilt.logits[[0, 15, 16]] = np.nan
    found = calibrate(data, [spoilt, *answers[1:]], unknown)
    assert found.n_rejected == 3
    assert found.tasks == calibrate(data, answers, unknown).tasks
    assert found.tasks["condition"].n_windows == len(data) - 3


def test_fused_answers_take_consecutive_windows_of_one_session(data: Dataset, answers: list[Answers]) -> None:
    part, sessions = answers[0], [np.array([1, 2, 3, 4, 5]), np.array([10, 11, 12]), np.array([20])]
    fused = fused_answers(part, data.codes("subject"), sessions, temperature=2.0, n_windows=2)
    groups = ([1, 2], [3, 4], [10, 11])
    means = [log_softmax(part.logits[rows], temperature=2.0).mean(axis=0) for rows in groups]
    assert fused.answered.tolist() == [int(mean.argmax()) for mean in means]
    expected = [np.exp(mean.max()) / np.exp(mean).sum() for mean in means]
    np.testing.assert_allclose(fused.probability, expected)
    assert fused.person.tolist() == data.codes("subject")[[1, 3, 10]].tolist()


def test_calibrate_counts_fused_answers_by_session(
    data: Dataset, answers: list[Answers], unknown: Answers
) -> None:
    found = calibrate(data, answers, unknown)
    n = {row.n_windows: row.n for row in found.tasks["condition"].fused}
    # sessions of 10 windows, one of 9 and one of 8 are left
    assert n == {1: 237, 2: 117 + 1, 3: 24 * 3 - 1, 5: 46, 10: 22}
    assert {row.n_windows: row.n_non_mated for row in found.thresholds} == n
    assert {row.n_mated_persons for row in found.thresholds} == {4}


def test_calibrate_keeps_to_the_target_and_says_which_are_too_fine(
    data: Dataset, answers: list[Answers], unknown: Answers
) -> None:
    found = calibrate(data, answers, unknown)
    assert {row.target for row in found.thresholds if row.n_windows == 1} == {0.01, 0.05, 0.1}
    assert {row.target for row in found.thresholds if row.n_windows == 10} == {0.05, 0.1}
    assert all(row.fpir <= row.target for row in found.thresholds)
    assert "at a false identification rate of 0.001: 237 scores" in found.missing[0]
    by_target = [row.threshold for row in found.thresholds if row.n_windows == 1]
    assert by_target == sorted(by_target, reverse=True)
    fnir = [row.fnir for row in found.thresholds if row.n_windows == 1]
    assert fnir == sorted(fnir, reverse=True)


def test_calibrate_compares_unknown_people_with_the_enrolled_only(
    data: Dataset, answers: list[Answers], unknown: Answers
) -> None:
    found = calibrate(data, answers, unknown)
    assert found.n_enrolled == 3
    sure_of_themselves = dataclasses.replace(unknown, logits=unknown.logits.copy())
    sure_of_themselves.logits[np.arange(len(data)), unknown.true] = 50
    assert calibrate(data, answers, sure_of_themselves).thresholds == found.thresholds


def test_calibrate_counts_as_missed_who_is_unknown_or_taken_for_another(
    data: Dataset, answers: list[Answers], unknown: Answers
) -> None:
    found = calibrate(data, answers, unknown)
    row = next(row for row in found.thresholds if (row.n_windows, row.target) == (1, 0.1))
    usable = data.columns["quality"] > 0
    log_p = log_softmax(answers[2].logits[usable], temperature=found.temperature("subject"))
    right = log_p.argmax(axis=1) == answers[2].true[usable]
    assert row.fnir == pytest.approx(1 - (right & (np.exp(log_p.max(axis=1)) >= row.threshold)).mean())
    assert row.fnir_low is not None
    assert row.fnir_low <= row.fnir <= (row.fnir_high or 0)


def test_calibrate_says_what_is_missing_and_why(
    data: Dataset, answers: list[Answers], unknown: Answers
) -> None:
    nothing = calibrate(data, [], None)
    without = "was fitted (ecgkit train does so without --split and --no-evaluate)"
    assert (dict(nothing.tasks), nothing.thresholds) == ({}, ())
    assert nothing.missing == (
        f"The probabilities of identity are not calibrated: no fold of leave-visit-out {without}; no fold of "
        f"leave-condition-out {without}.",
        f"The probabilities of the state are not calibrated: no fold of leave-subjects-out {without}.",
        "No threshold for 'unknown': it takes probabilities of identity that are calibrated.",
    )
    no_people = calibrate(data, answers, None)
    assert no_people.missing == (f"No threshold for 'unknown': no fold of leave-subjects-out {without}.",)
    leaking = [dataclasses.replace(part, scheme="paper") for part in answers]
    assert not calibrate(data, leaking, None).tasks, "outputs that leak are no ground for a temperature"
    poor = dataclasses.replace(data, folds={name: {} for name in data.folds if "visit" not in name})
    assert "the data set does not allow leave-visit-out; no" in calibrate(poor, [], None).missing[0]


def test_calibrate_of_a_single_task_says_what_is_true_of_it(
    data: Dataset, answers: list[Answers], unknown: Answers
) -> None:
    only_state = calibrate(data, answers[:1], None, tasks=("condition",))
    assert set(only_state.tasks) == {"condition"}
    assert only_state.missing == ("No threshold for 'unknown': a network of the state alone knows nobody.",)
    both, only_people = (
        calibrate(data, answers, unknown),
        calibrate(data, answers[1:], unknown, tasks=("subject",)),
    )
    assert only_people.thresholds == both.thresholds
    assert only_people.missing == both.missing


def left_by_fits(data: Dataset, fits: Path, *, subject: np.ndarray, condition: np.ndarray) -> list[FitTask]:
    """Write outputs (N, classes) as the folds of leave-subjects-out leave them."""
    tasks = [
        FitTask("leave-subjects-out", fold, scored=(), dataset_sha256=data.sha256)
        for fold in data.split("leave-subjects-out")
    ]
    for task in tasks:
        _, rows = task.rows(data)
        task.folder(fits).mkdir(parents=True)
        made = {"subject": subject[rows], "condition": condition[rows]}
        write_logits(task.folder(fits) / LOGITS_FILE, rows, made)
    return tasks


def test_collect_unknown_takes_folds_that_were_fitted_for_nothing_else(data: Dataset, tmp_path: Path) -> None:
    wanted = outputs(data, "leave-subjects-out", UNKNOWN)
    nothing = np.zeros((len(data), 0), dtype=np.float32)
    tasks = left_by_fits(data, tmp_path, subject=wanted.logits, condition=nothing)
    found = collect_unknown(data, tasks, tmp_path)
    assert found is not None
    assert (found.task, found.rows.tolist()) == (UNKNOWN, wanted.rows.tolist())
    assert found.true.tolist() == wanted.true.tolist()
    np.testing.assert_array_equal(found.logits, wanted.logits)
    assert collect(data, tasks, tmp_path) == []


def test_collect_unknown_of_a_network_of_the_state_alone_is_nothing(data: Dataset, tmp_path: Path) -> None:
    states = outputs(data, "leave-subjects-out", "condition").logits
    nothing = np.zeros((len(data), 0), dtype=np.float32)
    tasks = left_by_fits(data, tmp_path, subject=nothing, condition=states)
    assert collect_unknown(data, tasks, tmp_path) is None


def test_calibrate_needs_two_enrolled_people(data: Dataset, answers: list[Answers], unknown: Answers) -> None:
    folds = np.where(unknown.true < 3, "0", "1")
    found = calibrate(data, answers, dataclasses.replace(unknown, fold=folds))
    assert not found.thresholds
    assert "1 of the people are enrolled, expected at least 2" in found.missing[0]


def test_calibrate_without_a_usable_window_has_nothing(
    data: Dataset, answers: list[Answers], unknown: Answers
) -> None:
    rejected = np.zeros(len(data), dtype=np.int8)
    noise = dataclasses.replace(data, columns={**data.columns, "quality": rejected})
    found = calibrate(noise, answers, unknown)
    assert not found.tasks
    assert found.n_rejected == len(data)
    assert found.missing == (
        "The probabilities of identity are not calibrated: every window tested under leave-visit-out is of "
        "quality 'reject'.",
        "The probabilities of the state are not calibrated: every window tested under leave-subjects-out is "
        "of quality 'reject'.",
        "No threshold for 'unknown': it takes probabilities of identity that are calibrated.",
    )
