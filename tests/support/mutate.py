"""Damaged files, told by a format and a seed: what a crash, a bad stick or malice may leave.

`mutated("acq", 1234)` gives the same files each time.
"""

from __future__ import annotations

import importlib
import re
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

Way = Callable[[Random, bytearray, bytes], bytes | bytearray]

LARGEST_BYTES = 1 << 16
EDGE_BYTES = (0, 1, 0x7F, 0x80, 0xFF)
EDGES = {
    "b": (0, 1, -1, 127, -128),
    "h": (0, 1, -1, 2, 0x7FFF, -0x8000),
    "i": (0, 1, -1, 2, 0x7FFF, 0x10000, 0x7FFFFFFF, -0x80000000),
    "q": (0, 1, -1, 1 << 31, 1 << 32, (1 << 63) - 1, -(1 << 63)),
    "f": (0.0, -1.0, 1e-30, 3e38, float("nan"), float("inf")),
    "d": (0.0, -1.0, 5e-324, 1e-300, 1e300, 1.7e308, float("nan"), float("inf"), float("-inf")),
}
ODD_TEXTS = (
    *(b"", b"-", b"-1", b"0", b"1e400", b"-1e-400", b"nan", b"inf", b"9" * 12, b"9" * 400, b"0x10"),
    *(b"1,5", b"1.5.2", b"1_000", b"\xb2", b"\xd9\xa3", b"\xe9", b"\xef\xbb\xbf", b"\xff\xfe", b"\0"),
    *(b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\r\n\r\n", b"#", b"=", b"%", b" " * 50),
    *(b"../../x", b"/dev/zero", b"16:00:61", b"31/02/2020"),
    *(sign * 8000 for sign in (b" ", b"a", b"9", b"(", b"( ", b"_", b",")),
)
ENCODINGS = ("utf-16", "utf-8-sig", "utf-32-be", "cp037")
TOKEN = re.compile(rb"[+-]?[\d.]+|\w+|[^\w\s]|\s+")


@dataclass(frozen=True, slots=True)
class Sample:
    """A recording's files by name, and the one of them that is given to be read."""

    entry: str
    files: dict[str, bytes]

    def write(self, folder: Path) -> Path:
        """Write the files into a folder; return the path to read."""
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        return folder / self.entry


@cache
def samples_of(name: str) -> tuple[Sample, ...]:
    """Return all samples of a format, as ``support/{name}_files.py`` builds them."""
    samples = []
    for build in importlib.import_module(f"support.{name}_files").SAMPLES.values():
        with tempfile.TemporaryDirectory() as folder:
            entry = build(Path(folder))
            files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
        samples.append(Sample(entry.name, files))
    return tuple(samples)


def mutated(name: str, seed: int) -> Sample:
    """Return one of a format's samples with one of its files damaged in one to eight ways."""
    random = Random(f"{name} {seed}")
    sample = random.choice(samples_of(name))
    target = random.choice(sorted(sample.files))
    donor = random.choice(sorted(random.choice(samples_of(name)).files.items()))[1]
    data = bytearray(sample.files[target])
    ways = BINARY_WAYS + (TEXT_WAYS * 2 if _is_text(data) else ())
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        data = bytearray(random.choice(ways)(random, data, donor)[:LARGEST_BYTES])
    return replace(sample, files=sample.files | {target: bytes(data)})


def _is_text(data: bytes) -> bool:
    return b"\0" not in data[:2000]


def _place(random: Random, data: bytes) -> int:
    """Choose a byte: of the first ones, of the last ones, one that is not zero, or any."""
    last = max(0, len(data) - 1)
    start = random.randint(0, last)
    match random.randrange(5):
        case 0:
            return random.randint(0, min(last, 300))
        case 1:
            return max(0, last - random.randint(0, 300))
        case 2 | 3:  # where fields are set, rather than in reserved room
            while start < last and data[start] == 0:
                start += 1
            return start
    return start


def _stretch(random: Random, data: bytes) -> tuple[int, int]:
    start = _place(random, data)
    return start, min(len(data), start + random.choice((1, 2, 4, 8, 40, 300, 3000)))


def flip_bit(random: Random, data: bytearray, donor: bytes) -> bytearray:
    if data:
        data[_place(random, data)] ^= 1 << random.randrange(8)
    return data


def set_byte(random: Random, data: bytearray, donor: bytes) -> bytearray:
    if data:
        data[_place(random, data)] = random.choice((*EDGE_BYTES, random.randrange(256)))
    return data


def set_field(random: Random, data: bytearray, donor: bytes) -> bytearray:
    """Overwrite a field of either byte order with an extreme, the file's length, or a step beside it."""
    code = random.choice("bhhiiiiqfdd")
    order = random.choice("<>")
    size = struct.calcsize(code)
    if len(data) < size:
        return data
    place = min(_place(random, data), len(data) - size)
    value: float = random.choice(EDGES[code])
    if code == "i" and random.random() < 0.3:
        value = len(data) + random.randint(-4, 4)
    elif code in "hi" and random.random() < 0.3:
        limit = 1 << (8 * size - 1)
        (old,) = struct.unpack_from(order + code, data, place)
        value = max(-limit, min(limit - 1, old + random.choice((-1, 1, -old - old))))
    struct.pack_into(order + code, data, place, value)
    return data


def truncate(random: Random, data: bytearray, donor: bytes) -> bytearray:
    return data[: _place(random, data)]


def insert(random: Random, data: bytearray, donor: bytes) -> bytearray:
    place = _place(random, data)
    count = random.choice((1, 2, 4, 7, 100))
    return data[:place] + random.choice((bytes(count), random.randbytes(count))) + data[place:]


def delete(random: Random, data: bytearray, donor: bytes) -> bytearray:
    start, stop = _stretch(random, data)
    return data[:start] + data[stop:]


def duplicate(random: Random, data: bytearray, donor: bytes) -> bytearray:
    start, stop = _stretch(random, data)
    place = random.choice((stop, _place(random, data)))
    return data[:place] + data[start:stop] * random.choice((1, 1, 2, 30)) + data[place:]


def blank(random: Random, data: bytearray, donor: bytes) -> bytearray:
    start, stop = _stretch(random, data)
    data[start:stop] = bytes([random.choice(EDGE_BYTES)]) * (stop - start)
    return data


def splice(random: Random, data: bytearray, donor: bytes) -> bytearray:
    """Go over into another sample, at the same place or at any."""
    place = _place(random, data)
    return data[:place] + donor[random.choice((place, _place(random, donor))) :]


def swap_tokens(random: Random, data: bytearray, donor: bytes) -> bytes:
    (a, b), (c, d) = sorted((_token(random, data), _token(random, data)))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:] if b <= c else data


def replace_token(random: Random, data: bytearray, donor: bytes) -> bytes:
    start, stop = _token(random, data)
    return data[:start] + random.choice(ODD_TEXTS) + data[stop:]


def insert_text(random: Random, data: bytearray, donor: bytes) -> bytes:
    place = _place(random, data)
    return data[:place] + random.choice(ODD_TEXTS) + data[place:]


def set_digits(random: Random, data: bytearray, donor: bytes) -> bytes:
    place = _place(random, data)
    return data[:place] + re.sub(
        rb"\d", b"%d" % random.randrange(10), data[place:], count=random.choice((1, 3))
    )


def repeat_line(random: Random, data: bytearray, donor: bytes) -> bytes:
    """Repeat a line, or leave it out, or cut it short."""
    lines = bytes(data).splitlines(keepends=True) or [b""]
    place = random.choice((0, random.randrange(len(lines))))
    line = lines[place]
    lines[place] = line * random.choice((0, 2, 50)) or line[: len(line) // 2 * random.randrange(2)]
    return b"".join(lines)


def change_separator(random: Random, data: bytearray, donor: bytes) -> bytes:
    old, new = random.sample((b",", b";", b"\t", b" ", b".", b"\n", b"\r\n", b"\r", b'"'), 2)
    return data.replace(old, new, random.choice((-1, 1, 10)))


def change_encoding(random: Random, data: bytearray, donor: bytes) -> bytes:
    return data.decode("latin1").encode(random.choice(ENCODINGS), errors="replace")


def _token(random: Random, data: bytes) -> tuple[int, int]:
    match = TOKEN.search(data, _place(random, data))
    return match.span() if match else (0, 0)


BINARY_WAYS: tuple[Way, ...] = (
    flip_bit,
    set_byte,
    set_byte,
    set_field,
    set_field,
    set_field,
    truncate,
    insert,
    delete,
    duplicate,
    blank,
    splice,
)
TEXT_WAYS: tuple[Way, ...] = (
    swap_tokens,
    replace_token,
    replace_token,
    insert_text,
    set_digits,
    repeat_line,
    change_separator,
    change_encoding,
)
