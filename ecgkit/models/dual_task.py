"""DT4ECG: one network that tells who it is and in which condition (Gu et al. 2025, arXiv 2502.11023).

The same with one head is the single-task network that it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecgkit.errors import ConfigError
from ecgkit.lookup import pick
from ecgkit.models.attention import ATTENTIONS
from ecgkit.models.backbones import BACKBONES, MIN_SAMPLES, takes

TASKS = ("subject", "condition")
MAX_PARAMETERS = 200_000_000
_LIMITS = {
    "n_leads": (1, 1024),
    "n_samples": (MIN_SAMPLES, 1_000_000),
    "n_subjects": (2, 100_000),
    "n_conditions": (2, 10_000),
    "stem_channels": (1, 4096),
    "stem_kernel": (1, 1023),
    "stem_stride": (1, 64),
    "kernel": (1, 1023),
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What must be known to build a network. The paper gives no widths; the defaults are ours.

    Attributes
    ----------
    backbone, attention
        Names in `BACKBONES` and `ATTENTIONS`.
    n_leads, n_samples
        Shape of one window.
    n_subjects, n_conditions
        Classes of the two heads; 0: the network has no such head, and one task.
    stem_channels, stem_kernel, stem_stride
        The first convolution.
    widths, strides
        Of the blocks or stages of blocks, one number each; every backbone says what it makes of them.
    kernel
        Kernel length inside the blocks, odd.

    Raises
    ------
    ConfigError
        A number is out of bounds, no head is left, or the backbone does not go with the attention.
    """

    backbone: str
    attention: str
    n_leads: int
    n_samples: int
    n_subjects: int
    n_conditions: int
    stem_channels: int = 32
    stem_kernel: int = 7
    stem_stride: int = 2
    widths: tuple[int, ...] = (32, 64, 128)
    strides: tuple[int, ...] = (1, 2, 2)
    kernel: int = 3

    def __post_init__(self) -> None:
        for name in ("backbone", "attention"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"model: {name} {getattr(self, name)!r}: expected a name")
        for name, (low, high) in _LIMITS.items():
            _check(name, getattr(self, name), low, high, or_zero=name in ("n_subjects", "n_conditions"))
        if not self.tasks:
            raise ConfigError("model: n_subjects 0 and n_conditions 0: expected classes of at least one task")
        if not takes(self.backbone, self.attention):
            raise ConfigError(
                f"model: backbone {self.backbone!r} leaves one step and attention {self.attention!r} nothing "
                "to weigh; take attention 'none' (--attention none)"
            )
        self._check_blocks()
        for name in ("stem_kernel", "kernel"):
            if getattr(self, name) % 2 == 0:
                raise ConfigError(f"model: {name} {getattr(self, name)}: expected an odd number")

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that there is a head for, in the order of `TASKS`."""
        classes = (self.n_subjects, self.n_conditions)
        return tuple(task for task, n in zip(TASKS, classes, strict=True) if n)

    def _check_blocks(self) -> None:
        for name, high in (("widths", 4096), ("strides", 64)):
            numbers = getattr(self, name)
            if not isinstance(numbers, tuple) or not 1 <= len(numbers) <= 64:
                raise ConfigError(f"model: {name} {numbers!r}: expected 1 to 64 numbers, one a block")
            for number in numbers:
                _check(name, number, 1, high)
        if len(self.widths) != len(self.strides):
            raise ConfigError(f"model: widths {self.widths}, strides {self.strides}: expected equally many")


class DualTaskNet(nn.Module):
    """Backbone, attention, mean over time, and two linear heads, or one, that return logits.

    The paper puts a softmax on each head; its cross-entropy would apply it twice, so the heads give
    logits, and probabilities are taken where they are wanted. The losses are balanced at the backbone's
    `last_weight`, before the attention: the same weights whatever the attention is.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        channels, n_steps = _feature_shape(spec)
        self.spec = spec
        self.backbone = pick(BACKBONES, spec.backbone, what="backbone")(spec)
        self.attention = pick(ATTENTIONS, spec.attention, what="attention")(channels, n_steps)
        self.subject_head = nn.Linear(channels, spec.n_subjects) if spec.n_subjects else None
        self.condition_head = nn.Linear(channels, spec.n_conditions) if spec.n_conditions else None

    def encode(self, x: Tensor) -> Tensor:
        """Return the features that the heads share.

        Parameters
        ----------
        x
            (B, lead, T): batch, leads, samples.

        Returns
        -------
        (B, C)
        """
        x = self.backbone(x)  # (B, C, T')
        x = self.attention(x)
        return x.mean(dim=2)  # (B, C)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of each task in `spec.tasks`.

        B windows in the batch, L leads, T samples; C channels and T' steps after the backbone
        (128 and 38 for the default network and T = 300); S subjects, K conditions.

        Parameters
        ----------
        x
            (B, L, T)

        Returns
        -------
        (B, S) and (B, K); only one of them from a network of one task.
        """
        features = self.encode(x)  # (B, C)
        heads = (self.subject_head, self.condition_head)
        return tuple(head(features) for head in heads if head is not None)  # (B, S), (B, K)


def build_model(spec: ModelSpec) -> DualTaskNet:
    """Build the network of a specification, its weights drawn from torch's global generator.

    Raises
    ------
    ConfigError
        A name is unknown, or the network would have more than `MAX_PARAMETERS` parameters.
    """
    check_size(outline(spec))
    return DualTaskNet(spec)


def check_size(model: DualTaskNet) -> None:
    """Refuse a network of more than `MAX_PARAMETERS` parameters.

    Raises
    ------
    ConfigError
        It has more.
    """
    n_parameters = sum(weight.numel() for weight in model.parameters())
    if n_parameters > MAX_PARAMETERS:
        raise ConfigError(
            f"model: {n_parameters} parameters for windows of {model.spec.n_samples} samples, at most "
            f"{MAX_PARAMETERS}; take shorter windows, a lower rate, or attention 'none'"
        )


def outline(spec: ModelSpec) -> DualTaskNet:
    """Build the network without memory for its weights: names, shapes and types only."""
    with torch.device("meta"):
        return DualTaskNet(spec)


def last_shared_weight(model: DualTaskNet) -> nn.Parameter:
    """Return W of GradNorm: the last weights of the backbone, whatever the attention after it."""
    weight = model.backbone.last_weight
    if not isinstance(weight, nn.Parameter):
        raise TypeError(f"backbone {model.spec.backbone!r}: last_weight is a {type(weight).__name__}")
    return weight


def trunk_weights(model: DualTaskNet) -> tuple[nn.Parameter, ...]:
    """Return all weights that both tasks share: every one but the heads'."""
    return (*model.backbone.parameters(), *model.attention.parameters())


def _feature_shape(spec: ModelSpec) -> tuple[int, int]:
    """Return channels and steps after the backbone, found by running it on shapes alone."""
    with torch.device("meta"), torch.no_grad():
        backbone = pick(BACKBONES, spec.backbone, what="backbone")(spec).eval()
        _, channels, n_steps = backbone(torch.empty(1, spec.n_leads, spec.n_samples)).shape
    return channels, n_steps


def _check(name: str, value: object, low: int, high: int, *, or_zero: bool = False) -> None:
    # bool is an int to Python
    if type(value) is not int or not (low <= value <= high or (or_zero and value == 0)):
        also = ", or 0 for no such head" if or_zero else ""
        raise ConfigError(f"model: {name} {value!r}: expected a whole number from {low} to {high}{also}")
