"""The files of a run folder are read as they are, and refused clearly where they are damaged."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.run_folders import SHA256, SUBJECTS, make_run

from ecgkit.errors import RunError
from ecgkit.stages import run_files
from ecgkit.stages.run_files import (
    history_of,
    leaks,
    name_of,
    read_answers,
    read_card,
    read_history,
    read_metrics,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "001")


def test_read_card_says_what_was_trained(run: Path) -> None:
    card = read_card(run)
    assert (card.spec.backbone, card.dataset_sha256, card.subject_labels) == ("cnn", SHA256, SUBJECTS)


def test_read_metrics_gives_the_scores(run: Path) -> None:
    metrics = read_metrics(run)
    assert metrics is not None
    by_scheme = {scheme.scheme: list(scheme.tasks) for scheme in metrics.schemes}
    assert by_scheme == {"leave-subjects-out": ["condition"], "leave-condition-out": ["subject"]}
    scores = metrics.schemes[0].tasks["condition"]
    mean = np.average(
        [row.accuracy for row in scores.by_subject], weights=[row.n for row in scores.by_subject]
    )
    assert scores.accuracy == pytest.approx(mean)


def test_read_metrics_of_a_run_that_was_not_tested(tmp_path: Path) -> None:
    assert read_metrics(make_run(tmp_path / "001", schemes=())) is None


def test_leaks_goes_by_our_own_schemes_whatever_the_file_says(run: Path) -> None:
    content = json.loads((run / "metrics.json").read_text())
    content["schemes"][0] |= {"scheme": "paper", "leaks": False}
    content["schemes"][1] |= {"scheme": "a-lab-s-own", "leaks": False}
    (run / "metrics.json").write_text(json.dumps(content))
    metrics = read_metrics(run)
    assert metrics is not None
    assert [leaks(scheme) for scheme in metrics.schemes] == [True, False]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"n": 80', '"n": -1', "n: input should be greater"),
        ('"n": 80', '"n": 1e400', "too large"),
        ('"f1": 0.4', '"f1": NaN', "NaN"),
        ('"f1": 0.4', '"f1": 1.5', "f1: input should be less"),
        ('"leave-subjects-out"', "7", "scheme: input should be a valid string"),
        ('"by_subject": [', '"by_subject": [7, ', "by_subject"),
        ('"format_version": 1', '"format_version": 9', '"format_version": 9'),
        ("ecgkit-metrics", "x" * 10_000, "ecgkit-metrics"),
        ('"schemes"', '"scheme"', "schemes"),
        ("{", "[" * 100_000, "not a JSON text"),
    ],
)
def test_read_metrics_refuses_what_is_not_right(run: Path, old: str, new: str, said: str) -> None:
    text = (run / "metrics.json").read_text()
    assert old in text
    (run / "metrics.json").write_text(text.replace(old, new, 1))
    with pytest.raises(RunError, match=r"metrics\.json") as refused:
        read_metrics(run)
    assert said.lower() in str(refused.value).lower()
    assert len(str(refused.value)) < 1000


def test_history_of_gives_fit_by_fit(run: Path) -> None:
    fits = history_of(run)
    assert [name_of(fit) for fit in fits] == [
        *("leave-subjects-out/a", "leave-subjects-out/b", "leave-condition-out/a", "leave-condition-out/b"),
        "final",
    ]
    np.testing.assert_allclose(fits[0].columns["subject_loss"], [1, 1 / 2, 1 / 3], rtol=1e-5)
    assert np.isnan(fits[0].columns["monitor_subject_accuracy"]).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "heading"),
        ("scheme,fold,epoch\nall,0,1\n", "heading"),
        ("scheme,fold,epoch,seconds,seconds\n", "heading"),
        ("scheme,fold,epoch,seconds\nall,0,1\n", "line 2: 3 values, expected 4"),
        ("scheme,fold,epoch,seconds\nall,0,1,2\nall,0,x,2\n", "line 3"),
        ("scheme,fold,epoch,seconds\nall,0,0,2\n", "epoch '0'"),
        ("scheme,fold,epoch,seconds\nall,0,,2\n", "epoch ''"),
        ("scheme,fold,epoch,seconds\nall,0,1e300,2\n", "epoch '1e300'"),
        ("scheme,fold,epoch,seconds\nall\n", "line 2"),
    ],
)
def test_read_history_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(RunError, match=r"history\.csv") as refused:
        read_history(tmp_path / "history.csv")
    assert said in str(refused.value)


@given(text=st.text(max_size=200) | st.text("scheme,fold,epoch,seconds\n01a.", max_size=200))
@settings(deadline=None)
def test_read_history_of_anything_is_a_history_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "history.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(RunError):
        read_history(path)


def test_read_history_bounds_what_it_reads(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_files, "MOST_HISTORY_BYTES", 100)
    with pytest.raises(RunError, match="expected at most 100"):
        history_of(run)


def test_read_answers_gives_rows_subjects_and_folds(run: Path) -> None:
    found = read_answers(run)
    tested = found["leave-condition-out", "subject"]
    np.testing.assert_array_equal(tested.rows, np.arange(80))
    assert tested.subjects == tuple(f"sub-{subject}" for subject in SUBJECTS)
    assert (tested.classes, tested.folds) == (SUBJECTS, ("exercise", "rest"))
    metrics = read_metrics(run)
    assert metrics is not None
    assert tested.right.mean() == pytest.approx(metrics.schemes[1].tasks["subject"].accuracy)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace("row,", "line,", 1), "not the answers"),
        (lambda text: text.replace(",0,sub", ",nought,sub", 1), "not the answers"),
        (lambda text: text[:-60], "not the answers"),
        (lambda text: text + "x" * 20_000, "a line of more than 10,000 characters"),
        (lambda text: text + "leave-subjects-out\n", "not the answers"),
        (lambda text: text.replace(",0,sub", f",{10**30},sub", 1), "not the answers"),
    ],
)
def test_read_answers_refuses_what_is_damaged(run: Path, damage: Callable[[str], str], said: str) -> None:
    path = run / "predictions.csv"
    path.write_text(damage(path.read_text()))
    with pytest.raises(RunError, match=r"predictions\.csv") as refused:
        read_answers(run)
    assert said in str(refused.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("run.json", read_card),
        ("metrics.json", read_metrics),
        ("history.csv", history_of),
        ("predictions.csv", read_answers),
    ],
)
def test_no_file_of_a_run_may_be_a_pipe(run: Path, name: str, read: Callable[[Path], object]) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)
    with pytest.raises(RunError, match=name):
        read(run)
