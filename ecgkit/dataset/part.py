"""One session's windows as a file of its own, until the data set is put together of such parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.rules import RULES
from ecgkit.dataset.schema import COLUMN_TYPES, LEAD_COLUMNS, NUMBER_COLUMNS
from ecgkit.errors import DatasetError
from ecgkit.h5 import (
    atomic_h5,
    attribute,
    content_sha256,
    dataset,
    open_h5,
    own_group,
    read_json,
    write_attribute,
    write_json,
)

FORMAT, FORMAT_VERSION = "ecgkit-part", "1.0"
HASH = "content_sha256"
AT_ONCE = 1024  # windows
COLUMNS = {*NUMBER_COLUMNS, *LEAD_COLUMNS} - {"visit", "take"}
# what is known of the cut beside its rows -> the type of it
ABOUT = {
    "channels": list,
    "mains": str,
    "n_excluded": int,
    "n_too_poor": int,
    "turned": list,
    "unit": str,
    "warnings": list,
}


@dataclass(frozen=True, slots=True)
class PartWindows:
    """Windows in a part's file, (N, lead, T) float32; mapped only while they are read: parts may be many."""

    path: Path
    offset: int
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        mapped = np.memmap(self.path, dtype="<f4", mode="r", offset=self.offset, shape=self.shape)
        return np.array(mapped[rows])


@dataclass(frozen=True, slots=True)
class PartFile:
    """What a part's file holds.

    Attributes
    ----------
    columns
        ``name -> (N,)`` or ``(N, lead)``.
    about
        What else is known of the cut, as `ABOUT` says.
    """

    windows: PartWindows
    columns: Mapping[str, NDArray[Any]]
    about: Mapping[str, Any]


def write_part(
    path: Path,
    windows: NDArray[np.float32],
    columns: Mapping[str, NDArray[Any]],
    about: Mapping[str, Any],
) -> None:
    """Write a part, atomically: (N, lead, T) windows, and columns of N rows."""
    with atomic_h5(path, file_format=FORMAT, format_version=FORMAT_VERSION) as file:
        file["windows"] = np.ascontiguousarray(windows, dtype="<f4")
        write_json(file, "cut", dict(about), error=DatasetError)
        group = file.create_group("columns")
        for name, values in columns.items():
            group[name] = values.astype(COLUMN_TYPES[name])
        write_attribute(file, HASH, content_sha256(file, but=HASH), error=DatasetError)


def read_part(path: Path) -> PartFile:
    """Open a part.

    Raises
    ------
    DatasetError
        The file is missing or damaged.
    """
    with open_h5(path, file_format=FORMAT, versions=[FORMAT_VERSION], error=DatasetError) as file:
        stored = dataset(file, "windows", kinds="f", ndim=3, error=DatasetError)
        if stored.dtype != np.dtype("<f4") or stored.id.get_offset() is None:
            raise DatasetError(f"{path}:/windows: expected float32 in one piece; remove this file")
        group = own_group(file, "columns", error=DatasetError)
        columns = {
            name: _values(group, name, shape=stored.shape[: 2 if name in LEAD_COLUMNS else 1])
            for name in sorted(COLUMNS)
        }
        about = read_json(file, "cut", error=DatasetError)
        if not isinstance(about, dict) or not all(_is(about.get(name), of) for name, of in ABOUT.items()):
            raise DatasetError(f"{path}:/about/cut: expected {', '.join(ABOUT)}; remove this file")
        windows = PartWindows(path, stored.id.get_offset(), stored.shape)
    return PartFile(windows, columns, about)


def is_sound(path: Path) -> bool:
    """Tell whether a part is there and holds, to the bit, what was written, and nothing that no cut gives."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with open_h5(path, file_format=FORMAT, versions=[FORMAT_VERSION], error=DatasetError) as file:
            stated: str = attribute(file, HASH, str, error=DatasetError)
            sound = stated == content_sha256(file, but=HASH)
        windows = read_part(path).windows
        spans = (slice(first, first + AT_ONCE) for first in range(0, len(windows), AT_ONCE))
        return sound and all(np.isfinite(windows[span]).all() for span in spans)
    except DatasetError:
        return False


def _values(group: h5py.Group, name: str, *, shape: tuple[int, ...]) -> NDArray[Any]:
    where, (holds, expected) = f"{group.file.filename}:{group.name}/{name}", RULES[name]
    stored = dataset(group, name, kinds="iuf", ndim=len(shape), error=DatasetError)
    if stored.shape != shape or stored.dtype != np.dtype(COLUMN_TYPES[name]):
        raise DatasetError(
            f"{where}: {stored.dtype}, shape {stored.shape}; expected {COLUMN_TYPES[name]}, {shape}"
        )
    values: NDArray[Any] = stored[:]
    if not holds(values):
        raise DatasetError(f"{where}: {expected}")
    return values


def _is(value: object, kind: type) -> bool:
    """Tell whether a value is of a kind; a list is one of texts."""
    texts = not isinstance(value, list) or all(isinstance(text, str) for text in value)
    return type(value) is kind and texts
