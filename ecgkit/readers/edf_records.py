"""The header and the data records of EDF and BDF files.

European Data Format, https://www.edfplus.info/specs/edf.html; BDF has samples of 24 bit,
https://www.biosemi.com/faq/file_format.htm. edfio decodes: it is given the header and some data records,
since from a path it reads BDF whole, takes any number of data records, and leaves EDF mapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgkit.errors import ReadError
from ecgkit.readers.foreign import parsing, require
from ecgkit.records import RawSamples

EDF_START, BDF_START = b"0       ", b"\xffBIOSEMI"
FIXED_BYTES = 256  # of the header's first part, and of the part of each signal
N_BYTES, N_RECORDS, DURATION, N_SIGNALS = slice(184, 192), slice(236, 244), slice(244, 252), slice(252, 256)
LABEL_BYTES, COUNTS_AT, COUNT_BYTES = 16, 216, 8
ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
BLOCK_BYTES = 1 << 20
MOST_RECORD_BYTES = 1 << 24  # of a data record that is not in the file; EDF allows 61440 bytes
DAMAGED = "the header is damaged; copy the file again"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the samples lie: in data records, each with some samples of every signal in turn.

    Attributes
    ----------
    header
        The header's bytes.
    counts
        Samples of each signal in a data record.
    duration_s
        Length of a data record.
    end
        Where the data records end in the file; the last may be incomplete.
    """

    path: Path
    header: bytes
    counts: tuple[int, ...]
    duration_s: float
    end: int

    @property
    def kind(self) -> str:
        """EDF or BDF."""
        return "BDF" if self.header.startswith(BDF_START) else "EDF"

    @property
    def sample_bytes(self) -> int:
        """Length of a sample in the file."""
        return 3 if self.kind == "BDF" else 2

    @property
    def record_bytes(self) -> int:
        """Length of a data record in the file."""
        return self.sample_bytes * sum(self.counts)

    @property
    def n_records(self) -> int:
        """How many data records there are, with an incomplete last one."""
        return -(-(self.end - len(self.header)) // self.record_bytes)

    @property
    def encoding(self) -> str:
        """How the header's texts are written: ASCII by the standard, the µ in either way by some programs."""
        try:
            self.header[FIXED_BYTES:].decode()
        except UnicodeDecodeError:
            return "latin-1"
        return "utf-8"

    @property
    def annotation_signals(self) -> tuple[int, ...]:
        """Positions of the signals that hold annotations, no samples."""
        fields = self.header[FIXED_BYTES : FIXED_BYTES + LABEL_BYTES * len(self.counts)]
        labels = (fields[at : at + LABEL_BYTES] for at in range(0, len(fields), LABEL_BYTES))
        texts = [label.decode(self.encoding, errors="replace").rstrip() for label in labels]
        return tuple(index for index, text in enumerate(texts) if text == f"{self.kind} Annotations")

    def n_samples(self, signal: int) -> int:
        """Return how many samples of a signal there are, with those in an incomplete data record."""
        whole, rest = divmod(self.end - len(self.header), self.record_bytes)
        there = rest // self.sample_bytes - sum(self.counts[:signal])
        return whole * self.counts[signal] + min(max(0, there), self.counts[signal])


def read_layout(path: Path) -> tuple[Layout, int]:
    """Read the header; return the layout, up to the file's end, and the stated number of data records.

    Raises
    ------
    ReadError
        The header is cut, or one of its numbers can't be true.
    """
    with parsing(path, "header"), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        fixed = file.read(FIXED_BYTES)
        n_signals = int(_number(path, fixed, N_SIGNALS, "number of signals", 1, 9999))
        n_bytes = FIXED_BYTES * (1 + n_signals)
        _number(path, fixed, N_BYTES, "length of the header", n_bytes, n_bytes)
        header = fixed + file.read(n_bytes - FIXED_BYTES)
    if len(header) != n_bytes:
        raise ReadError(
            f"{path}: ends in its header: expected {n_bytes} bytes for {n_signals} signals, got {len(header)}"
            "; without it no sample can be read. Copy the file again"
        )
    first = FIXED_BYTES + COUNTS_AT * n_signals
    places = [
        slice(at, at + COUNT_BYTES) for at in range(first, first + COUNT_BYTES * n_signals, COUNT_BYTES)
    ]
    what = "samples of signal {} in a data record"
    counts = [_number(path, header, place, what.format(i), 1, 1e8) for i, place in enumerate(places)]
    duration_s = _number(path, header, DURATION, "duration of a data record", 1e-7, 1e8)
    n_records = int(_number(path, header, N_RECORDS, "number of data records", -1, 1e8))
    layout = Layout(path, header, tuple(map(int, counts)), duration_s, size)
    if layout.record_bytes > max(MOST_RECORD_BYTES, size - n_bytes):
        raise ReadError(
            f"{path}: data records of {layout.record_bytes} bytes, {size - n_bytes} bytes behind the header; "
            f"{DAMAGED}"
        )
    return layout, n_records


def _number(path: Path, header: bytes, field: slice, what: str, lowest: float, highest: float) -> float:
    text = header[field].decode("latin-1").strip("\0 ")
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not lowest <= number <= highest:
        raise ReadError(
            f"{path}: the {what}, at {field.start} in the header, is {text!r}, expected a number from "
            f"{lowest:g} to {highest:g}; {DAMAGED}"
        )
    return number


def decoded(layout: Layout, first: int, last: int) -> Any:
    """Have edfio decode the header and the data records ``[first, last)``; return its object.

    An incomplete last record is filled up with zeros.
    """
    edfio = require(layout.path, "edfio")
    begin = len(layout.header) + first * layout.record_bytes
    n_bytes = (last - first) * layout.record_bytes
    there = min(n_bytes, layout.end - begin)
    with parsing(layout.path, "data records"):
        with layout.path.open("rb") as file:
            file.seek(begin)
            content = file.read(there)
        if len(content) != there:
            raise ReadError(
                f"{layout.path}: ends inside its samples: expected {there} bytes at {begin}, got "
                f"{len(content)}; it has changed since its header was read"
            )
        header = layout.header[: N_RECORDS.start] + b"%-8d" % (last - first) + layout.header[N_RECORDS.stop :]
        part = header + content.ljust(n_bytes, b"\0")
        if layout.kind == "BDF":
            return edfio.read_bdf(part, header_encoding=layout.encoding)
        return edfio.read_edf(part, header_encoding=layout.encoding)


def read_stretch(layout: Layout, signal: int, position: int, start: int, stop: int) -> RawSamples:
    """Read the raw samples ``[start, stop)`` of a signal.

    Parameters
    ----------
    signal
        Its position in the file.
    position
        Its position among those that hold samples.
    """
    count = layout.counts[signal]
    samples = np.empty(stop - start, dtype=np.int32 if layout.kind == "BDF" else np.int16)
    first, last = start // count, -(-stop // count)
    step = max(1, BLOCK_BYTES // layout.record_bytes)
    for record in range(first, last if start < stop else first, step):
        block = decoded(layout, record, min(record + step, last)).signals[position].digital
        begin = record * count
        piece = block[max(0, start - begin) : stop - begin]
        done = max(start, begin) - start
        samples[done : done + len(piece)] = piece
    return samples
