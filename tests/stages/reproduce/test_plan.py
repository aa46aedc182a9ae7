"""Which fits a reproduction takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.dataset_files import parts_of, write_small
from support.made_cells import make_cells_of, write_dataset_of_noise, write_fit

from ecgkit.dataset.read import open_dataset
from ecgkit.errors import ConfigError, DatasetError, TrainingError
from ecgkit.stages.reproduce import ReproduceOptions, make_plan
from ecgkit.stages.reproduce.plan import schemes_of


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset_of_noise(tmp_path / "d.h5")


def test_plan_counts_shared_fits_once(dataset: Path) -> None:
    alone = make_plan(ReproduceOptions(dataset, "table1", seeds=2))
    assert (alone.n_fits, len(alone.to_do), alone.folder) == (16, 16, dataset.parent / "reproduce")
    every = make_plan(ReproduceOptions(dataset, "all", seeds=2))
    # 25 pairs, LSTM, MLP; two with 20 epochs; 8 other balancings with one network, one with two
    assert every.n_fits == 2 * (25 + 2 + 2 + 8 + 1 + 1)


def test_plan_goes_seed_by_seed(dataset: Path) -> None:
    plan = make_plan(ReproduceOptions(dataset, "table4", seeds=3, splits=("paper", "honest")))
    seeds = [cell.seed for cell, _ in plan.to_do]
    assert seeds == sorted(seeds)
    # two rows; random split 1 fold, subjects 2 folds, conditions 2 folds
    assert len(plan.to_do) == 3 * 2 * 5


def test_plan_leaves_out_what_is_there_and_knows_how_long_it_took(dataset: Path) -> None:
    options = ReproduceOptions(dataset, "table4", seeds=3, jobs=2)
    plan = make_plan(options)
    assert (plan.fit_s, plan.hours()) == (None, None)
    write_fit(plan, *plan.to_do[0], lambda cell, task: 1.0, seconds=30.0)
    assert plan.left() == 5
    again = make_plan(options)
    assert len(again.to_do) == 5
    assert again.to_do == plan.to_do[1:]
    assert again.hours() == pytest.approx(5 * 30 / 2 / 3600)


@pytest.mark.parametrize("text", ['{"seconds": NaN}', 60_000 * "[", '{"seconds": 1e999}', "[]", "{}"])
def test_plan_leaves_a_fit_that_says_nothing_of_its_time_out_of_the_median(dataset: Path, text: str) -> None:
    options = ReproduceOptions(dataset, "table4", seeds=2)
    plan = make_plan(options)
    write_fit(plan, *plan.to_do[0], lambda cell, task: 1.0, seconds=30.0)
    damaged = write_fit(plan, *plan.to_do[1], lambda cell, task: 1.0)
    (damaged / "fit.json").write_text(text)
    assert make_plan(options).fit_s == 30.0


def test_plan_of_another_data_set_begins_anew(dataset: Path, tmp_path: Path) -> None:
    options = ReproduceOptions(dataset, "table4", seeds=1, out=tmp_path / "out")
    make_cells_of(make_plan(options), lambda cell, task: 1.0)
    assert make_plan(options).to_do == ()
    other = write_dataset_of_noise(tmp_path / "other.h5", n_windows=11)
    assert len(make_plan(ReproduceOptions(other, "table4", seeds=1, out=tmp_path / "out")).to_do) == 2


def test_schemes_of_honest_are_those_that_the_data_allow(tmp_path: Path) -> None:
    one = open_dataset(write_small(tmp_path / "one.h5"))
    two = open_dataset(write_small(tmp_path / "two.h5", parts_of(n_visits=2)))
    assert schemes_of(one, "honest") == ("leave-subjects-out", "leave-condition-out")
    assert schemes_of(two, "honest") == ("leave-subjects-out", "leave-condition-out", "leave-visit-out")
    assert schemes_of(one, "blocked") == ("blocked",)
    with pytest.raises(ConfigError, match=r"honest, leave-condition-out.*Did you mean 'paper'"):
        schemes_of(one, "papr")
    with pytest.raises(ConfigError, match="unknown people"):
        schemes_of(one, "open-set")
    with pytest.raises(DatasetError, match="does not allow"):
        schemes_of(one, "leave-visit-out")


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ({"table": "table2"}, ConfigError, "all, balancing"),
        ({"seeds": 0}, ConfigError, "--seeds 0: expected 1 to"),
        ({"epochs": 0}, ConfigError, "epochs"),
        ({"device": "cuda:77"}, TrainingError, "not here"),
        ({"splits": ("papers",)}, ConfigError, "Did you mean 'paper'"),
    ],
)
def test_plan_refuses_what_cannot_be(
    dataset: Path, changes: dict[str, object], error: type[Exception], expected: str
) -> None:
    options = {"dataset": dataset, "table": "table4", **changes}
    with pytest.raises(error, match=expected):
        make_plan(ReproduceOptions(**options))  # type: ignore[arg-type]
    assert [path.name for path in dataset.parent.iterdir()] == ["d.h5"]
