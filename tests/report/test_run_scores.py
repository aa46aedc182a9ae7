"""What a page says of scores is what they are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.run_pages import CONDITIONS, task_scores

from ecgkit.metrics.classification import score
from ecgkit.report.run_scores import MOST_ROWS, Grid, SchemeScores, confusions, headline_scores, in_words


def test_task_scores_spread_of_one_fold_is_nought() -> None:
    scores = dataclasses.replace(task_scores(), folds=task_scores().folds[:1])
    assert (scores.fold_mean, scores.fold_sd) == (0.85, 0.0)


def test_task_scores_over_subjects_holds_their_mean() -> None:
    low, high = task_scores().over_subjects
    assert 0.8 <= low < 0.883 < high <= 0.95


def test_in_words_says_what_the_numbers_mean() -> None:
    assert in_words(task_scores(), leaks=False) == (
        "Of 100 windows about 89 were given the state they were recorded in; the most frequent answer, "
        "always given, is right for 33. By subject it goes from 80% to 95%. The mean of as many other "
        "subjects like these is to be expected at 80 to 95 %."
    )
    assert "were given the name of the person they are of" in in_words(task_scores("subject"), leaks=False)


def test_in_words_promises_nothing_where_the_scheme_leaks() -> None:
    said = in_words(task_scores(), leaks=True)
    assert "to be expected" not in said
    assert said.endswith("It leaks, so that new people or recordings will do worse.")


def test_in_words_of_one_subject_says_nothing_of_others() -> None:
    one = {"by subject": task_scores().groups["by subject"][:1]}
    assert "By subject" not in in_words(dataclasses.replace(task_scores(), groups=one), leaks=False)


@pytest.mark.parametrize(("n_right", "said"), [(0, " 0 "), (1, " 0.1 "), (999, " 99.9 "), (1000, " 100 ")])
def test_in_words_does_not_round_to_none_or_all(n_right: int, said: str) -> None:
    answered = np.concatenate([np.zeros(n_right, np.int64), np.ones(1000 - n_right, np.int64)])
    scores = dataclasses.replace(task_scores(), overall=score(np.zeros(1000, np.int64), answered, 2))
    assert said in in_words(scores, leaks=False)


def test_confusions_name_the_worst_first() -> None:
    assert confusions(task_scores()) == [
        "rest is most often taken for breathing: 10 of its 60 windows (17%)",
    ]


def test_confusions_of_a_perfect_score_are_none() -> None:
    perfect = dataclasses.replace(task_scores(), overall=score([0, 1, 2], [0, 1, 2], 3))
    assert confusions(perfect) == []


def test_confusions_of_many_classes_are_few() -> None:
    true = np.arange(500)
    overall = score(true, (true + 1) % 500, 500)
    scores = dataclasses.replace(task_scores(), overall=overall, classes=tuple(map(str, true)))
    assert confusions(scores)[0] == "0 is most often taken for 1: 1 of its 1 windows (100%)"
    assert len(confusions(scores)) == 5


def test_headline_scores_put_the_state_and_honest_schemes_first() -> None:
    schemes = [
        SchemeScores("paper", "", True, (), (task_scores("condition"), task_scores("subject"))),
        SchemeScores("leave-subjects-out", "", False, (), (task_scores("condition"),)),
    ]
    found = [(scheme.name, scores.task) for scheme, scores, _ in headline_scores(schemes)]
    assert found == [("leave-subjects-out", "condition"), ("paper", "condition"), ("paper", "subject")]


def test_grid_leaves_out_what_was_not_tested() -> None:
    n = np.array([[10, 0, 0], [0, 0, 0], [0, 20, 0]])
    grid = Grid(("a", "b", "c"), CONDITIONS, n, n // 2)
    assert grid.headings == ["breathing", "exercise"]
    assert grid.rows == [("a", [(0.5, 10), None]), ("c", [None, (0.5, 20)])]
    assert grid.n_left_out == 0


def test_grid_of_many_subjects_shows_the_lowest_in_their_order() -> None:
    n = np.full((100, 1), 100)
    grid = Grid(tuple(map(str, range(100))), ("rest",), n, np.arange(100)[::-1, np.newaxis])
    assert [name for name, _ in grid.rows] == [str(i) for i in range(60, 100)]
    assert (len(grid.rows), grid.n_left_out) == (MOST_ROWS, 60)
