"""A BIDS data set as rows: who, in which condition, on which visit, in which take."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgkit.errors import ReadError, StudyError
from ecgkit.readers.bids_names import DESCRIPTION_FILE, TABLE_END, entities_of, shared, sidecars_of
from ecgkit.readers.bids_sidecar import Sidecar, read_object, read_sidecar
from ecgkit.records import CONDITION_PATTERN
from ecgkit.stages.ingest.plan import Row

DEEPEST = ("sub-*", "sub-*/*", "sub-*/*/*")  # where tables lie: the subject's folder, with visit and datatype
MOST_TABLES = 100_000
NUMBERS = range(1, 10_000)
LONGEST_KEY = 27  # so that task_ goes before it
EYES = "eyetrack"  # the `PhysioType` of tables of gaze, which hold no ECG


@dataclass(frozen=True, slots=True)
class Found:
    """A recording of the data set, as its first table names it; no sidecar where that can't be read."""

    file: Path
    entities: Mapping[str, str]
    sidecar: Sidecar | None

    @property
    def condition(self) -> str:
        """The condition's key: what ecgkit says, else the task's label as a key."""
        if self.sidecar is not None and self.sidecar.note is not None:
            return self.sidecar.note.condition
        key = re.sub(r"[^a-z0-9]+", "_", self.entities.get("task", "").lower()).strip("_")[:LONGEST_KEY]
        return key if CONDITION_PATTERN.fullmatch(key) else f"task_{key}".rstrip("_")


def is_bids(folder: Path) -> bool:
    """Tell whether a folder is a BIDS data set: its description says its version."""
    description = folder / DESCRIPTION_FILE
    return description.is_file() and "BIDSVersion" in read_object(description)


def read_bids(folder: Path, *, conditions: Iterable[str] = ()) -> list[Row]:
    """Return a BIDS data set's physiological recordings, sorted by their tags.

    What ecgkit exported gets the tags that it had. Of other data sets, ``task`` is the condition, ``ses`` the
    visit and ``run`` the take, where these are numbers; else they are numbered in order, and said.

    Parameters
    ----------
    conditions
        Keys of the protocol: a task that is one of these but for case and _ gets it.

    Raises
    ------
    StudyError
        There is no such recording, or one is a link out of the data set.
    """
    found = list(_found(folder))
    if not found:
        raise StudyError(f"{folder}: no physiological recording (sub-*/**/*{TABLE_END}) in this data set")
    known = tuple(conditions)
    keys = {_plain(key): key for key in known} | {key: key for key in known}
    visits, said = _numbers(found, "ses")
    groups: dict[tuple[str, str, int], list[Found]] = defaultdict(list)
    for item in found:
        condition = keys.get(item.condition) or keys.get(_plain(item.condition), item.condition)
        groups[item.entities["sub"], condition, visits[item.entities.get("ses", "")]].append(item)
    rows = []
    for (subject, condition, visit), items in sorted(groups.items()):
        takes, remark = _takes(items)
        warnings = tuple(filter(None, (said, remark)))
        for take, item in sorted(zip(takes, items, strict=True), key=lambda pair: pair[0]):
            rows.append(Row(item.file, subject, condition, visit, take, warnings=warnings))
    return rows


def _plain(key: str) -> str:
    return key.replace("_", "").casefold()


def _found(folder: Path) -> Iterator[Found]:
    """Yield the recordings, each by its first table, by path.

    Raises
    ------
    StudyError
        A table is a link out of the data set, or there are too many.
    """
    top = folder.resolve()
    tables = sorted(path for depth in DEEPEST for path in folder.glob(f"{depth}/*{TABLE_END}"))
    if len(tables) > MOST_TABLES:
        raise StudyError(f"{folder}: {len(tables)} tables, expected at most {MOST_TABLES}; take it in parts")
    seen: set[tuple[Path, tuple[tuple[str, str], ...]]] = set()
    for table in tables:
        entities = entities_of(table.name, TABLE_END)
        if entities is None or "sub" not in entities:
            continue
        if not table.resolve().is_relative_to(top):
            raise StudyError(f"{table}: a link out of the data set; put the file itself there")
        recording = table.parent, tuple(shared(entities).items())
        sidecar = None if recording in seen else _sidecar(table, entities)
        if recording not in seen and (sidecar is None or sidecar.kind != EYES):
            seen.add(recording)
            yield Found(table, entities, sidecar)


def _sidecar(table: Path, entities: Mapping[str, str]) -> Sidecar | None:
    """Return what stands in a table's sidecars; None where they are damaged, which reading it will say."""
    try:
        return read_sidecar(table, sidecars_of(table, entities))
    except ReadError:
        return None


def _numbers(found: Sequence[Found], entity: str) -> tuple[dict[str, int], str]:
    """Return the number of each label of an entity in the data set, and a remark where they were given.

    The remark is without the labels: these can be dates, and the study keeps it.
    """
    labels = sorted({item.entities.get(entity, "") for item in found})
    numbers = {label: int(label) if label.isdecimal() else 1 if not label else 0 for label in labels}
    if all(number in NUMBERS for number in numbers.values()) and max(Counter(numbers.values()).values()) == 1:
        return numbers, ""
    return {label: number for number, label in enumerate(labels, 1)}, (
        f"the visits ({entity}) of the data set have no numbers from 1 to {NUMBERS[-1]} of their own; they "
        "were numbered in the order of their names"
    )


def _takes(items: Sequence[Found]) -> tuple[list[int], str]:
    """Return the takes of one subject's recordings of a condition and visit, and what to say of them."""
    labels = [item.entities.get("run", "1") for item in items]
    numbers = [int(label) if label.isdecimal() else 0 for label in labels]
    if all(number in NUMBERS for number in numbers) and len(set(numbers)) == len(numbers):
        return numbers, ""
    return [*range(1, len(items) + 1)], (
        f"{len(items)} recordings of one subject, task and visit do not differ by a number of their run; "
        "they were numbered in the order of their names"
    )
