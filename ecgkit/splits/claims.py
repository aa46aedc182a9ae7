"""Whether a scheme keeps what it claims: its own folds, looked at as anyone's."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ecgkit.errors import SplitError
from ecgkit.splits.leakage import Leak, describe_leaks, find_leaks_of_folds
from ecgkit.splits.scheme import TEST, Folds, Scheme, SplitSettings, WindowTable


def scheme_leaks(scheme: Scheme, table: WindowTable, folds: Folds) -> tuple[Leak, ...]:
    """Find what a scheme's folds give away, for the tasks it scores; windows are counted over all folds.

    Unknown people in the test are no fault of a scheme that puts them there.
    """
    found = find_leaks_of_folds(table, folds, tasks=scheme.scores)
    return tuple(leak for leak in found if not (scheme.open_set and leak.name == "new-subject"))


def unexpected(scheme: Scheme, found: Iterable[Leak]) -> list[str]:
    """Put into sentences what of a scheme's leaks and biases the scheme does not say itself.

    Caveats are expected, and so are the leaks of a scheme that says that it leaks.
    """
    expected = {"caveat", "leak"} if scheme.leaks else {"caveat"}
    sentences = describe_leaks(leak for leak in found if leak.severity not in expected)
    return [f"{scheme.name}: {sentence}" for sentence in sentences]


def broken_claims(scheme: Scheme, table: WindowTable, settings: SplitSettings) -> tuple[str, ...]:
    """Say what a scheme claims and its folds of a table do not keep; nothing if all is well.

    A fold trains and tests. A scheme that says it does not leak has no leak for the tasks it scores; a bias
    or a caveat it may have. A window is tested in one fold only, except in an open set, where the enrolled
    are tested again among other unknown people.
    """
    folds = scheme.split(table, settings)
    broken = []
    for fold, roles in folds.items():
        try:
            found = scheme_leaks(scheme, table, {fold: roles})
        except SplitError as error:
            broken.append(f"{scheme.name}: {error}")
        else:
            leaks = (leak.text for leak in found if leak.severity == "leak" and not scheme.leaks)
            broken += [f"{scheme.name}, fold {fold}: {text}" for text in leaks]
    n_tests = np.sum([roles == TEST for roles in folds.values()], axis=0)
    if folds and n_tests.max() > 1 and not scheme.open_set:
        broken.append(f"{scheme.name}: {np.count_nonzero(n_tests > 1)} windows are tested in several folds")
    return tuple(broken)
