"""Recordings from files: `read` tells the format by a file's content and hands on to its reader."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path

from ecgkit.errors import ReadError
from ecgkit.lookup import pick
from ecgkit.readers.ecg_channel import millivolts_per_unit
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.usable import checked_rate, usable
from ecgkit.records import Recording

# name -> its reader; the module also has `matches(head)`, which knows the format by the first bytes, and
# `TAKES`, the names of the options that its files leave open. The first that matches is taken.
FORMATS = {
    "acq": "ecgkit.readers.acq:read",
    "edf": "ecgkit.readers.edf_reader:read",
    "wfdb": "ecgkit.readers.wfdb_reader:read",  # told by its text, so before text
    "wav": "ecgkit.readers.wav_reader:read",
    "mat": "ecgkit.readers.mat_reader:read",
    "xdf": "ecgkit.readers.xdf_reader:read",
    "bids": "ecgkit.readers.bids_reader:read",
    "text": "ecgkit.readers.text_reader:read",  # last: it takes any table of numbers
}

HEAD_BYTES = 4096


def read(
    path: str | os.PathLike[str],
    *,
    salvage: bool = False,
    fs: float | None = None,
    columns: Sequence[str] = (),
    unit: str | None = None,
) -> Recording:
    """Read a recording's headers; its samples come later, by ``recording.channel("ECG")[start:stop]``.

    The format is told by the file's content, not by its name.

    Parameters
    ----------
    path
        The file; of a WFDB record the header (.hea).
    salvage
        Take what is there of a damaged file, rather than refuse it; `Recording.lost` says what is not.
    fs
        Sampling rate in Hz, where the file does not state one.
    columns
        Names, or positions from 0, of a table's columns to take.
    unit
        Unit of the channels whose file states none, such as "mV".

    Raises
    ------
    ReadError
        There is no such file, it can't be opened, its format is unknown, or it is damaged; or an option
        says what the file says itself.
    """
    return read_with(Path(path), ReadOptions(salvage=salvage, fs=fs, columns=tuple(columns), unit=unit))


def read_with(path: Path, options: ReadOptions) -> Recording:
    """Read a recording's headers, as `read` does, with the options in one record."""
    head = _head(path)
    for name, reader in FORMATS.items():
        module = importlib.import_module(reader.partition(":")[0])
        if module.matches(head):
            _refuse_needless(path, name, options, takes=module.TAKES)
            recording: Recording = pick(FORMATS, name, what="format")(path, options)
            return usable(recording)
    raise ReadError(
        f"{path}: not a recording of a format that ecgkit reads ({', '.join(FORMATS)}); {_looks(head)}."
        f"{_hint(path)} Give the file as its program saved it"
    )


def _refuse_needless(path: Path, name: str, options: ReadOptions, *, takes: Sequence[str]) -> None:
    """Refuse what a user says about a file whose format says it itself."""
    for option in options.given():
        if option not in takes:
            raise ReadError(f"{path}: {name} files say this themselves; leave out --{option}")
    if options.fs is not None:
        checked_rate(path, options.fs, f"--fs {options.fs:g}", advice="give the rate that it was recorded at")
    if options.unit is not None and millivolts_per_unit(options.unit) is None:
        raise ReadError(f"{path}: --unit {options.unit!r}, expected a unit of voltage, such as mV, uV or V")


def _looks(head: bytes) -> str:
    """Say what a file of an unknown format looks like."""
    from ecgkit.readers.text_reader import is_text

    if is_text(head):
        return "text without lines of numbers, expected two or more of them, below a header such as time,ECG"
    return f"it starts with the bytes {head[:12].hex(' ')}"


def _hint(path: Path) -> str:
    """Point from the samples of a WFDB record, or from its bare name, to its header."""
    header = path.with_suffix(".hea") if path.name else path
    return f" There is {header.name}: give that one." if header.is_file() and header != path else ""


def _head(path: Path) -> bytes:
    """Return the first bytes of an ordinary, readable, non-empty file."""
    try:
        if path.is_dir():
            raise ReadError(f"{path}: a folder, expected a recording; give one of the files in it")
        if not path.exists():
            hint = _hint(path)
            raise ReadError(
                f"{path}: no such file; check the name and the folder you are in{'.' if hint else ''}{hint}"
            )
        if not path.is_file():
            raise ReadError(f"{path}: not an ordinary file (a device or a pipe); copy it to disk first")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise ReadError(
            f"{path}: can't be opened ({error.strerror or error}); check its permissions"
        ) from error
    if not head:
        raise ReadError(f"{path}: empty (0 bytes), expected a recording; copy it again from its source")
    return head
