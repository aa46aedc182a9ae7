"""The study folder: making, finding and opening it, and its table of participants."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from ecgkit.errors import ConfigError, StudyError
from ecgkit.files import read_small_text, write_text
from ecgkit.settings import Settings, checked, read_yaml
from ecgkit.study.changing import locked, settle

FORMAT_VERSION = "1.0"
STUDY_FILE = "study.yaml"
PROTOCOL_FILE = "protocol.yaml"  # a protocol of the study's own lies in it
DEFAULT_FOLDER = Path("study")
NOT_KNOWN = "n/a"
PARTICIPANTS_FILE = "participants.tsv"
LABELS_FILE = "labels.tsv"
IDENTITY = "participant_id"
MOST_TABLE_BYTES, MOST_COLUMNS = 10_000_000, 1000
COLUMNS = ("age", "sex", "handedness")  # of a new table, as BIDS names them


class StudyFile(Settings):
    """What ``study.yaml`` may say."""

    format_version: str
    name: Annotated[str, Field(min_length=1, max_length=200)]
    protocol: Annotated[str, Field(min_length=1, max_length=200)]
    mains_hz: Annotated[float, Field(ge=40, le=70)] | None = None
    pseudonym_key: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None  # its fingerprint

    @field_validator("name", "protocol")
    @classmethod
    def _is_printable(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("expected text without control characters")
        return text

    @field_validator("protocol")
    @classmethod
    def _lies_in_the_study(cls, name: str) -> str:
        if "/" in name or "\\" in name:
            raise ValueError("expected a shipped protocol's name, or a file in the study's own folder")
        return name


@dataclass(frozen=True, slots=True)
class Study:
    """An opened study folder."""

    folder: Path
    settings: StudyFile

    @property
    def protocol(self) -> str:
        """The protocol's name, or the path of its file, which ``study.yaml`` gives from its own folder."""
        name = self.settings.protocol
        return str(self.folder / name) if name.endswith((".yaml", ".yml")) else name

    @property
    def sessions_folder(self) -> Path:
        """Where the session files lie."""
        return self.folder / "sessions"

    @property
    def dataset_path(self) -> Path:
        """Where `ecgkit build-dataset` puts the data set unless told otherwise."""
        return self.folder / "dataset.h5"

    @property
    def labels_path(self) -> Path:
        """Where labels of the lab's own lie, if it has any."""
        return self.folder / LABELS_FILE

    @property
    def page_path(self) -> Path:
        """Where `ecgkit status --html` puts its page unless told otherwise."""
        return self.folder / "status.html"

    @property
    def runs_folder(self) -> Path:
        """Where `ecgkit train` puts its runs unless told otherwise."""
        return self.folder / "runs"

    def session_paths(self) -> tuple[Path, ...]:
        """Return the session files, sorted by name."""
        if not self.sessions_folder.exists():
            return ()
        return tuple(sorted(path for path in self.sessions_folder.iterdir() if path.match("sub-*.h5")))


def find_study(folder: Path | None = None) -> Path:
    """Return the study's folder: the one given, else the nearest ``study.yaml`` upwards, else ./study.

    Raises
    ------
    StudyError
        The working directory does not exist any more.
    """
    if folder is not None:
        return folder
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise StudyError(
            "the folder that you are in was removed, so no study can be looked for from here; change to "
            "another folder"
        ) from error
    for candidate in (here, *here.parents):
        if (candidate / STUDY_FILE).is_file():
            return candidate
    return DEFAULT_FOLDER


def open_study(folder: Path | str) -> Study:
    """Open a study folder.

    Raises
    ------
    StudyError
        There is no study here, it is of another format version, or its sessions lie outside of it.
    """
    study = describe_study(Path(folder))
    settle(study.folder)
    for path in links_out(study):
        raise StudyError(
            f"{path}: a link to {path.resolve()}, out of the study; put the folder or the file itself in its "
            "place"
        )
    return study


def describe_study(folder: Path) -> Study:
    """Return what a study says of itself, without a look at its sessions.

    Raises
    ------
    StudyError
        There is no study here, or it is of another format version.
    """
    path = folder / STUDY_FILE
    if is_study(folder) and not path.is_file():
        raise StudyError(f"{path}: a folder, or a link to nowhere; expected a file. Put it back in its place")
    if not path.is_file():
        raise StudyError(
            f"{folder}: no study here ({STUDY_FILE} is missing). Make one by ingesting a first recording: "
            "ecgkit ingest FILE --subject ID --condition KEY, or name the folder with --study"
        )
    try:
        content = read_yaml(path)
        version = content.get("format_version")
        if version != FORMAT_VERSION:
            raise StudyError(
                f"{path}: study format version {version!r}, this ecgkit reads {FORMAT_VERSION!r}. Use the "
                "ecgkit that made it"
            )
        return Study(folder, checked(StudyFile, content, where=str(path)))
    except ConfigError as error:
        raise StudyError(str(error)) from error


def links_out(study: Study) -> Iterator[Path]:
    """Yield what makes the study, its sessions included, where it is a link out of the study."""
    named = (
        STUDY_FILE,
        PROTOCOL_FILE,
        study.settings.protocol,
        PARTICIPANTS_FILE,
        LABELS_FILE,
        study.sessions_folder.name,
    )
    for path in (*(study.folder / name for name in named), *study.session_paths()):
        if leads_out(study, path):
            yield path


def leads_out(study: Study, path: Path) -> bool:
    """Tell whether something of a study is a link out of it."""
    return path.is_symlink() and not path.resolve().is_relative_to(study.folder.resolve())


def is_study(folder: Path) -> bool:
    """Tell whether a folder holds a study, sound or not; a link to a disk that is not there counts too."""
    return os.path.lexists(folder / STUDY_FILE)


def create_study(folder: Path, *, protocol: str | Path) -> Study:
    """Make an empty study, named as its folder; one that is there already is opened.

    Parameters
    ----------
    protocol
        The name of a shipped protocol, or the file of one's own, which is copied into the study.
    """
    if is_study(folder):
        return open_study(folder)
    study, texts = new_study(folder, protocol=protocol)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):  # another process may be making it
        if is_study(folder):
            return open_study(folder)
        for path, text in texts.items():
            write_text(path, text)
    return study


def new_study(
    folder: Path, *, protocol: str | Path, pseudonym_key: str | None = None
) -> tuple[Study, dict[Path, str]]:
    """Return the study that a folder can become, named as it, and the files that make it one.

    Parameters
    ----------
    protocol
        The name of a shipped protocol, or the file of one's own, which is copied into the study.
    pseudonym_key
        Fingerprint of the key that ids of its subjects are made with.

    Raises
    ------
    StudyError
        A file is in the way, or another protocol.
    """
    import yaml

    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder}: a file is in the way, expected a folder")
    texts = {}
    if isinstance(protocol, Path):
        text, copy = protocol.read_text(encoding="utf-8"), folder / PROTOCOL_FILE
        if copy.exists() and copy.read_text(encoding="utf-8") != text:
            raise StudyError(
                f"{copy}: another protocol is in the way; move it, or choose another study folder"
            )
        texts[copy] = text
        protocol = PROTOCOL_FILE
    name = "".join(filter(str.isprintable, folder.resolve().name)) or "study"
    settings = StudyFile(
        format_version=FORMAT_VERSION, name=name, protocol=protocol, pseudonym_key=pseudonym_key
    )
    texts[folder / STUDY_FILE] = yaml.safe_dump(settings.model_dump(exclude_none=True), sort_keys=False)
    return Study(folder, settings), texts


def read_participants(study: Study) -> dict[str, dict[str, str]]:
    """Read participants.tsv: subject id -> its further columns (age, sex, …), empty where n/a.

    Raises
    ------
    StudyError
        It is no such table; the message names the line.
    """
    columns, *rows = read_table(study)
    return {
        row[0].removeprefix("sub-"): {
            column: "" if value == NOT_KNOWN else value
            for column, value in zip(columns[1:], row[1:], strict=True)
        }
        for row in rows
    }


def table_text(columns: list[str], rows: Iterable[list[str]]) -> str:
    """Return participants.tsv as text, its rows sorted."""
    return "".join("\t".join(row) + "\n" for row in (columns, *sorted(rows)))


def read_table(study: Study) -> list[list[str]]:
    """Return the cells of participants.tsv, column names first; BIDS knows no quotes in it."""
    path = study.folder / PARTICIPANTS_FILE
    if not path.exists():
        return [[IDENTITY, *COLUMNS]]
    if leads_out(study, path):
        raise StudyError(f"{path}: a link out of the study; put the table itself in its place")
    try:
        text = read_small_text(path, MOST_TABLE_BYTES)
    except (ValueError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StudyError(f"{path}: can't be read as UTF-8 text ({why}); save it so, with tabs") from error
    lines = {number: line for number, line in enumerate(text.split("\n"), start=1) if line.strip()}
    table = [line.split("\t") for line in lines.values()] or [[IDENTITY]]
    known: set[str] = set()
    for number, row in zip(lines, table, strict=False):
        if fault := _fault(row, table[0], known):
            raise StudyError(f"{path}, line {number}: {fault}; got {row[:4]}")
        known.add(row[0].removeprefix("sub-"))
    return table


def _fault(row: list[str], columns: list[str], known: set[str]) -> str:
    """Say what is wrong with a row of participants.tsv, "" if nothing is."""
    if row is columns:
        if len(columns) > MOST_COLUMNS:
            return f"{len(columns)} columns, expected at most {MOST_COLUMNS}"
        named = all(column.strip(".") and "/" not in column for column in columns)  # they name HDF5 objects
        if columns[0] != IDENTITY or len(set(columns)) < len(columns) or not named:
            return f"expected column names, each once and without a slash, {IDENTITY} first, tabs between"
    elif len(row) != len(columns) or not row[0] or "\0" in "".join(row):
        return f"expected {IDENTITY} and one value a column, separated by tabs"
    elif row[0].removeprefix("sub-") in known:
        return f"participant {row[0]!r} for the second time, expected each once"
    return ""
