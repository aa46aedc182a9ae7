"""From scores, one a row and seed, to the tables: means over seeds, and each row against the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ecgkit.metrics.intervals import wilson
from ecgkit.metrics.resampling import resampled_interval, subject_interval
from ecgkit.metrics.seeds import holm, over_seeds
from ecgkit.report.reproduction import Curve, Interval, RowScores, TaskTable, Versus
from ecgkit.splits import find_scheme
from ecgkit.stages.reproduce.paper import paper_scores
from ecgkit.stages.reproduce.scores import MEASURES, TASKS, SeedScores

Scores = Sequence[SeedScores]  # of one row, task and scheme, by seed


def make_tables(
    scores: Scores, *, table: str, rows: Sequence[str], schemes: Sequence[str], seeds: int
) -> tuple[TaskTable, ...]:
    """Make the tables of one grid under one `--split`, one a task and scheme that tests it.

    Parameters
    ----------
    scores
        All that is there.
    rows
        Names, the reference first.
    seeds
        How many were asked for.
    """
    return tuple(
        _corrected(
            _table(
                [seen for seen in scores if (seen.task, seen.scheme) == (task, scheme)],
                (table, task, scheme),
                rows=rows,
                seeds=seeds,
            )
        )
        for task in TASKS
        for scheme in schemes
        if task in find_scheme(scheme).scores
    )


def make_curves(scores: Scores) -> tuple[Curve, ...]:
    """Return the courses of the trainings, row by row, all seeds of a row together."""
    keys = dict.fromkeys((seen.row, seen.task, seen.scheme) for seen in scores)
    return tuple(
        Curve(
            row=row,
            task=task,
            scheme=scheme,
            seeds=tuple(one.seed for one in group),
            training=np.stack([one.training for one in group]),
            tested=np.stack([one.test_accuracy for one in group]),
        )
        for row, task, scheme in keys
        for group in [_of(scores, row, task, scheme)]
    )


def _of(scores: Scores, row: str, task: str, scheme: str) -> list[SeedScores]:
    found = [one for one in scores if (one.row, one.task, one.scheme) == (row, task, scheme)]
    return sorted(found, key=lambda one: one.seed)


def _table(scores: Scores, key: tuple[str, str, str], *, rows: Sequence[str], seeds: int) -> TaskTable:
    table, task, scheme = key
    by_row = {name: _of(scores, name, task, scheme) for name in rows}
    reference = by_row[rows[0]]
    honest = not find_scheme(scheme).leaks
    return TaskTable(
        task=task,
        scheme=scheme,
        chance=scores[0].chance if scores else None,
        tested=scores[0].tested if scores else 0,
        rows=tuple(
            dataclasses.replace(
                _row(name, seen, seeds=seeds, honest=honest),
                versus=_versus(seen, reference, honest=honest) if name != rows[0] else None,
                paper=paper_scores(table, name, task),
            )
            for name, seen in by_row.items()
        ),
    )


def _row(name: str, scores: Scores, *, seeds: int, honest: bool) -> RowScores:
    if not scores:
        return RowScores(name, seeds)
    measures = {measure: over_seeds([one.measures[measure] for one in scores]) for measure in MEASURES}
    tested, mean = scores[0].tested, measures["accuracy"].mean
    return RowScores(
        name=name,
        wanted=seeds,
        seeds=tuple(one.seed for one in scores),
        accuracies=tuple(one.measures["accuracy"] for one in scores),
        measures=measures,
        wilson=wilson(round(mean * tested), tested),
        people=_people(scores) if honest else None,
        seconds=float(np.mean([one.seconds for one in scores])),
    )


def _versus(scores: Scores, reference: Scores, *, honest: bool) -> Versus | None:
    """Compare seed by seed, over those that both have."""
    other = {one.seed: one for one in reference}
    pairs = [(one, other[one.seed]) for one in scores if one.seed in other]
    if not pairs:
        return None
    difference = over_seeds([a.measures["accuracy"] - b.measures["accuracy"] for a, b in pairs])
    return Versus(difference, people=_people_apart(pairs) if honest else None)


def _people(scores: Scores) -> Interval | None:
    """Interval of the mean accuracy over seeds for other subjects like those that were tested."""
    right, windows = (sum(getattr(one, name) for one in scores) for name in ("right", "windows"))
    seen = np.asarray(windows) > 0
    return subject_interval(np.asarray(right)[seen], np.asarray(windows)[seen]) if seen.sum() > 1 else None


def _people_apart(pairs: Sequence[tuple[SeedScores, SeedScores]]) -> Interval | None:
    """Interval of the mean difference for other subjects like those that were tested."""
    apart = np.sum([a.right - b.right for a, b in pairs], axis=0)
    windows = np.sum([a.windows for a, _ in pairs], axis=0)
    seen = windows > 0
    return resampled_interval(apart[seen], windows[seen]) if seen.sum() > 1 else None


def _corrected(table: TaskTable) -> TaskTable:
    """Correct the p-values of a table's comparisons for their number."""
    p_values = holm([row.versus.difference.p if row.versus else None for row in table.rows])
    rows = (_with_p(row, p) for row, p in zip(table.rows, p_values, strict=True))
    return dataclasses.replace(table, rows=tuple(rows))


def _with_p(row: RowScores, p: float | None) -> RowScores:
    if row.versus is None:
        return row
    return dataclasses.replace(row, versus=dataclasses.replace(row.versus, p_corrected=p))
