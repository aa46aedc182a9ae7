"""Small EDF and BDF files, written here field by field from the EDF and EDF+ specifications."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LIMITS = {"EDF": (-32768, 32767), "BDF": (-(1 << 23), (1 << 23) - 1)}


class Signal(NamedTuple):
    """Counts of whole data records, and what the header says of them."""

    counts: NDArray[np.int64]
    label: str = "ECG"
    unit: str = "uV"
    physical: tuple[str, str] = ("-500", "500")
    digital: tuple[int, int] = (-32768, 32767)


def counts(kind: str, n: int, seed: int) -> NDArray[np.int64]:
    """Return counts of the whole range of EDF or BDF."""
    values = np.random.default_rng(seed).integers(*LIMITS[kind], n, endpoint=True)
    values[: min(n, 2)] = LIMITS[kind][: min(n, 2)]
    return values


def pack(kind: str, values: NDArray[np.int64]) -> bytes:
    """Pack counts, 2 or 3 bytes each."""
    if kind == "EDF":
        return values.astype("<i2").tobytes()
    return values.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def annotations(*lists: tuple[str, Sequence[str]]) -> bytes:
    """Return lists of annotations: when ("+1.5", or "+1.5\\x152" for one that lasts), and texts."""
    return b"".join(f"{when}\x14{chr(0x14).join(texts)}\x14\0".encode() for when, texts in lists)


def header(
    kind: str,
    signals: Sequence[Signal],
    per_record: Sequence[int],
    *,
    n_records: int,
    duration: str = "1",
    reserved: str = "",
    start: str = "02.03.2104.05.06",
    patient: str = "X X X X",
    recorded: str = "Startdate 02-MAR-2021 X X X",
) -> bytes:
    """Return the header: fixed fields, then each field of all signals in turn."""
    first = b"0       " if kind == "EDF" else b"\xffBIOSEMI"
    fixed = f"{patient:<80}{recorded:<80}{start}{256 * (1 + len(signals)):<8}{reserved:<44}"
    fixed += f"{n_records:<8}{duration:<8}{len(signals):<4}"
    fields = (
        [f"{signal.label:<16}" for signal in signals],
        [f"{'electrode':<80}"] * len(signals),
        [f"{signal.unit:<8}" for signal in signals],
        [f"{signal.physical[0]:<8}" for signal in signals],
        [f"{signal.physical[1]:<8}" for signal in signals],
        [f"{signal.digital[0]:<8}" for signal in signals],
        [f"{signal.digital[1]:<8}" for signal in signals],
        [f"{'HP:0.1Hz LP:75Hz':<80}"] * len(signals),
        [f"{count:<8}" for count in per_record],
        [" " * 32] * len(signals),
    )
    return first + (fixed + "".join("".join(field) for field in fields)).encode("latin-1")


def write(
    path: Path,
    kind: str,
    signals: Sequence[Signal],
    *,
    n_records: int,
    notes: Sequence[bytes] = (),
    notes_at: int | None = None,
    stated: int | None = None,
    **said: str,
) -> Path:
    """Write a file.

    Parameters
    ----------
    notes
        The annotations of each data record, for a signal that holds them.
    notes_at
        The place of this signal, else the last.
    stated
        The number of data records that the header gives, else the true one.
    said
        Other fields of the header.
    """
    size = 2 if kind == "EDF" else 3
    rows = [
        [pack(kind, part) for part in np.split(signal.counts, n_records)] if n_records else []
        for signal in signals
    ]
    signals = list(signals)
    if notes:
        length = -(-max(map(len, notes)) // size) * size
        place = len(signals) if notes_at is None else notes_at
        rows.insert(place, [note.ljust(length, b"\0") for note in notes])
        digital = LIMITS[kind]
        signals.insert(
            place,
            Signal(np.zeros(0, np.int64), f"{kind} Annotations", "", ("-1", "1"), digital),
        )
    per_record = [len(row[0]) // size if row else 10 for row in rows]
    first = header(kind, signals, per_record, n_records=n_records if stated is None else stated, **said)
    path.write_bytes(first + b"".join(b"".join(record) for record in zip(*rows, strict=True)))
    return path


def times(n_records: int, *starts: tuple[int, float]) -> list[bytes]:
    """Return the time of each data record of 1 s, as annotations; `starts` sets it anew from a record on."""
    said, onset = [], 0.0
    for record in range(n_records):
        onset = dict(starts).get(record, onset)
        said.append(annotations((f"+{onset:g}", [""])))
        onset += 1
    return said


def _bdf_range(signal: Signal) -> Signal:
    return signal._replace(digital=LIMITS["BDF"])


def _plain(folder: Path) -> Path:
    signals = [Signal(counts("EDF", 300, 1)), Signal(counts("EDF", 300, 2), "Resp", "mmHg", ("-1.5", "7"))]
    return write(folder / "plain.edf", "EDF", signals, n_records=3, duration="0.4")


def _several_rates(folder: Path) -> Path:
    signals = [
        Signal(counts("EDF", 500, 1), "ECG I", "mV", ("-5", "5"), (-2048, 2047)),
        Signal(counts("EDF", 5, 2), "Temp", "degC", ("34.4", "40.2"), (0, 1023)),
        Signal(counts("EDF", 250, 3), "upside", "uV", ("200", "-200")),
    ]
    return write(folder / "rates.edf", "EDF", signals, n_records=5)


def _annotated(folder: Path) -> Path:
    notes = times(4, (0, 0.25))
    notes[1] += annotations(("+1.75", ["beat"]), ("+1.5\x150.5", ["lights off", "Schlaf Ä"]))
    notes[3] += annotations(("+0.25", ["start"]))
    signals = [Signal(counts("EDF", 800, 1)), Signal(counts("EDF", 40, 2), "Resp")]
    return write(folder / "plus.edf", "EDF", signals, n_records=4, notes=notes, notes_at=1, reserved="EDF+C")


def _with_gaps(folder: Path) -> Path:
    notes = times(6, (0, 0.5), (2, 10.5), (4, 12.75))
    notes[1] += annotations(("+2.5", ["in the pause"]))
    notes[5] += annotations(("+0.5", ["first"]), ("+10.75", ["second"]), ("+13.5", ["third"]))
    signals = [Signal(counts("EDF", 600, 1)), Signal(counts("EDF", 300, 2), "Resp")]
    return write(folder / "gaps.edf", "EDF", signals, n_records=6, notes=notes, reserved="EDF+D")


def _bdf(folder: Path) -> Path:
    signals = [_bdf_range(Signal(counts("BDF", 120 * (1 + seed), seed))) for seed in range(2)]
    return write(folder / "plain.bdf", "BDF", signals, n_records=3, reserved="24BIT")


def _bdf_annotated(folder: Path) -> Path:
    notes = times(3)
    notes[2] += annotations(("+2.125", ["R"]))
    signals = [_bdf_range(Signal(counts("BDF", 192, 1)))]
    return write(folder / "plus.bdf", "BDF", signals, n_records=3, notes=notes, reserved="BDF+C")


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "plain": _plain,
    "several-rates": _several_rates,
    "annotated": _annotated,
    "with-gaps": _with_gaps,
    "bdf": _bdf,
    "bdf-annotated": _bdf_annotated,
}
