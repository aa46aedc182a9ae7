"""Small tables of numbers as text, as labs, AcqKnowledge and OpenSignals write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FS = 250.0
N_ROWS = 300


def simulated(n_rows: int = N_ROWS, n_columns: int = 2) -> NDArray[np.float64]:
    """Return random samples, (rows, columns), of few digits."""
    return np.round(np.random.default_rng(9).normal(size=(n_rows, n_columns)), 4)


def table(
    rows: Sequence[Sequence[object]],
    separator: str = ",",
    decimal: str = ".",
    end: str = "\n",
    last: str = "",
) -> str:
    """Return rows as text; `last` is what ends each row before the line's end."""
    lines = [separator.join(str(cell) for cell in row) + last for row in rows]
    text = end.join(lines) + end
    return text if decimal == "." else text.replace(".", decimal)


def times(n_rows: int, digits: int = 3, per_s: float = 1.0) -> list[str]:
    """Return the times of the rows, printed with some digits, in seconds or another unit."""
    return [f"{row / FS * per_s:.{digits}f}" for row in range(n_rows)]


def timed(samples: NDArray[np.float64]) -> list[list[object]]:
    """Return samples as rows that begin with their time in seconds."""
    return [[time, *row] for time, row in zip(times(len(samples)), samples.tolist(), strict=True)]


def acqknowledge(
    samples: NDArray[np.float64],
    *,
    separator: str = "\t",
    timed_by: str = "min",
    counts: Sequence[int] | None = None,
    low_rate: str = "",
    title: str = "Subject 7.acq",
) -> str:
    """Return AcqKnowledge's export of two channels, the second at a fourth of the rate.

    Parameters
    ----------
    timed_by
        What heads the column of times; "" without one.
    counts
        The row of numbers of samples; None without one.
    low_rate
        How the second channel's column looks: "" full of values of its own, or "empty", "repeated" or
        "together".
    """
    n_rows = len(samples)
    head = [title, "4 msec/sample", "2 channels", "ECG, X, RSPEC-R", "mV", "Respiration", "Volts"]
    marks = [*([timed_by] if timed_by else []), "CH1", "CH2"]
    rows = [separator.join(marks) + separator]
    if counts is not None:
        rows.append(separator.join([*[""] * bool(timed_by), *map(str, counts)]) + separator)
    slow = samples[::4, 1]
    for row in range(n_rows):
        second = {
            "": samples[row, 1],
            "empty": slow[row // 4] if row % 4 == 0 else "",
            "repeated": slow[row // 4],
            "together": slow[row] if row < len(slow) else "",
        }[low_rate]
        cells = [*([f"{row / FS / 60:.6f}"] if timed_by else []), str(samples[row, 0]), str(second)]
        rows.append(separator.join(cells) + separator)
    return "\n".join([*head, *rows]) + "\n"


def opensignals(samples: NDArray[np.float64]) -> str:
    """Return OpenSignals' text format: a counter, a digital input, an ECG and a raw channel."""
    device = {
        "sensor": ["ECG", "RAW"],
        "column": ["nSeq", "I1", "A1", "A2"],
        "label": ["A1", "A2"],
        "sampling rate": 1000,
        "resolution": [10, 10],
    }
    head = [
        "# OpenSignals Text File Format",
        f"# {json.dumps({'00:07:80:79:6F:DB': device})}",
        "# EndOfHeader",
    ]
    counts = np.round(samples * 100 + 500).astype(int)
    rows = [f"{row % 16}\t0\t{first}\t{second}\t" for row, (first, second) in enumerate(counts.tolist())]
    return "\n".join([*head, *rows]) + "\n"


def _build(folder: Path, *, name: str, text: Callable[[], str], encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text().encode(encoding))
    return path


def _events() -> str:
    rows = timed(simulated())
    marks = {10: "Größe", 100: "rest", 101: "rest", 200: "exercise"}
    head = [["time (s)", "ECG (mV)", "RSP (V)", "marker"]]
    return table(head + [[*row, marks.get(at, "")] for at, row in enumerate(rows)])


def _comma() -> str:
    return table(
        [["time [ms]", "EKG [µV]"], *zip(times(N_ROWS, 0, 1000), simulated()[:, 0], strict=True)], ";", ","
    )


def dates(n_rows: int, form: str, start: datetime = datetime(2024, 3, 1, 23, 59, 59)) -> list[str]:
    """Return the dates of the rows to the millisecond, in a form of `strftime` in which %f is these."""
    at = [start + timedelta(seconds=row / FS) for row in range(n_rows)]
    return [date.strftime(form.replace("%f", f"{date.microsecond // 1000:03d}")) for date in at]


def _dates() -> str:
    rows = zip(dates(N_ROWS, "%Y-%m-%dT%H:%M:%S.%fZ"), simulated()[:, 0], strict=True)
    return table([["timestamp", "ECG_mV"], *rows])


def _clock_and_notes() -> str:
    clock = dates(N_ROWS, "%H:%M:%S,%f")
    notes = [["rest"] if row % 50 == 0 else [] for row in range(N_ROWS)]
    rows = [[time, sample, *note] for time, sample, note in zip(clock, simulated()[:, 0], notes, strict=True)]
    return table([["Uhrzeit", "EKG", "note"], ["", "mV", ""], *rows], ";", ",")


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "dates.csv": partial(_build, name="dates.csv", text=_dates),
    "notes.csv": partial(_build, name="notes.csv", text=_clock_and_notes),
    "events.csv": partial(_build, name="events.csv", text=_events),
    "comma.csv": partial(_build, name="comma.csv", text=_comma, encoding="latin-1"),
    "utf16.tsv": partial(
        _build,
        name="utf16.tsv",
        text=lambda: "# fs = 250 Hz\n" + table([["ECG", "RSP"], *simulated().tolist()], "\t", end="\r\n"),
        encoding="utf-16",
    ),
    "columns.txt": partial(
        _build, name="columns.txt", text=lambda: "% time ECG RSP\n" + table(timed(simulated()), "  ")
    ),
    "acqknowledge.txt": partial(
        _build,
        name="acqknowledge.txt",
        text=lambda: acqknowledge(simulated(), counts=(300, 75), low_rate="empty"),
    ),
    "opensignals.txt": partial(_build, name="opensignals.txt", text=lambda: opensignals(simulated())),
}
