"""WFDB records: a text header (`.hea`) with signal files and annotations beside it, into a `Recording`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ecgkit.errors import ReadError
from ecgkit.readers import wfdb_header
from ecgkit.readers.foreign import parsing, require
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.usable import OR_SALVAGE, lost_samples
from ecgkit.readers.wfdb_annotations import read_annotations
from ecgkit.readers.wfdb_header import DAMAGED, DEFAULT_GAIN, Header, Signal, read_header
from ecgkit.readers.wfdb_samples import FORMATS, SignalFile, read_on, read_stretch
from ecgkit.records import SIMULATED_MARK, Channel, Recording

TAKES = ()


def matches(head: bytes) -> bool:
    """Tell from the first bytes whether a file is a WFDB header."""
    return wfdb_header.matches(head)


def read(path: Path, options: ReadOptions) -> Recording:
    """Read a record's header and annotations.

    Dates in a header are those of the clock where it was recorded: `start_time` is this clock's time, without
    a time zone. The header's comments, which often tell who was recorded, become the journal. A signal
    without a gain gets header(5)'s 200 counts per mV, and a warning. A signal that lies late in its file
    (skew) is read from there on, and is so much shorter.

    Parameters
    ----------
    path
        The header, NAME.hea.
    options
        Whether to salvage.

    Raises
    ------
    ReadError
        The header can't be understood, or the signal files are not what it says.
    """
    require(path, "wfdb")
    header = read_header(path)
    files = tuple(_signal_files(path, header.signals, header.n_frames, salvage=options.salvage))
    fault = _fault(files, header.n_frames)
    if fault and not options.salvage:
        raise ReadError(f"{path}: {fault}; copy it again{OR_SALVAGE}")
    channels = tuple(_channels(files, header.frame_rate))
    fs = max(channel.fs for channel in channels)
    found = read_annotations(
        path,
        fs=fs,
        frame_rate=header.frame_rate,
        n_signals=len(channels),
        others={path.name, *(file.path.name for file in files)},
    )
    return Recording(
        path=path,
        format="wfdb",
        version=f"WFDB, signal format {', '.join(dict.fromkeys(s.format for s in header.signals))}",
        fs=fs,
        channels=channels,
        markers=found.markers,
        start_time=header.start_time,
        journal=header.comments or None,
        simulated=header.comments.startswith(SIMULATED_MARK),
        files=(path, *(file.path for file in files if file.size), *found.files),
        warnings=(
            *header.warnings,
            *_surplus(files, header.n_frames),
            *_calibration_warnings(header.signals, channels),
            *found.warnings,
        ),
        lost=tuple(_lost(files, header)) if fault else (),
        details=(("data files", str(len(files))),),
    )


def _signal_files(
    path: Path, signals: Sequence[Signal], n_frames: int, *, salvage: bool
) -> Iterator[SignalFile]:
    """Find the signal files, and how many frames of each there are; `n_frames` is 0 where not stated."""
    for name in dict.fromkeys(signal.file for signal in signals):
        held = [index for index, signal in enumerate(signals) if signal.file == name]
        group = tuple(signals[held[0] : held[-1] + 1])
        first = group[0]
        if first.format not in FORMATS:
            raise ReadError(
                f"{path}: {name} is of signal format {first.format}, ecgkit reads {', '.join(FORMATS)}; "
                "convert the record with xform of the WFDB software"
            )
        if len({(signal.file, signal.format, signal.offset) for signal in group}) > 1:
            raise ReadError(
                f"{path}: the signals in {name} differ in format or offset, or others stand between them, "
                f"expected one format and offset for each file; {DAMAGED}"
            )
        size = _size(path, name, salvage=salvage)
        per_frame = sum(signal.per_frame for signal in group)
        there = FORMATS[first.format].n_samples(size - first.offset) // per_frame
        yield SignalFile(path.parent / name, size, min(there, n_frames or there), group)


def _size(path: Path, name: str, *, salvage: bool) -> int:
    """Return the size of a signal file, which must lie beside the header; 0 for one that is lost."""
    file = path.parent / name
    with parsing(path, "folder"):
        if file.resolve().parent != path.parent.resolve():
            raise ReadError(f"{path}: {name} is a link out of the folder; put the file itself there")
        if file.is_file():
            return file.stat().st_size
        if file.exists() or not salvage:
            raise ReadError(f"{path}: its signal file {name} is not beside it; copy the whole record")
    return 0


def _lost(files: Sequence[SignalFile], header: Header) -> Iterator[str]:
    """Say what the signal files no longer hold, without their names, which can tell who was recorded."""
    index = 0
    for file in files:
        for signal in file.signals:
            if file.n_frames < header.n_frames:
                got, expected = (
                    max(0, n_frames - signal.skew) * signal.per_frame
                    for n_frames in (file.n_frames, header.n_frames)
                )
                fs = header.frame_rate * signal.per_frame
                if got < expected:
                    yield lost_samples(index, signal.name, got=got, expected=expected, fs=fs)
            elif file.size == header.n_frames == 0:
                yield f"channel {index} {signal.name!r}: all samples; its signal file is empty or not there"
            index += 1


def _fault(files: Sequence[SignalFile], n_frames: int) -> str:
    """Say which is the first signal file that is too short, "" if none is."""
    for number, file in enumerate(files, 1):
        if file.n_frames < n_frames or file.size == n_frames == 0:
            expected = f"{file.bytes_of(n_frames)} for {n_frames} frames" if n_frames else "some"
            return f"signal file {number} of {len(files)} has {file.size} bytes, expected {expected}"
    return ""


def _surplus(files: Sequence[SignalFile], n_frames: int) -> Iterator[str]:
    """Warn of files longer than they should be, by more than a block."""
    for number, file in enumerate(files, 1):
        if n_frames and file.size > file.bytes_of(n_frames) + file.format.ends[-1]:
            yield (
                f"signal file {number} of {len(files)} has {file.size} bytes, expected "
                f"{file.bytes_of(n_frames)}; what lies behind them is left out"
            )


def _channels(files: Sequence[SignalFile], frame_rate: float) -> Iterator[Channel]:
    placed = [(file, position) for file in files for position in range(len(file.signals))]
    for index, (file, position) in enumerate(placed):
        signal = file.signals[position]
        yield Channel(
            index=index,
            number=index,
            name=signal.name,
            unit=signal.unit,
            fs=frame_rate * signal.per_frame,
            n_samples=max(0, file.n_frames - signal.skew) * signal.per_frame,
            dtype=np.dtype(file.format.dtype),
            scale=1 / signal.gain,
            offset=-signal.baseline / signal.gain,
            sample_reader=partial(read_stretch, file, position),
            missing=file.format.missing,
            chunk_reader=partial(read_on, file, position),
        )


def _calibration_warnings(signals: Sequence[Signal], channels: Sequence[Channel]) -> Iterator[str]:
    for signal, channel in zip(signals, channels, strict=True):
        if not signal.calibrated:
            yield (
                f"channel {channel.index} {channel.name!r} is not calibrated: the header gives no gain, "
                f"{DEFAULT_GAIN:g} counts per {channel.unit} are assumed"
            )
