"""Tables of windows from anyone's columns, and their rows in numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.errors import SplitError
from ecgkit.splits import window_table
from ecgkit.splits.scheme import LABELS, coded_table, codes, present

COLUMNS = {
    "subject": ["a", "a", "b"],
    "condition": ["rest", "run", "rest"],
    "session": [1, 2, 1],
    "visit": [1, 1, 2],
    "start_s": [0, 0, 1.5],
}


@pytest.mark.parametrize("columns", [COLUMNS, pd.DataFrame(COLUMNS), pd.DataFrame(COLUMNS).assign(more=0)])
def test_window_table_takes_columns_of_any_kind(columns: object) -> None:
    table = window_table(columns, window_s=3)
    assert table.subject.tolist() == ["a", "a", "b"]
    assert table.session.tolist() == ["1", "2", "1"]
    assert (table.visit.dtype, table.start_s.dtype) == (np.dtype(np.int64), np.dtype(np.float64))
    assert (len(table), table.window_s) == (3, 3.0)


def test_window_table_takes_the_files_where_they_are_known() -> None:
    assert window_table(COLUMNS, window_s=3).source is None
    table = window_table({**COLUMNS, "source": [7, 7, 8]}, window_s=3)
    assert table.source is not None
    assert table.source.tolist() == ["7", "7", "8"]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("start_s", [0, np.nan, 1], "start_s holds what is no number; expected seconds"),
        ("start_s", ["0", "1", "2"], "start_s holds what is no number"),
        ("visit", [1, 1, np.nan], "visit is of type float64, expected whole numbers"),
        ("visit", ["first", "first", "second"], "expected whole numbers"),
        ("subject", ["a", None, "b"], "subject holds None in row 1, expected a label"),
        ("condition", np.array(["rest", np.nan, "rest"], dtype=object), "condition holds nan in row 1"),
        ("session", ["x", "", "y"], "session holds '' in row 1"),
        ("source", ["x", None, "y"], "source holds None in row 1, expected a label"),
        ("source", ["x", "y"], r"source has shape \(2,\), expected one value a window"),
        ("session", ["x", "y"], r"session has shape \(2,\), expected one value a window"),
        ("session", [["x"], ["y"], ["z"]], r"session has shape \(3, 1\)"),
    ],
)
def test_window_table_refuses_what_is_no_column(column: str, values: object, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        window_table({**COLUMNS, column: values}, window_s=3.0)


def test_window_table_names_the_columns_that_are_missing() -> None:
    with pytest.raises(SplitError, match=r"no column condition, visit; expected subject, condition, session"):
        window_table({"subject": ["a"], "session": ["s"], "start_s": [0.0]}, window_s=3.0)


@pytest.mark.parametrize("window_s", [0.0, -1.0, np.inf, np.nan])
def test_window_table_refuses_windows_without_a_length(window_s: float) -> None:
    with pytest.raises(SplitError, match="expected seconds above 0"):
        window_table(COLUMNS, window_s=window_s)


def test_tables_hold_each_text_once() -> None:
    """A text of NumPy's own in each row costs 4 bytes a letter."""
    place = np.repeat([1, 0], 500)
    texts = ["sub-01_visit-1_cond-rest_take-1", "sub-02_visit-1_cond-deep_breathing_take-1"]
    coded = coded_table(
        dict.fromkeys(LABELS, (texts, place)),
        visit=np.ones(1000, dtype=np.int32),
        start_s=np.arange(1000.0),
        source=(["b", "a"], place),
        window_s=3,
    )
    ours = window_table(
        {name: np.array(texts)[place] for name in LABELS}
        | {"visit": coded.visit, "start_s": coded.start_s, "source": 1 - place},
        window_s=3,
    )
    for table in (coded, ours):
        for name in LABELS:
            column = getattr(table, name)
            assert column.itemsize == np.dtype(object).itemsize
            assert len({id(text) for text in column}) == 2
            assert column.tolist() == [texts[1]] * 500 + [texts[0]] * 500
    assert coded.visit.dtype == np.int64
    assert coded.source is not None
    assert coded.source.tolist() == [0] * 500 + [1] * 500


def test_present_tells_which_numbers_some_rows_have() -> None:
    numbers = np.array([0, 2, 2, 3])
    assert present(numbers, np.array([False, True, False, True])).tolist() == [False, False, True, True]
    assert present(numbers[:0], np.zeros(0, dtype=bool)).tolist() == []


@given(st.lists(st.tuples(st.sampled_from(["b", "a", "aa"]), st.integers(-1, 2)), max_size=12))
def test_codes_number_rows_in_sorted_order(rows: list[tuple[str, int]]) -> None:
    numbered = {row: number for number, row in enumerate(sorted(set(rows)))}
    texts = np.array([text for text, _ in rows], dtype=np.str_)
    numbers = np.array([number for _, number in rows], dtype=np.int64)
    assert codes(texts, numbers).tolist() == [numbered[row] for row in rows]
