"""What the network of a fit said of the windows that its fold tests, read back without trust."""

from __future__ import annotations

import tokenize
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ecgkit.errors import CheckpointError

Number = TypeVar("Number", np.int64, np.float32)

OVERHEAD_BYTES = 1024  # of an array in an .npz: its header, its names, its two entries
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# what zipfile and NumPy raise over bytes that are not theirs
DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    SyntaxError,
    MemoryError,
    RecursionError,
    NotImplementedError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)


def read_logits(
    path: Path, rows: NDArray[np.int64], n_classes: Mapping[str, int], *, learnt: Collection[str] = ()
) -> dict[str, NDArray[np.float32]]:
    """Read the outputs of a fit; nothing is loaded that is larger than what the fit can have left.

    Parameters
    ----------
    path
        What `ecgkit.stages.fitting.write_logits` wrote.
    rows
        The rows that the fit tests, (N,): the file must hold the same.
    n_classes
        Of every task in the file, as the data set has them.
    learnt
        Tasks whose outputs must be there; of the others there may be none.

    Returns
    -------
    Task -> finite outputs, (N, classes), or (N, 0) of a task that was not learnt. They can't be written to.

    Raises
    ------
    CheckpointError
        The file is not there, no ordinary one, damaged, or of other windows or classes.
    """
    try:
        _check_file(path, len(rows), n_classes)
        with zipfile.ZipFile(path) as archive:
            found = _read(np.int64, archive, "rows", [(len(rows),)])
            if not np.array_equal(found, rows):
                raise ValueError("not the windows that this fold tests")
            outputs: dict[str, NDArray[np.float32]] = {}
            for name, n in n_classes.items():
                widths = {n} if name in learnt else {n, 0}
                outputs[name] = _read(np.float32, archive, name, [(len(rows), width) for width in widths])
                if not np.isfinite(outputs[name]).all():
                    raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    except DAMAGED as error:
        raise CheckpointError(
            f"{path}: the outputs of this fit are damaged ({str(error) or type(error).__name__}); "
            "remove this folder and give the same command again: it does this fit anew"
        ) from error
    return outputs


def _check_file(path: Path, n: int, n_classes: Mapping[str, int]) -> None:
    """Refuse what is no file of its own, or too large: a directory of an archive is read whole."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ValueError("a link, a folder, a device or a pipe, expected a file")
    most = n * (8 + 4 * sum(n_classes.values())) + (1 + len(n_classes)) * OVERHEAD_BYTES
    size = path.stat().st_size
    if size > most:
        raise ValueError(f"{size} bytes, larger than expected: at most {most}")


def _read(
    kind: type[Number], archive: zipfile.ZipFile, name: str, shapes: Sequence[tuple[int, ...]]
) -> NDArray[Number]:
    """Read an array of one of the shapes; its header is held against them before anything is loaded."""
    dtype = np.dtype(kind)
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise ValueError(f"{name}: expected an array that is not compressed and not encrypted")
    with archive.open(info) as member:
        version = npy.read_magic(member)
        if version not in HEADERS:
            raise ValueError(f"{name}: version {version} of the .npy format, expected 1.0 or 2.0")
        shape, is_fortran, found = HEADERS[version](member, max_header_size=OVERHEAD_BYTES)
        if shape not in shapes or is_fortran or found != dtype:
            order = ", by columns" if is_fortran else ""
            expected = " or ".join(map(str, shapes))
            raise ValueError(f"{name}: {found} {shape}{order}, expected {dtype} {expected}")
        n_bytes = int(np.prod(shape)) * dtype.itemsize
        raw = member.read(n_bytes + 1)
    if len(raw) != n_bytes:
        raise ValueError(f"{name}: {len(raw)} bytes, expected {n_bytes}")
    return np.ndarray(shape, dtype, raw)
