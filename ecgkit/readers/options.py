"""What a user may say about a file that its format does not say itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is read.

    Attributes
    ----------
    salvage
        Take what is there of a damaged file, rather than refuse it.
    fs
        Sampling rate in Hz, for formats that need not state one (text).
    columns
        Names, or positions from 0, of the columns to take, in this order (text).
    unit
        Unit of the channels whose file states none (text, WAV).
    """

    salvage: bool = False
    fs: float | None = None
    columns: tuple[str, ...] = ()
    unit: str | None = None

    def given(self) -> tuple[str, ...]:
        """Return the names of what was said about the file itself."""
        return tuple(name for name in ("fs", "columns", "unit") if getattr(self, name) not in (None, ()))


AS_STATED = ReadOptions()  # the file says all that is needed
