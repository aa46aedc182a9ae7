"""DT4ECG: one network that tells who it is and in which condition (Gu et al. 2025, arXiv 2502.11023).

The same with one head is the single-task network that it is compared with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecgkit.errors import ConfigError
from ecgkit.lookup import pick
from ecgkit.models.attention import ATTENTIONS
from ecgkit.models.backbones import BACKBONES
from ecgkit.models.spec import MAX_PARAMETERS, TASKS, ModelSpec

__all__ = [
    "MAX_PARAMETERS",
    "TASKS",
    "DualTaskNet",
    "ModelSpec",
    "build_model",
    "check_size",
    "last_shared_weight",
    "outline",
    "trunk_weights",
]


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
