"""`ecgkit remove --erase`: a subject who withdraws leaves no trace in a study but that somebody did."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ecgkit.dataset.card import card_path
from ecgkit.dataset.read import open_dataset
from ecgkit.dataset.schema import refused_labels
from ecgkit.dataset.shard_writing import shard_paths
from ecgkit.errors import ConfigError, DatasetError, StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.files import TEMPORARY_FILE
from ecgkit.stages.study_sessions import KEY_SUBJECT, put_session
from ecgkit.stages.under_way import clear_half_written, no_build, no_training, parts_folders, parts_in
from ecgkit.study.changing import LOG_FILE, STAGED_FOLDER, Change, changing, read_log
from ecgkit.study.folder import PARTICIPANTS_FILE, Study, open_study, read_table, table_text
from ecgkit.study.labels import LabelTable, labels_text, read_label_table
from ecgkit.study.runs import REPRODUCTION, read_card, reproduction_folder, run_folders, unfinished_trainings
from ecgkit.study.session_file import SessionHeader, read_observations, read_session, read_sound_headers

SHA256 = re.compile(r"[0-9a-f]{64}")
AT_ONCE = 1 << 24
OVERLAP = 256  # longer than an id or a hash


@dataclass(frozen=True, slots=True)
class Erasure:
    """What goes when a subject is erased, and what is left to the user.

    Attributes
    ----------
    sessions
        Keys of the sessions.
    participant
        Whether participants.tsv has a row.
    labels
        How many rows of labels.tsv are about the subject.
    log_entries
        How many lines of the log go or lose what tells of the subject.
    dataset
        Whether the data set goes, shards and all: it holds the subject, or can't be read.
    page
        Whether the page of `ecgkit status --html` goes: it shows everybody.
    parts
        Folders in which interrupted builds left sessions' windows, which may be anybody's; they go.
    runs
        The runs that were trained with the subject, or speak of it.
    trainings
        Folders in ``runs/`` that interrupted trainings left; they don't say whom they are trained with, and
        go, all of them.
    reproduce
        Whether ``reproduce/`` goes: it has the outputs for everybody's windows.
    reasons
        Keys of others' sessions whose exclusions name the subject; the name is taken out of the reasons.
    others
        Files in the folder that are not ecgkit's and speak of the subject; they are left as they are. So is a
        ``reproduce/`` that is a link, whose results lie elsewhere.
    done
        Whether it was done, and not only asked about.
    """

    study: Path
    subject: str
    sessions: tuple[str, ...]
    participant: bool
    labels: int
    log_entries: int
    dataset: bool
    page: bool
    parts: tuple[str, ...]
    runs: tuple[str, ...]
    trainings: tuple[str, ...]
    reproduce: bool
    reasons: tuple[str, ...]
    others: tuple[str, ...]
    done: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        names = [field.name for field in fields(self) if field.name not in ("study", "subject")]
        return {"study": str(self.study), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, slots=True)
class _Trace:
    """What tells of a subject: the id, and hashes of files that were recorded of nobody else."""

    subject: str
    hashes: frozenset[str]

    @property
    def named(self) -> re.Pattern[str]:
        """The id as a word of its own."""
        return re.compile(rf"(?<![A-Za-z0-9]){re.escape(self.subject)}(?![A-Za-z0-9])")

    @property
    def surely(self) -> re.Pattern[bytes]:
        """What can't stand in a file by chance, as the number 07 can: sub-ID, or a hash."""
        words = [rf"sub-{self.subject}(?![A-Za-z0-9])", *sorted(self.hashes)]
        return re.compile("|".join(words).encode())


def plan(study_folder: Path, subject: str) -> Erasure:
    """Say what would go; nothing is changed, but what killed commands left half-written goes at once.

    Raises
    ------
    StudyError
        The study has nothing of this subject.
    """
    study = open_study(study_folder)
    clear_half_written(study)
    headers, damaged = read_sound_headers(study)
    return _plan(study, headers, _named(damaged, subject), subject)


def run(study_folder: Path, subject: str) -> Erasure:
    """Erase a subject from a study: sessions, row, log, data set, runs, and what killed commands left.

    Raises
    ------
    StudyError
        The study has nothing of this subject, or a data set is being built or a run trained in its folder;
        nothing has changed then.
    """
    study = open_study(study_folder)
    clear_half_written(study)
    # the trainings' locks go first: a folder with an open file can't be moved on Windows
    with no_build(study) as parts, changing(study) as change, no_training(study) as trainings:
        study = open_study(study_folder)
        headers, damaged = read_sound_headers(study)
        own = _named(damaged, subject)
        found = _plan(study, headers, own, subject)
        for path in own:
            change.remove(path)
        trace = _trace(study, headers, subject)
        for header in headers:
            if header.tags.subject == subject:
                change.remove(header.path)
            elif header.tags.key in found.reasons:
                _put_without_name(change, study, header, trace)
        _erase_texts(change, study, trace)
        for path in (*_made_of_sessions(study, found), *trainings):
            change.remove(path)
        change.note("erase", sessions=len(found.sessions))
        for path in parts:  # before the change counts: afterwards nobody would look for them again
            path.unlink()
    return replace(found, done=True)


def _made_of_sessions(study: Study, found: Erasure) -> Iterator[Path]:
    """Yield what ecgkit made of the sessions and goes: data set, page, runs, reproduction."""
    if found.dataset:
        yield study.dataset_path
        yield card_path(study.dataset_path)
    yield from _shards_to_go(study, all_of_them=found.dataset)
    if found.page:
        yield study.page_path
    for name in found.runs:
        yield study.runs_folder / name
    if (folder := reproduction_folder(study)) is not None:
        yield folder


def _named(damaged: Iterable[Path], subject: str) -> tuple[Path, ...]:
    """Return the session files that can't be read and are the subject's by their names."""
    return tuple(path for path in damaged if path.name.startswith(f"sub-{subject}_"))


def _plan(study: Study, headers: Sequence[SessionHeader], damaged: Sequence[Path], subject: str) -> Erasure:
    trace = _trace(study, headers, subject)
    before, others = read_log(study), [header for header in headers if header.tags.subject != subject]
    found = Erasure(
        study=study.folder,
        subject=subject,
        sessions=(
            *(header.tags.key for header in headers if header.tags.subject == subject),
            *(path.stem for path in damaged),
        ),
        participant=any(_is_of(row, subject) for row in read_table(study)),
        labels=sum(row.subject == subject for row in table.rows) if (table := _labels(study)) else 0,
        log_entries=sum(_without(entry, trace) != entry for entry in before),
        dataset=_holds(study.dataset_path, trace),
        page=study.page_path.is_file(),
        parts=tuple(_inside(study, folder) for folder in parts_folders(study) if any(parts_in(folder))),
        runs=tuple(path.name for path in run_folders(study) if _speaks(path, trace)),
        trainings=tuple(path.name for path in unfinished_trainings(study)),
        reproduce=reproduction_folder(study) is not None,
        reasons=tuple(h.tags.key for h in others if any(trace.named.search(e.reason) for e in h.excluded)),
        others=tuple(_inside(study, path) for path in _foreign(study, trace)),
    )
    if not (found.sessions or found.participant or found.labels or found.log_entries or found.runs):
        raise StudyError(
            f"{study.folder}: nothing of subject {subject!r} in this study; ecgkit status shows who is there"
        )
    return found


def _inside(study: Study, path: Path) -> str:
    return path.relative_to(study.folder).as_posix()


def _trace(study: Study, headers: Sequence[SessionHeader], subject: str) -> _Trace:
    """Find the hashes that are the subject's: of sessions there are, or by the log's last word on them."""
    owner: dict[str, str] = {}
    for entry in read_log(study):
        keys = [who for text in _texts(entry) for who in KEY_SUBJECT.findall(text)]
        if keys:
            owner |= dict.fromkeys((text for text in _texts(entry) if SHA256.fullmatch(text)), keys[-1])
    owner |= {header.sha256: header.tags.subject for header in headers}
    own = {sha256 for sha256, who in owner.items() if who == subject}
    own -= {header.sha256 for header in headers if header.tags.subject != subject}
    own |= {header.content_sha256 for header in headers if header.tags.subject == subject}
    return _Trace(subject, frozenset(own))


def _texts(content: Any) -> Iterator[str]:
    """Yield every text in a JSON value, in its order."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for item in content:
            yield from _texts(item)
    elif isinstance(content, dict):
        for item in content.values():
            yield from _texts(item)


def _without(entry: dict[str, Any], trace: _Trace) -> dict[str, Any] | None:
    """Return a log entry without what tells of the subject, None if all of it does.

    An entry about somebody else's session, which had the wrong tags once, stays and loses these.
    """
    hashes = {text for text in _texts(entry) if SHA256.fullmatch(text)}
    named = {name for name, value in entry.items() if _names(name, value, trace)}
    if hashes & trace.hashes or (named and not hashes):
        return None
    return {name: None if name in named else value for name, value in entry.items()}


def _names(fact: str, value: Any, trace: _Trace) -> bool:
    """Tell whether a fact of a log entry names the subject, as a session's key or in words."""
    if fact in ("at", "action"):
        return False
    return any(
        key[1] == trace.subject if (key := KEY_SUBJECT.match(text)) else bool(trace.named.search(text))
        for text in _texts(value)
    )


def _erase_texts(change: Change, study: Study, trace: _Trace) -> None:
    """Stage the log, participants.tsv and labels.tsv without the subject, each only if it tells of it."""
    before = read_log(study)
    after = [entry for entry in (_without(entry, trace) for entry in before) if entry is not None]
    if after != before:
        lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in after)
        change.text(study.folder / LOG_FILE, "".join(lines))
    columns, *rows = read_table(study)
    kept = [row for row in rows if not _is_of(row, trace.subject)]
    if kept != rows:
        change.text(study.folder / PARTICIPANTS_FILE, table_text(columns, kept))
    labels = _labels(study)
    if labels is not None and (rest := _without_rows(labels, trace)) != labels:
        change.text(study.labels_path, labels_text(rest))


def _labels(study: Study) -> LabelTable | None:
    """Return the lab's own labels, None where there are none or they can't be read."""
    try:
        return read_label_table(study, refused=refused_labels)
    except ConfigError:
        return None


def _without_rows(labels: LabelTable, trace: _Trace) -> LabelTable:
    return replace(labels, rows=tuple(row for row in labels.rows if row.subject != trace.subject))


def _is_of(row: Sequence[str], subject: str) -> bool:
    return row[0].removeprefix("sub-") == subject


def _put_without_name(change: Change, study: Study, header: SessionHeader, trace: _Trace) -> None:
    """Stage somebody else's session with the name taken out of the reasons of its exclusions."""
    excluded = tuple(
        Exclusion(item.start_s, item.stop_s, trace.named.sub("…", item.reason)) for item in header.excluded
    )
    session = replace(read_session(header.path), excluded=excluded)
    put_session(change, study, session, read_observations(header.path))


def _holds(path: Path, trace: _Trace) -> bool:
    """Tell whether a data set holds the subject; one that can't be read may."""
    if not path.exists():
        return False
    try:
        data = open_dataset(path)
    except DatasetError:
        return True
    return trace.subject in data.subjects or _contains(path, trace.surely)


def _shards_to_go(study: Study, *, all_of_them: bool) -> list[Path]:
    """Return the data set's shards, or those that an older one left: they may hold anybody's windows."""
    kept = () if all_of_them or not study.dataset_path.exists() else open_dataset(study.dataset_path).files
    return [path for path in shard_paths(study.dataset_path) if path.name not in {one.name for one in kept}]


def _speaks(run: Path, trace: _Trace) -> bool:
    """Tell whether a run was trained with the subject, or a file of it speaks of the subject.

    Without a card that says whom it was trained with, any word that is the id counts.
    """
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and not path.is_symlink()]
    try:
        known = trace.subject in read_card(run)["subject_labels"]
    except (StudyError, KeyError, TypeError):
        known = any(_contains(path, re.compile(trace.named.pattern.encode())) for path in files)
    return known or any(_contains(path, trace.surely) for path in files)


def _foreign(study: Study, trace: _Trace) -> Iterator[Path]:
    """Yield files in the folder that are not ecgkit's, and whose name or content speaks of the subject.

    A labels.tsv that can't be read, or that speaks of the subject in others' rows, is among them; so is a
    reproduction that lies elsewhere, behind a link.
    """
    own = {study.folder / LOG_FILE, study.folder / PARTICIPANTS_FILE, study.dataset_path, study.page_path}
    own |= {card_path(study.dataset_path), *shard_paths(study.dataset_path), *study.session_paths()}
    labels = _labels(study)
    if labels is not None and not trace.surely.search(labels_text(_without_rows(labels, trace)).encode()):
        own.add(study.labels_path)
    if (linked := study.folder / REPRODUCTION).is_symlink():
        yield linked
    for path in sorted(study.folder.rglob("*")):
        inside = path.relative_to(study.folder).parts
        if path in own or path.is_symlink() or not path.is_file():
            continue
        goes = (inside[0] == study.runs_folder.name and len(inside) > 2) or inside[0] == REPRODUCTION
        if goes or any(part == STAGED_FOLDER or TEMPORARY_FILE.fullmatch(part) for part in inside):
            continue
        unreadable = path == study.labels_path and labels is None
        if unreadable or trace.surely.search(path.name.encode()) or _contains(path, trace.surely):
            yield path
            yield from shard_paths(path)  # if it is a data set, its windows; no name stands in these


def _contains(path: Path, wanted: re.Pattern[bytes]) -> bool:
    """Look for bytes in a file of any size."""
    with path.open("rb") as file:
        tail = b""
        while chunk := file.read(AT_ONCE):
            if wanted.search(tail + chunk):
                return True
            tail = chunk[-OVERLAP:]
    return False
