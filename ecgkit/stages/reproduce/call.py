"""The call of `ecgkit reproduce`: do the fits that are not there, then make the tables."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import TrainingError
from ecgkit.files import write_text
from ecgkit.progress import Progress, Silent
from ecgkit.report.reproduction import Reproduction, render_index
from ecgkit.stages.reproduce.executing import do_fits
from ecgkit.stages.reproduce.files import as_json, write_files
from ecgkit.stages.reproduce.grids import ALL
from ecgkit.stages.reproduce.page import describe, read_parts
from ecgkit.stages.reproduce.plan import Plan
from ecgkit.stages.workers import workers

INDEX_FILE = "index.html"


@dataclass(frozen=True, slots=True)
class ReproduceSummary:
    """What a reproduction came to.

    Attributes
    ----------
    page
        The page to look at first.
    n_fits, n_left
        Fits that the tables take, and those of them that are not there.
    failures
        A sentence for each fit that failed.
    """

    folder: Path
    page: Path
    tables: tuple[Reproduction, ...]
    n_fits: int
    n_left: int
    failures: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the tables and what there is of them as plain values."""
        return {
            "folder": str(self.folder),
            "page": str(self.page),
            "fits": {"wanted": self.n_fits, "missing": self.n_left, "failed": list(self.failures)},
            "tables": [as_json(table) for table in self.tables],
        }


def run(
    plan: Plan, *, progress: Progress | None = None, executor: Executor | None = None
) -> ReproduceSummary:
    """Do the fits of a plan that are not there, then make its tables; an interrupt leaves what is done.

    Parameters
    ----------
    progress
        Hears of every fit.
    executor
        Where the fits run instead of processes of our own or a cluster's; its workers must see the same disk.

    Raises
    ------
    TrainingError
        No fit is there at all, or what one left is damaged.
    ConfigError, DatasetError, WorkerError
        See `ecgkit.stages.workers.workers`.
    """
    options = plan.options
    failures: tuple[str, ...] = ()
    if plan.to_do and not options.results_only:
        with workers(options.jobs, executor, cluster=options.cluster) as pool:
            failures = do_fits(
                plan.data.path.resolve(),
                plan.to_do,
                plan.cells.resolve(),
                executor=pool,
                progress=progress or Silent(),
            )
    left = plan.left()
    if left == plan.n_fits:
        why = f"; the first failed: {failures[0]}" if failures else ", so leave out --results-only"
        raise TrainingError(f"{plan.cells}: none of the {left} fits is there{why}")
    parts = read_parts(plan)
    tables = []
    for name in dict.fromkeys(part.grid.name for part in plan.parts):
        own = [(part, scores) for part, scores in parts if part.grid.name == name]
        tables.append(describe(plan, own))
        write_files(plan.folder, tables[-1], own)
    page = plan.folder / f"{tables[0].name}.html"
    if options.table == ALL:
        page = plan.folder / INDEX_FILE
        write_text(page, render_index(tuple(tables)))
    return ReproduceSummary(plan.folder, page, tuple(tables), plan.n_fits, left, failures)
