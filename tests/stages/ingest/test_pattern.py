import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.errors import ConfigError
from ecgkit.stages.ingest.pattern import match_name, parse_pattern

CONDITIONS = ("rest", "exercise", "deep_breathing")


def match(pattern: str, name: str) -> dict[str, str] | None:
    return match_name(parse_pattern(pattern), name, conditions=CONDITIONS)


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        (
            "S{subject}_{condition}_v{visit}.acq",
            "S07_deep_breathing_v2.acq",
            {"subject": "07", "condition": "deep_breathing", "visit": "2"},
        ),
        (
            "S{subject}_{condition}_v{visit}.acq",
            "s07_Deep-Breathing_V002.ACQ",
            {"subject": "07", "condition": "deep_breathing", "visit": "2"},
        ),
        (
            "{condition}_{subject}.acq",
            "deep breathing_a7.acq",
            {"subject": "a7", "condition": "deep_breathing"},
        ),
        ("{subject}/{condition}.acq", "07/rest.acq", {"subject": "07", "condition": "rest"}),
        ("{*}-{subject}-{_}.acq", "a-b.c-07-.acq", {"subject": "07"}),
        ("{subject}{condition}.acq", "07rest.acq", {"subject": "07", "condition": "rest"}),
        ("{subject}_t{take}.acq", "07_t000.acq", {"subject": "07", "take": "0"}),
        ("Probänd{subject}.acq", "Probänd07.acq", {"subject": "07"}),
        ("{subject}_{condition}.acq", "07_rst.acq", None),
        ("{subject}_{condition}.acq", "07_rest_2.acq", None),
        ("{subject}__{condition}.acq", "07_rest.acq", None),
        ("{subject}.acq", "0_7.acq", None),
        ("{subject}.acq", ".acq", None),
        ("{*}.acq", "07/rest.acq", None),
        ("{subject}.acq", "0" * 2000 + ".acq", None),
    ],
)
def test_match_name_reads_tags(pattern: str, name: str, found: dict[str, str] | None) -> None:
    assert match(pattern, name) == found


@pytest.mark.parametrize(
    ("pattern", "name", "readings"),
    [
        ("{subject}{visit}.acq", "071.acq", "07, 1 or 0, 71"),
        ("{*}{visit}.acq", "v11.acq", "1 or 11"),
        ("{condition}{*}_{condition}", "", ""),
    ],
)
def test_match_name_refuses_what_can_be_read_in_two_ways(pattern: str, name: str, readings: str) -> None:
    if not name:
        with pytest.raises(ConfigError, match=r"\{condition\} stands in it twice"):
            match(pattern, name)
        return
    with pytest.raises(
        ConfigError, match=f"{name}: by the pattern .* can be read as {readings}; put something"
    ):
        match(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("S{sub}.acq", "unknown field 'sub'; known are: .*Did you mean 'subject'"),
        ("S{subject.acq", "a brace without its other"),
        ("S}.acq", "a brace without its other"),
        ("{}", "nothing in braces"),
        ("{subject}_{subject}.acq", r"\{subject\} stands in it twice; write \{\*\}"),
        ("all.acq", "expected one like"),
        ("", "expected one like"),
        ("{subject}" + "x" * 200, "at most 200 characters"),
    ],
)
def test_parse_pattern_refuses(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_pattern(pattern)


TEXTS = st.text(st.characters(codec="ascii", categories=("P", "S", "Zs")), min_size=1, max_size=5).filter(
    lambda text: not set(text) & set("{}\\/_- ")
)
VALUES = {
    "subject": st.from_regex("[A-Za-z0-9]{1,8}", fullmatch=True),
    "condition": st.sampled_from(CONDITIONS),
    "visit": st.integers(1, 9999).map(str),
    "take": st.integers(1, 9999).map(str),
}


@given(st.permutations(sorted(VALUES)), st.lists(TEXTS, min_size=5, max_size=5), st.data())
def test_match_name_gives_back_the_tags_that_a_name_was_made_of(
    fields: list[str], between: list[str], data: st.DataObject
) -> None:
    tags = {field: data.draw(VALUES[field]) for field in fields}
    pattern = between[0] + "".join(
        f"{{{field}}}{text}" for field, text in zip(fields, between[1:], strict=True)
    )
    assert match(pattern, pattern.format(**tags)) == tags


@given(
    st.lists(
        st.sampled_from(["{*}", "{subject}", "a", "_", "/", "{condition}", "{visit}", "rest", "1"]),
        max_size=12,
    ),
    st.text("a_/rest1", max_size=60),
)
@settings(deadline=500)
def test_match_name_ends_whatever_the_pattern(parts: list[str], name: str) -> None:
    try:
        found = match("".join(parts), name)
    except ConfigError:
        return
    if found:
        assert found["condition"] in CONDITIONS if "condition" in found else True


def test_match_name_is_not_slowed_down_by_many_ways_to_match() -> None:
    pattern = "{*}{subject}" + "{*}a" * 40 + "_{condition}.acq"
    started = time.perf_counter()
    assert match(pattern, "a" * 990) is None
    assert time.perf_counter() - started < 5
