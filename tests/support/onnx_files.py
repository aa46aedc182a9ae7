"""Networks as ONNX files: small ones to test with, made hostile on purpose, and damaged at random."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from ecgkit.errors import RunError
from ecgkit.models.dual_task import ModelSpec, build_model
from ecgkit.training.onnx_file import opened, seal
from ecgkit.training.onnx_shapes import OPERATORS
from ecgkit.training.weights import Run, RunCard, current_versions

SMALL: dict[str, Any] = {"n_samples": 64, "stem_channels": 4, "widths": (4, 8), "strides": (1, 2)}


def spec_of(backbone: str, attention: str, **changes: Any) -> ModelSpec:
    """A network for windows of 64 samples of one lead, 4 subjects and 3 conditions."""
    return ModelSpec(
        backbone, attention, **({"n_leads": 1, "n_subjects": 4, "n_conditions": 3, **SMALL} | changes)
    )


def card_for(spec: ModelSpec, **changes: Any) -> RunCard:
    """A card whose labels fit the network."""
    card = RunCard(
        spec=spec,
        fs=100.0,
        lead_names=tuple(f"lead {i}" for i in range(spec.n_leads)),
        subject_labels=tuple(f"é{i}" for i in range(spec.n_subjects)),
        condition_labels=tuple(f"state {i}" for i in range(spec.n_conditions)),
        pipeline={"fs": 100.0, "stride_s": None},
        dataset_sha256="0" * 64,
        split="all",
        seed=3,
        training={"epochs": 1},
        simulated=True,
        versions=current_versions(),
    )
    return replace(card, **changes)


def trained_run(spec: ModelSpec) -> Run:
    """A network after one step of a training, on noise."""
    torch.manual_seed(0)
    model = build_model(spec).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    outputs = model(torch.rand(8, spec.n_leads, spec.n_samples))
    sum(torch.nn.functional.cross_entropy(out, torch.arange(8) % out.shape[1]) for out in outputs).backward()
    optimizer.step()
    return Run(model.eval(), card_for(spec))


def windows_for(spec: ModelSpec, n: int, *, seed: int = 0) -> np.ndarray:
    """Windows of noise, (n, lead, T)."""
    return np.random.default_rng(seed).random((n, spec.n_leads, spec.n_samples), dtype=np.float32)


def body_of(raw: bytes) -> bytes:
    """A file without its hash."""
    return raw[: -len(seal(b""))]


def sealed(body: bytes | onnx.ModelProto) -> bytes:
    """A file under the right hash, whoever made it."""
    body = body if isinstance(body, bytes) else body.SerializeToString()
    return body + seal(body)


def model_of(raw: bytes) -> Any:
    """The parsed model of a file, without its hash, to be changed."""
    return onnx.ModelProto.FromString(body_of(raw))


def damaged(body: bytes, seed: int) -> bytes:
    """A file's bytes, damaged at random; mostly not those of the weights."""
    return damaged_at_random(body, seed, among_first=4000)


def damaged_at_random(body: bytes, seed: int, *, among_first: int) -> bytes:
    """Bytes of which some are changed, lost or doubled; mostly among so many of the first."""
    draw = random.Random(seed)
    raw = bytearray(body)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        at = draw.randrange(min(len(raw), among_first) if draw.random() < 0.8 else len(raw))
        length = draw.choice((1, 1, 1, 2, 8, 60))
        kind = draw.randrange(5)
        if kind == 0:
            raw[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            raw[at] = draw.choice((0, 1, 2, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del raw[at : at + length]
        elif kind == 3:
            raw[at:at] = raw[at : at + length]
        else:
            raw[at:at] = bytes(draw.randrange(256) for _ in range(length))
    return bytes(raw)


def rewired(body: bytes, seed: int) -> bytes:
    """A file of allowed parts that are put together in another way."""
    draw = random.Random(seed)
    model = onnx.ModelProto.FromString(body)
    graph = model.graph
    names = [value.name for value in (*graph.input, *graph.initializer)]
    names += [name for node in graph.node for name in node.output]
    for _ in range(draw.choice((1, 1, 2, 3))):
        node = draw.choice(graph.node)
        kind = draw.randrange(6)
        if kind == 0:
            node.op_type = draw.choice(sorted(OPERATORS))
        elif kind == 1 and node.input:
            node.input[draw.randrange(len(node.input))] = draw.choice(names)
        elif kind == 2 and node.attribute:
            attribute = draw.choice(node.attribute)
            numbers = (-(2**63), -1, 0, 1, 2, 3, 7, 2**16, 999_999, 2**31, 2**63 - 1)
            attribute.i = draw.choice(numbers)
            for i in range(len(attribute.ints)):
                attribute.ints[i] = draw.choice((attribute.ints[i], *numbers))
        elif kind == 3:
            tensor = draw.choice(graph.initializer)
            dims = list(tensor.dims)
            draw.shuffle(dims)
            tensor.dims[:] = draw.choice((dims, [*dims, 1], [0, *dims], [len(tensor.raw_data) // 4]))
        elif kind == 4:
            tensor = draw.choice([one for one in graph.initializer if len(one.raw_data) <= 64])
            data = np.frombuffer(tensor.raw_data, "<i8" if tensor.data_type == 7 else "<f4").copy()
            data[draw.randrange(len(data))] = draw.choice((-(2**31), -2, -1, 0, 1, 2, 1000, 2**31))
            tensor.raw_data = data.tobytes()
        elif len(node.input) > 1:
            node.input.pop()
    return model.SerializeToString()


WAYS = (damaged, damaged, rewired)


def ask_damaged(path: Path, seeds: range) -> str:
    """Load and ask a file that was damaged in many ways, under the right hash; say how it went.

    Called in a process of its own: a crash of the runtime must not be the test's.
    """
    body = body_of(path.read_bytes())
    spec = opened(path, sealed(body)).card.spec
    windows, used = windows_for(spec, 3), 0
    for seed in seeds:
        sys.stdout.write(f"{seed}\n")
        sys.stdout.flush()
        try:
            opened(path, sealed(WAYS[seed % len(WAYS)](body, seed))).outputs(windows)
            used += 1
        except RunError:
            pass
    return f"{used} of {len(seeds)} could still be used"
