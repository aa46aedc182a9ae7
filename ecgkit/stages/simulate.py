"""Write a simulated study as ``.acq`` files, each with its truth beside it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit import __version__
from ecgkit.errors import ConfigError, StudyError
from ecgkit.files import TEMPORARY_PREFIX, write_text
from ecgkit.progress import Progress, Silent
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq
from ecgkit.simulate.study import CONDITIONS, RAIL_MV, SimulatedRecording, check_options, simulate_recording
from ecgkit.simulate.visit import simulate_visit, visit_duration_s, visit_spans

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
    """One session of the study: what it is, the file that holds it, and where the truth is.

    Attributes
    ----------
    start_s, stop_s
        Where in the file it lies, None where it is all of it.
    """

    path: Path
    truth: Path
    subject: str
    condition: str
    visit: int
    take: int
    start_s: float | None = None
    stop_s: float | None = None

    def as_json(self) -> dict[str, object]:
        """Return plain values, without those that are None."""
        content = {**asdict(self), "path": str(self.path), "truth": str(self.truth)}
        return {name: value for name, value in content.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SimulateSummary:
    """What was written.

    Attributes
    ----------
    files
        One for each session; with `one_file`, those of a visit name the same file.
    """

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
    one_file: bool

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
    one_file: bool = False,
    force: bool = False,
    progress: Progress = Silent(),  # noqa: B008 (holds nothing)
) -> SimulateSummary:
    """Write every recording of a simulated study, a table of them, and a README.

    The same arguments write the same bytes. Each file is put in place whole.

    Parameters
    ----------
    out
        Folder; made where there is none.
    one_file
        Write all conditions of a visit into one file, with pauses, instead of a file each.
    force
        Write into a folder that holds something else; what is not overwritten stays.

    Raises
    ------
    ConfigError
        A number is outside what can be simulated.
    StudyError
        `out` is not a folder, or holds something else than this very study.
    """
    plan = _Plan(n_subjects, seed, visits, fs, duration_s, mains_hz, one_file)
    plan.check()
    files = tuple(_files(out, plan))
    _check_folder(out, plan, files, force=force)
    firsts = [next(same) for _, same in groupby(files, key=lambda file: file.path)]
    progress.start(TASK, len(firsts))
    write_text(out / README, _readme(plan))
    for first in firsts:
        _write(first, plan)
        progress.advance(TASK, first.path.name)
    write_text(out / TABLE, _table(files))
    each_s = visit_duration_s(fs=fs, duration_s=duration_s) if one_file else duration_s
    return SimulateSummary(
        out=out,
        files=files,
        n_subjects=n_subjects,
        visits=visits,
        seed=seed,
        recorded_s=len(firsts) * each_s,
        n_bytes=sum(first.path.stat().st_size for first in firsts),
    )


def summary_dict(summary: SimulateSummary) -> dict[str, object]:
    """Return the summary as plain values, for JSON."""
    files = [file.as_json() for file in summary.files]
    return {"simulated": True, **asdict(summary), "out": str(summary.out), "files": files}


def summary_text(summary: SimulateSummary) -> str:
    """Return the summary in words, with the next step."""
    n_files = len({file.path for file in summary.files})
    size = f"{summary.recorded_s / 3600:.2f} h, {summary.n_bytes / 1e6:.1f} MB"
    return (
        f"SIMULATED: {n_files} recordings of {summary.n_subjects} subjects, visits each: "
        f"{summary.visits}; {size} in {summary.out}\n"
        f"The truth about each file lies beside it (*.truth.json); {TABLE} lists them.\n"
        f"Next: ecgkit ingest --table {summary.out / TABLE}"
    )


def _files(out: Path, plan: _Plan) -> Iterator[SimulatedFile]:
    spans = visit_spans(fs=plan.fs, duration_s=plan.duration_s) if plan.one_file else ()
    within = {span.condition: (span.start_s, span.stop_s) for span in spans}
    for number in range(1, plan.n_subjects + 1):
        for visit in range(1, plan.visits + 1):
            for condition in CONDITIONS:
                stem = f"S{number:02d}_v{visit}" if plan.one_file else f"S{number:02d}_{condition}_v{visit}"
                start_s, stop_s = within.get(condition, (None, None))
                yield SimulatedFile(
                    path=out / f"{stem}.acq",
                    truth=out / f"{stem}.truth.json",
                    subject=f"{number:02d}",
                    condition=condition,
                    visit=visit,
                    take=TAKE,
                    start_s=start_s,
                    stop_s=stop_s,
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


def _write(first: SimulatedFile, plan: _Plan) -> None:
    """Write a file, given by the first session in it, and its truth."""
    recording = _simulated(first, plan)
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
    conditions = ", ".join(span.condition.replace("_", " ") for span in recording.spans)
    journal = (
        f"SIMULATED by ecgkit {__version__}, not recorded from a person. Subject {first.subject}, "
        f"{conditions}, visit {first.visit}, seed {recording.seed}."
    )
    write_acq(first.path, channels, fs=recording.fs, markers=markers, journal=journal)
    write_text(first.truth, _truth(first, recording))


def _simulated(first: SimulatedFile, plan: _Plan) -> SimulatedRecording:
    """Simulate a session, or the whole visit that it begins."""
    make = (
        partial(simulate_visit, int(first.subject), first.visit)
        if plan.one_file
        else partial(simulate_recording, int(first.subject), first.condition, first.visit)
    )
    return make(fs=plan.fs, seed=plan.seed, duration_s=plan.duration_s, mains_hz=plan.mains_hz)


def _channel(
    signal: NDArray[np.float64], name: str, unit: str, *, full_scale: float, divider: int
) -> AcqChannel:
    """Convert a signal as a 16-bit converter does."""
    scale = full_scale / COUNTS
    counts = np.clip(np.rint(signal / scale), -COUNTS, COUNTS - 1).astype(np.int16)
    return AcqChannel(counts, name, unit, scale=scale, divider=divider)


def _truth(first: SimulatedFile, recording: SimulatedRecording) -> str:
    condition = {"condition": first.condition} if first.start_s is None else {}
    spans = {} if first.start_s is None else {"spans": [asdict(span) for span in recording.spans]}
    content = {
        "simulated": True,
        "ecgkit": __version__,
        "file": first.path.name,
        "subject": first.subject,
        **condition,
        "visit": first.visit,
        "take": first.take,
        "seed": recording.seed,
        "fs": recording.fs,
        "duration_s": recording.duration_s,
        "mains_hz": recording.mains_hz,
        **spans,
        "r_peaks_s": recording.r_peaks_s.tolist(),
        "heart_rate_fs": recording.heart_rate_fs,
        "heart_rate_bpm": recording.heart_rate_bpm.round(3).tolist(),
        "artefacts": [asdict(artefact) for artefact in recording.artefacts],
    }
    return json.dumps(content, indent=1) + "\n"


def _table(files: Sequence[SimulatedFile]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    spans = () if files[0].start_s is None else ("start", "stop")
    rows.writerow(("file", "subject", "condition", "visit", "take", *spans))
    for f in files:
        span_s = () if f.start_s is None else (f.start_s, f.stop_s)
        rows.writerow((f.path.name, f.subject, f.condition, f.visit, f.take, *span_s))
    return text.getvalue()


def _readme(plan: _Plan) -> str:
    command = (
        f"ecgkit simulate --subjects {plan.n_subjects} --seed {plan.seed} --visits {plan.visits} "
        f"--mains-hz {plan.mains_hz:g} --duration-s {plan.duration_s:g} --fs {plan.fs:g}"
    ) + (" --one-file" if plan.one_file else "")
    listed = (
        "lists the sessions: file, subject, condition, visit, take; start and stop in it, seconds."
        if plan.one_file
        else "lists the files: subject, condition, visit, take."
    )
    return f"""\
{SIMULATED}

Made by ecgkit {__version__} with seed {plan.seed}:
    {command} --out FOLDER
The same command with the same version writes the same bytes.

{TABLE} {listed}
Each .acq file holds an ECG channel (mV), a respiration channel, markers and a journal.
Each .truth.json file beside it holds what is known because it was made: R peaks (seconds), heart rate,
stretches with artefacts.
Condition "exercise" is the recovery from one minute after a run; deep breathing is 5 s in, 5 s out.

What a method scores on these files says how it does on this simulation, not on people.
"""
