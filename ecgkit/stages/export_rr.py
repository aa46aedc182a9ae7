"""`ecgkit export rr`: R peaks, RR intervals and the figures of heart rate variability, as CSV.

Everything comes from what was seen when a session was ingested; no samples are read.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit import __version__
from ecgkit.analysis.hrv import measure_hrv
from ecgkit.analysis.quality import VERDICTS
from ecgkit.analysis.rhythm import normal_intervals
from ecgkit.errors import StudyError
from ecgkit.files import write_text
from ecgkit.progress import Progress, Silent
from ecgkit.protocol.compliance import Compliance
from ecgkit.stages.export_folder import export_folder
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.study_sessions import find_session
from ecgkit.stages.verdicts import judge_sessions
from ecgkit.study.folder import open_study
from ecgkit.study.session_file import (
    Observations,
    QualityTrack,
    SessionHeader,
    read_headers,
    read_observations,
)

TASK = "export rr"
HRV_TABLE, COLUMNS_FILE, README = "hrv.csv", "columns.json", "README.txt"
TASK_FORCE = "Task Force, Circulation 93:1043, 1996"
BRENNAN = "Brennan et al., IEEE Trans Biomed Eng 48:1342, 2001"

# column -> unit, what it is
RR_COLUMNS = {
    "r_peak_s": ("s", "time of the R peak from the start of the session"),
    "rr_ms": ("ms", "interval from the R peak before; empty for the first one of a segment"),
    "heart_rate_bpm": ("1/min", "60000 over rr_ms"),
    "normal": ("", "1 if the interval counts; 0 if it begins or ends with an odd beat, and is in no figure"),
    "quality": (
        "",
        "of the 10 s that it lies in: accept, doubtful, reject; empty where not judged",
    ),
    "segment": ("", "number of the stretch without a pause, a gap or an excluded span, from 1"),
}
HRV_COLUMNS = {
    "session": ("", "its key, as in the name of its file"),
    "subject": ("", "as the study has it"),
    "condition": ("", "key of the protocol"),
    "visit": ("", "number of the visit"),
    "take": ("", "number of the repetition within the visit"),
    "duration_s": ("s", "length of the session, with what is excluded of it"),
    "simulated": ("", "1 if nobody was recorded: made by a program"),
    "excluded": ("", "1 if the session is excluded from the study"),
    "verdict": ("", "whether it is what the protocol says: pass, warn, fail, not judged"),
    "quality_share": ("", "share of the 10 s windows that are not rejected, 0 to 1"),
    "n_beats": ("", "R peaks"),
    "n_intervals": ("", "normal RR intervals: only these count"),
    "left_out_share": ("", "share of the intervals that are not normal, 0 to 1"),
    "mean_rr_ms": ("ms", "mean interval"),
    "heart_rate_bpm": ("1/min", "60000 over mean_rr_ms"),
    "sdnn_ms": ("ms", f"standard deviation of the intervals ({TASK_FORCE})"),
    "rmssd_ms": ("ms", f"root mean square of the differences of neighbours ({TASK_FORCE})"),
    "pnn50": ("%", f"differences of neighbours above 50 ms ({TASK_FORCE})"),
    "sd1_ms": (
        "ms",
        f"spread of the Poincare plot across its diagonal ({BRENNAN})",
    ),
    "sd2_ms": ("ms", f"spread of the Poincare plot along its diagonal ({BRENNAN})"),
    "vlf_ms2": ("ms^2", f"power from 0.003 to 0.04 Hz; of 5 min or more ({TASK_FORCE})"),
    "lf_ms2": ("ms^2", f"power from 0.04 to 0.15 Hz; of 2 min or more ({TASK_FORCE})"),
    "hf_ms2": ("ms^2", f"power from 0.15 to 0.4 Hz; of 1 min or more ({TASK_FORCE})"),
    "total_power_ms2": ("ms^2", "vlf_ms2 + lf_ms2 + hf_ms2; of 5 min or more"),
    "lf_hf": ("", "lf_ms2 over hf_ms2; of 2 min or more"),
    "lf_nu": ("%", "lf_ms2 in percent of lf_ms2 + hf_ms2 (normalised units)"),
    "hf_nu": ("%", "hf_ms2 in percent of lf_ms2 + hf_ms2 (normalised units)"),
}


@dataclass(frozen=True, slots=True)
class RrSummary:
    """What was exported.

    Attributes
    ----------
    sessions
        Keys of the exported ones.
    left_out
        Keys of those that were left out because they are excluded.
    without_beats
        Keys of exported ones in which there is no R peak.
    """

    out: Path
    sessions: tuple[str, ...]
    left_out: tuple[str, ...]
    without_beats: tuple[str, ...]
    n_beats: int
    simulated: bool

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**dataclasses.asdict(self), "out": str(self.out)}


def run(
    study_folder: Path,
    out: Path,
    *,
    with_excluded: bool = False,
    keys: Sequence[str] = (),
    progress: Progress = Silent(),  # noqa: B008 (holds nothing)
) -> RrSummary:
    """Write the beats of each session, a table of figures, and what the columns mean.

    Parameters
    ----------
    out
        The new folder.
    with_excluded
        Also take sessions that are excluded as a whole. Excluded spans stay out in any case: what was seen
        is without them.
    keys
        Only these sessions, as `find_session` takes them.

    Raises
    ------
    StudyError
        There is no study, no such session, nothing to export, or `out` holds something.
    """
    study = open_study(study_folder)
    headers = read_headers(study)
    asked = {find_session(study, headers, key).tags for key in keys}
    chosen = [header for header in headers if header.tags in asked or not keys]
    taken = [header for header in chosen if with_excluded or not header.is_excluded]
    if not taken:
        why = "all are excluded; --with-excluded takes them" if chosen else "ingest a recording first"
        raise StudyError(f"{study.folder}: no session to export: {why}")
    verdicts = judge_sessions(protocol_of(study), headers)
    rows: list[dict[str, Any]] = []
    progress.start(TASK, len(taken))
    with export_folder(out) as folder:
        for header in taken:
            rows.append(_export(folder, header, verdicts.get(header.tags.key)))
            progress.advance(TASK, header.tags.key)
        write_text(folder / HRV_TABLE, _csv(HRV_COLUMNS, ([row[c] for c in HRV_COLUMNS] for row in rows)))
        write_text(folder / COLUMNS_FILE, _columns(taken, with_excluded=with_excluded))
        write_text(folder / README, _readme(taken))
    return RrSummary(
        out=out,
        sessions=tuple(header.tags.key for header in taken),
        left_out=tuple(header.tags.key for header in chosen if header not in taken),
        without_beats=tuple(row["session"] for row in rows if not row["n_beats"]),
        n_beats=sum(row["n_beats"] for row in rows),
        simulated=any(header.simulated for header in taken),
    )


def _export(folder: Path, header: SessionHeader, verdict: Compliance | None) -> dict[str, Any]:
    """Write the beats of a session; return its row of the table of figures."""
    seen = read_observations(header.path)
    write_text(folder / f"{header.tags.key}_rr.csv", _csv(RR_COLUMNS, _rr_rows(seen)))
    return {
        "session": header.tags.key,
        **dataclasses.asdict(header.tags),
        "duration_s": header.duration_s,
        "simulated": int(header.simulated),
        "excluded": int(header.is_excluded),
        "verdict": "not judged" if verdict is None else verdict.verdict,
        "quality_share": seen.measures.quality_share,
        **dataclasses.asdict(measure_hrv(seen.beats_s)),
    }


def _rr_rows(seen: Observations) -> Iterator[tuple[object, ...]]:
    for segment, peaks_s in enumerate(seen.beats_s, start=1):
        normal = np.isfinite(normal_intervals(peaks_s)[1])
        intervals = [
            (f"{rr_ms:.3f}", f"{60e3 / rr_ms:.3f}", int(counts))
            for rr_ms, counts in zip(1e3 * np.diff(peaks_s), normal, strict=True)
        ]
        words = _quality_at(seen.quality, peaks_s)
        for peak_s, interval, word in zip(peaks_s, [("", "", ""), *intervals], words, strict=True):
            yield f"{peak_s:.6f}", *interval, word, segment


def _quality_at(quality: QualityTrack, times_s: NDArray[np.float64]) -> list[str]:
    """Return the verdict of the window that each time lies in."""
    before = np.searchsorted(quality.start_s, times_s, side="right") - 1
    return [
        VERDICTS[quality.indices.verdict[window]]
        if window >= 0 and time_s < quality.start_s[window] + quality.window_s
        else ""
        for window, time_s in zip(before.tolist(), times_s.tolist(), strict=True)
    ]


def _csv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(_cell, row) for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if math.isfinite(value) else ""


def _columns(taken: Sequence[SessionHeader], *, with_excluded: bool) -> str:
    described = {
        file: {name: {"unit": unit, "description": text} for name, (unit, text) in columns.items()}
        for file, columns in (("*_rr.csv", RR_COLUMNS), (HRV_TABLE, HRV_COLUMNS))
    }
    sources = {h.tags.key: {"source_sha256": h.sha256, "content_sha256": h.content_sha256} for h in taken}
    content = {
        "ecgkit": __version__,
        "simulated": any(header.simulated for header in taken),
        "with_excluded": with_excluded,
        "columns": described,
        "sessions": sources,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _readme(taken: Sequence[SessionHeader]) -> str:
    head = (
        "SIMULATED DATA in it: sessions that a program made.\n\n" if any(h.simulated for h in taken) else ""
    )
    return f"""\
{head}R peaks, RR intervals and heart rate variability of {len(taken)} sessions, by ecgkit {__version__}.

*_rr.csv         the beats of one session, a row each
{HRV_TABLE}          the figures of all sessions, a row each
{COLUMNS_FILE}     what each column is, its unit and its source; the hashes of what it was made from

Commas between the cells, a point in the numbers, UTF-8. An empty cell: it can't be told.

Only normal intervals count. One that differs too much from those around it, or has an odd beat at one of its
ends, is left out (column "normal"); none is made up. left_out_share says how many these are: with more than
a few percent, look at the recording before you use its figures.
Figures of recordings of different lengths can't be compared: sdnn_ms grows with the length.
The powers are of the RR intervals at 4 Hz (cubic spline), from periodograms of at most 5 minutes with a Hann
window, of which each loses a straight line. A band is empty where the recording is too short for it:
2 minutes for LF, 1 for HF, 5 for VLF and the total. They presume a steady state: after exercise, while the
heart rate falls, they say little.
"""
