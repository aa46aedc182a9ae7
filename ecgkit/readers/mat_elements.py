"""Variables of MAT-files of level 5 (MATLAB 5 to 7), numbers, texts, cells and structures only.

Our own walk, since the files are not trusted: every length is checked against the file before it is used,
what a compressed variable inflates to is bounded, nesting is bounded, and objects and functions are refused.
The layout is MathWorks' "MAT-File Format", section "Level 5 MAT-File Format".
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ecgkit.errors import ReadError

DAMAGED = "the file is damaged; copy or export it again"
HEADER_BYTES = 128
HEAD_BYTES = 512  # of a variable: flags, dimensions and name
INFLATE_STEP = 1 << 20
DEEPEST = 8
MOST_VARIABLES = 10_000

# what a file may grow to in memory
GROWTH, ALLOWANCE_BYTES = 16, 100_000_000
OBJECT_BYTES = 200  # of a Python object with little in it

MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, CHAR = 1, 2, 4
NUMERIC = range(6, 16)
# fmt: off
CLASSES = (
    "", "cell", "struct", "object", "char", "sparse", "double", "single", "int8", "uint8", "int16", "uint16",
    "int32", "uint32", "int64", "uint64", "function", "opaque", "object",
)
# fmt: on
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "utf-8", 2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable as the file lists it: where it lies, and what it says it is."""

    name: str
    kind: str
    shape: tuple[int, ...]
    offset: int
    n_bytes: int
    compressed: bool

    def __str__(self) -> str:
        """Return it as MATLAB's `whos` would: ``data (1000 x 3 double)``."""
        return f"{self.name} ({' x '.join(map(str, self.shape))} {self.kind})"


@dataclass(slots=True)
class MatFile:
    """An open MAT-file and the memory that its variables may still take."""

    path: Path
    file: BinaryIO
    size: int
    order: str = "<"
    left_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.left_bytes = GROWTH * self.size + ALLOWANCE_BYTES

    def take(self, n_bytes: int, what: str) -> None:
        """Count memory that is about to be used."""
        self.left_bytes -= n_bytes
        if self.left_bytes < 0:
            raise ReadError(
                f"{self.path}: {what} grows to more than {GROWTH} times the file's {self.size} bytes; "
                f"{DAMAGED}, uncompressed (MATLAB's save with -v6)"
            )


@dataclass(slots=True)
class Cursor:
    """A place in a variable's bytes."""

    source: MatFile
    data: memoryview
    at: int = 0

    def element(self) -> tuple[int, memoryview]:
        """Step over a data element; return its type and content."""
        head = self._bytes(8)
        kind, length = struct.unpack(f"{self.source.order}II", head)
        if kind >> 16:  # a small element: its content of up to 4 bytes lies within the tag
            length = kind >> 16
            if length > 4:
                raise ReadError(
                    f"{self.source.path}: a small element claims {length} bytes, expected 4 at most; "
                    f"{DAMAGED}"
                )
            return kind & 0xFFFF, head[4 : 4 + length]
        content = self._bytes(length)
        self.at = min(self.at + -length % 8, len(self.data))
        return kind, content

    def _bytes(self, length: int) -> memoryview:
        part = self.data[self.at : self.at + length]
        if len(part) != length:
            raise ReadError(
                f"{self.source.path}: an element claims {length} bytes, {len(part)} are left; {DAMAGED}"
            )
        self.at += length
        return part


def variables(source: MatFile) -> tuple[dict[str, Variable], str]:
    """List a file's variables by name, without their content, and say where it is cut off ("" if nowhere)."""
    found: dict[str, Variable] = {}
    offset = HEADER_BYTES
    while offset < source.size:
        source.file.seek(offset)
        tag = source.file.read(8)
        kind, length = struct.unpack(f"{source.order}II", tag) if len(tag) == 8 else (0, 8)
        if offset + 8 + length > source.size:
            return found, (
                f"variable {len(found) + 1} at {offset} is cut off: expected {length} bytes, got "
                f"{source.size - offset - len(tag)}"
            )
        if kind not in (MATRIX, COMPRESSED) or len(found) >= MOST_VARIABLES:
            raise ReadError(f"{source.path}: no variable at {offset}, where one should be; {DAMAGED}")
        head = source.file.read(min(length, HEAD_BYTES))
        if kind == COMPRESSED:
            head = _inflated_head(source, head)[8:]
        item = _described(source, head, offset + 8, length, compressed=kind == COMPRESSED)
        found[item.name] = item
        offset += 8 + length
    return found, ""


def load(source: MatFile, item: Variable) -> Any:
    """Return a variable's value.

    Returns
    -------
    Any
        Numbers: an array. Text: a list with a string for each row. A cell array: a list, column by column.
        A structure: a dict; an array of them: a list of dicts.

    Raises
    ------
    ReadError
        It is damaged, of another kind, or takes too much memory.
    """
    what = f"the variable {item.name!r}"
    source.file.seek(item.offset)
    data = source.file.read(item.n_bytes)
    source.take(len(data), what)
    if not item.compressed:
        return _value(Cursor(source, memoryview(data)), what)
    inflated = Cursor(source, memoryview(_inflated(source, data, what)))
    kind, content = inflated.element()
    if kind != MATRIX:
        raise ReadError(f"{source.path}: {what} inflates to no variable; {DAMAGED}")
    return _value(Cursor(source, content), what)


def _inflated_head(source: MatFile, data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, HEAD_BYTES)
    except zlib.error as error:
        raise ReadError(f"{source.path}: a variable can't be inflated ({error}); {DAMAGED}") from error


def _inflated(source: MatFile, data: bytes, what: str) -> bytearray:
    """Inflate a variable step by step, so that a bomb is noticed before it goes off."""
    stream, out = zlib.decompressobj(), bytearray()
    try:
        while not stream.eof:
            part = stream.decompress(data, INFLATE_STEP)
            if not part and not stream.eof:
                raise ReadError(f"{source.path}: {what} is cut off inside; {DAMAGED}")
            source.take(len(part), what)
            out += part
            data = stream.unconsumed_tail
    except zlib.error as error:
        raise ReadError(f"{source.path}: {what} can't be inflated ({error}); {DAMAGED}") from error
    return out


def _described(source: MatFile, head: bytes, offset: int, length: int, *, compressed: bool) -> Variable:
    cursor = Cursor(source, memoryview(head))
    kind, _, shape = _flags(cursor)
    name = bytes(cursor.element()[1]).decode("latin-1")
    known = CLASSES[kind] if kind < len(CLASSES) else "unknown"
    return Variable(name, known, shape, offset, length, compressed)


def _flags(cursor: Cursor) -> tuple[int, bool, tuple[int, ...]]:
    """Return a matrix's class, whether it is complex, and its dimensions."""
    _, flags = cursor.element()
    _, sizes = cursor.element()
    order = cursor.source.order
    if len(flags) != 8 or not 8 <= len(sizes) <= 256 or len(sizes) % 4:
        raise ReadError(f"{cursor.source.path}: a variable has no flags or dimensions; {DAMAGED}")
    word = struct.unpack(f"{order}I", flags[:4])[0]
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if min(shape) < 0:
        raise ReadError(f"{cursor.source.path}: a variable has a dimension of {min(shape)}; {DAMAGED}")
    return word & 0xFF, bool(word & 0x0800), shape


def _value(cursor: Cursor, what: str, depth: int = 0) -> Any:
    """Return the value of a matrix, whose bytes the cursor stands before."""
    if not len(cursor.data):
        return np.empty((0, 0))
    if depth > DEEPEST:
        raise ReadError(f"{cursor.source.path}: {what} is nested more than {DEEPEST} deep; {DAMAGED}")
    kind, is_complex, shape = _flags(cursor)
    cursor.element()  # the name
    if kind in NUMERIC and not is_complex:
        return _numbers(cursor, shape, what)
    if kind == CHAR:
        return _texts(cursor, shape, what)
    if kind == CELL:
        return [_inner(cursor, what, depth) for _ in _elements(cursor, shape, 1, what)]
    if kind == STRUCT:
        return _structures(cursor, shape, what, depth)
    known = "complex" if is_complex else CLASSES[kind] if kind < len(CLASSES) else f"class {kind}"
    raise ReadError(
        f"{cursor.source.path}: {what} holds {known} values, expected real numbers, texts, cells or "
        "structures; export the recording again"
    )


def _inner(cursor: Cursor, what: str, depth: int) -> Any:
    kind, content = cursor.element()
    if kind != MATRIX:
        raise ReadError(f"{cursor.source.path}: {what} holds an element of type {kind}; {DAMAGED}")
    return _value(Cursor(cursor.source, content), what, depth + 1)


def _elements(cursor: Cursor, shape: tuple[int, ...], per_element: int, what: str) -> range:
    """Return a range over elements, each of which takes at least a tag of 8 bytes."""
    count = math.prod(shape)
    if count * per_element * 8 > len(cursor.data) - cursor.at:
        raise ReadError(f"{cursor.source.path}: {what} claims {count} elements; {DAMAGED}")
    cursor.source.take(count * (1 + per_element) * OBJECT_BYTES, what)
    return range(count)


def _structures(cursor: Cursor, shape: tuple[int, ...], what: str, depth: int) -> Any:
    _, width = cursor.element()
    _, names = cursor.element()
    length = struct.unpack(f"{cursor.source.order}i", width)[0] if len(width) == 4 else 0
    if length < 1 or len(names) % length:
        raise ReadError(f"{cursor.source.path}: {what} has fields without names; {DAMAGED}")
    fields = [
        bytes(names[at : at + length]).split(b"\0")[0].decode("latin-1")
        for at in range(0, len(names), length)
    ]
    if not fields:
        return [{} for _ in _elements(cursor, shape, 1, what)]
    found = [
        {name: _inner(cursor, what, depth) for name in fields}
        for _ in _elements(cursor, shape, len(fields), what)
    ]
    return found[0] if len(found) == 1 else found


def _numbers(cursor: Cursor, shape: tuple[int, ...], what: str) -> Any:
    kind, content = cursor.element()
    if kind not in NUMBERS:
        raise ReadError(f"{cursor.source.path}: {what} holds numbers of type {kind}; {DAMAGED}")
    dtype = np.dtype(cursor.source.order + NUMBERS[kind])
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ReadError(
            f"{cursor.source.path}: {what} holds {len(content)} bytes, its dimensions "
            f"{' x '.join(map(str, shape))} need {math.prod(shape) * dtype.itemsize}; {DAMAGED}"
        )
    return np.frombuffer(content, dtype).reshape(shape, order="F")


def _texts(cursor: Cursor, shape: tuple[int, ...], what: str) -> list[str]:
    """Return the rows of a character array, without the spaces that fill them up."""
    kind, content = cursor.element()
    encoding = TEXTS.get(kind, "latin-1")
    if encoding != "utf-8":
        encoding += {"<": "-le", ">": "-be"}[cursor.source.order] if encoding.startswith("utf") else ""
    try:
        text = bytes(content).decode(encoding)
    except UnicodeDecodeError:
        text = bytes(content).decode("latin-1")
    n_rows = shape[0]
    if not text or not n_rows:
        return [""]
    cursor.source.take(4 * len(text) + n_rows * OBJECT_BYTES, what)
    if len(text) != math.prod(shape):
        raise ReadError(
            f"{cursor.source.path}: {what} holds {len(text)} characters, its dimensions need "
            f"{math.prod(shape)}; {DAMAGED}"
        )
    return [text[row::n_rows].rstrip("\0 ") for row in range(n_rows)]
