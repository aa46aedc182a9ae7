"""The study folder: making, finding and opening it, and its table of participants."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ecgkit.errors import ConfigError, StudyError
from ecgkit.files import write_text
from ecgkit.settings import Settings, checked, read_yaml

FORMAT_VERSION = "1.0"
STUDY_FILE = "study.yaml"
DEFAULT_FOLDER = Path("study")
NOT_KNOWN = "n/a"


class StudyFile(Settings):
    """What ``study.yaml`` may say."""

    format_version: str
    name: Annotated[str, Field(min_length=1)]
    protocol: Annotated[str, Field(min_length=1)]
    mains_hz: Annotated[float, Field(ge=40, le=70)] | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """An opened study folder."""

    folder: Path
    settings: StudyFile

    @property
    def sessions_folder(self) -> Path:
        """Where the session files lie."""
        return self.folder / "sessions"

    @property
    def dataset_path(self) -> Path:
        """Where `ecgkit build-dataset` puts the data set unless told otherwise."""
        return self.folder / "dataset.h5"

    @property
    def runs_folder(self) -> Path:
        """Where `ecgkit train` puts its runs unless told otherwise."""
        return self.folder / "runs"

    def session_paths(self) -> tuple[Path, ...]:
        """Return the session files, sorted by name."""
        return tuple(sorted(self.sessions_folder.glob("sub-*.h5")))


def find_study(folder: Path | None = None) -> Path:
    """Return the study's folder: the one given, else the nearest ``study.yaml`` upwards, else ./study."""
    if folder is not None:
        return folder
    here = Path.cwd()
    for candidate in (here, *here.parents):
        if (candidate / STUDY_FILE).is_file():
            return candidate
    return DEFAULT_FOLDER


def open_study(folder: Path | str) -> Study:
    """Open a study folder.

    Raises
    ------
    StudyError
        There is no study here, or it is of another format version.
    """
    folder = Path(folder)
    path = folder / STUDY_FILE
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


def create_study(folder: Path, *, protocol: str) -> Study:
    """Make an empty study, named as its folder; one that is there already is opened."""
    if (folder / STUDY_FILE).exists():
        return open_study(folder)
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder}: a file is in the way, expected a folder")
    import yaml

    settings = StudyFile(format_version=FORMAT_VERSION, name=folder.resolve().name, protocol=protocol)
    write_text(folder / STUDY_FILE, yaml.safe_dump(settings.model_dump(exclude_none=True), sort_keys=False))
    return Study(folder, settings)


def read_participants(study: Study) -> dict[str, dict[str, str]]:
    """Read participants.tsv: subject id -> its further columns (age, sex, …), empty where n/a."""
    path = study.folder / "participants.tsv"
    if not path.exists():
        return {}
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"{path}: not a tab-separated UTF-8 table ({error})") from error
    participants = {}
    for number, row in enumerate(rows, start=2):
        identity = row.pop("participant_id", None)
        if not identity or None in row or None in row.values():
            raise StudyError(
                f"{path}, line {number}: expected participant_id and one value a column, separated by tabs"
            )
        participants[identity.removeprefix("sub-")] = {k: "" if v == NOT_KNOWN else v for k, v in row.items()}
    return participants


def add_participant(study: Study, subject: str) -> None:
    """Add a subject to participants.tsv, if not in it yet; columns and rows of yours are kept."""
    participants = read_participants(study)
    if subject in participants:
        return
    participants[subject] = {}
    columns = list(dict.fromkeys(["age", "sex", *(name for row in participants.values() for name in row)]))
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(["participant_id", *columns])
    for name, row in sorted(participants.items()):
        table.writerow([f"sub-{name}", *(row.get(column) or NOT_KNOWN for column in columns)])
    write_text(study.folder / "participants.tsv", text.getvalue())
