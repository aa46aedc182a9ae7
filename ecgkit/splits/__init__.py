"""Splits: who is trained on and who is tested, from the table of windows alone."""

from __future__ import annotations

from ecgkit.lookup import pick
from ecgkit.splits.leakage import Leak, describe_leaks, find_leaks
from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable, window_table

__all__ = [
    "HONEST",
    "SCHEMES",
    "Leak",
    "describe_leaks",
    "find_leaks",
    "find_scheme",
    "split_all",
    "window_table",
]

SCHEMES = {
    "leave-subjects-out": "ecgkit.splits.leave_subjects_out:SCHEME",
    "leave-condition-out": "ecgkit.splits.leave_condition_out:SCHEME",
    "leave-visit-out": "ecgkit.splits.leave_visit_out:SCHEME",
    "open-set": "ecgkit.splits.open_set:SCHEME",
    "blocked": "ecgkit.splits.blocked:SCHEME",
    "paper": "ecgkit.splits.paper_random:SCHEME",
    "paper-kfold": "ecgkit.splits.paper_kfold:SCHEME",
}

# the schemes that a default training reports, in this order
HONEST = tuple(name for name in SCHEMES if name.startswith("leave-"))


def find_scheme(name: str) -> Scheme:
    """Return a scheme by name.

    Raises
    ------
    ConfigError
        There is none of this name; the message lists those that are.
    """
    scheme: Scheme = pick(SCHEMES, name, what="split scheme")
    return scheme


def split_all(table: WindowTable, settings: SplitSettings) -> dict[str, Folds]:
    """Make the folds of every scheme that the table allows."""
    made = {name: find_scheme(name).split(table, settings) for name in SCHEMES}
    return {name: folds for name, folds in made.items() if folds}
