"""Reading a data set, without trusting it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.quality import VERDICTS
from ecgkit.dataset.schema import (
    CODED_COLUMNS,
    COLUMN_TYPES,
    FORMAT,
    HASH,
    LEAD_COLUMNS,
    NUMBER_COLUMNS,
    QUALITY_INDICES,
    VOCABULARIES,
)
from ecgkit.dataset.untrusted import (
    Holds,
    Source,
    group_in,
    open_source,
    place_of,
    read_array,
    read_attribute,
    read_labels,
)
from ecgkit.errors import DatasetError
from ecgkit.h5 import open_h5
from ecgkit.lookup import unknown

if TYPE_CHECKING:
    import pandas as pd

CODE_TYPE, ROLE_TYPE = "<i4", "|u1"
LAST_ROLE = 3
MOST_FOLDS = 4096
SETTINGS = ("pipeline", "splits", "versions")  # JSON objects of anything
# JSON objects of objects -> the texts that each of these must have
RECORDS = {"condition_texts": (), "sources": ("sha256",), "left_out": ("sha256", "reason")}


@dataclass(frozen=True, slots=True)
class Dataset:
    """An opened data set.

    What has a value for each window is mapped from the file and read-only where it is stored contiguously, as
    ecgkit writes it: it costs no memory until it is used.

    Attributes
    ----------
    windows
        (N, lead, T) float32.
    columns
        ``name -> (N,)``; subject, condition and session as codes into the vocabularies;
        ``quality`` as an index of `ecgkit.analysis.quality.VERDICTS`; ``scale_offset`` and ``scale_gain``
        (N, lead).
    folds
        ``scheme -> fold -> role of each row`` (0 unused, 1 train, 2 test, 3 validation).
    simulated
        Whether any of it comes from a simulator.
    sha256
        Hash of the content, as the writer stated it.
    split_settings
        Seed and settings of the splits.
    condition_texts
        ``condition -> {"label": …, "description": …}``.
    sources
        ``session -> {"sha256": …, "channels": […]}``: the file it was recorded in, the channels taken;
        and ``span_s``, ``excluded_s`` where it is not the whole file.
    left_out
        ``session -> {"sha256": …, "reason": …}``: sessions of the study that gave no window.
    participants
        ``column of participants.tsv -> a text for each subject``, "" where it is not known.
    versions
        Of ecgkit and of what it computed with.
    """

    path: Path
    windows: NDArray[np.float32]
    columns: Mapping[str, NDArray[Any]]
    subjects: tuple[str, ...]
    conditions: tuple[str, ...]
    sessions: tuple[str, ...]
    leads: tuple[str, ...]
    fs: float
    window_s: float
    unit: str
    study: str
    protocol: str
    simulated: bool
    sha256: str
    pipeline: Mapping[str, Any]
    split_settings: Mapping[str, Any]
    condition_texts: Mapping[str, Mapping[str, str]]
    sources: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, Mapping[str, Any]]
    folds: Mapping[str, Mapping[str, NDArray[np.uint8]]]
    participants: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def schemes(self) -> tuple[str, ...]:
        """Names of the split schemes in the file."""
        return tuple(self.folds)

    def split(self, scheme: str) -> Mapping[str, NDArray[np.uint8]]:
        """Return a scheme's folds: ``fold -> role of each row``, (N,) uint8.

        Raises
        ------
        DatasetError
            The file holds no such scheme; the message lists those it holds.
        """
        if scheme not in self.folds:
            raise DatasetError(
                f"{self.path}: {unknown('split scheme', scheme, self.folds)} A scheme that the study "
                "does not allow (one visit only, one subject only) is not in the file"
            )
        return self.folds[scheme]

    def codes(self, column: str) -> NDArray[np.int64]:
        """Return a label column ("subject", "condition", "session") as codes, (N,)."""
        return self.columns[column].astype(np.int64)

    def labels(self, column: str) -> tuple[str, ...]:
        """Return the vocabulary of a label column."""
        vocabulary: tuple[str, ...] = getattr(self, CODED_COLUMNS[column])
        return vocabulary

    @property
    def table(self) -> pd.DataFrame:
        """The table of windows as a DataFrame, labels as text, without the scale constants."""
        import pandas as pd

        columns: dict[str, Any] = {
            name: np.array(self.labels(name), dtype=object)[self.columns[name]] for name in CODED_COLUMNS
        }
        columns |= {name: self.columns[name] for name in NUMBER_COLUMNS}
        return pd.DataFrame(columns)


def open_dataset(path: Path | str) -> Dataset:
    """Open a data set of a version in `READERS`.

    Raises
    ------
    DatasetError
        The file is missing, damaged, of another format or version, or does not hold what the format
        says; the message names the HDF5 path.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"{path}: no data set here. Build one with: ecgkit build-dataset")
    with (
        open_h5(path, file_format=FORMAT, versions=tuple(READERS), error=DatasetError) as file,
        path.open("rb") as raw,
    ):
        return READERS[file.attrs["format_version"]](open_source(file, raw, path), path)


def _read_1_1(source: Source, path: Path) -> Dataset:
    file = source.file
    vocabularies = {name: _vocabulary(source, name) for name in VOCABULARIES}
    windows = read_array(source, file, "windows", dtype="<f4")
    fs, window_s = (read_attribute(file, name, float, positive=True) for name in ("fs", "window_s"))
    _check_shape(windows, fs * window_s, leads=vocabularies["leads"], path=path)
    texts = {name: read_attribute(file, name, str) for name in ("unit", "study", "protocol", HASH)}
    settings = {name: _object(file, name) for name in SETTINGS}
    records = {name: _records(file, name, texts=needed) for name, needed in RECORDS.items()}
    return Dataset(
        path=path,
        windows=windows,
        columns=_columns(source, windows.shape[:2], vocabularies),
        subjects=vocabularies["subjects"],
        conditions=vocabularies["conditions"],
        sessions=vocabularies["sessions"],
        leads=vocabularies["leads"],
        fs=fs,
        window_s=window_s,
        unit=texts["unit"],
        study=texts["study"],
        protocol=texts["protocol"],
        simulated=read_attribute(file, "simulated", bool),
        sha256=texts[HASH],
        pipeline=settings["pipeline"],
        split_settings=settings["splits"],
        condition_texts=records["condition_texts"],
        sources=records["sources"],
        left_out=records["left_out"],
        folds=_folds(source, len(windows)),
        participants=_participants(source, len(vocabularies["subjects"])),
        versions=settings["versions"],
    )


READERS: dict[str, Callable[[Source, Path], Dataset]] = {"1.1": _read_1_1}  # one for each version


def _vocabulary(source: Source, name: str) -> tuple[str, ...]:
    labels = read_labels(source, source.file, name)
    if not labels or "" in labels or len(set(labels)) < len(labels):
        where = place_of(source.file, name)
        raise DatasetError(f"{where}: {len(labels)} names; expected at least one, none empty, each once")
    return labels


def _check_shape(
    windows: NDArray[np.float32], n_samples: float, *, leads: tuple[str, ...], path: Path
) -> None:
    """Refuse windows of other leads or another length than the file says."""
    if 0 in windows.shape:
        raise DatasetError(f"{path}:/windows: shape {windows.shape}, expected at least one window")
    if len(leads) != windows.shape[1]:
        raise DatasetError(f"{path}:/leads: {len(leads)} names, /windows has {windows.shape[1]} leads")
    if not abs(n_samples - windows.shape[2]) <= 0.5:
        raise DatasetError(
            f"{path}:/windows: {windows.shape[2]} samples a window, expected fs * window_s = {n_samples:g}"
        )


def _columns(
    source: Source, shape: tuple[int, ...], vocabularies: Mapping[str, tuple[str, ...]]
) -> dict[str, NDArray[Any]]:
    table = group_in(source.file, "table")
    if table is None:
        raise DatasetError(f"{place_of(source.file, 'table')}: missing")
    rules: dict[str, tuple[str, Holds, str]] = {
        name: (CODE_TYPE, partial(_within, last=len(vocabularies[of]) - 1), f"codes outside of /{of}")
        for name, of in CODED_COLUMNS.items()
    }
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


def _folds(source: Source, n_windows: int) -> dict[str, dict[str, NDArray[np.uint8]]]:
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
                    holds=partial(_within, last=LAST_ROLE),
                    expected=f"roles outside of 0 to {LAST_ROLE}",
                )
            )
            for name in names
        }
    return folds


def _participants(source: Source, n_subjects: int) -> dict[str, tuple[str, ...]]:
    group = group_in(source.file, "participants")
    columns = {name: read_labels(source, group, name) for name in sorted(group or ())}
    for name, values in columns.items():
        if len(values) != n_subjects:
            where = place_of(group, name)
            raise DatasetError(f"{where}: {len(values)} values, expected one a subject: {n_subjects}")
    return columns


def _object(file: h5py.File, name: str) -> dict[str, Any]:
    """Read a JSON object that lies in an attribute of the root."""
    where = f"{file.filename}:/: attribute {name!r}"
    try:
        content = json.loads(read_attribute(file, name, str), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where} is damaged JSON ({error}). Build the data set again") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{where} is no JSON object")
    return content


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _records(file: h5py.File, name: str, *, texts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Read a JSON object of objects, each with certain texts."""
    content = _object(file, name)
    for key, record in content.items():
        if not isinstance(record, dict) or not all(isinstance(record.get(text), str) for text in texts):
            needed = f" with the texts {' and '.join(texts)}" if texts else ""
            raise DatasetError(
                f"{file.filename}:/: attribute {name!r}, entry {key!r}: expected a JSON object{needed}"
            )
    return content


def _within(values: NDArray[Any], *, last: int) -> bool:
    return bool(values.min() >= 0 and values.max() <= last)


def _counts(values: NDArray[Any]) -> bool:
    return bool(values.min() >= 1)


def _finite(values: NDArray[Any]) -> bool:
    return bool(np.isfinite(values).all())


def _not_negative(values: NDArray[Any]) -> bool:
    return bool(((values >= 0) & (values < np.inf)).all())


def _rates(values: NDArray[Any]) -> bool:
    """Tell whether all are above 0 or NaN."""
    return bool((((values > 0) & (values < np.inf)) | np.isnan(values)).all())


def _gains(values: NDArray[Any]) -> bool:
    return bool((np.isfinite(values) & (values != 0)).all())


# column -> what its values keep to, and what is said where they do not
RULES: dict[str, tuple[Holds, str]] = {
    "visit": (_counts, "expected numbers from 1"),
    "take": (_counts, "expected numbers from 1"),
    "start_sample": (_not_negative, "expected numbers from 0"),
    "start_s": (_not_negative, "expected seconds from 0"),
    "heart_rate_bpm": (_rates, "expected rates above 0, or NaN"),
    "quality": (
        partial(_within, last=len(VERDICTS) - 1),
        f"codes outside of 0 to {len(VERDICTS) - 1}",
    ),
    **dict.fromkeys(QUALITY_INDICES, (_finite, "expected numbers, got NaN or infinity")),
    "scale_offset": (_finite, "expected numbers, got NaN or infinity"),
    "scale_gain": (_gains, "expected numbers other than 0, got 0, NaN or infinity"),
}
