"""What lies in a data set's file besides its windows, read without trust: texts, table, folds, settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.rules import RULES, codes_to
from ecgkit.dataset.schema import (
    CODED_COLUMNS,
    COLUMN_TYPES,
    LEAD_COLUMNS,
    MOST_OWN_LABELS,
    NOT_KNOWN,
    NUMBER_COLUMNS,
    OWN_LABELS,
    refused_name,
)
from ecgkit.dataset.untrusted import Holds, Source, group_in, read_array, read_labels
from ecgkit.errors import DatasetError
from ecgkit.h5 import MOST_JSON_BYTES, place_of, read_json

CODE_TYPE, ROLE_TYPE = "<i4", "|u1"
LAST_ROLE = 3
MOST_FOLDS = 4096


def read_vocabulary(source: Source, group: h5py.Group, name: str) -> tuple[str, ...]:
    """Return names of which each stands once.

    Raises
    ------
    DatasetError
        They are not; the message holds its HDF5 path.
    """
    labels = read_labels(source, group, name)
    if not labels or "" in labels or len(set(labels)) < len(labels):
        where = place_of(group, name)
        raise DatasetError(f"{where}: {len(labels)} names; expected at least one, none empty, each once")
    return labels


def read_own_labels(source: Source) -> dict[str, tuple[str, ...]]:
    """Return the own labels: ``name -> vocabulary``.

    Raises
    ------
    DatasetError
        There are too many, or one can't be called so; the message holds its HDF5 path.
    """
    group = group_in(source.file, OWN_LABELS)
    if group is None:
        return {}
    if len(group) > MOST_OWN_LABELS:
        where = place_of(source.file, OWN_LABELS)
        raise DatasetError(f"{where}: {len(group)} columns of labels, expected at most {MOST_OWN_LABELS}")
    for name in group:
        if fault := refused_name(name):
            raise DatasetError(f"{place_of(group, name)}: {fault}")
    return {name: read_vocabulary(source, group, name) for name in sorted(group)}


def read_columns(
    source: Source,
    shape: tuple[int, ...],
    vocabularies: Mapping[str, tuple[str, ...]],
    own_labels: Mapping[str, tuple[str, ...]],
) -> dict[str, NDArray[Any]]:
    """Return the columns of the table.

    Parameters
    ----------
    shape
        Of the windows: how many, and of how many leads.

    Raises
    ------
    DatasetError
        One is missing, or its values are not as they should be; the message holds its HDF5 path.
    """
    table = group_in(source.file, "table")
    if table is None:
        raise DatasetError(f"{place_of(source.file, 'table')}: missing")
    rules: dict[str, tuple[str, Holds, str]] = {
        name: (CODE_TYPE, codes_to(len(vocabularies[of]) - 1), f"codes outside of /{of}")
        for name, of in CODED_COLUMNS.items()
    }
    for name, labels in own_labels.items():
        holds = codes_to(len(labels) - 1, first=NOT_KNOWN)
        rules[name] = (CODE_TYPE, holds, f"codes outside of /{OWN_LABELS}/{name}")
    rules |= {name: (COLUMN_TYPES[name], *RULES[name]) for name in (*NUMBER_COLUMNS, *LEAD_COLUMNS)}
    return {
        name: np.asarray(
            read_array(
                source,
                table,
                name,
                dtype=dtype,
                shape=shape if name in LEAD_COLUMNS else shape[:1],
                holds=holds,
                expected=expected,
            )
        )
        for name, (dtype, holds, expected) in rules.items()
    }


def read_folds(source: Source, n_windows: int) -> dict[str, dict[str, NDArray[np.uint8]]]:
    """Return the splits: ``scheme -> fold -> role of each row``.

    Raises
    ------
    DatasetError
        A fold holds something else, or there are too many; the message holds its HDF5 path.
    """
    splits = group_in(source.file, "splits")
    folds: dict[str, dict[str, NDArray[np.uint8]]] = {}
    for scheme in sorted(splits or ()):
        group = group_in(splits, scheme)
        names = sorted(group or ())
        if sum(map(len, folds.values())) + len(names) > MOST_FOLDS:
            raise DatasetError(f"{place_of(source.file, 'splits')}: over {MOST_FOLDS} folds; expected fewer")
        folds[scheme] = {
            name: np.asarray(
                read_array(
                    source,
                    group,
                    name,
                    dtype=ROLE_TYPE,
                    shape=(n_windows,),
                    holds=codes_to(LAST_ROLE),
                    expected=f"roles outside of 0 to {LAST_ROLE}",
                )
            )
            for name in names
        }
    return folds


def read_participants(source: Source, n_subjects: int) -> dict[str, tuple[str, ...]]:
    """Return what is known of the subjects: ``column -> a text for each``.

    Raises
    ------
    DatasetError
        A column has not one text for each subject; the message holds its HDF5 path.
    """
    group = group_in(source.file, "participants")
    columns = {name: read_labels(source, group, name) for name in sorted(group or ())}
    for name, values in columns.items():
        if len(values) != n_subjects:
            where = place_of(group, name)
            raise DatasetError(f"{where}: {len(values)} values, expected one a subject: {n_subjects}")
    return columns


def read_object(file: h5py.File, name: str, *, most_bytes: int = MOST_JSON_BYTES) -> dict[str, Any]:
    """Return the JSON object ``/about/<name>``.

    Raises
    ------
    DatasetError
        It is none, or too long; the message holds its HDF5 path.
    """
    content = read_json(file, name, error=DatasetError, most_bytes=most_bytes)
    if not isinstance(content, dict):
        raise DatasetError(f"{file.filename}:/about/{name}: is no JSON object. Build the data set again")
    return content


def read_records(file: h5py.File, name: str, *, texts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the JSON object ``/about/<name>`` of objects, each of which has certain texts.

    Raises
    ------
    DatasetError
        It is none; the message holds its HDF5 path.
    """
    content = read_object(file, name)
    for key, record in content.items():
        if not isinstance(record, dict) or not all(isinstance(record.get(text), str) for text in texts):
            needed = f" with the texts {' and '.join(texts)}" if texts else ""
            where = f"{file.filename}:/about/{name}: entry {key[:80]!r}"
            raise DatasetError(f"{where}: expected a JSON object{needed}. Build the data set again")
    return content
