"""Small BIDS recordings: tables, sidecars and events, in one folder each."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgkit.exclusions import Exclusion
from ecgkit.exports.bids_session import Task, write_session
from ecgkit.readers.held import held
from ecgkit.records import Channel, Marker, Recording, Session, Tags

TABLE = "sub-01_task-rest_physio.tsv.gz"
FMRI = {
    "SamplingFrequency": 50.0,
    "StartTime": -22.345,
    "Columns": ["cardiac", "respiratory", "trigger"],
    "cardiac": {"Description": "pulse", "Units": "mV"},
}
REST = Task("rest", "rest", "Rest")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def write_table(path: Path, text: str) -> Path:
    """Pack a table as it stands."""
    path.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    return path


def write_recording(
    folder: Path,
    text: str,
    *,
    sidecar: Mapping[str, Any] = FMRI,
    name: str = TABLE,
    events: Sequence[str] = (),
) -> Path:
    """Write a recording of other people's; return its table."""
    write_json(folder / name.replace(".tsv.gz", ".json"), sidecar)
    if events:
        text_of_events = "\n".join(events) + "\n"
        (folder / name.replace("_physio.tsv.gz", "_events.tsv")).write_text(text_of_events, encoding="utf-8")
    return write_table(folder / name, text)


def rows(*columns: Sequence[object]) -> str:
    """Return columns as lines of a table."""
    return "".join("\t".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


def channel(
    index: int,
    samples: np.ndarray,
    *,
    name: str = "ECG",
    unit: str = "mV",
    fs: float = 250.0,
    scale: float = 1.0,
    offset: float = 0.0,
    missing: int | None = None,
) -> Channel:
    """A channel whose samples lie in memory; its number is no index."""
    return Channel(
        index, index + 5, name, unit, fs, len(samples), samples.dtype, scale, offset, held(samples), missing
    )


def full_session(**changes: Any) -> Session:
    """A session of several rates and leads, with all that a session may say of itself."""
    random = np.random.default_rng(7)
    counts = random.integers(-32768, 32767, 400, endpoint=True).astype(np.int16)
    values = random.normal(size=400)
    values[[0, 7]] = np.nan, -0.0
    channels = (
        channel(0, counts, name="ECG, Lead I", scale=0.00030517578125, offset=0.1, missing=int(counts[3])),
        channel(1, values.astype(np.float32), name="ECG, Lead II", unit="µV"),
        channel(2, random.integers(-(1 << 31), 1 << 31, 100).astype(np.int32), name="RSP", unit="", fs=62.5),
        channel(3, values[:390], name="ECG, Lead I"),  # the name for a second time, and shorter
        channel(4, counts[:90], name="so fine", scale=1e-12, offset=1e6, fs=62.5),
        channel(5, np.array([np.pi, 5e-324]), name="", fs=1 / 3),
    )
    markers = (Marker(0, 0.0, "", "apnd"), Marker(300, 0.6, 'start "now"', "scr ", 1), Marker(400, 0.8, ""))
    recording = Recording(
        Path("a.acq"), "acq", "AcqKnowledge 5", 500.0, channels, markers, simulated=True, lost=("an end",)
    )
    kept = {
        "tags": Tags("01", "deep_breathing", 2, 3),
        "recording": recording,
        "ecg": (1, 0),
        "leads": ("II", "I"),
        "respiration": 2,
        "sha256": "a" * 64,
        "excluded": (Exclusion(0.1, 0.35, "moved"), Exclusion(1.0, float("inf"), "fell asleep")),
    }
    return Session(**{**kept, **changes})


def _own(folder: Path) -> Path:
    """A session that ecgkit exported, its files side by side."""
    session = full_session()
    write_session(folder, session, Task("deepbreathing", "deep_breathing", "Deep breathing"))
    for file in sorted(folder.glob("*/*/*/*")):
        file.rename(folder / file.name)
    (folder / "sub-01" / "ses-2" / "beh").rmdir()
    (folder / "sub-01" / "ses-2").rmdir()
    (folder / "sub-01").rmdir()
    for name in folder.glob("*_physio.json"):  # the contract test wants recordings that have lost nothing
        content = json.loads(name.read_text(encoding="utf-8"))
        content["EcgkitSession"]["lost"] = []
        write_json(name, content)
    return folder / "sub-01_ses-2_task-deepbreathing_run-3_recording-62p5Hz_physio.tsv.gz"


def _fmri(folder: Path) -> Path:
    pulse = np.random.default_rng(1).integers(-200, 200, 300)
    trigger = ["1" if place % 100 == 0 else "0" for place in range(300)]
    events = ("onset\tduration\ttrial_type", "-20.0\t1.5\tgo", "-19.5\tn/a\tn/a", "-18.0\t1\tstop")
    return write_recording(folder, rows(pulse, pulse[::-1] / 7, trigger), events=events)


def _inherited(folder: Path) -> Path:
    write_json(folder / "dataset_description.json", {"Name": "a", "BIDSVersion": "1.8.0"})
    write_json(
        folder / "task-rest_run-1_physio.json", {"SamplingFrequency": 100, "StartTime": 0, "Columns": ["ecg"]}
    )
    name = "sub-03_task-rest_run-1_physio.tsv.gz"
    return write_recording(folder, "1.5\nn/a\n-2e-3\n", sidecar={"ecg": {"Units": "V"}}, name=name)


def _several_tables(folder: Path) -> Path:
    for label, fs in (("breathing", 25), ("cardiac", 100)):
        sidecar = {"SamplingFrequency": fs, "StartTime": 1.5, "Columns": [label], label: {"Units": "n/a"}}
        name = f"sub-02_task-rest_recording-{label}_physio.tsv.gz"
        path = write_recording(folder, rows(range(2 * fs)), sidecar=sidecar, name=name)
    return path


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "own": _own,
    "fmri": _fmri,
    "inherited": _inherited,
    "several-tables": _several_tables,
}
