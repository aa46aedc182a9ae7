"""Changes of a study: one process at a time, and put in place together or not at all.

What shall be new is written into ``.staged``; then ``.staged/list.json`` says what goes where, and from that
moment the change counts: whoever comes after a kill finishes it. Before it, nothing has happened.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgkit.errors import StudyError
from ecgkit.files import alone, flush, read_small_text, sync_folder, temporary_name, write_text, writing_in

if TYPE_CHECKING:
    from ecgkit.study.folder import Study

LOCK_FILE = ".lock"
STAGED_FOLDER = ".staged"
LIST_FILE = "list.json"
LOG_FILE = "changes.jsonl"
GONE = "gone-"  # what was removed lies in the staged folder under its name after this

WAIT_S = 60.0
READER_WAIT_S = 2.0  # renames take less; then it is shown as it stands
MAX_LIST_BYTES = 1 << 24
MAX_LOG_BYTES = 1 << 27

# what a change may put in place, and what else it may remove, as a path from the study's folder
FILES = re.compile(
    r"sessions/sub-[A-Za-z0-9_-]{1,200}\.h5"
    r"|participants\.tsv|labels\.tsv|study\.yaml|protocol\.yaml|changes\.jsonl|dataset\.h5"
)
REMOVABLE = re.compile(
    rf"{FILES.pattern}|status\.html|dataset\.md|reproduce|dataset\.[0-9a-f]{{12}}-[0-9]{{3}}\.h5"
    r"|runs/(\.unfinished-[0-9a-f]{16}|[^./\\:][^/\\:]{0,200})"
)


class Change:
    """What is to be new, and what is to go; none of it happens before the block of `changing` ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._staged = folder / STAGED_FOLDER
        self._put: dict[str, None] = {}
        self._removed: dict[str, None] = {}
        self._notes: list[str] = []

    def new(self, target: Path) -> Path:
        """Return where to write what shall lie at `target`, a file of the study; the name is the same.

        Raises
        ------
        StudyError
            It is no file that a study has, or a link leads out of the study.
        """
        name = _name(self._folder, target, FILES)
        self._staged.mkdir(exist_ok=True)
        self._put[name] = None
        self._removed.pop(name, None)
        return self._staged / target.name

    def text(self, target: Path, text: str) -> None:
        """Let a file of the study be this text, as UTF-8."""
        self.new(target).write_text(text, encoding="utf-8", newline="\n")

    def remove(self, target: Path) -> None:
        """Let a file of the study, or the folder of a run or of a reproduction, be gone if it is there."""
        name = _name(self._folder, target, REMOVABLE)
        self._removed[name] = None
        self._put.pop(name, None)

    def note(self, action: str, **facts: Any) -> None:
        """Add a line to the study's log, ``changes.jsonl``."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.note_again([{"at": now, "action": action, **facts}])

    def note_again(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Add entries of another study's log to this one's, as they are."""
        self._notes += [json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries]

    def put_in_place(self) -> None:
        """Do what was asked for."""
        if self._notes:
            log = self._folder / LOG_FILE
            now = self._staged / LOG_FILE if LOG_FILE in self._put else log
            self.text(log, _log_text(now) + "".join(self._notes))
        for name in self._put:
            (self._folder / name).parent.mkdir(exist_ok=True)
            flush(self._staged / Path(name).name)
        if len(self._put) == 1 and not self._removed:
            self._rename(*self._put)  # whole or not at all by itself
        elif self._put or self._removed:
            self._staged.mkdir(exist_ok=True)
            sync_folder(self._folder)
            content = {"put": [*self._put], "remove": [*self._removed]}
            write_text(self._staged / LIST_FILE, json.dumps(content, indent=1))
            _finish(self._folder, **content)

    def _rename(self, name: str) -> None:
        target = self._folder / name
        try:
            (self._staged / target.name).replace(target)
        except OSError as error:
            error.filename, error.filename2 = str(target), None
            raise
        sync_folder(target.parent)


@contextlib.contextmanager
def changing(study: Study, *, wait_s: float = WAIT_S) -> Iterator[Change]:
    """Change a study: have it alone for the block, then put in place what was asked for, all or nothing.

    What a killed process left is finished or cleared away first, so that the block sees a whole study. On
    any error in the block, an interrupt included, nothing has changed.

    Raises
    ------
    StudyError
        Another process works on the study for longer than `wait_s`, or what a killed one left can't be
        trusted.
    OSError
        The folder can't be written.

    Examples
    --------
    >>> import tempfile
    >>> from ecgkit.study.folder import create_study
    >>> study = create_study(Path(tempfile.mkdtemp()), protocol="dt4ecg")
    >>> with changing(study) as change:
    ...     change.text(study.folder / "participants.tsv", "participant_id\\n")
    ...     change.note("remove", session="sub-07_visit-1_cond-rest_take-1")
    >>> [entry["action"] for entry in read_log(study)]
    ['remove']
    """
    folder = study.folder
    with locked(folder, wait_s=wait_s), writing_in(folder):
        _recover(folder)
        change = Change(folder)
        try:
            yield change
            change.put_in_place()
        finally:
            if not os.path.lexists(folder / STAGED_FOLDER / LIST_FILE):
                _discard(folder)


@contextlib.contextmanager
def locked(folder: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Have a study's folder alone for the block.

    Raises
    ------
    StudyError
        Another process has it for longer than `wait_s`, or the disk knows no locks.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(alone(folder / LOCK_FILE, wait_s=wait_s))
        except TimeoutError as error:
            raise StudyError(
                f"{folder}: another ecgkit is working on this study (waited {wait_s:g} s); run the same "
                "command again when it is done"
            ) from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            raise StudyError(
                f"{folder}: files can't be locked on this disk ({error.strerror}), so two writers could not "
                "be kept apart; move the study to another disk"
            ) from error
        yield


def settle(folder: Path) -> None:
    """Finish what a killed process had begun to put in place, if any; readers call this first.

    A study that can't be written is left as it is: reading takes no lock.

    Raises
    ------
    StudyError
        What was left can't be trusted.
    """
    if os.path.lexists(folder / STAGED_FOLDER / LIST_FILE):
        with contextlib.suppress(OSError), alone(folder / LOCK_FILE, wait_s=READER_WAIT_S):
            _recover(folder)


def read_log(study: Study) -> list[dict[str, Any]]:
    """Return the entries of the study's log, the oldest first.

    Raises
    ------
    StudyError
        A line is no entry; the message names it.
    """
    path = study.folder / LOG_FILE
    entries = []
    for number, line in enumerate(_log_text(path).split("\n")[:-1], start=1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            raise StudyError(
                f"{path}, line {number}: expected a JSON object, got {line[:40]!r}; put the line right"
            )
        entries.append(entry)
    return entries


def _log_text(path: Path) -> str:
    """Return the log as it is, whole lines only."""
    if not os.path.lexists(path):
        return ""
    if path.is_symlink():
        raise StudyError(f"{path}: a link; put the study's log itself in its place")
    try:
        text = read_small_text(path, MAX_LOG_BYTES)
    except (ValueError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StudyError(f"{path}: can't be read as UTF-8 text ({why}); put it right") from error
    return text if text.endswith("\n") or not text else text + "\n"


def _name(folder: Path, target: Path, allowed: re.Pattern[str]) -> str:
    """Return a path from the study's folder; refuse what a change has no business with."""
    name = target.relative_to(folder).as_posix() if target.is_relative_to(folder) else str(target)
    if not allowed.fullmatch(name):
        raise StudyError(f"{target}: not a place in a study that ecgkit changes")
    if (parent := target.parent) != folder and os.path.lexists(parent):
        if parent.is_symlink() or not parent.is_dir():
            raise StudyError(f"{parent}: a link or a file, expected a folder of the study")
        if parent.stat().st_dev != folder.stat().st_dev or not os.access(parent, os.W_OK):
            raise StudyError(
                f"{parent}: on another disk than the study, or not writable; nothing was changed"
            )
    return name


def _recover(folder: Path) -> None:
    """Finish the change that a killed process left, or clear away one that had not begun to count."""
    staged = folder / STAGED_FOLDER
    if not os.path.lexists(staged):
        return
    if staged.is_symlink() or not staged.is_dir():
        raise StudyError(f"{staged}: a link or a file, which ecgkit does not make here; remove it")
    if os.path.lexists(staged / LIST_FILE):
        _finish(folder, **_read_list(folder))
    else:
        _discard(folder)


def _read_list(folder: Path) -> dict[str, list[str]]:
    """Read what a killed process was about to put in place and to remove, without trust."""
    path = folder / STAGED_FOLDER / LIST_FILE
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_LIST_BYTES:
            raise ValueError("not an ordinary file, or too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or set(content) != {"put", "remove"}:
            raise ValueError("expected lists to put and to remove")
        for key, allowed in (("put", FILES), ("remove", REMOVABLE)):
            if not isinstance(content[key], list) or not all(isinstance(name, str) for name in content[key]):
                raise ValueError(f"expected a list of names to {key}")
            for name in content[key]:
                _name(folder, folder / name, allowed)
                staged = folder / STAGED_FOLDER / Path(name).name
                if key == "put" and os.path.lexists(staged) and (staged.is_symlink() or not staged.is_file()):
                    raise ValueError(f"{staged.name} is a link or a folder")
    except (ValueError, RecursionError, StudyError) as error:
        raise StudyError(
            f"{path}: not what an interrupted change leaves ({error}). Look at the folder "
            f"{STAGED_FOLDER} and remove it"
        ) from error
    return content


def _finish(folder: Path, *, put: list[str], remove: list[str]) -> None:
    """Remove and rename what a list says; what is done already is passed over."""
    staged = folder / STAGED_FOLDER
    try:
        for name in remove:
            gone = staged / f"{GONE}{name.replace('/', '-')}"
            # looked for first: where case does not count, a file's new name may be the removed one
            if not os.path.lexists(gone) and os.path.lexists(folder / name):
                (folder / name).rename(gone)
        for name in put:
            (folder / name).parent.mkdir(exist_ok=True)
            if (staged / Path(name).name).exists():
                (staged / Path(name).name).replace(folder / name)
        for parent in {(folder / name).parent for name in (*put, *remove)}:
            if parent.exists():
                sync_folder(parent)
    except OSError as error:
        raise StudyError(
            f"{error.filename or folder}: can't be put in place ({error.strerror}). Close what has it open, "
            "or make it writable; the next ecgkit command on this study then finishes this change"
        ) from error
    _discard(folder)


def _discard(folder: Path) -> None:
    """Clear the staged folder away, from one moment to the next: a part of it must not be taken for all."""
    staged = folder / STAGED_FOLDER
    if staged.is_dir() and not staged.is_symlink():
        away = folder / temporary_name()
        staged.rename(away)
        shutil.rmtree(away, ignore_errors=True)
