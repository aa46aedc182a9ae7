"""Running fits side by side and following them by their history files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, wait
from pathlib import Path
from typing import TYPE_CHECKING

from ecgkit.progress import Progress
from ecgkit.stages.fitting import EVERYTHING, HISTORY_FILE, FitTask, go_on_from, run_fit, take_part
from ecgkit.stages.workers import interrupts_held

if TYPE_CHECKING:
    from ecgkit.config import TrainConfig
    from ecgkit.training.engine import Engine
    from ecgkit.training.tensorboard import EventWriter

POLL_S = 0.3
BARS = {EVERYTHING: "final weights"}


class Follower:
    """Tells a progress listener, and TensorBoard, of each new line in the history files of some fits."""

    def __init__(
        self,
        tasks: Sequence[FitTask],
        fits: Path,
        *,
        epochs: int,
        progress: Progress,
        events: EventWriter | None = None,
    ) -> None:
        self._events = events
        self._files = {task: task.folder(fits) / HISTORY_FILE for task in tasks}
        self._read_to = dict.fromkeys(tasks, 0)
        self._columns: dict[FitTask, list[str]] = {}
        self._progress = progress
        for scheme, n_folds in Counter(task.scheme for task in tasks).items():
            progress.start(BARS.get(scheme, scheme), n_folds * epochs)

    def poll(self) -> None:
        """Look for new epochs in all files."""
        for task in self._files:
            for line in self._new_lines(task):
                cells = line.split(",")
                if task in self._columns:
                    epoch = dict(zip(self._columns[task], cells, strict=True))
                    self._progress.advance(BARS.get(task.scheme, task.scheme), _note(epoch))
                    if self._events is not None:
                        self._events.write(_fit_name(task), _numbers(epoch))
                else:
                    self._columns[task] = cells

    def _new_lines(self, task: FitTask) -> list[str]:
        """Return the whole lines that were not there at the last look."""
        try:
            with self._files[task].open("rb") as file:
                file.seek(self._read_to[task])
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._read_to[task] += len(whole)
        return whole.decode("utf-8").splitlines()


def _fit_name(task: FitTask) -> str:
    return "final" if task.scheme == EVERYTHING else f"{task.scheme}/{task.fold}"


def _numbers(epoch: dict[str, str]) -> dict[str, float]:
    return {name: float(cell or "nan") for name, cell in epoch.items() if name not in ("scheme", "fold")}


def _note(epoch: dict[str, str]) -> str:
    """Say how each task does on the training windows."""
    shown = {"identity": epoch["subject_accuracy"], "state": epoch["condition_accuracy"]}
    return " ".join(f"{name} {float(accuracy):.2f}" for name, accuracy in shown.items() if accuracy)


def run_fits(
    dataset: Path,
    tasks: Sequence[FitTask],
    settings: TrainConfig,
    fits: Path,
    *,
    executor: Executor | None,
    progress: Progress,
    engine: Engine | None = None,
    events: EventWriter | None = None,
) -> None:
    """Do all fits that are not done yet; those that were interrupted go on.

    Parameters
    ----------
    executor
        Where they run, side by side; None: in this process, one after the other.
    progress
        Hears of every epoch, a task a scheme; of those done earlier too.
    engine
        The processes that do each fit together, of which this is the first; the others `follow`.
    events
        Hears of every epoch too.

    Raises
    ------
    TrainingError
        A fit failed; the others are stopped.
    """
    for task in tasks:
        task.folder(fits).mkdir(parents=True, exist_ok=True)
        if not task.is_done(fits):
            go_on_from(task.folder(fits))
    follower = Follower(tasks, fits, epochs=settings.epochs, progress=progress, events=events)
    follower.poll()
    left = [task for task in tasks if not task.is_done(fits)]
    if engine is not None:
        engine.from_first(json.dumps([[task.scheme, task.fold] for task in left]).encode())
    if executor is not None:
        _run_on(executor, dataset, left, settings, fits, follower=follower)
    else:
        for task in left:
            run_fit(dataset, task, settings, fits, on_epoch=follower.poll, engine=engine)


def follow(dataset: Path, tasks: Sequence[FitTask], settings: TrainConfig, *, engine: Engine) -> None:
    """Take part in the fits that the first process does; it says which are left."""
    left = json.loads(engine.from_first(b""))
    for task in tasks:
        if [task.scheme, task.fold] in left:
            take_part(dataset, task, settings, engine=engine)


def _run_on(
    executor: Executor,
    dataset: Path,
    tasks: Sequence[FitTask],
    settings: TrainConfig,
    fits: Path,
    *,
    follower: Follower,
) -> None:
    futures: list[Future[None]] = []
    try:
        with interrupts_held():
            futures += [executor.submit(run_fit, dataset, task, settings, fits) for task in tasks]
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=POLL_S, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            follower.poll()
    finally:
        for future in futures:
            future.cancel()
