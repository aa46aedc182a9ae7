"""EDF, EDF+, BDF and BDF+ files into a `Recording`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecgkit.errors import ReadError
from ecgkit.readers.edf_annotations import find_segments, place, read_annotations
from ecgkit.readers.edf_records import (
    BDF_START,
    EDF_START,
    FIXED_BYTES,
    Layout,
    decoded,
    read_layout,
    read_stretch,
)
from ecgkit.readers.foreign import parsing
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.usable import OR_SALVAGE, lost_samples
from ecgkit.records import Channel, Recording

TAKES = ()
RECORDED_BY, RESERVED = slice(88, 168), slice(192, 236)
START_DATE, START_CLOCK = slice(168, 176), slice(176, 184)
PLUS = re.compile(r"[EB]DF\+[CD]")
NO_DATE = date(1985, 1, 1)  # what stands for no date


def matches(head: bytes) -> bool:
    """Tell from the first bytes whether a file is EDF or BDF; a table of text may begin like EDF."""
    fixed = head[:FIXED_BYTES]
    return len(fixed) == FIXED_BYTES and fixed[:8] in (EDF_START, BDF_START) and b"\n" not in fixed


def read(path: Path, options: ReadOptions) -> Recording:
    """Read the header and the annotations of an EDF or BDF file.

    The start is the time of the clock where it was recorded, without a time zone, and none where 1 January
    1985 or "Startdate X" stand for no date. Who was recorded, and by whom, is not read. Between data records
    with a gap (EDF+D) a marker starts a segment, and markers are placed among the samples that there are.

    Parameters
    ----------
    path
        The file; one that `matches`.
    options
        Whether to salvage.

    Raises
    ------
    ReadError
        A number in the header can't be true, or the data records are not as many as it says.
    """
    whole, stated = read_layout(path)
    layout, fault, warnings = _used(whole, stated, salvage=options.salvage)
    if fault and not options.salvage:
        raise ReadError(f"{path}: {fault}. Copy it again{OR_SALVAGE}")
    channels = _channels(layout)
    fs = max(channel.fs for channel in channels)
    found = read_annotations(layout)
    segments = find_segments(found.records_s, duration_s=layout.duration_s, fs=fs)
    markers = place(found.texts, segments, fs=fs)
    start_time, time_warnings = _start_time(layout.header, segments[0].onset_s)
    kind = PLUS.match(layout.header[RESERVED].decode("latin-1"))
    return Recording(
        path=path,
        format="edf",
        version=kind[0] if kind else layout.kind,
        fs=fs,
        channels=channels,
        markers=tuple(markers),
        start_time=start_time,
        warnings=(
            *warnings,
            *time_warnings,
            *([f"annotations that can't be read and are left out: {found.unread}"] if found.unread else []),
        ),
        lost=tuple(_lost(channels, layout, stated, fault)),
        details=(("records", f"{layout.n_records} of {layout.duration_s:g} s"),),
    )


def _used(whole: Layout, stated: int, *, salvage: bool) -> tuple[Layout, str, list[str]]:
    """Tell which data records are used, what is wrong with their number, and what to warn of.

    Parameters
    ----------
    whole
        The layout up to the file's end.
    stated
        Data records by the header; -1 while recording goes on.
    """
    there, rest = divmod(whole.end - len(whole.header), whole.record_bytes)
    parted = f"{there} data records and {rest} bytes"
    if stated < 0:
        return whole, f"the recording was not ended: the number of data records is {stated}; got {parted}", []
    if there < stated:
        return whole, f"expected {stated} data records of {whole.record_bytes} bytes, got {parted}", []
    if there == stated or not salvage:
        hint = "; --salvage takes all data records" if there > stated else ""
        warning = f"expected {stated} data records, got {parted}; what lies behind is left out{hint}"
        end = len(whole.header) + stated * whole.record_bytes
        return replace(whole, end=end), "", [warning] if end < whole.end else []
    return whole, "", [f"expected {stated} data records, got {parted}; all are taken"]


def _channels(layout: Layout) -> tuple[Channel, ...]:
    annotations = layout.annotation_signals
    ordinary = [index for index in range(len(layout.counts)) if index not in annotations]
    if not ordinary:
        raise ReadError(f"{layout.path}: holds annotations and no signals, expected at least one signal")
    with parsing(layout.path, "signals in the header"):
        signals = decoded(layout, 0, 0).signals
        return tuple(
            _channel(layout, signal, index, position)
            for position, (signal, index) in enumerate(zip(signals, ordinary, strict=True))
        )


def _channel(layout: Layout, signal: Any, index: int, position: int) -> Channel:
    fs = layout.counts[index] / layout.duration_s
    scale, offset = _scale(signal)
    return Channel(
        index=position,
        number=index,
        name=signal.label.strip("\0 ") or f"signal {index}",
        unit=signal.physical_dimension.strip("\0 "),
        fs=fs,
        n_samples=layout.n_samples(index),
        dtype=np.dtype(np.int32 if layout.kind == "BDF" else np.int16),
        scale=scale,
        offset=offset,
        sample_reader=partial(read_stretch, layout, index, position),
    )


def _scale(signal: Any) -> tuple[float, float]:
    """Return what makes the digital range the physical one; NaN where a range is empty."""
    steps = signal.digital_max - signal.digital_min
    scale = (signal.physical_max - signal.physical_min) / steps if steps else math.nan
    return scale, signal.physical_max - signal.digital_max * scale


def _start_time(header: bytes, first_s: float) -> tuple[datetime | None, list[str]]:
    """Return the start, and a warning where it can't be understood; `first_s` is its fraction of a second."""
    if header[RECORDED_BY].split()[:2] == [b"Startdate", b"X"]:
        return None, []
    day_month_year, clock = (re.findall(rb"\d{1,2}", header[field]) for field in (START_DATE, START_CLOCK))
    try:
        day, month, year = map(int, day_month_year)
        hour, minute, second = map(int, clock)
        start = datetime(year + (1900 if year >= 85 else 2000), month, day, hour, minute, second)
    except ValueError:
        return None, ["the start date and time can't be understood, and are left out"]
    if start.date() == NO_DATE:
        return None, []
    return start + timedelta(seconds=first_s if 0 <= first_s < 1 else 0), []


def _lost(channels: Sequence[Channel], layout: Layout, stated: int, fault: str) -> list[str]:
    """Say which samples are lost, or what is wrong where it is not known which."""
    expected = [stated * layout.counts[channel.number] for channel in channels]
    lost = [
        lost_samples(channel.index, channel.name, got=channel.n_samples, expected=n, fs=channel.fs)
        for channel, n in zip(channels, expected, strict=True)
        if channel.n_samples < n
    ]
    return (lost or [fault]) if fault else []
