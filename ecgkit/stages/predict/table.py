"""The table of a prediction's answers as CSV."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ecgkit.files import atomic_path
from ecgkit.stages.predict.answers import Answer, Prediction

COLUMNS = ("file", "unknown", *(field.name for field in dataclasses.fields(Answer)))


def write_table(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write one line an answer, file after file; a cell is empty where there is nothing to say.

    Raises
    ------
    OSError
        The file can't be written.
    """
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        for prediction in predictions:
            for answer in prediction.answers:
                row = answer.as_json() | {"file": str(prediction.file)}
                lines.writerow([_cell(row[name]) for name in COLUMNS])


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else value
