"""The network of a run on disk: weights.safetensors and run.json, and nothing that could run code.

A run folder may come from anywhere: all of it is checked before a network is built from it.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

import ecgkit
from ecgkit.errors import ConfigError, RunError
from ecgkit.files import atomic_path, write_text
from ecgkit.models.dual_task import DualTaskNet, outline
from ecgkit.models.spec import MAX_PARAMETERS, ModelSpec
from ecgkit.training.card import (
    CARD_FILE,
    RunCard,
    card_content,
    card_of,
    json_text,
    read_bytes,
    read_json_file,
    refuse_link_out,
)

__all__ = ["CARD_FILE", "WEIGHTS_FILE", "Run", "RunCard", "current_versions", "load_run", "save_weights"]

WEIGHTS_FILE = "weights.safetensors"
MAX_HEADER_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """A trained network, in evaluation mode on the CPU, and its card."""

    model: DualTaskNet
    card: RunCard


def current_versions() -> dict[str, str]:
    """Return the versions of ecgkit, Python, numpy and torch."""
    return {
        "ecgkit": ecgkit.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def save_weights(folder: Path, model: DualTaskNet, card: RunCard) -> None:
    """Write a network and its card into a run folder; the same weights give the same bytes.

    Raises
    ------
    RunError
        The card is for another network, or a weight is not a finite number.
    """
    if model.spec != card.spec:
        raise RunError(f"{folder}: the card is for {card.spec}, the network is {model.spec}")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    _check_finite(folder, tensors)
    weights = safetensors.torch.save(tensors)
    content = {**card_content(card), "weights_sha256": hashlib.sha256(weights).hexdigest()}
    with atomic_path(folder / WEIGHTS_FILE) as part:
        part.write_bytes(weights)
    write_text(folder / CARD_FILE, json_text(content, indent=2) + "\n")


def load_run(folder: str | Path) -> Run:
    """Load the network of a run folder, and its card.

    Parameters
    ----------
    folder
        A run folder, which may come from an untrusted source.

    Raises
    ------
    RunError
        A file is missing, damaged, too large, of another format or version, or the two don't belong together.
    """
    folder = Path(folder)
    content = read_json_file(folder / CARD_FILE)
    weights_sha256 = content.pop("weights_sha256", None)
    card = card_of(content, where=str(folder / CARD_FILE))
    tensors = _read_tensors(folder / WEIGHTS_FILE, card.spec, weights_sha256)
    model = outline(card.spec).to_empty(device="cpu")  # no weights drawn only to be overwritten
    model.load_state_dict(tensors)
    return Run(model.eval(), card)


def _read_tensors(path: Path, spec: ModelSpec, sha256: object) -> dict[str, Tensor]:
    expected = _expected_tensors(path, spec)
    size = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    refuse_link_out(path)
    raw = read_bytes(path, size + MAX_HEADER_BYTES)
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise RunError(
            f"{path}: the bytes ({len(raw)}) are not those that {CARD_FILE} names by their hash: damaged, "
            "truncated, or of another run. Take the run folder from its source again"
        )
    try:
        tensors = safetensors.torch.load(raw)
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{path}: not a safetensors file ({error})") from error
    _check_tensors(path, tensors, expected)
    _check_finite(path, tensors)
    return tensors


def _expected_tensors(path: Path, spec: ModelSpec) -> dict[str, Tensor]:
    """Return the network's tensors without memory for them."""
    try:
        expected = outline(spec).state_dict()
    except ConfigError as error:
        raise RunError(f"{path.parent / CARD_FILE}: {error}") from error
    n_values = sum(tensor.numel() for tensor in expected.values())
    if n_values > MAX_PARAMETERS:
        raise RunError(
            f"{path.parent / CARD_FILE}: a network of {n_values} numbers, at most {MAX_PARAMETERS}"
        )
    return expected


def _check_tensors(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    def described(group: Mapping[str, Tensor]) -> dict[str, str]:
        return {name: f"{tensor.dtype} {tuple(tensor.shape)}" for name, tensor in group.items()}

    got, wanted = described(tensors), described(expected)
    wrong = sorted(name for name in got.keys() | wanted.keys() if got.get(name) != wanted.get(name))
    if wrong:
        raise RunError(
            f"{path}: {len(wrong)} tensors are not those of the network in {CARD_FILE}, the first is "
            f"{wrong[0]!r}: got {got.get(wrong[0], 'none')}, expected {wanted.get(wrong[0], 'none')}"
        )


def _check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise RunError(f"{path}: tensor {name!r} holds NaN or infinity; train again")
