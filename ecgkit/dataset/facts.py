"""What is to be said of a data set: how many of what, who, and what its splits can show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.quality import VERDICTS
from ecgkit.dataset.read import Dataset
from ecgkit.errors import SplitError
from ecgkit.splits import SCHEMES, describe_leaks, find_scheme
from ecgkit.splits.claims import scheme_leaks
from ecgkit.splits.kinds import TASKS
from ecgkit.splits.leakage import find_leaks_of_folds
from ecgkit.splits.scheme import Scheme, WindowTable


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """What a split in a data set can and can't show.

    Attributes
    ----------
    scores
        What its scores are of: "identity", "state"; none where they mean nothing, or nobody says.
    leaks
        Whether it is known to leak; None of a scheme that is not one of ecgkit's.
    meaning
        What it can and can't show, in a sentence; "" of such a scheme.
    gives_away
        What the check finds in its folds, a sentence each.
    """

    n_folds: int
    scores: tuple[str, ...]
    leaks: bool | None
    meaning: str
    gives_away: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "folds": self.n_folds,
            "scores": list(self.scores),
            "leaks": self.leaks,
            "meaning": self.meaning,
            "gives_away": list(self.gives_away),
        }


def count_windows(data: Dataset) -> NDArray[np.int64]:
    """Count windows, (subject, condition, quality), in the order of the vocabularies and of `VERDICTS`."""
    shape = (len(data.subjects), len(data.conditions), len(VERDICTS))
    cells = np.ravel_multi_index(
        (data.codes("subject"), data.codes("condition"), data.columns["quality"]), shape
    )
    return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)


def count_labels(data: Dataset) -> dict[str, dict[str, int]]:
    """Count the sessions of each own label: ``name -> label -> sessions``, "" for not known."""
    first_rows = np.unique(data.columns["session"], return_index=True)[1]
    found = {}
    for name in data.own_labels:
        counts = Counter(label or "" for label in data.texts(name)[first_rows])
        found[name] = dict(sorted(counts.items()))
    return found


def describe_splits(data: Dataset) -> dict[str, SplitFacts]:
    """Say of every scheme in a data set what it shows, and what its folds give away."""
    table = data.window_table
    return {name: _describe_split(data, table, name) for name in data.schemes}


def _describe_split(data: Dataset, table: WindowTable, name: str) -> SplitFacts:
    scheme: Scheme | None = find_scheme(name) if name in SCHEMES else None
    folds = dict(data.folds[name])
    try:
        found = scheme_leaks(scheme, table, folds) if scheme else find_leaks_of_folds(table, folds)
        gives_away = tuple(describe_leaks(found))
    except SplitError as error:
        gives_away = (f"Can't be told: {error}",)
    return SplitFacts(
        n_folds=len(folds),
        scores=tuple(TASKS[task] for task in scheme.scores) if scheme else (),
        leaks=scheme.leaks if scheme else None,
        meaning=scheme.meaning if scheme else "",
        gives_away=gives_away,
    )


def describe_people(data: Dataset) -> dict[str, str]:
    """Say of sex, age and handedness what is known of all subjects together; nothing where it is of none."""
    said = {}
    for name in ("sex", "handedness"):
        counts = Counter(filter(None, data.participants.get(name, ())))
        if counts:
            unknown = len(data.subjects) - counts.total()
            said[name] = ", ".join(
                f"{count} {value}" for value, count in sorted([*counts.items(), *_of(unknown)])
            )
    ages = [age for text in data.participants.get("age", ()) if (age := _number(text)) is not None]
    if ages:
        said["age"] = (
            f"{min(ages):g} to {max(ages):g} years, median {np.median(ages):g}, of {len(ages)} subjects"
        )
    return said


def _of(unknown: int) -> list[tuple[str, int]]:
    return [("not known", unknown)] if unknown else []


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 150 else None
