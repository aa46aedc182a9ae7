"""A data set as one .npz file: arrays, and the rest as a JSON text. No pickle in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray

from ecgkit.exports.formats import TASK, Content, WindowFormat
from ecgkit.progress import Progress

VOCABULARIES = {"subject": "subjects", "condition": "conditions", "session": "sessions"}


def write(path: Path, content: Content, progress: Progress) -> None:
    """Write a data set; arrays have the names that they have in its HDF5 file, and `about` is the rest.

    Windows are written some at a time, so that a data set larger than memory can be written.
    """
    blocks = list(content.blocks())
    progress.start(TASK, len(blocks))
    with path.open("wb") as file:
        np.savez(file, **_arrays(content))
    with ZipFile(path, "a") as archive, archive.open("windows.npy", "w", force_zip64=True) as member:
        header = {"descr": "<f4", "fortran_order": False, "shape": content.windows.shape}
        write_array_header_1_0(member, header)
        for start, stop in blocks:
            member.write(content.windows[start:stop].tobytes())
            progress.advance(TASK, f"row {start}")


def _arrays(content: Content) -> dict[str, Any]:
    arrays: dict[str, NDArray[Any]] = {
        "leads": np.array(content.leads),
        "about": np.array(json.dumps(content.about, sort_keys=True, ensure_ascii=False)),
    }
    for name, (codes, texts) in content.labels.items():
        arrays[f"table/{name}"] = codes
        arrays[VOCABULARIES.get(name, f"labels/{name}")] = np.array(texts)
    for name, values in {**content.numbers, **content.lead_numbers}.items():
        arrays[f"table/{name}"] = values
    for name, texts in content.participants.items():
        arrays[f"participants/{name}"] = np.array(texts)
    for scheme, folds in content.roles.items():
        arrays |= {f"splits/{scheme}/{fold}": roles for fold, roles in folds.items()}
    return arrays


FORMAT = WindowFormat(
    makes="file",
    write=write,
    reads='data = numpy.load("{out}"); data["windows"]; json.loads(str(data["about"]))',
)
