"""Valid files of a few megabytes, each of the kind that costs its reader the most: read within seconds."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import bids_files, edf_files, mat_files, text_files, wav_files, wfdb_files, xdf_files

import ecgkit
from ecgkit.readers import FORMATS
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq

MOST_CPU_S = 2.0


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-999, 999, n, dtype=np.int16)


def acq(folder: Path) -> Path:
    markers = [AcqMarker(10 * n, "R", style="qrs", channel=n % 2) for n in range(40_000)]
    channels = [AcqChannel(noise(500_000), "ECG", "mV"), AcqChannel(noise(250_000), "RSP", "V", divider=2)]
    write_acq(folder / "file.acq", channels, fs=1000, markers=markers, compressed=True)
    return folder / "file.acq"


def edf(folder: Path) -> Path:
    """A million data records, with one sample and an empty annotation each."""
    n_records = 1_000_000
    signals = [edf_files.Signal(noise(0)), edf_files.Signal(noise(0), "EDF Annotations", "", ("-1", "1"))]
    head = edf_files.header("EDF", signals, [1, 1], n_records=n_records, duration="0.002", reserved="EDF+C")
    (folder / "file.edf").write_bytes(head + bytes(4 * n_records))
    return folder / "file.edf"


def wfdb(folder: Path) -> Path:
    header = wfdb_files.write_record(folder, "16", [wfdb_files.Signal(noise(1_000_000).astype(np.int64))])
    beats = b"".join(wfdb_files.annotation(5, 1) for _ in range(150_000))
    (folder / "rec.atr").write_bytes(beats + b"\0\0")
    return header


def wav(folder: Path) -> Path:
    samples = noise(1_000_000).reshape(-1, 1)
    cues = struct.pack("<I", 40_000) + b"".join(
        struct.pack("<II4sIII", n, 0, b"data", 0, 0, 20 * n) for n in range(40_000)
    )
    content = wav_files.wav_bytes(samples, "i2", 1000, behind=wav_files.chunk(b"cue ", cues))
    (folder / "file.wav").write_bytes(content)
    return folder / "file.wav"


def mat(folder: Path) -> Path:
    data = np.random.default_rng(0).normal(size=(150_000, 2))
    return mat_files.write(folder / "file.mat", mat_files.acqknowledge(data), compressed=True)


def text(folder: Path) -> Path:
    """A column of texts, so that no number is read the fast way."""
    rows = [[f"{n / 250:.3f}", f"{n % 997 / 1000:.3f}", f"beat {n % 7}"] for n in range(150_000)]
    (folder / "file.csv").write_text(text_files.table([["time", "ECG", "event"], *rows]))
    return folder / "file.csv"


def xdf(folder: Path) -> Path:
    """A time for every sample, jittering, in small chunks; and many texts."""
    n = 120_000
    jitter = np.random.default_rng(0).normal(0, 0.004, n)
    stream = xdf_files.Stream(
        "ECG", noise(n).reshape(-1, 1), 100 + np.arange(n) / 250 + jitter, 250.0, "int16", stamped=1, chunk=10
    )
    texts = xdf_files.markers(["beat"] * 50_000, (100 + np.arange(50_000) / 500).tolist())
    (folder / "file.xdf").write_bytes(xdf_files.xdf_bytes(stream, texts))
    return folder / "file.xdf"


def bids(folder: Path) -> Path:
    """Numbers of full length in many lines, some missing."""
    values = np.random.default_rng(0).normal(size=(100_000, 2)).astype("U22")
    values[::7, 1] = "n/a"
    return bids_files.write_recording(
        folder, bids_files.rows(*values.T), sidecar={**bids_files.FMRI, "Columns": ["cardiac", "respiratory"]}
    )


BUILDERS: dict[str, Callable[[Path], Path]] = {
    "acq": acq,
    "edf": edf,
    "wfdb": wfdb,
    "wav": wav,
    "mat": mat,
    "xdf": xdf,
    "text": text,
    "bids": bids,
}


@pytest.mark.parametrize("name", FORMATS)
def test_read_of_megabytes_takes_seconds_at_most(name: str, tmp_path: Path) -> None:
    path = BUILDERS[name](tmp_path)
    assert 1.5e6 < sum(file.stat().st_size for file in tmp_path.iterdir()) < 4.5e6
    ecgkit.read(BUILDERS[name](tmp_path)).channels[0].read(0, 10)  # libraries are imported
    began = time.process_time()
    recording = ecgkit.read(path)
    samples = recording.channels[0].read()
    assert time.process_time() - began < MOST_CPU_S
    assert (recording.format, len(samples)) == (name, recording.channels[0].n_samples)
