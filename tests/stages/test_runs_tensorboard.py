"""Histories of runs come back from TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.run_folders import make_run

from ecgkit.errors import RunError
from ecgkit.stages import runs_tensorboard

pytest.importorskip("tensorboard")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for name in ("001", "002"):
        make_run(tmp_path / "runs" / name)
    return tmp_path


def test_tensorboard_has_a_folder_a_run_and_in_it_one_a_fit(study: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    out = tmp_path / "events"
    written = runs_tensorboard.run(["001", "latest"], study, out=out)
    assert (written.runs, written.n_fits) == (("001", "002"), 10)
    events = EventMultiplexer().AddRunsFromDirectory(str(out)).Reload()
    fits = ("leave-subjects-out/a", "leave-subjects-out/b", "leave-condition-out/a", "leave-condition-out/b")
    assert set(events.Runs()) == {f"{run}/{fit}" for run in ("001", "002") for fit in (*fits, "final")}
    watched = events.Scalars("001/leave-subjects-out/a", "monitor_accuracy/condition")
    assert [(event.step, event.value) for event in watched] == [
        (epoch, pytest.approx(0.1 * epoch)) for epoch in (1, 2, 3)
    ]
    assert [event.wall_time for event in watched] == [2.5, 5.0, 7.5]


def test_tensorboard_can_be_written_again(study: Path, tmp_path: Path) -> None:
    def content() -> dict[Path, bytes]:
        runs_tensorboard.run(["001"], study, out=tmp_path / "events")
        return {path: path.read_bytes() for path in tmp_path.rglob("events.out.*")}

    assert content() == content()


def test_tensorboard_refuses_two_runs_of_one_name(study: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "elsewhere" / "001")
    with pytest.raises(RunError, match="two runs of the same name"):
        runs_tensorboard.run(["001", str(other)], study, out=tmp_path / "events")


def test_tensorboard_does_not_leave_its_folder(study: Path, tmp_path: Path) -> None:
    history = study / "runs" / "001" / "history.csv"
    history.write_text(history.read_text().replace("leave-subjects-out", "../../../out"))
    with pytest.raises(RunError, match="expected letters and digits"):
        runs_tensorboard.run(["001"], study, out=tmp_path / "events")
    assert not list(tmp_path.rglob("events.out.*"))
