"""What the paper claims, judged from numbers that are made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.metrics.seeds import over_seeds
from ecgkit.report.reproduction import Claim, Curve, PaperScores, RowScores, TaskTable
from ecgkit.stages.reproduce.claims import (
    attention_first,
    better,
    claims_of,
    epochs_to,
    faster,
    reference_first,
)
from ecgkit.stages.reproduce.grids import ATTENTIONS, CROSS, at_epochs, find_grid


def table_of(
    accuracies: Mapping[str, Sequence[float]], paper: Mapping[str, float] | None = None
) -> TaskTable:
    rows = (
        RowScores(
            name,
            wanted=len(values),
            seeds=tuple(range(len(values))),
            accuracies=tuple(values),
            measures={"accuracy": over_seeds(values)} if values else None,
            paper=PaperScores(paper[name], (0.0, 1.0)) if paper and name in paper else None,
        )
        for name, values in accuracies.items()
    )
    return TaskTable("condition", "paper", 1 / 3, 100, tuple(rows))


def test_first_of_all_beyond_chance_holds() -> None:
    seen = reference_first(
        table_of(
            {"ours": (0.90, 0.91, 0.92), "A": (0.80, 0.82, 0.81), "B": (0.70, 0.71, 0.73)},
            {"ours": 0.9011, "A": 0.8398, "B": 0.7146},
        )
    )
    assert seen == Claim(
        "State, split paper: ours is the best of 3",
        "first: 90.11 against 83.98 of A",
        "holds",
        "first in mean: 91.0 against 81.0 of the next, A, a difference beyond chance: +10.0 points "
        "[+7.5, +12.5], p = 0.003 (corrected for 2 comparisons)",
    )


def test_first_in_mean_that_can_be_chance_is_open() -> None:
    seen = reference_first(
        table_of({"ours": (0.90, 0.80, 0.85), "A": (0.82, 0.86, 0.84), "B": (0.60, 0.51, 0.55)})
    )
    assert (seen.verdict, seen.paper) == ("can't tell", "")
    assert seen.here == (
        "first in mean: 85.0 against 84.0 of the next, A, can't be told apart: +1.0 points [−16.4, +18.4], "
        "p = 0.83 (corrected for 2 comparisons); can't be told from 1 of 2: A"
    )


def test_one_row_ahead_beyond_chance_is_enough_for_it_not_to_hold() -> None:
    seen = reference_first(
        table_of({"ours": (0.70, 0.71, 0.72), "A": (0.80, 0.82, 0.81), "B": (0.71, 0.70, 0.73)})
    )
    assert seen.verdict == "does not hold"
    assert seen.here.startswith("third in mean: 71.0 against 81.0 of A, a difference beyond chance: −10.0")


def test_rows_with_the_same_scores_are_joint_first_and_open() -> None:
    seen = reference_first(table_of({"ours": (0.5, 0.5, 0.5), "A": (0.5, 0.5, 0.5)}))
    assert seen.verdict == "can't tell"
    assert seen.here.startswith("joint first in mean: 50.0 against 50.0 of A")
    assert "the differences are all equal" in seen.here


@pytest.mark.parametrize("short", [(), (0.8,), (0.8, 0.9)])
def test_too_few_seeds_can_tell_nothing(short: tuple[float, ...]) -> None:
    seen = reference_first(table_of({"ours": (0.9, 0.9, 0.9), "A": (0.1, 0.1, 0.1), "B": short}))
    assert seen.verdict == "can't tell"
    assert "it takes 3 seeds at least, 1 of 2 rows have fewer in common with ours" in seen.here
    assert ("so far" in seen.here) == bool(short)


def test_so_far_compares_seeds_that_all_rows_have() -> None:
    """Of all its seeds the first row has 80 in mean: in the only one that B has, it is behind."""
    seen = reference_first(table_of({"ours": (0.6, 0.9, 0.9), "A": (0.5, 0.5, 0.5), "B": (0.7,)}))
    assert seen.here.endswith("; so far, over the 1 seed that all have, second: 60.0 against 70.0 of B")
    table = table_of({"ours": (0.6, 0.9), "A": (0.5, 0.5), "B": (0.7, 0.8)})
    assert "; so far, over the 2 seeds that all have, joint first: 75.0" in reference_first(table).here


def test_means_in_words_are_those_of_the_seeds_in_common() -> None:
    seen = reference_first(table_of({"ours": (0.60, 0.61, 0.62, 0.99, 0.99), "A": (0.50, 0.52, 0.51)}))
    assert seen.here.startswith("first in mean: 61.0 against 51.0 of A, a difference beyond chance: +10.0")


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=4))
def test_an_interval_around_zero_is_never_a_verdict(accuracies: list[list[float]]) -> None:
    """It holds only if every interval lies above 0, and does not only if one lies below."""
    named = {str(place): values for place, values in enumerate(accuracies)}
    seen = reference_first(table_of(named))
    apart = [over_seeds(np.subtract(accuracies[0], other)) for other in accuracies[1:]]
    if seen.verdict == "holds":
        assert all(one.low is not None and one.low > 0 for one in apart)
    elif seen.verdict == "does not hold":
        assert any(one.high is not None and one.high < 0 for one in apart)


def test_better_of_two_is_judged_with_its_sign() -> None:
    good, bad = (0.90, 0.91, 0.92), (0.80, 0.82, 0.81)
    on = better(table_of({"on": good, "off": bad}, {"on": 0.8411, "off": 0.7822}))
    assert (on.about, on.verdict) == ("State, split paper: on is better than off", "holds")
    assert on.paper == "84.11 against 78.22 (+5.9 points)"
    assert better(table_of({"on": bad, "off": good})).verdict == "does not hold"
    assert better(table_of({"on": good, "off": good})).verdict == "can't tell"


def test_attention_is_judged_over_all_backbones_and_with_each() -> None:
    best = {"none": 0.70, "SE": 0.71, "MHA": 0.72, "CBAM": 0.73, "SCA": 0.90}
    accuracies = {
        name: [best[title] + 0.01 * seed * (1 + place) for seed in range(3)]
        for names in CROSS.values()
        for place, (title, name) in enumerate(zip(ATTENTIONS, names, strict=True))
    }
    accuracies["1D-CNN + SCA"] = [0.5, 0.51, 0.52]
    claims = attention_first(table_of(accuracies), CROSS)
    assert [(claim.about.partition("attentions")[2], claim.verdict) for claim in claims] == [
        (", mean of 5 backbones", "holds"),
        (" with 1D-CNN", "does not hold"),
        (" with 1D-EfficientNet", "holds"),
        (" with 1D-MobileNet", "holds"),
        (" with 1D-DenseNet", "holds"),
        (" with 1D-ResNet", "holds"),
    ]
    # SCA: 0.95 with four backbones and 0.51 with one; CBAM: 0.77 with each
    assert "first in mean: 86.2 against 77.0 of the next, CBAM" in claims[0].here


def courses(offsets: Mapping[str, float], *, rising: Sequence[float]) -> list[Curve]:
    """Two rows' training accuracies in three seeds: straight lines to 1, of so many epochs."""
    epochs = np.arange(1, 51)
    return [
        Curve(
            row,
            "subject",
            "paper",
            (0, 1, 2),
            np.stack(
                [
                    np.minimum(1.0, epochs / (length + later * (1 + seed / 10)))
                    for seed, length in enumerate(rising)
                ]
            ),
            np.zeros((3, 50)),
        )
        for row, later in offsets.items()
    ]


def test_faster_counts_epochs_and_means() -> None:
    grid = at_epochs(find_grid("figures6-7"), 2)
    on, off = (row.name for row in grid.rows)
    sooner, higher = faster(grid, courses({on: 0, off: 10}, rising=(20, 21, 22)))
    assert (sooner.verdict, higher.verdict) == ("holds", "holds")
    # 90 % of 1 is reached at 0.9 of the length: 18.9 and, with 10, 11 and 12 more, 28.8 epochs
    assert sooner.here.startswith("18.9 against 28.8 to 90 % of the final training accuracy, a difference")
    assert "ahead by 9.9 epochs" in sooner.here
    assert "(corrected for 2 comparisons)" in sooner.here
    slower, lower = faster(grid, courses({on: 10, off: 0}, rising=(20, 21, 22)))
    assert (slower.verdict, lower.verdict) == ("does not hold", "does not hold")
    assert "behind by 9.9 epochs" in slower.here


def test_faster_with_two_seeds_is_open() -> None:
    grid = find_grid("figures6-7")
    curves = [
        Curve(row.name, "subject", "paper", (0, 1), np.ones((2, 3)), np.ones((2, 3))) for row in grid.rows
    ]
    claims = claims_of(grid, (), curves)
    assert {claim.verdict for claim in claims} == {"can't tell"}
    assert "there are 2" in claims[0].here


@pytest.mark.parametrize(
    ("course", "level", "expected"),
    [
        ((0.5, 0.7, 0.9), 0.8, 2.5),
        ((0.5, 0.7, 0.9), 0.9, 3.0),
        ((0.5, 0.7), 0.1, 1.0),
        ((0.2, 0.9, 0.1), 0.9, 2.0),
    ],
)
def test_epochs_to_takes_a_line_between_epochs(
    course: tuple[float, ...], level: float, expected: float
) -> None:
    assert epochs_to(np.array(course), level) == pytest.approx(expected)
