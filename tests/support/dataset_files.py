"""Small data sets of noise: what a stranger might be handed, and what the campaign spoils."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ecgkit.analysis.quality import VERDICTS
from ecgkit.dataset.schema import QUALITY_INDICES
from ecgkit.dataset.write import Description, Part, write_dataset
from ecgkit.records import Tags
from ecgkit.splits import split_all
from ecgkit.splits.scheme import SplitSettings, WindowTable

FS, WINDOW_S, T = 10.0, 3.0, 30
SETTINGS = {"seed": 0, "n_folds": 2, "test_share": 0.3, "gap_s": 3.0}


def part_of(
    tags: Tags, *, n_windows: int = 4, n_leads: int = 1, gain: float = 3.0, simulated: bool = True
) -> Part:
    """Windows of noise under tags; other ones for each session."""
    rng = np.random.default_rng([int(tags.subject), len(tags.condition), tags.visit, tags.take])
    start_sample = np.arange(n_windows) * T
    columns: dict[str, Any] = {
        "start_sample": start_sample,
        "start_s": start_sample / FS,
        "heart_rate_bpm": np.where(start_sample == T, np.nan, 60.0 + start_sample / 7),
        "quality": np.arange(n_windows) % len(VERDICTS),
        **{name: np.linspace(0, 1, n_windows) for name in QUALITY_INDICES},
        "scale_offset": np.full((n_windows, n_leads), -1.5),
        "scale_gain": np.full((n_windows, n_leads), gain),
    }
    windows = rng.random((n_windows, n_leads, T)).astype(np.float32)
    channels = tuple(f"ECG {lead}" for lead in range(n_leads))
    source = f"{tags.subject:0>63}{tags.visit}"
    return Part(tags, windows, columns, source, channels, simulated)


def describe(n_leads: int = 1, **changes: Any) -> Description:
    """What holds for the whole of a small data set."""
    description = Description(
        fs=FS,
        window_s=WINDOW_S,
        leads=("I", "II", "III")[:n_leads],
        unit="mV",
        study="small",
        protocol="dt4ecg",
        condition_texts={"rest": {"label": "Rest", "description": "Lying still."}},
        pipeline={"scale": "recording", "fs": FS},
        choice={"subjects": None, "conditions": None, "visits": None, "verdict": None},
        splits=SETTINGS,
        versions={"ecgkit": "x"},
        participants={"01": {"sex": "F", "age": "30"}, "02": {"sex": "", "age": "41"}},
        left_out={"sub-03_visit-1_cond-rest_take-1": {"sha256": "3" * 64, "reason": "too short"}},
    )
    return replace(description, **changes)


def parts_of(n_leads: int = 1, *, n_visits: int = 1) -> list[Part]:
    """Two subjects, two conditions."""
    return [
        part_of(Tags(subject, condition, visit), n_leads=n_leads)
        for subject in ("01", "02")
        for condition in ("exercise", "rest")
        for visit in range(1, n_visits + 1)
    ]


def labelled(n_leads: int = 1) -> list[Part]:
    """Like `parts_of`, with own labels: one known of all, one not of every session."""
    return [
        replace(part, labels={"arm": "A" if part.tags.condition == "rest" else "B", "ward": ward})
        for part, ward in zip(parts_of(n_leads), ("ä 1", "", "b", "ä 1"), strict=True)
    ]


def moved_parts(by: float) -> list[Part]:
    """The parts of `parts_of` with other samples."""
    return [replace(part, windows=part.windows + np.float32(by)) for part in parts_of()]


def write_small(
    path: Path,
    parts: list[Part] | None = None,
    description: Description | None = None,
    *,
    n_leads: int = 1,
    shard_windows: int | None = None,
) -> Path:
    """Write a small data set, with all the splits that it allows; in shards of so many windows if asked."""
    parts = parts_of(n_leads) if parts is None else parts
    folds = split_all(_table(parts), SplitSettings(**SETTINGS))
    shard_bytes = None if shard_windows is None else shard_windows * parts[0].windows[0].nbytes
    write_dataset(path, parts, description or describe(n_leads), folds, shard_bytes=shard_bytes)
    return path


def _table(parts: list[Part]) -> WindowTable:
    sizes = [len(part.windows) for part in parts]
    labels = {
        name: np.repeat([getattr(part.tags, "key" if name == "session" else name) for part in parts], sizes)
        for name in ("subject", "condition", "session")
    }
    visit = np.repeat([part.tags.visit for part in parts], sizes)
    start_s = np.concatenate([part.columns["start_s"] for part in parts])
    return WindowTable(**labels, visit=visit, start_s=start_s, window_s=WINDOW_S)


def _packed(folder: Path) -> Path:
    """A data set that somebody packed, in the HDF5 of ten years ago: in chunks, compressed."""
    plain, packed = write_small(folder / "plain.h5"), folder / "packed.h5"
    with h5py.File(plain) as source, h5py.File(packed, "w", libver="earliest") as target:
        target.attrs.update(source.attrs)
        for name in ("subjects", "conditions", "sessions", "leads", "splits/paper/0", "windows"):
            target.create_dataset(name, data=source[name][:], dtype=source[name].dtype, chunks=True)
        source.copy("about", target)
        for name, stored in source["table"].items():
            target.create_dataset(f"table/{name}", data=stored[:], chunks=True, compression="gzip")
    plain.unlink()
    return packed


# what the campaign spoils
SAMPLES: dict[str, Callable[[Path], Path]] = {
    "small": lambda folder: write_small(folder / "small.h5", labelled()),
    "leads": lambda folder: write_small(folder / "leads.h5", n_leads=3),
    "packed": _packed,
    "shards": lambda folder: write_small(folder / "shards.h5", labelled(), shard_windows=6),
}
