"""The dual-task network: its size, shapes and contract, for every pair in the tables."""

from __future__ import annotations

import importlib
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ecgkit.models.attention
import ecgkit.models.backbones
from ecgkit.errors import ConfigError
from ecgkit.models.attention import ATTENTIONS
from ecgkit.models.backbones import BACKBONES, MIN_SAMPLES, TIMELESS, takes
from ecgkit.models.dual_task import ModelSpec, build_model, last_shared_weight, outline
from ecgkit.training.weights import RunCard, current_versions, load_run, save_weights

DEFAULT = ModelSpec("resnet", "sca", n_leads=1, n_samples=300, n_subjects=15, n_conditions=3)
PAIRS = [pair for pair in itertools.product(BACKBONES, ATTENTIONS) if takes(*pair)]
TESTS = Path(__file__).parent


def test_default_network_has_the_parameters_counted_by_hand() -> None:
    def convolution(n_in: int, n_out: int, kernel: int) -> int:
        return n_in * n_out * kernel + 2 * n_out  # no bias; scale and shift of the batch normalisation

    stem = convolution(1, 32, 7)
    block1 = 2 * convolution(32, 32, 3)
    block2 = convolution(32, 64, 3) + convolution(64, 64, 3) + convolution(32, 64, 1)
    block3 = convolution(64, 128, 3) + convolution(128, 128, 3) + convolution(64, 128, 1)
    sca = (128 * 32 + 32) + (32 * 128 + 128) + (38 * 38 + 38)
    heads = (128 * 15 + 15) + (128 * 3 + 3)
    counted = sum(weight.numel() for weight in build_model(DEFAULT).parameters())
    assert counted == stem + block1 + block2 + block3 + sca + heads == 122_268


@pytest.mark.parametrize(("backbone", "attention"), PAIRS)
def test_every_pair_trains_one_step(backbone: str, attention: str) -> None:
    torch.manual_seed(0)
    model = build_model(ModelSpec(backbone, attention, 2, 50, n_subjects=4, n_conditions=3)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    subject, condition = model(torch.randn(5, 2, 50))
    assert subject.shape == (5, 4)
    assert condition.shape == (5, 3)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    loss = sum(torch.nn.functional.cross_entropy(out, torch.arange(5) % 3) for out in (subject, condition))
    loss.backward()
    optimizer.step()
    still = [name for name, weight in model.named_parameters() if torch.equal(weight, before[name])]
    assert still == []


@pytest.mark.parametrize(("backbone", "attention"), PAIRS)
def test_every_pair_has_the_outline_of_the_network_built(backbone: str, attention: str) -> None:
    spec = replace(DEFAULT, backbone=backbone, attention=attention, n_samples=100)
    built, outlined = build_model(spec).state_dict(), outline(spec).state_dict()
    assert [(n, t.shape, t.dtype) for n, t in built.items()] == [
        (n, t.shape, t.dtype) for n, t in outlined.items()
    ]
    # A run is loaded into an outline: nothing may live outside of what is saved.
    assert {name for name, _ in build_model(spec).named_buffers()} <= built.keys()


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("backbone", ["resnet", "cnn"])
def test_last_shared_weight_is_the_second_convolution_of_block_3(backbone: str, attention: str) -> None:
    model = build_model(replace(DEFAULT, backbone=backbone, attention=attention))
    weight = last_shared_weight(model)
    assert weight.shape == (128, 128, 3)
    assert [name for name, each in model.named_parameters() if each is weight] == [
        "backbone.blocks.2.conv2.weight"
    ]


@pytest.mark.parametrize(("backbone", "attention"), PAIRS)
def test_every_backbone_names_a_weight_of_its_own_that_both_losses_reach(
    backbone: str, attention: str
) -> None:
    torch.manual_seed(0)
    model = build_model(ModelSpec(backbone, attention, 1, 64, n_subjects=4, n_conditions=3))
    weight = last_shared_weight(model)
    assert any(weight is each for each in model.backbone.parameters())
    for output in model(torch.randn(6, 1, 64)):
        (gradient,) = torch.autograd.grad(output.square().sum(), weight, retain_graph=True)
        assert gradient.norm() > 0


def test_last_shared_weights_are_these() -> None:
    named = {}
    for backbone in BACKBONES:
        model = build_model(replace(DEFAULT, backbone=backbone, attention="none"))
        weight = last_shared_weight(model)
        named[backbone] = next(name for name, each in model.backbone.named_parameters() if each is weight)
    assert named == {
        "resnet": "blocks.2.conv2.weight",
        "cnn": "blocks.2.conv2.weight",
        "mobilenet": "blocks.9.pointwise.0.weight",
        "efficientnet": "last.0.weight",
        "densenet": "blocks.4.7.conv2.weight",
        "lstm": "cells.weight_hh_l0",
        "mlp": "layer2.weight",
    }


@pytest.mark.parametrize(
    ("package", "table"),
    [(ecgkit.models.backbones, BACKBONES), (ecgkit.models.attention, ATTENTIONS)],
)
def test_every_file_has_a_row(package: object, table: dict[str, str]) -> None:
    modules = {path.stem for path in Path(package.__file__).parent.glob("[a-z]*.py")}
    assert modules == {row.partition(":")[0].rpartition(".")[2] for row in table.values()}


@pytest.mark.parametrize("row", [*BACKBONES.values(), *ATTENTIONS.values()])
def test_every_row_has_a_test_file_and_says_what_it_is(row: str) -> None:
    module = importlib.import_module(row.partition(":")[0])
    assert (TESTS / f"test_{module.__name__.rpartition('.')[2]}.py").is_file()
    assert module.__doc__.partition("\n")[0].endswith(".")


@pytest.mark.parametrize("backbone", ["cnn", "mobilenet", "efficientnet", "densenet", "lstm", "mlp"])
def test_backbones_that_are_compared_are_sized_alike(backbone: str) -> None:
    attention = "sca" if takes(backbone, "sca") else "none"
    sizes = [
        sum(weight.numel() for weight in outline(spec).parameters())
        for spec in (replace(DEFAULT, backbone=name, attention=attention) for name in (backbone, "resnet"))
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_backbones_without_time_are_those_that_give_one_step(backbone: str) -> None:
    model = outline(replace(DEFAULT, backbone=backbone, attention="none", n_samples=3000))
    n_steps = model.backbone(torch.empty(1, 1, 3000, device="meta")).shape[2]
    assert (n_steps == 1) == (backbone in TIMELESS)


@pytest.mark.parametrize(("backbone", "attention"), PAIRS)
def test_every_pair_takes_the_shortest_window_and_many_leads(backbone: str, attention: str) -> None:
    torch.manual_seed(0)
    model = build_model(ModelSpec(backbone, attention, 12, MIN_SAMPLES, n_subjects=2, n_conditions=2))
    subject, condition = model(torch.randn(3, 12, MIN_SAMPLES))
    assert subject.shape == condition.shape == (3, 2)
    assert bool(subject.isfinite().all() & condition.isfinite().all())


@pytest.mark.parametrize(("backbone", "attention"), PAIRS)
def test_every_pair_gives_the_same_after_saving_and_loading(
    backbone: str, attention: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    spec = ModelSpec(backbone, attention, 1, 64, n_subjects=3, n_conditions=2)
    model = build_model(spec)
    model(torch.randn(8, 1, 64))  # moves the running means of the batch normalisation
    card = RunCard(
        spec, 100.0, ("II",), ("a", "b", "c"), ("rest", "run"), {}, "0" * 64, "all", 0, {}, True,
        current_versions(),
    )  # fmt: skip
    save_weights(tmp_path, model.eval(), card)
    x = torch.randn(5, 1, 64)
    with torch.no_grad():
        for kept, loaded in zip(model(x), load_run(tmp_path).model(x), strict=True):
            assert torch.equal(kept, loaded)


@pytest.mark.parametrize(("backbone", "attention"), PAIRS)
def test_every_pair_has_no_mind_of_its_own_in_evaluation(backbone: str, attention: str) -> None:
    torch.manual_seed(0)
    model = build_model(ModelSpec(backbone, attention, 1, 64, n_subjects=3, n_conditions=2)).eval()
    x = torch.randn(4, 1, 64)
    with torch.no_grad():
        for together, alone in zip(model(x), model(x[1:2]), strict=True):
            torch.testing.assert_close(together[1:2], alone)


def test_weights_of_the_default_network_have_these_names_in_this_order() -> None:
    model = build_model(DEFAULT)
    names = list(model.state_dict())
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert names[:6] == ["backbone.stem.weight", *(f"backbone.bn.{name}" for name in norm)]
    assert names[6:18] == [
        f"backbone.blocks.0.{name}"
        for i in (1, 2)
        for name in (f"conv{i}.weight", *(f"bn{i}.{name}" for name in norm))
    ]
    assert names[-10:] == [
        f"{part}.{name}"
        for part in (
            "attention.squeeze",
            "attention.expand",
            "attention.steps",
            "subject_head",
            "condition_head",
        )
        for name in ("weight", "bias")
    ]


@pytest.mark.parametrize(("head", "shape"), [("subject", (5, 4)), ("condition", (5, 3))])
def test_network_of_one_task_is_that_of_two_less_a_head(head: str, shape: tuple[int, int]) -> None:
    both = replace(DEFAULT, n_subjects=4, n_conditions=3)
    other = "condition" if head == "subject" else "subject"
    one = replace(both, **{f"n_{other}s": 0})
    assert (both.tasks, one.tasks) == (("subject", "condition"), (head,))
    torch.manual_seed(0)
    (logits,) = build_model(one)(torch.randn(5, 1, 300))
    assert logits.shape == shape
    names = {name for name in build_model(both).state_dict() if not name.startswith(other)}
    assert build_model(one).state_dict().keys() == names


@pytest.mark.parametrize("backbone", sorted(TIMELESS))
def test_spec_refuses_attention_where_there_is_no_time(backbone: str) -> None:
    with pytest.raises(ConfigError, match=f"'{backbone}' leaves one step and attention 'sca' nothing"):
        replace(DEFAULT, backbone=backbone)


@pytest.mark.parametrize(
    ("backbone", "channels"), [("resnet", 128), ("efficientnet", 128), ("densenet", 176)]
)
@given(n_samples=st.integers(8, 700), n_leads=st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_network_fits_any_window_length(backbone: str, channels: int, n_samples: int, n_leads: int) -> None:
    model = outline(replace(DEFAULT, backbone=backbone, n_samples=n_samples, n_leads=n_leads)).eval()
    assert model.attention.steps.in_features == -(-n_samples // 8)
    assert model.encode(torch.empty(2, n_leads, n_samples, device="meta")).shape == (2, channels)


def test_windows_of_a_batch_do_not_touch_each_other_in_evaluation() -> None:
    torch.manual_seed(1)
    model = build_model(DEFAULT).eval()
    x = torch.rand(4, 1, 300)
    with torch.no_grad():
        together, alone = model(x), model(x[2:3])
    for all_logits, one in zip(together, alone, strict=True):
        torch.testing.assert_close(all_logits[2:3], one)


def test_heads_return_logits_not_probabilities() -> None:
    torch.manual_seed(0)
    subject, _ = build_model(DEFAULT).eval()(torch.rand(3, 1, 300))
    assert bool((subject < 0).any())


def test_weights_follow_the_seed() -> None:
    def first_weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return build_model(DEFAULT).subject_head.weight

    assert torch.equal(first_weights(3), first_weights(3))
    assert not torch.equal(first_weights(3), first_weights(4))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n_samples": 7}, "n_samples 7"),
        ({"n_samples": 10**7}, "n_samples 10000000"),
        ({"n_subjects": 1}, "n_subjects 1: expected a whole number from 2"),
        ({"n_subjects": 0, "n_conditions": 0}, "at least one task"),
        ({"n_subjects": False}, "n_subjects False"),
        ({"n_conditions": True}, "n_conditions True"),
        ({"n_leads": 1.0}, "n_leads 1.0"),
        ({"kernel": 4}, "odd"),
        ({"widths": (32, 64)}, "equally many"),
        ({"widths": (32, 64, 0)}, "widths 0"),
        ({"strides": [1, 2, 2]}, "strides"),
        ({"widths": 5}, "widths 5"),
        ({"backbone": ["resnet"]}, "backbone"),
    ],
)
def test_spec_refuses_what_can_not_be(change: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        replace(DEFAULT, **change)


@pytest.mark.parametrize("change", [{"backbone": "resnett"}, {"attention": "scaa"}])
def test_build_model_lists_the_names_it_knows(change: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"known are: .*Did you mean"):
        build_model(replace(DEFAULT, **change))


def test_build_model_refuses_windows_too_long_for_the_attention() -> None:
    long = replace(DEFAULT, n_samples=1_000_000)
    with pytest.raises(ConfigError, match="15625245786 parameters for windows of 1000000 samples"):
        build_model(long)
    build_model(replace(long, attention="none"))
