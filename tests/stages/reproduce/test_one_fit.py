"""One fit: once, by one process at a time, and gone on with after an interrupt."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.made_cells import write_dataset_of_noise

from ecgkit.errors import CheckpointError, TrainingError
from ecgkit.files import alone
from ecgkit.stages.fitting import FitTask, run_fit
from ecgkit.stages.reproduce import ReproduceOptions, make_plan, run
from ecgkit.stages.reproduce import one_fit as module
from ecgkit.stages.reproduce.cells import Cell, make_cells
from ecgkit.stages.reproduce.grids import Row
from ecgkit.stages.reproduce.one_fit import STALE_S, About, do_fit, read_about, remove_stale
from ecgkit.training import loop

EPOCHS = 5
Fit = tuple[Path, Cell, FitTask, Path]
OnEpoch = Callable[[], None]


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    """What `do_fit` takes, for the smallest network."""
    options = ReproduceOptions(write_dataset_of_noise(tmp_path / "d.h5"), "table4", seeds=1)
    data = make_plan(options).data
    row = Row("mlp", ({"backbone": "mlp", "attention": "none", "epochs": EPOCHS, "device": "cpu"},))
    [cell] = make_cells(data, row, scheme="paper", seed=0, changes={})
    (tmp_path / "cells").mkdir()
    return options.dataset, cell, cell.tasks[0], tmp_path / "cells"


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each epoch that is trained; a checkpoint after each."""
    epochs: list[int] = []

    def counted(dataset: Path, task: FitTask, settings: Any, part: Path, on_epoch: OnEpoch) -> None:
        def hear() -> None:
            epochs.append(1)
            on_epoch()

        run_fit(dataset, task, settings, part, hear)

    monkeypatch.setattr(loop, "fit", partial(loop.fit, checkpoint_every_s=0.0))
    monkeypatch.setattr(module, "run_fit", counted)
    return epochs


def interrupt(fit: Fit) -> list[Path]:
    """Interrupt a fit in its third epoch, with a checkpoint of the second; return what it leaves."""

    def stops(dataset: Path, task: FitTask, settings: Any, part: Path, on_epoch: OnEpoch) -> None:
        epochs: list[int] = []

        def stop() -> None:
            epochs.append(1)
            on_epoch()
            if len(epochs) == 3:
                raise KeyboardInterrupt

        run_fit(dataset, task, settings, part, stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "run_fit", stops)
        with pytest.raises(KeyboardInterrupt):
            do_fit(*fit)
    return list(fit[3].iterdir())


def left_by(fit: Fit) -> tuple[bytes, list[str]]:
    """The outputs, and the history without its seconds."""
    _, cell, task, folder = fit
    place = task.folder(cell.folder(folder))
    lines = [line.split(",") for line in (place / "history.csv").read_text().splitlines()]
    clock = lines[0].index("seconds")
    return (place / "logits.npz").read_bytes(), [",".join(x[:clock] + x[clock + 1 :]) for x in lines]


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_a_fit_that_was_interrupted_goes_on_and_ends_the_same(fit: Fit, heard: list[int]) -> None:
    undisturbed = (*fit[:3], fit[3].with_name("undisturbed"))
    undisturbed[3].mkdir()
    assert do_fit(*undisturbed)
    heard.clear()
    [part] = interrupt(fit)  # no lock stays
    (part / "seconds").write_text("1000.5")
    assert do_fit(*fit)
    assert len(heard) == EPOCHS - 2
    assert left_by(fit) == left_by(undisturbed)
    assert not hidden(fit[3])
    about = read_about(fit[2].folder(fit[1].folder(fit[3])))
    assert 1000.5 < about.seconds < 1100
    assert about.device == "cpu"


def remove(name: str) -> Callable[[Path], object]:
    return lambda part: (part / "paper" / "0" / name).unlink()


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda part: (part / "paper" / "0" / name).write_text(text)


def pipe_for_history(part: Path) -> None:
    remove("history.csv")(part)
    os.mkfifo(part / "paper" / "0" / "history.csv")


def link_for_checkpoint(part: Path) -> None:
    checkpoint = part / "paper" / "0" / "checkpoint.safetensors"
    checkpoint.rename(part.parent.parent / "elsewhere")
    checkpoint.symlink_to(part.parent.parent / "elsewhere")


def file_for_part(part: Path) -> None:
    part.rename(part.parent.parent / "elsewhere")
    part.touch()


@pytest.mark.skipif(os.name == "nt", reason="pipes and links")
@pytest.mark.parametrize(
    "damage",
    [
        remove("checkpoint.safetensors"),
        write("checkpoint.safetensors", "no"),
        write("history.csv", "scheme,fold\n"),
        write("history.csv", "x" * 100_000),
        remove("history.csv"),
        pipe_for_history,
        link_for_checkpoint,
        file_for_part,
    ],
)
def test_what_cannot_be_gone_on_from_is_begun_anew(
    fit: Fit, heard: list[int], damage: Callable[[Path], object]
) -> None:
    [part] = interrupt(fit)
    damage(part)
    assert do_fit(*fit)
    assert len(heard) == EPOCHS
    assert not hidden(fit[3])
    assert len(left_by(fit)[1]) == 1 + EPOCHS


def test_a_checkpoint_that_training_refuses_is_begun_anew(
    fit: Fit, heard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(fit)
    counted = vars(module)["run_fit"]

    def refuses(dataset: Path, task: FitTask, settings: Any, part: Path, on_epoch: OnEpoch) -> None:
        if (task.folder(part) / "checkpoint.safetensors").exists():
            raise CheckpointError("of another kind of device")
        counted(dataset, task, settings, part, on_epoch)

    monkeypatch.setattr(module, "run_fit", refuses)
    assert do_fit(*fit)
    assert len(heard) == EPOCHS


def test_a_mark_that_all_is_done_is_not_believed_before_it_is_in_place(fit: Fit, heard: list[int]) -> None:
    [part] = interrupt(fit)  # no lock stays
    (part / "paper" / "0" / "done").touch()
    assert do_fit(*fit)
    assert len(heard) == EPOCHS - 2
    assert left_by(fit)[0]


def test_a_fit_that_is_there_is_not_done_again(fit: Fit, heard: list[int]) -> None:
    assert do_fit(*fit)
    assert do_fit(*fit)
    assert len(heard) == EPOCHS


def test_a_fit_of_another_process_is_left_to_it(fit: Fit, heard: list[int]) -> None:
    [part] = interrupt(fit)  # no lock stays
    lock = part.with_name(f"{part.name}.lock")
    with alone(lock, wait_s=0):
        assert not do_fit(*fit)
        assert heard == []
        assert part.is_dir()
        lock.unlink()
    assert do_fit(*fit)


def test_a_reproduction_makes_its_tables_beside_another(tmp_path: Path) -> None:
    options = ReproduceOptions(write_dataset_of_noise(tmp_path / "d.h5"), "table4", seeds=1, epochs=1, jobs=1)
    plan = make_plan(options)
    plan.cells.mkdir(parents=True)
    _, (cell, task) = plan.to_do
    with module._part_alone(plan.cells, task.folder(cell.folder(plan.cells))):
        summary = run(plan)
    assert (summary.n_fits, summary.n_left, summary.failures) == (2, 1, ())
    assert summary.warnings == (
        "1 fit is under way in another process; the tables are made from what is there. Give the same "
        "command again when it is done",
    )
    assert run(make_plan(options)).warnings == ()


def test_a_reproduction_whose_fits_are_all_under_way_says_so(tmp_path: Path) -> None:
    options = ReproduceOptions(write_dataset_of_noise(tmp_path / "d.h5"), "table4", seeds=1, epochs=1, jobs=1)
    plan = make_plan(options)
    plan.cells.mkdir(parents=True)
    first, second = (task.folder(cell.folder(plan.cells)) for cell, task in plan.to_do)
    with (
        module._part_alone(plan.cells, first),
        module._part_alone(plan.cells, second),
        pytest.raises(TrainingError, match="another process has them under way"),
    ):
        run(plan)


def test_a_disk_without_locks_is_written_to_all_the_same(
    fit: Fit, heard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> bool:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("ecgkit.files._try_lock", no_locks)
    assert interrupt(fit) == []  # nobody could go on from it
    assert do_fit(*fit)
    assert not hidden(fit[3])


def test_remove_stale_keeps_what_can_be_gone_on_from_for_a_while(tmp_path: Path) -> None:
    old, new, mine, other, empty = (tmp_path / f".fit-{16 * digit}" for digit in "01234")
    for part in (old, new, mine, empty):
        (part / "paper" / "0").mkdir(parents=True)
        (part / "seconds").touch()
        if part != empty:
            (part / "paper" / "0" / "checkpoint.safetensors").touch()
        part.with_name(f"{part.name}.lock").touch()
    other.with_name(f"{other.name}.lock").touch()
    kept = [tmp_path / ".fit-of-somebody", tmp_path / "resnet-sca-gradnorm-50-seed0-0123456789ab"]
    for path in kept:
        path.mkdir()
    past = time.time() - STALE_S - 60
    for path in tmp_path.rglob("*"):
        if not path.is_relative_to(new) and not path.is_relative_to(empty):
            os.utime(path, (past, past))
    with alone(mine.with_name(f"{mine.name}.lock"), wait_s=0):
        remove_stale(tmp_path)
    assert set(tmp_path.iterdir()) == {*kept, new, mine, mine.with_name(f"{mine.name}.lock")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"seconds": NaN}', "JSON"),
        ('{"seconds": 1e999}', "JSON"),
        ('{"seconds": -1}', "seconds '-1'"),
        (f'{{"seconds": 1{400 * "0"}}}', "seconds '1000"),
        ('{"seconds": true}', "seconds 'True'"),
        ('{"seconds": "1"}', "expected a number from 0"),
        ("{}", "seconds 'None'"),
        (60_000 * "[", "JSON"),
        ("[1]", "JSON"),
        ('{"seconds": 1, "device": "toaster"}', "device 'toaster', expected one of cpu, cuda, mps"),
        ('{"seconds": 1, "device": ["cpu"]}', "device"),
        (" " * 70_000, "70000 bytes"),
    ],
)
def test_read_about_refuses_what_no_fit_says(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "fit.json").write_text(text)
    with pytest.raises(ValueError, match=expected):
        read_about(tmp_path)


def test_read_about_takes_fits_that_name_no_device_as_the_cpu_s(tmp_path: Path) -> None:
    for content, device in (({"seconds": 2}, "cpu"), ({"seconds": 2, "device": "cuda"}, "cuda")):
        (tmp_path / "fit.json").write_text(json.dumps(content))
        assert read_about(tmp_path) == About(2.0, device)
