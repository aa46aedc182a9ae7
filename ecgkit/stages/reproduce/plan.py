"""Which cells and fits a reproduction takes, and which of them are there."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgkit.config import TrainConfig
from ecgkit.dataset.read import Dataset, open_dataset
from ecgkit.errors import ConfigError, DatasetError
from ecgkit.lookup import unknown
from ecgkit.splits import HONEST, SCHEMES, find_scheme
from ecgkit.stages.fitting import FitTask
from ecgkit.stages.planning import check_classes
from ecgkit.stages.reproduce.cells import Cell, fits_to_do, is_done, make_cells
from ecgkit.stages.reproduce.grids import ALL, GRIDS, PAPER_EPOCHS, Grid, at_epochs, find_grid
from ecgkit.stages.reproduce.one_fit import read_about
from ecgkit.stages.workers import default_jobs

HONEST_SPLIT = "honest"
MOST_SEEDS = 1000
CELLS = "cells"


@dataclass(frozen=True, slots=True)
class ReproduceOptions:
    """What is to be reproduced, and how.

    Attributes
    ----------
    table
        Name of a grid, or "all".
    splits
        Names of schemes; "honest" for each task's own.
    seeds
        How many, from 0.
    epochs
        Instead of the paper's 50; rows of 20 keep 20 unless this is less.
    out
        Folder for the results and the cells; None for ``reproduce`` beside the data set.
    jobs
        Fits side by side; None for as many as there are CPUs.
    cluster
        Address of a dask scheduler instead.
    results_only
        Train nothing: make the tables of what is there.
    """

    dataset: Path
    table: str
    splits: tuple[str, ...] = ("paper",)
    seeds: int = 5
    epochs: int | None = None
    device: str | None = None
    out: Path | None = None
    jobs: int | None = None
    cluster: str | None = None
    results_only: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A grid under one `--split`: its schemes, and its cells for all rows and seeds."""

    grid: Grid
    split: str
    schemes: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a reproduction takes.

    Attributes
    ----------
    folder
        For the results.
    to_do
        The fits that are not there, each once, seed by seed.
    n_fits
        Those that are there and those that are not.
    fit_s
        What a fit that is there took, seconds, the median; None if none is there.
    """

    options: ReproduceOptions
    data: Dataset
    folder: Path
    parts: tuple[Part, ...]
    to_do: tuple[tuple[Cell, FitTask], ...]
    n_fits: int
    fit_s: float | None

    @property
    def cells(self) -> Path:
        """The folder of all cells."""
        return self.folder / CELLS

    def left(self) -> int:
        """Return how many fits are not there now."""
        return sum(not is_done(cell, task, self.cells) for cell, task in self.to_do)

    def hours(self) -> float | None:
        """Return about how long the rest will take, from what is there; None where it can't be told."""
        if self.fit_s is None or self.options.cluster is not None:
            return None
        return len(self.to_do) * self.fit_s / (self.options.jobs or default_jobs()) / 3600


def make_plan(options: ReproduceOptions) -> Plan:
    """Say which fits a reproduction takes.

    Raises
    ------
    ConfigError
        A name is unknown, or a number out of range.
    DatasetError
        The data set does not allow a scheme, or there is nothing in it to tell apart.
    """
    grids = _grids(options)
    if not 1 <= options.seeds <= MOST_SEEDS:
        raise ConfigError(f"--seeds {options.seeds}: expected 1 to {MOST_SEEDS}")
    data = open_dataset(options.dataset)
    check_classes(data)
    _check_device(options)
    changes = {} if options.device is None else {"device": options.device}
    parts = tuple(
        Part(grid, split, schemes, _cells(data, grid, schemes, options.seeds, changes))
        for grid in grids
        for split in dict.fromkeys(options.splits)
        for schemes in [schemes_of(data, split)]
    )
    folder = options.out or options.dataset.parent / "reproduce"
    in_order = sorted((cell for part in parts for cell in part.cells), key=lambda cell: cell.seed)
    every = {task.folder(cell.folder(folder / CELLS)) for cell in in_order for task in cell.tasks}
    to_do = fits_to_do(in_order, folder / CELLS)
    return Plan(
        options=options,
        data=data,
        folder=folder,
        parts=parts,
        to_do=tuple(to_do),
        n_fits=len(every),
        fit_s=_median_s(every),
    )


def schemes_of(data: Dataset, split: str) -> tuple[str, ...]:
    """Return the schemes that a `--split` means: "honest" is every one of these that the data set allows.

    Raises
    ------
    ConfigError
        The name is unknown, or that of a scheme that no table can be made under.
    DatasetError
        The data set holds no honest scheme.
    """
    if split == HONEST_SPLIT:
        found = tuple(name for name in HONEST if name in data.schemes)
        if not found:
            raise DatasetError(
                f"{data.path}: the data set holds no honest scheme ({', '.join(HONEST)}); build it from a "
                "study of several subjects and conditions: ecgkit build-dataset"
            )
        return found
    if split not in SCHEMES:
        raise ConfigError(unknown("split", split, [HONEST_SPLIT, *SCHEMES]))
    if find_scheme(split).open_set:
        raise ConfigError(f"--split {split}: ecgkit reproduce does not score unknown people")
    data.split(split)  # says so where it is not in the file
    return (split,)


def _grids(options: ReproduceOptions) -> list[Grid]:
    names = list(GRIDS) if options.table == ALL else [options.table]
    grids = [find_grid(name) for name in names]
    if options.epochs is None or options.epochs == PAPER_EPOCHS:
        return grids
    return [at_epochs(grid, options.epochs) for grid in grids]


def _check_device(options: ReproduceOptions) -> None:
    """Refuse a device that is not here before anything begins; a cluster's is its own."""
    from ecgkit.training.device import resolve_device

    if options.cluster is None and not options.results_only:
        resolve_device(options.device or TrainConfig().device)


def _cells(
    data: Dataset, grid: Grid, schemes: Sequence[str], seeds: int, changes: dict[str, str]
) -> tuple[Cell, ...]:
    return tuple(
        cell
        for seed in range(seeds)
        for row in grid.rows
        for scheme in schemes
        for cell in make_cells(data, row, scheme=scheme, seed=seed, changes=changes)
    )


def _median_s(fits: set[Path]) -> float | None:
    """Return what a fit that is there took; a file that can't be read is left to whoever reads it whole."""
    seconds = []
    for fit in fits:
        with contextlib.suppress(OSError, ValueError):
            seconds.append(read_about(fit).seconds)
    return statistics.median(seconds) if seconds else None
