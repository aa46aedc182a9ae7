"""Data sets spoiled through h5py, told by a seed: what bytes changed at random don't reach behind checksums.

`spoil(path, 1234)` does the same each time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import h5py
import numpy as np

Way = Callable[[Random, h5py.File], None]

DTYPES = (
    *("<f8", ">f4", "<f2", "<f4", "<i8", "<i4", ">i4", "<u8", "|u1", "|i1", "<c8", "S5", "V3", "?"),
    *(h5py.string_dtype(), h5py.vlen_dtype(np.int32), h5py.ref_dtype, [("a", "<i4"), ("b", "<f8", (2,))]),
)
NUMBERS = (0, 1, -1, 3, 4, 255, 1 << 31, (1 << 63) - 1, -(1 << 63), 0.5, 1e300, np.nan, np.inf, -np.inf)
TEXTS = (
    *("", "x", "{", "{}", "[]", "null", "NaN", '{"a": NaN}', '{"a": 1}', '{"a": {}}', '{"a": {"sha256": 1}}'),
    *(
        '{"a": {"sha256": "0", "reason": "x"}}',
        '{"seed": -1}',
        '{"n_folds": 1e9}',
        "[" * 5000,
        '{"a":' * 5000,
    ),
    *("9" * 5000, "\x1b[31mred", "../../etc", "é", "a" * 70_000, '{"span_s": [1], "excluded_s": "x"}'),
)
OTHER = (True, 7, -1.0, 0.0, np.nan, np.inf, 1e308, np.bytes_(b"\xff\xfe"), h5py.Empty("f4"), ["a", "b"], "a")
NAMES = ("extra", "é", "a" * 300, "..", "x y", "0", "leave-subjects-out", "paper")


def spoil(path: Path, seed: int) -> None:
    """Change a data set in one to three ways."""
    random = Random(f"h5 {seed}")
    with h5py.File(path, "r+") as file:
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            random.choice(WAYS)(random, file)


def broken_heaps(path: Path) -> None:
    """Spoil the heaps of texts of variable length: HDF5 looks for the end of one for ever."""
    content, at = bytearray(path.read_bytes()), -1
    while (at := content.find(b"GCOL", at + 1)) >= 0:
        content[at + 24 : at + 32] = ((1 << 64) - 16).to_bytes(8, "little")  # the first text's length
    path.write_bytes(content)


def _names(file: h5py.File, kind: type = h5py.HLObject) -> list[str]:
    """Return the names of all groups or data sets that are still reached, sorted."""
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, kind) else None)
    return sorted(names) or ["extra"]


def _free(random: Random, file: h5py.File, kind: type = h5py.HLObject) -> str:
    """Take something away; return its name, for something else."""
    name = random.choice(_names(file, kind))
    if name in file:
        del file[name]
    return name


def drop(random: Random, file: h5py.File) -> None:
    _free(random, file)


def link(random: Random, file: h5py.File) -> None:
    """Put a link in the place of something: out of the file, to nowhere, or to something else in it."""
    name, other = _free(random, file), random.choice(_names(file))
    targets = [h5py.SoftLink(f"/{other}"), h5py.SoftLink("/nowhere"), h5py.SoftLink("/")]
    targets += [h5py.ExternalLink("elsewhere.h5", "/windows"), h5py.ExternalLink(file.filename, f"/{other}")]
    file[name] = random.choice([*targets, *([file[other], file["/"]] if other in file else [])])


def retype(random: Random, file: h5py.File) -> None:
    name = random.choice(_names(file, h5py.Dataset))
    shape = file[name].shape if name in file else (3,)
    if name in file:
        del file[name]
    file.create_dataset(name, shape=shape, dtype=random.choice(DTYPES))


def reshape(random: Random, file: h5py.File) -> None:
    name = random.choice(_names(file, h5py.Dataset))
    if name not in file:
        return
    dtype, shape = file[name].dtype, file[name].shape
    shapes = (
        (),
        (0,),
        (1,),
        (*shape, 1),
        shape[:-1],
        (shape[0] + 1,) if shape else (2,),
        shape[::-1],
        (0, 0, 0),
    )
    del file[name]
    file.create_dataset(name, shape=random.choice(shapes), dtype=dtype)


def grow(random: Random, file: h5py.File) -> None:
    """Claim to be huge: never written, or one value over and over, packed."""
    name = random.choice(_names(file, h5py.Dataset))
    dtype, n_axes = (file[name].dtype, file[name].ndim) if name in file else (np.dtype("<f4"), 1)
    if name in file:
        del file[name]
    n_axes = max(1, n_axes)
    if random.random() < 0.5 or dtype.kind == "O":
        shape = (random.choice((1 << 20, 1 << 40)),) + (1,) * (n_axes - 1)
        file.create_dataset(name, shape=shape, dtype=dtype, chunks=(1 << 10,) + (1,) * (n_axes - 1))
    else:
        n_rows = min(1 << random.choice((18, 21)), (1 << 24) // dtype.itemsize)
        values = np.zeros((n_rows,) + (1,) * (n_axes - 1), dtype=dtype)
        file.create_dataset(name, data=values, chunks=True, compression="gzip", compression_opts=9)


def set_values(random: Random, file: h5py.File) -> None:
    name = random.choice(_names(file, h5py.Dataset))
    stored = file.get(name)
    if not isinstance(stored, h5py.Dataset) or not stored.size or not stored.shape or stored.is_virtual:
        return
    row = random.choice((0, len(stored) - 1, random.randrange(len(stored))))
    if stored.dtype.kind == "S":
        stored[row] = random.choice(TEXTS).encode()[: stored.dtype.itemsize]
    elif stored.dtype.kind in "biuf":
        with np.errstate(all="ignore"):
            limits = np.array(random.choice(NUMBERS), dtype=np.float64)
            value = (
                limits
                if stored.dtype.kind == "f"
                else np.int64(np.clip(np.nan_to_num(limits), -128, 1 << 31))
            )
            stored[row] = np.asarray(value).astype(stored.dtype)


def set_attribute(random: Random, file: h5py.File) -> None:
    items = [file, *(file[name] for name in _names(file) if name in file)]
    item = file if random.random() < 0.8 else random.choice(items)
    name = random.choice([*sorted(item.attrs), "extra"])
    if random.random() < 0.15:
        item.attrs.pop(name, None)
    else:
        value = random.choice((*(np.bytes_(text.encode()) for text in TEXTS), *OTHER))
        with suppress(OSError):  # longer than an old file can hold
            item.attrs[name] = value


def set_json(random: Random, file: h5py.File) -> None:
    """Put other JSON, or none, in the place of some, also longer than it."""
    name = random.choice(("pipeline", "splits", "sources", "left_out", "condition_texts", "versions"))
    is_here = isinstance(file.get("about", getlink=True), h5py.HardLink)
    if is_here and isinstance(file["about"], h5py.Group):
        if file["about"].get(name, getlink=True) is not None:
            del file["about"][name]
        file["about"][name] = np.bytes_(random.choice(TEXTS).encode() or b" ")


def swap_kind(random: Random, file: h5py.File) -> None:
    """Put a group where a data set was, or a data set or a type where a group was."""
    name = _free(random, file)
    match random.randrange(3):
        case 0:
            file.create_group(name)
        case 1:
            file[name] = np.arange(3)
        case 2:
            file[name] = np.dtype("<f4")


def store_elsewhere(random: Random, file: h5py.File) -> None:
    """Keep a data set's bytes in another file, or have it be a view of another file's."""
    name = random.choice(_names(file, h5py.Dataset))
    if name not in file or not file[name].shape or file[name].dtype.kind == "O":
        return
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    if random.random() < 0.5:
        size = int(np.prod(shape)) * dtype.itemsize
        file.create_dataset(name, shape=shape, dtype=dtype, external=[("elsewhere.raw", 0, size)])
    else:
        layout = h5py.VirtualLayout(shape=shape, dtype=dtype)
        layout[:] = h5py.VirtualSource("elsewhere.h5", "windows", shape=shape)
        file.create_virtual_dataset(name, layout)


def add(random: Random, file: h5py.File) -> None:
    """Add something that a reader does not know, or a split."""
    place = random.choice(
        ("", "table/", "splits/", "splits/extra/", "participants/", "splits/paper/", "labels/")
    )
    name = f"{place}{random.choice(NAMES)}"
    n_windows = file["windows"].shape[0] if isinstance(file.get("windows"), h5py.Dataset) else 3
    try:
        if random.random() < 0.3:
            file.create_group(name)
        else:
            file[name] = np.full(random.choice((n_windows, 3)), random.choice((0, 1, 2, 9)), dtype="|u1")
    except (ValueError, RuntimeError, OSError):  # there is such a thing
        return


WAYS: tuple[Way, ...] = (
    drop,
    link,
    link,
    retype,
    reshape,
    grow,
    set_values,
    set_values,
    set_attribute,
    set_attribute,
    set_json,
    set_json,
    swap_kind,
    store_elsewhere,
    add,
)
