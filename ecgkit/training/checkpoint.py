"""The state of a training after an epoch, in one file, so that it can go on as if nothing had happened.

Safetensors, with a JSON object in its metadata; nothing in it could run code. It may come from anywhere: all
of it is checked before it is used.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ecgkit.errors import CheckpointError, RunError
from ecgkit.files import atomic_path
from ecgkit.training.card import json_object
from ecgkit.training.epoch import Stepper

FORMAT = "ecgkit-checkpoint"
FORMAT_VERSION = 1
MAX_HEADER_BYTES = 10_000_000
OPTIMIZER_STATE = ("step", "exp_avg", "exp_avg_sq")  # of Adam, for each parameter


@dataclass(slots=True)
class Best:
    """The weights after the epoch that did best on the validation windows so far.

    Attributes
    ----------
    epoch
        0: none yet.
    score
        Mean accuracy over the tasks.
    """

    epoch: int = 0
    score: float = -math.inf
    weights: dict[str, Tensor] | None = None

    def hear(self, epoch: int, score: float, model: torch.nn.Module) -> None:
        """Keep a copy of the weights where no epoch before was as good."""
        if score > self.score:
            self.epoch, self.score = epoch, score
            self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@dataclass(slots=True)
class Keeper:
    """Keeps the state of a training in a file, at most every so many seconds; without a path, nowhere.

    Attributes
    ----------
    fingerprint
        Of what is trained on what, and how: only the same training may go on from it.
    n_epochs
        Of the whole training.
    """

    path: Path | None
    every_s: float
    fingerprint: str
    n_epochs: int
    _kept_at: float = field(default_factory=time.monotonic)

    def resume(self, stepper: Stepper) -> tuple[int, Best]:
        """Put a training back to where it was kept; return the epoch, 0 if none was, and the best one."""
        raw = b""
        if self.path is not None and stepper.engine.rank == 0 and self.path.exists():
            raw = _raw(self.path, stepper)
        raw = stepper.engine.from_first(raw)
        if not raw:
            return 0, Best()
        return read_checkpoint(
            raw, stepper, fingerprint=self.fingerprint, n_epochs=self.n_epochs, where=str(self.path)
        )

    def keep(self, stepper: Stepper, *, epoch: int, best: Best) -> None:
        """Write the state after an epoch, if it is time; the first process does."""
        if self.path is None or stepper.engine.rank or time.monotonic() - self._kept_at < self.every_s:
            return
        write_checkpoint(self.path, stepper, epoch=epoch, best=best, fingerprint=self.fingerprint)
        self._kept_at = time.monotonic()


def write_checkpoint(path: Path, stepper: Stepper, *, epoch: int, best: Best, fingerprint: str) -> None:
    """Write the state after an epoch, whole or not at all."""
    tensors = {
        **_named("model", stepper.model.state_dict()),
        **_named("balancer", stepper.balancer.state_dict()),
        **_optimizer_state(stepper),
        **_named("best", best.weights or {}),
        **_random_states(stepper),
    }
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fingerprint": fingerprint,
        "epoch": epoch,
        "best_epoch": best.epoch,
        "best_score": best.score if best.epoch else None,
    }
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    raw = safetensors.torch.save(on_cpu, metadata={"content": json.dumps(content)})
    with atomic_path(path) as part:
        part.write_bytes(raw)


def read_checkpoint(
    raw: bytes, stepper: Stepper, *, fingerprint: str, n_epochs: int, where: str
) -> tuple[int, Best]:
    """Put a training back into the state that a checkpoint holds; return its epoch, and the best one.

    Parameters
    ----------
    raw
        The whole file.
    stepper
        Of the same training, as it begins; it is changed.
    n_epochs
        Of the whole training: no checkpoint is of a later one.
    where
        What to call the file.

    Raises
    ------
    CheckpointError
        It is damaged, or of another training.
    """
    content = _content(where, raw)
    if content["fingerprint"] != fingerprint:
        raise CheckpointError(
            f"{where}: belongs to another training: other data, settings, versions, or a device of another "
            "kind; remove it to begin anew"
        )
    if content["epoch"] > n_epochs:
        raise _damaged(where, f"epoch {content['epoch']} of {n_epochs}")
    try:
        tensors = safetensors.torch.load(raw)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _damaged(where, f"not a safetensors file ({error})") from error
    best = Best(content["best_epoch"], content["best_score"] if content["best_epoch"] else -math.inf)
    _check(where, tensors, _expected(stepper, with_best=best.epoch > 0))
    stepper.model.load_state_dict(_of(tensors, "model"))
    stepper.balancer.load_state_dict(_of(tensors, "balancer"))
    _load_optimizer(stepper, tensors)
    if best.epoch:
        device = next(stepper.model.parameters()).device
        best.weights = {name: tensor.to(device) for name, tensor in _of(tensors, "best").items()}
    _set_random_states(where, tensors, stepper)
    return content["epoch"], best


def epoch_of(path: Path) -> int:
    """Return the epoch that a checkpoint was written after; only its header is read.

    Raises
    ------
    CheckpointError
        It can't be read, or the header is damaged.
    """
    _refuse_special(path)
    with path.open("rb") as file:
        head = file.read(8 + MAX_HEADER_BYTES)
    return int(_content(str(path), head)["epoch"])


def _raw(path: Path, stepper: Stepper) -> bytes:
    """Read a file, but not more of it than the training's state can take."""
    expected = _expected(stepper, with_best=True).values()
    limit = 8 + MAX_HEADER_BYTES + sum(tensor.numel() * tensor.element_size() for tensor in expected)
    _refuse_special(path)
    with path.open("rb") as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise _damaged(str(path), f"more than {limit} bytes")
    return raw


def _refuse_special(path: Path) -> None:
    if path.exists() and not path.is_file():  # to read a pipe is to wait for ever
        raise _damaged(str(path), "a folder, a device or a pipe")


def _content(where: str, head: bytes) -> dict[str, Any]:
    """Read what a checkpoint says of itself, from its first bytes."""
    size = int.from_bytes(head[:8], "little")
    if len(head) < 8 or size > min(MAX_HEADER_BYTES, len(head) - 8):
        raise _damaged(where, "cut off, or not a safetensors file")
    try:
        header = json_object(head[8 : 8 + size].decode("utf-8"), where=where)
        metadata = header.get("__metadata__")
        text = metadata.get("content") if isinstance(metadata, dict) else None
        content = json_object(text if isinstance(text, str) else "", where=where)
    except (RunError, UnicodeDecodeError) as error:
        raise _damaged(where, "its header can't be read") from error
    if (content.get("format"), content.get("format_version")) != (FORMAT, FORMAT_VERSION):
        raise _damaged(where, f"expected format {FORMAT} {FORMAT_VERSION}")
    wrong = _wrong_field(content)
    if wrong is not None:
        raise _damaged(where, f"field {wrong!r} is {content.get(wrong)!r:.40}")
    return content


def _wrong_field(content: Mapping[str, Any]) -> str | None:
    """Return a field that is not what it should be, None where all are right."""
    for name, kind in (("fingerprint", str), ("epoch", int), ("best_epoch", int)):
        if type(content.get(name)) is not kind:
            return name
    if content["epoch"] < 1:
        return "epoch"
    if not 0 <= content["best_epoch"] <= content["epoch"]:
        return "best_epoch"
    score: Any = content.get("best_score")
    if content["best_epoch"] and not (type(score) in (int, float) and 0 <= score <= 1):
        return "best_score"
    return None


def _expected(stepper: Stepper, *, with_best: bool) -> dict[str, Tensor]:
    """Return tensors of the names, shapes and types that a checkpoint of this training has."""
    model = stepper.model.state_dict()
    optimizer = {
        f"optimizer/{index}/{name}": torch.empty(()) if name == "step" else parameter
        for index, parameter in enumerate(_parameters(stepper))
        for name in OPTIMIZER_STATE
    }
    return {
        **_named("model", model),
        **_named("balancer", stepper.balancer.state_dict()),
        **optimizer,
        **_named("best", model if with_best else {}),
        **_random_states(stepper),
    }


def _optimizer_state(stepper: Stepper) -> dict[str, Tensor]:
    states = stepper.optimizer.state_dict()["state"]
    return {f"optimizer/{index}/{name}": states[index][name] for index in states for name in OPTIMIZER_STATE}


def _load_optimizer(stepper: Stepper, tensors: Mapping[str, Tensor]) -> None:
    state = {
        index: {name: tensors[f"optimizer/{index}/{name}"] for name in OPTIMIZER_STATE}
        for index, _ in enumerate(_parameters(stepper))
    }
    groups = stepper.optimizer.state_dict()["param_groups"]
    stepper.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _parameters(stepper: Stepper) -> list[torch.nn.Parameter]:
    return [parameter for group in stepper.optimizer.param_groups for parameter in group["params"]]


def _random_states(stepper: Stepper) -> dict[str, Tensor]:
    states = {"random/cpu": torch.get_rng_state()}
    device = next(stepper.model.parameters()).device
    if device.type == "cuda":
        states["random/cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_random_states(where: str, tensors: Mapping[str, Tensor], stepper: Stepper) -> None:
    try:
        torch.set_rng_state(tensors["random/cpu"])
        if "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], next(stepper.model.parameters()).device)
    except RuntimeError as error:
        raise _damaged(where, "the state of the random numbers is none") from error


def _named(group: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{group}/{name}": tensor for name, tensor in tensors.items()}


def _of(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{group}/"): tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{group}/")
    }


def _check(where: str, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for name in sorted(tensors.keys() | expected.keys()):
        got, wanted = (
            f"{group[name].dtype} {tuple(group[name].shape)}" if name in group else "none"
            for group in (tensors, expected)
        )
        if got != wanted:
            raise _damaged(where, f"tensor {name!r}: got {got}, expected {wanted}")
        if name.startswith(("model/", "best/")) and not bool(torch.isfinite(tensors[name]).all()):
            raise _damaged(where, f"tensor {name!r} holds NaN or infinity")
        # the mean of squares may have overflown
        if name.startswith("optimizer/") and bool(torch.isnan(tensors[name]).any()):
            raise _damaged(where, f"tensor {name!r} holds NaN")


def _damaged(where: str, what: str) -> CheckpointError:
    return CheckpointError(f"{where}: a damaged checkpoint: {what}; remove it to begin anew")
