"""MAT-files that hold a recording: AcqKnowledge's export, and what bioread's `acq2mat` writes.

They can't be read in part: the samples are held in memory.

AcqKnowledge saves `data` (samples x channels), `labels`, `units`, `isi` (the time between samples),
`isi_units` and `start_sample` (AcqKnowledge 5 Software Guide, "MATLAB file").
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.readers.held import held
from ecgkit.readers.mat_elements import DAMAGED, MatFile, Variable, load, variables
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.usable import OR_SALVAGE, checked_rate, started, utc_date
from ecgkit.records import SIMULATED_MARK, Channel, Marker, Recording

TAKES: tuple[str, ...] = ()
EXPECTED = (
    "expected AcqKnowledge's export (data, isi, isi_units, labels, units) or bioread's (channels, "
    "samples_per_second); export the recording again, or give the .acq file"
)
SECONDS = {"ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "us": 1e-6, "µs": 1e-6, "usec": 1e-6, "min": 60.0}
# numbers as stored -> type of the raw samples
RAW = {"i1": "int16", "u1": "int16", "i2": "int16", "u2": "int32", "i4": "int32", "f4": "float32"}
MOST_CHANNELS = 1024
MAT_73 = b"MATLAB 7.3 MAT-file"


def matches(head: bytes) -> bool:
    """Tell from the first bytes whether a file is a MAT-file of level 5 or 7.3."""
    return head.startswith(MAT_73) or (
        head[:6] == b"MATLAB"
        and head[124:128] in (b"\x00\x01IM", b"\x01\x00MI", b"\x00\x02IM", b"\x02\x00MI")
    )


def read(path: Path, options: ReadOptions) -> Recording:
    """Read a recording from a MAT-file.

    Raises
    ------
    ReadError
        The file is damaged, of version 7.3 (HDF5), or holds other variables; the message lists them.
    """
    try:
        with path.open("rb") as file:
            head = file.read(128)
            if head.startswith(MAT_73):
                raise ReadError(
                    f"{path}: a MAT-file of version 7.3 (HDF5), expected one of version 5 to 7; in MATLAB, "
                    "load it and save it again with -v7"
                )
            source = MatFile(path, file, file.seek(0, 2), "<" if head[126:128] == b"IM" else ">")
            return _read(source, options)
    except OSError as error:
        raise ReadError(f"{path}: can't be read ({error.strerror or error})") from error


def _read(source: MatFile, options: ReadOptions) -> Recording:
    listed, cut = variables(source)
    if cut and not options.salvage:
        raise ReadError(f"{source.path}: {cut}; copy it again{OR_SALVAGE}")
    lost = (f"{cut}; it and what follows are lost",) if cut else ()
    if {"data", "isi"} <= set(listed):
        return _acqknowledge(source, listed, lost)
    if {"channels", "samples_per_second"} <= set(listed):
        return _bioread(source, listed, lost)
    shown = ", ".join(map(str, list(listed.values())[:20])) or "(none)"
    before = f"{cut}; what is whole" if cut else "its variables"
    raise ReadError(f"{source.path}: {before}: {shown}; {EXPECTED}")


def _acqknowledge(source: MatFile, listed: Mapping[str, Variable], lost: tuple[str, ...]) -> Recording:
    got = {
        name: load(source, listed[name])
        for name in ("data", "isi", "isi_units", "labels", "units", "start_sample")
        if name in listed
    }
    unit = "".join(_strings(got.get("isi_units", ["ms"]))).strip().lower()
    if unit not in SECONDS:
        raise ReadError(
            f"{source.path}: isi_units is {unit!r}, expected a unit of time; a spectrum or another graph "
            "without a time axis is no recording"
        )
    interval = _number(source, got["isi"], "isi")
    fs = _rate(source, 1 / (interval * SECONDS[unit]) if interval else math.inf, "isi")
    labels = _strings(got.get("labels", []))
    columns = _columns(source, got["data"], len(labels))
    labels += [f"channel {index + 1}" for index in range(len(labels), len(columns))]
    units = _strings(got.get("units", []))
    units += [""] * (len(columns) - len(units))
    start = _number(source, got["start_sample"], "start_sample") if "start_sample" in got else 0.0
    return Recording(
        path=source.path,
        format="mat",
        version="AcqKnowledge export",
        fs=fs,
        channels=tuple(
            _channel(source, index, samples, labels[index], units[index], fs)
            for index, samples in enumerate(columns)
        ),
        lost=lost,
        details=(("starts at", f"{start:g} {unit} of the original"),) if start else (),
    )


def _columns(source: MatFile, data: Any, n_labels: int) -> Sequence[NDArray[Any]]:
    """Return the channels of a matrix of samples, which may lie in its columns or its rows."""
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.size == 0:
        raise ReadError(f"{source.path}: data is no matrix of numbers, or is empty; {EXPECTED}")
    n_labels = n_labels or min(data.shape)
    if n_labels not in data.shape or n_labels > MOST_CHANNELS:
        raise ReadError(
            f"{source.path}: data is {data.shape[0]} x {data.shape[1]}, which does not fit {n_labels} "
            f"channels; {DAMAGED}"
        )
    return list(data.T if data.shape[1] == n_labels else data)


def _bioread(source: MatFile, listed: Mapping[str, Variable], lost: tuple[str, ...]) -> Recording:
    fs = _rate(
        source,
        _number(source, load(source, listed["samples_per_second"]), "samples_per_second"),
        "samples_per_second",
    )
    items = load(source, listed["channels"])
    if not isinstance(items, list) or not items:
        raise ReadError(f"{source.path}: channels is no cell array of structures; {EXPECTED}")
    channels = tuple(_bioread_channel(source, index, item) for index, item in enumerate(items))
    markers, warnings = _bioread_markers(source, listed, channels, fs)
    journal = "\n".join(_strings(load(source, listed["journal"]))) if "journal" in listed else ""
    return Recording(
        path=source.path,
        format="mat",
        version="written by bioread's acq2mat",
        fs=fs,
        channels=channels,
        markers=markers,
        start_time=started(markers),
        journal=journal or None,
        simulated=journal.startswith(SIMULATED_MARK),
        warnings=warnings,
        lost=lost,
    )


def _bioread_channel(source: MatFile, index: int, item: Any) -> Channel:
    what = f"channels{{{index + 1}}}"
    if not isinstance(item, dict) or not {"data", "samples_per_second"} <= set(item):
        raise ReadError(f"{source.path}: {what} has no data or no samples_per_second; {EXPECTED}")
    samples = item["data"]
    if not isinstance(samples, np.ndarray):
        raise ReadError(f"{source.path}: the data of {what} is no array of numbers; {EXPECTED}")
    fs = _number(source, item["samples_per_second"], f"samples_per_second of {what}")
    name, unit = ("".join(_strings(item.get(key, []))) for key in ("name", "units"))
    return _channel(
        source, index, samples.ravel(order="F"), name, unit, _rate(source, fs, f"the rate of {what}")
    )


def _channel(source: MatFile, index: int, stored: NDArray[Any], name: str, unit: str, fs: float) -> Channel:
    dtype = np.dtype(RAW.get(stored.dtype.str[1:], "float64"))
    if stored.dtype != dtype:
        source.take(stored.size * dtype.itemsize, f"channel {index}")
    return Channel(
        index=index,
        number=index + 1,
        name=name,
        unit=unit,
        fs=fs,
        n_samples=len(stored),
        dtype=dtype,
        scale=1.0,
        offset=0.0,
        sample_reader=held(stored.astype(dtype, copy=False)),
    )


def _bioread_markers(
    source: MatFile, listed: Mapping[str, Variable], channels: Sequence[Channel], fs: float
) -> tuple[tuple[Marker, ...], tuple[str, ...]]:
    """Return the markers; damaged ones cost themselves only."""
    items = load(source, listed["event_markers"]) if "event_markers" in listed else []
    names = Counter(channel.name for channel in channels)
    markers = []
    for item in items if isinstance(items, list) else []:
        sample = item.get("sample_index") if isinstance(item, dict) else None
        if not isinstance(sample, np.ndarray) or sample.size != 1 or not 0 <= sample.item() < 1 << 53:
            continue
        text, style, owner = (
            "".join(_strings(item.get(key, []))) for key in ("label", "type_code", "channel")
        )
        index = next((channel.index for channel in channels if channel.name == owner), None)
        markers.append(
            Marker(
                sample=int(sample.item()),
                time_s=int(sample.item()) / fs,
                text=text,
                style="" if style == "None" else style,
                channel=index if names[owner] == 1 else None,
                created=utc_date("".join(_strings(item.get("date_created", [])))),
            )
        )
    missing = len(items) - len(markers)
    warnings = (f"{missing} of {len(items)} markers state no sample and are left out",) if missing else ()
    return tuple(markers), warnings


def _strings(value: Any) -> list[str]:
    """Return the texts of a character array or of a cell array of them, cleaned of padding."""
    items = value if isinstance(value, list) else []
    return [item.strip() if isinstance(item, str) else "".join(_strings(item)) for item in items]


def _number(source: MatFile, value: Any, what: str) -> float:
    if not isinstance(value, np.ndarray) or value.size != 1:
        raise ReadError(f"{source.path}: {what} is not one number; {DAMAGED}")
    return float(value.ravel()[0])


def _rate(source: MatFile, fs: float, what: str) -> float:
    return checked_rate(source.path, fs, f"{what} gives a rate of {fs:g} Hz", advice=DAMAGED)
