"""The channels and markers of a session file, and how such a file is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import StudyError
from ecgkit.h5 import (
    attribute,
    dataset,
    open_h5,
    own_group,
    read_json,
    read_texts,
    write_attribute,
    write_json,
    write_texts,
)
from ecgkit.records import RAW_TYPES, Channel, Marker, RawSamples

FORMAT = "ecgkit-session"
FORMAT_VERSION = "1.3"
MOST_VALUES = 1 << 25  # beats, windows or markers: a year of beats
NONE = -1  # stands for "none" among indexes

open_session = partial(open_h5, file_format=FORMAT, versions=[FORMAT_VERSION], error=StudyError)
group_of = partial(own_group, error=StudyError)
text_of = partial(attribute, kind=str, error=StudyError)
number_of = partial(attribute, kind=float, error=StudyError)
index_of = partial(attribute, kind=int, error=StudyError)
json_of = partial(read_json, error=StudyError)
write_text = partial(write_attribute, error=StudyError)
write_plain = partial(write_json, error=StudyError)


def values_of(group: h5py.Group, name: str, kinds: str) -> NDArray[Any]:
    """Read a short list of numbers, (n,)."""
    stored = dataset(group, name, kinds=kinds, ndim=1, error=StudyError)
    if stored.size > MOST_VALUES:
        raise StudyError(f"{stored.file.filename}:{stored.name}: {stored.size} values, expected fewer")
    values: NDArray[Any] = stored[:]
    return values


def write_channel(file: h5py.File, channel: Channel) -> None:
    """Copy one channel's raw samples, a stretch at a time, with a checksum on each chunk."""
    stored = file.create_dataset(
        f"channels/{channel.index:03d}",
        shape=(channel.n_samples,),
        dtype=channel.dtype.newbyteorder("<"),
        chunks=(max(1, min(channel.n_samples, 1 << 16)),) if channel.n_samples else None,
        **(
            {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
            if channel.n_samples
            else {}
        ),
    )
    start = 0
    for raw in channel.raw_chunks():
        stored[start : start + len(raw)] = raw
        start += len(raw)
    if channel.missing is not None:
        stored.attrs["missing"] = channel.missing
    for name in ("name", "unit"):
        write_text(stored, name, getattr(channel, name))
    for name in ("number", "fs", "scale", "offset"):
        stored.attrs[name] = getattr(channel, name)


def read_channel(path: Path, group: h5py.Group, index: int) -> Channel:
    """Return a channel of a session file; its samples are read when asked for."""
    stored = dataset(group, f"{index:03d}", kinds="if", ndim=1, error=StudyError)
    if stored.dtype.name not in RAW_TYPES:
        raise StudyError(f"{path}:{stored.name}: type {stored.dtype}, expected {', '.join(RAW_TYPES)}")
    return Channel(
        index=index,
        number=index_of(stored, "number"),
        name=text_of(stored, "name"),
        unit=text_of(stored, "unit"),
        fs=number_of(stored, "fs", positive=True),
        n_samples=len(stored),
        dtype=stored.dtype.newbyteorder("="),
        scale=number_of(stored, "scale"),
        offset=number_of(stored, "offset"),
        sample_reader=partial(_read_samples, path, f"{index:03d}"),
        missing=index_of(stored, "missing") if "missing" in stored.attrs else None,
    )


def _read_samples(path: Path, name: str, start: int, stop: int) -> RawSamples:
    """Read raw samples [start, stop) of one channel."""
    with open_session(path) as file:
        stored = dataset(group_of(file, "channels"), name, kinds="if", ndim=1, error=StudyError)
        samples: RawSamples = stored[start:stop].astype(stored.dtype.newbyteorder("="), copy=False)
        return samples


def write_markers(file: h5py.File, markers: tuple[Marker, ...]) -> None:
    """Write place and style of each marker, and the texts where the session has any."""
    group = file.create_group("markers")
    group["sample"] = np.array([marker.sample for marker in markers], dtype=np.int64)
    group["channel"] = np.array([NONE if m.channel is None else m.channel for m in markers], dtype=np.int64)
    write_texts(group, "style", [marker.style for marker in markers], error=StudyError)
    if any(marker.text for marker in markers):
        write_texts(group, "text", [marker.text for marker in markers], error=StudyError)


def read_markers(file: h5py.File, fs: float) -> Iterator[Marker]:
    """Yield the markers of a session."""
    group = group_of(file, "markers")
    samples, owners = (values_of(group, name, "i") for name in ("sample", "channel"))
    styles = read_texts(group, "style", error=StudyError)
    texts = read_texts(group, "text", error=StudyError) if "text" in group else ("",) * len(styles)
    for sample, owner, style, text in zip(samples, owners, styles, texts, strict=True):
        marker = Marker(int(sample), float(sample / fs), text, style)
        yield marker if owner == NONE else replace(marker, channel=int(owner))
