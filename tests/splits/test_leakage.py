"""The leakage check: silent on clean splits, and each leak named where it was put."""

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.window_tables import all_tags, complete, one_file_a, reordered, table_of, tables

from ecgkit.errors import SplitError
from ecgkit.splits import describe_leaks, find_leaks, find_scheme
from ecgkit.splits.kinds import KINDS, SEVERITIES, TASKS
from ecgkit.splits.leakage import Leak, find_leaks_of_folds
from ecgkit.splits.scheme import TEST, TRAIN, VALIDATION, SplitSettings, WindowTable

SETTINGS = SplitSettings(seed=0, n_folds=5, test_share=0.3, gap_s=3.0)
BOTH_SIDES = {"same-recording", "neighbours"}


def roles_of(test: NDArray[np.bool_], validation: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Train on what is not tested; validate on some of it."""
    roles = np.where(test, TEST, TRAIN).astype(np.uint8)
    if validation is not None:
        roles[validation & ~test] = VALIDATION
    return roles


def names(table: WindowTable, roles: NDArray[np.uint8], task: str) -> set[str]:
    return {leak.name for leak in find_leaks(table, roles, tasks=(task,))}


# clean: three splits, each for its task

STUDY = complete(6, 3, 2)


def test_find_leaks_is_silent_on_subjects_left_out_for_the_state() -> None:
    for roles in find_scheme("leave-subjects-out").split(STUDY, SETTINGS).values():
        assert find_leaks(STUDY, roles, tasks=("condition",)) == ()


def test_find_leaks_is_silent_on_visits_left_out_for_identity() -> None:
    for roles in find_scheme("leave-visit-out").split(STUDY, SETTINGS).values():
        assert find_leaks(STUDY, roles, tasks=("subject",)) == ()


def test_find_leaks_gives_conditions_left_out_a_caveat_for_identity() -> None:
    for roles in find_scheme("leave-condition-out").split(STUDY, SETTINGS).values():
        [leak] = find_leaks(STUDY, roles, tasks=("subject",))
        assert (leak.name, leak.severity, leak.share) == ("same-visit", "caveat", 1.0)


def test_find_leaks_is_silent_on_validation_subjects_of_their_own() -> None:
    roles = roles_of(STUDY.subject == "00", STUDY.subject == "01")
    assert find_leaks(STUDY, roles, tasks=("condition",)) == ()


# constructed: each leak where it was put


def test_find_leaks_names_windows_dealt_at_random() -> None:
    roles = roles_of(np.random.default_rng(0).random(len(STUDY)) < 0.3)
    for task in TASKS:
        assert names(STUDY, roles, task) == BOTH_SIDES


@pytest.mark.parametrize(("gap_s", "expected"), [(0.0, BOTH_SIDES), (3.0, {"same-recording"})])
def test_find_leaks_names_the_end_of_each_recording_tested(gap_s: float, expected: set[str]) -> None:
    roles = roles_of(STUDY.start_s >= 21)
    roles[(STUDY.start_s < 21) & (STUDY.start_s + 3 > 21 - gap_s)] = 0
    assert names(STUDY, roles, "subject") == names(STUDY, roles, "condition") == expected


def test_find_leaks_names_overlapping_windows() -> None:
    table = table_of(all_tags(3, 2), 20, stride_s=1.5)
    found = find_leaks(table, roles_of(table.start_s >= 15), tasks=("condition",))
    assert {leak.name: leak.n_windows for leak in found} == {
        "same-recording": 60,
        "overlap": 6,  # that start at 15 s: the last one trained on ends at 16.5 s
        "neighbours": 12,  # those of 16.5 and 18 s
    }


def test_find_leaks_names_known_people_for_the_state_only() -> None:
    table = complete(4, 3, 1, n_takes=2)
    roles = roles_of(np.char.endswith(table.session, "-2"))
    assert names(table, roles, "condition") == {"same-subject"}
    assert names(table, roles, "subject") == {"same-visit"}


def test_find_leaks_names_a_latin_square() -> None:
    table = complete(6, 3)
    held_out = (table.subject.astype(int) % 3).astype(str)
    [bias] = find_leaks(table, roles_of(table.condition == np.char.add("c", held_out)), tasks=("condition",))
    assert (bias.name, bias.severity) == ("new-condition-for-subject", "bias")
    assert (bias.n_windows, bias.share) == (60, 1.0)
    assert bias.examples == ("00 c0", "01 c1", "02 c2")


def test_find_leaks_names_a_subject_and_a_condition_never_trained_on() -> None:
    [unknown] = find_leaks(STUDY, roles_of(STUDY.subject == "03"), tasks=("subject",))
    assert (unknown.name, unknown.severity, unknown.examples) == ("new-subject", "bias", ("03",))
    [state] = find_leaks(STUDY, roles_of(STUDY.condition == "c1"), tasks=("condition",))
    assert (state.name, state.severity, state.examples) == ("new-condition", "bias", ("c1",))


def test_find_leaks_names_validation_windows_drawn_from_tested_recordings() -> None:
    table = complete(6, 3)
    held_out = table.subject == "00"
    roles = roles_of(held_out & (table.start_s < 15), held_out)
    found = find_leaks(table, roles, tasks=("condition",))
    assert {leak.name for leak in found} == {"validation-same-recording", "validation-neighbours"}
    assert {leak.severity for leak in found} == {"leak"}
    assert all("used for validation" in leak.text and "decided" in leak.text for leak in found)


def test_find_leaks_names_validation_people_that_are_tested() -> None:
    roles = roles_of((STUDY.subject == "00") & (STUDY.visit == 1), STUDY.subject == "00")
    assert names(STUDY, roles, "condition") == {"validation-same-subject"}


# sessions that were cut from one file


def test_find_leaks_knows_a_recording_that_was_cut_in_two() -> None:
    """Rest twice in one file, tagged as two takes: one on each side."""
    table = one_file_a("visit", complete(4, 3, 1, n_takes=2))
    roles = roles_of(np.char.endswith(table.session, "-2"))
    assert names(table, roles, "condition") == {"same-file-and-state"}
    assert names(table, roles, "subject") == {"same-file-and-state"}
    [sentence] = describe_leaks(find_leaks(table, roles))
    assert sentence == (
        "Leak (identity and state): All 120 tested windows came from files of which other sessions of the "
        "same person in the same state were trained on (00-c0-1-2, 00-c1-1-2, 00-c2-1-2 and 9 more). "
        "That is one recording, cut: a model can recognise it by its baseline, amplitude and noise."
    )


def test_find_leaks_names_a_file_on_both_sides_by_what_it_means_for_the_task() -> None:
    """One file a visit, its conditions held out: the electrodes were the same by design."""
    table = one_file_a("visit", complete(4, 3))
    roles = roles_of(table.condition == "c1")
    [caveat] = find_leaks(table, roles, tasks=("subject",))
    assert (caveat.name, caveat.severity, caveat.share) == ("same-file", "caveat", 1.0)
    assert caveat.examples == ("00 visit 1", "01 visit 1", "02 visit 1")
    square = roles_of(table.condition == np.char.add("c", (table.subject.astype(int) % 3).astype(str)))
    assert names(table, square, "condition") == {"new-condition-for-subject", "same-file"}


def test_find_leaks_names_visits_that_were_cut_from_one_file() -> None:
    table = complete(4, 2, 2)
    roles = roles_of(table.visit == 2)
    assert names(table, roles, "subject") == set()
    assert names(one_file_a("subject", table), roles, "subject") == {"same-file"}


@pytest.mark.parametrize("what", ["session", "visit", "subject"])
def test_find_leaks_is_silent_on_files_that_keep_to_one_side(what: str) -> None:
    for roles in find_scheme("leave-subjects-out").split(STUDY, SETTINGS).values():
        assert find_leaks(one_file_a(what, STUDY), roles, tasks=("condition",)) == ()


def test_find_leaks_needs_no_files_and_one_file_a_session_says_nothing_new() -> None:
    for roles in (roles_of(STUDY.condition == "c0"), roles_of(STUDY.start_s > 9), roles_of(STUDY.visit == 1)):
        assert find_leaks(one_file_a("session", STUDY), roles) == find_leaks(STUDY, roles)


def test_find_leaks_takes_numbers_of_files_as_well_as_their_names() -> None:
    table = one_file_a("visit", STUDY)
    numbered = dataclasses.replace(table, source=np.unique(table.source, return_inverse=True)[1])
    roles = roles_of(STUDY.condition == "c0")
    assert find_leaks(numbered, roles) == find_leaks(table, roles)


def test_find_leaks_of_one_file_a_visit_is_one_sentence_for_each_honest_scheme() -> None:
    """Ordinary studies are not drowned: a file takes the place of the visit, it does not add to it."""
    table = one_file_a("visit", STUDY)
    for name, expected in {
        "leave-subjects-out": [],
        "leave-condition-out": ["same-file"],
        "leave-visit-out": [],
    }.items():
        scheme = find_scheme(name)
        found = find_leaks_of_folds(table, scheme.split(table, SETTINGS), tasks=scheme.scores)
        assert [leak.name for leak in found] == expected


# what is said


def test_find_leaks_says_how_much_where_and_what_follows() -> None:
    table = complete(4, 2, n_windows=5)
    roles = roles_of((table.subject == "02") & (table.start_s >= 6))
    roles[table.subject == "03"] = TEST
    recording, neighbours, *_, caveat = find_leaks(table, roles)
    assert (recording.n_windows, recording.share, recording.examples) == (
        6,
        0.375,
        ("02-c0-1-1", "02-c1-1-1"),
    )
    assert recording.text == (
        "6 of 16 tested windows (38 %) came from recordings of which other windows were trained on "
        "(02-c0-1-1, 02-c1-1-1). A model can recognise the recording by its baseline, amplitude and noise, "
        "and need know no more."
    )
    assert neighbours.n_windows == 6
    assert caveat.name == "new-subject"
    assert caveat.text.startswith(
        "10 of 16 tested windows (62 %) came from people of whom nothing was trained"
    )


def test_find_leaks_lists_a_few_examples_and_counts_the_rest() -> None:
    [caveat] = find_leaks(STUDY, roles_of(STUDY.condition == "c1"), tasks=("subject",))
    assert caveat.examples == ("00 visit 1", "00 visit 2", "01 visit 1")
    assert "All 120 tested windows" in caveat.text
    assert "(00 visit 1, 00 visit 2, 01 visit 1 and 9 more)" in caveat.text


@pytest.mark.parametrize(
    ("n_both", "says"), [(1, r"^1 of 300 .*\(less than 1 %\)"), (299, r"^299 of 300 .*\(more than 99 %\)")]
)
def test_find_leaks_rounds_no_share_to_nothing_or_all(n_both: int, says: str) -> None:
    table = table_of([("a", "x", 1, 1), ("b", "x", 1, 1), ("b", "x", 1, 2)], [1 + n_both, 300 - n_both, 1])
    test = (table.start_s > 0) & (table.subject == "a") | np.char.endswith(table.session, "b-x-1-1")
    [leak] = [leak for leak in find_leaks(table, roles_of(test)) if leak.name == "same-recording"][:1]
    assert re.match(says, leak.text)


def test_find_leaks_of_one_tested_window() -> None:
    [leak, *_] = find_leaks(complete(1, n_windows=2), np.array([1, 2]))
    assert leak.text.startswith("The one tested window came from recordings")


def test_find_leaks_of_folds_counts_over_all() -> None:
    table = complete(1, n_windows=4)
    folds = {"a": np.array([1, 1, 2, 2]), "b": np.array([2, 1, 1, 1])}
    found = {leak.name: leak for leak in find_leaks_of_folds(table, folds, tasks=("subject",))}
    assert (found["neighbours"].n_windows, found["neighbours"].share) == (2, 2 / 3)
    assert (found["same-recording"].n_windows, found["same-recording"].share) == (3, 1.0)


def test_find_leaks_takes_what_is_near_from_the_user() -> None:
    table = complete(1, n_windows=6)
    roles = np.array([1, 0, 0, 2, 0, 0])
    assert "neighbours" not in {leak.name for leak in find_leaks(table, roles, gap_s=6.0)}
    [near] = [leak for leak in find_leaks(table, roles, gap_s=6.5) if leak.name == "neighbours"][:1]
    assert "lay less than 6.5 s from windows that were trained on" in near.text


def test_describe_leaks_says_once_what_concerns_both_tasks() -> None:
    roles = roles_of(np.random.default_rng(0).random(len(STUDY)) < 0.3)
    sentences = describe_leaks(find_leaks(STUDY, roles))
    assert [sentence.partition(":")[0] for sentence in sentences] == ["Leak (identity and state)"] * 2
    assert describe_leaks(()) == []


def test_describe_leaks_names_task_and_severity() -> None:
    sentences = describe_leaks(find_leaks(STUDY, roles_of(STUDY.condition == "c0")))
    assert [sentence.partition(":")[0] for sentence in sentences] == ["Bias (state)", "Caveat (identity)"]


# any split of any table


def by_hand(table: WindowTable, roles: NDArray[np.uint8], known: int) -> dict[str, set[int]]:
    """Which rows are tied to what is known, pair by pair."""
    ties: dict[str, set[int]] = {}
    others = np.flatnonzero(roles == known)
    files = table.session if table.source is None else table.source
    for row in np.flatnonzero(roles == TEST):
        same = {
            name: [
                other
                for other in others
                if all(
                    (files if c == "file" else getattr(table, c))[row]
                    == (files if c == "file" else getattr(table, c))[other]
                    for c in on
                )
            ]
            for name, on in {
                "recording": ("session",),
                "visit": ("subject", "visit"),
                "subject": ("subject",),
                "condition": ("condition",),
                "cell": ("subject", "condition"),
                "file": ("file",),
                "cut": ("file", "subject", "visit", "condition"),
            }.items()
        }
        apart_s = [abs(table.start_s[row] - table.start_s[other]) - 3 for other in same["recording"]]
        new_in_person = bool(same["subject"] and same["condition"] and not same["cell"])
        learns, apart = known == TRAIN, not same["recording"]
        is_cut = apart and bool(same["cut"])
        for kind, is_so in {
            "overlap": min(apart_s, default=9.0) < 0,
            "neighbours": 0 <= min(apart_s, default=9.0) < 3,
            "same-recording": same["recording"],
            "same-file-and-state": is_cut,
            "same-file": same["file"] and apart and not is_cut,
            "same-subject": same["cell" if learns else "subject"] and apart and not is_cut,
            "same-visit": same["visit"] and apart and not same["file"],
            "new-condition-for-subject": learns and new_in_person,
            "new-condition": learns and not same["condition"],
            "new-subject": learns and not same["subject"],
        }.items():
            if is_so:
                ties.setdefault(kind, set()).add(int(row))
    return ties


@st.composite
def splits_of_one(draw: st.DrawFn) -> tuple[WindowTable, NDArray[np.uint8]]:
    """A small table, and roles by window or by session, in any order of rows."""
    table = draw(tables().filter(lambda table: 2 <= len(table) <= 60))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    unit = np.unique(table.session, return_inverse=True)[1] if draw(st.booleans()) else np.arange(len(table))
    roles = rng.integers(0, 4, unit.max() + 1)[unit].astype(np.uint8)
    roles[rng.permutation(len(table))[:2]] = [TRAIN, TEST]
    order = rng.permutation(len(table))
    return reordered(table, order), roles[order]


@given(splits_of_one())
def test_find_leaks_counts_what_counting_by_hand_counts(split: tuple[WindowTable, NDArray[np.uint8]]) -> None:
    table, roles = split
    expected = {
        (prefix + kind, task): len(rows)
        for prefix, known in (("", TRAIN), ("validation-", VALIDATION))
        if (roles == known).any()
        for kind, rows in by_hand(table, roles, known).items()
        for task in KINDS[kind].severity
    }
    found = find_leaks(table, roles)
    assert {(leak.name, leak.task): leak.n_windows for leak in found} == expected
    n_tested = np.count_nonzero(roles == TEST)
    assert all(leak.share == leak.n_windows / n_tested for leak in found)


@given(splits_of_one(), st.integers(0, 9))
def test_find_leaks_does_not_depend_on_the_order_of_rows(
    split: tuple[WindowTable, NDArray[np.uint8]], seed: int
) -> None:
    table, roles = split
    order = np.random.default_rng(seed).permutation(len(table))
    assert find_leaks(reordered(table, order), roles[order]) == find_leaks(table, roles)


def test_find_leaks_puts_the_worst_first() -> None:
    roles = roles_of(np.random.default_rng(0).random(len(STUDY)) < 0.3)
    roles[STUDY.subject == "05"] = TEST
    found = find_leaks(STUDY, roles)
    ranks = [(SEVERITIES.index(leak.severity), -leak.share) for leak in found]
    assert ranks == sorted(ranks)
    assert {leak.severity for leak in found} == {"leak", "bias"}


def test_find_leaks_knows_sessions_that_are_named_anew_in_each_subject() -> None:
    """A user's own table: session "1" of one person is not session "1" of another."""
    table = complete(4, 1, 2)
    own = WindowTable(
        table.subject, table.condition, np.full(len(table), "1"), table.visit, table.start_s, table.window_s
    )
    for mask in (table.subject == "00", table.visit == 1):
        assert find_leaks(own, roles_of(mask)) == find_leaks(table, roles_of(mask))


@pytest.mark.parametrize("kind", [list, tuple, pd.Series, np.int8])
def test_find_leaks_takes_roles_of_any_kind(kind: Callable[[list[int]], object]) -> None:
    table = complete(1, n_windows=4)
    assert find_leaks(table, kind([1, 2, 0, 3])) == find_leaks(table, np.array([1, 2, 0, 3]))


# what is no split


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (np.array([1, 2]), r"roles of the split: int64 of shape \(2,\), expected .* \(4,\)"),
        (np.array([True, False, True, False]), "bool of shape"),
        (np.array([1.0, 2.0, 1.0, 2.0]), "float64 of shape"),
        (np.array([1, 2, 1, 7]), "7 is no role; expected 0 unused, 1 train, 2 test, 3 validation"),
        (np.array([1, 1, 1, 0]), r"no window is tested \(2\)"),
        (np.array([2, 2, 3, 0]), r"no window is trained on \(1\)"),
    ],
)
def test_find_leaks_refuses_what_is_no_split(roles: NDArray[np.int64], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        find_leaks(complete(1, n_windows=4), roles)


def test_find_leaks_refuses_an_unknown_task_and_times_that_are_none() -> None:
    table, roles = complete(1, n_windows=2), np.array([1, 2])
    with pytest.raises(SplitError, match=r"unknown task 'state'; known are: condition, subject"):
        find_leaks(table, roles, tasks=("state",))
    table.start_s[1] = np.nan
    with pytest.raises(SplitError, match="start_s holds what is no number"):
        find_leaks(table, roles)


def test_kinds_concern_a_task_and_say_what_follows() -> None:
    for kind in KINDS.values():
        assert set(kind.severity) <= set(TASKS)
        assert kind.severity
        assert set(kind.severity.values()) <= set(SEVERITIES)
        assert kind.so.endswith(".")
    assert isinstance(find_leaks(STUDY, roles_of(STUDY.visit == 1))[0], Leak)
