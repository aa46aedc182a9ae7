"""What a training is driven by and watched with; windows whose label is not known don't count."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 (the name everyone knows it by)
from torch import Tensor

from ecgkit.training.balancing import Mean, alone
from ecgkit.training.supply import UNKNOWN


def known_cross_entropy(
    logits: Tensor, labels: Tensor, class_weights: Tensor | None = None, *, mean: Mean = alone
) -> Tensor:
    """Return the mean cross-entropy over the windows whose label is known, 0 where none is.

    Parameters
    ----------
    logits
        (B, classes)
    labels
        (B,), -1 where not known.
    class_weights
        (classes,): the mean is weighted by the weight of each window's class.
    mean
        Over all processes that share a batch: the mean of their losses is then the loss of the whole batch.
    """
    total = F.cross_entropy(logits, labels, weight=class_weights, ignore_index=UNKNOWN, reduction="sum")
    known = labels != UNKNOWN
    counted = known if class_weights is None else torch.where(known, class_weights[labels.clamp_min(0)], 0.0)
    n = mean(counted.sum().to(total.dtype))
    return total / torch.where(n > 0, n, 1.0)


def balanced_class_weights(labels: Tensor, n_classes: int) -> Tensor:
    """Return weights, (classes,), by which all classes that occur count alike, and a window 1 in the mean.

    n / (classes that occur * n of the class); 0 for a class without windows.

    Parameters
    ----------
    labels
        (N,), of the training windows, -1 where not known.
    """
    counts = torch.bincount(labels[labels != UNKNOWN], minlength=n_classes)
    weights = counts.sum() / ((counts > 0).sum() * counts.clamp_min(1))
    return torch.where(counts > 0, weights, 0.0)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the share of known labels that the largest logit meets; NaN where none is known.

    Parameters
    ----------
    logits
        (N, classes)
    labels
        (N,), -1 where not known.
    """
    n_known = int((labels != UNKNOWN).sum())
    return int((logits.argmax(dim=1) == labels).sum()) / n_known if n_known else math.nan
