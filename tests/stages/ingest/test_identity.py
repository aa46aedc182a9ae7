"""Nothing that tells who was recorded, or when, gets into a study, whatever a reader has to warn of."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support import edf_files, mat_files, wav_files, wfdb_files, xdf_files
from support.bids_files import rows, write_json, write_table

from ecgkit.readers import FORMATS
from ecgkit.readers.options import ReadOptions
from ecgkit.records import Tags
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq
from ecgkit.stages import status
from ecgkit.stages.ingest import IngestOptions, run_all
from ecgkit.stages.ingest.asked import Asked
from ecgkit.stages.ingest.prepare import TakeOptions
from ecgkit.study.folder import open_study
from ecgkit.study.session_file import read_headers

WHO, DAY = "roe7", "20240312"
NAME = f"{WHO}_{DAY}"
TELLING = (WHO, "jane", DAY, "2024-03-12", "12-mar-2024", "12.03.24", "12/03/2024", "2024/03/12")
FS = 250
WHEN = datetime(2024, 3, 12, 9, 30, tzinfo=UTC)
T = np.arange(20 * FS) / FS
BEATS = (
    np.exp(-(((T % 0.8) - 0.4) ** 2) / (2 * 0.012**2)) + np.random.default_rng(1).normal(size=T.size) / 500
)
COUNTS = np.rint(BEATS * 1000).astype(np.int64)
SALVAGED = TakeOptions(reading=ReadOptions(salvage=True))


@dataclass(frozen=True)
class Made:
    """A recording whose reader warns, or has lost something, and how to read it."""

    path: Path
    how: TakeOptions = SALVAGED


def _acq(folder: Path) -> Made:
    markers = [AcqMarker(0, "Jane Roe", style="apnd", created=WHEN), AcqMarker(10**9, f"{WHO} {DAY}")]
    path = folder / f"{NAME}.acq"
    write_acq(path, [AcqChannel(BEATS, "ECG", "mV")], fs=FS, markers=markers, journal=f"Jane, {DAY}")
    path.write_bytes(path.read_bytes()[:-5])
    return Made(path)


def _edf(folder: Path) -> Made:
    signal = edf_files.Signal(COUNTS[: 19 * FS], unit="mV", physical=("-32.768", "32.767"))
    said = {"patient": f"{WHO} F 01-JAN-1970 Jane_Roe", "recorded": "Startdate 12-MAR-2024 X X X"}
    path = folder / f"{NAME}.edf"
    return Made(
        edf_files.write(path, "EDF", [signal], n_records=19, stated=20, start="12.03.2409.30.00", **said)
    )


def _wfdb(folder: Path) -> Made:
    signals = [wfdb_files.Signal(COUNTS, "1000/mV 16 0 0 0 0 ECG")]
    path = wfdb_files.write_record(
        folder, "16", signals, name=NAME, record="250 {frames} 09:30:00 12/03/2024", comments=("Jane Roe",)
    )
    (folder / f"{NAME}.atr").write_bytes(b"\0\xfc" * 3 + b"\0\0")
    path.with_suffix(".dat").write_bytes(path.with_suffix(".dat").read_bytes()[:-1000])
    return Made(path)


def _text(folder: Path) -> Made:
    path = folder / f"{NAME}.csv"
    lines = [f"# Jane Roe, {WHO}, 2024-03-12, {DAY}", *(f"{value:.6f},0" for value in BEATS), "1,2,3"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Made(path, TakeOptions(("0",), ReadOptions(salvage=True, fs=FS, unit="mV")))


def _mat(folder: Path) -> Made:
    data = np.column_stack([BEATS, BEATS[::-1]])
    variables = mat_files.acqknowledge(data, isi=4.0) | {WHO: np.arange(500.0)}
    path = mat_files.write(folder / f"{NAME}.mat", variables)
    path.write_bytes(path.read_bytes()[:-100])
    return Made(path)


def _wav(folder: Path) -> Made:
    samples = COUNTS.astype("<i2").reshape(-1, 1)
    labels = wav_files.cue_chunks([(10, f"Jane Roe {DAY}")])
    torn = wav_files.chunk(b"note", NAME.encode(), length=9999)
    path = folder / f"{NAME}.wav"
    path.write_bytes(wav_files.wav_bytes(samples, "i2", FS, behind=labels + torn))
    return Made(path, TakeOptions(("0",), ReadOptions(unit="mV")))


def _xdf(folder: Path) -> Made:
    signal = xdf_files.Stream("ECG", BEATS[:, None], 100 + T, FS, labels=("Lead I",), units=("mV",))
    texts = xdf_files.markers((f"Jane {DAY}",), (99.0,))
    path = folder / f"{NAME}.xdf"
    data = xdf_files.xdf_bytes(signal, texts, date="2024-03-12T09:30:00+0000")
    torn = xdf_files.chunk(xdf_files.STREAM_FOOTER, struct.pack("<I", 2) + f"<info><{WHO}>".encode())
    path.write_bytes(data + torn)
    return Made(path)


def _bids(folder: Path) -> Made:
    """A data set with visits named by dates, tables of other times, and one that is cut off."""
    write_json(folder / "dataset_description.json", {"Name": "Jane Roe", "BIDSVersion": "1.8.0"})
    place = folder / f"sub-{WHO}" / f"ses-{DAY}" / "beh"
    place.mkdir(parents=True)
    for run, label, start_s in ((1, "a", 0), (1, "b", 5), (1, "c", 0), (2, "a", 0)):
        name = f"sub-{WHO}_ses-{DAY}_task-rest_acq-{DAY}x{run}_recording-{label}_physio"
        sidecar = {"SamplingFrequency": FS, "StartTime": start_s, "Columns": ["ECG", "other"], "ECG": {}}
        write_json(place / f"{name}.json", {**sidecar, "ECG": {"Units": "mV"}})
        write_table(place / f"{name}.tsv.gz", rows(BEATS + run, BEATS[::-1]))
    (place / f"{name}.tsv.gz").write_bytes((place / f"{name}.tsv.gz").read_bytes()[:-1000])
    return Made(folder, TakeOptions(("0",), ReadOptions(salvage=True)))


MAKERS: dict[str, Callable[[Path], Made]] = {
    "acq": _acq,
    "edf": _edf,
    "wfdb": _wfdb,
    "text": _text,
    "mat": _mat,
    "wav": _wav,
    "xdf": _xdf,
    "bids": _bids,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("pseudonymised", [True, False])
def test_ingest_keeps_no_id_no_name_and_no_date(name: str, pseudonymised: bool, tmp_path: Path) -> None:
    source, study, key = tmp_path / "source", tmp_path / "study", tmp_path / "key"
    source.mkdir()
    key.write_bytes(bytes(range(33, 65)))
    made = MAKERS[name](source)
    said = {} if made.path.is_dir() else {"subject": WHO, "condition": "rest"}
    asked = Asked((made.path,), said=said)
    options = IngestOptions(made.how, jobs=1, key_file=key if pseudonymised else None)
    summary = run_all(asked, study_folder=study, options=options)
    assert not summary.left_out
    headers = read_headers(open_study(study))
    assert all(header.warnings for header in headers)
    status.run(study)
    everything = b"".join(path.read_bytes() for path in study.rglob("*") if path.is_file()).lower()
    for text in TELLING[0 if pseudonymised else 1 :]:
        assert text.encode() not in everything, [header.warnings for header in headers]
        names = " ".join(path.name for path in study.rglob("*"))
        assert text not in names.lower() or Tags(WHO, "rest").key in names
