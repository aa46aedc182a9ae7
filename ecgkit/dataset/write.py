"""Writing a data set: the same content gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
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
    MEANING_OF_OWN,
    MEANINGS,
    MOST_OWN_LABELS,
    NOT_KNOWN,
    NUMBER_COLUMNS,
    OWN_LABELS,
    refused_name,
)
from ecgkit.dataset.shard_files import dataset_sha256
from ecgkit.dataset.shard_writing import WindowRows, join_shards, staged_shards, write_windows
from ecgkit.errors import DatasetError
from ecgkit.files import refuse_special
from ecgkit.h5 import atomic_h5, stamp, write_attribute, write_json, write_texts
from ecgkit.records import Tags

RowColumns = Mapping[str, NDArray[Any]]
write_text = partial(write_attribute, error=DatasetError)


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
    labels
        Own labels of this session: ``name -> label``, "" where it is not known. All parts have the
        same names.
    """

    tags: Tags
    windows: WindowRows
    columns: RowColumns
    sha256: str
    channels: tuple[str, ...]
    simulated: bool
    origin: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Description:
    """What holds for the whole data set.

    Attributes
    ----------
    condition_texts
        ``condition -> {"label": …, "description": …}``, from the protocol.
    choice
        Which sessions were asked for.
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
    choice: Mapping[str, Any]
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
    *,
    shard_bytes: int | None = None,
) -> str:
    """Write parts, in the order given, as one data set; atomic. Few MB of windows are in memory at a time.

    Parameters
    ----------
    folds
        ``scheme -> fold -> role of each row``: 0 unused, 1 train, 2 test, 3 validation.
    shard_bytes
        The most that the windows of a file may have. Where they have more they lie in shards beside this
        file, named after it. None: all in this file.

    Returns
    -------
    str
        Hash of everything in the data set; the same however the windows are put into files.

    Raises
    ------
    DatasetError
        Own labels are not the same ones in all parts, can't be called so, or are not known of
        any session; a text can't be written; or shards of this size, or this name, can't be.
    OSError
        The disk is full or can't be written.
    """
    own, windows = own_vocabularies(parts), [part.windows for part in parts]
    simulated = any(part.simulated for part in parts)
    with (
        staged_shards(path, windows, shard_bytes=shard_bytes, simulated=simulated) as shards,
        atomic_h5(path, file_format=FORMAT, format_version=FORMAT_VERSION) as file,
    ):
        _write_vocabularies(file, parts, description)
        for name, labels in own.items():
            write_texts(file, f"{OWN_LABELS}/{name}", labels, error=DatasetError)
        for name, values in join_columns(parts).items():
            _write_array(file, f"table/{name}", values)
        for scheme, by_fold in folds.items():
            for fold, roles in by_fold.items():
                _write_array(file, f"splits/{scheme}/{fold}", roles)
        _write_about(file, parts, description, simulated=simulated)
        if shards is None:
            write_windows(file, windows)
        else:
            join_shards(file, shards)
        sha256 = dataset_sha256(file, None if shards is None else shards.windows)
        write_text(file, HASH, sha256)
        if shards is not None:
            shards.put_in_place(path.parent)
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
            found = stamp(file, "format", error=DatasetError)
    except (OSError, RuntimeError, ValueError, TypeError, DatasetError):
        found = None
    if found != FORMAT:
        raise DatasetError(
            f"{path}: holds something else than a data set, or one of an earlier ecgkit; choose another "
            "name, or remove it"
        )


def join_columns(parts: Sequence[Part]) -> dict[str, NDArray[Any]]:
    """Join the parts' columns, labels as codes into their sorted vocabularies, N rows each."""
    sizes = [len(part.windows) for part in parts]
    joined: dict[str, NDArray[Any]] = {}
    for column in CODED_COLUMNS:
        labels = [label_of(part, column) for part in parts]
        joined[column] = np.repeat(_codes(labels, sorted(set(labels))), sizes)
    joined["visit"] = np.repeat([part.tags.visit for part in parts], sizes)
    joined["take"] = np.repeat([part.tags.take for part in parts], sizes)
    for name in (*NUMBER_COLUMNS, *LEAD_COLUMNS):
        values = joined.get(name)
        values = np.concatenate([part.columns[name] for part in parts]) if values is None else values
        joined[name] = values.astype(COLUMN_TYPES[name])
    for name, vocabulary in own_vocabularies(parts).items():
        joined[name] = np.repeat(_codes([part.labels[name] for part in parts], vocabulary), sizes)
    return joined


def _codes(labels: Sequence[str], vocabulary: Sequence[str]) -> NDArray[np.int32]:
    """Return each label as its row of the vocabulary, `NOT_KNOWN` where it is not there."""
    code = {label: row for row, label in enumerate(vocabulary)}
    return np.array([code.get(label, NOT_KNOWN) for label in labels], dtype="<i4")


def own_vocabularies(parts: Sequence[Part]) -> dict[str, tuple[str, ...]]:
    """Return the own labels: ``name -> what sessions are labelled with``, sorted.

    Raises
    ------
    DatasetError
        They are not the same ones in all parts, too many, can't be called so, or not known of any session.
    """
    names = sorted(parts[0].labels)
    if other := next((part for part in parts if sorted(part.labels) != names), None):
        raise DatasetError(
            f"{other.tags.key}: has the labels {', '.join(sorted(other.labels)) or 'none'}, expected those "
            f'of {parts[0].tags.key}: {", ".join(names) or "none"}; give "" where one is not known'
        )
    if len(names) > MOST_OWN_LABELS:
        raise DatasetError(
            f"{len(names)} labels a session, expected at most {MOST_OWN_LABELS}; leave some out"
        )
    found = {name: tuple(sorted({part.labels[name] for part in parts} - {""})) for name in names}
    for name, vocabulary in found.items():
        fault = refused_name(name) or ("" if vocabulary else NOWHERE_KNOWN)
        if fault:
            raise DatasetError(f"label {name!r}: {fault}")
    return found


NOWHERE_KNOWN = "not known of any session that is in the data set; fill its column in, or leave it out"


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
        write_texts(file, name, labels, error=DatasetError)
    subjects = vocabularies["subjects"]
    columns = sorted({name for row in description.participants.values() for name in row})
    for column in columns:
        values = [description.participants.get(subject, {}).get(column, "") for subject in subjects]
        write_texts(file, f"participants/{column}", values, error=DatasetError)


def _write_array(file: h5py.File, name: str, values: NDArray[Any]) -> None:
    stored = file.create_dataset(name, data=values)
    leaf = name.rpartition("/")[2]
    if name.startswith("table/"):
        write_text(stored, "description", MEANINGS.get(leaf, MEANING_OF_OWN.format(name=leaf)))


def _write_about(
    file: h5py.File, parts: Sequence[Part], description: Description, *, simulated: bool
) -> None:
    file.attrs["fs"], file.attrs["window_s"] = description.fs, description.window_s
    file.attrs["simulated"] = simulated
    for name in ("unit", "study", "protocol"):
        write_text(file, name, getattr(description, name))
    about = {
        name: getattr(description, name)
        for name in ("choice", "pipeline", "splits", "versions", "condition_texts", "left_out")
    }
    about["sources"] = {
        part.tags.key: {"sha256": part.sha256, "channels": part.channels, **part.origin} for part in parts
    }
    for name, content in about.items():
        write_json(file, name, content, error=DatasetError)
