"""A data set as `tracings`, (N, T, lead), with a table beside it: the layout of Ribeiro et al.

Ribeiro et al., Automatic diagnosis of the 12-lead ECG using a deep neural network, Nat Commun 11:1760, 2020:
their code and models read an HDF5 file with one array of this name and axes, and a CSV of as many rows.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ecgkit.exports.formats import TASK, Content, WindowFormat
from ecgkit.h5 import atomic_h5
from ecgkit.progress import Progress

ARRAY, TABLE = "tracings", "windows.csv"
FILE_FORMAT, FORMAT_VERSION = "ecgkit-tracings", "1.0"


def write(folder: Path, content: Content, progress: Progress) -> None:
    """Write ``tracings.hdf5``, ``windows.csv`` with a row for each window, and what they are."""
    import pandas as pd

    n_windows, n_leads, n_samples = content.windows.shape
    blocks = list(content.blocks())
    progress.start(TASK, len(blocks))
    path, table = folder / f"{ARRAY}.hdf5", folder / TABLE
    with (
        atomic_h5(path, file_format=FILE_FORMAT, format_version=FORMAT_VERSION) as file,
        table.open("w", encoding="utf-8", newline="") as rows,
    ):
        stored = file.create_dataset(ARRAY, shape=(n_windows, n_samples, n_leads), dtype="<f4")
        file.attrs["about"] = json.dumps(content.about, sort_keys=True, ensure_ascii=False)
        for start, stop in blocks:
            stored[start:stop] = np.swapaxes(content.windows[start:stop], 1, 2)  # (n, T, lead)
            frame = pd.DataFrame(content.rows(start, stop))
            frame.to_csv(rows, index=False, header=start == 0, lineterminator="\n")
            progress.advance(TASK, f"row {start}")
    (folder / "README.md").write_text(_readme(content), encoding="utf-8", newline="\n")


def _readme(content: Content) -> str:
    columns = "\n".join(f"- `{name}`: {content.meaning(name)}" for name in content.rows(0, 1))
    return f"{content.card}\n{USE.format(table=TABLE, array=ARRAY, unit=content.about['unit'])}{columns}\n"


USE = """\
## Files

`{array}.hdf5` holds one array, `{array}`: (window, time, lead), float32, as the data set has the samples. A
row of `{table}` belongs to each window. The unit ({unit}) is that of `value * scale_gain + scale_offset`; the
samples of Ribeiro et al. are in 1e-4 V, ten times the number of mV.

"""

FORMAT = WindowFormat(
    makes="folder",
    write=write,
    reads='h5py.File("{out}/tracings.hdf5")["tracings"], pandas.read_csv("{out}/windows.csv")',
)
