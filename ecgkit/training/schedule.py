"""The course of the learning rate over a training: factors on it, step by step."""

from __future__ import annotations

import math

SCHEDULES = {
    "constant": "ecgkit.training.schedule:constant",
    "cosine": "ecgkit.training.schedule:cosine",
    "warmup-cosine": "ecgkit.training.schedule:warmup_cosine",
    "step": "ecgkit.training.schedule:step",
}
WARM_UP = 0.05  # share of the steps
DROPS = (0.6, 0.85)  # shares of the steps after which the rate falls to a tenth


def constant(at: int, n_steps: int) -> float:  # noqa: ARG001
    """Return 1."""
    return 1.0


def cosine(at: int, n_steps: int) -> float:
    """Return half a wave of the cosine, from 1 to nearly 0.

    Loshchilov and Hutter 2017 (arXiv 1608.03983), equation 5, without restarts.

    Parameters
    ----------
    at
        The step, from 0.
    n_steps
        All steps of the training.
    """
    return (1 + math.cos(math.pi * at / n_steps)) / 2


def warmup_cosine(at: int, n_steps: int) -> float:
    """Rise in a line over the first 5 % of the steps, then fall as `cosine` does."""
    n_rising = round(WARM_UP * n_steps)
    if at < n_rising:
        return (at + 1) / n_rising
    return cosine(at - n_rising, n_steps - n_rising)


def step(at: int, n_steps: int) -> float:
    """Return 1, then 0.1 after 60 % of the steps, then 0.01 after 85 %."""
    return float(0.1 ** sum(at >= share * n_steps for share in DROPS))
