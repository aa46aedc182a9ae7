"""The paper's tables as grids: what they hold, and the folders of their cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.made_cells import write_dataset_of_noise

from ecgkit.config import TrainConfig
from ecgkit.dataset.read import open_dataset
from ecgkit.errors import ConfigError
from ecgkit.models.dual_task import outline
from ecgkit.stages.fitting import FitTask, model_spec
from ecgkit.stages.reproduce.cells import Cell, make_cells
from ecgkit.stages.reproduce.grids import ATTENTIONS, GRIDS, at_epochs, find_grid
from ecgkit.stages.reproduce.paper import FOUR, TWO, paper_scores


@pytest.mark.parametrize(
    ("name", "n_rows"), [("table1", 8), ("table3", 25), ("table4", 2), ("figures6-7", 4), ("balancing", 10)]
)
def test_grids_have_the_papers_rows_each_once(name: str, n_rows: int) -> None:
    rows = find_grid(name).rows
    assert len({row.name for row in rows}) == len(rows) == n_rows
    assert len({str(row.trainings) for row in rows}) == n_rows


def test_every_training_of_every_grid_can_be_built(tmp_path: Path) -> None:
    data = open_dataset(write_dataset_of_noise(tmp_path / "d.h5"))
    specs = {
        model_spec(data, cell.settings)
        for grid in GRIDS.values()
        for row in grid.rows
        for cell in make_cells(data, row, scheme="paper", seed=0, changes={})
    }
    assert len(specs) == 29  # 25 pairs, LSTM, MLP, and a network for each task alone
    for spec in specs:
        outline(spec)


def test_every_number_of_the_paper_belongs_to_a_row() -> None:
    for table, rows in {**FOUR, **TWO}.items():
        assert set(rows) == {row.name for row in find_grid(table).rows}


def test_paper_scores_are_the_printed_ones_with_wilsons_interval() -> None:
    state = paper_scores("table1", "DT4ECG (1D-ResNet + SCA, GradNorm)", "condition")
    assert state is not None
    assert (state.accuracy, state.precision, state.recall, state.f1) == pytest.approx(
        (0.9011, 0.9025, 0.9011, 0.9011)
    )
    assert state.interval == pytest.approx((0.879, 0.920), abs=1e-3)
    identity = paper_scores("table3", "1D-DenseNet + CBAM", "subject")
    assert identity is not None
    assert (identity.accuracy, identity.f1) == (pytest.approx(0.9875), None)
    assert paper_scores("table4", "GradNorm off", "condition").accuracy == pytest.approx(0.7822)  # type: ignore[union-attr]
    assert paper_scores("balancing", "DWA", "condition") is None


def test_cross_of_table3_names_all_its_rows() -> None:
    grid = find_grid("table3")
    names = [name for names in grid.cross.values() for name in names]
    assert sorted(names) == sorted(row.name for row in grid.rows)
    for names in grid.cross.values():
        rows = {row.name: row.trainings[0] for row in grid.rows}
        assert [rows[name]["attention"] for name in names] == list(ATTENTIONS.values())


def test_find_grid_lists_the_names_that_it_knows() -> None:
    with pytest.raises(ConfigError, match=r"all, balancing, figures6-7, table1.*Did you mean 'table3'"):
        find_grid("table33")


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        (2, {"GradNorm on, 2 epochs": 2, "GradNorm off, 2 epochs": 2}),
        (
            30,
            {
                "GradNorm on, 30 epochs": 30,
                "GradNorm off, 30 epochs": 30,
                "GradNorm on, 20 epochs": 20,
                "GradNorm off, 20 epochs": 20,
            },
        ),
    ],
)
def test_at_epochs_names_what_is_trained(epochs: int, expected: dict[str, int]) -> None:
    grid = at_epochs(find_grid("figures6-7"), epochs)
    assert {row.name: row.trainings[0]["epochs"] for row in grid.rows} == expected


def test_at_epochs_keeps_table4s_twenty() -> None:
    assert [row.trainings[0]["epochs"] for row in at_epochs(find_grid("table4"), 30).rows] == [20, 20]
    assert [row.trainings[0]["epochs"] for row in at_epochs(find_grid("table4"), 1).rows] == [1, 1]


def test_cells_are_shared_among_tables(tmp_path: Path) -> None:
    data = open_dataset(write_dataset_of_noise(tmp_path / "d.h5"))
    first = [find_grid(name).rows[0] for name in ("table1", "table3", "figures6-7", "balancing")]
    folders = {make_cells(data, row, scheme="paper", seed=1, changes={})[0].folder(tmp_path) for row in first}
    assert len(folders) == 1


def test_a_cells_folder_is_found_again_by_later_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgkit.training.weights.current_versions", lambda: {"ecgkit": "0.1.0", "torch": "2"})
    settings = TrainConfig(backbone="cnn", attention="none", seed=3)
    task = FitTask("paper", "0", dataset_sha256="ab", split_seed=3)
    cell = Cell("1D-CNN", "paper", 3, settings, (task,))
    assert cell.folder(Path("cells")) == Path("cells/cnn-none-gradnorm-50-seed3-2c6df35296f4")


def test_a_task_that_a_scheme_cannot_test_is_not_trained_alone(tmp_path: Path) -> None:
    data = open_dataset(write_dataset_of_noise(tmp_path / "d.h5"))
    row = find_grid("balancing").rows[-1]
    made = {
        scheme: [cell.scored for cell in make_cells(data, row, scheme=scheme, seed=0, changes={})]
        for scheme in ("paper", "leave-subjects-out", "leave-condition-out")
    }
    assert made == {
        "paper": [("subject",), ("condition",)],
        "leave-subjects-out": [("condition",)],
        "leave-condition-out": [("subject",)],
    }
