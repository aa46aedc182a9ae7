"""WAV files: integer and float samples in RIFF, RIFX, RF64 or BW64, read range by range.

A WAV file states no unit: its channels have none, and their raw samples are their values, unless the user
gives one. Chunk layout: Multimedia Programming Interface and Data Specifications 1.0 (IBM, Microsoft, 1991);
RF64: EBU Tech 3306.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.usable import OR_SALVAGE, checked_rate, lost_samples
from ecgkit.records import Channel, Marker, RawSamples, Recording

TAKES = ("unit",)
MAGIC = (b"RIFF", b"RIFX", b"RF64", b"BW64")
DAMAGED = "the file is damaged; copy or record it again"
CHUNK_BYTES = 1 << 20
MOST_CHUNKS = 1000
MOST_CHANNELS = 1024
MOST_MARKER_BYTES = 1 << 20

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
# format code, bytes a sample -> type as stored, type as read
SAMPLE_TYPES: dict[tuple[int, int], tuple[str, np.dtype[Any]]] = {
    (PCM, 1): ("u1", np.dtype(np.int16)),
    (PCM, 2): ("i2", np.dtype(np.int16)),
    (PCM, 3): ("i3", np.dtype(np.int32)),
    (PCM, 4): ("i4", np.dtype(np.int32)),
    (FLOAT, 4): ("f4", np.dtype(np.float32)),
    (FLOAT, 8): ("f8", np.dtype(np.float64)),
}
OTHER_CODES = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 85: "MP3"}
UNKNOWN_LENGTH = 0xFFFFFFFF  # what a program writes that does not come back to fill the length in


@dataclass(frozen=True, slots=True)
class Frames:
    """Where the samples lie: a frame holds one of each channel."""

    path: Path
    data_start: int
    n_channels: int
    stored: str  # a key of numpy's, but "i3" for 24 bit; ">" or "<" before it
    dtype: np.dtype[Any]

    @property
    def sample_bytes(self) -> int:
        """Length of a sample in the file."""
        return int(self.stored[2:])

    @property
    def frame_bytes(self) -> int:
        """Length of a frame in the file."""
        return self.n_channels * self.sample_bytes


@dataclass(frozen=True, slots=True)
class Source:
    """The open file, its size, and its byte order as numpy and struct write it."""

    path: Path
    file: BinaryIO
    size: int
    order: str


def matches(head: bytes) -> bool:
    """Tell from the first bytes whether a file is a WAV file."""
    return head[:4] in MAGIC and head[8:12] == b"WAVE"


def read(path: Path, options: ReadOptions) -> Recording:
    """Read a WAV file's headers; samples are read when asked for.

    Cue points become markers. 8-bit samples, which are stored around 128, are read as int16 around 0,
    24-bit samples as int32.

    Raises
    ------
    ReadError
        A chunk is missing, impossible or cut off, or the samples are compressed.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            order = ">" if file.read(4) == b"RIFX" else "<"
            return _read(Source(path, file, size, order), options)
    except OSError as error:
        raise ReadError(f"{path}: can't be read ({error.strerror or error})") from error


def _read(source: Source, options: ReadOptions) -> Recording:
    chunks = _chunks(source, 12)
    form, data_start, claimed = _find_data(source, chunks)
    frames, fs, version = _frames(source, form, data_start)
    n_bytes, fault = _data_bytes(source, data_start, claimed, options)
    n_frames, rest = divmod(n_bytes, frames.frame_bytes)
    if n_frames == 0:
        raise ReadError(
            f"{source.path}: the data chunk at {data_start - 8} holds no samples; the recording was stopped "
            "before it began, or the file was cut off. Take another copy"
        )
    warnings = [f"the last {rest} bytes of samples make no whole frame and are left out"] if rest else []
    channels = tuple(_channel(frames, index, fs, n_frames, options) for index in range(frames.n_channels))
    markers: tuple[Marker, ...] = ()
    lost: tuple[str, ...] = (fault,) if fault else ()
    if n_bytes < claimed != UNKNOWN_LENGTH:
        expected = claimed // frames.frame_bytes
        lost = tuple(
            lost_samples(channel.index, channel.name, got=n_frames, expected=expected, fs=fs)
            for channel in channels
        )
    if not fault:
        markers, complaints = _markers(source, data_start + claimed + claimed % 2, fs)
        warnings += complaints
    return Recording(
        path=source.path,
        format="wav",
        version=version,
        fs=fs,
        channels=channels,
        markers=markers,
        warnings=tuple(warnings),
        lost=lost,
        details=(("byte order", "big-endian" if source.order == ">" else "little-endian"),),
    )


def _channel(frames: Frames, index: int, fs: float, n_frames: int, options: ReadOptions) -> Channel:
    return Channel(
        index=index,
        number=index + 1,
        name=f"channel {index + 1}",
        unit=options.unit or "",
        fs=fs,
        n_samples=n_frames,
        dtype=frames.dtype,
        scale=1.0,
        offset=0.0,
        sample_reader=partial(_read_channel, frames, index),
    )


def _chunks(source: Source, offset: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's name, where its content begins, and the length it claims."""
    for _ in range(MOST_CHUNKS):
        source.file.seek(offset)
        head = source.file.read(8)
        if len(head) < 8:
            return
        name, length = struct.unpack(f"{source.order}4sI", head)
        yield name, offset + 8, length
        offset += 8 + length + length % 2  # chunks begin at even offsets
    raise ReadError(f"{source.path}: more than {MOST_CHUNKS} chunks; {DAMAGED}")


def _find_data(source: Source, chunks: Iterator[tuple[bytes, int, int]]) -> tuple[bytes, int, int]:
    """Return the content of the format chunk, and where the samples begin and how long they claim to be."""
    form, long_length = b"", None
    for name, start, length in chunks:
        if name == b"data":
            if not form:
                raise ReadError(f"{source.path}: no format chunk before the samples at {start}; {DAMAGED}")
            return form, start, length if long_length is None else long_length
        if start + length > source.size:
            raise ReadError(
                f"{source.path}: cut off in the chunk {_shown(name)}: expected {length} bytes at {start}, "
                f"got {source.size - start}; copy or record it again"
            )
        if name == b"fmt ":
            form = source.file.read(min(length, 64))
        elif name == b"ds64" and length >= 16:  # RF64's own length of the samples, past 4 GB
            long_length = struct.unpack(f"{source.order}8xQ", source.file.read(16))[0]
    raise ReadError(
        f"{source.path}: cut off before the samples (the file has {source.size} bytes and no data chunk); "
        "copy or record it again"
    )


def _frames(source: Source, form: bytes, data_start: int) -> tuple[Frames, float, str]:
    """Return where the samples lie, their rate, and the type of sample as people know it."""
    if len(form) < 16:
        raise ReadError(f"{source.path}: the format chunk has {len(form)} bytes, expected 16; {DAMAGED}")
    code, n_channels, fs, _, frame_bytes, bits = struct.unpack(f"{source.order}HHIIHH", form[:16])
    if code == EXTENSIBLE and len(form) >= 26:
        code = struct.unpack(f"{source.order}H", form[24:26])[0]
    if not 1 <= n_channels <= MOST_CHANNELS:
        raise ReadError(
            f"{source.path}: the format chunk gives {n_channels} channels, expected 1 to {MOST_CHANNELS}; "
            f"{DAMAGED}"
        )
    checked_rate(source.path, fs, f"the format chunk gives {fs} samples a second", advice=DAMAGED)
    if code not in (PCM, FLOAT):
        raise ReadError(
            f"{source.path}: compressed samples ({OTHER_CODES.get(code, f'format {code}')}), expected PCM or "
            "float; save the file as uncompressed WAV"
        )
    n_bytes, rest = divmod(frame_bytes, n_channels)
    if rest or (code, n_bytes) not in SAMPLE_TYPES or not 0 <= n_bytes * 8 - bits < 8:
        raise ReadError(
            f"{source.path}: the format chunk gives frames of {frame_bytes} bytes for {n_channels} channels "
            f"of {bits} bits, which do not fit; {DAMAGED}"
        )
    stored, dtype = SAMPLE_TYPES[code, n_bytes]
    frames = Frames(source.path, data_start, n_channels, source.order + stored, dtype)
    return frames, float(fs), f"{'float' if code == FLOAT else 'PCM'}, {bits} bit"


def _data_bytes(source: Source, start: int, claimed: int, options: ReadOptions) -> tuple[int, str]:
    """Return how many bytes of samples there are, and what is wrong with that in a salvaged file."""
    there = source.size - start
    unfinished = claimed in (0, UNKNOWN_LENGTH) and there != claimed
    if claimed <= there and not unfinished:
        return claimed, ""
    if unfinished:
        fault = f"never finished: its data chunk at {start - 8} states no length, and {there} bytes follow"
        doubt = f"the file was not finished; all {there} bytes behind its header are taken for samples"
    else:
        fault = doubt = f"cut off in the samples: expected {claimed} bytes at {start}, got {there}"
    if not options.salvage:
        raise ReadError(f"{source.path}: {fault}; copy it again{OR_SALVAGE}")
    return there, doubt


def _markers(source: Source, offset: int, fs: float) -> tuple[tuple[Marker, ...], tuple[str, ...]]:
    """Return the cue points behind the samples as markers, and what was wrong there."""
    cues: list[tuple[int, int]] = []
    texts: dict[int, str] = {}
    try:
        for name, start, length in _chunks(source, offset):
            most = source.size - start
            if name in (b"cue ", b"LIST"):
                most = min(most, MOST_MARKER_BYTES)
            if length > most:
                fault = f"the chunk {_shown(name)} behind the samples claims {length} bytes at {start}"
                return (), (f"{fault}, expected at most {most}; markers are left out",)
            if name == b"cue ":
                cues += _cue_points(source, source.file.read(length))
            elif name == b"LIST":
                texts |= _labels(source, source.file.read(length))
    except ReadError:
        return (), ("what lies behind the samples is no list of chunks; markers are left out",)
    return tuple(Marker(sample, sample / fs, texts.get(cue, "")) for sample, cue in sorted(cues)), ()


def _cue_points(source: Source, content: bytes) -> list[tuple[int, int]]:
    """Return each cue point's sample and number."""
    points = content[4 : 4 + (len(content) - 4) // 24 * 24] if len(content) >= 28 else b""
    return [(sample, cue) for cue, _, _, _, _, sample in struct.iter_unpack(f"{source.order}II4sIII", points)]


def _labels(source: Source, content: bytes) -> dict[int, str]:
    """Return the texts of cue points by their number, from a list of associated data."""
    texts: dict[int, str] = {}
    offset = 4
    while content[:4] == b"adtl" and offset + 12 <= len(content):
        name, length, cue = struct.unpack_from(f"{source.order}4sII", content, offset)
        if name == b"labl":
            texts[cue] = content[offset + 12 : offset + 8 + length].decode("utf-8", "replace").strip("\0 ")
        offset += 8 + length + length % 2
    return texts


def _read_channel(frames: Frames, index: int, start: int, stop: int) -> RawSamples:
    """Pick the samples ``[start, stop)`` of one channel out of the frames."""
    samples = np.empty(stop - start, frames.dtype)
    size = max(1, CHUNK_BYTES // frames.frame_bytes)
    try:
        with frames.path.open("rb") as file:
            file.seek(frames.data_start + start * frames.frame_bytes)
            for first in range(0, len(samples), size):
                part = samples[first : first + size]
                part[:] = _column(frames, index, file.read(len(part) * frames.frame_bytes), len(part))
    except OSError as error:
        raise ReadError(f"{frames.path}: can't be read ({error.strerror or error})") from error
    return samples


def _column(frames: Frames, index: int, data: bytes, count: int) -> NDArray[Any]:
    """Return one channel's samples of a block of frames, as numbers."""
    if len(data) != count * frames.frame_bytes:
        raise ReadError(f"{frames.path}: is shorter than when it was opened; open it again")
    order, kind = frames.stored[0], frames.stored[1:]
    if kind == "i3":
        three = np.frombuffer(data, np.uint8).reshape(count, frames.n_channels, 3)[:, index]
        four = np.zeros((count, 4), np.uint8)  # the three bytes on top of an int32, then shifted down
        four[:, 1:] = three if order == "<" else three[:, ::-1]
        return four.view("<i4")[:, 0] >> 8
    column = np.frombuffer(data, frames.stored).reshape(count, frames.n_channels)[:, index]
    return column.astype(np.int16) - np.int16(128) if kind == "u1" else column


def _shown(name: bytes) -> str:
    return repr(name.decode("latin-1"))
