"""Identity on another day or with electrodes placed anew: each visit is held out in turn."""

from __future__ import annotations

from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable, leave_out


def split(table: WindowTable, settings: SplitSettings) -> Folds:  # noqa: ARG001 (nothing to set)
    """Make a fold a visit: enrolled on the others, found on this one; none if there is one visit."""
    return leave_out(table, table.visit)


SCHEME = Scheme(
    name="leave-visit-out",
    scores=("subject",),
    leaks=False,
    meaning=(
        "Tests identity on a visit that was not in the training: another day, or electrodes placed anew. "
        "It is the test that a biometric claim needs; it can't say more than the time between the visits."
    ),
    split=split,
)
