"""Splits: who is trained on and who is tested, from the table of windows alone."""

from __future__ import annotations

from ecgkit.errors import SplitError
from ecgkit.lookup import pick
from ecgkit.splits.leakage import Leak, describe_leaks, find_leaks, find_leaks_of_folds
from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable, window_table

__all__ = [
    "HONEST",
    "SCHEMES",
    "Leak",
    "WindowTable",
    "describe_leaks",
    "describe_schemes",
    "find_leaks",
    "find_leaks_of_folds",
    "find_scheme",
    "make_folds",
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


def describe_schemes() -> dict[str, str]:
    """Return what each scheme can and can't show, in a sentence or two: ``name -> text``."""
    return {name: find_scheme(name).meaning for name in SCHEMES}


def make_folds(
    table: WindowTable,
    scheme: str,
    *,
    seed: int = 0,
    n_folds: int = 5,
    test_share: float = 0.3,
    gap_s: float = 3.0,
) -> Folds:
    """Deal windows to folds by a scheme: ``fold -> role of each window``, (N,) uint8.

    Roles are 0 unused, 1 train, 2 test, 3 validation. The same table and settings give the same folds.

    Parameters
    ----------
    table
        That of a data set (``data.window_table``), or one of your own (`window_table`).
    scheme
        A key of `describe_schemes`.
    n_folds
        Of leave-subjects-out, open-set, blocked and paper-kfold.
    test_share
        Of paper.
    gap_s
        Of blocked: left out on both sides of a tested block, seconds.

    Raises
    ------
    ConfigError
        There is no such scheme; the message lists those that there are.
    SplitError
        A setting is out of range, or the table does not allow the scheme.
    """
    if n_folds < 2 or not 0 < test_share < 1 or not gap_s >= 0 or seed < 0:
        raise SplitError(
            f"n_folds {n_folds}, test_share {test_share}, gap_s {gap_s}, seed {seed}: expected at least 2 "
            "folds, a share between 0 and 1, seconds and a seed from 0"
        )
    folds = find_scheme(scheme).split(table, SplitSettings(seed, n_folds, test_share, gap_s))
    if not folds:
        n_subjects, n_conditions, n_visits = (
            len(set(labels.tolist())) for labels in (table.subject, table.condition, table.visit)
        )
        raise SplitError(
            f"{scheme}: a table of {len(table)} windows, {n_subjects} subjects, {n_conditions} conditions "
            f"and {n_visits} visits does not allow it"
        )
    return folds


def split_all(table: WindowTable, settings: SplitSettings) -> dict[str, Folds]:
    """Make the folds of every scheme that the table allows."""
    made = {name: find_scheme(name).split(table, settings) for name in SCHEMES}
    return {name: folds for name, folds in made.items() if folds}
