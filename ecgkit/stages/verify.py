"""`ecgkit verify`: whether a study is whole: every file, every hash, every reference."""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ecgkit.dataset.read import READERS, open_dataset
from ecgkit.dataset.schema import FORMAT, refused_labels
from ecgkit.dataset.shard_files import dataset_sha256
from ecgkit.dataset.shard_writing import unused_shards
from ecgkit.errors import DatasetError, EcgkitError, StudyError
from ecgkit.files import TEMPORARY_FILE
from ecgkit.h5 import open_h5
from ecgkit.progress import Progress, Silent
from ecgkit.stages.staleness import stale
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.study_sessions import check_new_subject, subjects_of
from ecgkit.stages.verification import Finding, findings_json, is_sound
from ecgkit.study.changing import LOG_FILE, STAGED_FOLDER, read_log, settle
from ecgkit.study.folder import (
    PARTICIPANTS_FILE,
    Study,
    describe_study,
    links_out,
    read_participants,
)
from ecgkit.study.labels import read_labels
from ecgkit.study.rules import look_alikes, overlap
from ecgkit.study.runs import RUN_CARD, read_card, run_folders
from ecgkit.study.session_file import (
    SessionHeader,
    content_sha256_of,
    read_header,
    read_observations,
    read_session,
)

PARTS = re.compile(r"\..+\.parts")  # what a build keeps its parts in, beside the data set
WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Verified:
    """What `ecgkit verify` looked at, and what it found."""

    study: Path
    n_sessions: int
    n_bytes: int
    dataset: bool
    n_runs: int
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return is_sound(self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "study": str(self.study),
            "sound": self.is_sound,
            "sessions": self.n_sessions,
            "bytes": self.n_bytes,
            "dataset": self.dataset,
            "runs": self.n_runs,
            "findings": findings_json(self.findings),
        }


def run(study_folder: Path, *, progress: Progress | None = None) -> Verified:
    """Read all of a study and check that it is what it says; nothing is changed.

    A change that a killed command had begun is finished first, where the study may be written.

    Raises
    ------
    StudyError
        There is no study here, or not of a known version.
    """
    study = describe_study(study_folder)
    findings = [*_tried(study, study.folder / STAGED_FOLDER, partial(settle, study.folder))]
    links = set(links_out(study))
    findings += [_fault(study, path, f"a link out of the study, to {path.resolve()}") for path in links]
    paths = [] if study.sessions_folder in links else [p for p in study.session_paths() if p not in links]
    headers, found = _sessions(study, paths, progress or Silent())
    findings += found
    findings += _identities(study, headers)
    findings += _references(study, headers)
    findings += _tried(study, study.folder / LOG_FILE, partial(read_log, study))
    sha256, found = _dataset(study)
    findings += found
    runs = run_folders(study)
    findings += itertools.chain.from_iterable(_run(study, path, sha256) for path in runs)
    findings += _other_files(study, known={*links, *paths})
    return Verified(
        study=study.folder,
        n_sessions=len(paths),
        n_bytes=sum(path.stat().st_size for path in paths),
        dataset=study.dataset_path.exists(),
        n_runs=len(runs),
        findings=tuple(findings),
    )


def _fault(study: Study, path: Path, text: str) -> Finding:
    return Finding("fault", _place(study, path), text)


def _remark(study: Study, path: Path, text: str) -> Finding:
    return Finding("remark", _place(study, path), text)


def _place(study: Study, path: Path) -> str:
    return path.relative_to(study.folder).as_posix() if path != study.folder else "."


def _tried(study: Study, path: Path, look: Callable[[], object]) -> Iterator[Finding]:
    """Yield a fault if looking at something fails."""
    try:
        look()
    except (EcgkitError, OSError) as error:
        yield _fault(study, path, str(error))


def _sessions(
    study: Study, paths: Sequence[Path], progress: Progress
) -> tuple[list[SessionHeader], list[Finding]]:
    """Read every session to its end; return the headers of those that can be, and what is wrong."""
    headers, findings = [], []
    progress.start("sessions", len(paths))
    for path in paths:
        try:
            header = read_header(path)
            headers.append(header)
            read_session(path)
            read_observations(path)
            if content_sha256_of(path) != header.content_sha256:
                findings.append(
                    _fault(
                        study, path, "its content is not what was written (content_sha256); put a copy back"
                    )
                )
        except (EcgkitError, OSError) as error:
            findings.append(_fault(study, path, str(error)))
        progress.advance("sessions", path.stem)
    return headers, findings


def _identities(study: Study, headers: Sequence[SessionHeader]) -> Iterator[Finding]:
    """Say which sessions are of the same stretch of one recording, and which ids may be one person."""
    by_file = defaultdict(list)
    for header in headers:
        by_file[header.sha256].append(header)
    for same in by_file.values():
        for one, other in itertools.combinations(same, 2):
            if overlap(one.span_s, other.span_s):
                text = f"of the same recording as {other.tags.key}, at the same time; remove one of them"
                yield _fault(study, one.path, text)
    for group in look_alikes(subjects_of(headers)):
        names = " and ".join(map(repr, group))
        yield _fault(
            study,
            study.sessions_folder,
            f"subjects {names} differ by case or leading zeros only; if they are one person: ecgkit retag "
            f"--all-of {group[1]} --subject {group[0]}",
        )


def _references(study: Study, headers: Sequence[SessionHeader]) -> Iterator[Finding]:
    """Compare the sessions' tags with participants.tsv, with labels.tsv and with the protocol."""
    subjects = subjects_of(headers)
    try:
        participants = read_participants(study).keys()
    except (EcgkitError, OSError) as error:
        yield _fault(study, study.folder, str(error))
    else:
        for subject in sorted(subjects - participants):
            yield _fault(
                study, study.folder / PARTICIPANTS_FILE, f"no row for subject {subject}, who has sessions"
            )
        for subject in sorted(participants - subjects):
            yield _remark(study, study.folder / PARTICIPANTS_FILE, f"subject {subject} has no session")
    yield from _tried(study, study.labels_path, partial(_labels, study, headers))
    try:
        rules = protocol_of(study)
    except (EcgkitError, OSError) as error:
        yield _fault(study, study.folder, str(error))
        return
    for header in headers:
        yield from _tried(study, header.path, partial(rules.condition, header.tags.condition))
    for subject in sorted(subjects):
        yield from _tried(study, study.sessions_folder, partial(check_new_subject, study, rules, subject))


def _labels(study: Study, headers: Sequence[SessionHeader]) -> None:
    """Read labels.tsv as a build of the data set does."""
    read_labels(study, (header.tags for header in headers), refused=refused_labels)


def _dataset(study: Study) -> tuple[str | None, list[Finding]]:
    """Return the data set's hash, None where there is none, and what is wrong with it."""
    path = study.dataset_path
    if not path.exists():
        return None, []
    try:
        data = open_dataset(path)
        with open_h5(path, file_format=FORMAT, versions=tuple(READERS), error=DatasetError) as file:
            found = dataset_sha256(file, data.windows)
        if found != data.sha256:
            text = (
                "its content is not what was written (content_sha256); build it again: ecgkit build-dataset"
            )
            return data.sha256, [_fault(study, path, text)]
    except (EcgkitError, OSError) as error:
        return None, [_fault(study, path, str(error))]
    try:
        return data.sha256, [_remark(study, path, sentence) for sentence in stale(data)]
    except StudyError:  # it is about the sessions, and was found there
        return data.sha256, []


def _run(study: Study, run: Path, dataset_sha256: str | None) -> Iterator[Finding]:
    """Say whether a run can be used, and whether the study's data set is the one that it was trained with."""
    if not any(run.iterdir()):
        yield _remark(study, run, "empty: the place of a training that is under way, or was ended")
        return
    try:
        trained_with = read_card(run)["dataset_sha256"]
    except (StudyError, KeyError) as error:
        text = f"{str(error).partition(': ')[2] or error}, so the run can't be used; remove the run's folder"
        yield _fault(study, run / RUN_CARD, text)
        return
    if not (run / WEIGHTS_FILE).is_file():
        yield _fault(study, run / WEIGHTS_FILE, "missing, so the run can't be used; remove the run's folder")
    if trained_with != dataset_sha256:
        yield _remark(study, run, "trained with another data set than the one that is there now")


def _other_files(study: Study, *, known: set[Path]) -> Iterator[Finding]:
    """Yield what else is in the folder that should be known: links, what killed commands left, strangers."""
    home, unused = study.folder.resolve(), unused_shards(study.dataset_path)
    for place, folders, files in os.walk(study.folder):
        for path in sorted(Path(place) / name for name in (*folders, *files)):
            if path in known:
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                yield _fault(study, path, f"a link out of the study, to {path.resolve()}")
            elif PARTS.fullmatch(path.name) and path.is_dir():
                yield _remark(study, path, "of a build that is running, or was interrupted: the next goes on")
            elif TEMPORARY_FILE.fullmatch(path.name) or path == study.folder / STAGED_FOLDER:
                yield _remark(study, path, "not finished: of a command that is running, or was killed")
            elif path in unused:
                yield _remark(
                    study, path, "of a data set that is not there any more: the next build removes it"
                )
            elif path.parent == study.sessions_folder:
                yield _remark(study, path, "not a session file; ecgkit does not look at it")
