"""`ecgkit status`: what a study holds, whether it is what the protocol asks for, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.dataset.read import open_dataset
from ecgkit.errors import DatasetError
from ecgkit.protocol.model import Protocol
from ecgkit.report.study import STATES, Point, State
from ecgkit.stages.staleness import stale
from ecgkit.stages.status_points import Seen, damaged_point, missing_point, session_points, worst_first
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.verdicts import judge_sessions
from ecgkit.study.folder import Study, open_study
from ecgkit.study.session_file import read_sound_headers


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
    points
        What to look at or to record again, the worst first.
    stale
        Why the data set should be built again, if it should.
    """

    study: Study
    protocol: Protocol
    rows: Mapping[tuple[str, int], Mapping[str, tuple[Seen, ...]]]
    missing: tuple[tuple[str, int, str], ...]
    points: tuple[Point, ...]
    dataset: Path | None
    stale: tuple[str, ...]
    n_runs: int

    @property
    def sessions(self) -> tuple[Seen, ...]:
        """All sessions, by subject, visit, condition and take."""
        return tuple(seen for row in self.rows.values() for cell in row.values() for seen in cell)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Keys of the columns."""
        return tuple(next(iter(self.rows.values()), self.protocol.conditions))

    @property
    def rows_to_see(self) -> tuple[tuple[str, int], ...]:
        """The rows in which there is something to look at, the worst first."""
        found: dict[tuple[str, int], set[State]] = {
            who: {seen.state for cell in row.values() for seen in cell} for who, row in self.rows.items()
        }
        for subject, visit, _ in self.missing:
            found[subject, visit].add("missing")
        rank = {state: i for i, state in enumerate(STATES)}
        worst = {
            who: min(rank[state] for state in states) for who, states in found.items() if states != {"ok"}
        }
        return tuple(sorted(worst, key=lambda who: (worst[who], who)))

    @property
    def summary(self) -> str:
        """How much there is, in one line."""
        counts = Counter(seen.state for seen in self.sessions)
        states = ", ".join(
            f"{counts[state]} {STATES[state][1]}" for state in reversed(STATES) if counts[state]
        )
        n_subjects = len({subject for subject, _ in self.rows})
        judged = f" ({states})" if states else ""
        who, what = (_counted(*n) for n in ((n_subjects, "subject"), (len(self.sessions), "session")))
        return f"{what} of {who}{judged}; {len(self.missing)} missing."

    @property
    def next_commands(self) -> tuple[str, ...]:
        """What to do next; none when all is done."""
        if not self.rows:
            return ("ecgkit ingest FILE --subject ID --condition KEY",)
        if self.dataset is None or self.stale:
            return ("ecgkit build-dataset",)
        return () if self.n_runs else ("ecgkit train",)

    def label(self, condition: str) -> str:
        """Return what people call a condition."""
        known = self.protocol.conditions
        return known[condition].label if condition in known else condition

    def as_json(self, *, page: Path | None = None) -> dict[str, Any]:
        """Return the status as plain values, with the page that was written of it."""
        return {
            "study": str(self.study.folder),
            "protocol": self.protocol.name,
            "conditions": list(self.protocol.conditions),
            "sessions": [seen.as_json() for seen in self.sessions],
            "missing": [
                {"subject": subject, "visit": visit, "condition": condition}
                for subject, visit, condition in self.missing
            ],
            "points": [
                {
                    "state": point.state,
                    "session": point.key or None,
                    "text": f"{point.who}: {point.text}",
                    "command": point.command or None,
                }
                for point in self.points
            ],
            "dataset_is_stale": bool(self.stale),
            "dataset": None if self.dataset is None else str(self.dataset),
            "runs": self.n_runs,
            "page": None if page is None else str(page),
        }


def run(study_folder: Path) -> Status:
    """Look at a study; reads no samples.

    Raises
    ------
    StudyError
        There is no study, or it can't be told what is in it.
    """
    study = open_study(study_folder)
    protocol = protocol_of(study)
    headers, damaged = read_sound_headers(study)
    verdicts = judge_sessions(protocol, headers)
    rows = _rows(protocol, [Seen(header, verdicts.get(header.tags.key)) for header in headers])
    missing = tuple(
        (*who, condition)
        for who, row in rows.items()
        for condition in protocol.conditions
        if not row[condition]
    )
    points = [
        *(point for row in rows.values() for point in session_points(protocol, row)),
        *(missing_point(protocol, *gap) for gap in missing),
        *(damaged_point(path, error) for path, error in damaged.items()),
    ]
    runs = list(study.runs_folder.glob("*/run.json")) if study.runs_folder.is_dir() else []
    return Status(
        study=study,
        protocol=protocol,
        rows=rows,
        missing=missing,
        points=worst_first(points),
        dataset=study.dataset_path if study.dataset_path.is_file() else None,
        stale=_stale(study.dataset_path),
        n_runs=len(runs),
    )


def _rows(protocol: Protocol, sessions: Sequence[Seen]) -> dict[tuple[str, int], dict[str, tuple[Seen, ...]]]:
    """Lay sessions out: a row for each visit of each subject, a column for each condition.

    A visit that at least half of the subjects had is expected of all.
    """
    tags = [seen.header.tags for seen in sessions]
    had = {(t.subject, t.visit) for t in tags}
    subjects = sorted({t.subject for t in tags})
    n_had = Counter(visit for _, visit in had)
    expected = {visit for visit, number in n_had.items() if 2 * number >= len(subjects)}
    others = sorted({t.condition for t in tags} - set(protocol.conditions))
    cells: dict[tuple[str, int, str], list[Seen]] = {}
    for seen, t in zip(sessions, tags, strict=True):
        cells.setdefault((t.subject, t.visit, t.condition), []).append(seen)
    return {
        (subject, visit): {
            condition: tuple(cells.get((subject, visit, condition), ()))
            for condition in (*protocol.conditions, *others)
        }
        for subject in subjects
        for visit in sorted(n_had)
        if visit in expected or (subject, visit) in had
    }


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def _stale(path: Path) -> tuple[str, ...]:
    """Say why the study's data set should be built again, if it should."""
    if not path.is_file():
        return ()
    try:
        return tuple(stale(open_dataset(path)))
    except DatasetError as error:
        return (str(error),)
