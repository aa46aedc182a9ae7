"""Following fits by their files, and what becomes of a process that is ended."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from ecgkit.config import TrainConfig
from ecgkit.progress import Silent
from ecgkit.stages.executing import Follower, run_fits
from ecgkit.stages.fitting import FitTask, append_history, go_on_from
from ecgkit.stages.workers import WorkerError, workers
from ecgkit.training.loop import EpochRecord

TASKS = (
    FitTask("paper", "0", scored=("condition",), dataset_sha256="ab"),
    FitTask("all", "0", keep_weights=True, dataset_sha256="ab"),
)


class Heard:
    """Remembers what was said of progress."""

    def __init__(self) -> None:
        self.said: list[tuple[str, object]] = []

    def start(self, task: str, total: int) -> None:
        self.said.append((task, total))

    def advance(self, task: str, note: str = "") -> None:
        self.said.append((task, note))


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch, 0.5, 1.0, 0.5, 0.25, 0.75, 1.0, 1.0, 2.0, 3.0, 0.4, 0.6)


def test_follower_tells_each_epoch_once(tmp_path: Path) -> None:
    heard = Heard()
    follower = Follower(TASKS, tmp_path, epochs=2, progress=heard)
    follower.poll()
    assert heard.said == [("paper", 2), ("final weights", 2)]
    for task in TASKS:
        task.folder(tmp_path).mkdir(parents=True)
    append_history(TASKS[0].folder(tmp_path) / "history.csv", TASKS[0], record(1))
    follower.poll()
    follower.poll()
    append_history(TASKS[1].folder(tmp_path) / "history.csv", TASKS[1], record(1))
    follower.poll()
    note = "identity 0.25 state 0.75"
    assert heard.said[2:] == [("paper", note), ("final weights", note)]


def test_follower_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    heard = Heard()
    follower = Follower(TASKS[:1], tmp_path, epochs=1, progress=heard)
    whole = tmp_path / "whole.csv"
    append_history(whole, TASKS[0], record(1))
    text = whole.read_bytes()
    path = TASKS[0].folder(tmp_path) / "history.csv"
    path.parent.mkdir(parents=True)
    for stop in range(len(text)):
        path.write_bytes(text[:stop])
        follower.poll()
    assert len(heard.said) == 1
    path.write_bytes(text)
    follower.poll()
    assert len(heard.said) == 2


def test_append_history_leaves_tasks_that_are_not_scored_empty(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    append_history(path, TASKS[0], record(1))
    append_history(path, TASKS[0], record(2))
    head, first, second = path.read_text().splitlines()
    assert head.endswith("validation_subject_accuracy,validation_condition_accuracy")
    assert first == "paper,0,1,0.5,1,0.5,0.25,0.75,1,1,2,3,,0.6,,"
    assert second.startswith("paper,0,2,")


class Ended(Executor):
    """As a pool whose process the system has ended."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.futures.append(Future())
        if len(self.futures) == 1:
            self.futures[0].set_exception(BrokenProcessPool("a process ended"))
        return self.futures[-1]


def test_run_fits_calls_the_others_off_when_a_process_is_ended(tmp_path: Path) -> None:
    ended = Ended()
    with pytest.raises(WorkerError, match="--jobs 1"), workers(None, ended) as pool:
        run_fits(tmp_path / "dataset.h5", TASKS, TrainConfig(), tmp_path, executor=pool, progress=Silent())
    assert ended.futures[1].cancelled()


def test_run_fits_does_not_do_again_what_is_done(tmp_path: Path) -> None:
    heard = Heard()
    for task in TASKS:
        task.folder(tmp_path).mkdir(parents=True)
        for epoch in (1, 2):
            append_history(task.folder(tmp_path) / "history.csv", task, record(epoch))
        (task.folder(tmp_path) / "done").touch()
    settings = TrainConfig(epochs=2)
    # no such data set: a fit that began would end in an error
    run_fits(tmp_path / "none.h5", TASKS, settings, tmp_path, executor=None, progress=heard)
    assert [name for name, _ in heard.said] == [
        "paper",
        "final weights",
        *2 * ["paper"],
        *2 * ["final weights"],
    ]


def test_go_on_from_begins_anew_where_history_and_checkpoint_do_not_meet(tmp_path: Path) -> None:
    folder = TASKS[0].folder(tmp_path)
    folder.mkdir(parents=True)
    append_history(folder / "history.csv", TASKS[0], record(1))
    go_on_from(folder)  # killed before the first checkpoint: no file without its heading may stay
    assert list(folder.iterdir()) == []
