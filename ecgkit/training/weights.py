"""The network of a run on disk: weights.safetensors and run.json, and nothing that could run code.

A run folder may come from anywhere: all of it is checked before a network is built from it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

import ecgkit
from ecgkit.errors import ConfigError, RunError
from ecgkit.files import atomic_path, write_text
from ecgkit.models.dual_task import MAX_PARAMETERS, TASKS, DualTaskNet, ModelSpec, outline

FORMAT = "ecgkit-run"
FORMAT_VERSION = 1
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "run.json"
MAX_CARD_BYTES = 16_000_000
MAX_HEADER_BYTES = 1_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RunCard:
    """What must be known to apply a network to a new recording, and where it came from.

    Attributes
    ----------
    spec
        The network.
    fs
        Sampling rate of the windows, Hz; their length is `spec.n_samples`.
    lead_names, subject_labels, condition_labels
        Names in the order of the leads and of the heads' outputs.
    pipeline
        The preprocessing's settings, as the data set has them.
    dataset_sha256
        Hash of the data set that it was trained on.
    split
        Name of the split that it was trained under, such as "paper" or "all".
    seed
        Seed of the training.
    training
        The training's settings.
    simulated
        Whether the data were simulated.
    versions
        Of ecgkit and what it computes with: `current_versions`.

    Raises
    ------
    RunError
        A value has the wrong type or does not fit the others.
    """

    spec: ModelSpec
    fs: float
    lead_names: tuple[str, ...]
    subject_labels: tuple[str, ...]
    condition_labels: tuple[str, ...]
    pipeline: Mapping[str, Any]
    dataset_sha256: str
    split: str
    seed: int
    training: Mapping[str, Any]
    simulated: bool
    versions: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.spec.tasks != TASKS:
            _refuse("spec", self.spec.tasks, "both tasks")
        _check_names("lead_names", self.lead_names, self.spec.n_leads)
        _check_names("subject_labels", self.subject_labels, self.spec.n_subjects)
        _check_names("condition_labels", self.condition_labels, self.spec.n_conditions)
        if type(self.fs) not in (int, float) or not (math.isfinite(self.fs) and self.fs > 0):
            _refuse("fs", self.fs, "a rate in Hz above 0")
        if not isinstance(self.dataset_sha256, str) or not _SHA256.fullmatch(self.dataset_sha256):
            _refuse("dataset_sha256", self.dataset_sha256, "64 hexadecimal digits")
        for name, kind in (("split", str), ("seed", int), ("simulated", bool)):
            if type(getattr(self, name)) is not kind:
                _refuse(name, getattr(self, name), kind.__name__)
        for name in ("pipeline", "training", "versions"):
            value = getattr(self, name)
            if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
                _refuse(name, value, "a mapping of names to values")


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
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **dataclasses.asdict(card),
    }
    with atomic_path(folder / WEIGHTS_FILE) as part:
        part.write_bytes(weights)
    write_text(folder / CARD_FILE, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


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
    content = _read_json(folder / CARD_FILE)
    _check_format(folder / CARD_FILE, content)
    weights_sha256 = content.pop("weights_sha256", None)
    card = _card(folder / CARD_FILE, content)
    tensors = _read_tensors(folder / WEIGHTS_FILE, card.spec, weights_sha256)
    model = outline(card.spec).to_empty(device="cpu")  # no weights drawn only to be overwritten
    model.load_state_dict(tensors)
    return Run(model.eval(), card)


def _read_json(path: Path) -> dict[str, Any]:
    raw = _read_bytes(path, MAX_CARD_BYTES)
    try:
        content = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"{path}: not a JSON text ({error}); take the run folder from its source again"
        ) from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON knows")


def _check_format(path: Path, content: dict[str, Any]) -> None:
    found, version = content.pop("format", None), content.pop("format_version", None)
    if found != FORMAT:
        raise RunError(f"{path}: format {found!r}, expected {FORMAT!r}; is this the folder of an ecgkit run?")
    if version != FORMAT_VERSION:
        raise RunError(
            f"{path}: format version {version!r}, this ecgkit ({ecgkit.__version__}) reads {FORMAT_VERSION}; "
            "install the ecgkit that wrote it, or train again"
        )


def _card(path: Path, content: dict[str, Any]) -> RunCard:
    try:
        _check_fields(RunCard, content, "run")
        spec = content.pop("spec")
        _check_fields(ModelSpec, spec, "spec")
        return RunCard(spec=ModelSpec(**_with_tuples(spec)), **_with_tuples(content))
    except (ConfigError, RunError) as error:
        raise RunError(f"{path}: {error}") from error


def _check_fields(record: type[Any], content: object, what: str) -> None:
    expected = {field.name for field in dataclasses.fields(record)}
    if not isinstance(content, dict):
        raise RunError(f"{what}: expected an object, got {type(content).__name__}")
    if content.keys() != expected:
        missing, extra = sorted(expected - content.keys()), sorted(content.keys() - expected)
        raise RunError(f"{what}: fields missing: {missing}, not expected: {extra}")


def _with_tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _read_tensors(path: Path, spec: ModelSpec, sha256: object) -> dict[str, Tensor]:
    expected = _expected_tensors(path, spec)
    size = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    raw = _read_bytes(path, size + MAX_HEADER_BYTES)
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


def _read_bytes(path: Path, limit: int) -> bytes:
    """Read a whole file, but not more than `limit` bytes, whatever its size is said to be."""
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise RunError(
            f"{path}: can't be read ({error.strerror}); expected the folder of an ecgkit run"
        ) from error
    if len(raw) > limit:
        raise RunError(f"{path}: more than {limit} bytes, too large for what the run's network needs")
    return raw


def _check_names(field: str, names: object, n: int) -> None:
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        _refuse(field, names, "names in a list")
    if len(names) != n or len(set(names)) != n:
        _refuse(field, names, f"{n} different names, as the network has outputs or leads")


def _refuse(field: str, got: object, expected: str) -> NoReturn:
    text = repr(got)
    raise RunError(f"{field}: got {text[:80]}{'…' if len(text) > 80 else ''}, expected {expected}")
