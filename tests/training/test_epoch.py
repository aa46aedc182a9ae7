"""The steps of an epoch: what is seen in them, and the precision they are computed in."""

from __future__ import annotations

import math

import pytest
import torch

from ecgkit.errors import TrainingError
from ecgkit.training.engine import Alone
from ecgkit.training.epoch import check_precision, mean_numbers


def test_mean_numbers_weigh_each_part_by_what_was_seen_in_it() -> None:
    parts = [{"loss": (1.0, 30), "norm": (math.nan, 0)}, {"loss": (4.0, 10), "norm": (math.nan, 0)}]
    found = mean_numbers(parts, Alone())
    assert found["loss"] == pytest.approx(1.75)
    assert math.isnan(found["norm"])


def test_mean_numbers_leave_parts_out_in_which_nothing_was_seen() -> None:
    assert mean_numbers([{"loss": (math.nan, 0)}, {"loss": (2.0, 3)}], Alone()) == {"loss": 2.0}


def test_check_precision_tells_whether_products_are_in_bfloat16() -> None:
    assert check_precision("mixed", torch.device("cpu"))
    assert not check_precision("float32", torch.device("cpu"))
    assert not check_precision("float32", torch.device("mps"))


def test_check_precision_refuses_a_device_without_bfloat16() -> None:
    with pytest.raises(TrainingError, match="device 'mps' does not compute in bfloat16; take float32"):
        check_precision("mixed", torch.device("mps"))
