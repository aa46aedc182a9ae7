"""Doing the fits of a grid that are not there yet, side by side, in any order of completion."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path

from ecgkit.errors import TrainingError
from ecgkit.progress import Progress
from ecgkit.report.sheet import shortened
from ecgkit.stages.fitting import FitTask
from ecgkit.stages.reproduce.cells import Cell, do_fit
from ecgkit.stages.workers import interrupts_held

BAR = "fits"
MOST_LETTERS = 12  # of a row, in a line of 80


def do_fits(
    dataset: Path,
    fits: Sequence[tuple[Cell, FitTask]],
    folder: Path,
    *,
    executor: Executor | None,
    progress: Progress,
) -> tuple[str, ...]:
    """Do fits and put each in place as it is done: what an interrupt leaves is gone on from.

    Parameters
    ----------
    folder
        That of all cells.
    executor
        Where they run; None for this process.
    progress
        Hears of every fit.

    Returns
    -------
    A sentence for each fit that failed (its loss is no number any more, say); the others are done.

    Raises
    ------
    DatasetError
        The data set was replaced meanwhile; fits that have not begun are called off.
    """
    folder.mkdir(parents=True, exist_ok=True)
    watch = _Watch(progress, len(fits))
    if executor is None:
        for cell, task in fits:
            try:
                do_fit(dataset, cell, task, folder)
            except TrainingError as error:
                watch.failed(cell, task, error)
            watch.ended(cell)
        return tuple(watch.failures)
    futures: dict[Future[None], tuple[Cell, FitTask]] = {}
    try:
        with interrupts_held():
            for cell, task in fits:
                futures[executor.submit(do_fit, dataset, cell, task, folder)] = (cell, task)
        pending = set(futures)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                try:
                    future.result()
                except TrainingError as error:
                    watch.failed(*futures[future], error)
                watch.ended(futures[future][0])
    finally:
        for future in futures:
            future.cancel()
    return tuple(watch.failures)


class _Watch:
    """Counts fits, tells how quickly they come, and keeps what failed."""

    def __init__(self, progress: Progress, n_fits: int) -> None:
        self._progress = progress
        self._start = time.monotonic()
        self._n_ended = 0
        self.failures: list[str] = []
        progress.start(BAR, n_fits)

    def failed(self, cell: Cell, task: FitTask, error: TrainingError) -> None:
        self.failures.append(f"{_name(cell, task)}: {error}")

    def ended(self, cell: Cell) -> None:
        self._n_ended += 1
        each_s = (time.monotonic() - self._start) / self._n_ended
        last = f"{shortened(cell.row, MOST_LETTERS)}, seed {cell.seed}"
        self._progress.advance(BAR, f"{each_s:.{0 if each_s >= 10 else 1}f} s each; {last}")


def _name(cell: Cell, task: FitTask) -> str:
    return f"{cell.row}, seed {cell.seed}, {task.scheme} {task.fold}"
