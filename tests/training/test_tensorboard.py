"""Event files as TensorBoard itself reads them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ecgkit.errors import RunError
from ecgkit.training.tensorboard import EventWriter, tag_of

pytest.importorskip("tensorboard")


def record(epoch: int, **more: float) -> dict[str, float]:
    return {"epoch": epoch, "seconds": 2.5, "subject_loss": 1 / epoch, **more}


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def test_event_writer_s_epochs_come_back(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    for epoch in (1, 2, 3):
        writer.write("leave-subjects-out/0", record(epoch, monitor_condition_accuracy=0.1 * epoch))
    events = read(tmp_path / "leave-subjects-out" / "0")
    assert events.Tags()["scalars"] == ["seconds", "loss/subject", "monitor_accuracy/condition"]
    losses = events.Scalars("loss/subject")
    assert [(event.step, event.value) for event in losses] == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert [event.wall_time for event in losses] == [2.5, 5.0, 7.5]


def test_event_writer_s_file_can_be_read_while_it_grows(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    for epoch in (1, 2):
        writer.write("final", record(epoch))
        assert len(read(tmp_path / "final").Scalars("loss/subject")) == epoch


def test_event_writer_leaves_out_what_was_not_seen(tmp_path: Path) -> None:
    EventWriter(tmp_path).write("final", record(1, condition_loss=math.nan))
    assert "loss/condition" not in read(tmp_path / "final").Tags()["scalars"]


def test_event_writer_begins_a_fit_anew(tmp_path: Path) -> None:
    for _ in range(2):  # a training that was interrupted, and its going on
        EventWriter(tmp_path).write("final", record(1))
    assert len(read(tmp_path / "final").Scalars("loss/subject")) == 1


def test_event_writer_writes_the_same_bytes_and_nothing_of_the_machine(tmp_path: Path) -> None:
    for name in ("a", "b"):
        EventWriter(tmp_path / name).write("final", record(1))
    a, b = (path.read_bytes() for path in sorted(tmp_path.rglob("events.*")))
    assert a == b
    assert [path.name for path in tmp_path.rglob("events.*")] == ["events.out.tfevents.0.ecgkit"] * 2


@pytest.mark.parametrize("fit", ["../out", "a/../../out", "/tmp/out", "", "a/b/c", ".hidden", "a\\b"])
def test_event_writer_does_not_leave_its_folder(tmp_path: Path, fit: str) -> None:
    with pytest.raises(RunError, match="expected letters and digits"):
        EventWriter(tmp_path / "events").write(fit, record(1))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("column", "tag"),
    [
        ("subject_gradient_norm", "gradient_norm/subject"),
        ("validation_condition_accuracy", "validation_accuracy/condition"),
        ("learning_rate", "learning_rate"),
    ],
)
def test_tag_of_puts_both_tasks_in_one_group(column: str, tag: str) -> None:
    assert tag_of(column) == tag
