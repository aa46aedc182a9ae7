"""Tables as text: whatever their separator, decimal sign, header or encoding, the numbers are exact."""

from __future__ import annotations

import contextlib
import pickle
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.text_files import (
    FS,
    N_ROWS,
    SAMPLES,
    acqknowledge,
    dates,
    opensignals,
    simulated,
    table,
    timed,
    times,
)

import ecgkit
from ecgkit.errors import ReadError
from ecgkit.readers import text_numbers, text_reader
from ecgkit.readers.acq_text import own_rate
from ecgkit.records import Recording

NAMES = ["ECG (mV)", "RSP [Volts]", "EDA"]


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def columns_of(recording: Recording) -> np.ndarray[Any, Any]:
    return np.column_stack([channel.read() for channel in recording.channels])


@pytest.mark.parametrize("name", SAMPLES)
def test_read_gives_every_sample_file(tmp_path: Path, name: str) -> None:
    path = SAMPLES[name](tmp_path)
    assert path.stat().st_size < 20_000
    recording = ecgkit.read(path)
    assert (recording.format, recording.warnings, recording.lost) == ("text", (), ())
    assert recording.fs == (1000.0 if "opensignals" in name else FS)
    if "opensignals" not in name:
        np.testing.assert_array_equal(recording.channels[0].read(), simulated()[:, 0])


finite = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda value: value + 0.5)


@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(finite, min_size=width, max_size=width), min_size=3, max_size=12)
    ),
    separator=st.sampled_from([",", ";", "\t", " ", "   ", ", "]),
    comma=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    trailing=st.booleans(),
    header=st.booleans(),
    quoted=st.booleans(),
    with_times=st.booleans(),
    comment=st.sampled_from(["", "# recorded: on a Monday\n", "% fs = 250\n", "\n\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    final_end=st.booleans(),
)
def test_read_equals_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[float]],
    separator: str,
    comma: bool,
    end: str,
    trailing: bool,
    header: bool,
    quoted: bool,
    with_times: bool,
    comment: str,
    encoding: str,
    final_end: bool,
) -> None:
    samples = np.array(rows)
    width = samples.shape[1]
    alone = width + with_times == 1 and not header  # then nothing tells a decimal comma from a separator
    decimal = "," if comma and not separator.startswith(",") and not alone else "."
    last = separator if trailing and separator.strip(" ") and width + with_times > 1 else ""
    body = timed(samples) if with_times else samples.tolist()
    text = table(body, separator, decimal, end, last)
    names = [f"Signal{number}(µV)" for number in range(width)]
    if header:
        head = [*(["time"] if with_times else []), *names]
        text = table([[f'"{name}"' if quoted else name for name in head]], separator, ".", end, last) + text
    text = comment.replace("\n", end) + text
    path = tmp_path_factory.mktemp("text") / "file.txt"
    path.write_bytes((text if final_end else text.removesuffix(end)).encode(encoding))
    recording = ecgkit.read(path, fs=None if with_times or "fs" in comment else 250)
    assert recording.fs == FS
    if not final_end and not last:
        assert "no line end" in recording.warnings[0]
        samples[-1, -1] = np.nan
    np.testing.assert_array_equal(columns_of(recording), samples)
    assert final_end or not last or recording.warnings == ()
    if header:
        assert [(channel.name, channel.unit) for channel in recording.channels] == [
            (name.removesuffix("(µV)"), "µV") for name in names
        ]


def test_read_tells_a_decimal_comma_in_a_single_column(tmp_path: Path) -> None:
    samples = simulated(n_columns=1)
    for head in ([], [["ECG"]]):
        recording = ecgkit.read(written(tmp_path, table([*head, *samples.tolist()], ";", ",")), fs=100)
        np.testing.assert_array_equal(columns_of(recording), samples)
    counts = np.random.default_rng(0).integers(-900, 900, (50, 2))
    recording = ecgkit.read(written(tmp_path, table(counts.tolist())), fs=100)
    np.testing.assert_array_equal(columns_of(recording), counts)


@given(piece=st.integers(1, 400), n_rows=st.integers(3, 50))
def test_read_does_not_depend_on_the_size_of_pieces(
    tmp_path_factory: pytest.TempPathFactory, piece: int, n_rows: int
) -> None:
    rows = [[*row, f"text {at // 7}"] for at, row in enumerate(timed(simulated(n_rows)))]
    path = written(tmp_path_factory.mktemp("text"), table([["time", "a", "b", "event"], *rows]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_numbers, "PIECE_BYTES", piece)
        patch.setattr(text_numbers, "PIECE_CELLS", piece)
        recording = ecgkit.read(path)
    np.testing.assert_array_equal(columns_of(recording), simulated(n_rows))
    assert [(m.sample, m.text) for m in recording.markers] == [
        (at, f"text {at // 7}") for at in range(0, n_rows, 7)
    ]


@pytest.mark.parametrize(
    ("line", "fs"),
    [
        ("# fs = 1000", 1000.0),
        ("sampling rate: 1000 Hz", 1000.0),
        ("Sample Rate,1000", 1000.0),
        ("Sampling Frequency (Hz): 512", 512.0),
        ('# {"sampling rate": 250}', 250.0),
        ("% SampleRate=2 kHz", 2000.0),
        ("Sampling rate (kHz): 0.5", 500.0),
        ("# samples per second: 1,024", 1024.0),
        ("sample_rate\t128.5", 128.5),
    ],
)
def test_read_takes_the_rate_from_the_header(tmp_path: Path, line: str, fs: float) -> None:
    recording = ecgkit.read(written(tmp_path, f"{line}\n" + table([["ECG", "RSP"], *simulated().tolist()])))
    assert recording.fs == fs
    assert recording.details[0][1].startswith("the header (")


@pytest.mark.parametrize(
    "line", ["# recorded in 2024", "sample rate: 0.5 ms", "# fs = unknown", "offset 1000"]
)
def test_read_asks_for_the_rate_where_none_is_stated(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, f"{line}\n" + table([["ECG", "RSP"], *simulated().tolist()]))
    with pytest.raises(
        ReadError, match=r"states the sampling rate; give it with --fs HZ. Columns: 0 'ECG', 1"
    ):
        ecgkit.read(path)
    assert ecgkit.read(path, fs=360).fs == 360.0


@pytest.mark.parametrize(
    ("head", "digits", "per_s", "fs"),
    [
        ("time", 3, 1.0, 250.0),
        ("Time (s)", 3, 1.0, 250.0),
        ("t [ms]", 0, 1000.0, 250.0),
        ("time_ms", 1, 1000.0, 250.0),
        ("msec", 0, 1000.0, 250.0),
        ("min", 8, 1 / 60, 250.0),
        ("timestamp", 6, 1.0, 250.0),
        ("Elapsed time (µs)", 0, 1e6, 250.0),
    ],
)
def test_read_takes_the_rate_from_a_column_of_times(
    tmp_path: Path, head: str, digits: int, per_s: float, fs: float
) -> None:
    rows = [
        [time, value] for time, value in zip(times(N_ROWS, digits, per_s), simulated()[:, 0], strict=True)
    ]
    recording = ecgkit.read(written(tmp_path, table([[head, "ECG"], *rows])))
    assert (recording.fs, len(recording.channels)) == (fs, 1)


@pytest.mark.parametrize("fs", [256.0, 1000 / 3, 128.5, 500.0, 1.0 / 0.0035])
def test_read_finds_the_round_rate_behind_rounded_times(tmp_path: Path, fs: float) -> None:
    rows = [[f"{row / fs:.4f}", row % 7 + 0.5] for row in range(2000)]
    recording = ecgkit.read(written(tmp_path, table([["time", "ECG"], *rows])))
    assert recording.fs == pytest.approx(fs, rel=1e-9)


def test_read_knows_seconds_since_1970_by_their_size(tmp_path: Path) -> None:
    for start, per_s in ((1_700_000_000, 1), (1_700_000_000_000, 1000), (1_700_000_000_000_000, 10**6)):
        rows = [[f"{start + row / FS * per_s:.3f}", row % 5 + 0.5] for row in range(100)]
        path = written(tmp_path, table([["timestamp", "ECG"], *rows]))
        assert ecgkit.read(path).fs == pytest.approx(FS, rel=1e-4)


def test_read_asks_for_the_unit_of_whole_times(tmp_path: Path) -> None:
    path = written(tmp_path, table([["time", "ECG"], *([row * 4, row % 5 + 0.5] for row in range(9))]))
    with pytest.raises(
        ReadError, match=r"column 'time' rises by 4 .* states no unit of time; .*'time \(ms\)'"
    ):
        ecgkit.read(path)
    assert ecgkit.read(path, fs=250).fs == 250.0


@pytest.mark.parametrize("named", ["time", ""])
@pytest.mark.parametrize("step", [0.5, 0.06, 5e-6])
def test_read_asks_for_the_unit_of_times_that_make_an_odd_rate(
    tmp_path: Path, named: str, step: float
) -> None:
    rows = [[f"{row * step:.7f}", row % 5 + 0.5] for row in range(99)]
    path = written(tmp_path, table([*([[named, "ECG"]] if named else []), *rows]))
    with pytest.raises(ReadError, match=r"rises by .* from row to row and states no unit of time"):
        ecgkit.read(path)
    assert ecgkit.read(path, fs=2000).fs == 2000.0
    if named:
        seconds = written(tmp_path, path.read_text().replace("time", "time (s)"))
        assert ecgkit.read(seconds).fs == pytest.approx(1 / step)


@pytest.mark.parametrize("fs", [20.0, 100_000.0])
def test_read_takes_times_without_a_unit_for_seconds(tmp_path: Path, fs: float) -> None:
    rows = [[f"{row / fs:.5f}", row % 5 + 0.5] for row in range(99)]
    assert ecgkit.read(written(tmp_path, table([["time", "ECG"], *rows]))).fs == pytest.approx(fs)


@pytest.mark.parametrize(
    "tail", ["1.5,0.16", "1.5,0.16559", "1.5,-", "1.5,"], ids=["cut", "whole", "sign", "empty"]
)
def test_read_takes_a_last_number_without_a_line_end_for_missing(tmp_path: Path, tail: str) -> None:
    path = written(tmp_path, table([["a", "b"], *simulated().tolist()]) + tail)
    recording = ecgkit.read(path, fs=100)
    np.testing.assert_array_equal(columns_of(recording), [*simulated(), [1.5, np.nan]])
    assert recording.warnings[0] == (
        "the last line has no line end: its last number may be cut off, and is read as NaN"
    )
    whole = ecgkit.read(written(tmp_path, path.read_text() + "\n"), fs=100)
    assert not any("line end" in warning for warning in whole.warnings)


@pytest.mark.parametrize("tail", ["# the end", "   ", "1.5,2.5,"])
def test_read_misses_no_number_before_other_unended_lines(tmp_path: Path, tail: str) -> None:
    last = "," if tail.endswith(",") else ""
    path = written(tmp_path, table([["a", "b"], *simulated().tolist()], last=last) + tail)
    recording = ecgkit.read(path, fs=100)
    assert recording.warnings == ()
    np.testing.assert_array_equal(columns_of(recording)[:N_ROWS], simulated())


def test_read_keeps_times_in_an_unended_last_column(tmp_path: Path) -> None:
    rows = [[value, time] for time, value in timed(simulated(n_columns=1))]
    recording = ecgkit.read(written(tmp_path, table([["ECG", "time"], *rows]).rstrip("\n")))
    assert (recording.fs, recording.channels[0].n_samples, recording.warnings) == (FS, N_ROWS, ())


@pytest.mark.parametrize(
    "filling", [" ", "a", "9", "(", "( ", '"', ",", "sample rate ", "fs=", "1 msec/sample"]
)
def test_read_of_a_long_line_takes_no_time(tmp_path: Path, filling: str) -> None:
    rows = table(simulated(20).tolist())
    began = time.process_time()
    for line in (filling * (60_000 // len(filling)), f"ECG{filling * (30_000 // len(filling))}x,y"):
        with contextlib.suppress(ReadError):
            ecgkit.read(written(tmp_path, f"{line}\n{rows}"), fs=100)
    assert time.process_time() - began < 2


def test_read_leaves_out_times_without_a_name_and_counters(tmp_path: Path) -> None:
    recording = ecgkit.read(written(tmp_path, table(timed(simulated()))))
    assert (recording.fs, [channel.name for channel in recording.channels]) == (FS, ["column 1", "column 2"])
    rows = [[row, *values] for row, values in enumerate(simulated().tolist())]
    recording = ecgkit.read(written(tmp_path, table([["", "ECG", "RSP"], *rows])), fs=100)
    assert [(channel.name, channel.number) for channel in recording.channels] == [("ECG", 1), ("RSP", 2)]
    assert recording.details == (("rate from", "--fs"), ("left out", "'column 0'"))


def test_read_refuses_two_rates(tmp_path: Path) -> None:
    path = written(tmp_path, table([["time", "ECG", "RSP"], *timed(simulated())]))
    with pytest.raises(
        ReadError, match="--fs says 500 Hz, column 'time' 250 Hz; leave out --fs, or name the"
    ):
        ecgkit.read(path, fs=500)
    assert ecgkit.read(path, fs=500, columns=["ECG"]).fs == 500.0
    assert ecgkit.read(path, fs=250.1).fs == 250.1
    text = "# fs = 100 Hz\n" + path.read_text()
    with pytest.raises(ReadError, match=r"the header \(fs = 100 Hz\) says 100 Hz, column 'time' 250 Hz"):
        ecgkit.read(written(tmp_path, text))


def test_read_lets_fs_and_columns_overrule_the_header(tmp_path: Path) -> None:
    path = written(tmp_path, "# fs=1000\n" + table([["ECG", "RSP"], *simulated().tolist()]))
    with pytest.raises(
        ReadError, match=r"--fs says 500 Hz, the header \(fs=1000\) 1000 Hz; leave out --fs, or"
    ):
        ecgkit.read(path, fs=500)
    recording = ecgkit.read(path, fs=500, columns=["ECG"])
    assert (recording.fs, recording.details) == (500.0, (("rate from", "--fs"),))


LATE = datetime(2024, 3, 1, 23, 59, 59)


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("%Y-%m-%dT%H:%M:%S.%f", LATE),
        ("%Y-%m-%d %H:%M:%S.%f", LATE),
        ("%Y-%m-%dT%H:%M:%S.%fZ", LATE.replace(tzinfo=UTC)),
        ("%Y-%m-%dT%H:%M:%S.%f+01:00", datetime(2024, 3, 1, 22, 59, 59, tzinfo=UTC)),
        ("%H:%M:%S.%f", None),
    ],
)
@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("text", ["", "lead off"])
def test_read_takes_dates_and_clock_times(
    tmp_path: Path, form: str, start: datetime | None, separator: str, decimal: str, text: str
) -> None:
    samples = simulated(n_columns=1)
    rows = [[date, str(value)] for date, value in zip(dates(N_ROWS, form), samples[:, 0], strict=True)]
    if text:
        rows[7][1], samples[7] = text, np.nan
    recording = ecgkit.read(written(tmp_path, table([["Zeit", "EKG"], *rows], separator, decimal)))
    assert (recording.fs, recording.start_time) == (FS, start)
    assert [channel.name for channel in recording.channels] == ["EKG"]
    assert recording.details == (("rate from", "column 'Zeit'"),)
    np.testing.assert_array_equal(columns_of(recording), samples)


def test_read_takes_the_rate_from_numbers_and_the_start_from_dates(tmp_path: Path) -> None:
    seconds = dates(N_ROWS, "%Y-%m-%dT%H:%M:%SZ")
    rows = [[date, *row] for date, row in zip(seconds, timed(simulated()), strict=True)]
    recording = ecgkit.read(written(tmp_path, table([["date", "t (s)", "a", "b"], *rows])))
    assert (recording.fs, recording.start_time) == (FS, LATE.replace(tzinfo=UTC))
    assert recording.details == (("rate from", "column 't'"), ("left out", "'date'"))
    with pytest.raises(ReadError, match="times in column 'date' do not rise"):
        ecgkit.read(written(tmp_path, table([["date", "a"], *([row[0], row[2]] for row in rows)])))
    assert ecgkit.read(tmp_path / "file.csv", fs=250, columns=["a"]).start_time == recording.start_time


def test_read_names_dates_that_it_does_not_read(tmp_path: Path) -> None:
    rows = zip(dates(N_ROWS, "%d.%m.%Y %H:%M:%S,%f"), simulated()[:, 0], strict=True)
    path = written(tmp_path, table([["Datum", "EKG"], *rows], ";"))
    with pytest.raises(
        ReadError, match=r"column 'Datum' holds dates in a form .* not read, .*; give it with --fs"
    ):
        ecgkit.read(path)
    assert ecgkit.read(path, fs=250).warnings == (
        "column 'Datum' holds dates in a form that ecgkit does not read, and is left out",
    )
    gone = written(tmp_path, table([["time", "EKG"], *(["soon", value] for value in simulated()[:, 0])]))
    assert ecgkit.read(gone, fs=250).warnings == ("column 'time' holds no numbers and is left out",)


@pytest.mark.parametrize(("per_s", "digits"), [(1, 3), (1000, 0), (10**6, 0), (10**9, 0)])
def test_read_takes_the_start_from_seconds_since_1970(tmp_path: Path, per_s: int, digits: int) -> None:
    first = 1_709_294_400
    rows = [[f"{(first * 250 + row) * per_s / 250:.{digits}f}", row % 5 + 0.5] for row in range(100)]
    recording = ecgkit.read(written(tmp_path, table([["timestamp", "ECG"], *rows])))
    assert recording.start_time == datetime(2024, 3, 1, 12, tzinfo=UTC)


def test_read_makes_a_segment_of_each_pause(tmp_path: Path) -> None:
    at = np.arange(N_ROWS) / FS
    at[100:] += 1 / FS  # a sample lost
    at[200:] += 2.5
    rows = [[f"{time:.4f}", value] for time, value in zip(at, simulated()[:, 0], strict=True)]
    recording = ecgkit.read(written(tmp_path, table([["time", "ECG"], *rows])))
    (channel,) = recording.channels
    assert recording.fs == FS
    assert recording.segments(channel) == ((0, 100), (100, 200), (200, 300))
    assert [(m.sample, m.text, m.style) for m in recording.markers] == [
        (100, "Segment 2", "apnd"),
        (200, "Segment 3", "apnd"),
    ]
    assert recording.warnings == (
        "the times pause at 2 places, for up to 2.5 s; a segment begins after each",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {50: 50.62},
            "are not even: at line 5[23] by .* Hz, expected within 0.5 samples; leave the col",
        ),
        ({50: 20}, "do not rise: at line 52 by -0.116 s"),
        ({50: np.nan}, "line 52 holds none"),
        (dict.fromkeys(range(N_ROWS), 7), "do not rise"),
        ({row: row + 0.9 * (row % 2) for row in range(N_ROWS)}, "are not even"),
    ],
)
def test_read_names_the_worst_of_uneven_times(tmp_path: Path, change: dict[int, float], message: str) -> None:
    at = np.array([change.get(row, row) for row in range(N_ROWS)]) / FS
    rows = [[f"{time:.5f}", value] for time, value in zip(at, simulated()[:, 0], strict=True)]
    path = written(tmp_path, table([["time", "ECG"], *rows]))
    with pytest.raises(ReadError, match=f"times in column 'time'.* {message}"):
        ecgkit.read(path)
    assert ecgkit.read(path, fs=250, columns=["1"]).channels[0].n_samples == N_ROWS


def test_read_takes_the_columns_asked_for_in_their_order(tmp_path: Path) -> None:
    samples = simulated(n_columns=3)
    path = written(tmp_path, table([NAMES, *samples.tolist()]))
    for asked in (("EDA", "ECG"), ("2", "ECG (mV)"), ("EDA", "0")):
        recording = ecgkit.read(path, fs=100, columns=asked)
        np.testing.assert_array_equal(columns_of(recording), samples[:, [2, 0]])
        assert [channel.index for channel in recording.channels] == [0, 1]
    with pytest.raises(ReadError, match="no column 'EKG'; there are 0 'ECG', 1 'RSP', 2 'EDA'"):
        ecgkit.read(path, fs=100, columns=["EKG"])
    with pytest.raises(ReadError, match="column 'ECG' is named twice in --columns"):
        ecgkit.read(path, fs=100, columns=["ECG", "0"])
    with pytest.raises(ReadError, match="2 columns 'a': give positions"):
        ecgkit.read(written(tmp_path, table([["a", "a"], *simulated().tolist()])), fs=100, columns=["a"])


def test_read_gives_the_users_unit_to_columns_without_one(tmp_path: Path) -> None:
    path = written(tmp_path, table([NAMES, *simulated(n_columns=3).tolist()]))
    assert [channel.unit for channel in ecgkit.read(path, fs=100, unit="uV").channels] == [
        "mV",
        "Volts",
        "uV",
    ]
    with pytest.raises(ReadError, match="gives every column's unit; leave out --unit"):
        ecgkit.read(path, fs=100, unit="uV", columns=["ECG"])
    for unit in ("nonsense", "uS", "ms"):
        with pytest.raises(
            ReadError, match=f"--unit '{unit}', expected a unit of voltage, such as mV, uV or V"
        ):
            ecgkit.read(path, fs=100, unit=unit)


def test_read_takes_a_row_of_units(tmp_path: Path) -> None:
    rows = [["Time", "Channel A"], ["(ms)", "(mV)"], *([row * 4, row % 5 + 0.5] for row in range(20))]
    recording = ecgkit.read(written(tmp_path, table(rows)))
    assert (recording.fs, recording.channels[0].name, recording.channels[0].unit) == (
        250.0,
        "Channel A",
        "mV",
    )


@pytest.mark.parametrize("units", [("s", "mV", "uS", ""), ("[s]", "[mV]", "[uS]", "")])
def test_read_takes_units_below_the_names(tmp_path: Path, units: tuple[str, ...]) -> None:
    rows = [["time", "ECG", "EDA", "RSP"], units, *([*row, 0.5] for row in timed(simulated()))]
    recording = ecgkit.read(written(tmp_path, table(rows)))
    assert [(channel.name, channel.unit) for channel in recording.channels] == [
        ("ECG", "mV"),
        ("EDA", "uS"),
        ("RSP", ""),
    ]


def test_read_takes_a_voltage_behind_an_underscore_for_the_unit(tmp_path: Path) -> None:
    names = ["time_ms", "ecg_mV", "lead_I_uV", "raw_V", "a_mv", "b_ms", "_mV"]
    rows = [[row * 4, *[row % 5 + 0.5] * 6] for row in range(20)]
    path = written(tmp_path, table([names, *rows]))
    assert [(channel.name, channel.unit) for channel in ecgkit.read(path).channels] == [
        ("ecg", "mV"),
        ("lead_I", "uV"),
        ("raw", "V"),
        ("a_mv", ""),
        ("b_ms", ""),
        ("_mV", ""),
    ]
    assert [channel.name for channel in ecgkit.read(path, columns=["ecg_mV", "raw"]).channels] == [
        "ecg",
        "raw",
    ]


@pytest.mark.parametrize("every", [2, 100])
def test_read_fills_rows_that_lack_their_last_cells(tmp_path: Path, every: int) -> None:
    notes = {row: ["x"] if row % every == 0 else [] for row in range(N_ROWS)}
    rows = [[*cells, *notes[row]] for row, cells in enumerate(timed(simulated(n_columns=1)))]
    path = written(tmp_path, table([["time", "ECG", "note"], *rows]))
    recording = ecgkit.read(path)
    np.testing.assert_array_equal(columns_of(recording), simulated(n_columns=1))
    assert [marker.sample for marker in recording.markers] == list(range(0, N_ROWS, every))
    assert (recording.warnings, recording.channels[0].name) == ((), "ECG")
    lines = path.read_text().splitlines()
    for broken, got in (("0.5", "1 cell"), ("0.5,1,x,y", "4 cells")):
        with pytest.raises(ReadError, match=f"line 202 has {got}, expected 3"):
            ecgkit.read(written(tmp_path, "\n".join([*lines[:201], broken, *lines[201:]]) + "\n"))
    cut = ecgkit.read(written(tmp_path, "\n".join(lines[:199])))
    assert np.isnan(cut.channels[0].read()).nonzero()[0].tolist() == [197]


def test_read_shows_a_header_of_more_cells_than_the_rows(tmp_path: Path) -> None:
    rows = [[*row, "late"] if at == 700 else row for at, row in enumerate(simulated(800).tolist())]
    with pytest.raises(
        ReadError, match=r"line 702 has 3 cells, expected 2 \(the line above the numbers has 3: 'a,b,c'\)"
    ):
        ecgkit.read(written(tmp_path, table([["a", "b", "c"], *rows])), fs=100)


@pytest.mark.parametrize("decimal", [".", ","])
def test_read_refuses_thousands_separators(tmp_path: Path, decimal: str) -> None:
    swapped = str.maketrans(",.", ",." if decimal == "." else ".,")
    rows = [
        [time, f"{10000 * value:,.1f}".translate(swapped)]
        for time, value in zip(times(N_ROWS), simulated()[:, 0], strict=True)
    ]
    text = "\n".join(["time;ECG", *(f"{time.replace('.', decimal)};{cell}" for time, cell in rows)]) + "\n"
    with pytest.raises(
        ReadError, match=r"thousands separators: \d+ cells of column 'ECG' .*; export without"
    ):
        ecgkit.read(written(tmp_path, text))


@pytest.mark.parametrize("text", ["time,ECG\n", "a,b\nx,y\nz,w\n", "1\n", "Dear colleague,\nwe met at 3.\n"])
def test_read_says_that_a_text_holds_no_numbers(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        ReadError, match=r"not a recording of .*; text without lines of numbers, expected two or"
    ):
        ecgkit.read(written(tmp_path, text))


def test_read_gives_texts_as_markers_and_numbers_as_channels(tmp_path: Path) -> None:
    recording = ecgkit.read(SAMPLES["events.csv"](tmp_path))
    assert [(m.sample, m.time_s, m.text) for m in recording.markers] == [
        (10, 0.04, "Größe"),
        (100, 0.4, "rest"),
        (200, 0.8, "exercise"),
    ]
    rows = [[*row, at % 2] for at, row in enumerate(simulated().tolist())]
    recording = ecgkit.read(written(tmp_path, table([["a", "b", "trigger"], *rows])), fs=10)
    assert (len(recording.channels), recording.markers) == (3, ())


def test_read_counts_cells_without_a_number(tmp_path: Path) -> None:
    rows = [list(map(str, row)) for row in simulated(n_columns=3).tolist()]
    rows[5][0], rows[6][0], rows[7][0], rows[8][1], rows[9][1] = "", "NaN", "lead off", "1e999", "-"
    rows = [[*row, "a remark"] for row in rows]
    recording = ecgkit.read(written(tmp_path, table([[*NAMES, "remarks"], *rows])), fs=100)
    assert np.isnan(recording.channels[0].read()).nonzero()[0].tolist() == [5, 6, 7]
    assert np.isnan(recording.channels[1].read()).nonzero()[0].tolist() == [8, 9]
    assert recording.warnings == (
        "column 'remarks' holds no numbers and is left out",
        "3 of 300 cells of column 'ECG' hold no number and are read as NaN",
        "2 of 300 cells of column 'RSP' hold no number and are read as NaN",
    )


def test_read_reads_what_bioreads_acq2txt_writes(tmp_path: Path) -> None:
    samples = simulated()
    rows = [
        [time, fast, slow if at % 4 == 0 else ""]
        for at, (time, (fast, slow)) in enumerate(zip(times(N_ROWS), samples.tolist(), strict=True))
    ]
    recording = ecgkit.read(written(tmp_path, table([["time (s)", "ECG (mV)", "Resp (Volts)"], *rows], "\t")))
    assert [(channel.unit, channel.fs) for channel in recording.channels] == [("mV", 250.0), ("Volts", 62.5)]
    np.testing.assert_array_equal(recording.channels[1].read(), samples[::4, 1])
    assert recording.warnings == ()


def test_read_takes_comments_and_blank_lines_among_the_rows(tmp_path: Path) -> None:
    lines = table(simulated().tolist()).splitlines()
    text = "\n".join([*lines[:20], "# lunch, then on", "", "   ", *lines[20:], "", "# the end"]) + "\n"
    np.testing.assert_array_equal(columns_of(ecgkit.read(written(tmp_path, text), fs=9)), simulated())


def test_read_names_the_line_of_another_length(tmp_path: Path) -> None:
    lines = table([["a", "b"], *simulated().tolist()]).splitlines()
    for broken, got in (("1.5", "1 cell"), ("1.5,2.5,3.5", "3 cells")):
        path = written(tmp_path, "\n".join([*lines[:101], broken, *lines[101:]]) + "\n")
        with pytest.raises(ReadError, match=f"line 102 has {got}, expected 2; .*--salvage"):
            ecgkit.read(path, fs=100)
        recording = ecgkit.read(path, fs=100, salvage=True)
        np.testing.assert_array_equal(columns_of(recording), simulated()[:100])
        assert f"line 102 has {got}, expected 2; from there on all is lost" in recording.lost[0]


@pytest.mark.parametrize("name", ["events.csv", "columns.txt", "acqknowledge.txt"])
def test_read_of_a_cut_file_fails_warns_or_salvages_the_prefix(tmp_path: Path, name: str) -> None:
    path = SAMPLES[name](tmp_path)
    whole, content = ecgkit.read(path), path.read_bytes()
    for cut in np.linspace(1, len(content) - 2, 40).astype(int).tolist():
        path.write_bytes(content[:cut])
        try:
            recording = ecgkit.read(path)
            assert content[cut - 1 : cut] == b"\n" or "no line end" in recording.warnings[0]
        except ReadError:
            pass
        try:
            recording = ecgkit.read(path, salvage=True)
        except ReadError:
            assert cut < 400
            continue
        for channel, full in zip(recording.channels, whole.channels, strict=True):
            np.testing.assert_array_equal(channel.read(), full.read(0, channel.n_samples))


def test_read_says_where_a_crash_left_nul_bytes(tmp_path: Path) -> None:
    text = table([["a", "b"], *simulated().tolist()])
    path = written(tmp_path, text.encode() + b"1.5,2." + bytes(5000))
    with pytest.raises(ReadError, match=f"a NUL byte at {len(text) + 6}, which no text holds"):
        ecgkit.read(path, fs=100)
    recording = ecgkit.read(path, fs=100, salvage=True)
    np.testing.assert_array_equal(columns_of(recording), simulated())
    assert len(recording.lost) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,4\n" + "a remark\n" * 3, r"line 3 has 1 cell, expected 2"),
        ("# only\n# comments\n" * 9, "no table of numbers in the first"),
        (table([["1"] * 2000] * 3), "2000 columns, expected at most 1024"),
        ('a,b\n1,2\n3,4\n5,"6\n7,8\n', r"rows were read|can't be read|line 4|hold"),
        ("time (kg),ECG\n0.1,2\n0.2,3\n0.3,4\n", "the column 'time' has the unit 'kg', expected one of time"),
    ],
)
def test_read_refuses_what_is_no_table(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        ecgkit.read(written(tmp_path, text), fs=100)


@pytest.mark.parametrize(
    "text",
    [
        "neither one nor the other\n" * 20,
        "To whom it may concern:\nof 12 leads, 3 were used.\n\n- one\n- two\n- three\n" * 9,
        "{\n  'a': 'b'\n}\n",
        "\x01\x02,1\n2,3\n4,5\n",
    ],
)
def test_matches_leaves_other_texts_alone(text: str) -> None:
    assert not text_reader.matches(text.encode())


def test_channel_survives_pickling(tmp_path: Path) -> None:
    channel = ecgkit.read(SAMPLES["columns.txt"](tmp_path)).channels[1]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(channel)).read(5, 9), simulated()[5:9, 1])


@pytest.mark.parametrize("separator", ["\t", ","])
@pytest.mark.parametrize("timed_by", ["", "min", "milliSec"])
@pytest.mark.parametrize("counts", [None, (300, 300)])
def test_read_takes_acqknowledges_export(
    tmp_path: Path, separator: str, timed_by: str, counts: tuple[int, int] | None
) -> None:
    samples = simulated()
    text = acqknowledge(samples, separator=separator, timed_by=timed_by, counts=counts)
    recording = ecgkit.read(written(tmp_path, text))
    assert (recording.version, recording.fs) == ("AcqKnowledge export", 250.0)
    assert [(channel.name, channel.unit) for channel in recording.channels] == [
        ("ECG, X, RSPEC-R", "mV"),
        ("Respiration", "Volts"),
    ]
    np.testing.assert_array_equal(columns_of(recording), samples)


@pytest.mark.parametrize("low_rate", ["empty", "repeated", "together"])
def test_read_takes_acqknowledges_channels_of_a_lower_rate(tmp_path: Path, low_rate: str) -> None:
    text = acqknowledge(simulated(), counts=(300, 75), low_rate=low_rate)
    recording = ecgkit.read(written(tmp_path, text))
    assert [channel.fs for channel in recording.channels] == [250.0, 62.5]
    np.testing.assert_array_equal(recording.channels[1].read(), simulated()[::4, 1])
    assert recording.warnings == ()


def test_own_rate_takes_no_memory_for_what_a_header_claims() -> None:
    thinned, divider = own_rate(np.zeros(10), 1, 10**10)
    assert (thinned.tolist(), divider) == ([0.0], 10**10)


def test_read_of_a_cut_acqknowledge_export_says_how_much_is_there(tmp_path: Path) -> None:
    lines = acqknowledge(simulated(), counts=(300, 300)).splitlines()
    path = written(tmp_path, "\n".join(lines[:109]) + "\n")
    with pytest.raises(ReadError, match=r"cut off: 100 rows of samples, the header says 300; .*--salvage"):
        ecgkit.read(path)
    recording = ecgkit.read(path, salvage=True)
    np.testing.assert_array_equal(columns_of(recording), simulated()[:100])
    assert recording.lost == (
        "channel 0 'ECG, X, RSPEC-R': the last 0.8 s (200 of 300 samples)",
        "channel 1 'Respiration': the last 0.8 s (200 of 300 samples)",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("4 msec/sample", "4 kHz/sample"), "says '4 kHz/sample', expected a time above 0"),
        (("4 msec/sample", "0 msec/sample"), "says '0 msec/sample'"),
        (("2 channels", "900 channels"), "export of 900 channels that ends within its header"),
        (("2 channels", "1 channels"), "columns, its AcqKnowledge header says 1 channels"),
    ],
)
def test_read_refuses_an_acqknowledge_header_that_does_not_fit(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    with pytest.raises(ReadError, match=message):
        ecgkit.read(written(tmp_path, acqknowledge(simulated()).replace(*change)))


@pytest.mark.parametrize(
    ("interval", "fs"), [("0.5 msec", 2000), ("0,5 msec", 2000), ("0.01 sec", 100), ("500 µsec", 2000)]
)
def test_read_takes_acqknowledges_interval(tmp_path: Path, interval: str, fs: float) -> None:
    text = acqknowledge(simulated()).replace("4 msec/", f"{interval}/")
    assert ecgkit.read(written(tmp_path, text)).fs == pytest.approx(fs, rel=1e-12)


def test_read_names_opensignals_columns_by_their_sensors(tmp_path: Path) -> None:
    recording = ecgkit.read(written(tmp_path, opensignals(simulated())))
    assert (recording.version, recording.fs) == ("OpenSignals", 1000.0)
    assert [channel.name for channel in recording.channels] == ["nSeq", "I1", "ECG", "A2"]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "fs"),
    [
        ("bio_eventrelated_100hz", 100),
        ("bio_resting_5min_100hz", 100),
        ("bio_resting_8min_100hz", 100),
        ("ecg_1000hz", 1000),
        ("ecg_3000hz", 3000),
    ],
)
def test_read_real_files_equal_numpy(real_data: Path, name: str, fs: float) -> None:
    path = real_data / "neurokit" / f"{name}.csv"
    with pytest.raises(ReadError, match="give it with --fs HZ"):
        ecgkit.read(path)
    recording = ecgkit.read(path, fs=fs)
    expected = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    assert (recording.fs, recording.warnings) == (fs, ())
    assert [channel.name for channel in recording.channels] == path.read_text().split("\n", 1)[0].split(",")
    np.testing.assert_array_equal(columns_of(recording), expected)
