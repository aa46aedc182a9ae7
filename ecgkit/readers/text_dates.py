"""Dates and clock times in a table's cells, as seconds; and when a recording began."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# seconds since 1970 that are believed, 1995 to 2049; ticks since other years, taken for these, lie outside
EPOCH_S = (7.9e8, 2.5e9)
DAY, HOUR, MINUTES = r"\d{4}-\d\d-\d\d[T ]", r"\d\d?", r":\d\d:\d\d(?:[.,]\d{1,9})?"
LONGEST_CELL = 80


class Form(Enum):
    """How the cells of a column write times."""

    UTC = re.compile(rf"{DAY}\d\d{MINUTES}(?:Z|[+-]\d\d(?::?\d\d)?)")
    LOCAL = re.compile(rf"{DAY}\d\d{MINUTES}")
    CLOCK = re.compile(HOUR + MINUTES)
    UNREAD = re.compile(r".*(?:\d:\d\d|\d[./-]\d{1,2}[./-]\d).*")  # 01.03.2024: of January or March?


def form_of(cell: str) -> Form | None:
    """Tell from a cell how its column writes dates or clock times; None where it does not."""
    text = cell.strip()[:LONGEST_CELL]
    return next((form for form in Form if form.value.fullmatch(text)), None)


def seconds_of(texts: Sequence[str], form: Form) -> NDArray[np.float64]:
    """Return a column's times in seconds, shape (rows,), since 1970 or midnight; NaN for what is none."""
    import pandas as pd

    cells = pd.Series(texts, dtype=object).str.strip()
    # pandas reads more than this, and warns of some of it
    cells = cells.where(cells.str.fullmatch(form.value, na=False)).str.replace(",", ".")
    if form is Form.CLOCK:
        since = pd.to_timedelta(cells, errors="coerce")
    else:
        since = pd.to_datetime(cells, format="ISO8601", utc=True, errors="coerce") - pd.Timestamp(EPOCH)
    return np.asarray(since / pd.Timedelta(seconds=1), np.float64)


def across_midnight(clock_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return times of the day, in seconds, that go on from 23:59:59 to 24:00:00 rather than to 0:00:00."""
    return clock_s + DAY_S * np.cumsum(np.diff(clock_s, prepend=clock_s[:1]) < -DAY_S / 2)


def start_of(first_s: float, form: Form | None) -> datetime | None:
    """Return the date of the first sample: UTC where the file says so, or counts seconds since 1970.

    Parameters
    ----------
    first_s
        The first time, in seconds.
    form
        How it was written; None for a number.
    """
    counted = form is None and EPOCH_S[0] < first_s < EPOCH_S[1]
    if not math.isfinite(first_s) or not (counted or form in (Form.UTC, Form.LOCAL)):
        return None
    date = EPOCH + timedelta(seconds=first_s)
    return date.replace(tzinfo=None) if form is Form.LOCAL else date
