"""Small `.acq` files of every kind, built by code; what they hold is random and belongs to nobody."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from bioread import headers as bh
from numpy.typing import NDArray

from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq

# where a file that `write` made has its fields
CHANNEL_0 = 2414 + 40
CHANNEL_1 = CHANNEL_0 + 1828
DATA = CHANNEL_0 + 2 * 1828 + 8 + 2 * 4
COUNTS = (1001, 251)
MARKERS = DATA + 2 * COUNTS[0] + 8 * COUNTS[1]
FIRST_MARKER = MARKERS + 41
SEGMENT_DATE = datetime(2024, 3, 5, 10, 30, 0, 250_000, tzinfo=UTC)

OLD_COUNTS = (301, 150)
OLD_MARKERS = ((0, b"Segment 1"), (120, b"in"), (290, b"Gr\xf6\xdfe"))
DATE_MS = 1_700_000_000_000


def write(path: Path, **options: object) -> Path:
    """Write two channels, int16 at 1000 Hz and float64 at 250 Hz, three markers and a journal."""
    ecg, respiration = samples()
    channels = [
        AcqChannel(ecg, "ECG", "mV", 0.001, 0.25, number=4),
        AcqChannel(respiration, "Respiration", "V", divider=4, number=7),
    ]
    markers = [
        AcqMarker(0, "Segment 1", style="apnd", created=SEGMENT_DATE),
        AcqMarker(100, "in", style="rein", channel=1),
        AcqMarker(400, "Größe", created=datetime(2024, 3, 5, 10, 0, tzinfo=UTC)),
    ]
    write_acq(path, channels, fs=1000, **({"markers": markers, "journal": "All went well."} | options))
    return path


def samples() -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Return the raw samples that `write` writes."""
    random = np.random.default_rng(1)
    return random.integers(-999, 999, COUNTS[0], dtype=np.int16), random.normal(size=COUNTS[1])


def patched(path: Path, offset: int, code: str, value: object) -> Path:
    """Overwrite one little-endian field of a file."""
    data = bytearray(path.read_bytes())
    struct.pack_into(f"<{code}", data, offset, value)
    path.write_bytes(data)
    return path


def write_ragged(path: Path, **options: object) -> Path:
    """Write five channels of four rates and both types, which end at different times."""
    random = np.random.default_rng(2)
    shapes = ((1, 207, "i2"), (4, 50, "f8"), (2, 104, "i2"), (1, 200, "f8"), (16, 13, "i2"))
    channels = [
        AcqChannel(
            (random.normal(size=count) * 1000).astype(dtype), f"{place} Lead I", "uV", 0.5, divider=divider
        )
        for place, (divider, count, dtype) in enumerate(shapes)
    ]
    write_acq(path, channels, fs=500, **options)
    return path


def write_lesson(folder: Path) -> Path:
    """Write what a Student Lab lesson leaves: no extension, segments that were recorded one after another."""
    path = folder / "Student-L05"
    ecg = np.random.default_rng(3).integers(-2000, 2000, 1500, dtype=np.int16)
    channels = [AcqChannel(ecg, "ECG (.5 - 35 Hz)", "mV", 0.002, number=1)]
    names = ("Supine", "Seated", "Deep breathing", "After exercise")
    markers = [
        AcqMarker(400 * index, name, style="apnd", created=datetime(2024, 3, 5, 10, 5 * index, tzinfo=UTC))
        for index, name in enumerate(names)
    ]
    write_acq(path, channels, fs=200, markers=markers)
    return path


def write_old(path: Path, *, revision: int, order: str = "<", compressed: bool = False) -> Path:
    """Write a file of another revision than 132: int16 and float64, three markers, a journal.

    Bytes that readers skip are zero; bioread's structures say how many there are.
    """
    fast = np.random.default_rng(4).integers(-3000, 3000, OLD_COUNTS[0], dtype=np.int16)
    dividers = (1, 1 if revision < 38 else 2)
    slow = np.random.default_rng(5).normal(size=OLD_COUNTS[1])
    channels = [
        (fast, b"ECG100C", b"mV", dividers[0], b"\0\2\0\2"),
        (slow, b"RSP", b"Volts", dividers[1], b"\0\x08\0\1"),
    ]
    block = partial(_block, revision, order)
    heads = block(
        bh.GraphHeader,
        lVersion=revision,
        lExtItemHeaderLen=_size(bh.GraphHeader, revision),
        nChannels=len(channels),
        dSampleTime=2.0,
        **({"bCompressed": 1} if compressed else {}),
        **({"hExpectedPaddings": 1} if revision >= 124 else {}),
    )
    heads += block(bh.UnknownPaddingHeader, lChannelLen=40) if revision >= 124 else b""
    for index, (values, name, unit, divider, _) in enumerate(channels):
        heads += block(
            bh.ChannelHeader,
            lChanHeaderLen=_size(bh.ChannelHeader, revision),
            szCommentText=name,
            szUnitsText=unit,
            lBufLength=len(values),
            dAmplScale=0.01,
            nChanOrder=index + 1,
            **({"nVarSampleDivider": divider} if revision >= 38 else {}),
        )
    heads += block(bh.ForeignHeader, **{"nLength" if revision < 61 else "lLength": 4})
    heads += b"".join(struct.pack(f"{order}hh", *struct.unpack(">hh", code)) for *_, code in channels)
    tail = _old_markers(block, revision) + _old_journal(block, revision)
    if compressed:
        path.write_bytes(heads + tail + _old_streams(block, channels))
    else:
        path.write_bytes(heads + _interleaved(order, fast, slow, dividers) + tail)
    return path


def _interleaved(
    order: str, fast: NDArray[np.int16], slow: NDArray[np.float64], dividers: tuple[int, int]
) -> bytes:
    data = b""
    for tick in range(max(len(fast), len(slow) * dividers[1])):
        data += struct.pack(f"{order}h", fast[tick]) if tick < len(fast) else b""
        due, place = tick % dividers[1] == 0, tick // dividers[1]
        data += struct.pack(f"{order}d", slow[place]) if due and place < len(slow) else b""
    return data


def _old_markers(block: Callable[..., bytes], revision: int) -> bytes:
    items = b""
    for place, (sample, text) in enumerate(OLD_MARKERS):
        if revision < 61:
            # the text's length is without its NUL from 36 on
            items += block(bh.MarkerItemHeader, lSample=sample, nTextLength=len(text) + (revision < 36)) + (
                text + b"\0"
            )
        else:
            stored = text.decode("latin1").encode() + b"\0"
            date = {"llDateCreated": DATE_MS + place} if revision >= 128 else {}
            fields = {"nChannel": 2 if place == 1 else -1, "sMarkerStyle": b"apnd" if place == 0 else b"flag"}
            items += block(bh.MarkerItemHeader, lSample=sample, nTextLength=len(stored), **fields, **date)
            items += stored
    if revision < 61:
        colours = b"\2\x20\x10\x08" + bytes(80 + 28 * len(OLD_MARKERS)) if revision >= 41 else b""
        return block(bh.MarkerHeader, lLength=len(items), lMarkers=len(OLD_MARKERS)) + items + colours
    length = _size(bh.MarkerHeader, revision) + len(items)
    return block(bh.MarkerHeader, lLength=length, lMarkersExtra=len(OLD_MARKERS) + 1) + items


def _old_journal(block: Callable[..., bytes], revision: int) -> bytes:
    text = b"Electrodes moved once.\0"
    if revision < 38:
        return b""
    if revision < 61:
        return block(bh.JournalHeader, tag=(0x44, 0x33, 0x22, 0x11), lJournalLen=len(text)) + text
    length = {"lEarlyJournalLen": len(text)}
    if revision >= 108:
        length |= {"lLateJournalLen": len(text), "lLateJournalLenMinusOne": len(text) - 1}
    section = 4 + _size(bh.JournalHeader, revision) + len(text)
    return block(bh.JournalLengthHeader, lJournalDataLen=section) + block(bh.JournalHeader, **length) + text


def _old_streams(block: Callable[..., bytes], channels: list[tuple]) -> bytes:
    data = block(bh.MainCompressionHeader)
    for values, name, unit, *_ in channels:
        raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
        packed = zlib.compress(raw)
        lengths = {"lChannelLabelLen": len(name), "lUnitLabelLen": len(unit)}
        lengths |= {"lUncompressedLen": len(raw), "lCompressedLen": len(packed)}
        data += block(bh.ChannelCompressionHeader, **lengths) + name + unit + packed
    return data


def _block(revision: int, order: str, kind: type, **fields: object) -> bytes:
    """Return one of bioread's structures with these fields set, as bytes."""
    header = kind.for_revision(revision, order)
    header.unpack_from_bytes(bytes(header.struct_length))
    for name, value in fields.items():
        setattr(header._struct, name, value)
    return bytes(header._struct)


def _size(kind: type, revision: int) -> int:
    return kind.for_revision(revision, "<").struct_length


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "plain": lambda folder: write(folder / "plain.acq"),
    "big-endian": lambda folder: write(folder / "big.acq", byte_order="big", journal=None),
    "compressed": lambda folder: write(folder / "packed.acq", compressed=True),
    "ragged": lambda folder: write_ragged(folder / "ragged.acq"),
    "ragged-compressed": lambda folder: write_ragged(
        folder / "packed.acq", compressed=True, byte_order="big", journal="All five."
    ),
    "lesson": write_lesson,
    "35": lambda folder: write_old(folder / "r35.acq", revision=35, order=">"),
    "38": lambda folder: write_old(folder / "r38.acq", revision=38),
    "41-compressed": lambda folder: write_old(folder / "r41.acq", revision=41, compressed=True),
    "42": lambda folder: write_old(folder / "r42.acq", revision=42),
    "84": lambda folder: write_old(folder / "r84.acq", revision=84, order=">"),
    "108-compressed": lambda folder: write_old(folder / "r108.acq", revision=108, order=">", compressed=True),
    "124": lambda folder: write_old(folder / "r124.acq", revision=124),
    "128": lambda folder: write_old(folder / "r128.acq", revision=128, order=">"),
}
