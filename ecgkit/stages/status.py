"""`ecgkit status`: what a study holds, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.dataset.read import open_dataset
from ecgkit.errors import DatasetError
from ecgkit.protocol.model import Protocol
from ecgkit.stages.staleness import stale
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.study.folder import Study, open_study
from ecgkit.study.session_file import SessionHeader, read_headers


@dataclass(frozen=True, slots=True)
class Status:
    """A study at a glance.

    Attributes
    ----------
    rows
        ``(subject, visit) -> condition -> sessions`` (takes) there; the protocol's conditions, then any
        others that sessions have.
    missing
        (subject, visit, condition) that the protocol has and the study has not.
    stale
        Why the data set should be built again, if it should.
    """

    study: Study
    protocol: Protocol
    rows: dict[tuple[str, int], dict[str, tuple[SessionHeader, ...]]]
    missing: tuple[tuple[str, int, str], ...]
    dataset: Path | None
    stale: tuple[str, ...]
    n_runs: int

    @property
    def sessions(self) -> tuple[SessionHeader, ...]:
        """All sessions, by subject, visit, condition and take."""
        return tuple(header for row in self.rows.values() for cell in row.values() for header in cell)

    def as_json(self) -> dict[str, Any]:
        """Return the status as plain values."""
        return {
            "study": str(self.study.folder),
            "protocol": self.protocol.name,
            "conditions": list(self.protocol.conditions),
            "sessions": [
                {
                    "session": header.tags.key,
                    "subject": header.tags.subject,
                    "condition": header.tags.condition,
                    "visit": header.tags.visit,
                    "take": header.tags.take,
                    "duration_s": header.duration_s,
                    "heart_rate_bpm": header.heart_rate_bpm,
                    "simulated": header.simulated,
                    "lost": list(header.lost),
                    "warnings": list(header.warnings),
                }
                for header in self.sessions
            ],
            "missing": [
                {"subject": subject, "visit": visit, "condition": condition}
                for subject, visit, condition in self.missing
            ],
            "dataset_is_stale": bool(self.stale),
            "dataset": None if self.dataset is None else str(self.dataset),
            "runs": self.n_runs,
        }


def run(study_folder: Path) -> Status:
    """Look at a study; reads no samples.

    Raises
    ------
    StudyError
        There is no study, or one of its files is damaged.
    """
    study = open_study(study_folder)
    protocol = protocol_of(study)
    headers = read_headers(study)
    subjects = sorted({header.tags.subject for header in headers})
    visits = sorted({header.tags.visit for header in headers})
    others = sorted({header.tags.condition for header in headers} - set(protocol.conditions))
    rows = {
        (subject, visit): {
            condition: tuple(
                header
                for header in headers
                if (header.tags.subject, header.tags.visit, header.tags.condition)
                == (subject, visit, condition)
            )
            for condition in (*protocol.conditions, *others)
        }
        for subject in subjects
        for visit in visits
    }
    missing = tuple(
        (*who, condition)
        for who, row in rows.items()
        for condition in protocol.conditions
        if not row[condition]
    )
    runs = list(study.runs_folder.glob("*/run.json")) if study.runs_folder.is_dir() else []
    return Status(
        study=study,
        protocol=protocol,
        rows=rows,
        missing=missing,
        dataset=study.dataset_path if study.dataset_path.is_file() else None,
        stale=_stale(study.dataset_path),
        n_runs=len(runs),
    )


def _stale(path: Path) -> tuple[str, ...]:
    """Say why the study's data set should be built again, if it should."""
    if not path.is_file():
        return ()
    try:
        return tuple(stale(open_dataset(path)))
    except DatasetError as error:
        return (str(error),)
