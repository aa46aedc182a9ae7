"""Windows that a training holds back: never the tested ones, and dealt as those are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.window_tables import complete, tables

from ecgkit.errors import SplitError
from ecgkit.splits import SCHEMES, find_scheme
from ecgkit.splits.scheme import TEST, TRAIN, SplitSettings
from ecgkit.splits.validation import hold_back


def settings(seed: int = 0) -> SplitSettings:
    return SplitSettings(seed=seed, n_folds=5, test_share=0.3, gap_s=3.0)


@given(tables(), st.sampled_from(sorted(SCHEMES)), st.integers(0, 3))
def test_hold_back_takes_from_the_training_only(table, name: str, seed: int) -> None:
    for roles in find_scheme(name).split(table, settings()).values():
        train = np.flatnonzero(roles == TRAIN)
        try:
            held = hold_back(table, train, scheme=name, settings=settings(seed))
        except SplitError:
            continue  # too few windows
        assert len(held.train)
        assert len(held.validation)
        assert not set(held.train) & set(held.validation)
        assert set(held.train) | set(held.validation) <= set(train)
        assert not set(held.validation) & set(np.flatnonzero(roles == TEST))


def test_hold_back_holds_back_people_where_people_are_tested() -> None:
    table = complete(10, 3, 1)
    name = "leave-subjects-out"
    roles = find_scheme(name).split(table, settings())["0"]
    held = hold_back(table, np.flatnonzero(roles == TRAIN), scheme=name, settings=settings())
    assert held.scheme == name
    chosen_by, trained_on = (set(table.subject[rows]) for rows in (held.validation, held.train))
    tested = set(table.subject[roles == TEST])
    assert not chosen_by & trained_on
    assert not tested & (chosen_by | trained_on)


def test_hold_back_holds_back_a_condition_where_one_is_tested() -> None:
    table = complete(4, 3, 1)
    name = "leave-condition-out"
    for roles in find_scheme(name).split(table, settings()).values():
        train = np.flatnonzero(roles == TRAIN)
        chosen = set()
        for seed in (0, 1):
            held = hold_back(table, train, scheme=name, settings=settings(seed))
            assert held.scheme == name
            (condition,) = set(table.condition[held.validation])
            assert condition not in set(table.condition[held.train])
            chosen.add(condition)
        assert chosen == set(table.condition[train])


@pytest.mark.parametrize("scheme", ["leave-visit-out", None])
def test_hold_back_takes_blocks_in_time_where_the_scheme_does_not_go(scheme: str | None) -> None:
    table = complete(4, 2, 1, n_windows=20)
    held = hold_back(table, np.arange(len(table)), scheme=scheme, settings=settings())
    assert held.scheme == "blocked"
    assert set(table.session[held.validation]) <= set(table.session[held.train])


def test_hold_back_says_what_is_too_few() -> None:
    table = complete(2, 1, 1, n_windows=1)
    with pytest.raises(SplitError, match="1 windows to train on are too few to hold some back"):
        hold_back(table, np.array([0]), scheme="paper", settings=settings())
