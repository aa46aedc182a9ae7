"""One session as a file: the samples as recorded, the tags, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from ecgkit import __version__
from ecgkit.errors import StudyError
from ecgkit.h5 import atomic_h5, attribute, dataset, open_h5, read_texts, write_texts
from ecgkit.records import RAW_TYPES, Channel, Marker, RawSamples, Recording, Session, Tags
from ecgkit.study.folder import Study

FORMAT = "ecgkit-session"
FORMAT_VERSION = "1.1"
NONE = -1  # stands for "none" among indexes


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """What a session file says about itself, without its channels."""

    path: Path
    tags: Tags
    sha256: str
    duration_s: float
    heart_rate_bpm: float | None
    ecg: tuple[int, ...]
    simulated: bool
    warnings: tuple[str, ...]
    lost: tuple[str, ...]


def session_path(study: Study, tags: Tags) -> Path:
    """Where a session with these tags lies, or would."""
    return study.sessions_folder / f"{tags.key}.h5"


def write_session(
    study: Study, session: Session, *, heart_rate_bpm: float | None, warnings: tuple[str, ...]
) -> Path:
    """Write a session into a study, atomically; an older one with the same tags is replaced.

    All channels are copied as they were recorded, integer counts with scale and offset. Of markers the
    place and the style are kept; their texts, dates, the journal and the file's name stay out, since they
    can tell who the subject is.
    """
    path = session_path(study, session.tags)
    recording = session.recording
    with atomic_h5(path, file_format=FORMAT, format_version=FORMAT_VERSION) as file:
        file.attrs["ecgkit_version"] = __version__
        for name in ("subject", "condition", "visit", "take"):
            file.attrs[name] = getattr(session.tags, name)
        file.attrs["source_sha256"] = session.sha256
        file.attrs["source_version"] = recording.version
        file.attrs["simulated"] = recording.simulated
        file.attrs["fs"] = recording.fs
        file.attrs["duration_s"] = recording.channels[session.ecg[0]].duration_s
        file.attrs["ecg"] = np.array(session.ecg, dtype=np.int64)
        file.attrs["leads"] = json.dumps(list(session.leads), ensure_ascii=False)
        file.attrs["respiration"] = NONE if session.respiration is None else session.respiration
        file.attrs["heart_rate_bpm"] = np.nan if heart_rate_bpm is None else heart_rate_bpm
        file.attrs["warnings"] = json.dumps(list(warnings), ensure_ascii=False)
        file.attrs["lost"] = json.dumps(list(recording.lost), ensure_ascii=False)
        for channel in recording.channels:
            _write_channel(file, channel)
        _write_markers(file, recording.markers)
    return path


def read_session(path: Path) -> Session:
    """Open a session file; samples are read when asked for.

    Raises
    ------
    StudyError
        The file is damaged, of another format or version, or its tags are not those of its name.
    """
    with open_h5(path, file_format=FORMAT, versions=[FORMAT_VERSION], error=StudyError) as file:
        header = _header(file, path)
        group = file.get("channels")
        if not isinstance(group, h5py.Group):
            raise StudyError(f"{path}: no channels")
        channels = tuple(_channel(path, group, index) for index in range(len(group)))
        recording = Recording(
            path=path,
            format="session",
            version=str(attribute(file, "source_version", str, error=StudyError)),
            fs=attribute(file, "fs", float, positive=True, error=StudyError),
            channels=channels,
            simulated=header.simulated,
            lost=header.lost,
        )
        recording = replace(recording, markers=tuple(_markers(file, recording.fs)))
        leads = _sentences(file, "leads")
        respiration = attribute(file, "respiration", int, error=StudyError)
    used = {*header.ecg, *([] if respiration == NONE else [respiration])}
    if len(header.ecg) != len(leads) or not header.ecg or not used <= set(range(len(channels))):
        raise StudyError(
            f"{path}: ECG channels {header.ecg} as leads {leads}, respiration channel {respiration}, but the "
            f"file has channels 0 to {len(channels) - 1}; ingest the recording anew"
        )
    respiration = None if respiration == NONE else respiration
    return Session(header.tags, recording, header.ecg, leads, respiration, header.sha256)


def read_headers(study: Study) -> tuple[SessionHeader, ...]:
    """Read what every session of a study says about itself, sorted by tags."""
    headers = []
    for path in study.session_paths():
        with open_h5(path, file_format=FORMAT, versions=[FORMAT_VERSION], error=StudyError) as file:
            headers.append(_header(file, path))
    return tuple(sorted(headers, key=lambda header: header.tags))


def _header(file: h5py.File, path: Path) -> SessionHeader:
    text, number = (
        partial(attribute, kind=str, error=StudyError),
        partial(attribute, kind=int, error=StudyError),
    )
    tagged = text(file, "subject"), text(file, "condition"), number(file, "visit"), number(file, "take")
    try:
        tags = Tags(*tagged)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error
    if path.stem != tags.key:
        raise StudyError(
            f"{path}: the file's tags are {tags.key}; rename it back, or ingest the recording anew"
        )
    rate = attribute(file, "heart_rate_bpm", float, error=StudyError)
    return SessionHeader(
        path=path,
        tags=tags,
        sha256=text(file, "source_sha256"),
        duration_s=attribute(file, "duration_s", float, positive=True, error=StudyError),
        heart_rate_bpm=rate if np.isfinite(rate) else None,
        ecg=tuple(int(index) for index in np.atleast_1d(file.attrs["ecg"])),
        simulated=bool(attribute(file, "simulated", bool, error=StudyError)),
        warnings=_sentences(file, "warnings"),
        lost=_sentences(file, "lost"),
    )


def _sentences(file: h5py.File, name: str) -> tuple[str, ...]:
    """Read a list of texts that lies as JSON in an attribute."""
    return tuple(map(str, json.loads(attribute(file, name, str, error=StudyError))))


def _write_channel(file: h5py.File, channel: Channel) -> None:
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
    for name in ("number", "name", "unit", "fs", "scale", "offset"):
        stored.attrs[name] = getattr(channel, name)


def _channel(path: Path, group: h5py.Group, index: int) -> Channel:
    stored = dataset(group, f"{index:03d}", kinds="if", ndim=1, error=StudyError)
    if stored.dtype.name not in RAW_TYPES:
        raise StudyError(f"{path}:{stored.name}: type {stored.dtype}, expected {', '.join(RAW_TYPES)}")
    return Channel(
        index=index,
        number=attribute(stored, "number", int, error=StudyError),
        name=attribute(stored, "name", str, error=StudyError),
        unit=attribute(stored, "unit", str, error=StudyError),
        fs=attribute(stored, "fs", float, positive=True, error=StudyError),
        n_samples=len(stored),
        dtype=stored.dtype.newbyteorder("="),
        scale=attribute(stored, "scale", float, error=StudyError),
        offset=attribute(stored, "offset", float, error=StudyError),
        sample_reader=partial(_read_samples, path, f"channels/{index:03d}"),
        missing=(attribute(stored, "missing", int, error=StudyError) if "missing" in stored.attrs else None),
    )


def _read_samples(path: Path, name: str, start: int, stop: int) -> RawSamples:
    """Read raw samples [start, stop) of one channel."""
    with open_h5(path, file_format=FORMAT, versions=[FORMAT_VERSION], error=StudyError) as file:
        stored = file[name]
        samples: RawSamples = stored[start:stop].astype(stored.dtype.newbyteorder("="), copy=False)
        return samples


def _write_markers(file: h5py.File, markers: tuple[Marker, ...]) -> None:
    group = file.create_group("markers")
    group["sample"] = np.array([marker.sample for marker in markers], dtype=np.int64)
    group["channel"] = np.array([-1 if m.channel is None else m.channel for m in markers], dtype=np.int64)
    write_texts(group, "style", [marker.style for marker in markers])


def _markers(file: h5py.File, fs: float) -> Iterator[Marker]:
    group = file["markers"]
    samples = dataset(group, "sample", kinds="i", ndim=1, error=StudyError)[:]
    owners = dataset(group, "channel", kinds="i", ndim=1, error=StudyError)[:]
    styles = read_texts(group, "style", error=StudyError)
    for sample, owner, style in zip(samples, owners, styles, strict=True):
        yield Marker(int(sample), float(sample / fs), "", style, None if owner < 0 else int(owner))
