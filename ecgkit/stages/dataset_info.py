"""`ecgkit dataset info` and `head`: what is in a data set, and its first windows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.quality import VERDICTS
from ecgkit.dataset.facts import SplitFacts, count_labels, count_windows, describe_people, describe_splits
from ecgkit.dataset.read import Dataset, open_dataset
from ecgkit.dataset.schema import CODED_COLUMNS, LEAD_COLUMNS, NUMBER_COLUMNS
from ecgkit.stages.staleness import stale


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What is to be said of a data set.

    Attributes
    ----------
    counts
        Windows by (subject, condition, quality), in the order of the data set's vocabularies.
    people
        What is known of the subjects together.
    labels
        Sessions of each own label: ``name -> label -> sessions``, "" where it is not known.
    stale
        How the study has changed since, a sentence each.
    """

    data: Dataset
    size_bytes: int
    counts: NDArray[np.int64]
    people: Mapping[str, str]
    labels: Mapping[str, Mapping[str, int]]
    splits: Mapping[str, SplitFacts]
    stale: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        data = self.data
        return {
            "dataset": str(data.path),
            "files": [file.name for file in data.files],
            "bytes": self.size_bytes,
            "simulated": data.simulated,
            "study": data.study,
            "protocol": data.protocol,
            "windows": len(data),
            "shape": list(data.windows.shape),
            "fs": data.fs,
            "window_s": data.window_s,
            "unit": data.unit,
            "leads": list(data.leads),
            "people": dict(self.people),
            "sessions_by_label": {name: dict(counts) for name, counts in self.labels.items()},
            "windows_by_subject_and_condition": self._counts_as_json(),
            "sessions": {key: data.sources.get(key, {}) for key in data.sessions},
            "left_out": dict(data.left_out),
            "pipeline": dict(data.pipeline),
            "split_settings": dict(data.split_settings),
            "splits": {name: facts.as_json() for name, facts in self.splits.items()},
            "versions": dict(data.versions),
            "content_sha256": data.sha256,
            "stale": list(self.stale),
        }

    def _counts_as_json(self) -> dict[str, dict[str, dict[str, int]]]:
        return {
            subject: {
                condition: dict(zip(VERDICTS, self.counts[row, column].tolist(), strict=True))
                for column, condition in enumerate(self.data.conditions)
            }
            for row, subject in enumerate(self.data.subjects)
        }


def run(path: Path) -> DatasetInfo:
    """Describe a data set; no window is read.

    Raises
    ------
    DatasetError
        There is none, or it can't be read.
    """
    data = open_dataset(path)
    return DatasetInfo(
        data=data,
        size_bytes=sum(file.stat().st_size for file in data.files),
        counts=count_windows(data),
        people=describe_people(data),
        labels=count_labels(data),
        splits=describe_splits(data),
        stale=tuple(stale(data)),
    )


def head(path: Path, *, n_rows: int) -> list[dict[str, Any]]:
    """Return the first rows of a data set's table as plain values, labels and verdicts as texts.

    Raises
    ------
    DatasetError
        There is none, or it can't be read.
    """
    data = open_dataset(path)
    return [_row(data, index) for index in range(min(n_rows, len(data)))]


def _row(data: Dataset, index: int) -> dict[str, Any]:
    row: dict[str, Any] = {name: data.labels(name)[data.columns[name][index]] for name in CODED_COLUMNS}
    for name, labels in data.own_labels.items():
        row[name] = (*labels, None)[data.columns[name][index]]
    row |= {name: _plain(data.columns[name][index].item()) for name in NUMBER_COLUMNS}
    row["quality"] = VERDICTS[row["quality"]]
    return row | {name: data.columns[name][index].tolist() for name in LEAD_COLUMNS}


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
