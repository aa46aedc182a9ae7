"""The annotation files beside a WFDB header, as markers.

annot(5) of the WFDB manual, https://physionet.org/physiotools/wag/annot-5.htm. wfdb decodes the bytes; what
its `rdann` makes of them is done here, since that runs for ever on notes that it does not expect.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgkit.errors import ReadError
from ecgkit.readers.foreign import parsing, require
from ecgkit.readers.usable import is_rate
from ecgkit.readers.wfdb_header import NUMBER
from ecgkit.records import Marker

MOST_BYTES = 1 << 20  # half a million beats, five days
ANNOTATOR = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}")
# what else may lie beside a record under its name
# fmt: off
OTHER_FILES = frozenset({
    "acq", "bdf", "bin", "bmp", "csv", "dat", "doc", "docx", "edf", "fif", "gz", "h5", "hdf", "hdf5", "hea",
    "jpeg", "jpg", "json", "log", "mat", "md", "mp3", "mp4", "npy", "npz", "parquet", "pdf", "pkl", "png",
    "raw", "tar", "tif", "tsv", "txt", "wav", "xdf", "xls", "xlsx", "xml", "zip",
})
# fmt: on
TIME_RESOLUTION = re.compile(rf"## time resolution: ({NUMBER})")
LABEL_DEFINITION = re.compile(r"(\d{1,2}) (\S+) .*")
NOTE = 22
NO_ANNOTATION = 0
END_MARK = b"\0\0"


@dataclass(frozen=True, slots=True)
class Annotations:
    """The markers in order of time, the files that hold them, and a sentence for each that can't be read."""

    markers: tuple[Marker, ...]
    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def read_annotations(
    header: Path, *, fs: float, frame_rate: float, n_signals: int, others: Collection[str]
) -> Annotations:
    """Read the annotation files of a record, NAME.atr and the other NAME.ANNOTATOR.

    Parameters
    ----------
    header
        The record's header file, NAME.hea.
    fs
        The rate that the markers shall count in, Hz.
    frame_rate
        The rate that annotators count in who don't say it, Hz.
    others
        Names of the record's other files.
    """
    markers: list[Marker] = []
    files, warnings = [], []
    for file in _files(header, others):
        try:
            markers += list(_annotations(file, fs, frame_rate, n_signals))
            files.append(file)
        except ReadError as error:
            warnings.append(f"{error}".removeprefix(f"{file}: "))
    markers.sort(key=lambda marker: marker.sample)
    return Annotations(tuple(markers), tuple(files), tuple(warnings))


def _files(header: Path, others: Collection[str]) -> Iterator[Path]:
    """Find the files that have the header's name, and the end of an annotation file."""
    with parsing(header, "folder"):
        beside = sorted(path for path in header.parent.iterdir() if path.name.startswith(f"{header.stem}."))
        for path in beside:
            annotator = path.name.removeprefix(f"{header.stem}.")
            if path.name in others or annotator.lower() in OTHER_FILES:
                continue
            if path.is_symlink() or not path.is_file():
                continue
            if annotator == "atr" or (ANNOTATOR.fullmatch(annotator) and _ends_with_mark(path)):
                yield path


def _ends_with_mark(path: Path) -> bool:
    size = path.stat().st_size
    if size % 2 or not 2 <= size <= MOST_BYTES:
        return False
    with path.open("rb") as file:
        file.seek(-2, 2)
        return file.read() == END_MARK


def _annotations(path: Path, fs: float, frame_rate: float, n_signals: int) -> Iterator[Marker]:
    annotation = require(path, "wfdb.io.annotation")
    with parsing(path, f"{path.suffix} annotations"):  # file names don't go into warnings: they tell who
        if path.stat().st_size > MOST_BYTES:
            raise ReadError(f"{path}: the {path.suffix} annotations are over {MOST_BYTES} bytes; left out")
        pairs = np.fromfile(path, dtype=np.uint8).reshape(-1, 2)
        samples, labels, _, signals, _, notes = annotation.proc_ann_bytes(pairs, None)
        rows = list(zip(map(int, samples), labels, map(int, signals), notes, strict=True))
    table = annotation.ann_label_table
    symbols = dict(zip(table["label_store"], table["symbol"], strict=True))
    notes_at_0 = [note for sample, label, _, note in rows if sample == 0 and label == NOTE]
    symbols.update(_own_labels(notes_at_0))
    rate = _resolution(notes_at_0) or frame_rate
    channels_told = any(signal for _, _, signal, _ in rows)  # where all say 0, none is meant
    for sample, label, signal, note in rows:
        if label != NO_ANNOTATION and not (sample == 0 and label == NOTE):
            yield Marker(
                sample=round(sample * fs / rate),
                time_s=sample / rate,
                text=f"{symbols.get(label, label)} {note}".strip(" \0"),
                style=path.suffix[1:],
                channel=signal if channels_told and signal < n_signals else None,
            )


def _own_labels(notes: Sequence[str]) -> dict[int, str]:
    """Return the labels that an annotator defines, by their codes."""
    found = (LABEL_DEFINITION.fullmatch(note.strip("\0")) for note in notes)
    return {int(label[1]): label[2] for label in found if label}


def _resolution(notes: Sequence[str]) -> float | None:
    """Return the rate in Hz that an annotator counts in, None where it doesn't say so believably."""
    found = [float(match[1]) for match in map(TIME_RESOLUTION.match, notes) if match]
    return found[0] if found and is_rate(found[0]) else None
