"""Every scheme, on tables of any make: what must hold whatever the study looks like."""

import dataclasses
import hashlib
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.window_tables import all_tags, complete, reordered, table_of, tables

from ecgkit.config import SplitConfig
from ecgkit.errors import ConfigError, SplitError
from ecgkit.splits import HONEST, SCHEMES, describe_schemes, find_scheme, make_folds, split_all
from ecgkit.splits.scheme import LABELS, TEST, TRAIN, UNUSED, SplitSettings, WindowTable, coded_table

SETTINGS = SplitSettings(seed=0, n_folds=5, test_share=0.3, gap_s=3.0)
BY_ROW = ("paper", "paper-kfold")  # deal rows, whatever they hold

# SHA-256 (16 digits) of the folds that version 0.1.0 wrote for `golden_table`, by seed
GOLDEN = {
    "leave-subjects-out": {0: "007a4ca3372ae3fb", 7: "ee26e06668407616"},
    "leave-condition-out": {0: "ab14058e09e45347", 7: "ab14058e09e45347"},
    "leave-visit-out": {0: "17c6b8d41c806f0d", 7: "17c6b8d41c806f0d"},
    "blocked": {0: "1abc4d0fa1fbbc48", 7: "2a65a911cb18fde3"},
    "paper": {0: "fda11b4d2b75bad2", 7: "3372851ccdd65195"},
}


def golden_table() -> WindowTable:
    """A study with sessions missing, visits that are not numbered from 1, short sessions, a shift in time."""
    tags = [(subject, c, visit**2, take) for subject, c, visit, take in all_tags(11, 3, 3)]
    kept = [tag for row, tag in enumerate(tags) if row % 7 != 2]
    table = table_of(kept, [1 if row % 5 == 4 else 17 for row in range(len(kept))], stride_s=0.7)
    table.start_s[table.start_s > 6.5] += 0.25
    return table


def digest(name: str, settings: SplitSettings) -> str:
    folds = find_scheme(name).split(golden_table(), settings)
    content = b"".join(fold.encode() + b"\0" + roles.tobytes() for fold, roles in folds.items())
    return hashlib.sha256(content).hexdigest()[:16]


@pytest.mark.parametrize("name", GOLDEN)
def test_scheme_deals_as_it_always_has(name: str) -> None:
    """A data set's bytes and every score that was ever reported depend on it."""
    settings = {
        0: SplitSettings(seed=0, n_folds=5, test_share=0.3, gap_s=3.0),
        7: SplitSettings(seed=7, n_folds=3, test_share=0.25, gap_s=1.0),
    }
    assert {seed: digest(name, settings[seed]) for seed in settings} == GOLDEN[name]


@given(tables(), st.sampled_from(sorted(SCHEMES)), st.integers(0, 5))
def test_scheme_folds_are_usable_and_seeded(table: WindowTable, name: str, seed: int) -> None:
    settings = SplitSettings(seed=seed, n_folds=5, test_share=0.3, gap_s=3.0)
    folds = find_scheme(name).split(table, settings)
    again = find_scheme(name).split(table, settings)
    assert list(folds) == list(again)
    for fold, roles in folds.items():
        assert roles.dtype == np.uint8
        assert roles.shape == (len(table),)
        assert set(np.unique(roles)) <= {UNUSED, TRAIN, TEST}
        assert (roles == TEST).any()
        assert (roles == TRAIN).any()
        np.testing.assert_array_equal(roles, again[fold])


@given(tables(), st.sampled_from(sorted(set(SCHEMES) - set(BY_ROW))), st.integers(0, 9))
def test_scheme_deals_alike_whatever_the_order_of_rows(table: WindowTable, name: str, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(table))
    folds = find_scheme(name).split(table, SETTINGS)
    of_reordered = find_scheme(name).split(reordered(table, order), SETTINGS)
    assert list(folds) == list(of_reordered)
    for fold, roles in folds.items():
        np.testing.assert_array_equal(roles[order], of_reordered[fold])


@given(tables())
def test_leave_subjects_out_tests_each_window_once_and_no_known_person(table: WindowTable) -> None:
    folds = find_scheme("leave-subjects-out").split(table, SETTINGS)
    for roles in folds.values():
        assert not set(table.subject[roles == TRAIN]) & set(table.subject[roles == TEST])
        assert not (roles == UNUSED).any()
    if folds:
        np.testing.assert_array_equal(sum((roles == TEST).astype(int) for roles in folds.values()), 1)
    assert len(folds) == (min(5, len(set(table.subject))) if len(set(table.subject)) > 1 else 0)


@given(tables())
def test_leave_condition_out_tests_enrolled_people_in_a_state_never_seen(table: WindowTable) -> None:
    folds = find_scheme("leave-condition-out").split(table, SETTINGS)
    seen = {subject: set(table.condition[table.subject == subject]) for subject in set(table.subject)}
    assert set(folds) == set().union(*(shown for shown in seen.values() if len(shown) > 1))
    for condition, roles in folds.items():
        assert set(table.condition[roles == TEST]) == {condition}
        assert condition not in table.condition[roles == TRAIN]
        assert set(table.subject[roles == TEST]) <= set(table.subject[roles == TRAIN])


def test_leave_condition_out_does_not_test_who_has_one_condition_only() -> None:
    table = table_of(all_tags(2, 2)[:3], 3)
    roles = find_scheme("leave-condition-out").split(table, SETTINGS)["c0"]
    assert set(table.subject[roles == TEST]) == {"00"}
    assert set(roles[table.subject == "01"]) == {UNUSED}


def test_leave_visit_out_needs_two_visits() -> None:
    assert find_scheme("leave-visit-out").split(complete(3, 2, 1), SETTINGS) == {}
    folds = find_scheme("leave-visit-out").split(complete(3, 2, 2, n_windows=4), SETTINGS)
    assert sorted(folds) == ["1", "2"]
    assert folds["2"].tolist().count(TEST) == 3 * 2 * 4


@given(tables())
def test_open_set_tests_unknown_and_enrolled_on_the_same_visit_or_condition(table: WindowTable) -> None:
    unknown: list[str] = []
    for roles in find_scheme("open-set").split(table, SETTINGS).values():
        tested, trained = roles == TEST, roles == TRAIN
        enrolled = np.isin(table.subject, table.subject[trained])
        assert len(set(table.subject[trained])) > 1
        assert (tested & enrolled).any()
        assert (tested & ~enrolled).any()
        unknown += sorted(set(table.subject[tested & ~enrolled]))
        held_out = [
            column
            for column in (table.visit, table.condition)
            if len(set(column[tested])) == 1 and not set(column[tested]) & set(column[trained])
        ]
        assert held_out, "neither visit nor condition tells who is enrolled"
    assert len(unknown) == len(set(unknown)), "each is unknown once"


def test_open_set_goes_through_all_subjects_and_all_visits() -> None:
    table = complete(7, 2, 2)
    folds = find_scheme("open-set").split(table, SETTINGS)
    assert list(folds) == ["0", "1", "2", "3", "4"]
    unknown = [set(table.subject) - set(table.subject[roles == TRAIN]) for roles in folds.values()]
    assert sorted(map(len, unknown)) == [1, 1, 1, 2, 2]
    assert set().union(*unknown) == set(table.subject)
    assert [set(table.visit[roles == TEST]) for roles in folds.values()] == [{1}, {2}, {1}, {2}, {1}]
    assert all(set(table.subject[roles == TEST]) == set(table.subject) for roles in folds.values())


@pytest.mark.parametrize(("n_subjects_with_two", "held_out"), [(3, "visit"), (2, "condition")])
def test_open_set_holds_visits_out_where_half_of_the_subjects_have_two(
    n_subjects_with_two: int, held_out: str
) -> None:
    tags = [tag for tag in all_tags(6, 2, 2) if tag[2] == 1 or int(tag[0]) < n_subjects_with_two]
    table = table_of(tags, 2)
    for roles in find_scheme("open-set").split(table, SETTINGS).values():
        assert len(set(getattr(table, held_out)[roles == TEST])) == 1


def test_open_set_needs_two_enrolled_and_something_to_hold_out() -> None:
    assert find_scheme("open-set").split(complete(2, 2, 2), SETTINGS) == {}
    assert find_scheme("open-set").split(complete(5, 1, 1), SETTINGS) == {}
    assert len(find_scheme("open-set").split(complete(3, 2, 1), SETTINGS)) == 3


@given(tables())
def test_blocked_keeps_the_gap_within_a_session(table: WindowTable) -> None:
    for roles in find_scheme("blocked").split(table, SETTINGS).values():
        for session in set(table.session):
            here = table.session == session
            tested, trained = table.start_s[here & (roles == TEST)], table.start_s[here & (roles == TRAIN)]
            if len(tested) and len(trained):
                apart_s = np.abs(tested[:, None] - trained).min() - table.window_s
                assert apart_s >= SETTINGS.gap_s - 1e-9


def test_paper_takes_the_stated_share_and_leaks() -> None:
    table = complete(15, 3, n_windows=60)
    scheme = find_scheme("paper")
    roles = scheme.split(table, SETTINGS)["0"]
    assert np.count_nonzero(roles == TEST) == 810
    assert len(set(table.session[roles == TRAIN]) & set(table.session[roles == TEST])) == 45
    assert scheme.leaks
    other = SplitSettings(seed=1, n_folds=5, test_share=0.3, gap_s=3.0)
    assert (scheme.split(table, other)["0"] != roles).any()


@given(tables(), st.integers(2, 9))
def test_paper_kfold_tests_each_window_once_in_folds_of_one_size(table: WindowTable, n_folds: int) -> None:
    settings = SplitSettings(seed=0, n_folds=n_folds, test_share=0.3, gap_s=3.0)
    folds = find_scheme("paper-kfold").split(table, settings)
    assert len(folds) == (min(n_folds, len(table)) if len(table) > 1 else 0)
    if folds:
        tested = np.array([roles == TEST for roles in folds.values()])
        np.testing.assert_array_equal(tested.sum(axis=0), 1)
        assert np.ptp(tested.sum(axis=1)) <= 1


def test_split_all_of_one_subject_has_no_subject_scheme() -> None:
    assert set(split_all(complete(1, 3), SETTINGS)) == {
        "leave-condition-out",
        "blocked",
        "paper",
        "paper-kfold",
    }


def test_schemes_say_what_they_show() -> None:
    for name in SCHEMES:
        scheme = find_scheme(name)
        assert scheme.name == name
        assert set(scheme.scores) <= {"condition", "subject"}
        assert scheme.leaks == ("It leaks" in scheme.meaning)
        assert not (scheme.leaks and scheme.open_set)
    assert HONEST == ("leave-subjects-out", "leave-condition-out", "leave-visit-out")
    with pytest.raises(ConfigError, match="leave-subjects-out"):
        find_scheme("random")


# tables of a million windows


def large(n_sessions: int, per_session: int) -> WindowTable:
    """A study of so many sessions, its labels as references to a text each."""
    tags = [(f"{row // 12:06d}", f"c{row % 3}", row // 3 % 4 + 1) for row in range(n_sessions)]
    session = np.repeat(np.arange(n_sessions), per_session)
    subject, condition, visit = zip(*tags, strict=True)
    return coded_table(
        {
            "subject": (subject, session),
            "condition": (condition, session),
            "session": ([f"{who}-{what}-{day}" for who, what, day in tags], session),
        },
        visit=np.array(visit)[session],
        start_s=np.tile(3.0 * np.arange(per_session), n_sessions),
        source=([str(row) for row in range(n_sessions)], session),
        window_s=3.0,
    )


@pytest.mark.parametrize("in_order", [True, False])
def test_make_folds_of_a_million_windows_takes_seconds_at_most(in_order: bool) -> None:
    """By comparing each label with each it took hours."""
    table = large(10_000, 100)
    if not in_order:
        table = reordered(table, np.random.default_rng(0).permutation(len(table)))
    for name in SCHEMES:
        started = time.process_time()
        assert make_folds(table, name)
        assert time.process_time() - started < 5, name


@given(tables(), st.sampled_from(sorted(SCHEMES)), st.integers(0, 9))
def test_scheme_deals_alike_whatever_the_type_of_labels(table: WindowTable, name: str, seed: int) -> None:
    labels = {column: getattr(table, column).astype(object) for column in LABELS}
    settings = SplitSettings(seed=seed, n_folds=4, test_share=0.3, gap_s=1.0)
    folds = find_scheme(name).split(table, settings)
    of_objects = find_scheme(name).split(dataclasses.replace(table, **labels), settings)
    assert list(folds) == list(of_objects)
    for fold, roles in folds.items():
        np.testing.assert_array_equal(roles, of_objects[fold])


# folds for a table of one's own


@pytest.mark.parametrize("name", SCHEMES)
def test_make_folds_gives_a_scheme_its_usual_settings(name: str) -> None:
    table = complete(6, 3, 2)
    usual = SplitSettings(**SplitConfig().model_dump())
    made, expected = make_folds(table, name), find_scheme(name).split(table, usual)
    assert {fold: roles.tolist() for fold, roles in made.items()} == {
        fold: roles.tolist() for fold, roles in expected.items()
    }


def test_make_folds_refuses_what_gives_no_folds() -> None:
    table = complete(6, 3, 1)
    with pytest.raises(
        SplitError, match="leave-visit-out: a table of 180 windows, 6 subjects, 3 conditions and 1"
    ):
        make_folds(table, "leave-visit-out")
    with pytest.raises(ConfigError, match="Did you mean 'leave-subjects-out'"):
        make_folds(table, "leave-subject-out")


@pytest.mark.parametrize(
    "wrong", [{"n_folds": 1}, {"test_share": 1.0}, {"gap_s": -1.0}, {"gap_s": float("nan")}, {"seed": -1}]
)
def test_make_folds_refuses_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(SplitError, match="expected at least 2 folds"):
        make_folds(complete(6, 3, 1), "blocked", **wrong)


def test_describe_schemes_says_what_each_can_show() -> None:
    said = describe_schemes()
    assert list(said) == list(SCHEMES)
    assert all(text.endswith(".") for text in said.values())
