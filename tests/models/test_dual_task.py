"""The dual-task network: its size, shapes and contract, for every pair in the tables."""

from __future__ import annotations

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
from ecgkit.models.backbones import BACKBONES
from ecgkit.models.dual_task import ModelSpec, build_model, last_shared_weight, outline

DEFAULT = ModelSpec("resnet", "sca", n_leads=1, n_samples=300, n_subjects=15, n_conditions=3)
PAIRS = list(itertools.product(BACKBONES, ATTENTIONS))


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
    spec = ModelSpec(backbone, attention, n_leads=2, n_samples=50, n_subjects=4, n_conditions=3)
    model = build_model(spec).train()
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
    spec = replace(DEFAULT, backbone=backbone, attention=attention)
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


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_names_a_weight_of_its_own(backbone: str) -> None:
    model = build_model(replace(DEFAULT, backbone=backbone))
    weight = last_shared_weight(model)
    assert any(weight is each for each in model.backbone.parameters())


@pytest.mark.parametrize(
    ("package", "table"),
    [(ecgkit.models.backbones, BACKBONES), (ecgkit.models.attention, ATTENTIONS)],
)
def test_every_file_has_a_row(package: object, table: dict[str, str]) -> None:
    modules = {path.stem for path in Path(package.__file__).parent.glob("[a-z]*.py")}
    assert modules <= {row.partition(":")[0].rpartition(".")[2] for row in table.values()}


@given(n_samples=st.integers(8, 700), n_leads=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_network_fits_any_window_length(n_samples: int, n_leads: int) -> None:
    model = build_model(replace(DEFAULT, n_samples=n_samples, n_leads=n_leads)).eval()
    with torch.no_grad():
        assert model.encode(torch.zeros(2, n_leads, n_samples)).shape == (2, 128)


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
