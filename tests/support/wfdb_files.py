"""Small WFDB records, packed here bit by bit from the WFDB manual's signal(5) and annot(5)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LIMITS = {
    "8": (-120, 120),
    "16": (-32768, 32767),
    "24": (-(1 << 23), (1 << 23) - 1),
    "32": (-(1 << 31), (1 << 31) - 1),
    "61": (-32768, 32767),
    "80": (-128, 127),
    "160": (-32768, 32767),
    "212": (-2048, 2047),
    "310": (-512, 511),
    "311": (-512, 511),
}


class Signal(NamedTuple):
    """Counts, (frames * per_frame,), and the rest of the signal line."""

    counts: NDArray[np.int64]
    gain: str = "200(10)/mV 12 0 0 0 0 ECG"
    per_frame: int = 1
    skew: int = 0


def counts(fmt: str, n: int, seed: int) -> NDArray[np.int64]:
    """Return counts of the whole range of a format, its lowest (no sample) among them."""
    lowest, highest = LIMITS[fmt]
    values = np.random.default_rng(seed).integers(lowest, highest, n, endpoint=True)
    if n > 4 and fmt != "8":
        values[[1, 4]] = lowest, highest
    return np.cumsum(values) if fmt == "8" else values


def pack(fmt: str, values: NDArray[np.int64]) -> bytes:
    """Pack one sample after the other; of format 8 the differences are given."""
    samples = [int(value) for value in values]
    if fmt in ("8", "16", "32", "61"):
        code = {"8": "b", "16": "h", "32": "i", "61": "h"}[fmt]
        return struct.pack(f"{'>' if fmt == '61' else '<'}{len(samples)}{code}", *samples)
    if fmt == "24":
        return b"".join(struct.pack("<i", sample)[:3] for sample in samples)
    if fmt == "80":
        return bytes(sample + 128 for sample in samples)
    if fmt == "160":
        return struct.pack(f"<{len(samples)}H", *(sample + 32768 for sample in samples))
    return {"212": _pack_212, "310": _pack_310, "311": _pack_311}[fmt](samples)


def _pack_212(samples: list[int]) -> bytes:
    packed = b""
    for first, second in _groups(samples, 2):
        high = (first >> 8 & 0xF) | (second >> 8 & 0xF) << 4
        packed += bytes((first & 0xFF, high, second & 0xFF))
    return packed[: len(packed) - len(samples) % 2]


def _pack_310(samples: list[int]) -> bytes:
    packed = b""
    for first, second, third in _groups(samples, 3):
        low = (first & 0x3FF) << 1 | (third & 0x1F) << 11
        packed += struct.pack("<HH", low, (second & 0x3FF) << 1 | (third >> 5 & 0x1F) << 11)
    return packed[: len(packed) - (2 if len(samples) % 3 == 1 else 0)]


def _pack_311(samples: list[int]) -> bytes:
    packed = b""
    for first, second, third in _groups(samples, 3):
        packed += struct.pack("<I", first & 0x3FF | (second & 0x3FF) << 10 | (third & 0x3FF) << 20)
    return packed[: len(packed) - (0, 2, 1)[len(samples) % 3]]


def _groups(samples: list[int], size: int) -> list[list[int]]:
    filled = samples + [0] * (-len(samples) % size)
    return [filled[first : first + size] for first in range(0, len(filled), size)]


def interleave(signals: Sequence[Signal]) -> NDArray[np.int64]:
    """Return the samples frame by frame, a signal's samples of a frame together."""
    frames = [signal.counts.reshape(-1, signal.per_frame) for signal in signals]
    return np.concatenate(frames, axis=1).ravel()


def stored(fmt: str, signals: Sequence[Signal]) -> bytes:
    """Return the bytes of a signal file."""
    if fmt == "8":
        signals = [signal._replace(counts=np.diff(signal.counts, prepend=0)) for signal in signals]
    return pack(fmt, interleave(signals))


def write_record(
    folder: Path,
    fmt: str,
    signals: Sequence[Signal],
    *,
    name: str = "rec",
    record: str = "500 {frames}",
    offset: int = 0,
    comments: Sequence[str] = (),
) -> Path:
    """Write a record of one signal file; return its header."""
    frames = len(signals[0].counts) // signals[0].per_frame
    lines = [f"{name} {len(signals)} {record.format(frames=frames)}".strip()]
    for signal in signals:
        rate = f"x{signal.per_frame}" if signal.per_frame > 1 else ""
        skew = f":{signal.skew}" if signal.skew else ""
        start = f"+{offset}" if offset else ""
        lines.append(f"{name}.dat {fmt}{rate}{skew}{start} {signal.gain}".strip())
    lines += [f"# {comment}" for comment in comments]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / f"{name}.dat").write_bytes(bytes(offset) + stored(fmt, signals))
    return folder / f"{name}.hea"


def annotation(step: int, code: int, note: str = "", signal: int | None = None) -> bytes:
    """Return an annotation `step` frames after the one before."""
    skip = struct.pack("<HHH", 59 << 10, step >> 16 & 0xFFFF, step & 0xFFFF) if step > 1023 else b""
    packed = skip + struct.pack("<H", code << 10 | (0 if skip else step))
    if signal is not None:
        packed += struct.pack("<H", 62 << 10 | signal)
    if note:
        text = note.encode("latin-1")
        packed += struct.pack("<H", 63 << 10 | len(text)) + text + bytes(len(text) % 2)
    return packed


def _plain(fmt: str, n_signals: int, n_frames: int) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        signals = [Signal(counts(fmt, n_frames, seed)) for seed in range(n_signals)]
        return write_record(folder, fmt, signals)

    return build


def _annotated(folder: Path) -> Path:
    signals = [
        Signal(counts("16", 1000, 1), "200(-5)/mV 16 0 7 0 0 ECG I"),
        Signal(counts("16", 1000, 2), "1000/uV 16 3 7 0 0 ECG II"),
    ]
    header = write_record(
        folder,
        "16",
        signals,
        record="500 {frames} 12:30:15.5 05/03/2021",
        comments=("Age: 23", "ECG date: 05.03.2021"),
    )
    beats = [(100, 1, ""), (300, 5, ""), (20, 28, "(AFIB"), (400, 22, "pause")]
    data = b"".join(annotation(step, code, note) for step, code, note in beats)
    (folder / "rec.atr").write_bytes(data + b"\0\0")
    return header


def _several_rates(folder: Path) -> Path:
    signals = [
        Signal(counts("212", 200, 1), "100/mV 12 0 0 0 0 ECG", 1, 2),
        Signal(counts("212", 800, 2), "50(3)/mmHg 12 0 0 0 0 ABP", 4),
        Signal(counts("212", 600, 3), "1/nd 12 0 0 0 0 RESP", 3, 5),
    ]
    return write_record(folder, "212", signals, offset=7, record="125.5/1000(7) {frames}")


def _skewed(folder: Path) -> Path:
    line = "200(10)/mV 24 0 0 0 0 ECG"
    signals = [Signal(counts("24", 90, 1), line, skew=3), Signal(counts("24", 90, 2), line)]
    return write_record(folder, "24", signals)


def _two_files(folder: Path) -> Path:
    write_record(folder, "16", [Signal(counts("16", 60, 1)), Signal(counts("16", 60, 2))], name="one")
    write_record(folder, "80", [Signal(counts("80", 60, 3))], name="two")
    lines = [
        "# two files",
        "both 3 250 60",
        "one.dat 16 200/mV 12 0 0 0 0 I",
        "one.dat 16 200/mV 12 0 0 0 0 II",
        "two.dat 80 25.5/cmH2O",
    ]
    (folder / "both.hea").write_text("\r\n".join(lines) + "\r\n", encoding="ascii")
    return folder / "both.hea"


def _says_little(folder: Path) -> Path:
    return write_record(
        folder, "16", [Signal(counts("16", 77, 1), ""), Signal(counts("16", 77, 2), "0")], record=""
    )


SAMPLES: dict[str, Callable[[Path], Path]] = {
    **{f"format-{fmt}": _plain(fmt, 2, 301) for fmt in LIMITS},
    **{f"format-{fmt}-one-signal": _plain(fmt, 1, 200) for fmt in ("8", "16", "212", "310", "311")},
    "annotated": _annotated,
    "several-rates": _several_rates,
    "skewed": _skewed,
    "two-files": _two_files,
    "says-little": _says_little,
}
