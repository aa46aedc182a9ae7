"""HDF5 files, written whole or not at all and read without trust. Sessions and data sets use it alike.

Every text has a fixed length. Those of variable length lie in a heap without a checksum, in which HDF5 can
lose its way for good where a byte is wrong: nothing of variable length is written, and nothing is read.
"""

from __future__ import annotations

from ecgkit.h5.hashing import content_sha256
from ecgkit.h5.items import (
    attribute,
    attribute_values,
    dataset,
    opened,
    own_group,
    place_of,
    refuse_attribute,
)
from ecgkit.h5.texts import (
    MOST_JSON_BYTES,
    read_json,
    read_texts,
    write_attribute,
    write_json,
    write_texts,
)
from ecgkit.h5.whole import atomic_h5, open_h5, stamp

__all__ = [
    "MOST_JSON_BYTES",
    "atomic_h5",
    "attribute",
    "attribute_values",
    "content_sha256",
    "dataset",
    "open_h5",
    "opened",
    "own_group",
    "place_of",
    "read_json",
    "read_texts",
    "refuse_attribute",
    "stamp",
    "write_attribute",
    "write_json",
    "write_texts",
]
