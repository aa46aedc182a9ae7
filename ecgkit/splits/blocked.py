"""Blocks in time within each session: for learning curves only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable, codes, roles


def split(table: WindowTable, settings: SplitSettings) -> Folds:
    """Cut each session's time into `n_folds` equal blocks; test one, leave a gap on both sides."""
    session = codes(table.session)
    block = _block_of(session, table.start_s, table.window_s, settings.n_folds)
    folds: Folds = {}
    for index in range(settings.n_folds):
        test = block == index
        first_s, last_s = _span(session, np.where(test, table.start_s, np.nan))
        near = (table.start_s + table.window_s > first_s[session] - settings.gap_s) & (
            table.start_s < last_s[session] + table.window_s + settings.gap_s
        )
        if test.any() and not near.all():
            folds[str(index)] = roles(len(table), train=~test & ~near, test=test)
    return folds


def _block_of(
    session: NDArray[np.int64], start_s: NDArray[np.float64], window_s: float, n_blocks: int
) -> NDArray[np.int64]:
    """Return each row's block of its session, (N,)."""
    first_s, last_s = _span(session, start_s)
    length_s = last_s + window_s - first_s
    place = (start_s - first_s[session]) / length_s[session] * n_blocks
    return np.minimum(place, n_blocks - 1).astype(np.int64)


def _span(
    session: NDArray[np.int64], start_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first and the last start in each session, (sessions,); NaN is no start, inf says none."""
    first_s = np.full(session.max(initial=-1) + 1, np.inf)
    last_s = -first_s
    np.fmin.at(first_s, session, start_s)
    np.fmax.at(last_s, session, start_s)
    return first_s, last_s


SCHEME = Scheme(
    name="blocked",
    scores=("condition", "subject"),
    leaks=True,
    meaning=(
        "Tests later or earlier blocks of the same recordings that were trained on. It leaks: the recording "
        "is known to the model, so both scores say mostly how well a recording is recognised. For learning "
        "curves only."
    ),
    split=split,
)
