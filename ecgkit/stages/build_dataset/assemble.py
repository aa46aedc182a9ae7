"""Parts put together: the table, the splits, and what is said of the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgkit.config import Config
from ecgkit.dataset.part import PartFile
from ecgkit.dataset.write import Description, Part, label_of, write_dataset
from ecgkit.protocol.model import Protocol
from ecgkit.splits import find_scheme, split_all
from ecgkit.splits.claims import scheme_leaks
from ecgkit.splits.leakage import Leak
from ecgkit.splits.scheme import LABELS, SplitSettings, WindowTable, coded_table
from ecgkit.stages.build_dataset.choose import Choice, LeftOut
from ecgkit.stages.staleness import origin
from ecgkit.study.folder import Study, read_participants


def parts_of(
    chosen: Choice, files: Mapping[str, PartFile], labels: Mapping[str, Mapping[str, str]]
) -> Iterator[Part]:
    """Yield the sessions that gave windows as parts of a data set, in order of their tags."""
    for header in chosen.kept:
        if file := files.get(header.tags.key):
            yield Part(
                tags=header.tags,
                windows=file.windows,
                columns=file.columns,
                sha256=header.sha256,
                channels=tuple(file.about["channels"]),
                simulated=header.simulated,
                origin=origin(header.span_s, header.excluded) | _turned(file),
                labels=labels.get(header.tags.key, {}),
            )


def _turned(file: PartFile) -> dict[str, Any]:
    return {"turned": file.about["turned"]} if file.about["turned"] else {}


def assemble(
    path: Path, parts: Sequence[Part], description: Description, config: Config, *, shard_bytes: int | None
) -> tuple[str, dict[str, tuple[Leak, ...]]]:
    """Split the windows and write the data set; return its hash, and what each scheme gives away."""
    table = window_table_of(parts, config.pipeline.window_s)
    folds = split_all(table, SplitSettings(**config.splits.model_dump()))
    leaks = {name: scheme_leaks(find_scheme(name), table, made) for name, made in folds.items()}
    return write_dataset(path, parts, description, folds, shard_bytes=shard_bytes), leaks


def describe(
    study: Study,
    protocol: Protocol,
    config: Config,
    chosen: Choice,
    *,
    files: Mapping[str, PartFile],
    left_out: Mapping[str, LeftOut],
    versions: Mapping[str, str],
) -> Description:
    """Say what holds for the whole data set."""
    units = {file.about["unit"] for file in files.values()}
    return Description(
        fs=config.pipeline.fs,
        window_s=config.pipeline.window_s,
        leads=chosen.leads,
        unit=units.pop() if len(units) == 1 else "as recorded (sessions differ)",
        study=study.settings.name,
        protocol=protocol.name,
        condition_texts={
            key: {"label": condition.label, "description": condition.description}
            for key, condition in protocol.conditions.items()
        },
        choice=config.sessions.model_dump(mode="json"),
        pipeline=config.pipeline.model_dump(),
        splits=config.splits.model_dump(),
        versions=versions,
        participants=read_participants(study),
        left_out=left_out,
    )


def window_table_of(parts: Sequence[Part], window_s: float) -> WindowTable:
    """Return the table that the windows are split by, the same as `Dataset.window_table` of the file."""
    part_of_row = np.repeat(np.arange(len(parts)), [len(part.windows) for part in parts])
    return coded_table(
        {name: ([label_of(part, name) for part in parts], part_of_row) for name in LABELS},
        visit=np.array([part.tags.visit for part in parts])[part_of_row],
        start_s=np.concatenate([part.columns["start_s"] for part in parts]),
        source=([part.sha256 for part in parts], part_of_row),
        window_s=window_s,
    )
