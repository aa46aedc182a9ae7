"""What exporters are given, and what a format is: one module and one row of `ecgkit.exports.FORMATS` each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgkit.progress import Progress
from ecgkit.records import Session

BLOCK_BYTES = 1 << 24  # of windows that are handled at a time
TASK = "export"


class Windows(Protocol):
    """Windows (N, lead, T) float32: an array, or what is read from several files and indexed like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, lead, T)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | int, /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Content:
    """A data set, as exporters are given it. What has a value for each window may be mapped from a file.

    Attributes
    ----------
    name
        Of the study.
    windows
        (N, lead, T) float32; a few at a time, since they may be more than the memory has room for.
    labels
        Column -> codes of each row, (N,), -1 where it is not known, and the texts that they stand for.
    numbers
        Column -> (N,).
    lead_numbers
        Column -> (N, lead).
    leads
        Names of the leads.
    participants
        Column -> a text for each of the subjects that `labels` knows.
    roles
        ``scheme -> fold -> role of each row``: 0 unused, 1 train, 2 test, 3 validation.
    meanings
        Column -> what it is, in words.
    about
        All else, as plain values for JSON.
    card
        The data card, as Markdown.
    """

    name: str
    windows: Windows
    labels: Mapping[str, tuple[NDArray[Any], tuple[str, ...]]]
    numbers: Mapping[str, NDArray[Any]]
    lead_numbers: Mapping[str, NDArray[Any]]
    leads: tuple[str, ...]
    participants: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, Mapping[str, NDArray[np.uint8]]]
    meanings: Mapping[str, str]
    about: Mapping[str, Any]
    card: str

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield the rows of as many windows as are to be handled at a time, as (start, stop)."""
        at_once = max(1, BLOCK_BYTES // self.windows[0].nbytes)
        n_windows = len(self.windows)
        return ((start, min(start + at_once, n_windows)) for start in range(0, n_windows, at_once))

    def rows(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return rows of the table, labels as texts; where a window has several values, a column for each.

        A label that is not known is None. Columns of the file's own name are named by it; others
        ``scale_gain/LEAD``, ``participants/COLUMN``, ``splits/SCHEME/FOLD``.
        """
        columns: dict[str, NDArray[Any]] = {"row": np.arange(start, stop)}
        for name, (codes, texts) in self.labels.items():
            columns[name] = np.array([*texts, None], dtype=object)[codes[start:stop]]
        columns |= {name: values[start:stop] for name, values in self.numbers.items()}
        for name, values in self.lead_numbers.items():
            columns |= {f"{name}/{lead}": values[start:stop, at] for at, lead in enumerate(self.leads)}
        of_subject = self.labels["subject"][0][start:stop]
        for name, known in self.participants.items():
            columns[f"participants/{name}"] = np.array(known, dtype=object)[of_subject]
        for scheme, folds in self.roles.items():
            columns |= {f"splits/{scheme}/{fold}": roles[start:stop] for fold, roles in folds.items()}
        return columns

    def may_be_unknown(self, column: str) -> bool:
        """Tell whether a column of `rows` is None in some of them."""
        return column in self.labels and bool((self.labels[column][0] < 0).any())

    def meaning(self, column: str) -> str:
        """Say what a column of `rows` is."""
        name = column.partition("/")[0]
        return {
            "row": "row of the data set",
            "participants": "of the subject, as the study's table of participants has it",
            "splits": "0 unused, 1 training, 2 test, 3 validation",
        }.get(name, self.meanings.get(name, ""))


@dataclass(frozen=True, slots=True)
class StudySession:
    """A session, as exporters are given it, with the R peaks of its first lead in seconds."""

    session: Session
    beats_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a session.

    Attributes
    ----------
    files
        How many it is now.
    errors
        Channel -> the largest difference of a value from what it was, and its unit; none where it is 0.
    notes
        What else is not as it was, a sentence each.
    refused
        Why it was not written, "" if it was.
    """

    key: str
    files: int = 0
    errors: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class WindowFormat:
    """A format for data sets.

    Attributes
    ----------
    makes
        What is written: a file or a folder.
    write
        Writes a data set there; of a folder, into one that is empty.
    reads
        How it is read, for people; ``{out}`` is what was written.
    """

    makes: Literal["file", "folder"]
    write: Callable[[Path, Content, Progress], None]
    reads: str


@dataclass(frozen=True, slots=True)
class SessionFormat:
    """A format for the recordings of a study, as they were recorded.

    Attributes
    ----------
    write
        Writes a session into a folder.
    finish
        Writes what belongs to all of them, where there is such a thing.
    """

    write: Callable[[Path, StudySession], Written]
    reads: str
    finish: Callable[[Path], None] | None = None
