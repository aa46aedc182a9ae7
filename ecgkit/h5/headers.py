"""Object headers, read past HDF5 for what it tells too late: whether a data set is virtual.

HDF5 looks a virtual data set's sources up as it opens it, in a heap without a checksum, where a byte that is
wrong can hold it up for ever. Such a data set must not be opened to be told.

HDF5 File Format Specification 3.0, IV.A.1 (object headers) and IV.A.2.i (the message of the layout).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import h5py

LAYOUT, CONTINUATION = 0x08, 0x10  # types of messages
WITH_CLASS = 3  # the first version of the layout's message whose second byte is the class
VIRTUAL = 3
MOST_BLOCKS, MOST_BLOCK_BYTES = 1000, 1 << 20
SIGNATURE, CONTINUED = b"OHDR", b"OCHK"
HAS_TIMES, HAS_PHASES, HAS_ORDER = 0x20, 0x10, 0x04  # flags of a header
Message = tuple[int, bytes]


def is_virtual(group: h5py.Group, name: str) -> bool:
    """Tell whether what a hard link names is a virtual data set, without opening it.

    Of a file that is being written it is not told: nobody else made that one.
    """
    file = group.file
    if file.mode != "r":
        return False
    address = group.id.links.get_info(name.encode("utf-8", "surrogateescape")).u + file.userblock_size
    with Path(file.filename).open("rb") as raw:
        try:
            layouts = [data for kind, data in _messages(raw, address, file.userblock_size) if kind == LAYOUT]
        except (struct.error, IndexError, OverflowError, ValueError):
            return False  # HDF5 refuses it too
    return any(len(data) > 1 and data[0] >= WITH_CLASS and data[1] == VIRTUAL for data in layouts)


def _messages(raw: BinaryIO, address: int, base: int) -> Iterator[Message]:
    """Yield type and content of each message of an object header, with its continuations."""
    head = _read(raw, address, 64)
    if head[:4] == SIGNATURE:
        flags, start = head[5], 6
        start += 16 * bool(flags & HAS_TIMES) + 4 * bool(flags & HAS_PHASES)
        width = 1 << (flags & 3)
        length = int.from_bytes(head[start : start + width], "little")
        waiting = [(address + start + width, length)]
    else:
        flags = None
        waiting = [(address + 16, struct.unpack_from("<I", head, 8)[0])]
    for _ in range(MOST_BLOCKS):
        if not waiting:
            return
        for kind, data in _in_block(_read(raw, *waiting.pop()), flags):
            if kind == CONTINUATION:
                place, length = struct.unpack_from("<QQ", data)
                waiting.append((base + place, length) if flags is None else (base + place + 4, length - 8))
            yield kind, data


def _in_block(block: bytes, flags: int | None) -> Iterator[Message]:
    """Yield the messages of one block; `flags` are those of a header of version 2, None of version 1."""
    at = 0
    ahead = 8 if flags is None else 4 + 2 * bool(flags & HAS_ORDER)
    while at + ahead <= len(block):
        kind, length = struct.unpack_from("<HH" if flags is None else "<BH", block, at)
        yield kind, block[at + ahead : at + ahead + length]
        at += ahead + length


def _read(raw: BinaryIO, start: int, length: int) -> bytes:
    raw.seek(start)
    return raw.read(min(length, MOST_BLOCK_BYTES))
