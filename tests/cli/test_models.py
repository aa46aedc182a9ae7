"""``ecgkit models`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from ecgkit.cli.models import models
from ecgkit.errors import ConfigError


def run(*args: str, columns: int = 120) -> Result:
    result = CliRunner().invoke(models, args, env={"COLUMNS": str(columns)}, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def test_list_shows_backbones_and_attention_modules() -> None:
    shown = run("list").stdout
    for part in ("Backbones, with both heads (one lead, 300 samples at 100 Hz)", "112,434", "0.51 s", "all"):
        assert part in shown
    assert "Next: ecgkit models show NAME" in shown


def test_list_json_is_one_document() -> None:
    content = json.loads(run("list", "--json").stdout)
    assert content["backbones"][0]["name"] == "resnet"
    assert "arXiv 1512.03385" in content["backbones"][0]["about"]


def test_show_says_what_a_network_is_made_of() -> None:
    shown = run("show", "resnet").stdout
    for part in ("122,268", "51 samples, 0.51 s", "backbone.blocks.2.conv2.weight", "32 x 150", "1-D ResNet"):
        assert part in shown


def test_show_says_where_a_step_sees_all_of_the_window() -> None:
    for arguments in (("lstm",), ("resnet", "--samples", "40")):
        assert "the whole window" in run("show", *arguments).stdout


def test_show_takes_the_window_the_leads_and_the_heads() -> None:
    options = ("--attention", "mha", "--leads", "12", "--window-s", "10", "--fs", "500", "--conditions", "0")
    content = json.loads(run("show", "densenet", *options, "--depth", "1", "--json").stdout)
    assert [content["spec"][name] for name in ("n_leads", "n_samples", "n_conditions")] == [12, 5000, 0]
    assert [layer["name"] for layer in content["layers"]] == ["backbone", "attention", "subject_head"]


def test_show_refuses_a_pair_that_does_not_go() -> None:
    with pytest.raises(ConfigError, match="--attention none"):
        run("show", "lstm", "--attention", "sca")


def test_help_loads_no_torch() -> None:
    code = "import sys, ecgkit.cli.models; sys.exit('torch' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
