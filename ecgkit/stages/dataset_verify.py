"""`ecgkit dataset verify`: whether a data set holds what it says, to the last sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.config import SplitConfig
from ecgkit.dataset.read import READERS, Dataset, open_dataset
from ecgkit.dataset.schema import CODED_COLUMNS, FORMAT, HASH, OWN_LABELS, WINDOWS
from ecgkit.dataset.shard_files import dataset_sha256
from ecgkit.dataset.shards import stored_windows
from ecgkit.dataset.stored import read_blocks
from ecgkit.dataset.untrusted import blocks, open_source, refuse_tricks
from ecgkit.errors import ConfigError, DatasetError, EcgkitError, SplitError, StudyError
from ecgkit.h5 import open_h5
from ecgkit.progress import Progress, Silent
from ecgkit.records import Tags
from ecgkit.settings import checked
from ecgkit.splits import SCHEMES, find_scheme
from ecgkit.splits.claims import broken_claims
from ecgkit.splits.leakage import find_leaks_of_folds
from ecgkit.splits.scheme import Folds, SplitSettings
from ecgkit.stages.dataset_shards import spoiled_shards
from ecgkit.stages.staleness import stale
from ecgkit.stages.verification import Finding, findings_json, is_sound

SECONDS = 1e-6  # far below a sample
TASK = "verify"
STEPS = ("content", "windows", "table", "splits", "study")


@dataclass(frozen=True, slots=True)
class VerifiedDataset:
    """What `ecgkit dataset verify` looked at, and what it found."""

    path: Path
    n_windows: int
    sha256: str
    simulated: bool
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return is_sound(self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "dataset": str(self.path),
            "sound": self.is_sound,
            "windows": self.n_windows,
            "content_sha256": self.sha256,
            "simulated": self.simulated,
            "findings": findings_json(self.findings),
        }


def run(path: Path, *, progress: Progress | None = None) -> VerifiedDataset:
    """Read all of a data set and hold it against what it says, what its splits claim, and its study.

    Raises
    ------
    DatasetError
        There is no data set here.
    """
    progress = progress or Silent()
    if not path.exists():
        open_dataset(path)  # says so
    try:
        data = open_dataset(path)
    except EcgkitError as error:
        return VerifiedDataset(path, 0, "", False, (_fault("/", str(error)),))
    progress.start(TASK, len(STEPS))
    findings: list[Finding] = []
    for step, look in zip(STEPS, (_content, _windows, _table, _splits, _study), strict=True):
        findings += look(data)
        progress.advance(TASK, step)
    return VerifiedDataset(path, len(data), data.sha256, data.simulated, tuple(findings))


def _fault(where: str, text: str) -> Finding:
    return Finding("fault", where, text)


def _content(data: Dataset) -> Iterator[Finding]:
    """Hash all of it anew; what else is in it besides what is read is not trusted either."""
    try:
        with (
            open_h5(data.path, file_format=FORMAT, versions=tuple(READERS), error=DatasetError) as file,
            data.path.open("rb") as raw,
        ):
            refuse_tricks(open_source(file, raw, data.path), unopened=[WINDOWS] if data.files[1:] else [])
            found = dataset_sha256(file, data.windows)
    except EcgkitError as error:
        yield _fault("/", str(error))
        return
    yield from spoiled_shards(data)
    if found != data.sha256:
        text = f"its content is not what was written: {HASH} says {data.sha256}, it is {found}"
        yield _fault("/", f"{text}; put a copy back, or build the data set again")


def _windows(data: Dataset) -> Iterator[Finding]:
    first, stored = 0, stored_windows(data.windows)
    for block in blocks(data.windows) if stored is None else read_blocks(stored):
        good = np.isfinite(block).all(axis=(1, 2))
        if not good.all():
            row = first + int(np.argmin(good))
            yield _fault("/windows", f"NaN or infinity, first in row {row}; expected numbers")
            return
        first += len(block)


def _table(data: Dataset) -> Iterator[Finding]:
    """Hold the columns against each other, and against the vocabularies and sources."""
    columns = data.columns
    yield from _session_tags(data)
    order = [columns[name] for name in ("start_s", "take", "visit", "condition", "subject")]
    if not _ascending(order[::-1]):
        yield _fault(
            "/table", "rows are not in order of subject, condition, visit, take and start, each once"
        )
    off = np.abs(columns["start_s"] * data.fs - columns["start_sample"])
    if (off > 0.5 + SECONDS * data.fs).any():
        row = int(np.argmax(off))
        yield _fault("/table/start_sample", f"row {row}: not start_s * fs, the other start of the window")
    yield from _vocabularies(data)
    if set(data.sources) != set(data.sessions):
        yield _fault("/about/sources", "of other sessions than /sessions")


def _vocabularies(data: Dataset) -> Iterator[Finding]:
    """Hold the names of labels against their codes; a session has one of each own label."""
    own = {name: f"{OWN_LABELS}/{name}" for name in data.own_labels}
    for name, vocabulary in {**CODED_COLUMNS, **own}.items():
        labels, codes = data.labels(name), data.codes(name)
        unused = len(labels) - len(np.unique(codes[codes >= 0]))
        if unused:
            yield _fault(f"/{vocabulary}", f"{unused} of {len(labels)} names have no window")
        if list(labels) != sorted(labels):
            yield _fault(f"/{vocabulary}", "names are not sorted")
        if name in own:
            pairs = np.unique(data.codes("session") * (len(labels) + 1) + codes + 1)
            if len(pairs) > len(np.unique(data.columns["session"])):
                yield _fault(f"/table/{name}", "a session has windows of several labels; expected one label")


def _session_tags(data: Dataset) -> Iterator[Finding]:
    """Hold the names of sessions against the tags of their windows, one row of each."""
    columns = data.columns
    tags = np.stack([columns[name] for name in (*CODED_COLUMNS, "visit", "take")])  # (tag, N)
    first = np.ones(len(data), dtype=bool)
    first[1:] = (tags[:, 1:] != tags[:, :-1]).any(axis=0)
    for row in np.flatnonzero(first).tolist():
        label = {name: data.labels(name)[columns[name][row]] for name in CODED_COLUMNS}
        visit, take = int(columns["visit"][row]), int(columns["take"][row])
        try:
            key = Tags(label["subject"], label["condition"], visit, take).key
        except StudyError as error:
            yield _fault("/table", f"row {row}: {error}")
            return
        if key != label["session"]:
            yield _fault(
                "/table/session", f"row {row}: {label['session']!r}, but its tags are those of {key!r}"
            )
            return


def _ascending(columns: list[NDArray[Any]]) -> bool:
    """Tell whether rows are in order by the first column, then the next, …, and no two are equal."""
    undecided = np.ones(len(columns[0]) - 1, dtype=bool)
    for column in columns:
        if (undecided & (column[1:] < column[:-1])).any():
            return False
        undecided &= column[1:] == column[:-1]
    return not undecided.any()


def _splits(data: Dataset) -> Iterator[Finding]:
    """Hold the folds in the file against what their schemes claim, and against what their settings give."""
    try:
        given = checked(SplitConfig, data.split_settings, where="/about/splits")
    except ConfigError as error:
        yield _fault("/about/splits", str(error))
        return
    table, settings = data.window_table, SplitSettings(**given.model_dump())
    for name, folds in data.folds.items():
        where = f"/splits/{name}"
        if name in SCHEMES:
            scheme = find_scheme(name)
            as_stored = replace(scheme, split=partial(_stored, folds))
            yield from (_fault(where, text) for text in broken_claims(as_stored, table, settings))
            if not _same_folds(scheme.split(table, settings), folds):
                text = "not the folds that its settings give: those of another version, or changed by hand"
                yield Finding("remark", where, text)
            continue
        try:
            find_leaks_of_folds(table, folds)
        except SplitError as error:
            yield _fault(where, str(error))


def _stored(folds: Mapping[str, NDArray[np.uint8]], *_: object) -> Folds:
    return dict(folds)


def _same_folds(made: Mapping[str, NDArray[np.uint8]], stored: Mapping[str, NDArray[np.uint8]]) -> bool:
    return made.keys() == stored.keys() and all(np.array_equal(made[fold], stored[fold]) for fold in made)


def _study(data: Dataset) -> Iterator[Finding]:
    try:
        yield from (Finding("remark", "/", sentence) for sentence in stale(data))
    except StudyError as error:
        yield Finding("remark", "/", f"can't be compared with its study: {error}")
