"""A run folder: exact when it is ours, refused when it is anything else."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecgkit.errors import RunError
from ecgkit.models.dual_task import DualTaskNet, ModelSpec, build_model
from ecgkit.training.apply import logits
from ecgkit.training.weights import CARD_FILE, WEIGHTS_FILE, RunCard, current_versions, load_run, save_weights

SPEC = ModelSpec(
    "resnet", "sca", 2, 48, n_subjects=3, n_conditions=2, stem_channels=4, widths=(4, 8), strides=(1, 2)
)
CARD = RunCard(
    spec=SPEC,
    fs=100.0,
    lead_names=("I", "II"),
    subject_labels=("01", "02", "é"),
    condition_labels=("rest", "exercise"),
    pipeline={"fs": 100.0, "scale": "recording", "stride_s": None},
    dataset_sha256="0" * 64,
    split="paper",
    seed=3,
    training={"epochs": 50, "batch_size": 16},
    simulated=True,
    versions=current_versions(),
)


def network(seed: int = 0) -> DualTaskNet:
    torch.manual_seed(seed)
    model = build_model(SPEC).train()
    model(torch.randn(8, 2, 48))  # moves the running means of the batch normalisation
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_weights(tmp_path, network(), CARD)
    return tmp_path


def rewrite_card(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    change(content)
    (folder / CARD_FILE).write_text(json.dumps(content), encoding="utf-8")


def rewrite_weights(folder: Path, raw: bytes) -> None:
    """Put other bytes in place, and their right hash on the card."""
    (folder / WEIGHTS_FILE).write_bytes(raw)
    rewrite_card(folder, lambda card: card.update(weights_sha256=hashlib.sha256(raw).hexdigest()))


def test_load_run_gives_back_what_was_saved(folder: Path) -> None:
    run = load_run(folder)
    assert run.card == CARD
    assert not run.model.training
    for name, tensor in network().state_dict().items():
        assert torch.equal(run.model.state_dict()[name], tensor), name
    windows = np.random.default_rng(0).random((5, 2, 48), dtype=np.float32)
    for a, b in zip(logits(run.model, windows), logits(network(), windows), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("task", ["subject", "condition"])
def test_load_run_gives_back_a_network_of_one_task(tmp_path: Path, task: str) -> None:
    other = {"subject": "condition", "condition": "subject"}[task]
    spec = replace(SPEC, **{f"n_{other}s": 0})
    model = build_model(spec).eval()
    card = replace(CARD, spec=spec, **{f"{other}_labels": ()})
    save_weights(tmp_path, model, card)
    run = load_run(tmp_path)
    assert run.card == card
    assert run.model.spec.tasks == (task,)
    windows = np.random.default_rng(0).random((5, 2, 48), dtype=np.float32)
    for a, b in zip(logits(run.model, windows), logits(model, windows), strict=True):
        np.testing.assert_array_equal(a, b)


def test_load_run_takes_a_path_as_text(folder: Path) -> None:
    assert load_run(str(folder)).card == CARD


def test_load_run_draws_nothing_from_the_caller_s_generator(folder: Path) -> None:
    before = torch.get_rng_state()
    load_run(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_save_weights_writes_the_same_bytes_for_the_same_weights(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    save_weights(again, network(), CARD)
    for name in (WEIGHTS_FILE, CARD_FILE):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    save_weights(again, network(seed=1), CARD)
    assert (again / WEIGHTS_FILE).read_bytes() != (folder / WEIGHTS_FILE).read_bytes()


def test_save_weights_leaves_two_files(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [CARD_FILE, WEIGHTS_FILE]


def test_save_weights_refuses_another_network_s_card(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the card is for"):
        save_weights(tmp_path, network(), replace(CARD, spec=replace(SPEC, n_samples=50)))


def test_save_weights_refuses_weights_that_are_no_numbers(tmp_path: Path) -> None:
    model = network()
    torch.nn.init.constant_(model.condition_head.bias, torch.nan)
    with pytest.raises(RunError, match=r"'condition_head.bias' holds NaN"):
        save_weights(tmp_path, model, CARD)
    assert list(tmp_path.iterdir()) == []


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_load_run_refuses_any_changed_byte_or_length_of_the_weights(
    folder: Path, data: st.DataObject
) -> None:
    path = folder / WEIGHTS_FILE
    good = path.read_bytes()
    if data.draw(st.booleans(), label="truncate"):
        bad = good[: data.draw(st.integers(0, len(good) - 1))]
    else:
        at = data.draw(st.integers(0, len(good) - 1))
        bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    path.write_bytes(bad)
    try:
        with pytest.raises(RunError, match="damaged"):
            load_run(folder)
    finally:
        path.write_bytes(good)


@given(raw=st.binary(max_size=200))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_load_run_refuses_any_foreign_weights_under_a_right_hash(folder: Path, raw: bytes) -> None:
    rewrite_weights(folder, raw)
    with pytest.raises(RunError, match=WEIGHTS_FILE):
        load_run(folder)


@given(raw=st.binary(max_size=100))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_load_run_refuses_any_foreign_card(folder: Path, raw: bytes) -> None:
    (folder / CARD_FILE).write_bytes(raw)
    with pytest.raises(RunError, match=CARD_FILE):
        load_run(folder)


def test_load_run_opens_no_pickle(folder: Path) -> None:
    rewrite_weights(folder, pickle.dumps({"backbone.stem.weight": 1}))
    with pytest.raises(RunError, match="not a safetensors file"):
        load_run(folder)


def test_load_run_refuses_an_endless_file(folder: Path) -> None:
    with (folder / WEIGHTS_FILE).open("r+b") as file:
        file.truncate(50_000_000)
    with pytest.raises(RunError, match="too large"):
        load_run(folder)


@pytest.mark.parametrize("name", [CARD_FILE, WEIGHTS_FILE])
def test_load_run_names_the_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(RunError, match=f"{name}: can't be read"):
        load_run(folder)


def test_load_run_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected the folder of an ecgkit run"):
        load_run(tmp_path / "nowhere")


Tensors = dict[str, torch.Tensor]


def less_one(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name != "subject_head.bias"}


def one_more(tensors: Tensors) -> Tensors:
    return tensors | {"more": torch.zeros(1)}


def other_shape(tensors: Tensors) -> Tensors:
    return tensors | {"subject_head.bias": torch.zeros(4)}


def other_type(tensors: Tensors) -> Tensors:
    return tensors | {"subject_head.bias": torch.zeros(3, dtype=torch.float16)}


@pytest.mark.parametrize("change", [less_one, one_more, other_shape, other_type])
def test_load_run_refuses_tensors_of_another_network(
    folder: Path, change: Callable[[Tensors], Tensors]
) -> None:
    rewrite_weights(folder, safetensors.torch.save(change(network().state_dict())))
    with pytest.raises(RunError, match="1 tensors are not those of the network"):
        load_run(folder)


def test_load_run_refuses_weights_that_are_no_numbers(folder: Path) -> None:
    tensors = network().state_dict() | {"subject_head.bias": torch.tensor([0.0, torch.inf, 0.0])}
    rewrite_weights(folder, safetensors.torch.save(tensors))
    with pytest.raises(RunError, match=r"'subject_head.bias' holds NaN or infinity"):
        load_run(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda card: card.update(format="other"), "format 'other', expected 'ecgkit-run'"),
        (lambda card: card.update(format_version=2), "format version 2, this ecgkit .* reads 1"),
        (lambda card: card.pop("seed"), r"fields missing: \['seed'\]"),
        (lambda card: card.update(more=1), r"not expected: \['more'\]"),
        (lambda card: card.update(spec=[]), "spec: expected an object, got list"),
        (lambda card: card["spec"].pop("kernel"), r"spec: fields missing: \['kernel'\]"),
        (lambda card: card["spec"].update(n_samples=10**12), "n_samples 1000000000000"),
        (lambda card: card["spec"].update(n_samples="48"), "n_samples '48'"),
        (lambda card: card["spec"].update(widths=[[4], 8]), "widths"),
        (lambda card: card["spec"].update(widths={"a": 1}), "widths"),
        (lambda card: card["spec"].update(backbone="os:system"), "unknown backbone 'os:system'"),
        (lambda card: card["spec"].update(backbone=["resnet"]), "backbone"),
        (lambda card: card["spec"].update(n_samples=1_000_000), "numbers, at most"),
        (lambda card: card["spec"].update(n_samples=96), "the first is 'attention.steps.bias'"),
        (lambda card: card.update(fs=0), "fs: got 0, expected a rate"),
        (lambda card: card.update(fs=True), "fs: got True"),
        (lambda card: card.update(subject_labels=["01", "01", "02"]), "3 different names"),
        (lambda card: card.update(condition_labels=["rest"]), "condition_labels: got"),
        (lambda card: card.update(lead_names=[1, 2]), "lead_names"),
        (lambda card: card.update(simulated="no"), "simulated: got 'no', expected bool"),
        (lambda card: card.update(seed=1.5), "seed: got 1.5, expected int"),
        (lambda card: card.update(dataset_sha256="abc"), "64 hexadecimal digits"),
        (lambda card: card.update(pipeline=[]), "pipeline"),
        (lambda card: card.update(weights_sha256=5), "damaged"),
    ],
)
def test_load_run_says_what_is_wrong_with_a_card(
    folder: Path, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    rewrite_card(folder, change)
    with pytest.raises(RunError, match=says):
        load_run(folder)


@pytest.mark.parametrize(
    "text", ["[1]", '{"fs": NaN}', "[" * 100_000, '{"seed": ' + "9" * 5000 + "}", "{}", '"', "\ufeff{}"]
)
def test_load_run_refuses_odd_json(folder: Path, text: str) -> None:
    (folder / CARD_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=CARD_FILE):
        load_run(folder)


def test_load_run_refuses_a_card_without_end(folder: Path) -> None:
    (folder / CARD_FILE).write_bytes(b" " * 16_000_001)
    with pytest.raises(RunError, match="more than 16000000 bytes"):
        load_run(folder)


def test_card_can_not_be_made_with_the_wrong_names() -> None:
    with pytest.raises(RunError, match="subject_labels"):
        replace(CARD, subject_labels=("01", "02"))
