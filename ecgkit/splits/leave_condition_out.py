"""Identity in a state never seen: each condition is held out in turn."""

from __future__ import annotations

from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable, leave_out


def split(table: WindowTable, settings: SplitSettings) -> Folds:  # noqa: ARG001 (nothing to set)
    """Make a fold a condition: enrolled in the others, found in this one."""
    return leave_out(table, table.condition)


SCHEME = Scheme(
    name="leave-condition-out",
    scores=("subject",),
    leaks=False,
    meaning=(
        "Tests identity in a condition that was not in the training: enrolled in the others, found in "
        "this one. Other conditions of the same visit are in the training, so it can't say what another "
        "day, or electrodes placed anew, would do."
    ),
    split=split,
)
