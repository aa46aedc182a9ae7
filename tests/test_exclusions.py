import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.exclusions import Exclusion, exclusion_from_json, used_s, used_samples, used_spans

INF = math.inf
EDGES = st.one_of(st.integers(0, 40).map(lambda tenth: tenth / 10), st.just(INF))
SPANS = st.lists(
    st.tuples(EDGES, EDGES).filter(lambda span: span[0] < span[1]).map(lambda s: Exclusion(*s, "x")),
    max_size=5,
)


@given(SPANS, st.sampled_from([1.0, 3.9, 10.0, 256.0]), st.integers(0, 20), st.integers(0, 500))
def test_used_samples_are_those_of_no_exclusion(
    spans: list[Exclusion], fs: float, start: int, n: int
) -> None:
    used = np.zeros(n, dtype=bool)
    for first, last in used_samples(spans, fs, start=start, stop=start + n):
        assert start <= first < last <= start + n
        assert not used[first - start : last - start].any()
        used[first - start : last - start] = True
    times_s = (start + np.arange(n)) / fs
    out = np.zeros(n, dtype=bool)
    for span in spans:
        out |= (times_s >= span.start_s - 1e-9) & (times_s < span.stop_s - 1e-9)
    np.testing.assert_array_equal(used, ~out)


def test_used_spans_join_what_overlaps() -> None:
    spans = [Exclusion(5, 8, ""), Exclusion(1, 3, ""), Exclusion(2, 6, ""), Exclusion(9, INF, "")]
    assert used_spans(spans, duration_s=20) == ((0, 1), (8, 9))
    assert used_s(spans, duration_s=20) == 2
    assert used_spans([], duration_s=20) == ((0, 20),)
    assert used_spans([Exclusion(0, 10, ""), Exclusion(10, INF, "")], duration_s=20) == ()


@pytest.mark.parametrize("span", [Exclusion(1.5, 3, "talked"), Exclusion(0, INF, "withdrawn – ä")])
def test_exclusion_comes_back_from_json(span: Exclusion) -> None:
    assert exclusion_from_json(json.loads(json.dumps(span.as_json(), allow_nan=False))) == span


@pytest.mark.parametrize(
    "content",
    [
        {"start_s": 3, "stop_s": 3, "reason": ""},
        {"start_s": -1, "stop_s": 3, "reason": ""},
        {"start_s": "nan", "stop_s": 3, "reason": ""},
        {"start_s": 1, "stop_s": "nan", "reason": ""},
        {"start_s": None, "stop_s": 3, "reason": ""},
        {},
    ],
)
def test_exclusion_from_json_refuses_what_is_none(content: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        exclusion_from_json(content)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Exclusion(0, INF, ""), "all of it"),
        (Exclusion(61.5, INF, ""), "1:01.500 to the end"),
        (Exclusion(0, 30, ""), "0:00 to 0:30"),
    ],
)
def test_span_text_is_as_people_write_times(span: Exclusion, text: str) -> None:
    assert span.span_text == text
