"""Schemes keep what they claim, on studies of any make; and one that does not is found out."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.window_tables import complete, tables

from ecgkit.splits import SCHEMES, find_scheme
from ecgkit.splits.claims import broken_claims, scheme_leaks, unexpected
from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable

SETTINGS = SplitSettings(seed=0, n_folds=5, test_share=0.3, gap_s=3.0)


def fake(like: str, *folds: list[int], **claims: bool) -> Scheme:
    """A scheme that claims what another does, and deals the rows as told."""
    made = {str(index): np.array(roles, dtype=np.uint8) for index, roles in enumerate(folds)}

    def split(table: WindowTable, settings: SplitSettings) -> Folds:
        return made

    return dataclasses.replace(find_scheme(like), split=split, **claims)


@pytest.mark.parametrize("name", SCHEMES)
@given(table=tables(), seed=st.integers(0, 3), n_folds=st.sampled_from([2, 3, 5]))
def test_scheme_keeps_its_claims(name: str, table: WindowTable, seed: int, n_folds: int) -> None:
    settings = SplitSettings(seed=seed, n_folds=n_folds, test_share=0.3, gap_s=2.0)
    assert broken_claims(find_scheme(name), table, settings) == ()


@pytest.mark.parametrize("name", SCHEMES)
def test_scheme_says_it_leaks_if_and_only_if_it_does(name: str) -> None:
    scheme, table = find_scheme(name), complete(6, 3, 2)
    found = scheme_leaks(scheme, table, scheme.split(table, SETTINGS))
    assert any(leak.severity == "leak" for leak in found) == scheme.leaks
    assert not any(leak.severity == "bias" for leak in found)


def test_broken_claims_finds_a_scheme_that_leaks_and_denies_it() -> None:
    table = complete(2, 1, 1, n_windows=2)
    [claim, *_] = broken_claims(fake("leave-condition-out", [1, 2, 1, 2]), table, SETTINGS)
    assert claim.startswith("leave-condition-out, fold 0: All 2 tested windows came from recordings")
    assert broken_claims(fake("leave-condition-out", [1, 2, 1, 2], leaks=True), table, SETTINGS) == ()


def test_broken_claims_finds_folds_that_test_nothing_or_twice() -> None:
    table = complete(2, 1, 2, n_windows=1)
    assert broken_claims(fake("leave-visit-out", [1, 1, 1, 1]), table, SETTINGS) == (
        "leave-visit-out: roles 0: no window is tested (2), so there is nothing to look for",
    )
    twice = ([1, 2, 1, 2], [1, 2, 1, 0])
    assert broken_claims(fake("leave-visit-out", *twice), table, SETTINGS) == (
        "leave-visit-out: 1 windows are tested in several folds",
    )
    assert broken_claims(fake("open-set", *twice), table, SETTINGS) == ()


def test_scheme_leaks_counts_windows_over_all_folds() -> None:
    table = complete(4, 3, 1, n_windows=5)
    scheme = find_scheme("leave-condition-out")
    [caveat] = scheme_leaks(scheme, table, scheme.split(table, SETTINGS))
    assert (caveat.name, caveat.severity, caveat.n_windows, caveat.share) == ("same-visit", "caveat", 60, 1.0)


def test_unexpected_is_what_a_scheme_does_not_say_itself() -> None:
    table = complete(4, 3, 1, n_windows=5)
    for name in ("leave-condition-out", "paper"):
        scheme = find_scheme(name)
        assert unexpected(scheme, scheme_leaks(scheme, table, scheme.split(table, SETTINGS))) == []
    roles = np.where(table.condition == "c0", 2, 1)
    for name in ("leave-subjects-out", "paper"):
        scheme = find_scheme(name)
        said = unexpected(scheme, scheme_leaks(scheme, table, {"0": roles}))
        assert said[0].startswith(
            f"{name}: Bias (state): All 20 tested windows were in states of which nothing"
        )
    scheme, roles = find_scheme("leave-subjects-out"), np.where(table.start_s > 6, 2, 1)
    [claim, *_] = unexpected(scheme, scheme_leaks(scheme, table, {"0": roles}))
    assert claim.startswith("leave-subjects-out: Leak (state): All 24 tested windows came from recordings")
