"""Blocks in time within each session: for learning curves only."""

from __future__ import annotations

import numpy as np

from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable, roles


def split(table: WindowTable, settings: SplitSettings) -> Folds:
    """Cut each session's time into `n_folds` equal blocks; test one, leave a gap on both sides."""
    block, first_s, last_s = _blocks(table, settings.n_folds)
    folds: Folds = {}
    for index in range(settings.n_folds):
        test = block == index
        near = (table.start_s + table.window_s > first_s[:, index] - settings.gap_s) & (
            table.start_s < last_s[:, index] + settings.gap_s
        )
        if test.any() and not near.all():
            folds[str(index)] = roles(len(table), train=~test & ~near, test=test)
    return folds


def _blocks(table: WindowTable, n_blocks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each row's block (N,), and where its session's blocks' windows begin and end (N, n_blocks)."""
    block = np.zeros(len(table), dtype=np.int64)
    first_s = np.full((len(table), n_blocks), np.inf)
    last_s = np.full((len(table), n_blocks), -np.inf)
    for session in np.unique(table.session):
        rows = np.flatnonzero(table.session == session)
        start_s = table.start_s[rows]
        length_s = start_s.max() + table.window_s - start_s.min()
        block[rows] = np.minimum((start_s - start_s.min()) / length_s * n_blocks, n_blocks - 1).astype(int)
        for index in np.unique(block[rows]):
            inside = start_s[block[rows] == index]
            first_s[rows, index] = inside.min()
            last_s[rows, index] = inside.max() + table.window_s
    return block, first_s, last_s


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
