"""The files of a table."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from support.made_cells import make_cells_of, write_dataset_of_noise, write_fit

from ecgkit.stages.reproduce import ReproduceOptions, ReproduceSummary, make_plan, run
from ecgkit.stages.reproduce.cells import Cell

OPTIONS = {"seeds": 3, "epochs": 4, "results_only": True, "splits": ("paper", "honest")}


def right(cell: Cell, task: str) -> float:
    return (9 + 3 * cell.seed - (cell.row != "GradNorm on") * cell.seed) / 18


def made(folder: Path, table: str, **changes: object) -> ReproduceSummary:
    dataset = write_dataset_of_noise(folder / "d.h5")
    plan = make_plan(ReproduceOptions(dataset, table, **{**OPTIONS, **changes}))  # type: ignore[arg-type]
    make_cells_of(plan, right)
    return run(plan)


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_scores_are_a_line_for_each_row_scheme_task_and_seed(tmp_path: Path) -> None:
    summary = made(tmp_path, "table4")
    lines = read(summary.folder / "table4.csv")
    assert len(lines) == 2 * 3 * (2 + 1 + 1)
    paper = [line for line in lines if line["split"] == "paper" and line["task"] == "condition"]
    assert [(line["row"], line["seed"], line["accuracy"], line["windows"]) for line in paper] == [
        ("GradNorm on", "0", "0.5", "18"),
        ("GradNorm off", "0", "0.5", "18"),
        ("GradNorm on", "1", "0.666667", "18"),
        ("GradNorm off", "1", "0.611111", "18"),
        ("GradNorm on", "2", "0.833333", "18"),
        ("GradNorm off", "2", "0.722222", "18"),
    ]


def test_summary_and_json_have_the_same_numbers_as_the_page(tmp_path: Path) -> None:
    summary = made(tmp_path, "table4")
    lines = read(summary.folder / "table4_summary.csv")
    assert len(lines) == 2 * (2 + 2)
    on, off = (line for line in lines if (line["split"], line["task"]) == ("paper", "condition"))
    assert (on["accuracy_mean"], on["accuracy_sd"], on["difference_mean"]) == ("0.666667", "0.166667", "")
    assert (off["difference_mean"], off["p"], off["paper_accuracy"]) == ("-0.0555556", "0.225403", "0.7822")
    content = json.loads((summary.folder / "table4.json").read_text())
    assert content == json.loads(json.dumps(summary.as_json()["tables"][0]))
    [state, _] = content["sections"][0]["tables"]
    assert state["rows"][1]["versus"]["difference"]["p"] == pytest.approx(0.225403, abs=1e-6)
    assert content["simulated"] is True
    page = (summary.folder / "table4.html").read_text(encoding="utf-8")
    for shown in ("66.7 ± 16.7", "−5.6", "0.23", "84.11", "SIMULATED DATA", "Other people", "leaks"):
        assert shown in page


def test_markdown_says_on_which_data_and_under_which_split(tmp_path: Path) -> None:
    text = (made(tmp_path, "table4").folder / "table4.md").read_text(encoding="utf-8")
    for said in (
        "SIMULATED study 'small': 3 subjects in 2 conditions, 60 windows of 3 s",
        "## Split: paper",
        "It leaks",
        "## Split: honest",
        "leave-subjects-out",
        "paper (its own data, its random split)",
        "66.7 ± 16.7",
        "seeds only, not people",
        "ecgkit reproduce table4 --dataset d.h5 --split paper --split honest --seeds 3 --epochs 4",
    ):
        assert said in text
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.M)
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_command_on_the_page_makes_the_same(tmp_path: Path) -> None:
    summary = made(tmp_path, "table4")
    words = shlex.split(summary.tables[0].command)
    assert words[:5] == ["ecgkit", "reproduce", "table4", "--dataset", "d.h5"]


def test_curves_have_a_line_an_epoch(tmp_path: Path) -> None:
    summary = made(tmp_path, "figures6-7", splits=("paper",))
    lines = read(summary.folder / "figures6-7_curves.csv")
    assert len(lines) == 2 * 2 * 3 * 4  # rows, tasks, seeds, epochs
    assert {line["training_accuracy"] for line in lines} == {"0.25", "0.5", "0.75", "1"}
    assert (summary.folder / "figures6-7.html").read_text(encoding="utf-8").count('class="band"') == 8


def test_all_has_a_page_that_leads_to_each(tmp_path: Path) -> None:
    summary = made(tmp_path, "all", splits=("paper",))
    assert summary.page.name == "index.html"
    links = re.findall(r'href="([^"]+)"', summary.page.read_text(encoding="utf-8"))
    assert links == ["table1.html", "table3.html", "table4.html", "figures6-7.html", "balancing.html"]
    assert all((summary.folder / link).is_file() for link in links)
    assert (summary.folder / "table3.html").read_text(encoding="utf-8").count("--share") >= 2 * 25


def test_pages_need_no_other_file_and_no_network(tmp_path: Path) -> None:
    summary = made(tmp_path, "all")
    for page in summary.folder.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'(?:src|href)="(?!\w[\w-]*\.html)', text)
        assert "url(" not in text


def test_the_kind_of_device_is_named(tmp_path: Path) -> None:
    summary = made(tmp_path, "table4")
    assert summary.warnings == ()
    assert "; device cpu;" in (summary.folder / "table4.md").read_text(encoding="utf-8")


def test_a_table_of_several_kinds_of_devices_is_warned_of(tmp_path: Path) -> None:
    dataset = write_dataset_of_noise(tmp_path / "d.h5")
    plan = make_plan(ReproduceOptions(dataset, "table4", **OPTIONS))  # type: ignore[arg-type]
    for cell, task in plan.to_do:
        write_fit(plan, cell, task, right, device="cuda" if cell.scheme == "paper" and cell.seed else "cpu")
    summary = run(plan)
    [warning] = summary.warnings
    assert warning.startswith("table4, split paper: fits from cpu and cuda; differences between rows may be")
    said = "device cpu and cuda: differences between rows may be the devices'"
    assert said in (summary.folder / "table4.md").read_text(encoding="utf-8")
    assert "cpu and cuda: differences" in (summary.folder / "table4.html").read_text(encoding="utf-8")
    assert summary.as_json()["warnings"] == [warning]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    dataset = write_dataset_of_noise(tmp_path / "d.h5")
    plan = make_plan(ReproduceOptions(dataset, "table4", **{**OPTIONS, "splits": ("paper",)}))  # type: ignore[arg-type]
    make_cells_of(plan, right)
    cell, task = plan.to_do[-1]
    (task.folder(cell.folder(plan.cells)) / "fit.json").unlink()
    summary = run(plan)
    assert (summary.n_fits, summary.n_left) == (6, 1)
    page = (summary.folder / "table4.html").read_text(encoding="utf-8")
    assert "1 of 6 fits are not there yet" in page
    assert "<b>2 of 3</b>" in page
    text = (summary.folder / "table4.md").read_text(encoding="utf-8")
    assert "| 2 of 3 |" in text
    assert "it takes 3 seeds at least" in text
