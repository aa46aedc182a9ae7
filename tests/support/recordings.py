"""Recordings in memory, for tests of what is done with samples rather than with files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgkit.readers.held import held
from ecgkit.records import Channel, Marker, Recording
from ecgkit.simulate.study import SimulatedRecording, simulate_recording


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
