"""What a network is said to be made of, against hand counts and against trying."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from ecgkit.errors import ConfigError
from ecgkit.models.attention import ATTENTIONS
from ecgkit.models.attention.se import SqueezeExcitation
from ecgkit.models.backbones import BACKBONES, TIMELESS, takes
from ecgkit.models.describe import Description, describe, receptive_field
from ecgkit.models.dual_task import ModelSpec, build_model

DEFAULT = ModelSpec("resnet", "sca", n_leads=1, n_samples=300, n_subjects=15, n_conditions=3)
PAIRS = [pair for pair in itertools.product(BACKBONES, ATTENTIONS) if takes(*pair)]
HEADS = 15 + 3


def multiply_adds(backbone: str, attention: str = "none", **change: int) -> int:
    return describe(replace(DEFAULT, backbone=backbone, attention=attention, **change)).multiply_adds


def conv(n_steps: int, n_in: int, n_out: int, kernel: int = 3) -> int:
    return n_steps * n_in * n_out * kernel


def test_multiply_adds_of_the_default_network_are_those_counted_by_hand() -> None:
    stem = conv(150, 1, 32, 7)
    block1 = 2 * conv(150, 32, 32)
    block2 = conv(75, 32, 64) + conv(75, 64, 64) + conv(75, 32, 64, 1)
    block3 = conv(38, 64, 128) + conv(38, 128, 128) + conv(38, 64, 128, 1)
    sca = 128 * 32 + 32 * 128 + 38 * 38
    assert multiply_adds("resnet", "sca") == stem + block1 + block2 + block3 + sca + 128 * HEADS == 5_616_100


def test_multiply_adds_of_the_other_backbones_are_those_counted_by_hand() -> None:
    def separable(n_steps: int, n_in: int, n_out: int) -> int:
        return conv(n_steps, 1, n_in) + conv(n_steps, n_in, n_out, 1)

    stem = conv(150, 1, 32, 7)
    stages = 2 * separable(150, 32, 32) + separable(75, 32, 64) + separable(75, 64, 64)
    stages += separable(38, 64, 128) + 5 * separable(38, 128, 128)
    assert multiply_adds("mobilenet") == stem + stages + 128 * HEADS

    def dense(n_steps: int, n_in: int) -> int:
        return conv(n_steps, n_in, 48, 1) + conv(n_steps, 48, 16)

    blocks = sum(dense(150, n) for n in (32, 48)) + conv(150, 64, 32, 1)
    blocks += sum(dense(75, n) for n in (32, 48, 64, 80)) + conv(75, 96, 48, 1)
    blocks += sum(dense(38, n) for n in range(48, 176, 16))
    assert multiply_adds("densenet") == stem + blocks + 176 * HEADS

    assert multiply_adds("lstm") == 300 * 4 * 160 * (1 + 160) + 160 * HEADS
    assert multiply_adds("mlp", n_leads=2) == 600 * 256 + 256 * 128 + 128 * HEADS


def test_multiply_adds_of_the_gated_blocks_are_those_counted_by_hand() -> None:
    def block(before: int, after: int, n_in: int, n_out: int, expansion: int) -> int:
        inner = expansion * n_in
        widen = conv(before, n_in, inner, 1) if expansion > 1 else 0
        return widen + conv(after, 1, inner) + 2 * inner * (n_in // 4) + conv(after, inner, n_out, 1)

    counted = conv(150, 1, 32, 7) + block(150, 150, 32, 8, 1) + block(150, 150, 8, 8, 1)
    counted += block(150, 75, 8, 16, 6) + block(75, 75, 16, 16, 6)
    counted += block(75, 38, 16, 32, 6) + 5 * block(38, 38, 32, 32, 6) + conv(38, 32, 128, 1)
    assert multiply_adds("efficientnet") == counted + 128 * HEADS


@pytest.mark.parametrize(
    ("attention", "counted"),
    [
        ("se", 2 * 128 * 32),
        ("mha", 38 * 128 * 3 * 32 + 2 * 4 * 38 * 38 * 8 + 38 * 32 * 128),  # QKV, two products, W_O
        ("cbam", 2 * 2 * 128 * 32 + 38 * 2 * 7),  # of mean and of maximum
    ],
)
def test_multiply_adds_of_an_attention_module_are_those_counted_by_hand(attention: str, counted: int) -> None:
    assert multiply_adds("resnet", attention) - multiply_adds("resnet") == counted


@pytest.mark.parametrize(
    ("backbone", "attention", "depth"),
    [*((*pair, 9) for pair in PAIRS), *(("resnet", "mha", depth) for depth in range(1, 5))],
)
def test_layers_sum_to_the_network(backbone: str, attention: str, depth: int) -> None:
    spec = replace(DEFAULT, backbone=backbone, attention=attention, n_samples=64)
    found = describe(spec, depth=depth)
    assert sum(layer.parameters for layer in found.layers) == found.parameters
    assert sum(layer.multiply_adds for layer in found.layers) == found.multiply_adds
    assert found.parameters == sum(weight.numel() for weight in build_model(spec).parameters())


def test_layers_have_names_kinds_and_shapes() -> None:
    found = describe(DEFAULT)
    assert [(layer.name, layer.kind, layer.shape) for layer in found.layers] == [
        ("backbone.stem", "Conv1d", (32, 150)),
        ("backbone.bn", "BatchNorm1d", (32, 150)),
        ("backbone.blocks.0", "ResidualBlock", (32, 150)),
        ("backbone.blocks.1", "ResidualBlock", (64, 75)),
        ("backbone.blocks.2", "ResidualBlock", (128, 38)),
        ("attention.squeeze", "Conv1d", (32, 1)),
        ("attention.expand", "Conv1d", (128, 1)),
        ("attention.steps", "Linear", (1, 38)),
        ("subject_head", "Linear", (15,)),
        ("condition_head", "Linear", (3,)),
    ]
    assert [layer.name for layer in describe(DEFAULT, depth=1).layers] == [
        "backbone", "attention", "subject_head", "condition_head",
    ]  # fmt: skip
    assert (found.channels, found.steps) == (128, 38)
    assert found.shared_weight == "backbone.blocks.2.conv2.weight"


def test_describe_one_task() -> None:
    found = describe(replace(DEFAULT, n_conditions=0))
    assert found.layers[-1].name == "subject_head"


def test_describe_draws_nothing_from_the_caller_s_generator() -> None:
    before = torch.get_rng_state()
    assert isinstance(describe(DEFAULT), Description)
    assert torch.equal(torch.get_rng_state(), before)


def test_describe_refuses_what_can_not_be_built() -> None:
    with pytest.raises(ConfigError, match="parameters for windows of 1000000 samples"):
        describe(replace(DEFAULT, n_samples=1_000_000))


def field_by_trying(backbone: str) -> int:
    """Change one sample at a time and see when the middle step of the backbone's output changes."""
    torch.manual_seed(0)
    n = 256
    module = build_model(ModelSpec(backbone, "none", 1, n, 2, 2)).backbone.double()
    for _ in range(20):  # batch normalisation learns to keep what passes of one size
        module(torch.randn(8, 1, n, dtype=torch.float64))
    for part in module.modules():
        if isinstance(part, SqueezeExcitation):
            torch.nn.init.zeros_(part.expand.weight)  # open by half, whatever comes
    x = torch.randn(1, n, dtype=torch.float64)
    windows = torch.cat([x + 10 * torch.eye(n, dtype=torch.float64), x])[:, None]  # (257, 1, 256)
    with torch.inference_mode():
        steps = torch.cat([module.eval()(part) for part in windows.split(64)])
    middle = steps[:, :, steps.shape[2] // 2]  # (257, C)
    where = (middle[:-1] != middle[-1]).any(dim=1).nonzero().flatten()
    assert where[0] > 0
    assert where[-1] < n - 1
    return int(where[-1] - where[0]) + 1


@pytest.mark.parametrize(
    ("backbone", "by_hand"),
    [
        # kernel - 1 of each convolution, in samples between the steps that it sees
        ("resnet", 7 + 2 * (2 + 2) + (2 * 2 + 2 * 4) + (2 * 4 + 2 * 8)),
        ("cnn", 7 + 2 * (2 + 2) + (2 * 2 + 2 * 4) + (2 * 4 + 2 * 8)),
        ("mobilenet", 7 + 2 * (2 + 2) + (2 * 2 + 2 * 4) + (2 * 4 + 5 * 2 * 8)),
        ("efficientnet", 7 + 2 * (2 + 2) + (2 * 2 + 2 * 4) + (2 * 4 + 5 * 2 * 8)),
        ("densenet", 7 + 2 * 2 * 2 + 2 + 4 * 2 * 4 + 4 + 8 * 2 * 8),  # and the two poolings of 2
    ],
)
def test_receptive_field_is_that_of_hand_and_of_trying(backbone: str, by_hand: int) -> None:
    spec = replace(DEFAULT, backbone=backbone)
    assert receptive_field(spec) == by_hand == field_by_trying(backbone)


def test_receptive_field_does_not_depend_on_the_window() -> None:
    assert (
        receptive_field(replace(DEFAULT, n_samples=8)) == receptive_field(replace(DEFAULT, n_leads=3)) == 51
    )


@pytest.mark.parametrize("backbone", sorted(TIMELESS))
def test_receptive_field_is_the_window_where_one_step_is_left(backbone: str) -> None:
    assert receptive_field(replace(DEFAULT, backbone=backbone, attention="none")) is None


def test_receptive_field_longer_than_the_first_try() -> None:
    long = replace(DEFAULT, widths=(2,) * 9, strides=(2,) * 9, stem_channels=2)
    by_hand = 7 + sum(2 * jump + 2 * 2 * jump for jump in (2**block for block in range(1, 10)))
    assert receptive_field(long) == by_hand == 6139
