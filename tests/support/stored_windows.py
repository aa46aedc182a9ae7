"""Windows in files that tell their row."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from ecgkit.dataset.shards import ShardedWindows
from ecgkit.dataset.stored import StoredWindows, window_file

SHAPE = (2, 3)


def rows_as_windows(first: int, stop: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Make windows from whose first value to whose last it is 0.5; the first is the row."""
    rise = np.linspace(0, 0.5, shape[0] * shape[1]).reshape(shape)
    return (np.arange(first, stop)[:, None, None] + rise).astype("<f4")


def write_windows(path: Path, n: int, shape: tuple[int, int] = SHAPE, *, first: int = 0) -> np.memmap:
    """Write the windows of n rows, from the first on; map them."""
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("windows", data=rows_as_windows(first, first + n, shape))
        offset = stored.id.get_offset()
    return np.memmap(path, dtype="<f4", mode="r", offset=offset, shape=(n, *shape))


def write_shards(folder: Path, sizes: Sequence[int], shape: tuple[int, int] = SHAPE) -> ShardedWindows:
    """Write windows into a file for each number of rows, one after the other."""
    files = []
    for number, (first, n) in enumerate(zip(itertools.accumulate(sizes, initial=0), sizes, strict=False)):
        path = folder / f"{number:03d}.h5"
        mapped = write_windows(path, n, shape, first=first)
        files.append(window_file(path, mapped.offset, mapped.shape, path.stat()))
    return ShardedWindows(StoredWindows(tuple(files)))
