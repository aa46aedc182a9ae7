"""Run folders are numbered, whole, and found by path, number or "latest"."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ecgkit.errors import CheckpointError, DatasetError, LostProcessError, RunError, TrainingError
from ecgkit.stages.run_folder import find_run, new_run, numbered_runs, unfinished
from ecgkit.stages.workers import WorkerError


def make(runs: Path, out: Path | None = None) -> Path:
    with new_run(runs, out) as new:
        (new.part / "run.json").write_text("{}")
        return new.reserve()


def test_new_run_counts_on(tmp_path: Path) -> None:
    assert [make(tmp_path / "runs").name for _ in range(3)] == ["001", "002", "003"]
    assert [run.name for run in numbered_runs(tmp_path / "runs")] == ["001", "002", "003"]


def test_new_run_takes_the_number_after_the_highest(tmp_path: Path) -> None:
    (tmp_path / "041").mkdir()
    (tmp_path / "notes").mkdir()
    assert make(tmp_path).name == "042"


def test_new_run_does_not_take_a_number_twice(tmp_path: Path) -> None:
    with new_run(tmp_path) as first, new_run(tmp_path) as second:
        assert {first.reserve().name, second.reserve().name} == {"001", "002"}


def test_find_run_passes_over_places_of_trainings_under_way(tmp_path: Path) -> None:
    make(tmp_path)
    with new_run(tmp_path) as under_way:
        assert under_way.reserve().name == "002"
        (under_way.part / "run.json").write_text("{}")
        assert find_run("latest", tmp_path) == tmp_path / "001"
        with pytest.raises(RunError, match="known are: 001, latest"):
            find_run("007", tmp_path)
        assert make(tmp_path).name == "003"
    assert [run.name for run in numbered_runs(tmp_path)] == ["001", "002", "003"]


@pytest.mark.parametrize(("out", "named"), [(None, "runs"), ("mine", "mine")])
def test_new_run_names_its_place_in_errors(tmp_path: Path, out: str | None, named: str) -> None:
    def fill_the_disk() -> None:
        with new_run(tmp_path / "runs", tmp_path / out if out else None) as new:
            raise OSError(errno.ENOSPC, "No space left on device", str(new.part / "fits" / "logits.npz"))

    with pytest.raises(OSError, match="No space left") as refused:
        fill_the_disk()
    assert (refused.value.filename, refused.value.filename2) == (str(tmp_path / named), None)


def test_new_run_leaves_the_names_of_other_files_in_errors(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as refused, new_run(tmp_path / "runs"):
        (tmp_path / "none.h5").open()
    assert refused.value.filename == str(tmp_path / "none.h5")


def test_new_run_has_ordinary_permissions(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.mkdir()
    assert make(tmp_path / "runs").stat().st_mode == ordinary.stat().st_mode


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("reserved", [False, True])
def test_new_run_leaves_nothing_behind_when_it_fails(
    tmp_path: Path, error: type[BaseException], reserved: bool
) -> None:
    def fail() -> None:
        with new_run(tmp_path / "deep" / "runs") as new:
            (new.part / "half").write_text("x")
            if reserved:
                new.reserve()
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_new_run_takes_an_empty_folder_but_no_other(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    assert make(tmp_path, out) == out
    with pytest.raises(TrainingError, match="something here already"):
        make(tmp_path, out)
    assert (out / "run.json").read_text() == "{}"


def test_find_run_by_path_number_and_latest(tmp_path: Path) -> None:
    for _ in range(2):
        make(tmp_path)
    assert find_run(str(tmp_path / "001"), None) == tmp_path / "001"
    assert find_run("001", tmp_path) == tmp_path / "001"
    assert find_run("latest", tmp_path) == tmp_path / "002"


def test_find_run_lists_the_runs_that_are_there(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(RunError, match="known are: 001, latest"):
        find_run("007", tmp_path)
    with pytest.raises(RunError, match="ecgkit train"):
        find_run("latest", tmp_path / "none")


def test_find_run_refuses_a_file(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.touch()
    with pytest.raises(RunError, match="this is a file"):
        find_run(str(file), None)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, OSError, WorkerError, LostProcessError, CheckpointError]
)
def test_unfinished_is_there_again_after_an_interrupt(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupted() -> None:
        with unfinished(tmp_path / "runs", None, "abc") as work:
            (work / "half").write_text("x")
            raise error

    with pytest.raises(error):
        interrupted()
    assert numbered_runs(tmp_path / "runs") == []
    with unfinished(tmp_path / "runs", None, "other") as work:
        assert [path.name for path in work.iterdir()] == [".lock"]
    with unfinished(tmp_path / "runs", None, "abc") as work:
        assert (work / "half").read_text() == "x"
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]


@pytest.mark.parametrize("error", [TrainingError, DatasetError])
def test_unfinished_goes_after_an_error(tmp_path: Path, error: type[Exception]) -> None:
    def failing() -> None:
        with unfinished(tmp_path / "deep" / "runs", None, "abc") as work:
            (work / "fits" / "paper").mkdir(parents=True)
            raise error

    with pytest.raises(error):
        failing()
    assert list(tmp_path.iterdir()) == []


def test_unfinished_is_for_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        unfinished(tmp_path, None, "abc"),
        pytest.raises(TrainingError, match="the same training is under way"),
        unfinished(tmp_path, None, "abc"),
    ):
        pass


def test_unfinished_refuses_a_taken_place_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").touch()
    with (
        pytest.raises(TrainingError, match="something here already"),
        unfinished(tmp_path, tmp_path / "mine", "a"),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
