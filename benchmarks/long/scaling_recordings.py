"""The recordings that scaling.py beside it cuts: simulated ones, and those of two real sets."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.rpeaks import find_r_peaks
from ecgkit.readers import read, read_with
from ecgkit.readers.held import held
from ecgkit.readers.options import ReadOptions
from ecgkit.records import Channel, Recording
from ecgkit.stages import simulate

Floats = NDArray[np.float64]

SEED = 1  # of `ecgkit simulate` unless told otherwise
STATES = {"rest", "exercise"}


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A recording with its ECG as the only channel, its labels, and its R peaks as recorded."""

    subject: str
    condition: str
    recording: Recording
    peaks_s: Floats

    @property
    def channel(self) -> Channel:
        return self.recording.channels[0]

    def piece(self, start_s: float, stop_s: float) -> Source:
        """Return a stretch of it as a recording of its own."""
        inside = (self.peaks_s >= start_s) & (self.peaks_s < stop_s)
        return dataclasses.replace(
            self, recording=self.recording.stretch(start_s, stop_s), peaks_s=self.peaks_s[inside] - start_s
        )

    def disturbed(self, start_s: float, *, length_s: float, height_mv: float) -> Recording:
        """Return the recording with so much added to its ECG, from `start_s` on."""
        signal, fs = self.channel.read(), self.channel.fs
        first = round(start_s * fs)
        signal[first : round(min(first + length_s * fs, len(signal)))] += height_mv
        reader, plain = held(signal), np.dtype(np.float64)
        channel = dataclasses.replace(
            self.channel, dtype=plain, scale=1.0, offset=0.0, sample_reader=reader, chunk_reader=None
        )
        return dataclasses.replace(self.recording, channels=(channel,))


def sets(folder: Path | None, *, quick: bool) -> Iterator[tuple[str, list[Source]]]:
    """Yield name and recordings of each set; simulated files are there until the next set is asked for."""
    n_subjects, duration_s = (4, 60.0) if quick else (15, 180.0)
    with tempfile.TemporaryDirectory() as made:
        yield "SIMULATED", list(simulated(Path(made), n_subjects, duration_s))
    if folder is not None:
        yield "electrophys", list(electrophys(folder / "electrophys"))
        yield "wrist", list(wrist(folder / "wrist"))


def simulated(folder: Path, n_subjects: int, duration_s: float) -> Iterator[Source]:
    made = simulate.run(folder, n_subjects=n_subjects, seed=SEED, duration_s=duration_s)
    for file in made.files:
        yield _source(read(file.path), 0, file.subject, file.condition)


def electrophys(folder: Path) -> Iterator[Source]:
    """Read those at rest and after exercise of the persons who have both; their counts are taken for mV."""
    paths = {path: path.name.split("__")[:2] for path in sorted(folder.glob("*__*.wav"))}
    states = defaultdict(set)
    for subject, state in paths.values():
        states[subject].add(state)
    for path, (subject, state) in paths.items():
        if state in STATES <= states[subject]:
            yield _source(read_with(path, ReadOptions(unit="mV")), 0, subject, state)


def wrist(folder: Path) -> Iterator[Source]:
    """Read the chest ECG; cycling at low and at high resistance is one state: only two did both."""
    for path in sorted(folder.glob("*.edf")):
        subject, *_, activity = path.stem.split("_")
        yield _source(read(path), "chest_ecg", subject, activity)


def _source(recording: Recording, key: str | int, subject: str, condition: str) -> Source:
    channel = dataclasses.replace(recording.channel(key), index=0)
    peaks_s = find_r_peaks(channel.read(), channel.fs) / channel.fs
    return Source(subject, condition, dataclasses.replace(recording, channels=(channel,)), peaks_s)
