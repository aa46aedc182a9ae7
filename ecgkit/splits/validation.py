"""Windows held back from a training, to choose by: never the tested ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import SplitError
from ecgkit.splits import find_scheme
from ecgkit.splits.scheme import TEST, TRAIN, SplitSettings, WindowTable

OTHERWISE = "blocked"


class HeldBack(NamedTuple):
    """Rows to train on and rows to choose by, (n,) each, and the scheme that divides them."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    scheme: str


def hold_back(
    table: WindowTable, train: NDArray[np.int64], *, scheme: str | None, settings: SplitSettings
) -> HeldBack:
    """Divide the rows of a training, so that those held back stand to the rest as tested ones would.

    One fold of the same scheme among the rows of the training; where these do not allow the scheme (one visit
    is left only), and for a training on everything, a block in time of each session.

    Parameters
    ----------
    train
        Rows of the table, (n,).
    scheme
        The scheme that the training is tested under; None where it is not tested.
    settings
        The seed chooses the fold.

    Raises
    ------
    SplitError
        Too few windows to hold any back.
    """
    part = _part(table, train)
    for name in filter(None, (scheme, OTHERWISE)):
        folds = find_scheme(name).split(part, settings)
        if folds:
            roles = list(folds.values())[settings.seed % len(folds)]
            return HeldBack(train[roles == TRAIN], train[roles == TEST], name)
    raise SplitError(f"{len(train)} windows to train on are too few to hold some back; leave validation out")


def _part(table: WindowTable, rows: NDArray[np.int64]) -> WindowTable:
    """Return some rows of a table."""
    return WindowTable(
        subject=table.subject[rows],
        condition=table.condition[rows],
        session=table.session[rows],
        visit=table.visit[rows],
        start_s=table.start_s[rows],
        window_s=table.window_s,
        source=None if table.source is None else table.source[rows],
    )
