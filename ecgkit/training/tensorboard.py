"""A run's history as TensorBoard event files: a folder a fit, so that folds lie over each other."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from ecgkit.errors import RunError

EVENT_FILE = "events.out.tfevents.0.ecgkit"
TASKS = ("subject", "condition")
_FIT = re.compile(r"\w[\w.-]{0,99}(/\w[\w.-]{0,99})?")  # at most one folder deep, and never upwards


class EventWriter:
    """Writes epochs as TensorBoard's events, one by one, so that a training can be watched.

    Of the files' usual content two things stay out: the name of the machine, and the clock. Times are
    seconds of training, so that the same history gives the same bytes.

    Parameters
    ----------
    folder
        What `tensorboard --logdir` is given; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seconds: dict[str, float] = {}

    def write(self, fit: str, record: Mapping[str, float]) -> None:
        """Append an epoch to a fit's events; the first one of a fit begins its file anew.

        Parameters
        ----------
        fit
            Such as "leave-subjects-out/0": its folder.
        record
            ``column of the history -> value``, with `epoch` and `seconds`; NaN is left out.

        Raises
        ------
        RunError
            The fit's name is no name of a folder.
        """
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        if not _FIT.fullmatch(fit):
            raise RunError(f"fit {fit[:80]!r}: expected letters and digits, as schemes and folds have")
        new = fit not in self._seconds
        seconds = self._seconds[fit] = self._seconds.get(fit, 0.0) + record["seconds"]
        values = [
            Summary.Value(tag=tag_of(name), simple_value=value)
            for name, value in record.items()
            if name != "epoch" and math.isfinite(value)
        ]
        path = self._folder / fit / EVENT_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb" if new else "ab") as file:
            events = RecordWriter(file)
            if new:
                events.write(Event(file_version="brain.Event:2").SerializeToString())
            event = Event(wall_time=seconds, step=int(record["epoch"]), summary=Summary(value=values))
            events.write(event.SerializeToString())


def tag_of(column: str) -> str:
    """Return what TensorBoard calls a column of the history; what stands before the slash is a group.

    Examples
    --------
    >>> tag_of("monitor_subject_accuracy"), tag_of("condition_loss"), tag_of("seconds")
    ('monitor_accuracy/subject', 'loss/condition', 'seconds')
    """
    parts = column.split("_")
    for task in TASKS:
        if task in parts:
            parts.remove(task)
            return f"{'_'.join(parts)}/{task}"
    return column
