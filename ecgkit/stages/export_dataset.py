"""`ecgkit export FORMAT SOURCE OUT`: a data set, or a study's recordings, in other people's formats."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecgkit import __version__
from ecgkit.dataset.card import LAB, card_path, card_text, lab_part
from ecgkit.dataset.read import Dataset, open_dataset
from ecgkit.dataset.schema import CODED_COLUMNS, LEAD_COLUMNS, MEANINGS, NUMBER_COLUMNS
from ecgkit.errors import DatasetError, StudyError
from ecgkit.exports import FORMATS
from ecgkit.exports.formats import TASK, Content, SessionFormat, StudySession, WindowFormat, Written
from ecgkit.files import atomic_path
from ecgkit.lookup import pick
from ecgkit.progress import Progress, Silent
from ecgkit.stages.export_folder import export_folder
from ecgkit.study.folder import is_study, open_study
from ecgkit.study.session_file import SessionHeader, read_headers, read_observations, read_session

LABELS = {
    "subject": "who was recorded",
    "condition": "the state they were in",
    "session": "the recording that it was cut from",
}
OWN_LABEL = "own label of the session; none where it is not known"


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was exported.

    Attributes
    ----------
    reads
        How it is read.
    n_windows
        Of a data set; 0 of a study.
    sessions
        Keys of those that were written.
    errors
        Session -> channel -> the largest error of a value, and its unit; empty where all are exact.
    notes
        Session -> what else is not as it was.
    left_out
        Session -> why it is excluded from the study.
    refused
        Session -> why the format can't hold it.
    """

    format: str
    source: Path
    out: Path
    reads: str
    n_files: int
    size_bytes: int
    simulated: bool
    n_windows: int = 0
    sessions: tuple[str, ...] = ()
    errors: Mapping[str, Mapping[str, tuple[float, str]]] = field(default_factory=dict)
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "format": self.format,
            "source": str(self.source),
            "out": str(self.out),
            "files": self.n_files,
            "bytes": self.size_bytes,
            "simulated": self.simulated,
            "windows": self.n_windows,
            "sessions": list(self.sessions),
            "largest_errors": {
                key: {name: {"error": error, "unit": unit} for name, (error, unit) in channels.items()}
                for key, channels in self.errors.items()
            },
            "notes": {key: list(notes) for key, notes in self.notes.items()},
            "left_out": dict(self.left_out),
            "refused": dict(self.refused),
        }


def run(name: str, source: Path, out: Path, *, progress: Progress | None = None) -> ExportSummary:
    """Export a data set or a study; `out` is whole, or not there at all.

    Parameters
    ----------
    name
        A row of `ecgkit.exports.FORMATS`.
    source
        A study's folder; for the formats of data sets the data set's file too.

    Raises
    ------
    ConfigError
        There is no such format.
    DatasetError, StudyError
        The source can't be read, holds nothing to export, or something is in the way. Nothing has been
        written then.
    """
    chosen: WindowFormat | SessionFormat = pick(FORMATS, name, what="format")
    progress = progress or Silent()
    if isinstance(chosen, WindowFormat):
        return _export_windows(name, chosen, source, out, progress)
    return _export_sessions(name, chosen, source, out, progress)


def _export_windows(
    name: str, chosen: WindowFormat, source: Path, out: Path, progress: Progress
) -> ExportSummary:
    path = open_study(source).dataset_path if source.is_dir() else source
    data = open_dataset(path)
    content = _content(data)
    if chosen.makes == "folder":
        with export_folder(out) as folder:
            chosen.write(folder, content, progress)
    else:
        if os.path.lexists(out):
            raise DatasetError(f"{out}: there is something here already; name a new file, or remove it")
        with atomic_path(out) as part:
            chosen.write(part, content, progress)
    n_files, size_bytes = _size(out)
    return ExportSummary(
        format=name,
        source=path,
        out=out,
        reads=chosen.reads.format(out=out),
        n_files=n_files,
        size_bytes=size_bytes,
        simulated=data.simulated,
        n_windows=len(data),
        sessions=data.sessions,
    )


def _content(data: Dataset) -> Content:
    try:
        lab = lab_part(card_path(data.path))
    except DatasetError:  # what lies there is none of our business here
        lab = LAB
    names = ("fs", "window_s", "unit", "study", "protocol", "simulated", "pipeline", "split_settings")
    about = {
        name: getattr(data, name) for name in (*names, "condition_texts", "sources", "left_out", "versions")
    }
    return Content(
        name=data.study,
        windows=data.windows,
        labels={c: (data.columns[c], data.labels(c)) for c in (*CODED_COLUMNS, *data.own_labels)},
        numbers={column: data.columns[column] for column in NUMBER_COLUMNS},
        lead_numbers={column: data.columns[column] for column in LEAD_COLUMNS},
        leads=data.leads,
        participants=data.participants,
        roles=data.folds,
        meanings={**MEANINGS, **LABELS, **dict.fromkeys(data.own_labels, OWN_LABEL)},
        about={**about, "content_sha256": data.sha256, "exported_by": f"ecgkit {__version__}"},
        card=card_text(data, lab=lab),
    )


def _export_sessions(
    name: str, chosen: SessionFormat, source: Path, out: Path, progress: Progress
) -> ExportSummary:
    if not is_study(source):
        raise StudyError(
            f"{source}: no study here; {name} takes the recordings of a study, as they were recorded. Name "
            "the study's folder"
        )
    headers = read_headers(open_study(source))
    kept = [header for header in headers if not header.is_excluded]
    if not kept:
        raise StudyError(f"{source}: no session to export; ecgkit status shows what there is")
    with export_folder(out) as folder:
        progress.start(TASK, len(kept))
        written = [_export_session(folder, chosen, header, progress) for header in kept]
        if all(one.refused for one in written):
            raise StudyError(f"{source}: not one session can be {name}. The first: {written[0].refused}")
        if chosen.finish is not None:
            chosen.finish(folder)
        simulated = any(header.simulated for header in kept)
        (folder / "README.txt").write_text(_readme(name, written, simulated=simulated), encoding="utf-8")
    n_files, size_bytes = _size(out)
    return ExportSummary(
        format=name,
        source=source,
        out=out,
        reads=chosen.reads.format(out=out),
        n_files=n_files,
        size_bytes=size_bytes,
        simulated=simulated,
        sessions=tuple(one.key for one in written if not one.refused),
        errors={one.key: one.errors for one in written if one.errors},
        notes={one.key: one.notes for one in written if one.notes},
        left_out={h.tags.key: _reason(h) for h in headers if h.is_excluded},
        refused={one.key: one.refused for one in written if one.refused},
    )


def _export_session(
    folder: Path, chosen: SessionFormat, header: SessionHeader, progress: Progress
) -> Written:
    session, beats_s = read_session(header.path), read_observations(header.path).beats_s
    joined = np.concatenate(beats_s) if beats_s else np.empty(0)
    written = chosen.write(folder, StudySession(session, joined))
    progress.advance(TASK, header.tags.key)
    return written


def _reason(header: SessionHeader) -> str:
    return next(span.reason for span in header.excluded if span.is_whole)


def _readme(name: str, written: list[Written], *, simulated: bool) -> str:
    n_written = sum(not one.refused for one in written)
    lines = [
        *(["SIMULATED DATA in it: sessions that a program made.", ""] if simulated else []),
        f"{n_written} sessions as {name}, by ecgkit {__version__}: all channels as recorded, nothing",
        "filtered; R peaks as annotations, found by a program.",
        "",
    ]
    for one in written:
        lines += [
            f"{one.key}, {channel}: values are off by up to {error:.3g} {unit}"
            for channel, (error, unit) in one.errors.items()
        ]
        lines += [f"{one.key}: {note}" for note in (*one.notes, *filter(None, [one.refused]))]
    return "\n".join(lines) + "\n"


def _size(out: Path) -> tuple[int, int]:
    """Return how many files were written, and their bytes."""
    files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files)
