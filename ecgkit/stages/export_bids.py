"""`ecgkit export bids`: a study as a BIDS data set, whole or not there at all."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ecgkit.errors import ReadError, StudyError
from ecgkit.exports.bids_dataset import COLUMNS, GENERATOR, About, write_dataset_files, write_scans
from ecgkit.exports.bids_session import Task, entities_of, write_session
from ecgkit.lookup import unknown
from ecgkit.progress import Progress, Silent
from ecgkit.protocol.model import Protocol
from ecgkit.readers.bids_names import DESCRIPTION_FILE
from ecgkit.readers.bids_sidecar import read_object
from ecgkit.stages.export_folder import export_folder
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.workers import default_jobs, in_order, workers
from ecgkit.study.folder import Study, open_study, read_participants
from ecgkit.study.session_file import SessionHeader, read_headers, read_session

SESSIONS_PER_PROCESS = 8  # starting one takes as long as writing some sessions
# what an export holds, and nothing else; / between folders
OWN_FILE = re.compile(
    r"README|dataset_description\.json|participants\.(?:tsv|json)|sub-\w+/ses-\d+/sub-[\w-]+_scans\.tsv|"
    r"sub-\w+/ses-\d+/beh/sub-[\w-]+_(?:physio\.tsv\.gz|physio\.json|events\.tsv|events\.json)"
)


@dataclass(frozen=True, slots=True)
class BidsOptions:
    """What a user may say of a data set.

    Attributes
    ----------
    columns
        Columns of the study's participants.tsv to take along, besides age, sex and handedness.
    """

    force: bool = False
    authors: tuple[str, ...] = ()
    license: str = ""
    columns: tuple[str, ...] = ()
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class BidsSummary:
    """What `ecgkit export bids` wrote.

    Attributes
    ----------
    left_out
        Excluded sessions, and why.
    columns_left_out
        Columns of participants.tsv that did not go out.
    """

    folder: Path
    sessions: int
    subjects: int
    tables: int
    size_bytes: int
    simulated: bool
    dated: bool
    left_out: Mapping[str, str]
    columns_left_out: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "folder": str(self.folder),
            "sessions": self.sessions,
            "subjects": self.subjects,
            "tables": self.tables,
            "size_bytes": self.size_bytes,
            "simulated": self.simulated,
            "dated": self.dated,
            "left_out": dict(self.left_out),
            "columns_left_out": list(self.columns_left_out),
        }


def run(
    out: Path, *, study_folder: Path, options: BidsOptions | None = None, progress: Progress | None = None
) -> BidsSummary:
    """Write all sessions of a study that are not excluded as a BIDS data set.

    Raises
    ------
    StudyError
        There is no session to export, something is in the way, a participants' column is not there, or two
        conditions would become one task. Nothing has been written then.
    """
    options = options or BidsOptions()
    study = open_study(study_folder)
    headers = read_headers(study)
    kept = [header for header in headers if not header.is_excluded]
    if not kept:
        raise StudyError(f"{study_folder}: no session to export; ecgkit status shows what there is")
    tasks = _tasks(protocol_of(study), (header.tags.condition for header in kept), where=study_folder)
    about, columns_left_out = _about(study, kept, tasks, options)
    _check_target(out, force=options.force)
    with export_folder(out, replace=options.force) as part:
        dates, n_tables = _write_sessions(part, kept, tasks, options, progress or Silent())
        write_dataset_files(part, about, n_sessions=len(kept))
        size_bytes = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    return BidsSummary(
        folder=out,
        sessions=len(kept),
        subjects=len(about.participants),
        tables=n_tables,
        size_bytes=size_bytes,
        simulated=about.simulated,
        dated=bool(dates),
        left_out={h.tags.key: _reason(h) for h in headers if h.is_excluded},
        columns_left_out=columns_left_out,
    )


def _reason(header: SessionHeader) -> str:
    return "; ".join(exclusion.reason for exclusion in header.excluded)


def _tasks(protocol: Protocol, conditions: Iterable[str], *, where: Path) -> dict[str, Task]:
    """Return the task of each condition there is, in the protocol's order.

    Raises
    ------
    StudyError
        Two conditions differ by _ only, which BIDS does not allow in a label.
    """
    there = set(conditions)
    tasks: dict[str, Task] = {}
    for key in [
        *(key for key in protocol.conditions if key in there),
        *sorted(there - set(protocol.conditions)),
    ]:
        label = key.replace("_", "")
        same = [other.key for other in tasks.values() if other.label == label]
        if same:
            raise StudyError(
                f"{where}: conditions {same[0]!r} and {key!r} would both be task-{label}, since BIDS allows "
                "letters and digits only; name one of them differently (ecgkit retag)"
            )
        known = protocol.conditions.get(key)
        tasks[key] = Task(label, key, known.label if known else key, known.description if known else "")
    return tasks


def _about(
    study: Study, kept: Sequence[SessionHeader], tasks: Mapping[str, Task], options: BidsOptions
) -> tuple[About, tuple[str, ...]]:
    """Return what the data set is, and the columns of participants.tsv that do not go out.

    Raises
    ------
    StudyError
        A column that was asked for is not there.
    """
    known = read_participants(study)
    there = list(dict.fromkeys(column for values in known.values() for column in values))
    for column in options.columns:
        if column not in there:
            raise StudyError(f"{study.folder}: {unknown('column of participants.tsv', column, there)}")
    columns = tuple(column for column in there if column in COLUMNS or column in options.columns)
    subjects = sorted({header.tags.subject for header in kept})
    protocol = protocol_of(study)
    about = About(
        name=study.settings.name,
        protocol=protocol.title,
        source=protocol.source,
        tasks=tuple(tasks.values()),
        simulated=any(header.simulated for header in kept),
        columns=columns,
        participants={subject: known.get(subject, {}) for subject in subjects},
        authors=options.authors,
        license=options.license,
    )
    return about, tuple(column for column in there if column not in columns)


@dataclass(frozen=True, slots=True)
class _Work:
    session: Path
    folder: Path
    task: Task


def _write_one(work: _Work) -> tuple[tuple[Path, ...], datetime | None]:
    """Write one session; return its tables, and when it was recorded, where that was kept."""
    session = read_session(work.session)
    return write_session(work.folder, session, work.task), session.recording.start_time


def _write_sessions(
    part: Path,
    kept: Sequence[SessionHeader],
    tasks: Mapping[str, Task],
    options: BidsOptions,
    progress: Progress,
) -> tuple[dict[tuple[str, int], dict[Path, datetime]], int]:
    """Write the sessions; return the dates of the tables of each visit, and how many tables there are."""
    dates: dict[tuple[str, int], dict[Path, datetime]] = defaultdict(dict)
    n_tables = 0
    jobs = min(options.jobs or default_jobs(), -(-len(kept) // SESSIONS_PER_PROCESS))
    work = [_Work(header.path.absolute(), part.absolute(), tasks[header.tags.condition]) for header in kept]
    progress.start("export", len(kept))
    with workers(jobs) as executor:
        for header, (tables, start) in zip(kept, in_order(executor, _write_one, work), strict=True):
            n_tables += len(tables)
            if start is not None:
                dates[header.tags.subject, header.tags.visit] |= dict.fromkeys(tables, start)
            progress.advance("export", header.tags.key)
    for header in kept:
        who = header.tags.subject, header.tags.visit
        if who in dates:
            write_scans(part, dates[who], entities_of(header.tags, tasks[header.tags.condition]))
    return dict(dates), n_tables


def _check_target(out: Path, *, force: bool) -> None:
    """Refuse a place where something is, but for an earlier export as it was written, with `force`."""
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise StudyError(f"{out}: a file is in the way, expected a folder that is not there yet")
    if not any(out.iterdir()):
        return
    if not _is_own(out):
        raise StudyError(f"{out}: there is something here that ecgkit did not export; choose another folder")
    others = [file for file in _files(out) if not OWN_FILE.fullmatch(file)]
    if others:
        raise StudyError(
            f"{out}: an earlier export to which {others[0]!r} was added ({len(others)} such files), which "
            "would be lost; choose another folder, or move them away"
        )
    if not force:
        raise StudyError(f"{out}: an earlier export is here; --force replaces it")


def _is_own(folder: Path) -> bool:
    """Tell whether ecgkit exported a data set."""
    try:
        made_by = read_object(folder / DESCRIPTION_FILE).get("GeneratedBy")
    except ReadError:
        return False
    return isinstance(made_by, list) and any(
        isinstance(program, dict) and program.get("Name") == GENERATOR for program in made_by
    )


def _files(folder: Path) -> Iterator[str]:
    """Yield everything that is no folder, relative, links included."""
    for place, folders, files in os.walk(folder):
        names = [*files, *(name for name in folders if (Path(place) / name).is_symlink())]
        yield from sorted((Path(place) / name).relative_to(folder).as_posix() for name in names)
