"""The rows of the paper's tables and figures, and the trainings that each takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecgkit.errors import ConfigError
from ecgkit.lookup import unknown

Changes = Mapping[str, Any]  # settings of a training that differ from the built-in ones


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes
    ----------
    name
        As the table has it.
    trainings
        The trainings that the row takes, each by what differs from the built-in settings: one; or one a
        task, where each task has a network of its own.
    """

    name: str
    trainings: tuple[Changes, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table or figure of the paper.

    Attributes
    ----------
    title
        What it compares.
    rows
        Its rows, the reference first.
    """

    name: str
    title: str
    rows: tuple[Row, ...]


def _net(name: str, backbone: str, attention: str = "none", **changes: Any) -> Row:
    return Row(name, ({"backbone": backbone, "attention": attention, **changes},))


def _balanced(name: str, balancing: str, **changes: Any) -> Row:
    return Row(name, ({"balancing": balancing, **changes},))


CONVOLUTIONAL = {
    "1D-CNN": "cnn",
    "1D-EfficientNet": "efficientnet",
    "1D-MobileNet": "mobilenet",
    "1D-DenseNet": "densenet",
    "1D-ResNet": "resnet",
}
ATTENTIONS = {"none": "none", "SE": "se", "MHA": "mha", "CBAM": "cbam", "SCA": "sca"}
DT4ECG = _net("DT4ECG (1D-ResNet + SCA, GradNorm)", "resnet", "sca")

GRIDS = {
    grid.name: grid
    for grid in (
        Grid(
            "table1",
            "Table I: networks",
            (
                DT4ECG,
                _net("LSTM", "lstm"),
                _net("MLP", "mlp"),
                *(_net(name, backbone) for name, backbone in CONVOLUTIONAL.items()),
            ),
        ),
        Grid(
            "table3",
            "Table III: backbones with each attention module",
            (
                _net("1D-ResNet + SCA", "resnet", "sca"),
                *(
                    _net(f"{name} + {title}" if attention != "none" else name, backbone, attention)
                    for name, backbone in CONVOLUTIONAL.items()
                    for title, attention in ATTENTIONS.items()
                    if (backbone, attention) != ("resnet", "sca")
                ),
            ),
        ),
        Grid(
            "table4",
            "Table IV: GradNorm on and off, 20 epochs",
            (
                _balanced("GradNorm on", "gradnorm", epochs=20),
                _balanced("GradNorm off", "equal", epochs=20),
            ),
        ),
        Grid(
            "figures6-7",
            "Figures 6 and 7: training accuracy with GradNorm on and off",
            (
                _balanced("GradNorm on, 50 epochs", "gradnorm"),
                _balanced("GradNorm off, 50 epochs", "equal"),
                _balanced("GradNorm on, 20 epochs", "gradnorm", epochs=20),
                _balanced("GradNorm off, 20 epochs", "equal", epochs=20),
            ),
        ),
        Grid(
            "balancing",
            "Ways to balance the two losses",
            (
                _balanced("GradNorm (Chen et al.)", "gradnorm"),
                _balanced("equal weights", "equal"),
                _balanced("fixed weights", "fixed"),
                _balanced("uncertainty", "uncertainty"),
                _balanced("DWA", "dwa"),
                _balanced("PCGrad", "pcgrad"),
                _balanced("Algorithm 1 as printed", "dt4ecg-literal"),
                _balanced("Algorithm 1, renormalised", "dt4ecg-renormalised"),
                _balanced("Algorithm 1, stateless", "dt4ecg-stateless"),
                Row(
                    "single-task",
                    (
                        {"balancing": "single-task", "task": "subject"},
                        {"balancing": "single-task", "task": "condition"},
                    ),
                ),
            ),
        ),
    )
}


def find_grid(name: str) -> Grid:
    """Return a grid by name.

    Raises
    ------
    ConfigError
        There is none of this name; the message lists those that are.
    """
    if name not in GRIDS:
        raise ConfigError(unknown("table", name, GRIDS))
    return GRIDS[name]
