"""`ecgkit models`: the networks there are, and what one is made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecgkit.errors import ConfigError
from ecgkit.models.attention import ATTENTIONS
from ecgkit.models.backbones import BACKBONES
from ecgkit.stages.models import ModelOptions, run_list, run_show

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def test_run_list_names_every_row_of_the_tables() -> None:
    found = run_list()
    assert [one.name for one in found.backbones] == list(BACKBONES)
    assert [one.name for one in found.attentions] == list(ATTENTIONS)
    assert (found.n_samples, found.fs) == (300, 100.0)
    assert all(one.about for one in (*found.backbones, *found.attentions))
    sca = next(one for one in found.attentions if one.name == "sca")
    assert sca.parameters == (128 * 32 + 32) + (32 * 128 + 128) + (38 * 38 + 38)


def test_the_page_of_models_says_what_the_command_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = run_list()
    for one in found.backbones:
        field = "all" if one.receptive_field_s is None else f"{round(one.receptive_field_s * found.fs)}"
        row = f"| `{one.name}` | {one.parameters:,} | {one.multiply_adds:,} | {field} |"
        assert row in page, row
    for one in found.attentions:
        row = f"| `{one.name}` | {one.parameters:,} | {one.multiply_adds:,} |"
        assert row in page, row


def test_run_show_takes_the_attention_that_is_trained_by_default_where_there_is_time() -> None:
    assert run_show(ModelOptions("cnn")).found.spec.attention == "sca"
    assert run_show(ModelOptions("mlp")).found.spec.attention == "none"


def test_run_show_gives_the_receptive_field_in_seconds_of_the_windows_rate() -> None:
    shown = run_show(ModelOptions("resnet", window_s=2.0, fs=500.0))
    assert shown.found.spec.n_samples == 1000
    assert shown.receptive_field_s == 51 / 500
    assert run_show(ModelOptions("lstm")).receptive_field_s is None


def test_run_show_as_json_is_plain() -> None:
    content = run_show(ModelOptions("resnet", n_samples=64, n_leads=2, n_conditions=0)).as_json()
    assert json.loads(json.dumps(content, allow_nan=False))["spec"]["n_leads"] == 2
    assert (content["window_s"], content["receptive_field_s"]) == (0.64, 0.51)
    assert content["layers"][-1]["name"] == "subject_head"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (ModelOptions("resnett"), "unknown backbone 'resnett'.*Did you mean 'resnet'"),
        (ModelOptions("resnet", attention="cbm"), "unknown attention 'cbm'.*Did you mean 'cbam'"),
        (ModelOptions("lstm", attention="se"), "attention 'none'"),
        (ModelOptions("resnet", n_samples=0), "n_samples 0"),
        (ModelOptions("resnet", n_samples=300, window_s=3.0), "give one of them"),
        (ModelOptions("resnet", fs=-1.0), r"pipeline\.fs"),
        (ModelOptions("resnet", n_samples=1_000_000), "at most 200000000"),
    ],
)
def test_run_show_refuses_what_can_not_be(options: ModelOptions, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        run_show(options)
