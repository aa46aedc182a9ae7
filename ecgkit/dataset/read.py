"""Reading a data set, without trusting it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.schema import CODED_COLUMNS, FORMAT, HASH, NUMBER_COLUMNS, VOCABULARIES, WINDOWS
from ecgkit.dataset.shard_files import SHARD_NAME, has_shards, open_shards
from ecgkit.dataset.shards import AnyWindows, ShardedWindows
from ecgkit.dataset.stored_table import (
    read_columns,
    read_folds,
    read_object,
    read_own_labels,
    read_participants,
    read_records,
    read_vocabulary,
)
from ecgkit.dataset.untrusted import Source, open_source, read_array
from ecgkit.errors import DatasetError
from ecgkit.h5 import attribute, open_h5
from ecgkit.lookup import unknown
from ecgkit.splits.scheme import LABELS, WindowTable, coded_table

if TYPE_CHECKING:
    import pandas as pd

SETTINGS = ("choice", "pipeline", "splits", "versions")  # JSON objects of anything
MOST_SETTINGS_BYTES = 1 << 20
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
        (N, lead, T) float32: mapped as one array, or several files that are indexed like one.
    columns
        ``name -> (N,)``; subject, condition and session as codes into the vocabularies, own labels as codes
        into theirs, -1 where they are not known; ``quality`` as an index of
        `ecgkit.analysis.quality.VERDICTS`; ``scale_offset`` and ``scale_gain`` (N, lead).
    folds
        ``scheme -> fold -> role of each row`` (0 unused, 1 train, 2 test, 3 validation).
    simulated
        Whether any of it comes from a simulator.
    sha256
        Hash of the content, as the writer stated it.
    choice
        Which sessions of the study were asked for: subjects, conditions, visits, verdict.
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
    own_labels
        What a lab says of its sessions: ``name -> vocabulary``, sorted.
    """

    path: Path
    windows: AnyWindows
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
    choice: Mapping[str, Any]
    condition_texts: Mapping[str, Mapping[str, str]]
    sources: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, Mapping[str, Any]]
    folds: Mapping[str, Mapping[str, NDArray[np.uint8]]]
    participants: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, Any]
    own_labels: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the data set: its own, and the shards if it has any. They belong together."""
        if not isinstance(self.windows, ShardedWindows):
            return (self.path,)
        return self.path, *(file.path for file in self.windows.stored.files)

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
        """Return labels as rows of their vocabulary, (N,); -1 where an own label is not known.

        Parameters
        ----------
        column
            "subject", "condition", "session", or one of `own_labels`.

        Raises
        ------
        DatasetError
            There are no such labels; the message lists those that there are.
        """
        self.labels(column)
        return self.columns[column].astype(np.int64)

    def labels(self, column: str) -> tuple[str, ...]:
        """Return the vocabulary of a column of labels, one of those that `codes` takes.

        Raises
        ------
        DatasetError
            There are no such labels; the message lists those that there are.
        """
        known = {name: getattr(self, vocabulary) for name, vocabulary in CODED_COLUMNS.items()}
        known |= self.own_labels
        if column not in known:
            raise DatasetError(f"{self.path}: {unknown('column of labels', column, known)}")
        vocabulary: tuple[str, ...] = known[column]
        return vocabulary

    def texts(self, column: str) -> NDArray[np.object_]:
        """Return labels as texts, (N,): references to one text each; None where one is not known.

        Raises
        ------
        DatasetError
            There are no such labels; the message lists those that there are.
        """
        texts = np.array([*self.labels(column), None], dtype=object)
        of_rows: NDArray[np.object_] = texts[self.columns[column]]
        return of_rows

    @property
    def table(self) -> pd.DataFrame:
        """The table of windows as a DataFrame, labels as text, without the scale constants."""
        import pandas as pd

        columns: dict[str, Any] = {name: self.texts(name) for name in CODED_COLUMNS}
        columns |= {name: self.columns[name] for name in NUMBER_COLUMNS}
        columns |= {name: self.texts(name) for name in self.own_labels}
        return pd.DataFrame(columns)

    @property
    def window_table(self) -> WindowTable:
        """The columns that splits are made from, with the file that each session was recorded in."""
        files = [self.sources.get(session, {}).get("sha256", session) for session in self.sessions]
        return coded_table(
            {name: (self.labels(name), self.columns[name]) for name in LABELS},
            visit=self.columns["visit"],
            start_s=self.columns["start_s"],
            source=(files, self.columns["session"]),
            window_s=self.window_s,
        )


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
    if shard := SHARD_NAME.fullmatch(path.name):
        raise DatasetError(f"{path}: a shard; open the data set's own file, {shard[1]}.h5")
    with (
        open_h5(path, file_format=FORMAT, versions=tuple(READERS), error=DatasetError) as file,
        path.open("rb") as raw,
    ):
        version = attribute(file, "format_version", str, error=DatasetError)
        return READERS[version](open_source(file, raw, path), path)


def _read_1_2(source: Source, path: Path) -> Dataset:
    file, of_root = source.file, partial(attribute, source.file, error=DatasetError)
    vocabularies = {name: read_vocabulary(source, file, name) for name in VOCABULARIES}
    own_labels = read_own_labels(source)
    windows = (
        open_shards(source, path) if has_shards(file) else read_array(source, file, WINDOWS, dtype="<f4")
    )
    fs, window_s = (of_root(name, float, positive=True) for name in ("fs", "window_s"))
    _check_shape(windows, fs * window_s, leads=vocabularies["leads"], path=path)
    texts = {name: of_root(name, str) for name in ("unit", "study", "protocol", HASH)}
    settings = {name: read_object(file, name, most_bytes=MOST_SETTINGS_BYTES) for name in SETTINGS}
    records = {name: read_records(file, name, texts=needed) for name, needed in RECORDS.items()}
    return Dataset(
        path=path,
        windows=windows,
        columns=read_columns(source, windows.shape[:2], vocabularies, own_labels),
        subjects=vocabularies["subjects"],
        conditions=vocabularies["conditions"],
        sessions=vocabularies["sessions"],
        leads=vocabularies["leads"],
        fs=fs,
        window_s=window_s,
        unit=texts["unit"],
        study=texts["study"],
        protocol=texts["protocol"],
        simulated=of_root("simulated", bool),
        sha256=texts[HASH],
        pipeline=settings["pipeline"],
        split_settings=settings["splits"],
        choice=settings["choice"],
        condition_texts=records["condition_texts"],
        sources=records["sources"],
        left_out=records["left_out"],
        folds=read_folds(source, len(windows)),
        participants=read_participants(source, len(vocabularies["subjects"])),
        versions=settings["versions"],
        own_labels=own_labels,
    )


READERS: dict[str, Callable[[Source, Path], Dataset]] = {"1.2": _read_1_2}  # one for each version


def _check_shape(windows: AnyWindows, n_samples: float, *, leads: tuple[str, ...], path: Path) -> None:
    """Refuse windows of other leads or another length than the file says."""
    if 0 in windows.shape:
        raise DatasetError(f"{path}:/windows: shape {windows.shape}, expected at least one window")
    if len(leads) != windows.shape[1]:
        raise DatasetError(f"{path}:/leads: {len(leads)} names, /windows has {windows.shape[1]} leads")
    if not abs(n_samples - windows.shape[2]) <= 0.5:
        raise DatasetError(
            f"{path}:/windows: {windows.shape[2]} samples a window, expected fs * window_s = {n_samples:g}"
        )
