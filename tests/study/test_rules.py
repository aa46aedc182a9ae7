from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.errors import StudyError
from ecgkit.study.rules import look_alikes, overlap, refuse_look_alike, unknown_subject

SPANS = st.one_of(st.none(), st.tuples(st.integers(0, 20), st.integers(1, 5)).map(lambda s: (s[0], sum(s))))


@pytest.mark.parametrize(("subject", "other"), [("7", "07"), ("007", "07"), ("S1", "s1"), ("0", "00")])
def test_refuse_look_alike_names_the_other_id(subject: str, other: str) -> None:
    with pytest.raises(
        StudyError, match=f"study: subject '{subject}' looks like '{other}', which is in the study"
    ):
        refuse_look_alike(Path("study"), subject, ["x", other])


@pytest.mark.parametrize("subject", ["07", "70", "17", "x"])
def test_refuse_look_alike_lets_other_ids_be(subject: str) -> None:
    refuse_look_alike(Path("study"), subject, ["07", "S7", "71"])


def test_look_alikes_are_found_in_groups() -> None:
    assert look_alikes(["7", "s1", "07", "007", "S1", "70"]) == (("007", "07", "7"), ("S1", "s1"))
    assert look_alikes(["1", "2", "10"]) == ()


def test_unknown_subject_guesses_by_the_rule_for_ids_first() -> None:
    assert "Did you mean '07'?" in unknown_subject("7", ["97", "07", "17"])
    assert "known are: 07, 08" in unknown_subject("31", ["08", "07"])


@given(SPANS, SPANS)
def test_overlap_is_having_a_second_in_common(
    one: tuple[int, int] | None, other: tuple[int, int] | None
) -> None:
    def seconds(span: tuple[int, int] | None) -> set[int]:
        return set(range(100)) if span is None else set(range(*span))

    assert overlap(one, other) == overlap(other, one) == bool(seconds(one) & seconds(other))
