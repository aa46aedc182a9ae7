"""Doing the fits of a grid that are not there yet, side by side, in any order of completion."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ecgkit.errors import TrainingError
from ecgkit.progress import Progress
from ecgkit.report.sheet import shortened
from ecgkit.stages.fitting import FitTask
from ecgkit.stages.reproduce.cells import Cell
from ecgkit.stages.reproduce.one_fit import do_fit, remove_stale
from ecgkit.stages.workers import interrupts_held

Fit = tuple[Cell, FitTask]
Fits = Sequence[Fit]

BAR = "fits"
MOST_LETTERS = 12  # of a row, in a line of 80


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of fits that were to do.

    Attributes
    ----------
    failures
        A sentence for each fit that failed (its loss is no number any more, say).
    n_under_way
        Fits that another process has under way.
    """

    failures: tuple[str, ...] = ()
    n_under_way: int = 0


def do_fits(
    dataset: Path, fits: Fits, folder: Path, *, executor: Executor | None, progress: Progress
) -> Outcome:
    """Do fits and put each in place as it is done: what an interrupt leaves is gone on from.

    What another process has under way is left to it, and looked at again when the others are done: it may
    have ended in between. A fit that fails does not keep the others.

    Parameters
    ----------
    folder
        That of all cells.
    executor
        Where they run; None for this process.
    progress
        Hears of every fit.

    Raises
    ------
    DatasetError
        The data set was replaced meanwhile; fits that have not begun are called off.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_stale(folder)
    watch = _Watch(progress, len(fits))
    call = partial(_one_by_one if executor is None else partial(_side_by_side, executor), watch=watch)
    under_way = call(dataset, call(dataset, fits, folder), folder)
    for cell, _ in under_way:
        watch.ended(cell)
    return Outcome(tuple(watch.failures), len(under_way))


def _one_by_one(dataset: Path, fits: Fits, folder: Path, *, watch: _Watch) -> Fits:
    """Do fits in this process; return those that another has under way."""
    return [fit for fit in fits if not watch.take(fit, partial(do_fit, dataset, *fit, folder))]


def _side_by_side(executor: Executor, dataset: Path, fits: Fits, folder: Path, *, watch: _Watch) -> Fits:
    """Do fits on an executor; return those that another process has under way."""
    futures: dict[Future[bool], Fit] = {}
    under_way = []
    try:
        with interrupts_held():
            for fit in fits:
                futures[executor.submit(do_fit, dataset, *fit, folder)] = fit
        pending = set(futures)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            under_way += [futures[one] for one in done if not watch.take(futures[one], one.result)]
    finally:
        for future in futures:
            future.cancel()
    return under_way


class _Watch:
    """Counts fits, tells how quickly they come, and keeps what failed."""

    def __init__(self, progress: Progress, n_fits: int) -> None:
        self._progress = progress
        self._start = time.monotonic()
        self._n_ended = 0
        self.failures: list[str] = []
        progress.start(BAR, n_fits)

    def take(self, fit: Fit, result: Callable[[], bool]) -> bool:
        """Take what became of a fit; False if another process has it under way."""
        cell, task = fit
        try:
            if not result():
                return False
        except TrainingError as error:
            self.failures.append(f"{_name(cell, task)}: {error}")
        self.ended(cell)
        return True

    def ended(self, cell: Cell) -> None:
        self._n_ended += 1
        each_s = (time.monotonic() - self._start) / self._n_ended
        last = f"{shortened(cell.row, MOST_LETTERS)}, seed {cell.seed}"
        self._progress.advance(BAR, f"{each_s:.{0 if each_s >= 10 else 1}f} s each; {last}")


def _name(cell: Cell, task: FitTask) -> str:
    return f"{cell.row}, seed {cell.seed}, {task.scheme} {task.fold}"
