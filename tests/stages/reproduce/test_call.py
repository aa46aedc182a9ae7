"""Real fits, as small as they go: done once, in any order, gone on from after a kill."""

from __future__ import annotations

import os
import time
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.calls import finished, killed, start
from support.made_cells import write_dataset_of_noise

from ecgkit.errors import TrainingError
from ecgkit.stages.reproduce import ReproduceOptions, make_plan, run
from ecgkit.stages.reproduce import one_fit as one_fit_module
from ecgkit.stages.reproduce.grids import GRIDS, Row
from ecgkit.stages.reproduce.one_fit import do_fit

QUICK = {"backbone": "mlp", "attention": "none"}


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReproduceOptions:
    """Table IV with a network that trains in no time, one epoch, two seeds."""
    rows = tuple(
        Row(row.name, tuple({**training, **QUICK} for training in row.trainings))
        for row in GRIDS["table4"].rows
    )
    monkeypatch.setitem(GRIDS, "table4", replace(GRIDS["table4"], rows=rows))
    dataset = write_dataset_of_noise(tmp_path / "d.h5")
    return ReproduceOptions(dataset, "table4", seeds=2, epochs=1, jobs=1)


def fits_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Every fit that is there, with what changes if it is done again."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.glob("cells/[!.]*/*/*/fit.json")
    }


def scores_in(folder: Path) -> list[str]:
    """The table of scores without the seconds."""
    lines = (folder / "table4.csv").read_text(encoding="utf-8").splitlines()
    return [line.rpartition(",")[0] for line in lines]


class Heard:
    """Remembers what was said of progress."""

    def __init__(self) -> None:
        self.totals: list[int] = []
        self.notes: list[str] = []

    def start(self, task: str, total: int) -> None:
        self.totals.append(total)

    def advance(self, task: str, note: str = "") -> None:
        self.notes.append(note)


def test_fits_are_done_once_and_leave_nothing_half_done(options: ReproduceOptions) -> None:
    heard = Heard()
    summary = run(make_plan(options), progress=heard)
    assert (summary.n_fits, summary.n_left, summary.failures) == (4, 0, ())
    assert heard.totals == [4]
    assert "s each; GradNorm on, seed 0" in heard.notes[0]
    there = fits_in(summary.folder)
    assert len(there) == 4
    assert not [path for path in summary.folder.rglob("*") if path.name.startswith(".")]
    before = scores_in(summary.folder)
    again = run(make_plan(options), progress=heard)
    assert heard.totals == [4]  # nothing was to do
    assert fits_in(again.folder) == there
    assert scores_in(again.folder) == before


def test_more_seeds_keep_those_that_are_there(options: ReproduceOptions) -> None:
    there = fits_in(run(make_plan(options)).folder)
    plan = make_plan(replace(options, seeds=3))
    assert {cell.seed for cell, _ in plan.to_do} == {2}
    later = fits_in(run(plan).folder)
    assert {name: later[name] for name in there} == there
    assert len(later) == 6


class Backwards(Executor):
    """Does what it is given in the opposite order, all at the end."""

    def __init__(self) -> None:
        self.given: list[tuple[Future[Any], Any, tuple[Any, ...]]] = []

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given.append((Future(), function, args))
        if len(self.given) == 4:
            for future, call, facts in reversed(self.given):
                future.set_result(call(*facts))
        return self.given[-1][0]


def test_any_order_and_any_process_give_the_same_scores(options: ReproduceOptions, tmp_path: Path) -> None:
    in_order = run(make_plan(options))
    backwards = run(make_plan(replace(options, out=tmp_path / "b")), executor=Backwards())
    in_processes = run(make_plan(replace(options, out=tmp_path / "p", jobs=2)))
    assert scores_in(in_order.folder) == scores_in(backwards.folder) == scores_in(in_processes.folder)
    assert fits_in(in_order.folder).keys() == fits_in(in_processes.folder).keys()


@pytest.mark.parametrize("executor", [None, Backwards])
def test_a_fit_that_fails_does_not_keep_the_others(
    options: ReproduceOptions, monkeypatch: pytest.MonkeyPatch, executor: type[Executor] | None
) -> None:
    def diverges(dataset: Path, cell: Any, task: Any, folder: Path) -> None:
        if cell.row == "GradNorm off" and cell.seed == 0:
            raise TrainingError("the loss is no longer a finite number")
        do_fit(dataset, cell, task, folder)

    class Failing(Backwards):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            try:
                future.set_result(function(*args))
            except TrainingError as error:
                future.set_exception(error)
            return future

    monkeypatch.setattr("ecgkit.stages.reproduce.executing.do_fit", diverges)
    summary = run(make_plan(options), executor=Failing() if executor else None)
    assert (summary.n_fits, summary.n_left) == (4, 1)
    assert summary.failures == ("GradNorm off, seed 0, paper 0: the loss is no longer a finite number",)


def test_a_fit_that_fails_leaves_nothing(options: ReproduceOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise TrainingError("no")

    monkeypatch.setattr(one_fit_module, "run_fit", fails)
    plan = make_plan(options)
    with pytest.raises(TrainingError, match="none of the 4 fits is there; the first failed: GradNorm on"):
        run(plan)
    assert list(plan.cells.rglob("*")) == []


def test_a_fit_whose_last_file_is_gone_is_done_anew(options: ReproduceOptions) -> None:
    summary = run(make_plan(options))
    lost = next(summary.folder.rglob("fit.json"))
    lost.unlink()
    assert run(make_plan(options)).n_left == 0
    assert lost.is_file()


def test_results_only_trains_nothing(options: ReproduceOptions) -> None:
    only = replace(options, results_only=True)
    with pytest.raises(TrainingError, match="none of the 4 fits is there, so leave out --results-only"):
        run(make_plan(only))
    plan = make_plan(options)
    plan.cells.mkdir(parents=True)
    do_fit(options.dataset, *plan.to_do[0], plan.cells)
    assert run(make_plan(only)).n_left == 3


def test_two_at_once_share_the_fits(tmp_path: Path) -> None:
    dataset = write_dataset_of_noise(tmp_path / "d.h5")
    command = ("reproduce", "table4", "--dataset", dataset, "--seeds", "3", "--epochs", "2", "--jobs", "1")
    both = [start(*command), start(*command)]
    ended = [finished(process) for process in both]
    assert [code for code, _ in ended] == [0, 0], ended
    assert len(fits_in(tmp_path / "reproduce")) == 6
    assert not list((tmp_path / "reproduce" / "cells").glob(".*"))


@pytest.mark.skipif(os.name == "nt", reason="process groups can't be killed on Windows")
def test_killed_it_goes_on_without_repeating_a_fit(tmp_path: Path) -> None:
    dataset = write_dataset_of_noise(tmp_path / "d.h5")
    command = ("reproduce", "table4", "--dataset", dataset, "--seeds", "3", "--epochs", "3", "--jobs", "1")
    process = start(*command)
    folder = tmp_path / "reproduce"
    until = time.monotonic() + 60
    while len(fits_in(folder)) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    assert killed(process)
    there = fits_in(folder)
    assert 2 <= len(there) < 6
    code, _ = finished(start(*command))
    assert code == 0
    later = fits_in(folder)
    assert len(later) == 6
    assert {name: later[name] for name in there} == there
    assert not list((folder / "cells").glob(".*"))
    undisturbed = ReproduceOptions(dataset, "table4", seeds=3, epochs=3, jobs=1, out=tmp_path / "undisturbed")
    assert scores_in(folder) == scores_in(run(make_plan(undisturbed)).folder)
