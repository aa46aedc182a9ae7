"""What a network is made of: its layers, their sizes, what they compute, and how far one step sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ecgkit.lookup import pick
from ecgkit.models.attention.se import SqueezeExcitation
from ecgkit.models.backbones import BACKBONES, TIMELESS
from ecgkit.models.dual_task import DualTaskNet, ModelSpec, check_size, last_shared_weight, outline

MAX_FIELD = 2**17


@dataclass(frozen=True, slots=True)
class Layer:
    """One part of a network.

    Attributes
    ----------
    name, kind
        Its path in the network, and its class.
    shape
        Of what it gives for one window.
    parameters, multiply_adds
        Its own and its parts'.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, slots=True)
class Description:
    """What a network is made of.

    Attributes
    ----------
    layers
        In their order; their parameters and multiply-adds sum to the network's.
    parameters
        Numbers that are trained.
    multiply_adds
        Of one window: one is a product that is added to a sum. Convolutions, linear layers, LSTM cells and
        products of matrices are counted; normalisation, activations, gates and means are not.
    channels, steps
        What the backbone gives.
    shared_weight
        Name of the weights that the losses are balanced at.
    receptive_field_samples
        How many samples of the window one step of the backbone depends on; None: all of them.
    """

    spec: ModelSpec
    layers: tuple[Layer, ...]
    parameters: int
    multiply_adds: int
    channels: int
    steps: int
    shared_weight: str
    receptive_field_samples: int | None


def describe(spec: ModelSpec, *, depth: int = 3) -> Description:
    """Describe the network of a specification; nothing is computed but shapes, and no weights are drawn.

    Parameters
    ----------
    depth
        How far layers are taken apart: 1 gives backbone, attention and heads, 3 the blocks, 9 all there is.

    Raises
    ------
    ConfigError
        A name is unknown, or the network would be too large.
    """
    model = outline(spec).eval()
    check_size(model)
    seen = _measure(model)
    shared = last_shared_weight(model)
    return Description(
        spec=spec,
        layers=tuple(_rows(seen, "", depth=depth)),
        parameters=_count(model),
        multiply_adds=seen[""].multiply_adds,
        channels=seen["backbone"].shape[0],
        steps=seen["backbone"].shape[1],
        shared_weight=next(name for name, each in model.named_parameters() if each is shared),
        receptive_field_samples=receptive_field(spec),
    )


def receptive_field(spec: ModelSpec) -> int | None:
    """Return how many samples one step of the backbone's output depends on; None: on the whole window.

    It is found by trying: what is not a number spoils every sum that it enters. Squeeze-and-excitation
    gates inside a backbone see the whole window, if only as a mean; they are left open here.
    """
    if spec.backbone in TIMELESS:
        return None
    n_samples = 2**10
    while n_samples <= MAX_FIELD:
        first, last = _seen_by_middle_step(replace(spec, n_leads=1, n_samples=n_samples))
        if first > 0 and last < n_samples - 1:
            return last - first + 1
        n_samples *= 2
    return None


@dataclass(slots=True)
class _Seen:
    """What was seen of a part while a window passed through the network."""

    module: nn.Module
    shape: tuple[int, ...] = ()
    multiply_adds: int = 0
    parts: list[str] = field(default_factory=list)


def _measure(model: DualTaskNet) -> dict[str, _Seen]:
    """Pass a window of nothing but its shape through a network on the meta device: name -> what was seen."""
    counter = FlopCounterMode(display=False)
    seen = {name: _Seen(module) for name, module in model.named_modules()}
    names = {module: name for name, module in model.named_modules()}

    def before(module: nn.Module, _: Any) -> None:
        seen[names[module]].multiply_adds -= counter.get_total_flops() // 2

    def after(module: nn.Module, _: Any, output: Tensor | tuple[Tensor, ...]) -> None:
        part = seen[names[module]]
        part.multiply_adds += counter.get_total_flops() // 2
        part.shape = tuple((output if isinstance(output, Tensor) else output[0]).shape[1:])

    handles = [
        handle
        for module in names
        for handle in (module.register_forward_pre_hook(before), module.register_forward_hook(after))
    ]
    spec = model.spec
    with counter, torch.no_grad():
        model(torch.empty(1, spec.n_leads, spec.n_samples, device="meta"))
    for handle in handles:
        handle.remove()
    _add_uncounted(seen, spec.n_samples)
    for name, part in seen.items():
        if name and part.shape:
            seen[name.rpartition(".")[0]].parts.append(name)
    return seen


def _add_uncounted(seen: dict[str, _Seen], n_samples: int) -> None:
    """Add what a backbone says of itself, because torch's counter can't see it."""
    own = getattr(seen["backbone"].module, "multiply_adds", None)
    if own is not None:
        for name in ("", "backbone"):
            seen[name].multiply_adds += own(n_samples)


def _rows(seen: dict[str, _Seen], name: str, *, depth: int) -> Iterator[Layer]:
    """Give a part's row, or those of its parts, and a row of its own for what is in none of them."""
    part = seen[name]
    if not part.parts or depth == 0:
        kind = type(part.module).__name__
        yield Layer(name, kind, part.shape, _count(part.module), part.multiply_adds)
        return
    for inner in part.parts:
        yield from _rows(seen, inner, depth=depth - 1)
    parameters = _count(part.module) - sum(_count(seen[inner].module) for inner in part.parts)
    multiply_adds = part.multiply_adds - sum(seen[inner].multiply_adds for inner in part.parts)
    if parameters or multiply_adds:
        yield Layer(name, type(part.module).__name__, part.shape, parameters, multiply_adds)


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _seen_by_middle_step(spec: ModelSpec) -> tuple[int, int]:
    """Return the first and the last sample that the middle step of the backbone's output depends on."""
    with torch.device("meta"):
        backbone: nn.Module = pick(BACKBONES, spec.backbone, what="backbone")(spec).eval().double()
    backbone.to_empty(device="cpu")
    for tensor in (*backbone.parameters(), *backbone.buffers()):
        torch.nn.init.ones_(tensor)
    for module in backbone.modules():
        if isinstance(module, SqueezeExcitation):
            module.register_forward_hook(lambda _module, inputs, _output: inputs[0])

    def is_spoiled(start: int, stop: int) -> bool:
        x = torch.zeros(1, spec.n_leads, spec.n_samples, dtype=torch.float64)
        x[..., start:stop] = torch.nan
        with torch.inference_mode():
            output = backbone(x)  # (1, C, steps)
        return bool(output[..., output.shape[2] // 2].isnan().any())

    last = _bisect(lambda start: is_spoiled(start, spec.n_samples), spec.n_samples)
    first = spec.n_samples - 1 - _bisect(lambda n: is_spoiled(0, spec.n_samples - n), spec.n_samples)
    return first, last


def _bisect(holds: Callable[[int], bool], stop: int) -> int:
    """Return the last number below `stop` for which something holds that holds for all before it."""
    low, high = 0, stop  # it holds for low, not for high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
