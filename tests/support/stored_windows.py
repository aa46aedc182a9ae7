"""Windows in a file that tell their row."""

from pathlib import Path

import h5py
import numpy as np

SHAPE = (2, 3)


def write_windows(path: Path, n: int, shape: tuple[int, int] = SHAPE) -> np.memmap:
    """Write windows from whose first value to whose last it is 0.5, the first is the row; map them."""
    windows = np.arange(n, dtype="<f4")[:, None, None] + np.linspace(0, 0.5, shape[0] * shape[1]).reshape(
        shape
    )
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("windows", data=windows.astype("<f4"))
        offset = stored.id.get_offset()
    return np.memmap(path, dtype="<f4", mode="r", offset=offset, shape=(n, *shape))
