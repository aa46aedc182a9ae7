"""`ecgkit build-dataset`: a study's sessions, cleaned and cut, as one HDF5 file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ecgkit import __version__
from ecgkit.config import Config, PipelineConfig, load_config
from ecgkit.dataset.schema import LEAD_COLUMNS
from ecgkit.dataset.write import Description, Part, join_columns, label_of, refuse_other_files, write_dataset
from ecgkit.errors import DatasetError, SignalError
from ecgkit.files import refuse_special
from ecgkit.progress import Progress, Silent
from ecgkit.protocol.model import Protocol
from ecgkit.readers.ecg_channel import LEADS
from ecgkit.records import Session
from ecgkit.splits import split_all
from ecgkit.splits.scheme import Folds, SplitSettings, WindowTable
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.windows import CutWindows, cut_recording
from ecgkit.study.folder import Study, open_study, read_participants
from ecgkit.study.session_file import read_session

COMPUTED_BY = ("numpy", "scipy", "h5py")
CUT_COLUMNS = ("start_sample", "start_s", "heart_rate_bpm", "quality", *LEAD_COLUMNS)
LeftOut = dict[str, str]  # "sha256" of the session's source, and the "reason"


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What `ecgkit build-dataset` made."""

    path: Path
    n_windows: int
    shape: tuple[int, ...]
    subjects: dict[str, int]
    conditions: dict[str, int]
    n_sessions: int
    schemes: tuple[str, ...]
    sha256: str
    simulated: bool
    mains: tuple[str, ...]
    left_out: dict[str, LeftOut]
    warnings: tuple[str, ...]
    config: Config

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "dataset": str(self.path),
            "windows": self.n_windows,
            "shape": list(self.shape),
            "windows_by_subject": self.subjects,
            "windows_by_condition": self.conditions,
            "sessions": self.n_sessions,
            "splits": list(self.schemes),
            "content_sha256": self.sha256,
            "simulated": self.simulated,
            "mains": list(self.mains),
            "left_out": {key: out["reason"] for key, out in self.left_out.items()},
            "warnings": list(self.warnings),
            "config": self.config.model_dump(include={"pipeline", "splits"}),
        }


def run(
    study_folder: Path,
    *,
    config_file: Path | None = None,
    flags: dict[str, dict[str, Any]] | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> BuildSummary:
    """Build a study's data set; an older one is replaced only when the new one is whole.

    Raises
    ------
    StudyError, ConfigError, SignalError, DatasetError
        Nothing has been written then.
    """
    study = open_study(study_folder)
    protocol = protocol_of(study)
    mains_hz = study.settings.mains_hz or protocol.mains_hz
    config = load_config(config_file, {"pipeline": {"mains_hz": mains_hz}}, flags or {})
    path = _target(study, out)
    participants = read_participants(study)
    sessions, leads, of_other_leads = _same_leads(_sessions(study), protocol)
    parts, cuts, left_out = _cut_sessions(sessions, config.pipeline, progress or Silent())
    left_out |= of_other_leads
    description = _describe(
        study, protocol, config, cuts, leads=leads, participants=participants, left_out=left_out
    )
    folds = split_all(_window_table(parts, config.pipeline), SplitSettings(**config.splits.model_dump()))
    sha256 = write_dataset(path, parts, description, folds)
    return _summary(path, parts, cuts, folds, sha256=sha256, left_out=left_out, config=config)


def _target(study: Study, out: Path | None) -> Path:
    """Return where the data set goes; refuse a place where something else lies."""
    if out is None:
        refuse_special(study.dataset_path)
        return study.dataset_path
    refuse_other_files(out)
    return out


def _sessions(study: Study) -> list[Session]:
    """Open every session, in the order of their tags."""
    paths = study.session_paths()
    if not paths:
        raise DatasetError(
            f"{study.folder}: the study is empty. Take recordings in first: "
            "ecgkit ingest FILE --subject ID --condition KEY"
        )
    return sorted((read_session(path) for path in paths), key=lambda session: session.tags)


def _cut_sessions(
    sessions: Sequence[Session], pipeline: PipelineConfig, progress: Progress
) -> tuple[list[Part], list[CutWindows], dict[str, LeftOut]]:
    """Cut every session; leave out those that can't be, with the reason."""
    progress.start("clean and cut", len(sessions))
    parts, cuts, left_out = [], [], {}
    for session in sessions:
        try:
            windows = cut_recording(session.recording, session.ecg, pipeline)
        except SignalError as error:
            left_out[session.tags.key] = {"sha256": session.sha256, "reason": str(error)}
        else:
            cuts.append(windows)
            parts.append(_part(session, windows))
        progress.advance("clean and cut", note=session.tags.key)
    if not parts:
        first = next(iter(left_out.values()))["reason"]
        raise DatasetError(f"not one session gave a window. The first: {first}")
    return parts, cuts, left_out


def _part(session: Session, windows: CutWindows) -> Part:
    columns = {name: getattr(windows, name) for name in CUT_COLUMNS}
    channels = tuple(session.recording.channels[index].name for index in session.ecg)
    return Part(session.tags, windows.windows, columns, session.sha256, channels, session.recording.simulated)


def _same_leads(
    sessions: Sequence[Session], protocol: Protocol
) -> tuple[list[Session], tuple[str, ...], dict[str, LeftOut]]:
    """Keep the sessions of the leads that most have; return them, the leads' names, and who is left out.

    One lead is called as the protocol says unless every session says which standard lead it is; a channel's
    name that is none says nothing of the lead.

    Raises
    ------
    DatasetError
        As many sessions have some leads as have others.
    """
    named = [s.leads if len(s.leads) > 1 or s.leads[0] in LEADS else () for s in sessions]
    known = Counter(filter(None, named)).most_common(2)
    usual = known[0][0] if known else ()
    if len(known) > 1 and known[0][1] == known[1][1]:
        listed = [", ".join(leads) for leads, _ in known]
        raise DatasetError(
            f"{known[0][1]} sessions have the leads {listed[0]}, as many have {listed[1]}: "
            "ingest all with the same --leads, in the same order"
        )
    kept, left_out = [], {}
    for session, leads in zip(sessions, named, strict=True):
        if leads == usual or (not leads and len(usual) < 2):
            kept.append(session)
            continue
        reason = f"its leads are {', '.join(session.leads)}, the others' {', '.join(usual)}"
        left_out[session.tags.key] = {"sha256": session.sha256, "reason": f"{reason}; ingest it with --leads"}
    all_say = () not in named
    return kept, usual if all_say else (protocol.lead.name,), left_out


def _warnings(parts: list[Part]) -> Iterator[str]:
    """Say what should be known before a model is trained on these windows."""
    for column in ("subject", "condition"):
        if len({label_of(part, column) for part in parts}) == 1:
            label = label_of(parts[0], column)
            yield f"all windows are of one {column}: {label}; nothing can be told apart by it"
    names = Counter(part.channels for part in parts)
    if len(names) > 1:
        listed = "; ".join(f"{' + '.join(channels)} ({count} sessions)" for channels, count in names.items())
        yield f"the ECG was taken from channels of different names: {listed}. Is it the same lead?"
    empty = {part.tags.key: int(np.count_nonzero(part.columns["quality"] == 0)) for part in parts}
    worst = max(empty, key=lambda key: empty[key])
    if empty[worst]:
        total = sum(empty.values())
        yield (
            f"{total} windows hold no whole beat (a detached electrode?), {empty[worst]} of them in "
            f"{worst}; they are kept, with quality 0"
        )


def _describe(
    study: Study,
    protocol: Protocol,
    config: Config,
    cuts: list[CutWindows],
    *,
    leads: tuple[str, ...],
    participants: dict[str, dict[str, str]],
    left_out: dict[str, LeftOut],
) -> Description:
    units = {cut.unit for cut in cuts}
    return Description(
        fs=config.pipeline.fs,
        window_s=config.pipeline.window_s,
        leads=leads,
        unit=units.pop() if len(units) == 1 else "as recorded (sessions differ)",
        study=study.settings.name,
        protocol=protocol.name,
        condition_texts={
            key: {"label": condition.label, "description": condition.description}
            for key, condition in protocol.conditions.items()
        },
        pipeline=config.pipeline.model_dump(),
        splits=config.splits.model_dump(),
        versions={"ecgkit": __version__, **{name: version(name) for name in COMPUTED_BY}},
        participants=participants,
        left_out=left_out,
    )


def _window_table(parts: list[Part], pipeline: PipelineConfig) -> WindowTable:
    columns = join_columns(parts)
    sizes = [len(part.windows) for part in parts]
    labels = {
        name: np.repeat([label_of(part, name) for part in parts], sizes)
        for name in ("subject", "condition", "session")
    }
    return WindowTable(
        **labels,
        visit=columns["visit"].astype(np.int64),
        start_s=columns["start_s"],
        window_s=pipeline.window_s,
    )


def _summary(
    path: Path,
    parts: list[Part],
    cuts: list[CutWindows],
    folds: dict[str, Folds],
    *,
    sha256: str,
    left_out: dict[str, LeftOut],
    config: Config,
) -> BuildSummary:
    by_subject: Counter[str] = Counter()
    by_condition: Counter[str] = Counter()
    for part in parts:
        by_subject[part.tags.subject] += len(part.windows)
        by_condition[part.tags.condition] += len(part.windows)
    return BuildSummary(
        path=path,
        n_windows=by_subject.total(),
        shape=(by_subject.total(), *parts[0].windows.shape[1:]),
        subjects=dict(sorted(by_subject.items())),
        conditions=dict(sorted(by_condition.items())),
        n_sessions=len(parts),
        schemes=tuple(folds),
        sha256=sha256,
        simulated=any(part.simulated for part in parts),
        mains=tuple(sorted({cut.mains.reason for cut in cuts})),
        left_out=left_out,
        warnings=tuple(_warnings(parts)),
        config=config,
    )
