"""The rows of the paper's tables and figures, and the trainings that each takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    cross
        Where a table is one of backbones and attention modules: backbone -> names of its rows, one an
        attention in the order of `ATTENTIONS`.
    curves
        Whether the course of the trainings is what it shows.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    cross: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    curves: bool = False


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
PAPER_EPOCHS = 50
OWN = "SCA"  # the paper's attention module
CROSS = {
    name: tuple(name if title == "none" else f"{name} + {title}" for title in ATTENTIONS)
    for name in CONVOLUTIONAL
}
ALL = "all"
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
                    _net(title, backbone, attention)
                    for name, backbone in CONVOLUTIONAL.items()
                    for title, attention in zip(CROSS[name], ATTENTIONS.values(), strict=True)
                    if (backbone, attention) != ("resnet", "sca")
                ),
            ),
            cross=CROSS,
        ),
        Grid(
            "table4",
            "Table IV: GradNorm on and off",
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
            curves=True,
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
        raise ConfigError(unknown("table", name, [*GRIDS, ALL]))
    return GRIDS[name]


def at_epochs(grid: Grid, epochs: int) -> Grid:
    """Return a grid for another number of epochs than the paper's 50.

    Rows that have a number of their own (20) keep it, unless it is larger. Rows that are the same then are
    there once.
    """
    rows: dict[str, Row] = {}
    for row in grid.rows:
        own = [training.get("epochs", PAPER_EPOCHS) for training in row.trainings]
        new = [min(epochs, one) if one != PAPER_EPOCHS else epochs for one in own]
        name = row.name.replace(f"{own[0]} epochs", f"{new[0]} epochs")
        trainings = zip(row.trainings, new, strict=True)
        rows[name] = Row(name, tuple({**training, "epochs": n} for training, n in trainings))
    return replace(grid, rows=tuple(rows.values()))
