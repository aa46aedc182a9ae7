"""The training loop: reproducible, able to learn, honest about labels, clear about bad input."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ecgkit.errors import ConfigError, TrainingError
from ecgkit.models.dual_task import DualTaskNet, ModelSpec
from ecgkit.training.apply import logits
from ecgkit.training.augment import Augmentation
from ecgkit.training.balancing import BALANCERS
from ecgkit.training.device import use_threads
from ecgkit.training.loop import EpochRecord, FitSettings, fit
from ecgkit.training.supply import Labelled

DEFAULT = ModelSpec("resnet", "sca", n_leads=1, n_samples=300, n_subjects=15, n_conditions=3)
SMALL = ModelSpec(
    "resnet", "sca", 1, 48, n_subjects=4, n_conditions=3, stem_channels=8, widths=(8, 16), strides=(1, 2)
)
SETTINGS = FitSettings(
    epochs=2, batch_size=16, learning_rate=0.001, balancing="gradnorm", seed=0, threads=1, device="cpu"
)
BOTH = [name for name in BALANCERS if name != "single-task"]
Data = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


def waves(n: int, seed: int) -> Data:
    """Make windows whose frequency tells the subject and whose height tells the condition."""
    random = np.random.default_rng(seed)
    subject, condition = random.integers(0, 4, n), random.integers(0, 3, n)
    phase = random.uniform(0, 2 * np.pi, n)
    time = np.arange(48) / 48
    wave = np.sin(2 * np.pi * (2 + 3 * subject[:, None]) * time + phase[:, None]) * (1 + condition[:, None])
    wave += random.normal(0, 0.2, wave.shape)
    return wave[:, None, :].astype(np.float32), subject, condition


def weights_of(model: DualTaskNet) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in model.state_dict().values()]


@pytest.mark.parametrize("balancing", BOTH)
def test_fit_gives_the_same_bits_for_the_same_seed_whatever_ran_before(balancing: str) -> None:
    data, how = waves(40, 0), replace(SETTINGS, balancing=balancing)
    first = weights_of(fit(SMALL, Labelled(*data), settings=how))
    torch.rand(17)
    fit(replace(SMALL, backbone="cnn"), Labelled(*waves(20, 1)), settings=how)
    with use_threads(2):
        assert weights_of(fit(SMALL, Labelled(*data), settings=how)) == first


def test_fit_of_the_default_network_gives_the_same_bits() -> None:
    random = np.random.default_rng(0)
    data = random.random((70, 1, 300)), random.integers(0, 15, 70), random.integers(0, 3, 70)
    first, second = (weights_of(fit(DEFAULT, Labelled(*data), settings=SETTINGS)) for _ in range(2))
    assert first == second


def test_fit_gives_other_weights_for_another_seed() -> None:
    data = waves(40, 0)
    first, other = (
        weights_of(fit(SMALL, Labelled(*data), settings=replace(SETTINGS, seed=seed))) for seed in (0, 1)
    )
    assert first != other


def test_fit_leaves_its_input_and_the_global_state_alone() -> None:
    windows, subject, condition = waves(20, 0)
    windows.setflags(write=False)
    before = windows.tobytes(), torch.get_rng_state(), torch.get_num_threads()
    model = fit(SMALL, Labelled(windows, subject, condition), settings=SETTINGS)
    assert windows.tobytes() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.get_num_threads() == before[2]
    assert not torch.are_deterministic_algorithms_enabled()
    assert not model.training


def test_default_network_learns_32_windows_by_heart() -> None:
    random = np.random.default_rng(0)
    windows = random.random((32, 1, 300), dtype=np.float32)
    labels = np.arange(32) % 15, random.permutation(np.arange(32) % 3)
    model = fit(DEFAULT, Labelled(windows, *labels), settings=replace(SETTINGS, epochs=60))
    subject, condition = logits(model, windows)
    assert (subject.argmax(1) == labels[0]).all()
    assert (condition.argmax(1) == labels[1]).all()


def test_fit_learns_what_can_be_learned_and_nothing_from_shuffled_labels() -> None:
    windows, *labels = waves(600, 0)
    watched = Labelled(*waves(300, 1))
    how = replace(SETTINGS, epochs=12, learning_rate=0.003)
    shuffle = np.random.default_rng(2).permutation(600)
    found: dict[str, EpochRecord] = {}
    for name, given_labels in {"true": labels, "shuffled": [label[shuffle] for label in labels]}.items():
        records: list[EpochRecord] = []
        fit(SMALL, Labelled(windows, *given_labels), settings=how, on_epoch=records.append, monitor=watched)
        found[name] = records[-1]
    assert found["true"].monitor_subject_accuracy > 0.95
    assert found["true"].monitor_condition_accuracy > 0.9
    assert found["shuffled"].monitor_subject_accuracy == pytest.approx(1 / 4, abs=0.12)
    assert found["shuffled"].monitor_condition_accuracy == pytest.approx(1 / 3, abs=0.12)


def test_fit_reports_every_epoch_and_the_monitor_changes_nothing() -> None:
    data, watched = waves(40, 0), Labelled(*waves(30, 1))
    records: list[EpochRecord] = []
    model = fit(SMALL, Labelled(*data), settings=SETTINGS, on_epoch=records.append, monitor=watched)
    assert [record.epoch for record in records] == [1, 2]
    assert all(record.seconds > 0 for record in records)
    assert all(record.subject_weight + record.condition_weight == pytest.approx(2) for record in records)
    subject, condition = logits(model, watched.windows)
    assert records[-1].monitor_subject_accuracy == (subject.argmax(1) == watched.subjects).mean()
    assert records[-1].monitor_condition_accuracy == (condition.argmax(1) == watched.conditions).mean()
    assert weights_of(model) == weights_of(fit(SMALL, Labelled(*data), settings=SETTINGS))


def test_fit_reports_nan_where_there_is_nothing_to_see() -> None:
    records: list[EpochRecord] = []
    how = replace(SETTINGS, balancing="equal", epochs=1)
    fit(SMALL, Labelled(*waves(20, 0)), settings=how, on_epoch=records.append)
    assert math.isnan(records[0].monitor_subject_accuracy)
    assert math.isnan(records[0].subject_gradient_norm)
    assert records[0].subject_loss > 0


@pytest.mark.parametrize("balancing", BOTH)
def test_fit_learns_one_task_where_the_other_is_not_known(balancing: str) -> None:
    windows, _, condition = waves(200, 0)
    unknown = np.full(200, -1)
    records: list[EpochRecord] = []
    how = replace(SETTINGS, epochs=4, learning_rate=0.003, balancing=balancing)
    fit(SMALL, Labelled(windows, unknown, condition), settings=how, on_epoch=records.append)
    assert math.isnan(records[-1].subject_loss)
    assert math.isnan(records[-1].subject_accuracy)
    if balancing != "dt4ecg-literal":
        assert records[-1].condition_loss < 0.8 * records[0].condition_loss


def test_fit_trains_on_a_number_of_windows_that_leaves_one_over() -> None:
    model = fit(SMALL, Labelled(*waves(17, 0)), settings=SETTINGS)
    assert all(bool(torch.isfinite(weight).all()) for weight in model.parameters())


def test_fit_stops_where_the_loss_is_no_number() -> None:
    how = replace(SETTINGS, learning_rate=1e30, epochs=5)
    with pytest.raises(TrainingError, match=r"no longer a finite number in epoch \d .*lower learning rate"):
        fit(SMALL, Labelled(*waves(40, 0)), settings=how)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_fit_refuses_windows_that_hold_no_numbers(value: float) -> None:
    windows, *labels = waves(20, 0)
    windows[7, 0, 3] = value
    with pytest.raises(TrainingError, match="1 of 20 windows hold NaN or infinity, the first is window 7"):
        fit(SMALL, Labelled(windows, *labels), settings=SETTINGS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"windows": np.zeros((20, 48))}, r"expected \(N, 1, 48\)"),
        ({"windows": np.zeros((20, 1, 49))}, r"expected \(N, 1, 48\)"),
        ({"subject": np.zeros(19, int)}, r"subject labels of shape \(19,\)"),
        ({"subject": np.zeros(20)}, "float64: expected"),
        ({"subject": np.full(20, 4)}, "subject label 4: expected 0 to 3"),
        ({"condition": np.full(20, -2)}, "condition label -2"),
    ],
)
def test_fit_refuses_data_that_do_not_fit_the_network(change: dict[str, np.ndarray], says: str) -> None:
    windows, subject, condition = waves(20, 0)
    data = {"windows": windows, "subject": subject, "condition": condition} | change
    with pytest.raises(TrainingError, match=says):
        fit(SMALL, Labelled(*data.values()), settings=SETTINGS)


def test_fit_refuses_fewer_than_two_windows() -> None:
    with pytest.raises(TrainingError, match="1 windows in batches of 16"):
        fit(SMALL, Labelled(*waves(1, 0)), settings=SETTINGS)


def test_fit_lists_the_balancers_it_knows() -> None:
    with pytest.raises(ConfigError, match=r"unknown balancing 'grad-norm'; known are: .*gradnorm"):
        fit(SMALL, Labelled(*waves(20, 0)), settings=replace(SETTINGS, balancing="grad-norm"))


def test_fit_learns_one_task_alone() -> None:
    windows, subjects, conditions = waves(160, 0)
    for missing, labels, task in (("n_conditions", subjects, 0), ("n_subjects", conditions, 1)):
        spec = replace(SMALL, **{missing: 0})
        records: list[EpochRecord] = []
        given = Labelled(windows, subjects, conditions)
        settings = replace(SETTINGS, epochs=12, learning_rate=0.01, balancing="single-task")
        net = fit(spec, given, settings=settings, on_epoch=records.append, monitor=given)
        outputs = logits(net, windows)
        assert outputs[1 - task].shape == (160, 0)
        assert (outputs[task].argmax(axis=1) == labels).mean() > 0.9
        name, other = ("subject", "condition") if task == 0 else ("condition", "subject")
        last = records[-1]
        assert getattr(last, f"monitor_{name}_accuracy") == (outputs[task].argmax(axis=1) == labels).mean()
        assert getattr(last, f"{name}_weight") == 1
        assert all(math.isnan(getattr(last, f"{other}_{what}")) for what in ("loss", "accuracy", "weight"))
        assert math.isnan(getattr(last, f"monitor_{other}_accuracy"))


def test_fit_refuses_to_balance_one_task_and_to_leave_two_alone() -> None:
    given = Labelled(*waves(32, 0))
    with pytest.raises(ConfigError, match="--balancing single-task"):
        fit(replace(SMALL, n_subjects=0), given, settings=SETTINGS)
    with pytest.raises(ConfigError, match="--task subject or --task condition"):
        fit(SMALL, given, settings=replace(SETTINGS, balancing="single-task"))


def test_fit_chooses_the_first_epoch_that_is_best_on_validation() -> None:
    training, validation = Labelled(*waves(96, 0)), Labelled(*waves(64, 1))
    settings = replace(SETTINGS, epochs=6, learning_rate=0.02)
    records: list[EpochRecord] = []
    chosen = fit(SMALL, training, settings=settings, validation=validation, on_epoch=records.append)
    scores = [record.validation_score for record in records]
    best = 1 + scores.index(max(scores))
    assert weights_of(chosen) == weights_of(fit(SMALL, training, settings=replace(settings, epochs=best)))
    assert best < 6, "else the test shows nothing"


def test_fit_is_not_changed_by_what_it_watches() -> None:
    training = Labelled(*waves(48, 0))
    plain = weights_of(fit(SMALL, training, settings=SETTINGS))
    assert weights_of(fit(SMALL, training, settings=SETTINGS, monitor=Labelled(*waves(64, 1)))) == plain
    watched = replace(SETTINGS, epochs=4, learning_rate=0.02)
    choose = Labelled(*waves(64, 1))
    nets = [
        fit(SMALL, training, settings=watched, validation=choose, monitor=monitor)
        for monitor in (None, Labelled(*waves(64, 2)))
    ]
    assert weights_of(nets[0]) == weights_of(nets[1])


def test_fit_says_when_there_is_nothing_to_choose_by() -> None:
    windows, subjects, conditions = waves(32, 0)
    unknown = Labelled(windows, np.full_like(subjects, -1), np.full_like(conditions, -1))
    with pytest.raises(TrainingError, match="no validation window has a known label"):
        fit(SMALL, Labelled(windows, subjects, conditions), settings=SETTINGS, validation=unknown)


def test_fit_in_mixed_precision_learns_and_keeps_float32_weights() -> None:
    training = Labelled(*waves(160, 0))
    settings = replace(SETTINGS, epochs=12, learning_rate=0.01, precision="mixed")
    net = fit(SMALL, training, settings=settings)
    assert {tensor.dtype for tensor in net.parameters()} == {torch.float32}
    assert (logits(net, training.windows)[0].argmax(axis=1) == training.subjects).mean() > 0.9
    assert weights_of(net) != weights_of(
        fit(SMALL, training, settings=replace(settings, precision="float32"))
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"precision": "half"}, "precision 'half': expected one of float32, mixed"),
        ({"class_weights": "some"}, "class weights 'some': expected none or balanced"),
        ({"augmentation": Augmentation(noise=0.1)}, "an augmentation needs the windows' rate"),
    ],
)
def test_fit_refuses_settings_that_are_none(change: dict[str, object], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        fit(SMALL, Labelled(*waves(32, 0)), settings=replace(SETTINGS, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": "cosine"},
        {"schedule": "step"},
        {"schedule": "warmup-cosine"},
        {"class_weights": "balanced"},
        {"augmentation": Augmentation(noise=0.1), "fs": 100.0},
    ],
)
def test_fit_settings_change_the_weights_the_same_way_each_time(change: dict[str, object]) -> None:
    windows, subjects, conditions = waves(48, 0)
    training = Labelled(windows, subjects, np.where(conditions == 2, 0, conditions))
    plain, *changed = (
        weights_of(fit(SMALL, training, settings=settings))
        for settings in (SETTINGS, replace(SETTINGS, **change), replace(SETTINGS, **change))
    )
    assert changed[0] == changed[1] != plain


def test_fit_follows_the_schedule_step_by_step() -> None:
    training = Labelled(*waves(48, 0))
    losses = []
    for schedule in ("constant", "step"):
        records: list[EpochRecord] = []
        how = replace(SETTINGS, epochs=5, schedule=schedule)
        fit(SMALL, training, settings=how, on_epoch=records.append)
        losses.append([record.subject_loss for record in records])
    # the rate falls after 9 of the 15 steps
    assert losses[0][:3] == losses[1][:3]
    assert losses[0][3:] != losses[1][3:]
