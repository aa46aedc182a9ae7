"""Small MAT-files as AcqKnowledge and bioread write them, and a few that hold something else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

LABELS = ("ECG, X, RSPEC-R", "Respiration")
UNITS = ("mV", "Volts")


def simulated(n_samples: int = 400, n_channels: int = 2) -> NDArray[np.float64]:
    """Return random samples, (samples, channels)."""
    return np.random.default_rng(5).normal(size=(n_samples, n_channels))


def acqknowledge(data: NDArray[np.generic] | None = None, **other: Any) -> dict[str, Any]:
    """Return the variables of AcqKnowledge's export, at 500 Hz; `other` replaces or adds some."""
    variables: dict[str, Any] = {
        "data": simulated() if data is None else data,
        "units": np.array(UNITS),
        "labels": np.array(LABELS),
        "isi": 2.0,
        "isi_units": "ms",
        "start_sample": 0.0,
    }
    return {name: value for name, value in (variables | other).items() if value is not None}


def write(path: Path, variables: dict[str, Any], *, compressed: bool = False) -> Path:
    """Write variables as a MAT-file of level 5."""
    from scipy.io import savemat

    savemat(path, variables, do_compression=compressed, oned_as="column")
    return path


def write_like_bioread(path: Path, *, compressed: bool = False) -> Path:
    """Write two channels, three markers and a journal with bioread's own writer."""
    from bioread.writers.matlabwriter import MatlabWriter

    data = simulated()

    def channel(index: int, divider: int) -> SimpleNamespace:
        return SimpleNamespace(
            data=data[::divider, index],
            samples_per_second=500 / divider,
            name=LABELS[index],
            units=UNITS[index],
            frequency_divider=divider,
        )

    def marker(sample: int, text: str, style: str, owner: str | None) -> SimpleNamespace:
        return SimpleNamespace(
            text=text,
            sample_index=sample,
            type_code=style,
            type="",
            date_created_str="2024-03-05T10:30:00.250000+00:00" if style == "apnd" else "Unknown",
            channel_number=None,
            channel_name=owner,
        )

    markers = [marker(0, "Segment 1", "apnd", None), marker(40, "in", "rein", "Respiration")]
    markers.append(marker(300, "stop", "", None))
    recording = SimpleNamespace(
        samples_per_second=500.0,
        channels=[channel(0, 1), channel(1, 4)],
        event_markers=markers,
        journal="All went well.",
    )
    MatlabWriter.write_file(recording, str(path), compress=compressed)
    return path


def _exported(folder: Path, *, name: str, compressed: bool = False, **other: Any) -> Path:
    return write(folder / f"{name}.mat", acqknowledge(**other), compressed=compressed)


def _bioread(folder: Path, *, name: str, compressed: bool) -> Path:
    return write_like_bioread(folder / f"{name}.mat", compressed=compressed)


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "acqknowledge": partial(_exported, name="acqknowledge"),
    "acqknowledge_compressed": partial(_exported, name="acqknowledge_compressed", compressed=True),
    "acqknowledge_single": partial(
        _exported, name="acqknowledge_single", data=simulated().astype(np.float32), start_sample=250.0
    ),
    "bioread": partial(_bioread, name="bioread", compressed=False),
    "bioread_compressed": partial(_bioread, name="bioread_compressed", compressed=True),
}
