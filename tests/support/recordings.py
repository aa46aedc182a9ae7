"""Recordings in memory, for tests of what is done with samples rather than with files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgkit.analysis.measures import Measures
from ecgkit.analysis.quality import WindowQuality
from ecgkit.analysis.rhythm import measure_rhythm
from ecgkit.readers.held import held
from ecgkit.records import Channel, Marker, Recording, Session, Tags
from ecgkit.simulate.study import SimulatedRecording, simulate_recording
from ecgkit.study.folder import create_study
from ecgkit.study.session_file import Observations, QualityTrack, read_session, session_path, write_session

NOTHING_SEEN = Observations(
    measures=Measures(measure_rhythm([]), duration_s=1.0),
    warnings=(),
    beats_s=(),
    quality=QualityTrack(np.empty(0), 10.0, WindowQuality(*np.empty((5, 0)), np.empty(0, dtype=np.int8))),
)


def in_memory(
    samples: np.ndarray, fs: float, *, unit: str = "mV", scale: float = 1.0, pauses: Sequence[int] = ()
) -> Recording:
    """A recording of one channel; `pauses` are the samples at which it was resumed."""
    channel = Channel(
        index=0,
        number=1,
        name="ECG",
        unit=unit,
        fs=fs,
        n_samples=len(samples),
        dtype=samples.dtype,
        scale=scale,
        offset=0.0,
        sample_reader=held(samples),
    )
    markers = tuple(Marker(sample=at, time_s=at / fs, text="", style="apnd") for at in (0, *pauses))
    return Recording(Path("a.acq"), "acq", "in memory", fs, (channel,), markers)


def stored(recording: Recording, folder: Path) -> Recording:
    """The recording as a study keeps it, its first channel taken for the ECG."""
    session = Session(Tags("07", "rest"), recording, (0,), ("X",), None, "0" * 64)
    path = session_path(create_study(folder, protocol="dt4ecg"), session.tags)
    write_session(path, session, NOTHING_SEEN)
    return read_session(path).recording


def simulated(
    subject: int = 1,
    condition: str = "rest",
    *,
    fs: float = 500.0,
    duration_s: float = 60.0,
    clean: bool = False,
) -> SimulatedRecording:
    """A simulated recording whose hum, at 70 or 45 Hz, is no mains."""
    hum_hz = 70.0 if fs > 150 else 45.0
    return simulate_recording(
        subject, condition, 1, fs=fs, seed=11, duration_s=duration_s, mains_hz=hum_hz, clean=clean
    )
