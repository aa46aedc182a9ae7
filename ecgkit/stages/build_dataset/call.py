"""`ecgkit build-dataset`: a study's sessions, cleaned and cut, as one HDF5 file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ecgkit import __version__
from ecgkit.analysis.quality import VERDICTS
from ecgkit.config import Config, PipelineConfig, load_config
from ecgkit.dataset.card import card_path, lab_part, write_card
from ecgkit.dataset.read import open_dataset
from ecgkit.dataset.schema import LEAD_COLUMNS, QUALITY_INDICES
from ecgkit.dataset.write import Description, Part, join_columns, label_of, refuse_other_files, write_dataset
from ecgkit.errors import DatasetError, SignalError
from ecgkit.files import refuse_special
from ecgkit.progress import Progress, Silent
from ecgkit.protocol.model import Protocol
from ecgkit.readers.ecg_channel import LEADS
from ecgkit.records import Session
from ecgkit.splits import find_scheme, split_all
from ecgkit.splits.claims import scheme_leaks
from ecgkit.splits.leakage import Leak, describe_leaks
from ecgkit.splits.scheme import SplitSettings, WindowTable
from ecgkit.stages.staleness import origin
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.windows import CutWindows, at_least, cut_recording
from ecgkit.study.folder import Study, open_study, read_participants
from ecgkit.study.session_file import read_session

COMPUTED_BY = ("numpy", "scipy", "h5py")
CUT_COLUMNS = ("start_sample", "start_s", "heart_rate_bpm", *LEAD_COLUMNS)
MANY = 0.2  # of a session's windows; the shipped protocols warn from there on as well
LeftOut = dict[str, Any]  # "sha256" of the session's source, and the "reason"


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What `ecgkit build-dataset` made.

    Attributes
    ----------
    qualities
        ``verdict -> windows`` of the data set.
    leaks
        ``scheme -> what its folds give away``, of the schemes in the file.
    n_excluded, n_too_poor
        Windows that are not in it, since they touch an excluded span or are below `pipeline.min_quality`.
    excluded
        ``session -> reason``: sessions that are excluded as a whole.
    left_out
        ``session -> why``: sessions that gave no window.
    """

    path: Path
    n_windows: int
    shape: tuple[int, ...]
    subjects: dict[str, int]
    conditions: dict[str, int]
    qualities: dict[str, int]
    n_excluded: int
    n_too_poor: int
    n_sessions: int
    leaks: dict[str, tuple[Leak, ...]]
    sha256: str
    simulated: bool
    mains: tuple[str, ...]
    excluded: dict[str, LeftOut]
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
            "windows_by_quality": self.qualities,
            "windows_excluded": self.n_excluded,
            "windows_below_min_quality": self.n_too_poor,
            "sessions": self.n_sessions,
            "splits": list(self.leaks),
            "leaks": {name: describe_leaks(found) for name, found in self.leaks.items()},
            "content_sha256": self.sha256,
            "simulated": self.simulated,
            "mains": list(self.mains),
            "excluded": {key: out["reason"] for key, out in self.excluded.items()},
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
    lab_part(card_path(path))  # refused here, if it is no card
    participants = read_participants(study)
    sessions, excluded = _not_excluded(study, _sessions(study))
    sessions, leads, of_other_leads = _same_leads(sessions, protocol)
    parts, cuts, left_out = _cut_sessions(sessions, config.pipeline, progress or Silent())
    left_out |= of_other_leads
    description = _describe(
        study, protocol, config, cuts, leads=leads, participants=participants, left_out=left_out | excluded
    )
    table = _window_table(parts, config.pipeline)
    folds = split_all(table, SplitSettings(**config.splits.model_dump()))
    leaks = {name: scheme_leaks(find_scheme(name), table, made) for name, made in folds.items()}
    sha256 = write_dataset(path, parts, description, folds)
    write_card(card_path(path), open_dataset(path))
    return _summary(
        path, parts, cuts, leaks, sha256=sha256, left_out=left_out, excluded=excluded, config=config
    )


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


def _not_excluded(study: Study, sessions: Sequence[Session]) -> tuple[list[Session], dict[str, LeftOut]]:
    """Take out the sessions that are excluded as a whole; return the others, and those with their reasons."""
    excluded = {
        session.tags.key: _left_out(session, f"excluded: {'; '.join(e.reason for e in session.excluded)}")
        for session in sessions
        if session.is_excluded
    }
    if len(excluded) == len(sessions):
        raise DatasetError(
            f"{study.folder}: all {len(sessions)} sessions are excluded; ecgkit include takes one back"
        )
    return [session for session in sessions if session.tags.key not in excluded], excluded


def _left_out(session: Session, reason: str) -> LeftOut:
    return {"sha256": session.sha256, "reason": reason, **origin(session.span_s, session.excluded)}


def _cut_sessions(
    sessions: Sequence[Session], pipeline: PipelineConfig, progress: Progress
) -> tuple[list[Part], list[CutWindows], dict[str, LeftOut]]:
    """Cut every session; leave out those that can't be, with the reason."""
    progress.start("clean and cut", len(sessions))
    parts, cuts, left_out = [], [], {}
    for session in sessions:
        try:
            windows = cut_recording(session.recording, session.ecg, pipeline, session.excluded)
            windows = at_least(windows, pipeline.min_quality)
        except SignalError as error:
            why = (
                str(error)
                .removeprefix(f"{session.recording.path}: ")
                .removeprefix(f"{session.recording.path}, ")
            )
            left_out[session.tags.key] = _left_out(session, why)  # without the path: the same bytes anywhere
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
    columns |= {name: getattr(windows.quality, name) for name in QUALITY_INDICES}
    columns["quality"] = windows.quality.verdict
    channels = tuple(session.recording.channels[index].name for index in session.ecg)
    return Part(
        tags=session.tags,
        windows=windows.windows,
        columns=columns,
        sha256=session.sha256,
        channels=channels,
        simulated=session.recording.simulated,
        origin=origin(session.span_s, session.excluded),
    )


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
        left_out[session.tags.key] = _left_out(session, f"{reason}; ingest it with --leads")
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
    poor = [
        part.tags.key for part in parts if np.mean(part.columns["quality"] == VERDICTS.index("reject")) > MANY
    ]
    if poor:
        listed = ", ".join(poor[:3]) + (" …" if len(poor) > 3 else "")
        yield (
            f"in {len(poor)} sessions many windows are of quality 'reject' (an electrode off?): {listed}. "
            "They are kept; --min-quality doubtful leaves them out"
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


def _unexpected(leaks: Mapping[str, Sequence[Leak]]) -> Iterator[str]:
    """Say what schemes that claim not to leak give away all the same, or get wrong in the other direction."""
    for name, found in leaks.items():
        if not find_scheme(name).leaks:
            yield from (
                f"{name}: {text}" for text in describe_leaks([x for x in found if x.severity != "caveat"])
            )


def _summary(
    path: Path,
    parts: list[Part],
    cuts: list[CutWindows],
    leaks: dict[str, tuple[Leak, ...]],
    *,
    sha256: str,
    left_out: dict[str, LeftOut],
    excluded: dict[str, LeftOut],
    config: Config,
) -> BuildSummary:
    quality = np.concatenate([part.columns["quality"] for part in parts])
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
        qualities={name: int(np.count_nonzero(quality == code)) for code, name in enumerate(VERDICTS)},
        n_excluded=sum(cut.n_excluded for cut in cuts),
        n_too_poor=sum(cut.n_too_poor for cut in cuts),
        n_sessions=len(parts),
        leaks=leaks,
        sha256=sha256,
        simulated=any(part.simulated for part in parts),
        mains=tuple(sorted({cut.mains.reason for cut in cuts})),
        excluded=excluded,
        left_out=left_out,
        warnings=(*_warnings(parts), *_unexpected(leaks)),
        config=config,
    )
