"""Small WAV files, built byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# type of sample -> format code, bits, lowest and highest number
KINDS = {
    "u1": (1, 8, 0, 255),
    "i2": (1, 16, -(2**15), 2**15 - 1),
    "i3": (1, 24, -(2**23), 2**23 - 1),
    "i4": (1, 32, -(2**31), 2**31 - 1),
    "f4": (3, 32, -1.5, 1.5),
    "f8": (3, 64, -1.5, 1.5),
}


def chunk(name: bytes, content: bytes, order: str = "<", length: int | None = None) -> bytes:
    """Return a chunk, padded to an even length; `length` is what it claims instead of its own."""
    claimed = len(content) if length is None else length
    return struct.pack(f"{order}4sI", name, claimed) + content + bytes(len(content) % 2)


def encoded(samples: NDArray[np.generic], kind: str, order: str = "<") -> bytes:
    """Return samples, (frames, channels), as a file holds them."""
    if kind != "i3":
        return samples.astype(f"{order}{kind}").tobytes()
    four = samples.astype("<i4").tobytes()
    three = np.frombuffer(four, np.uint8).reshape(-1, 4)[:, :3]
    return (three if order == "<" else three[:, ::-1]).tobytes()


def format_chunk(kind: str, n_channels: int, fs: int, order: str = "<", *, extensible: bool = False) -> bytes:
    """Return the format chunk of a type of sample."""
    code, bits, *_ = KINDS[kind]
    frame = n_channels * bits // 8
    content = struct.pack(
        f"{order}HHIIHH", 0xFFFE if extensible else code, n_channels, fs, fs * frame, frame, bits
    )
    if extensible:
        content += struct.pack(f"{order}HHIH", 22, bits, 0, code) + bytes(14)
    return chunk(b"fmt ", content, order)


def cue_chunks(cues: Sequence[tuple[int, str]], order: str = "<") -> bytes:
    """Return cue points, (sample, text), and the list of their labels."""
    points = b"".join(struct.pack(f"{order}II4sIII", i, s, b"data", 0, 0, s) for i, (s, _) in enumerate(cues))
    labels = b"".join(
        chunk(b"labl", struct.pack(f"{order}I", i) + text.encode() + b"\0", order)
        for i, (_, text) in enumerate(cues)
    )
    head = struct.pack(f"{order}I", len(cues))
    return chunk(b"cue ", head + points, order) + chunk(b"LIST", b"adtl" + labels, order)


def wav_bytes(
    samples: NDArray[np.generic],
    kind: str,
    fs: int,
    *,
    form: bytes = b"RIFF",
    extensible: bool = False,
    before: bytes = b"",
    behind: bytes = b"",
    claimed: int | None = None,
) -> bytes:
    """Return a WAV file of samples, (frames, channels); `claimed` is the data chunk's own length for it."""
    order = ">" if form == b"RIFX" else "<"
    data = encoded(samples, kind, order)
    head = format_chunk(kind, samples.shape[1], fs, order, extensible=extensible)
    if form in (b"RF64", b"BW64"):
        before = chunk(b"ds64", struct.pack("<QQQI", 0, len(data), len(samples), 0)) + before
        claimed = 0xFFFFFFFF
    body = b"WAVE" + before + head + chunk(b"data", data, order, claimed) + behind
    length = 0xFFFFFFFF if form in (b"RF64", b"BW64") else len(body)
    return struct.pack(f"{order}4sI", form, length) + body


def simulated(kind: str, n_frames: int, n_channels: int, seed: int = 0) -> NDArray[np.generic]:
    """Return random samples over the whole range of a type, (frames, channels)."""
    random = np.random.default_rng(seed)
    _, _, low, high = KINDS[kind]
    if kind.startswith("f"):
        return random.uniform(low, high, (n_frames, n_channels)).astype(kind)
    return random.integers(low, high, (n_frames, n_channels), dtype=np.int64, endpoint=True)


def _build(folder: Path, *, name: str, kind: str, n_channels: int = 1, **options: object) -> Path:
    path = folder / f"{name}.wav"
    path.write_bytes(wav_bytes(simulated(kind, 300, n_channels), kind, 1000, **options))  # type: ignore[arg-type]
    return path


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "pcm8": partial(_build, name="pcm8", kind="u1"),
    "pcm16": partial(_build, name="pcm16", kind="i2", n_channels=3),
    "pcm24_extensible": partial(_build, name="pcm24_extensible", kind="i3", n_channels=2, extensible=True),
    "pcm32_rifx": partial(_build, name="pcm32_rifx", kind="i4", form=b"RIFX"),
    "float32_rf64": partial(_build, name="float32_rf64", kind="f4", n_channels=2, form=b"RF64"),
    "float64": partial(_build, name="float64", kind="f8", before=chunk(b"fact", b"\x2c\x01\0\0")),
    "cues": partial(_build, name="cues", kind="i2", behind=cue_chunks([(10, "rest"), (200, "exercise")])),
}
