"""Every scheme, on tables of any make: what must hold whatever the study looks like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.errors import ConfigError
from ecgkit.splits import HONEST, SCHEMES, find_scheme, split_all
from ecgkit.splits.scheme import TEST, TRAIN, UNUSED, SplitSettings, WindowTable

SETTINGS = SplitSettings(seed=0, n_folds=5, test_share=0.3, gap_s=3.0)


def make_table(n_subjects: int, n_conditions: int, n_visits: int, n_windows: int) -> WindowTable:
    """A complete study with `n_windows` windows of 3 s a session."""
    rows = [
        (f"{subject:02d}", f"c{condition}", visit, f"{subject}-{condition}-{visit}", 3.0 * window)
        for subject in range(n_subjects)
        for condition in range(n_conditions)
        for visit in range(1, n_visits + 1)
        for window in range(n_windows)
    ]
    subject, condition, visit, session, start_s = (np.array(column) for column in zip(*rows, strict=True))
    return WindowTable(subject, condition, session, visit, start_s, 3.0)


tables = st.builds(
    make_table, st.integers(1, 7), st.integers(1, 3), st.integers(1, 2), st.sampled_from([1, 2, 20])
)


def recordings_on_both_sides(table: WindowTable, roles: np.ndarray) -> set[str]:
    return set(table.session[roles == TRAIN]) & set(table.session[roles == TEST])


@given(tables, st.sampled_from(sorted(SCHEMES)), st.integers(0, 5))
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
        np.testing.assert_array_equal(roles, again[fold])


@given(tables, st.sampled_from(sorted(SCHEMES)))
def test_scheme_that_says_it_does_not_leak_shares_no_recording(table: WindowTable, name: str) -> None:
    scheme = find_scheme(name)
    for roles in scheme.split(table, SETTINGS).values():
        if not scheme.leaks:
            assert not recordings_on_both_sides(table, roles)


@given(tables)
def test_leave_subjects_out_tests_each_window_once_and_no_known_person(table: WindowTable) -> None:
    folds = find_scheme("leave-subjects-out").split(table, SETTINGS)
    for roles in folds.values():
        assert not set(table.subject[roles == TRAIN]) & set(table.subject[roles == TEST])
        assert not (roles == UNUSED).any()
    if folds:
        np.testing.assert_array_equal(sum((roles == TEST).astype(int) for roles in folds.values()), 1)
    assert len(folds) == (min(5, len(set(table.subject))) if len(set(table.subject)) > 1 else 0)


@given(tables)
def test_leave_condition_out_tests_enrolled_people_in_a_state_never_seen(table: WindowTable) -> None:
    folds = find_scheme("leave-condition-out").split(table, SETTINGS)
    assert set(folds) == (set(table.condition) if len(set(table.condition)) > 1 else set())
    for condition, roles in folds.items():
        assert set(table.condition[roles == TEST]) == {condition}
        assert condition not in table.condition[roles == TRAIN]
        assert set(table.subject[roles == TEST]) <= set(table.subject[roles == TRAIN])


def test_leave_condition_out_does_not_test_who_has_one_condition_only() -> None:
    table = make_table(2, 2, 1, 3)
    only = ~((table.subject == "01") & (table.condition == "c1"))
    columns = ("subject", "condition", "session", "visit", "start_s")
    table = WindowTable(*(getattr(table, name)[only] for name in columns), 3.0)
    roles = find_scheme("leave-condition-out").split(table, SETTINGS)["c0"]
    assert set(table.subject[roles == TEST]) == {"00"}
    assert set(roles[table.subject == "01"]) == {UNUSED}


def test_leave_visit_out_needs_two_visits() -> None:
    assert find_scheme("leave-visit-out").split(make_table(3, 2, 1, 4), SETTINGS) == {}
    folds = find_scheme("leave-visit-out").split(make_table(3, 2, 2, 4), SETTINGS)
    assert sorted(folds) == ["1", "2"]
    assert folds["2"].tolist().count(TEST) == 3 * 2 * 4


@given(tables)
def test_blocked_keeps_the_gap_within_a_session(table: WindowTable) -> None:
    for roles in find_scheme("blocked").split(table, SETTINGS).values():
        for session in set(table.session):
            here = table.session == session
            tested, trained = table.start_s[here & (roles == TEST)], table.start_s[here & (roles == TRAIN)]
            if len(tested) and len(trained):
                apart_s = np.abs(tested[:, None] - trained).min() - table.window_s
                assert apart_s >= SETTINGS.gap_s - 1e-9


def test_paper_takes_the_stated_share_and_leaks() -> None:
    table = make_table(15, 3, 1, 60)
    scheme = find_scheme("paper")
    roles = scheme.split(table, SETTINGS)["0"]
    assert np.count_nonzero(roles == TEST) == 810
    assert len(recordings_on_both_sides(table, roles)) == 45
    assert scheme.leaks
    other = SplitSettings(seed=1, n_folds=5, test_share=0.3, gap_s=3.0)
    assert (scheme.split(table, other)["0"] != roles).any()


def test_split_all_of_one_subject_has_no_subject_scheme() -> None:
    assert set(split_all(make_table(1, 3, 1, 20), SETTINGS)) == {"leave-condition-out", "blocked", "paper"}


def test_schemes_say_what_they_show() -> None:
    for name in SCHEMES:
        scheme = find_scheme(name)
        assert scheme.name == name
        assert set(scheme.scores) <= {"condition", "subject"}
        assert scheme.leaks == ("It leaks" in scheme.meaning) == (name not in HONEST)
    with pytest.raises(ConfigError, match="leave-subjects-out"):
        find_scheme("random")
