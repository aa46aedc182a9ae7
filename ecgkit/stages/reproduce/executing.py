"""Doing the fits of a grid that are not there yet, side by side, in any order of completion."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path

from ecgkit.progress import Progress
from ecgkit.stages.fitting import FitTask
from ecgkit.stages.reproduce.cells import Cell, do_fit
from ecgkit.stages.workers import interrupts_held

BAR = "fits"


def do_fits(
    dataset: Path,
    fits: Sequence[tuple[Cell, FitTask]],
    folder: Path,
    *,
    executor: Executor | None,
    progress: Progress,
) -> None:
    """Do fits and put each in place as it is done: what an interrupt leaves is gone on from.

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
    TrainingError, DatasetError
        A fit failed; those that have not begun are called off.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress.start(BAR, len(fits))
    if executor is None:
        for cell, task in fits:
            do_fit(dataset, cell, task, folder)
            progress.advance(BAR, _note(cell, task))
        return
    futures: dict[Future[None], str] = {}
    try:
        with interrupts_held():
            for cell, task in fits:
                futures[executor.submit(do_fit, dataset, cell, task, folder)] = _note(cell, task)
        pending = set(futures)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                progress.advance(BAR, futures[future])
    finally:
        for future in futures:
            future.cancel()


def _note(cell: Cell, task: FitTask) -> str:
    return f"{cell.row}, seed {cell.seed}, {task.scheme} {task.fold}"
