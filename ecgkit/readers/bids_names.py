"""Names of BIDS files: entities, and which files of a folder belong together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

TABLE_END = "_physio.tsv.gz"
SIDECAR_END = "_physio.json"
EVENTS_END = "_events.tsv"
SCANS_END = "_scans.tsv"
DESCRIPTION_FILE = "dataset_description.json"

ENTITY = re.compile(r"([a-z]{1,20})-([A-Za-z0-9+]{1,200})")
RECORDING = "recording"  # the entity that tells tables of one recording apart
MOST_FOLDERS = 4  # between a table and its data set's own folder, both counted: beh, ses, sub, data set


def entities_of(name: str, end: str) -> dict[str, str] | None:
    """Return what a file's name says, None where it is not a BIDS name that ends so.

    Examples
    --------
    >>> entities_of("sub-01_task-rest_physio.tsv.gz", "_physio.tsv.gz")
    {'sub': '01', 'task': 'rest'}
    """
    if not name.endswith(end):
        return None
    found = [ENTITY.fullmatch(part) for part in name.removesuffix(end).split("_")]
    entities = {match[1]: match[2] for match in found if match}
    return entities if len(entities) == len(found) else None


def file_name(entities: Mapping[str, str], end: str) -> str:
    """Return the name of a file with these entities, in their order."""
    return "_".join(f"{entity}-{label}" for entity, label in entities.items()) + end


def shared(entities: Mapping[str, str]) -> dict[str, str]:
    """Return what the names of all tables of one recording have in common."""
    return {entity: label for entity, label in entities.items() if entity != RECORDING}


def tables_of(path: Path, entities: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the tables of a recording that lie in one folder, one a rate, sorted by name."""
    common = shared(entities)
    return tuple(
        sorted(
            other
            for other in path.parent.glob(f"sub-*{TABLE_END}")
            if (found := entities_of(other.name, TABLE_END)) is not None and shared(found) == common
        )
    )


def folders_of(path: Path) -> tuple[Path, ...]:
    """Return the folders whose sidecars hold for a file, the data set's own first, the file's last.

    Where no data set's description lies above, the file's folder alone.
    """
    inner = path.absolute().parent
    for count, folder in enumerate((inner, *inner.parents), 1):
        if count > MOST_FOLDERS:
            break
        if (folder / DESCRIPTION_FILE).is_file():
            return (folder, *reversed(inner.parents[: count - 2]), inner) if count > 1 else (inner,)
    return (inner,)


def sidecars_of(path: Path, entities: Mapping[str, str]) -> Iterator[Path]:
    """Yield the sidecars that hold for a table, the most general first (BIDS' inheritance principle)."""
    for folder in folders_of(path):
        found = {
            other: said
            for other in sorted(folder.glob(f"*{SIDECAR_END}"))
            if (said := entities_of(other.name, SIDECAR_END)) is not None and said.items() <= entities.items()
        }
        yield from sorted(found, key=lambda other: len(found[other]))
