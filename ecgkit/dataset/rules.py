"""What the values of each column of a data set keep to, told of a stretch of its rows at a time."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.quality import VERDICTS
from ecgkit.dataset.schema import QUALITY_INDICES
from ecgkit.dataset.untrusted import Holds


def codes_to(last: int, *, first: int = 0) -> Holds:
    """Return what tells whether all are codes from `first` to `last`."""
    return partial(_within, first=first, last=last)


def _within(values: NDArray[Any], *, first: int, last: int) -> bool:
    return bool(values.min() >= first and values.max() <= last)


def _counts(values: NDArray[Any]) -> bool:
    return bool(values.min() >= 1)


def _finite(values: NDArray[Any]) -> bool:
    return bool(np.isfinite(values).all())


def _not_negative(values: NDArray[Any]) -> bool:
    return bool(((values >= 0) & (values < np.inf)).all())


def _rates(values: NDArray[Any]) -> bool:
    """Tell whether all are above 0 or NaN."""
    return bool((((values > 0) & (values < np.inf)) | np.isnan(values)).all())


def _gains(values: NDArray[Any]) -> bool:
    return bool((np.isfinite(values) & (values != 0)).all())


# column -> what its values keep to, and what is said where they do not
RULES: dict[str, tuple[Holds, str]] = {
    "visit": (_counts, "expected numbers from 1"),
    "take": (_counts, "expected numbers from 1"),
    "start_sample": (_not_negative, "expected numbers from 0"),
    "start_s": (_not_negative, "expected seconds from 0"),
    "heart_rate_bpm": (_rates, "expected rates above 0, or NaN"),
    "quality": (codes_to(len(VERDICTS) - 1), f"codes outside of 0 to {len(VERDICTS) - 1}"),
    **dict.fromkeys(QUALITY_INDICES, (_finite, "expected numbers, got NaN or infinity")),
    "scale_offset": (_finite, "expected numbers, got NaN or infinity"),
    "scale_gain": (_gains, "expected numbers other than 0, got 0, NaN or infinity"),
}
