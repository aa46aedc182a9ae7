"""Reading a data set, without trusting it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.quality import VERDICTS
from ecgkit.dataset.schema import (
    CODED_COLUMNS,
    FORMAT,
    FORMAT_VERSION,
    LEAD_COLUMNS,
    NUMBER_COLUMNS,
    VOCABULARIES,
)
from ecgkit.errors import DatasetError
from ecgkit.h5 import attribute, dataset, open_h5, read_texts
from ecgkit.lookup import unknown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Dataset:
    """An opened data set.

    Attributes
    ----------
    windows
        (N, lead, T) float32, mapped from the file and read-only where it is stored contiguously.
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
    """Open a data set of format 1.1.

    Raises
    ------
    DatasetError
        The file is missing, damaged, of another format or version, or does not hold what the format
        says; the message names the HDF5 path.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"{path}: no data set here. Build one with: ecgkit build-dataset")
    with open_h5(path, file_format=FORMAT, versions=[FORMAT_VERSION], error=DatasetError) as file:
        return _read_1_1(file, path)


def _read_1_1(file: h5py.File, path: Path) -> Dataset:
    stored = dataset(file, "windows", kinds="f", ndim=3, error=DatasetError)
    n_windows, n_leads, _ = stored.shape
    vocabularies = {name: read_texts(file, name, error=DatasetError) for name in VOCABULARIES}
    if len(vocabularies["leads"]) != n_leads:
        raise DatasetError(f"{path}:/leads: {len(vocabularies['leads'])} names, /windows has {n_leads} leads")
    columns = {name: _column(file, f"table/{name}", "iu", (n_windows,)) for name in CODED_COLUMNS}
    for name, codes in columns.items():
        vocabulary = vocabularies[CODED_COLUMNS[name]]
        if n_windows and not 0 <= codes.min() <= codes.max() < len(vocabulary):
            raise DatasetError(f"{path}:/table/{name}: codes outside of /{CODED_COLUMNS[name]}")
    columns |= {name: _column(file, f"table/{name}", "iuf", (n_windows,)) for name in NUMBER_COLUMNS}
    if n_windows and not 0 <= columns["quality"].min() <= columns["quality"].max() < len(VERDICTS):
        raise DatasetError(f"{path}:/table/quality: codes outside of 0 to {len(VERDICTS) - 1}")
    columns |= {name: _column(file, f"table/{name}", "f", (n_windows, n_leads)) for name in LEAD_COLUMNS}
    texts = {
        name: attribute(file, name, str, error=DatasetError)
        for name in ("unit", "study", "protocol", "content_sha256")
    }
    settings = {
        name: _json(file, name) for name in ("pipeline", "splits", "condition_texts", "sources", "left_out")
    }
    return Dataset(
        path=path,
        windows=_map_windows(stored, path),
        columns=columns,
        subjects=vocabularies["subjects"],
        conditions=vocabularies["conditions"],
        sessions=vocabularies["sessions"],
        leads=vocabularies["leads"],
        fs=attribute(file, "fs", float, positive=True, error=DatasetError),
        window_s=attribute(file, "window_s", float, positive=True, error=DatasetError),
        unit=texts["unit"],
        study=texts["study"],
        protocol=texts["protocol"],
        simulated=attribute(file, "simulated", bool, error=DatasetError),
        sha256=texts["content_sha256"],
        pipeline=settings["pipeline"],
        split_settings=settings["splits"],
        condition_texts=settings["condition_texts"],
        sources=settings["sources"],
        left_out=settings["left_out"],
        folds=_folds(file, n_windows),
    )


def _json(file: h5py.File, name: str) -> dict[str, Any]:
    content = json.loads(attribute(file, name, str, error=DatasetError))
    if not isinstance(content, dict):
        raise DatasetError(f"{file.filename}: attribute {name!r} is no JSON object")
    return content


def _column(file: h5py.File, name: str, kinds: str, shape: tuple[int, ...]) -> NDArray[Any]:
    stored = dataset(file, name, kinds=kinds, ndim=len(shape), error=DatasetError)
    if stored.shape != shape:
        raise DatasetError(f"{file.filename}:/{name}: shape {stored.shape}, expected {shape} as /windows has")
    values: NDArray[Any] = stored[:]
    return values


def _map_windows(stored: h5py.Dataset, path: Path) -> NDArray[np.float32]:
    """Map contiguous windows from the file; read others into memory."""
    if stored.dtype != np.dtype("<f4"):
        raise DatasetError(f"{path}:/windows: type {stored.dtype}, expected little-endian float32")
    offset = stored.id.get_offset()
    if offset is None:
        windows: NDArray[np.float32] = stored[:]
        return windows
    if offset + stored.size * 4 > path.stat().st_size:
        raise DatasetError(f"{path}:/windows: {stored.shape} does not fit into the file; it is cut short")
    return np.memmap(path, dtype="<f4", mode="r", offset=offset, shape=stored.shape)


def _folds(file: h5py.File, n_windows: int) -> dict[str, dict[str, NDArray[np.uint8]]]:
    group = file.get("splits")
    if not isinstance(group, h5py.Group):
        return {}
    return {
        scheme: {
            fold: _column(file, f"splits/{scheme}/{fold}", "u", (n_windows,))
            for fold in sorted(group[scheme])
        }
        for scheme in sorted(group)
    }
