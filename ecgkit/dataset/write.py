"""Writing a data set: the same content gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.schema import (
    CODED_COLUMNS,
    COLUMN_TYPES,
    FORMAT,
    FORMAT_VERSION,
    HASH,
    LEAD_COLUMNS,
    MEANINGS,
    NUMBER_COLUMNS,
)
from ecgkit.errors import DatasetError
from ecgkit.files import refuse_special
from ecgkit.h5 import atomic_h5, content_sha256, write_texts
from ecgkit.records import Tags

RowColumns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """One session's windows, ready to be joined.

    Attributes
    ----------
    windows
        (N, lead, T) float32.
    columns
        ``name -> (N,)``, and ``scale_offset``, ``scale_gain`` (N, lead).
    sha256
        Of the session's source file.
    channels
        Names of the source's channels that became the leads.
    origin
        What else is to be known of where it comes from: ``span_s``, ``excluded_s`` (docs/format.md).
    """

    tags: Tags
    windows: NDArray[np.float32]
    columns: RowColumns
    sha256: str
    channels: tuple[str, ...]
    simulated: bool
    origin: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Description:
    """What holds for the whole data set.

    Attributes
    ----------
    condition_texts
        ``condition -> {"label": …, "description": …}``, from the protocol.
    left_out
        ``session -> {"sha256": …, "reason": …}``: sessions that gave no window, or were not to.
    """

    fs: float
    window_s: float
    leads: tuple[str, ...]
    unit: str
    study: str
    protocol: str
    condition_texts: Mapping[str, Mapping[str, str]]
    pipeline: Mapping[str, Any]
    splits: Mapping[str, Any]
    versions: Mapping[str, str]
    participants: Mapping[str, Mapping[str, str]]
    left_out: Mapping[str, Mapping[str, Any]]


def write_dataset(
    path: Path,
    parts: Sequence[Part],
    description: Description,
    folds: Mapping[str, Mapping[str, NDArray[np.uint8]]],
) -> str:
    """Write parts, in the order given, as one data set; atomic.

    Parameters
    ----------
    folds
        ``scheme -> fold -> role of each row``: 0 unused, 1 train, 2 test, 3 validation.

    Returns
    -------
    str
        Hash of everything in the file.
    """
    with atomic_h5(path, file_format=FORMAT, format_version=FORMAT_VERSION) as file:
        _write_vocabularies(file, parts, description)
        _write_windows(file, parts)
        for name, values in join_columns(parts).items():
            _write_array(file, f"table/{name}", values)
        for scheme, by_fold in folds.items():
            for fold, roles in by_fold.items():
                _write_array(file, f"splits/{scheme}/{fold}", roles)
        _write_attributes(file, parts, description)
        sha256 = content_sha256(file, but=HASH)
        file.attrs[HASH] = sha256
    return sha256


def refuse_other_files(path: Path) -> None:
    """Refuse a path where something else lies than a data set, of whatever version.

    Raises
    ------
    DatasetError
        It holds something else.
    OSError
        It is not a file.
    """
    refuse_special(path)
    if not path.exists():
        return
    try:
        with h5py.File(path, "r") as file:
            found = file.attrs.get("format")
    except OSError:
        found = None
    if not isinstance(found, str) or found != FORMAT:
        raise DatasetError(f"{path}: holds something else than a data set; choose another name, or remove it")


def join_columns(parts: Sequence[Part]) -> dict[str, NDArray[Any]]:
    """Join the parts' columns, labels as codes into their sorted vocabularies, N rows each."""
    sizes = [len(part.windows) for part in parts]
    joined: dict[str, NDArray[Any]] = {}
    for column in CODED_COLUMNS:
        labels = [label_of(part, column) for part in parts]
        joined[column] = np.repeat([sorted(set(labels)).index(label) for label in labels], sizes).astype(
            "<i4"
        )
    joined["visit"] = np.repeat([part.tags.visit for part in parts], sizes)
    joined["take"] = np.repeat([part.tags.take for part in parts], sizes)
    for name in (*NUMBER_COLUMNS, *LEAD_COLUMNS):
        values = joined.get(name)
        values = np.concatenate([part.columns[name] for part in parts]) if values is None else values
        joined[name] = values.astype(COLUMN_TYPES[name])
    return joined


def label_of(part: Part, column: str) -> str:
    """Return a part's label in one of the coded columns."""
    return part.tags.key if column == "session" else str(getattr(part.tags, column))


def _write_vocabularies(file: h5py.File, parts: Sequence[Part], description: Description) -> None:
    vocabularies: dict[str, Sequence[str]] = {
        vocabulary: sorted({label_of(part, column) for part in parts})
        for column, vocabulary in CODED_COLUMNS.items()
    }
    vocabularies["leads"] = description.leads
    for name, labels in vocabularies.items():
        write_texts(file, name, labels)
    subjects = vocabularies["subjects"]
    columns = sorted({name for row in description.participants.values() for name in row})
    for column in columns:
        values = [description.participants.get(subject, {}).get(column, "") for subject in subjects]
        write_texts(file, f"participants/{column}", values)


def _write_windows(file: h5py.File, parts: Sequence[Part]) -> None:
    """Write all windows as one contiguous, uncompressed array, which other programs can map."""
    n_windows = sum(len(part.windows) for part in parts)
    stored = file.create_dataset("windows", shape=(n_windows, *parts[0].windows.shape[1:]), dtype="<f4")
    stored.attrs["description"] = MEANINGS["windows"]
    row = 0
    for part in parts:
        windows = np.ascontiguousarray(part.windows, dtype="<f4")
        stored[row : row + len(windows)] = windows
        row += len(windows)


def _write_array(file: h5py.File, name: str, values: NDArray[Any]) -> None:
    stored = file.create_dataset(name, data=values)
    leaf = name.rpartition("/")[2]
    if name.startswith("table/"):
        stored.attrs["description"] = MEANINGS[leaf]


def _write_attributes(file: h5py.File, parts: Sequence[Part], description: Description) -> None:
    attributes = file.attrs
    attributes["fs"] = description.fs
    attributes["window_s"] = description.window_s
    attributes["unit"] = description.unit
    attributes["study"] = description.study
    attributes["protocol"] = description.protocol
    attributes["simulated"] = any(part.simulated for part in parts)
    for name in ("pipeline", "splits", "versions", "condition_texts", "left_out"):
        attributes[name] = _json(getattr(description, name))
    attributes["sources"] = _json(
        {part.tags.key: {"sha256": part.sha256, "channels": part.channels, **part.origin} for part in parts}
    )


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(dict(content), sort_keys=True, ensure_ascii=False)
