"""Tables of windows for the tests of splits: of complete studies, and of studies of any make."""

import dataclasses
from collections.abc import Iterable
from itertools import product

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ecgkit.splits.scheme import COLUMNS, WindowTable

WINDOW_S = 3.0
FILE_A = ("session", "visit", "subject", "study")  # what a file was recorded of
Tag = tuple[str, str, int, int]  # subject, condition, visit, take


def all_tags(n_subjects: int, n_conditions: int = 1, n_visits: int = 1, n_takes: int = 1) -> list[Tag]:
    """Tags of a complete study."""
    return [
        (f"{subject:02d}", f"c{condition}", visit + 1, take + 1)
        for subject, condition, visit, take in product(
            range(n_subjects), range(n_conditions), range(n_visits), range(n_takes)
        )
    ]


def table_of(
    tags: Iterable[Tag], n_windows: int | Iterable[int], *, stride_s: float = WINDOW_S
) -> WindowTable:
    """A table of sessions, each with so many windows of 3 s."""
    tags = list(tags)
    counts = [n_windows] * len(tags) if isinstance(n_windows, int) else list(n_windows)
    rows = [
        (subject, condition, f"{subject}-{condition}-{visit}-{take}", visit, stride_s * window)
        for (subject, condition, visit, take), count in zip(tags, counts, strict=True)
        for window in range(count)
    ]
    subject, condition, session, visit, start_s = (np.array(column) for column in zip(*rows, strict=True))
    return WindowTable(subject, condition, session, visit, start_s, WINDOW_S)


def complete(
    n_subjects: int, n_conditions: int = 1, n_visits: int = 1, n_takes: int = 1, n_windows: int = 10
) -> WindowTable:
    """A complete study, windows edge to edge."""
    return table_of(all_tags(n_subjects, n_conditions, n_visits, n_takes), n_windows)


def one_file_a(what: str, table: WindowTable) -> WindowTable:
    """The same table, its sessions cut from one file a "visit", "subject", …: see `FILE_A`."""
    visits = np.char.add(np.char.add(table.subject, "/"), table.visit.astype(str))
    labels = {
        "session": table.session,
        "visit": visits,
        "subject": table.subject,
        "study": np.full(len(table), "x"),
    }
    return dataclasses.replace(table, source=labels[what])


def reordered(table: WindowTable, order: NDArray[np.int64]) -> WindowTable:
    """The same table with its rows in another order, or some of them."""
    return WindowTable(
        **{name: getattr(table, name)[order] for name in COLUMNS},
        window_s=table.window_s,
        source=None if table.source is None else table.source[order],
    )


@st.composite
def tables(draw: st.DrawFn) -> WindowTable:
    """Studies with sessions missing, of one subject, of one window, of overlapping windows, in few files."""
    counts = draw(st.tuples(st.integers(1, 7), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2)))
    tags = all_tags(*counts)
    if draw(st.booleans()):
        kept = draw(st.lists(st.booleans(), min_size=len(tags), max_size=len(tags)))
        tags = [tag for tag, keep in zip(tags, kept, strict=True) if keep] or tags[:1]
    n_windows = draw(st.sampled_from([(1,), (2,), (12,), (1, 5), (7, 2, 3)]))
    stride_s = draw(st.sampled_from([0.5, 1.0, 3.0, 4.0]))
    table = table_of(tags, [n_windows[row % len(n_windows)] for row in range(len(tags))], stride_s=stride_s)
    what = draw(st.sampled_from([None, *FILE_A]))
    return table if what is None else one_file_a(what, table)
