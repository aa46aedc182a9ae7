"""The call of `ecgkit reproduce`: do the fits that are not there, then make the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import TrainingError
from ecgkit.files import write_text
from ecgkit.progress import Progress, Silent
from ecgkit.report.reproduction import Reproduction, render_index
from ecgkit.stages.reproduce.executing import Outcome, do_fits
from ecgkit.stages.reproduce.files import as_json, write_files
from ecgkit.stages.reproduce.grids import ALL
from ecgkit.stages.reproduce.page import describe, devices_of, read_parts
from ecgkit.stages.reproduce.plan import Part, Plan
from ecgkit.stages.reproduce.summary import Scores
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
    warnings
        What else there is to know: fits that another process has under way, devices of several kinds.
    """

    folder: Path
    page: Path
    tables: tuple[Reproduction, ...]
    n_fits: int
    n_left: int
    failures: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the tables and what there is of them as plain values."""
        return {
            "folder": str(self.folder),
            "page": str(self.page),
            "fits": {"wanted": self.n_fits, "missing": self.n_left, "failed": list(self.failures)},
            "warnings": list(self.warnings),
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
    seen = Outcome()
    if plan.to_do and not options.results_only:
        with workers(options.jobs, executor, cluster=options.cluster) as pool:
            seen = do_fits(
                plan.data.path.resolve(),
                plan.to_do,
                plan.cells.resolve(),
                executor=pool,
                progress=progress or Silent(),
            )
    left = plan.left()
    if left == plan.n_fits:
        raise TrainingError(f"{plan.cells}: none of the {left} fits is there{_why(seen)}")
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
    warnings = (*_under_way(seen), *_mixed(parts))
    return ReproduceSummary(plan.folder, page, tuple(tables), plan.n_fits, left, seen.failures, warnings)


def _why(seen: Outcome) -> str:
    """Say why nothing is there, and what to do."""
    if seen.failures:
        return f"; the first failed: {seen.failures[0]}"
    if seen.n_under_way:
        return "; another process has them under way, so give the same command again when it is done"
    return ", so leave out --results-only"


def _under_way(seen: Outcome) -> Iterator[str]:
    if seen.n_under_way:
        fits = "1 fit is" if seen.n_under_way == 1 else f"{seen.n_under_way} fits are"
        yield (
            f"{fits} under way in another process; the tables are made from what is there. Give the same "
            "command again when it is done"
        )


def _mixed(parts: Sequence[tuple[Part, Scores]]) -> Iterator[str]:
    """Name the tables whose fits ran on devices of several kinds."""
    for part, scores in parts:
        kinds = devices_of(scores)
        if len(kinds) > 1:
            yield (
                f"{part.grid.name}, split {part.split}: fits from {' and '.join(kinds)}; differences between "
                "rows may be the devices'. Choose one kind with --device, and another folder with --out"
            )
