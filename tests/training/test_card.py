"""The card of a run: what comes back is what was written, and nothing else is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.onnx_files import card_for, spec_of

from ecgkit.errors import RunError
from ecgkit.training.card import MAX_CARD_BYTES, card_content, card_of, json_object, json_text, read_bytes

CARD = card_for(spec_of("resnet", "sca"))


@pytest.mark.parametrize("classes", [{}, {"n_subjects": 0}, {"n_conditions": 0}])
def test_card_of_gives_back_the_card(classes: dict[str, int]) -> None:
    card = card_for(spec_of("resnet", "sca", **classes))
    assert card_of(json_object(json_text(card_content(card)), where="here"), where="here") == card


def test_json_text_is_the_same_in_any_order() -> None:
    content = card_content(CARD)
    assert json_text(dict(reversed(content.items()))) == json_text(content)
    assert json_text(content).isascii()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "a": 2}', "'a' stands there twice"),
        ('{"spec": {"a": 1, "b": 2, "b": 2}}', "'b' stands there twice"),
        ('{"fs": 1e999}', "1e999 is too large a number"),
        ('{"fs": -Infinity}', "-Infinity is not a number"),
        ("[" * 100_000, "not a JSON text"),
        ("[]", "expected a JSON object, got list"),
        ('{"a": 1} x', "not a JSON text"),
    ],
)
def test_json_object_refuses(text: str, says: str) -> None:
    with pytest.raises(RunError, match=f"^here: .*{says}"):
        json_object(text, where="here")


def test_card_refuses_labels_of_a_task_without_a_head() -> None:
    with pytest.raises(RunError, match=r"condition_labels: got .*expected 0 different names"):
        replace(CARD, spec=replace(CARD.spec, n_conditions=0))


@pytest.mark.parametrize("fs", [10**400, 1e6 + 1, float("nan"), float("inf"), -1.0, "100"])
def test_card_refuses_a_rate_that_is_none(fs: object) -> None:
    with pytest.raises(RunError, match="fs: got"):
        replace(CARD, fs=fs)


def test_read_bytes_reads_no_more_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(RunError, match="more than 4 bytes"):
        read_bytes(path, 4)


def test_read_bytes_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # to open it is to wait for somebody who writes: the test would hang
    with pytest.raises(RunError, match="a folder, a device or a pipe"):
        read_bytes(tmp_path / "pipe", 5)


def test_read_bytes_says_what_it_expected(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"can't be read \(No such file.*expected an egg"):
        read_bytes(tmp_path / "nothing", MAX_CARD_BYTES, expected="an egg")


def test_cards_are_read_without_torch() -> None:
    code = "import sys, ecgkit.training.card, ecgkit.models.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_card_of_refuses_what_lies_too_deep() -> None:
    deep: list[object] = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(RunError, match=r"run\.json: more than 20 levels"):
        card_of({"format": "ecgkit-run", "format_version": 1, "training": {"x": deep}}, where="run.json")
