"""Write a simulated study as ``.acq`` files, each with its truth beside it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit import __version__
from ecgkit.errors import ConfigError, StudyError
from ecgkit.files import TEMPORARY_PREFIX, write_text
from ecgkit.progress import Progress, Silent
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq
from ecgkit.simulate.study import CONDITIONS, RAIL_MV, SimulatedRecording, check_options, simulate_recording

TASK = "simulate"
README = "README.txt"
TABLE = "sessions.csv"
ECG_NAME, RESPIRATION_NAME = "ECG - ECG100C", "Respiration - RSP100C"
RAIL_V = 10.0
COUNTS = 32768
TAKE = 1
SIMULATED = "SIMULATED DATA. Nobody was recorded: every signal in this folder was made by a program."


@dataclass(frozen=True, slots=True)
class SimulatedFile:
    """One file of the study: what it is, and where its truth is."""

    path: Path
    truth: Path
    subject: str
    condition: str
    visit: int
    take: int


@dataclass(frozen=True, slots=True)
class SimulateSummary:
    """What was written."""

    out: Path
    files: tuple[SimulatedFile, ...]
    n_subjects: int
    visits: int
    seed: int
    recorded_s: float
    n_bytes: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is asked for."""

    n_subjects: int
    seed: int
    visits: int
    fs: float
    duration_s: float
    mains_hz: float

    def check(self) -> None:
        for name, value, high in (("subjects", self.n_subjects, 999), ("visits", self.visits, 99)):
            if not 1 <= value <= high:
                raise ConfigError(f"simulate: {name} is {value}; expected 1 to {high}")
        check_options(fs=self.fs, seed=self.seed, duration_s=self.duration_s, mains_hz=self.mains_hz)


def run(
    out: Path,
    *,
    n_subjects: int,
    seed: int,
    visits: int = 1,
    fs: float = 1000.0,
    duration_s: float = 180.0,
    mains_hz: float = 60.0,
    force: bool = False,
    progress: Progress = Silent(),  # noqa: B008 (holds nothing)
) -> SimulateSummary:
    """Write every recording of a simulated study, a table of them, and a README.

    The same arguments write the same bytes. Each file is put in place whole.

    Parameters
    ----------
    out
        Folder; made where there is none.
    force
        Write into a folder that holds something else; what is not overwritten stays.

    Raises
    ------
    ConfigError
        A number is outside what can be simulated.
    StudyError
        `out` is not a folder, or holds something else than this very study.
    """
    plan = _Plan(n_subjects, seed, visits, fs, duration_s, mains_hz)
    plan.check()
    files = tuple(_files(out, plan))
    _check_folder(out, plan, files, force=force)
    progress.start(TASK, len(files))
    write_text(out / README, _readme(plan))
    for file in files:
        _write(file, plan)
        progress.advance(TASK, file.path.name)
    write_text(out / TABLE, _table(files))
    return SimulateSummary(
        out=out,
        files=files,
        n_subjects=n_subjects,
        visits=visits,
        seed=seed,
        recorded_s=len(files) * duration_s,
        n_bytes=sum(file.path.stat().st_size for file in files),
    )


def summary_dict(summary: SimulateSummary) -> dict[str, object]:
    """Return the summary as plain values, for JSON."""
    content = asdict(summary)
    paths = ({**asdict(file), "path": str(file.path), "truth": str(file.truth)} for file in summary.files)
    return {"simulated": True, **content, "out": str(summary.out), "files": list(paths)}


def summary_text(summary: SimulateSummary) -> str:
    """Return the summary in words, with the next step."""
    first = summary.files[0]
    size = f"{summary.recorded_s / 3600:.2f} h, {summary.n_bytes / 1e6:.1f} MB"
    return (
        f"SIMULATED: {len(summary.files)} recordings of {summary.n_subjects} subjects, visits each: "
        f"{summary.visits}; {size} in {summary.out}\n"
        f"The truth about each file lies beside it (*.truth.json); {TABLE} lists them.\n"
        f"Next: ecgkit ingest {first.path} --subject {first.subject} --condition {first.condition}"
    )


def _files(out: Path, plan: _Plan) -> Iterator[SimulatedFile]:
    for number in range(1, plan.n_subjects + 1):
        for visit in range(1, plan.visits + 1):
            for condition in CONDITIONS:
                stem = f"S{number:02d}_{condition}_v{visit}"
                yield SimulatedFile(
                    path=out / f"{stem}.acq",
                    truth=out / f"{stem}.truth.json",
                    subject=f"{number:02d}",
                    condition=condition,
                    visit=visit,
                    take=TAKE,
                )


def _check_folder(out: Path, plan: _Plan, files: tuple[SimulatedFile, ...], *, force: bool) -> None:
    """Refuse a folder that holds something else: real recordings must never be overwritten."""
    if not out.exists() or (force and out.is_dir()):
        return
    if not out.is_dir():
        raise StudyError(f"{out}: is a file; expected a folder to write the simulated study into")
    found = {path.name for path in out.iterdir() if not path.name.startswith(TEMPORARY_PREFIX)}
    ours = {README, TABLE} | {path.name for file in files for path in (file.path, file.truth)}
    readme = (out / README).read_bytes() if README in found else b""
    if not found or (readme == _readme(plan).encode() and found <= ours):
        return
    other = min(found - ours, default=min(found))
    what = "another simulated study" if readme.startswith(SIMULATED.encode()) else "files of something else"
    raise StudyError(
        f"{out}: holds {what} ({len(found)} files, one is {other}); choose an empty folder, "
        "or --force to write into this one"
    )


def _write(file: SimulatedFile, plan: _Plan) -> None:
    recording = simulate_recording(
        int(file.subject),
        file.condition,
        file.visit,
        fs=plan.fs,
        seed=plan.seed,
        duration_s=plan.duration_s,
        mains_hz=plan.mains_hz,
    )
    channels = (
        _channel(recording.ecg_mv, ECG_NAME, "mV", full_scale=RAIL_MV, divider=1),
        _channel(
            recording.respiration,
            RESPIRATION_NAME,
            "Volts",
            full_scale=RAIL_V,
            divider=recording.respiration_divider,
        ),
    )
    markers = [AcqMarker(m.sample, m.text, style=m.style, created=m.created) for m in recording.markers]
    journal = (
        f"SIMULATED by ecgkit {__version__}, not recorded from a person. Subject {file.subject}, "
        f"{file.condition.replace('_', ' ')}, visit {file.visit}, seed {recording.seed}."
    )
    write_acq(file.path, channels, fs=recording.fs, markers=markers, journal=journal)
    write_text(file.truth, _truth(file, recording))


def _channel(
    signal: NDArray[np.float64], name: str, unit: str, *, full_scale: float, divider: int
) -> AcqChannel:
    """Convert a signal as a 16-bit converter does."""
    scale = full_scale / COUNTS
    counts = np.clip(np.rint(signal / scale), -COUNTS, COUNTS - 1).astype(np.int16)
    return AcqChannel(counts, name, unit, scale=scale, divider=divider)


def _truth(file: SimulatedFile, recording: SimulatedRecording) -> str:
    content = {
        "simulated": True,
        "ecgkit": __version__,
        "file": file.path.name,
        "subject": file.subject,
        "condition": file.condition,
        "visit": file.visit,
        "take": file.take,
        "seed": recording.seed,
        "fs": recording.fs,
        "duration_s": recording.duration_s,
        "mains_hz": recording.mains_hz,
        "r_peaks_s": recording.r_peaks_s.tolist(),
        "heart_rate_fs": recording.heart_rate_fs,
        "heart_rate_bpm": recording.heart_rate_bpm.round(3).tolist(),
        "artefacts": [asdict(artefact) for artefact in recording.artefacts],
    }
    return json.dumps(content, indent=1) + "\n"


def _table(files: tuple[SimulatedFile, ...]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("file", "subject", "condition", "visit", "take"))
    rows.writerows((f.path.name, f.subject, f.condition, f.visit, f.take) for f in files)
    return text.getvalue()


def _readme(plan: _Plan) -> str:
    command = (
        f"ecgkit simulate --subjects {plan.n_subjects} --seed {plan.seed} --visits {plan.visits} "
        f"--mains-hz {plan.mains_hz:g} --duration-s {plan.duration_s:g} --fs {plan.fs:g}"
    )
    return f"""\
{SIMULATED}

Made by ecgkit {__version__} with seed {plan.seed}:
    {command} --out FOLDER
The same command with the same version writes the same bytes.

{TABLE} lists the files: subject, condition, visit, take.
Each .acq file holds an ECG channel (mV), a respiration channel, markers and a journal.
Each .truth.json file beside it holds what is known because it was made: R peaks (seconds), heart rate,
stretches with artefacts.
Condition "exercise" is the recovery from one minute after a run; deep breathing is 5 s in, 5 s out.

What a method scores on these files says how it does on this simulation, not on people.
"""
