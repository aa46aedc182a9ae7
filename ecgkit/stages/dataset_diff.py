"""`ecgkit dataset diff`: what two data sets differ in: settings, sessions, samples, splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.read import Dataset, open_dataset
from ecgkit.dataset.schema import LEAD_COLUMNS, NUMBER_COLUMNS
from ecgkit.dataset.untrusted import BLOCK_BYTES
from ecgkit.progress import Progress, Silent

TASK = "diff"
ATTRIBUTES = (
    "study",
    "protocol",
    "fs",
    "window_s",
    "leads",
    "unit",
    "simulated",
    "versions",
    "condition_texts",
    "own_labels",
)
Rows = NDArray[np.int64]
Pair = tuple[Any, Any]


@dataclass(slots=True)
class WindowsDiff:
    """How the windows of two data sets compare, by session and start.

    Attributes
    ----------
    only_a, only_b
        Windows that the other one has not.
    equal, different
        Windows that both have, with the same samples or others; none where their shapes differ.
    largest
        The largest difference of two samples, in the data sets' scale.
    columns
        Column of the table -> rows of windows in both that differ in it.
    folds
        (scheme, fold) -> windows in both whose role differs.
    """

    only_a: int = 0
    only_b: int = 0
    equal: int = 0
    different: int = 0
    largest: float = 0.0
    columns: dict[str, int] = field(default_factory=dict)
    folds: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """What two data sets differ in; empty where they don't.

    Attributes
    ----------
    attributes, pipeline, split_settings
        Name -> what the first and the second one say; None where it says nothing.
    sessions_added, sessions_removed
        Only in the second, only in the first.
    sessions_changed
        In both, but of another source, part of it, or channels.
    same_shape
        Whether windows are of the same leads and length, so that their samples could be compared.
    splits_added, splits_removed
        Schemes, or "scheme/fold", only in the second, only in the first.
    """

    a: Path
    b: Path
    attributes: Mapping[str, Pair]
    pipeline: Mapping[str, Pair]
    split_settings: Mapping[str, Pair]
    sessions_added: tuple[str, ...]
    sessions_removed: tuple[str, ...]
    sessions_changed: tuple[str, ...]
    participants: tuple[str, ...]
    same_shape: bool
    windows: WindowsDiff
    splits_added: tuple[str, ...]
    splits_removed: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        found = self.windows
        n_windows = found.only_a + found.only_b + found.different + sum(found.columns.values())
        lists = (
            *(self.attributes, self.pipeline, self.split_settings, self.participants, found.folds),
            *(self.sessions_added, self.sessions_removed, self.sessions_changed),
            *(self.splits_added, self.splits_removed),
        )
        return self.same_shape and not n_windows and not any(lists)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        found = self.windows
        return {
            "a": str(self.a),
            "b": str(self.b),
            "same": self.is_same,
            **{
                name: {key: {"a": pair[0], "b": pair[1]} for key, pair in getattr(self, name).items()}
                for name in ("attributes", "pipeline", "split_settings")
            },
            "sessions": {
                "added": list(self.sessions_added),
                "removed": list(self.sessions_removed),
                "changed": list(self.sessions_changed),
            },
            "participants": list(self.participants),
            "windows": {
                "comparable": self.same_shape,
                **{name: getattr(found, name) for name in ("only_a", "only_b", "equal", "different")},
                "largest_difference": found.largest,
                "rows_that_differ": dict(found.columns),
            },
            "splits": {
                "added": list(self.splits_added),
                "removed": list(self.splits_removed),
                "roles_that_differ": {"/".join(name): count for name, count in found.folds.items()},
            },
        }


def run(a: Path, b: Path, *, progress: Progress | None = None) -> DatasetDiff:
    """Compare two data sets; windows are matched by their session and start.

    Raises
    ------
    DatasetError
        One of them can't be read.
    """
    progress = progress or Silent()
    one, two = open_dataset(a), open_dataset(b)
    same_shape = one.windows.shape[1:] == two.windows.shape[1:]
    both = sorted(set(one.sessions) & set(two.sessions))
    schemes = set(_fold_names(one)), set(_fold_names(two))
    return DatasetDiff(
        a=a,
        b=b,
        attributes=_pairs(*({name: getattr(data, name) for name in ATTRIBUTES} for data in (one, two))),
        pipeline=_pairs(one.pipeline, two.pipeline),
        split_settings=_pairs(one.split_settings, two.split_settings),
        sessions_added=tuple(sorted(set(two.sessions) - set(one.sessions))),
        sessions_removed=tuple(sorted(set(one.sessions) - set(two.sessions))),
        sessions_changed=tuple(key for key in both if one.sources.get(key) != two.sources.get(key)),
        participants=tuple(_other_participants(one, two)),
        same_shape=same_shape,
        windows=_compare(one, two, both, same_shape=same_shape, progress=progress),
        splits_added=tuple(map("/".join, sorted(schemes[1] - schemes[0]))),
        splits_removed=tuple(map("/".join, sorted(schemes[0] - schemes[1]))),
    )


def _pairs(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Pair]:
    """Return what two mappings say where they don't say the same."""
    names = sorted({*one, *two})
    return {name: (one.get(name), two.get(name)) for name in names if one.get(name) != two.get(name)}


def _fold_names(data: Dataset) -> Iterator[tuple[str, str]]:
    return ((scheme, fold) for scheme, folds in data.folds.items() for fold in folds)


def _other_participants(one: Dataset, two: Dataset) -> Iterator[str]:
    """Yield the subjects in both of whom other things are known."""
    known = [
        {
            subject: {name: values[row] for name, values in data.participants.items()}
            for row, subject in enumerate(data.subjects)
        }
        for data in (one, two)
    ]
    yield from (
        who for who in sorted(set(one.subjects) & set(two.subjects)) if known[0][who] != known[1][who]
    )


def _compare(
    one: Dataset, two: Dataset, sessions: list[str], *, same_shape: bool, progress: Progress
) -> WindowsDiff:
    """Compare the windows of the sessions that both have, one session after the other."""
    found = WindowsDiff(only_a=len(one), only_b=len(two))
    rows = _rows_by_session(one), _rows_by_session(two)
    progress.start(TASK, len(sessions))
    for key in sessions:
        first, second = rows[0][key], rows[1][key]
        starts_one, starts_two = one.columns["start_sample"][first], two.columns["start_sample"][second]
        _, at_one, at_two = np.intersect1d(starts_one, starts_two, return_indices=True)
        in_one, in_two = first[at_one], second[at_two]
        found.only_a -= len(in_one)
        found.only_b -= len(in_two)
        if len(in_one):
            _compare_columns(found, one, two, in_one, in_two)
        if len(in_one) and same_shape:
            _compare_samples(found, one, two, in_one, in_two)
        progress.advance(TASK, key)
    return found


def _rows_by_session(data: Dataset) -> dict[str, Rows]:
    """Return the rows of each session."""
    order = np.argsort(data.columns["session"], kind="stable")
    edges = np.searchsorted(data.columns["session"][order], np.arange(1, len(data.sessions)))
    return dict(zip(data.sessions, np.split(order, edges), strict=True))


def _compare_columns(found: WindowsDiff, one: Dataset, two: Dataset, in_one: Rows, in_two: Rows) -> None:
    labels = sorted(set(one.own_labels) & set(two.own_labels))
    for name in (*NUMBER_COLUMNS, *LEAD_COLUMNS, *labels):
        values = _values(one, name, in_one), _values(two, name, in_two)
        if values[0].shape != values[1].shape:  # of other leads
            continue
        differs = ~((values[0] == values[1]) | ((values[0] != values[0]) & (values[1] != values[1])))
        count = int(np.count_nonzero(differs.reshape(len(in_one), -1).any(axis=1)))
        if count:
            found.columns[name] = found.columns.get(name, 0) + count
    for scheme, fold in set(_fold_names(one)) & set(_fold_names(two)):
        count = int(np.count_nonzero(one.folds[scheme][fold][in_one] != two.folds[scheme][fold][in_two]))
        if count:
            found.folds[scheme, fold] = found.folds.get((scheme, fold), 0) + count


def _values(data: Dataset, name: str, rows: Rows) -> NDArray[Any]:
    """Return rows of a column, labels as texts, None where one is not known."""
    values: NDArray[Any] = data.columns[name][rows]
    return np.array([*data.own_labels[name], None])[values] if name in data.own_labels else values


def _compare_samples(found: WindowsDiff, one: Dataset, two: Dataset, in_one: Rows, in_two: Rows) -> None:
    """Compare the samples of windows, some at a time; NaN is as good as NaN."""
    at_once = max(1, BLOCK_BYTES // one.windows[0].nbytes)
    for start in range(0, len(in_one), at_once):
        ours, theirs = (
            data.windows[rows[start : start + at_once]].astype(np.float64)
            for data, rows in ((one, in_one), (two, in_two))
        )
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        n_equal = int(np.count_nonzero(same.all(axis=(1, 2))))
        found.equal += n_equal
        found.different += len(same) - n_equal
        with np.errstate(invalid="ignore"):  # infinity less infinity
            apart = np.abs(ours - theirs)[~same]
        found.largest = max(found.largest, float(np.nan_to_num(apart, nan=0.0).max(initial=0.0)))
