"""Run folders made by somebody who means harm: a sentence is all that comes of them.

What is told by the hash of the weights is in test_weights.py; here the card names the right hash, since who
makes a run folder can also hash it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import resource
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from support.onnx_files import damaged_at_random, spec_of, trained_run, windows_for

from ecgkit.errors import RunError
from ecgkit.training.apply import logits
from ecgkit.training.card import CARD_FILE, MAX_CARD_BYTES
from ecgkit.training.weights import WEIGHTS_FILE, load_run, save_weights

SPEC = spec_of("resnet", "sca")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    run = trained_run(SPEC)
    save_weights(folder, run.model, run.card)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "run"))


class Trap:
    """Leaves a file where it was unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def put(folder: Path, raw: bytes) -> None:
    """Put other bytes in the place of the weights, and their hash on the card."""
    (folder / WEIGHTS_FILE).write_bytes(raw)
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    card["weights_sha256"] = hashlib.sha256(raw).hexdigest()
    (folder / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")


def refused(folder: Path, says: str) -> None:
    with pytest.raises(RunError, match=says):
        load_run(folder)


def parts_of(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a safetensors file."""
    (n,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + n]), raw[8 + n :]


def joined(header: dict[str, Any] | bytes, data: bytes, *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def pickled(trap: Trap) -> bytes:
    return pickle.dumps(trap)


def pickled_by_torch(trap: Trap) -> bytes:
    torch.save({"backbone.stem.weight": trap}, path := trap.trace.parent / "net.pt")
    return path.read_bytes()


def pickled_inside_metadata(trap: Trap) -> bytes:
    tensors = trained_run(SPEC).model.state_dict()
    text = pickle.dumps(trap, protocol=0).decode("latin-1")
    return safetensors.torch.save(tensors | {"more": torch.zeros(1)}, metadata={"pickle": text})


@pytest.mark.parametrize("make", [pickled, pickled_by_torch, pickled_inside_metadata])
@pytest.mark.parametrize("name", [WEIGHTS_FILE, CARD_FILE])
def test_load_run_executes_nothing(
    folder: Path, tmp_path: Path, make: Callable[[Trap], bytes], name: str
) -> None:
    raw = make(Trap(tmp_path / "trace"))
    (put(folder, raw) if name == WEIGHTS_FILE else (folder / name).write_bytes(raw))
    refused(folder, name)
    assert not (tmp_path / "trace").exists()
    pickle.loads(pickled(Trap(tmp_path / "trace")))
    assert (tmp_path / "trace").exists()  # it would have been seen


def first(header: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = header["subject_head.bias"]
    return entry


def another_type(header: dict[str, Any]) -> None:
    first(header)["dtype"] = "I32"


def unknown_type(header: dict[str, Any]) -> None:
    first(header)["dtype"] = "pickle"


def beyond_the_end(header: dict[str, Any]) -> None:
    first(header)["data_offsets"] = [2**40, 2**40 + 16]


def backwards(header: dict[str, Any]) -> None:
    first(header)["data_offsets"].reverse()


def negative(header: dict[str, Any]) -> None:
    first(header)["data_offsets"][0] = -16


def of_endless_shape(header: dict[str, Any]) -> None:
    first(header)["shape"] = [2**62, 2**62]


def of_no_shape(header: dict[str, Any]) -> None:
    first(header)["shape"] = None


def overlapping(header: dict[str, Any]) -> None:
    begin, end = first(header)["data_offsets"]
    first(header)["data_offsets"] = [begin - 4, end - 4]


def nothing_at_all(header: dict[str, Any]) -> None:
    header.clear()


@pytest.mark.parametrize(
    "change",
    [
        another_type, unknown_type, beyond_the_end, backwards, negative, of_endless_shape, of_no_shape,
        overlapping, nothing_at_all,
    ],
)  # fmt: skip
def test_load_run_refuses_a_header_that_lies(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    header, data = parts_of((folder / WEIGHTS_FILE).read_bytes())
    change(header)
    put(folder, joined(header, data))
    refused(folder, WEIGHTS_FILE)


def test_load_run_takes_a_header_that_is_written_otherwise(folder: Path) -> None:
    """The way back that shows that the changes above are what is refused."""
    before = load_run(folder).model.state_dict()
    header, data = parts_of((folder / WEIGHTS_FILE).read_bytes())
    put(folder, joined(header, data))
    assert all(
        torch.equal(tensor, before[name]) for name, tensor in load_run(folder).model.state_dict().items()
    )


@pytest.mark.parametrize("length", [0, 1, 2**20, 2**40, 2**63, 2**64 - 1])
def test_load_run_refuses_a_header_of_another_length(folder: Path, length: int) -> None:
    header, data = parts_of((folder / WEIGHTS_FILE).read_bytes())
    put(folder, joined(header, data, length=length))
    refused(folder, WEIGHTS_FILE)


def test_load_run_refuses_a_huge_header(folder: Path) -> None:
    header, data = parts_of((folder / WEIGHTS_FILE).read_bytes())
    put(folder, joined(json.dumps(header).encode() + b" " * 2_000_000, data))
    refused(folder, "too large for what the run's network needs")


def test_load_run_refuses_two_tensors_of_one_name(folder: Path) -> None:
    header, data = parts_of((folder / WEIGHTS_FILE).read_bytes())
    begin = len(data)
    second = {"dtype": "F32", "shape": [4], "data_offsets": [begin, begin + 16]}
    text = json.dumps(header)[:-1] + f', "subject_head.bias": {json.dumps(second)}' + "}"
    put(folder, joined(text.encode(), data + bytes(16)))
    refused(folder, f"{WEIGHTS_FILE}: not a safetensors file")


@pytest.mark.parametrize("share", np.arange(0, 1, 0.05))
def test_load_run_refuses_a_part_of_the_weights_under_its_hash(folder: Path, share: float) -> None:
    raw = (folder / WEIGHTS_FILE).read_bytes()
    put(folder, raw[: int(share * len(raw))])
    refused(folder, WEIGHTS_FILE)


@pytest.mark.parametrize("share", np.arange(0, 1, 0.05))
def test_load_run_refuses_a_part_of_the_card(folder: Path, share: float) -> None:
    raw = (folder / CARD_FILE).read_bytes()
    (folder / CARD_FILE).write_bytes(raw[: int(share * len(raw))])
    refused(folder, f"{CARD_FILE}: not a JSON text")


def test_load_run_refuses_damage_under_a_right_hash_or_can_use_it(folder: Path) -> None:
    raw = (folder / WEIGHTS_FILE).read_bytes()
    windows, used = windows_for(SPEC, 2), 0
    for seed in range(300):
        put(folder, damaged_at_random(raw, seed, among_first=4000))
        with contextlib.suppress(RunError):
            logits(load_run(folder).model, windows)
            used += 1
    assert used < 150


def test_load_run_refuses_the_weights_of_another_run(folder: Path, tmp_path: Path) -> None:
    other = trained_run(spec_of("cnn", "sca"))
    save_weights(tmp_path / "other", other.model, other.card)
    raw = (tmp_path / "other" / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(raw)
    refused(folder, "damaged, truncated, or of another run")
    put(folder, raw)
    refused(folder, "tensors are not those of the network")


@pytest.mark.parametrize("name", [CARD_FILE, WEIGHTS_FILE])
def test_load_run_reads_no_link_to_elsewhere(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).replace(tmp_path / "kept")
    (folder / name).symlink_to(tmp_path / "kept")
    refused(folder, f"{name}: a link to another folder")
    (folder / name).unlink()
    (folder / name).symlink_to("/etc/passwd")
    refused(folder, f"{name}: a link to another folder")
    (folder / name).unlink()
    (tmp_path / "kept").replace(folder / "kept")
    (folder / name).symlink_to("kept")
    load_run(folder)


@pytest.mark.parametrize("name", [CARD_FILE, WEIGHTS_FILE])
def test_load_run_waits_for_no_pipe_and_opens_no_folder(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refused(folder, f"{name}: a folder, a device or a pipe")
    (folder / name).unlink()
    (folder / name).mkdir()
    refused(folder, f"{name}: a folder, a device or a pipe")


@pytest.mark.parametrize(("name", "most"), [(CARD_FILE, MAX_CARD_BYTES), (WEIGHTS_FILE, 2_000_000)])
def test_load_run_reads_no_more_of_a_giant_than_it_needs(folder: Path, name: str, most: int) -> None:
    with (folder / name).open("r+b") as file:
        file.truncate(1 << 40)  # sparse: nothing is written
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, f"{name}: more than .* bytes")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) * 1024
    assert grown < 4 * most + 50_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"seed": 1, "seed": 2}', "'seed' stands there twice"),
        ('{"fs": 1e999}', "too large a number"),
        ('{"spec": {"backbone": "cnn", "backbone": "resnet"}}', "'backbone' stands there twice"),
    ],
)
def test_load_run_refuses_a_card_that_says_two_things(folder: Path, text: str, says: str) -> None:
    (folder / CARD_FILE).write_text(text, encoding="utf-8")
    refused(folder, says)


@pytest.mark.parametrize(
    "spec",
    [
        {"widths": [4096] * 64, "strides": [1] * 64, "kernel": 1023},
        {"backbone": "mlp", "attention": "none", "n_samples": 1_000_000, "widths": [4096], "strides": [1]},
        {"backbone": "lstm", "attention": "none", "widths": [4096] * 8, "strides": [1] * 8},
        {"n_subjects": 100_000, "widths": [4096], "strides": [1]},
    ],
)
def test_load_run_builds_no_giant_network(folder: Path, spec: dict[str, Any]) -> None:
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    card["spec"] |= spec
    card["subject_labels"] = [str(i) for i in range(card["spec"]["n_subjects"])]
    (folder / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, "numbers, at most|damaged, truncated|tensors are not those")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) < 400_000
