"""Runs are compared on the windows that both tested, and only where these are the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from support.run_folders import make_run

from ecgkit.errors import RunError
from ecgkit.stages import runs_compare
from ecgkit.stages.run_files import read_answers


@pytest.fixture
def study(tmp_path: Path) -> Path:
    runs = tmp_path / "runs"
    make_run(runs / "001", seed=1, share_right=0.5)
    make_run(runs / "002", seed=2, share_right=0.8, balancing="equal", epochs=5)
    make_run(runs / "003", schemes=("paper",))
    make_run(runs / "004", sha256="f" * 64)
    make_run(runs / "005", schemes=())
    return tmp_path


def test_compare_names_the_settings_that_differ(study: Path) -> None:
    found = runs_compare.run(["001", "002"], study)
    assert found.settings == {
        "training.balancing": ("gradnorm", "equal"),
        "training.epochs": ("3", "5"),
    }
    assert found.n_same > 20


def test_compare_takes_what_an_older_run_does_not_say_for_the_default(study: Path) -> None:
    make_run(study / "runs" / "006", schedule="constant", validation=False, class_weights="none")
    assert runs_compare.run(["001", "006"], study).settings == {}
    make_run(study / "runs" / "007", schedule="cosine")
    assert runs_compare.run(["001", "007"], study).settings == {"training.schedule": ("constant", "cosine")}


def test_compare_holds_runs_against_the_first_on_the_same_windows(study: Path) -> None:
    found = runs_compare.run(["001", "002"], study)
    assert [(each.scheme, each.task) for each in found.differences] == [
        ("leave-subjects-out", "condition"),
        ("leave-condition-out", "subject"),
    ]
    for each in found.differences:
        one, two = (
            read_answers(study / "runs" / name)[each.scheme, each.task].right for name in ("001", "002")
        )
        assert (each.first, each.other, each.n) == ("001", "002", 80)
        assert each.difference == pytest.approx(two.mean() - one.mean())
        assert (each.only_first, each.only_other) == (np.sum(one & ~two), np.sum(two & ~one))
        expected = binomtest(each.only_first, each.only_first + each.only_other, 0.5).pvalue
        assert each.p_value == pytest.approx(expected)
        assert each.low is not None
        assert each.high is not None
        assert each.low < each.difference < each.high


def test_compare_of_equal_answers_finds_no_difference(study: Path) -> None:
    shutil.copytree(study / "runs" / "001", study / "runs" / "006")
    for each in runs_compare.run(["001", "006"], study).differences:
        assert (each.difference, each.low, each.high, each.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            "003",
            "in common: 001 was tested under leave-subjects-out, leave-condition-out, 003",
        ),
        ("004", "are of different data sets"),
        ("005", "one of them was not tested"),
    ],
)
def test_compare_says_what_it_can_t_compare(study: Path, other: str, said: str) -> None:
    found = runs_compare.run(["001", other], study)
    assert not found.differences
    assert said in found.remarks[0]


def test_compare_goes_on_with_the_runs_that_can_be_compared(study: Path) -> None:
    found = runs_compare.run(["001", "003", "002"], study)
    assert {each.other for each in found.differences} == {"002"}
    assert any("0.025" in remark for remark in found.remarks)
    assert found.scores["paper", "subject"][0] is None


def test_compare_does_not_pair_other_rows_or_folds(study: Path) -> None:
    path = study / "runs" / "002" / "predictions.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(
        "".join(lines[:1] + lines[2:]).replace("leave-condition-out,rest", "leave-condition-out,x")
    )
    found = runs_compare.run(["001", "002"], study)
    assert not found.differences
    assert [remark for remark in found.remarks if "not of the same windows and folds" in remark] == [
        remark for remark in found.remarks if "state" in remark or "identity" in remark
    ]
    assert len(found.remarks) == 3


def test_compare_writes_a_page_with_curves_over_each_other(study: Path, tmp_path: Path) -> None:
    page = tmp_path / "compared.html"
    found = runs_compare.run(["001", "002", "003"], study, page=page)
    text = page.read_text()
    assert found.page == page
    assert "SIMULATED DATA" in text
    assert text.count("tone-1") > 2
    assert "training.balancing" in text
    assert "<script" not in text


def test_compare_as_json_is_json(study: Path) -> None:
    content = json.loads(
        json.dumps(runs_compare.run(["001", "002", "005"], study).as_json(), allow_nan=False)
    )
    assert [run["name"] for run in content["runs"]] == ["001", "002", "005"]
    assert content["settings"]["training.balancing"] == ["gradnorm", "equal", "gradnorm"]
    assert content["differences"][0]["other"] == "002"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["001"], "1 runs to compare, expected 2 to 8"),
        (["001"] * 9, "9 runs"),
        (["001", "001"], "the same run twice"),
        (["001", "009"], "unknown run '009'"),
    ],
)
def test_compare_refuses_what_is_no_comparison(study: Path, names: list[str], said: str) -> None:
    with pytest.raises(RunError, match=said):
        runs_compare.run(names, study)


def test_compare_names_the_file_that_is_damaged(study: Path) -> None:
    (study / "runs" / "002" / "predictions.csv").unlink()
    with pytest.raises(RunError, match=r"002.predictions\.csv: can't be read"):
        runs_compare.run(["001", "002"], study)


def test_compare_does_not_write_a_page_onto_a_folder(study: Path) -> None:
    with pytest.raises(IsADirectoryError):
        runs_compare.run(["001", "002"], study, page=study)
