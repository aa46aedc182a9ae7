"""AcqKnowledge's own text export: its header.

A title, then ``0.5 msec/sample``, ``3 channels``, a line with the name and a line with the unit of each
channel; mostly a row ``min,CH1,CH2`` and a row with each channel's number of samples; then the samples, with
or without a column of times (BIOPAC knowledge base, "Text files: import and export").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.readers.text_layout import Layout, cells, find_dialect

HEAD_LINES = 10  # within which the interval stands
INTERVAL = re.compile(
    r'\s*"?(?P<number>\d+(?:[.,]\d+)?(?:e-?\d+)?)\s*(?P<unit>[a-zµμ]{1,9})/sample', re.IGNORECASE
)
CHANNELS = re.compile(r'\s*"?(?P<count>\d{1,4})\s+channels?\b', re.IGNORECASE)
SECONDS = {"usec": 1e-6, "µsec": 1e-6, "μsec": 1e-6, "msec": 1e-3, "sec": 1.0, "min": 60.0, "hr": 3600.0}
COLUMN = re.compile(r"CH ?\d+", re.IGNORECASE)
BETWEEN = re.compile(r"[,;\t ]+")


def export_layout(path: Path, lines: Sequence[str], n_lines: int) -> Layout | None:
    """Return the layout of an AcqKnowledge export from its first lines, None for another text.

    Parameters
    ----------
    lines
        The first lines.
    n_lines
        Number of lines of the whole file.

    Raises
    ------
    ReadError
        The header does not fit the rows, or the axis is not time.
    """
    found = _interval_line(lines)
    if found is None:
        return None
    interval, counted = INTERVAL.match(lines[found]), CHANNELS.match(lines[found + 1])
    if interval is None or counted is None:
        return None
    n_channels = int(counted["count"])
    at = found + 2 + 2 * n_channels
    if n_channels < 1 or at >= len(lines):
        raise ReadError(
            f"{path}: an AcqKnowledge export of {n_channels} channels that ends within its header; the file "
            "is cut off. Export it again"
        )
    texts = [line.strip('",;\t ') for line in lines[found + 2 : at]]
    timed, at = _column_row(lines, at)
    counts, at = _counts_row(lines, at, n_channels, n_lines)
    body = [line for line in lines[at:] if line.strip()]
    return _layout(path, _fs(path, interval), interval[0].strip('" '), texts, timed, counts, at, body)


def is_export(lines: Sequence[str]) -> bool:
    """Tell from a text's first lines whether it is an AcqKnowledge export."""
    return _interval_line(lines) is not None


def own_rate(samples: NDArray[np.float64], count: int, longest: int) -> tuple[NDArray[np.float64], int]:
    """Return the samples of a channel that was recorded at a lower rate, and its divider.

    Its column has a cell for each of the fastest channel's samples: empty but for every n-th, or the same n
    times over, or the samples lie together at its start.

    Parameters
    ----------
    samples
        The column, shape (rows,); NaN where a cell is empty.
    count, longest
        The channel's number of samples and the longest channel's, as the header gives them.
    """
    divider = round(longest / count) if count else 1
    if divider < 2 or not longest - divider < count * divider < longest + divider:
        return samples, 1
    empty = np.isnan(samples)
    thinned = samples[::divider]
    repeated = thinned[np.arange(len(samples)) // divider]
    every_nth = np.delete(empty, np.s_[::divider]).all()
    if every_nth or np.array_equal(repeated, samples, equal_nan=True):
        return thinned, divider
    together = empty[count:].all() and not empty[:count].any()
    return (samples[:count], divider) if together else (samples, 1)


def _interval_line(lines: Sequence[str]) -> int | None:
    for at, line in enumerate(lines[:HEAD_LINES]):
        if INTERVAL.match(line) and at + 1 < len(lines) and CHANNELS.match(lines[at + 1]):
            return at
    return None


def _fs(path: Path, interval: re.Match[str]) -> float:
    number, unit = float(interval["number"].replace(",", ".")), interval["unit"].lower()
    if unit not in SECONDS or not number > 0:
        raise ReadError(
            f"{path}: its AcqKnowledge header says {interval[0].strip()!r}, expected a time above 0 in msec "
            "or sec; a spectrum is no recording, else export it with a time axis"
        )
    # 1 / 0.001 is a rounding error off, 1000 / 1 is not
    return 1 / SECONDS[unit] / number if unit in ("sec", "msec") else 1 / (SECONDS[unit] * number)


def _column_row(lines: Sequence[str], at: int) -> tuple[bool | None, int]:
    """Return whether the row of column names begins with the times' (None without one), and the next line."""
    words = BETWEEN.split(lines[at].strip('",;\t ').replace('"', "")) if at < len(lines) else []
    if not any(COLUMN.fullmatch(word) for word in words):
        return None, at
    return not COLUMN.fullmatch(words[0]), at + 1


def _counts_row(lines: Sequence[str], at: int, n_channels: int, n_lines: int) -> tuple[tuple[int, ...], int]:
    """Return the channels' numbers of samples, if a row gives them, and the next line."""
    line = lines[at] if at < len(lines) else ""
    words = BETWEEN.split(line.strip('",;\t '))
    if len(words) != n_channels or not all(
        word.isascii() and word.isdigit() and len(word) < 16 for word in words
    ):
        return (), at
    counts = tuple(map(int, words))
    # a first row of samples may be whole numbers too; but it has its time, and rarely so large ones
    is_counts = line[:1] in ",;\t" or max(counts) >= n_lines - at - 1
    return (counts, at + 1) if is_counts else ((), at)


def _layout(
    path: Path,
    fs: float,
    stated: str,
    texts: Sequence[str],
    timed: bool | None,
    counts: tuple[int, ...],
    at: int,
    body: Sequence[str],
) -> Layout:
    n_channels = len(texts) // 2
    dialect = find_dialect(body)
    if dialect is None:
        raise ReadError(
            f"{path}: an AcqKnowledge export without samples; the file is cut off. Export it again"
        )
    separator, decimal, width = dialect
    last_empty = all(not row[-1] for row in (cells(line, separator) for line in body) if len(row) == width)
    if timed is None:
        timed = width - last_empty == n_channels + 1
    if width not in (n_channels + timed, n_channels + timed + last_empty):
        raise ReadError(
            f"{path}: line {at + 1} has {width} columns, its AcqKnowledge header says {n_channels} channels"
            f"{' and their times' if timed else ''}; the file was changed or damaged. Export it again"
        )
    spare = width - n_channels - timed
    return Layout(
        version="AcqKnowledge export",
        separator=separator,
        decimal=decimal,
        names=(*["time"] * timed, *texts[::2], *[""] * spare),
        units=(*[""] * timed, *texts[1::2], *[""] * spare),
        first_line=at,
        stated=(fs, stated),
        counts=(*[0] * timed, *counts, *[0] * spare) if counts else (),
        left_out=frozenset([*range(timed), *range(width - spare, width)]),
    )
