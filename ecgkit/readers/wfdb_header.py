"""The text of a WFDB header, by the grammar of header(5) of the WFDB manual.

https://physionet.org/physiotools/wag/header-5.htm. Stricter than wfdb, which reads as far as it understands a
line: a damaged gain would pass for a smaller one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ecgkit.errors import ReadError
from ecgkit.readers.foreign import parsing
from ecgkit.readers.usable import checked_rate

DAMAGED = "the header is damaged, or was edited; copy the record again"
MOST_HEADER_BYTES = 1 << 18
MOST_SIGNALS = 1024
DEFAULT_FRAME_RATE_HZ = 250.0
DEFAULT_GAIN = 200.0  # counts per mV

NUMBER = r"[+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:[eE][+-]?\d{1,3})?"
WHOLE = r"-?\d{1,15}"
# NAME[/SEGMENTS] SIGNALS [FS[/COUNTER[(BASE)]] [FRAMES [TIME [DATE]]]]
RECORD_LINE = re.compile(
    r"(?P<name>[\w-]+)(?:/(?P<segments>\d{1,15}))?\s+(?P<signals>\d{1,15})"
    rf"(?:\s+(?P<fs>{NUMBER})(?:/{NUMBER})?(?:\({NUMBER}\))?"
    r"(?:\s+(?P<frames>\d{1,15})(?:\s+(?P<time>\S+)(?:\s+(?P<date>\S+))?)?)?)?"
)
# FILE FORMAT[xSAMPLES][:SKEW][+OFFSET]
#   [GAIN[(BASELINE)][/UNIT] [BITS [ZERO [FIRST [CHECKSUM [BLOCK]]]]] [NAME]]
SIGNAL_LINE = re.compile(
    r"(?P<file>\S+)\s+(?P<format>\d{1,9})(?:x(?P<per_frame>\d{1,9}))?(?::(?P<skew>\d{1,15}))?"
    r"(?:\+(?P<offset>\d{1,15}))?"
    rf"(?:\s+(?P<gain>{NUMBER})(?:\((?P<baseline>{WHOLE})\))?(?:/(?P<unit>\S+))?"
    rf"(?:\s+{WHOLE}(?:\s+(?P<zero>{WHOLE})(?:\s+(?P<first>{WHOLE})(?:\s+{WHOLE}(?:\s+{WHOLE})?)?)?)?)?"
    r"(?:\s+(?P<name>.+))?)?"
)
PLAIN_FILE_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal line, with header(5)'s word for what it leaves out.

    Attributes
    ----------
    per_frame
        Samples in each frame, the record's unit of time.
    skew
        Frames by which the samples lie too late in the file.
    gain, baseline
        Counts per unit, and the count at 0.
    calibrated
        Whether the line gives a gain.
    first
        The value before the first difference (format 8).
    """

    name: str
    file: str
    format: str
    per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    unit: str
    calibrated: bool
    first: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says; `n_frames` is 0 where it doesn't."""

    frame_rate: float
    n_frames: int
    signals: tuple[Signal, ...]
    start_time: datetime | None
    comments: str
    warnings: tuple[str, ...]


def matches(head: bytes) -> bool:
    """Tell from the first bytes whether a file is a WFDB header: its record line, then a signal line."""
    lines = _lines(head.decode("latin-1"))
    record = RECORD_LINE.fullmatch(lines[0]) if lines else None
    if record is None:
        return False
    if record["segments"] or len(lines) == 1:
        return record["fs"] is not None
    signal = SIGNAL_LINE.match(lines[1])
    # what stands first in a table of numbers is no file's name
    return signal is not None and re.search(r"[^\W\d]|~", signal["file"]) is not None


def read_header(path: Path) -> Header:
    """Read a header file.

    Raises
    ------
    ReadError
        It can't be read or understood, or is of a record of several segments.
    """
    text = _text(path)
    lines = _lines(text)
    record = RECORD_LINE.fullmatch(lines[0]) if lines else None
    if record is None:
        raise ReadError(f"{path}: its first line is no WFDB record line; {DAMAGED}")
    start_time = _start_time(record)
    late = record["date"] and not start_time
    return Header(
        frame_rate=_frame_rate(path, record),
        n_frames=int(record["frames"] or 0),
        signals=_signals(path, record, lines[1:]),
        start_time=start_time,
        comments=_comments(text),
        warnings=("the header's date and time can't be understood, and are left out",) if late else (),
    )


def _text(path: Path) -> str:
    with parsing(path, "header"):
        if path.stat().st_size > MOST_HEADER_BYTES:
            raise ReadError(f"{path}: over {MOST_HEADER_BYTES} bytes, too long for a header; {DAMAGED}")
        content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")  # the µ of older programs


def _lines(text: str) -> list[str]:
    """Return the lines that are no comments."""
    stripped = (line.strip() for line in text.split("\n"))
    return [line for line in stripped if line and not line.startswith("#")]


def _comments(text: str) -> str:
    stripped = (line.strip() for line in text.split("\n"))
    return "\n".join(line.strip("# \t") for line in stripped if line.startswith("#"))


def _frame_rate(path: Path, record: re.Match[str]) -> float:
    if record["segments"]:
        raise ReadError(
            f"{path}: a record of {record['segments']} segments, expected one; its lines name the segments. "
            "Each is a record of its own: give its header"
        )
    fs = float(record["fs"] or DEFAULT_FRAME_RATE_HZ)
    return checked_rate(path, fs, f"the header gives {fs:g} frames a second", advice=DAMAGED)


def _signals(path: Path, record: re.Match[str], lines: Sequence[str]) -> tuple[Signal, ...]:
    announced = int(record["signals"])
    if announced != len(lines) or not 1 <= announced <= MOST_SIGNALS:
        raise ReadError(
            f"{path}: the header announces {announced} signals and describes {len(lines)}, expected the same "
            f"number, from 1 to {MOST_SIGNALS}; {DAMAGED}"
        )
    return tuple(_signal(path, index, line) for index, line in enumerate(lines))


def _signal(path: Path, index: int, line: str) -> Signal:
    fields = SIGNAL_LINE.fullmatch(line)
    if fields is None or (fields["per_frame"] and not int(fields["per_frame"])):
        raise ReadError(f"{path}: the line of signal {index}, {line[:80]!r}, can't be understood; {DAMAGED}")
    if not PLAIN_FILE_NAME.fullmatch(fields["file"]):
        raise ReadError(
            f"{path}: the samples of signal {index} should lie in {fields['file'][:80]!r}, expected the "
            "name of a file beside the header, without a folder; put it there and correct the header"
        )
    gain = float(fields["gain"] or 0)
    return Signal(
        name=fields["name"] or f"signal {index}",
        file=fields["file"],
        format=fields["format"],
        per_frame=int(fields["per_frame"] or 1),
        skew=int(fields["skew"] or 0),
        offset=int(fields["offset"] or 0),
        gain=gain or DEFAULT_GAIN,
        baseline=int(fields["baseline"] or fields["zero"] or 0),
        unit=fields["unit"] or "mV",
        calibrated=gain != 0 and math.isfinite(gain),
        first=int(fields["first"] or 0),
    )


def _start_time(record: re.Match[str]) -> datetime | None:
    """Return the time of the clock where the recording was made, without a time zone."""
    if not record["date"]:
        return None
    clock = ":".join(["0"] * (2 - record["time"].count(":")) + [record["time"]])
    pattern = "%d/%m/%Y %H:%M:%S" + (".%f" if "." in clock else "")
    try:
        return datetime.strptime(f"{record['date']} {clock}", pattern)
    except ValueError:
        return None
