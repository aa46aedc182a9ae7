"""One session as a file: samples as recorded, tags, what was seen in the signal, where it came from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit import __version__
from ecgkit.analysis.measures import Measures, measures_from_json
from ecgkit.analysis.quality import INDICES, VERDICTS, WindowQuality
from ecgkit.errors import StudyError
from ecgkit.exclusions import Exclusion, exclusion_from_json, used_spans
from ecgkit.h5 import atomic_h5, attribute, attribute_values, content_sha256
from ecgkit.records import Recording, Session, Tags
from ecgkit.study.folder import Study
from ecgkit.study.session_samples import (
    FORMAT,
    FORMAT_VERSION,
    NONE,
    group_of,
    index_of,
    json_of,
    number_of,
    open_session,
    read_channel,
    read_markers,
    text_of,
    values_of,
    write_channel,
    write_markers,
    write_plain,
    write_text,
)

MOST_LEADS = 1000
HASH = "content_sha256"


@dataclass(frozen=True, slots=True, eq=False)
class QualityTrack:
    """Signal quality along a session, window by window.

    Attributes
    ----------
    start_s
        From the session's start, (N,).
    window_s
        Length of each.
    """

    start_s: NDArray[np.float64]
    window_s: float
    indices: WindowQuality


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """What was seen in a session's signal, so that nobody has to look again.

    Attributes
    ----------
    warnings
        What to know before it is used; one sentence each.
    beats_s
        Times of the R peaks of the first lead, seconds from the session's start, for each stretch without
        a gap.
    """

    measures: Measures
    warnings: tuple[str, ...]
    beats_s: tuple[NDArray[np.float64], ...]
    quality: QualityTrack


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """What a session file says about itself, without its channels."""

    path: Path
    tags: Tags
    sha256: str
    span_s: tuple[float, float] | None
    fs: float
    duration_s: float
    ecg: tuple[int, ...]
    leads: tuple[str, ...]
    simulated: bool
    measures: Measures
    warnings: tuple[str, ...]
    lost: tuple[str, ...]
    excluded: tuple[Exclusion, ...]
    content_sha256: str

    @property
    def heart_rate_bpm(self) -> float | None:
        """Mean heart rate, None where it is not known."""
        rate_bpm = self.measures.rhythm.heart_rate_bpm
        return rate_bpm if math.isfinite(rate_bpm) else None

    @property
    def is_excluded(self) -> bool:
        """Whether nothing of it is to be used."""
        return not used_spans(self.excluded, duration_s=self.duration_s)


def session_path(study: Study, tags: Tags) -> Path:
    """Where a session with these tags lies, or would."""
    return study.sessions_folder / f"{tags.key}.h5"


def write_session(path: Path, session: Session, observations: Observations) -> None:
    """Write a session, atomically.

    All channels are copied as they were recorded, integer counts with scale and offset. What can tell who
    the subject is (texts of markers, journal, start time, the source's name) is kept where the session has
    it: ingest takes it away unless asked not to.
    """
    recording = session.recording
    span_s = session.span_s or (math.nan, math.nan)
    with atomic_h5(path, file_format=FORMAT, format_version=FORMAT_VERSION) as file:
        texts = {"subject": session.tags.subject, "condition": session.tags.condition}
        texts |= {"source_sha256": session.sha256, "source_version": recording.version}
        for name, text in {**texts, "ecgkit_version": __version__}.items():
            write_text(file, name, text)
        file.attrs["visit"], file.attrs["take"] = session.tags.visit, session.tags.take
        file.attrs["source_start_s"], file.attrs["source_stop_s"] = span_s
        file.attrs["simulated"] = recording.simulated
        file.attrs["fs"] = recording.fs
        file.attrs["duration_s"] = recording.channels[session.ecg[0]].duration_s
        file.attrs["ecg"] = np.array(session.ecg, dtype=np.int64)
        file.attrs["respiration"] = NONE if session.respiration is None else session.respiration
        for name, content in _about(session, observations).items():
            write_plain(file, name, content)
        for channel in recording.channels:
            write_channel(file, channel)
        write_markers(file, recording.markers)
        _write_observations(file, observations)
        write_text(file, HASH, content_sha256(file, but=HASH))


def read_session(path: Path) -> Session:
    """Open a session file; samples are read when asked for.

    Raises
    ------
    StudyError
        The file is damaged, of another format or version, or its tags are not those of its name.
    """
    with open_session(path) as file:
        header = _header(file, path)
        group = group_of(file, "channels")
        channels = tuple(read_channel(path, group, index) for index in range(len(group)))
        source = _object(file, "source")
        start = source.get("start_time")
        recording = Recording(
            path=path,
            format="session",
            version=text_of(file, "source_version"),
            fs=header.fs,
            channels=channels,
            markers=tuple(read_markers(file, header.fs)),
            start_time=None if start is None else datetime.fromisoformat(start),
            journal=source.get("journal"),
            simulated=header.simulated,
            lost=header.lost,
        )
        respiration = index_of(file, "respiration")
    used = {*header.ecg, *([] if respiration == NONE else [respiration])}
    if len(header.ecg) != len(header.leads) or not header.ecg or not used <= set(range(len(channels))):
        raise StudyError(
            f"{path}: ECG channels {header.ecg} as leads {header.leads}, respiration channel {respiration}, "
            f"but the file has channels 0 to {len(channels) - 1}; ingest the recording anew"
        )
    return Session(
        tags=header.tags,
        recording=recording,
        ecg=header.ecg,
        leads=header.leads,
        respiration=None if respiration == NONE else respiration,
        sha256=header.sha256,
        span_s=header.span_s,
        excluded=header.excluded,
        source_name=source.get("name"),
    )


def read_observations(path: Path) -> Observations:
    """Read what was seen in a session's signal.

    Raises
    ------
    StudyError
        The file is damaged, or of another format or version.
    """
    with open_session(path) as file:
        header = _header(file, path)
        beats, quality = group_of(file, "beats"), group_of(file, "quality")
        times_s, stretch = (values_of(beats, name, kinds) for name, kinds in BEATS.items())
        start_s, *indices = (values_of(quality, name, "iuf") for name in ("start_s", *INDICES))
        track = QualityTrack(
            start_s=start_s,
            window_s=number_of(quality, "window_s", positive=True),
            indices=WindowQuality(*indices),
        )
        _refuse_disorder(path, times_s, stretch, track)
    edges = np.flatnonzero(np.diff(stretch)) + 1
    beats_s = tuple(np.split(times_s, edges)) if len(times_s) else ()
    return Observations(header.measures, header.warnings, beats_s, track)


def _refuse_disorder(
    path: Path, times_s: NDArray[np.float64], stretch: NDArray[np.int64], track: QualityTrack
) -> None:
    """Refuse beats and windows that are not in order of time, or not one value each."""
    ascending = all(
        np.isfinite(values).all() and (np.diff(values) > 0).all() for values in (times_s, track.start_s)
    )
    sizes = {len(track.start_s), *(len(getattr(track.indices, name)) for name in INDICES)}
    known = np.isin(track.indices.verdict, range(len(VERDICTS))).all()
    if (
        not ascending
        or (np.diff(stretch) < 0).any()
        or len(sizes) > 1
        or len(times_s) != len(stretch)
        or not known
    ):
        raise StudyError(
            f"{path}: beats or quality of different lengths, not in order of time, or of an unknown verdict; "
            "expected what ecgkit writes. Ingest the recording anew"
        )


def read_headers(study: Study) -> tuple[SessionHeader, ...]:
    """Read what every session of a study says about itself, sorted by tags.

    Raises
    ------
    StudyError
        A session file is damaged.
    """
    headers, damaged = read_sound_headers(study)
    for error in damaged.values():
        raise error
    return headers


def read_sound_headers(study: Study) -> tuple[tuple[SessionHeader, ...], dict[Path, StudyError]]:
    """Read what the sessions that can be read say about themselves, by tags; and why others can't be."""
    headers, damaged = [], {}
    for path in study.session_paths():
        try:
            headers.append(read_header(path))
        except StudyError as error:
            damaged[path] = error
    return tuple(sorted(headers, key=lambda header: header.tags)), damaged


def read_header(path: Path) -> SessionHeader:
    """Read what a session says about itself.

    Raises
    ------
    StudyError
        The file is damaged, of another format or version, or its tags are not those of its name.
    """
    with open_session(path) as file:
        return _header(file, path)


def content_sha256_of(path: Path) -> str:
    """Hash all that a session file holds, reading it to the end; it should be what the file's header says."""
    with open_session(path) as file:
        return content_sha256(file, but=HASH)


def _header(file: h5py.File, path: Path) -> SessionHeader:
    tagged = text_of(file, "subject"), text_of(file, "condition"), *(index_of(file, n) for n in NUMBERED)
    try:
        tags = Tags(*tagged)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error
    if path.stem != tags.key:
        raise StudyError(
            f"{path}: the file's tags are {tags.key}; rename it back, or ingest the recording anew"
        )
    start_s, stop_s = number_of(file, "source_start_s"), number_of(file, "source_stop_s")
    return SessionHeader(
        path=path,
        tags=tags,
        sha256=text_of(file, "source_sha256"),
        span_s=None if math.isnan(start_s) else (start_s, stop_s),
        fs=number_of(file, "fs", positive=True),
        duration_s=number_of(file, "duration_s", positive=True),
        ecg=tuple(int(index) for index in _ecg(file)[:MOST_LEADS]),
        leads=_sentences(file, "leads"),
        simulated=bool(attribute(file, "simulated", bool, error=StudyError)),
        measures=measures_from_json(_object(file, "measures")),
        warnings=_sentences(file, "warnings"),
        lost=_sentences(file, "lost"),
        excluded=tuple(map(exclusion_from_json, json_of(file, "excluded"))),
        content_sha256=text_of(file, HASH),
    )


NUMBERED = ("visit", "take")
BEATS = {"time_s": "f", "stretch": "i"}


def _ecg(file: h5py.File) -> NDArray[Any]:
    indexes = attribute_values(file, "ecg", error=StudyError)
    return np.empty(0) if indexes is None else np.atleast_1d(indexes)


def _sentences(file: h5py.File, name: str) -> tuple[str, ...]:
    """Read a list of texts that lies as JSON."""
    return tuple(map(str, json_of(file, name)))


def _object(file: h5py.File, name: str) -> dict[str, Any]:
    """Read a JSON object."""
    content = json_of(file, name)
    if not isinstance(content, dict):
        raise StudyError(f"{file.filename}:/about/{name} is {content!r:.200}, expected a JSON object")
    return content


def _about(session: Session, seen: Observations) -> dict[str, Any]:
    """Return what a session file holds as JSON."""
    return {
        "source": _kept(session),
        "leads": session.leads,
        "lost": session.recording.lost,
        "excluded": [exclusion.as_json() for exclusion in session.excluded],
        "measures": seen.measures.as_json(),
        "warnings": seen.warnings,
    }


def _kept(session: Session) -> dict[str, str]:
    """Return what the session says of its source, as far as it does."""
    start = session.recording.start_time
    kept = {
        "name": session.source_name,
        "start_time": None if start is None else start.isoformat(),
        "journal": session.recording.journal,
    }
    return {name: value for name, value in kept.items() if value is not None}


def _write_observations(file: h5py.File, seen: Observations) -> None:
    sizes = [len(times_s) for times_s in seen.beats_s]
    beats = file.create_group("beats")  # one that HDF5 made by the way would hold the time of that
    beats["time_s"] = np.concatenate([np.empty(0), *seen.beats_s])
    beats["stretch"] = np.repeat(np.arange(len(sizes)), sizes)
    quality = file.create_group("quality")
    quality.attrs["window_s"] = seen.quality.window_s
    quality["start_s"] = seen.quality.start_s
    for name in INDICES:
        quality[name] = getattr(seen.quality.indices, name)
