"""Tables from outputs that are made up: every number is known beforehand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support.made_cells import make_cells_of, write_dataset_of_noise

from ecgkit.metrics.intervals import wilson
from ecgkit.metrics.resampling import resampled_interval, subject_interval
from ecgkit.report.reproduction import TaskTable
from ecgkit.stages.reproduce import Plan, ReproduceOptions, make_plan
from ecgkit.stages.reproduce.cells import Cell
from ecgkit.stages.reproduce.page import read_parts
from ecgkit.stages.reproduce.summary import make_curves, make_tables

ON, OFF = "GradNorm on", "GradNorm off"
# of 18 windows that the random split tests, right in the state: with GradNorm, and without
RIGHT = {ON: (9, 12, 15), OFF: (9, 11, 13)}


def planned(folder: Path, table: str = "table4", **options: object) -> Plan:
    dataset = write_dataset_of_noise(folder / "d.h5")
    return make_plan(ReproduceOptions(dataset, table, seeds=3, epochs=4, **options))  # type: ignore[arg-type]


def right(cell: Cell, task: str) -> float:
    return RIGHT[cell.row][cell.seed] / 18 if task == "condition" else 1.0


def tables_of(plan: Plan) -> dict[tuple[str, str], TaskTable]:
    [(part, scores)] = read_parts(plan)
    rows = [row.name for row in part.grid.rows]
    made = make_tables(scores, table=part.grid.name, rows=rows, schemes=part.schemes, seeds=3)
    return {(table.task, table.scheme): table for table in made}


def test_tables_hold_means_sds_and_intervals_over_seeds(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    make_cells_of(plan, right)
    tables = tables_of(plan)
    assert list(tables) == [("condition", "paper"), ("subject", "paper")]
    table = tables["condition", "paper"]
    on, off = table.rows
    assert table.tested == 18
    assert on.accuracies == pytest.approx((9 / 18, 12 / 18, 15 / 18))
    assert on.accuracy is not None
    assert (on.accuracy.mean, on.accuracy.sd) == pytest.approx((12 / 18, 3 / 18))
    half = 4.302653 * 3 / 18 / math.sqrt(3)
    assert (on.accuracy.low, on.accuracy.high) == pytest.approx((12 / 18 - half, 12 / 18 + half))
    assert on.wilson == wilson(12, 18)
    assert on.people is None  # the random split says nothing of people
    assert (on.seconds, on.seeds, on.wanted, on.is_whole) == (2.0, (0, 1, 2), 3, True)
    assert on.paper is not None
    assert on.paper.accuracy == pytest.approx(0.8411)
    assert off.measures is not None
    assert set(off.measures) == {"accuracy", "precision", "recall", "f1"}


def test_rows_are_compared_with_the_first_seed_by_seed(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    make_cells_of(plan, right)
    on, off = tables_of(plan)["condition", "paper"].rows
    assert on.versus is None
    assert off.versus is not None
    # differences 0, -1, -2 of 18: mean -1/18, SD 1/18, t = -sqrt(3) with 2 degrees of freedom
    assert (off.versus.difference.mean, off.versus.difference.sd) == pytest.approx((-1 / 18, 1 / 18))
    assert off.versus.difference.p == pytest.approx(0.2254033)
    assert off.versus.p_corrected == off.versus.difference.p  # one comparison only
    assert off.versus.people is None


def test_rows_without_any_difference_have_no_p(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    make_cells_of(plan, right)
    _, off = tables_of(plan)["subject", "paper"].rows
    assert off.versus is not None
    assert (off.versus.difference.mean, off.versus.difference.p, off.versus.p_corrected) == (0.0, None, None)


def test_p_is_corrected_within_each_table(tmp_path: Path) -> None:
    plan = planned(tmp_path, "table1")
    places = {row.name: place for place, row in enumerate(plan.parts[0].grid.rows)}

    def falling(cell: Cell, _: str) -> float:
        place = places[cell.row]
        return (17 - place - cell.seed * (2 + place % 2 if place else 1)) / 18

    make_cells_of(plan, falling)
    table = tables_of(plan)["condition", "paper"]
    p_values = sorted(row.versus.difference.p or 1 for row in table.rows if row.versus)
    corrected = sorted(row.versus.p_corrected or 1 for row in table.rows if row.versus)
    assert table.comparisons == len(p_values) == 7
    assert corrected[0] == pytest.approx(7 * p_values[0])


def test_honest_splits_score_each_task_under_its_own_schemes(tmp_path: Path) -> None:
    plan = planned(tmp_path, splits=("honest",))
    make_cells_of(plan, lambda cell, _: 0.5 + 0.1 * cell.seed)
    tables = tables_of(plan)
    assert list(tables) == [("condition", "leave-subjects-out"), ("subject", "leave-condition-out")]
    assert {table.tested for table in tables.values()} == {60}
    assert all(row.people for table in tables.values() for row in table.rows)


def test_people_are_drawn_anew_over_all_seeds(tmp_path: Path) -> None:
    plan = planned(tmp_path, splits=("leave-subjects-out",))
    make_cells_of(plan, lambda cell, _: 0.5 + 0.1 * cell.seed + 0.05 * (cell.row == OFF))
    [(_, scores)] = read_parts(plan)
    on, off = (
        [
            sum(np.asarray(getattr(one, name)) for one in scores if one.row == row)
            for name in ("right", "windows")
        ]
        for row in (ON, OFF)
    )
    np.testing.assert_array_equal(on[1], [60, 60, 60])  # 20 windows of each person, three seeds
    first, second = tables_of(plan)["condition", "leave-subjects-out"].rows
    assert first.people == subject_interval(*on)
    assert second.versus is not None
    assert second.versus.people == resampled_interval(off[0] - on[0], on[1])


def test_single_task_rows_score_each_network_for_its_own_task(tmp_path: Path) -> None:
    plan = planned(tmp_path, "balancing")
    make_cells_of(plan, lambda cell, task: 1.0 if cell.settings.task in ("both", task) else 0.0)
    for table in tables_of(plan).values():
        last = table.rows[-1]
        assert last.name == "single-task"
        assert last.accuracies == (1.0, 1.0, 1.0)


def test_cells_that_are_missing_are_counted(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    make_cells_of(plan, right)
    cell, task = plan.to_do[0]
    (task.folder(cell.folder(plan.cells)) / "fit.json").unlink()
    on, off = tables_of(plan)["condition", "paper"].rows
    assert (on.seeds, on.wanted, on.is_whole) == ((1, 2), 3, False)
    assert on.accuracy is not None
    assert on.accuracy.low is None  # two seeds give no interval
    assert off.versus is not None
    assert (off.versus.difference.n, off.versus.difference.p) == (2, None)


def test_tables_of_nothing_have_all_their_rows(tmp_path: Path) -> None:
    table = tables_of(planned(tmp_path))["condition", "paper"]
    assert (table.tested, table.chance, table.comparisons) == (0, None, 0)
    assert [(row.name, row.measures, row.versus) for row in table.rows] == [
        (ON, None, None),
        (OFF, None, None),
    ]


def test_curves_are_those_of_the_histories(tmp_path: Path) -> None:
    plan = planned(tmp_path, "figures6-7")
    make_cells_of(plan, lambda cell, task: 1.0)
    [(_, scores)] = read_parts(plan)
    curves = make_curves(scores)
    assert {(curve.row, curve.task) for curve in curves} == {
        (f"GradNorm {how}, 4 epochs", task) for how in ("on", "off") for task in ("subject", "condition")
    }
    for curve in curves:
        assert curve.seeds == (0, 1, 2)
        np.testing.assert_allclose(curve.training, [[0.25, 0.5, 0.75, 1.0]] * 3)
        np.testing.assert_allclose(curve.tested, [[0.125, 0.25, 0.375, 0.5]] * 3)
