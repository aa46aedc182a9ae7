"""Dates and clock times: what is one gives seconds, whatever pandas would make of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from ecgkit.readers.text_dates import Form, seconds_of


@pytest.mark.parametrize(
    ("form", "texts", "seconds"),
    [
        (Form.CLOCK, ["8:00:01", " 08:00:01,25 ", "23:59:59.999"], [28801, 28801.25, 86399.999]),
        (Form.CLOCK, ["12u", "3 days", "1e3", "", "8:00", "8:00:01x", None], [np.nan] * 7),
        (Form.LOCAL, ["1970-01-02T00:00:00.5", "1970-01-02", "now"], [86400.5, np.nan, np.nan]),
        (Form.UTC, ["1970-01-01 02:00:00+01:00", "1970-01-01T00:00:01Z", "2024"], [3600, 1, np.nan]),
    ],
)
def test_seconds_of_reads_its_form_and_nothing_else(
    form: Form, texts: list[str], seconds: list[float]
) -> None:
    np.testing.assert_allclose(seconds_of(texts, form), seconds, rtol=1e-15)
