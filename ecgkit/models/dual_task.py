"""DT4ECG: one network that tells who it is and in which condition (Gu et al. 2025, arXiv 2502.11023)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecgkit.errors import ConfigError
from ecgkit.lookup import pick
from ecgkit.models.attention import ATTENTIONS
from ecgkit.models.backbones import BACKBONES

MAX_PARAMETERS = 200_000_000
_LIMITS = {
    "n_leads": (1, 1024),
    "n_samples": (8, 1_000_000),
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
        Classes of the two heads.
    stem_channels, stem_kernel, stem_stride
        The first convolution.
    widths, strides
        Of the blocks, one number each.
    kernel
        Kernel length inside the blocks, odd.

    Raises
    ------
    ConfigError
        A name is unknown or a number out of bounds.
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
            _check(name, getattr(self, name), low, high)
        self._check_blocks()
        for name in ("stem_kernel", "kernel"):
            if getattr(self, name) % 2 == 0:
                raise ConfigError(f"model: {name} {getattr(self, name)}: expected an odd number")

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
    """Backbone, attention, mean over time, and two linear heads that return logits.

    The paper puts a softmax on each head; its cross-entropy would apply it twice, so the heads give
    logits, and probabilities are taken where they are wanted.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        channels, n_steps = _feature_shape(spec)
        self.spec = spec
        self.backbone = pick(BACKBONES, spec.backbone, what="backbone")(spec)
        self.attention = pick(ATTENTIONS, spec.attention, what="attention")(channels, n_steps)
        self.subject_head = nn.Linear(channels, spec.n_subjects)
        self.condition_head = nn.Linear(channels, spec.n_conditions)

    def encode(self, x: Tensor) -> Tensor:
        """Return the features that both heads share.

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

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of both tasks.

        B windows in the batch, L leads, T samples; C channels and T' steps after the backbone
        (128 and 38 for the default network and T = 300); S subjects, K conditions.

        Parameters
        ----------
        x
            (B, L, T)

        Returns
        -------
        (B, S) and (B, K)
        """
        features = self.encode(x)  # (B, C)
        subject: Tensor = self.subject_head(features)  # (B, S)
        condition: Tensor = self.condition_head(features)  # (B, K)
        return subject, condition


def build_model(spec: ModelSpec) -> DualTaskNet:
    """Build the network of a specification, its weights drawn from torch's global generator.

    Raises
    ------
    ConfigError
        A name is unknown, or the network would have more than `MAX_PARAMETERS` parameters.
    """
    n_parameters = sum(weight.numel() for weight in outline(spec).parameters())
    if n_parameters > MAX_PARAMETERS:
        raise ConfigError(
            f"model: {n_parameters} parameters for windows of {spec.n_samples} samples, at most "
            f"{MAX_PARAMETERS}; take shorter windows, a lower rate, or attention 'none'"
        )
    return DualTaskNet(spec)


def outline(spec: ModelSpec) -> DualTaskNet:
    """Build the network without memory for its weights: names, shapes and types only."""
    with torch.device("meta"):
        return DualTaskNet(spec)


def last_shared_weight(model: DualTaskNet) -> nn.Parameter:
    """Return W of GradNorm: the last convolution of the backbone, whatever the attention after it."""
    weight = model.backbone.last_weight
    if not isinstance(weight, nn.Parameter):
        raise TypeError(f"backbone {model.spec.backbone!r}: last_weight is a {type(weight).__name__}")
    return weight


def _feature_shape(spec: ModelSpec) -> tuple[int, int]:
    """Return channels and steps after the backbone, found by running it on shapes alone."""
    with torch.device("meta"), torch.no_grad():
        backbone = pick(BACKBONES, spec.backbone, what="backbone")(spec).eval()
        _, channels, n_steps = backbone(torch.empty(1, spec.n_leads, spec.n_samples)).shape
    return channels, n_steps


def _check(name: str, value: object, low: int, high: int) -> None:
    # bool is an int to Python
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(f"model: {name} {value!r}: expected a whole number from {low} to {high}")
