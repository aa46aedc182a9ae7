import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.protocol.pattern import LONGEST_TEXT, MOST_WAYS, check_pattern, matches


@pytest.mark.parametrize(
    "pattern",
    [
        "rest",
        "rest (start|begin)",
        "deep[ _-]?breathing( start)?",
        "(?:supine|lying)(, mp.*)?",
        r"S\d{2,4}",
        r"\d{4}-\d{2}-\d{2}",
        r"[]a|*+(]x",
        r"a\*\(b",
        ".*rest.*",
        "Übung",
    ],
)
def test_check_pattern_accepts(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "pattern of 0 characters, expected 1 to 200"),
        ("a" * 201, "pattern of 201 characters"),
        ("(a+)+", r"\+ after a group is not accepted"),
        ("(a|a)*b", r"\* after a group"),
        ("(ab){30}", r"\{30\} after a group"),
        (r"(a)\1", r"\\1 is not accepted"),
        ("(?=a)a", r"\(\? is not accepted"),
        ("(?i)a", "is not accepted"),
        ("(?P<x>a)", "is not accepted"),
        (".*.*.*", "can take long to match"),
        ("a?" * 30 + "a" * 30, "can take long"),
        ("(a|a)" * 30 + "b", "can take long"),
        ("a{0,90}" * 4, "can take long"),
        ("rest(", "not a regular expression"),
        ("[a", "not a regular expression"),
        ("*", "not a regular expression"),
        ("[[a]", "not a regular expression"),
        ("a{99999999999999999999}", "not a regular expression"),
    ],
)
def test_check_pattern_refuses(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_pattern(pattern)


@given(st.text(alphabet="ab.?*+|(){},19[]\\^-", max_size=40), st.text(alphabet="ab", max_size=LONGEST_TEXT))
@settings(max_examples=500, deadline=None)
def test_what_check_pattern_accepts_matches_fast(pattern: str, text: str) -> None:
    try:
        check_pattern(pattern)
    except ValueError:
        return
    began = time.perf_counter()
    matches(pattern, text + "!")
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize(
    "pattern", [".*.*!", "(a|a)" * 16 + "!", "a?" * 16 + "a" * 16 + "!", ".*(a|a)(a|a)(a|a)!"]
)
def test_the_slowest_patterns_that_are_accepted_take_no_time(pattern: str) -> None:
    check_pattern(pattern)
    began = time.perf_counter()
    assert not matches(pattern, "a" * LONGEST_TEXT)
    assert time.perf_counter() - began < 0.5
    assert MOST_WAYS == 100_000


def test_matches_the_whole_text_whatever_case_and_spaces() -> None:
    assert matches("deep breathing", "  Deep   BREATHING ")
    assert not matches("rest", "rest stop")
    assert not matches("rest", "unrest")
    assert matches("übung", "U\N{COMBINING DIAERESIS}bung")
    assert matches(".*", "a" * LONGEST_TEXT)
    assert not matches(".*", "a" * (LONGEST_TEXT + 1))
    assert re.fullmatch("a.b", "a\nb") is None
    assert matches("a.b", "a\nb")  # a line break is a space like others
