"""What all readers share: texts, markers, rates and starts that can be used, whatever the file says."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from support import edf_files, mat_files, wfdb_files, xdf_files
from support.recordings import in_memory

import ecgkit
from ecgkit.errors import ReadError
from ecgkit.readers.ecg_channel import find_ecg
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.usable import clean_text, lost_samples, started, usable, utc_date
from ecgkit.records import Marker, Recording
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq

TEN = datetime(2024, 1, 1, 10, tzinfo=UTC)


def recording(*markers: Marker, name: str = "ECG", unit: str = "mV") -> Recording:
    made = in_memory(np.zeros(100), 100.0)
    channel = replace(made.channels[0], name=name, unit=unit)
    return replace(made, channels=(channel,), markers=markers)


def test_usable_cleans_and_shortens_texts() -> None:
    marker = Marker(5, 0.05, "a\0b\nc\x9bd" + "e" * 5000, style="f\x1b\ud800g")
    given = replace(
        recording(marker, name="E\0G" + "x" * 500, unit="m\tV"), warnings=("\0w",), lost=("\x85l",)
    )
    got = usable(given)
    assert (len(got.channels[0].name), got.channels[0].name[:5]) == (200, "E Gxx")
    assert (got.channels[0].unit, got.warnings, got.lost) == ("m V", (" w",), (" l",))
    assert (len(got.markers[0].text), got.markers[0].text[:8]) == (2000, "a b c de")
    assert got.markers[0].style == "f  g"


def test_usable_keeps_what_is_ordinary() -> None:
    given = recording(Marker(5, 0.05, "Größe \N{NO-BREAK SPACE}\N{GREEK SMALL LETTER MU}V"), name="  ECG  1 ")
    assert usable(given) == given
    assert clean_text("Ä é \N{GRINNING FACE}") == "Ä é \N{GRINNING FACE}"


def test_usable_leaves_out_markers_that_lie_nowhere() -> None:
    far = [Marker(sample, 0.0, "") for sample in (1 << 53, -(1 << 53), 12 * 10**18)]
    got = usable(recording(Marker(7, 0.07, ""), Marker(101, 1.01, ""), *far, Marker((1 << 53) - 1, 0.0, "")))
    assert [marker.sample for marker in got.markers] == [7, 101, (1 << 53) - 1]
    assert got.warnings == (
        "3 of 6 markers lie where no recording reaches, and are left out",
        "2 of 6 markers lie outside the recording of 100 samples; the others may be shifted too",
    )


@pytest.mark.parametrize("fs", [0.0, -1.0, 9e-7, 1.1e7, float("inf"), float("nan"), 1e-320])
def test_usable_refuses_rates_that_no_recording_has(fs: float) -> None:
    given = recording()
    with pytest.raises(
        ReadError, match=r"channel 0 'ECG' has a rate of .* expected a sampling rate of 1e-06 to"
    ):
        usable(replace(given, channels=(replace(given.channels[0], fs=fs),)))


@pytest.mark.parametrize(("dtype", "scale", "warned"), [("int16", 1e304, True), ("int16", 1e303, False)])
def test_usable_warns_of_scales_that_overflow(dtype: str, scale: float, warned: bool) -> None:
    given = in_memory(np.zeros(10, dtype), 100.0, scale=scale)
    assert bool(usable(given).warnings) == warned
    assert usable(in_memory(np.zeros(10, np.int32), 100.0, scale=1e300)).warnings


def test_lost_samples_says_how_much() -> None:
    assert lost_samples(0, "EKG", got=49604, expected=61904, fs=1000) == (
        "channel 0 'EKG': the last 12.3 s (12300 of 61904 samples)"
    )
    assert lost_samples(1, "RSP", got=0, expected=9, fs=1) == "channel 1 'RSP': all 9 samples"


def dated(sample: int, seconds: float | None, style: str = "flag") -> Marker:
    created = None if seconds is None else TEN + timedelta(seconds=seconds)
    return Marker(sample, sample / 100, "", style, created=created)


@pytest.mark.parametrize(
    ("markers", "start_s"),
    [
        ([], None),
        ([dated(0, 5, "apnd"), dated(100, 2)], 5),
        ([dated(0, None, "apnd"), dated(3000, 30)], 0),
        ([dated(0, None, "apnd"), dated(3000, 700), dated(4000, 40)], 0),  # the first was set afterwards
        ([dated(0, None, "apnd"), dated(1000, None, "apnd"), dated(3000, 30)], None),
        ([dated(1000, 100, "apnd"), dated(3000, 120)], None),
        ([dated(4_000_000, 0, "apnd"), dated(50, 700)], None),  # shifted: the oldest is none of the first
        ([dated(1 << 52, 30)], None),
    ],
)
def test_started_takes_off_the_markers_own_time(markers: list[Marker], start_s: float | None) -> None:
    assert started(markers) == (None if start_s is None else TEN + timedelta(seconds=start_s))


def test_read_tells_the_start_from_a_later_marker(tmp_path: Path) -> None:
    markers = [
        AcqMarker(0, "Segment 1", "apnd"),
        AcqMarker(15000, "x", "flag", created=TEN + timedelta(seconds=30)),
    ]
    write_acq(
        tmp_path / "file.acq", [AcqChannel(np.zeros(30000, np.int16), "E", "mV")], fs=500, markers=markers
    )
    assert ecgkit.read(tmp_path / "file.acq").start_time == TEN


@pytest.mark.parametrize("text", ["", "2024-01-01T10:00", "0001-01-01T00:00:00+14:00", "never"])
def test_utc_date_takes_no_date_without_zone_or_outside_all_time(text: str) -> None:
    assert utc_date(text) is None


def test_utc_date_is_utc() -> None:
    assert utc_date("2024-01-01T12:00:00+02:00") == TEN


def test_names_with_nul_reach_no_study(tmp_path: Path) -> None:
    counts = np.arange(100) % 7
    edf = edf_files.write(
        tmp_path / "n.edf", "EDF", [edf_files.Signal(counts, "ECG\0G", "m\0V")], n_records=1
    )
    mat = mat_files.write(tmp_path / "n.mat", mat_files.acqknowledge(labels=np.array(["ECG\0a", "other"])))
    assert [c.name for c in ecgkit.read(edf).channels] == ["ECG G"]
    assert [c.name for c in ecgkit.read(mat).channels] == ["ECG a", "other"]


def test_markers_beyond_all_samples_are_left_out(tmp_path: Path) -> None:
    header = wfdb_files.write_record(tmp_path, "16", [wfdb_files.Signal(np.zeros(50, np.int64))])
    notes = [wfdb_files.annotation(0, 22, "## time resolution: 0.000001")]
    notes += [wfdb_files.annotation(2_000_000_000, 1)] * 12
    (tmp_path / "rec.atr").write_bytes(b"".join(notes) + b"\0\0")
    events = xdf_files.markers(times=(100.1, 9e11), texts=("a", "b"))
    stream = replace(xdf_files.ecg(rate=1e7), stamped=1)
    (tmp_path / "m.xdf").write_bytes(xdf_files.xdf_bytes(stream, events))
    assert ecgkit.read(header).markers == ()
    for path in (header, tmp_path / "m.xdf"):
        assert "lie where no recording reaches" in " ".join(ecgkit.read(path).warnings)


@pytest.mark.parametrize("library", ["wfdb", "edfio", "pyxdf"])
def test_read_names_the_extra_that_is_missing(library: str, tmp_path: Path) -> None:
    module = {"wfdb": wfdb_files, "edfio": edf_files, "pyxdf": xdf_files}[library]
    path = next(iter(module.SAMPLES.values()))(tmp_path)
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "import ecgkit\n"
        "from ecgkit.errors import ReadError\n"
        f"try: ecgkit.read({str(path)!r})\n"
        "except ReadError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f'read with {library}, which is not installed; pip install "ecgkit-mp160[formats]"' in done.stdout


def unnamed_text(folder: Path) -> Path:
    (folder / "file.csv").write_text("".join(f"{n % 17 / 10 + 0.05:.2f}\n" for n in range(100)))
    return folder / "file.csv"


def unnamed_acq(folder: Path) -> Path:
    write_acq(folder / "file.acq", [AcqChannel(np.zeros(50, np.int16), "", "mV")], fs=500)
    return folder / "file.acq"


def unnamed_mat(folder: Path) -> Path:
    data = mat_files.simulated(n_channels=1)
    return mat_files.write(folder / "file.mat", mat_files.acqknowledge(data, labels=None, units=None))


def unnamed_wav(folder: Path) -> Path:
    from support.wav_files import simulated, wav_bytes

    (folder / "file.wav").write_bytes(wav_bytes(simulated("i2", 300, 1), "i2", 1000))
    return folder / "file.wav"


def unnamed_edf(folder: Path) -> Path:
    signal = edf_files.Signal(edf_files.counts("EDF", 100, 1), label="")
    return edf_files.write(folder / "file.edf", "EDF", [signal], n_records=1)


def unnamed_wfdb(folder: Path) -> Path:
    return wfdb_files.write_record(folder, "16", [wfdb_files.Signal(wfdb_files.counts("16", 50, 1), "")])


@pytest.mark.parametrize(
    "build", [unnamed_text, unnamed_acq, unnamed_mat, unnamed_wav, unnamed_edf, unnamed_wfdb]
)
def test_a_sole_channel_without_a_name_is_the_ecg(build, tmp_path: Path) -> None:
    path = build(tmp_path)
    channels = ecgkit.read(path, fs=250 if build is unnamed_text else None).channels
    assert find_ecg(channels).reason == "the only channel, and its name says nothing else"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fs": 1e-320}, "--fs 9.99989e-321, expected a sampling rate"),
        ({"fs": float("inf")}, "--fs inf, expected a sampling rate"),
        ({"fs": 0.0}, "--fs 0, expected a sampling rate"),
        ({"fs": 250.0, "unit": ""}, "--unit '', expected a unit of voltage, such as mV, uV or V"),
        ({"fs": 250.0, "unit": " "}, "--unit ' ', expected a unit of voltage"),
        ({"fs": 250.0, "unit": "nonsense"}, "--unit 'nonsense', expected a unit of voltage"),
    ],
)
def test_read_refuses_options_that_say_nothing(options: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=message):
        ecgkit.read(unnamed_text(tmp_path), **options)


def test_options_given_are_those_that_were_said() -> None:
    assert ReadOptions().given() == ()
    assert ReadOptions(fs=0.0, columns=("0",), unit="").given() == ("fs", "columns", "unit")


def test_read_refuses_an_empty_unit_of_a_format_that_says_it(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="acq files say this themselves; leave out --unit"):
        ecgkit.read(unnamed_acq(tmp_path), unit="")
