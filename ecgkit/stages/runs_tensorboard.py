"""`ecgkit runs tensorboard`: histories of runs as TensorBoard event files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import RunError
from ecgkit.stages.run_files import history_of, name_of
from ecgkit.stages.run_folder import find_run
from ecgkit.stages.runs import RUNS
from ecgkit.training.tensorboard import EventWriter


@dataclass(frozen=True, slots=True)
class WrittenEvents:
    """What was written: a folder a run in `folder`, in it one a fit."""

    folder: Path
    runs: tuple[str, ...]
    n_fits: int

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"folder": str(self.folder), "runs": list(self.runs), "fits": self.n_fits}


def run(names: Sequence[str], study: Path, *, out: Path) -> WrittenEvents:
    """Write the histories of runs as event files; what was written before is written anew.

    Parameters
    ----------
    names
        Run folders, numbers, or "latest".
    out
        What `tensorboard --logdir` is given.

    Raises
    ------
    RunError
        There is no such run, it is damaged, or two have the same name.
    """
    folders = {(path := find_run(name, study / RUNS)).resolve().name: path for name in names}
    if len(folders) < len(names):
        raise RunError(f"{', '.join(names)}: two runs of the same name; write them one after the other")
    histories = {name: history_of(folder) for name, folder in folders.items()}
    for name, history in histories.items():
        writer = EventWriter(out / name)
        for fit in history:
            for row in zip(*fit.columns.values(), strict=True):
                writer.write(name_of(fit), dict(zip(fit.columns, map(float, row), strict=True)))
    return WrittenEvents(out, tuple(histories), sum(map(len, histories.values())))
