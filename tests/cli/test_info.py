"""``ecgkit info``: everything that is in a file, what is wrong with its signal, and its picture."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ecgkit.cli import ecgkit, main
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq
from ecgkit.stages.simulate import SimulatedFile

FS = 250
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    channels = [
        AcqChannel(np.zeros(61001, np.int16), "ECG [raw]", "mV", scale=0.001),
        AcqChannel(np.zeros(7626), "RESP\x1b[2J", "Volts", divider=8),
    ]
    markers = [AcqMarker(0, "Segment 1", style="apnd", created=datetime(2024, 3, 5, 10, 30, tzinfo=UTC))]
    markers += [AcqMarker(1000 * n, f"breath {n}", channel=1) for n in range(1, 25)]
    markers += [AcqMarker(30000, "Segment 2", style="apnd")]
    path = tmp_path / "session.acq"
    write_acq(path, channels, fs=1000, markers=markers, journal="Calm.")
    return path


def beats(*, n: int = 60 * FS) -> np.ndarray:
    """A beat each second, in microvolts: P, Q, R, S, T."""
    time_s = (np.arange(n) / FS) % 1
    waves = ((0.3, 0.02, 120), (0.47, 0.008, -80), (0.5, 0.01, 1200), (0.53, 0.008, -200), (0.75, 0.04, 300))
    drawn = sum(height * np.exp(-0.5 * ((time_s - at) / width) ** 2) for at, width, height in waves)
    noise = np.random.default_rng(0).normal(0, 5, n)
    return np.asarray(drawn + noise).astype(np.int16)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Leads I and II over a minute, nothing wrong."""
    channels = [
        AcqChannel(beats(), "ECG I", "mV", scale=0.001),
        AcqChannel(2 * beats(), "ECG II", "mV", scale=0.001),
    ]
    path = tmp_path / "good.acq"
    write_acq(path, channels, fs=FS, markers=[AcqMarker(10 * FS, "deep breath")], journal="Jane Roe.")
    return path


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """The same with an electrode off from 20 to 26 s, in a channel whose name says nothing."""
    signal = beats()
    signal[20 * FS : 26 * FS] = 7
    path = tmp_path / "faulty.acq"
    write_acq(path, [AcqChannel(signal, "Signal of S1", "mV", scale=0.001)], fs=FS)
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(ecgkit, ["info", *map(str, args)], env={"COLUMNS": "80"}, standalone_mode=False)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call `ecgkit info` as the program does; gives exit code, output and errors."""

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["info", *map(str, args)])
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return call


def test_info_shows_what_is_in_the_file(file: Path) -> None:
    result = run(file)
    assert result.exit_code == 0
    lines = [" ".join(line.replace("│", " ").split()) for line in result.stdout.splitlines()]
    for line in (
        "format acq (AcqKnowledge 5.0.1, revision 132)",
        "byte order little-endian",
        "compressed no",
        "base rate 1000 Hz",
        "duration 61.008 s (0:01:01)",
        "start 2024-03-05 10:30:00 UTC",
        "markers 26",
        "journal 5 characters",
        "0 ECG [raw] mV 1000 61001 61.001 int16",
        "1 RESP [2J Volts 125 7626 61.008 float64",
        "ECG channel 0, 'ECG [raw]': its name says 'ECG'",
        "respiration channel 1, 'RESP [2J'",
        "segments 0.000 to 30.000 s, 30.000 to 61.008 s, with a pause between them",
        "0 0.000 Segment 1 apnd",
        "19000 19.000 breath 19 flag RESP [2J",
        "and 6 more markers (all with --json)",
    ):
        assert line in lines
    assert "breath 20" not in result.stdout
    assert "\x1b[2J" not in result.stdout
    assert max(map(len, (line for line in result.stdout.splitlines() if not line.startswith("file")))) <= 80


def test_info_json_holds_everything(file: Path) -> None:
    content = json.loads(run(file, "--json").stdout)
    assert content["version"] == "AcqKnowledge 5.0.1, revision 132"
    assert (content["fs"], content["duration_s"], content["byte_order"]) == (1000, 61.008, "little-endian")
    assert content["start_time"] == "2024-03-05T10:30:00+00:00"
    assert content["channels"][0] == {
        "index": 0,
        "number": 1,
        "name": "ECG [raw]",
        "unit": "mV",
        "fs": 1000.0,
        "n_samples": 61001,
        "duration_s": 61.001,
        "stored_as": "int16",
        "scale": 0.001,
        "offset": 0.0,
    }
    lead = {"name": "ECG [raw]", "channel": 0, "channel_name": "ECG [raw]"}
    assert content["ecg"] == {"leads": [lead], "reason": "its name says 'ECG'"}
    assert content["respiration"] == 1
    assert len(content["markers"]) == 26
    assert content["markers"][1] == {
        "sample": 1000,
        "time_s": 1.0,
        "text": "breath 1",
        "style": "flag",
        "channel": 1,
        "created": None,
    }
    assert content["segments_s"] == [[0.0, 30.0], [30.0, 61.008]]
    assert content["journal_characters"] == 5
    assert "Calm." not in json.dumps(content)
    assert content["warnings"] == content["lost"] == []
    assert content["checks"] is content["plot"] is None


def test_info_warns_without_an_ecg_channel_and_of_damage(tmp_path: Path) -> None:
    path = tmp_path / "file.acq"
    write_acq(path, [AcqChannel(np.zeros(9), "Pressure", "mmHg")], fs=100)
    path.write_bytes(path.read_bytes()[:-3])
    result = run(path)
    assert result.exit_code == 0
    assert "Warning: cut off in the journal length: expected 4 bytes" in result.stderr
    assert "Warning: no ECG channel chosen: no channel is named like an ECG" in result.stderr
    content = json.loads(run(path, "--json").stdout)
    assert content["ecg"] is None
    assert content["ecg_problem"].startswith("no channel is named like an ECG")
    assert len(content["warnings"]) == 1


def test_info_reads_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "file.acq"
    write_acq(path, [AcqChannel(np.zeros(9, np.int16), "ECG", "mV")], fs=100, compressed=True)
    data = bytearray(path.read_bytes())
    data[-3] ^= 0xFF  # the stream's checksum
    path.write_bytes(data)
    assert run(path).exit_code == 0


def test_info_of_a_wrong_file_is_one_line_and_exit_code_2(file: Path, tmp_path: Path, call: Call) -> None:
    file.write_bytes(file.read_bytes()[:5000])
    for path, message in (
        (file, "cut off in the header of channel 1 of 2"),
        (tmp_path / "x", "no such file"),
    ):
        code, out, err = call(path)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"Error: {path}: {message}")


def test_info_runs_as_a_program(file: Path) -> None:
    command = [sys.executable, "-m", "ecgkit", "info", str(file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
    assert json.loads(done.stdout)["channels"][1]["fs"] == 125
    assert done.stderr == ""


def test_info_takes_named_leads_and_derives_the_third(good: Path) -> None:
    result = run(good, "--leads", "I,II, III")
    lines = [line.split() for line in result.stdout.splitlines()]
    for name, channel in (("I", "0, 'ECG I'"), ("II", "1, 'ECG II'"), ("III", "2, 'III = II - I'")):
        assert f"{name}: channel {channel}".split() in lines
    assert json.loads(run(good, "--channel", "1", "--json").stdout)["ecg"]["leads"][0]["channel"] == 1


def test_info_check_of_a_good_file_finds_nothing(good: Path) -> None:
    result = run(good, "--check")
    assert (result.return_value, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "checks no faults found" in lines
    assert any(line.startswith("measured I: 60 beats/min on average, R waves of 1.") for line in lines)


def test_info_check_shows_findings_and_exits_with_1(faulty: Path) -> None:
    result = run(faulty, "--check", "--channel", "Signal of S1")
    assert result.return_value == 1
    assert "no faults found" not in result.stdout
    assert "│ Signal of S1 │ warning  │ flat" in result.stdout
    assert "6.0 s" in result.stdout
    assert max(map(len, (line for line in result.stdout.splitlines() if not line.startswith("file")))) <= 80


def test_info_check_json_holds_findings(faulty: Path) -> None:
    result = run(faulty, "--check", "--channel", "0", "--json")
    assert result.return_value == 1
    (check,) = json.loads(result.stdout)["checks"]
    flat = next(finding for finding in check["findings"] if finding["name"] == "flat")
    assert flat["severity"] == "warning"
    assert flat["values"]["flat_s"] == pytest.approx(6, abs=0.1)
    assert check["heart_rate_bpm"] == pytest.approx(60, abs=1)
    assert set(check) == {"channel", "heart_rate_bpm", "r_amplitude_mv", "findings", "skipped"}


def test_info_check_says_what_was_not_checked_and_why(tmp_path: Path) -> None:
    path = tmp_path / "no_unit.acq"
    write_acq(path, [AcqChannel(beats(), "ECG", "", scale=0.001)], fs=FS)
    assert "not checked ECG: amplitude: the file states no unit" in run(path, "--check").stdout


@pytest.mark.parametrize("option", ["--check", "--plot=x.svg"])
def test_info_that_cannot_tell_the_ecg_lists_what_the_channels_look_like(
    faulty: Path, call: Call, option: str
) -> None:
    code, _, err = call(faulty, option)
    assert code == 2
    assert err.startswith(f"Error: {faulty}: no channel is named like an ECG")
    assert "0: 'Signal of S1' (mV, 250 Hz), " in err
    code, _, err = call(faulty)
    assert code == 0
    assert "--check shows what each looks like" in err


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html", ".SVG"])
def test_info_plot_draws_and_says_where(good: Path, tmp_path: Path, suffix: str) -> None:
    picture = tmp_path / "pictures" / f"picture{suffix}"
    picture.parent.mkdir()
    picture.write_text("an older one")
    result = run(good, "--plot", picture)
    assert result.return_value == 0
    assert f"{picture}: no faults found" in result.stdout
    assert "measured" not in result.stdout
    start = {".svg": b"<svg ", ".png": b"\x89PNG", ".html": b"<!doctype html>"}[suffix.lower()]
    assert picture.read_bytes().startswith(start)
    assert [path.name for path in picture.parent.iterdir()] == [picture.name]


def test_info_plot_counts_findings_and_exits_with_0(faulty: Path, tmp_path: Path) -> None:
    picture = tmp_path / "new" / "folder" / "picture.html"
    result = run(faulty, "--channel", "0", "--plot", picture)
    assert result.return_value == 0
    assert f"{picture}: 1 finding\n" in result.stdout
    assert "1 warning" in picture.read_text(encoding="utf-8")
    content = json.loads(run(faulty, "--channel", "0", "--plot", picture, "--json").stdout)
    assert content["plot"] == str(picture)
    assert len(content["checks"][0]["findings"]) == 1


def test_info_plot_of_a_simulated_file_is_stamped(
    simulated_files: tuple[SimulatedFile, ...], tmp_path: Path
) -> None:
    picture = tmp_path / "picture.svg"
    run(simulated_files[0].path, "--plot", picture)
    assert "SIMULATED" in picture.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("picture.pdf", "unknown suffix '.pdf'; known are: .html, .png, .svg"),
        ("picture", "unknown suffix ''; known are: .html, .png, .svg"),
        ("folder.svg", "a folder, expected a file"),
        ("good.acq/picture.svg", "a file, expected a folder to write into"),
    ],
)
def test_info_plot_to_a_wrong_place_is_exit_code_2(
    good: Path, tmp_path: Path, call: Call, target: str, message: str
) -> None:
    (tmp_path / "folder.svg").mkdir()
    code, out, err = call(good, "--plot", tmp_path / target)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.svg", "good.acq"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--channel", "I", "--leads", "I,II"), "--channel and --leads are both given"),
        (("--leads", "I,,II"), "--leads 'I,,II': an empty name"),
        (("--leads", ""), "--leads '': an empty name"),
        (("--columns", "a,"), "--columns 'a,': an empty name"),
        (("--channel", "V9"), "unknown channel 'V9'"),
        (("--leads", "I,I"), "named twice"),
        (("--fs", "100"), "leave out --fs"),
        (("--unit", "mV"), "leave out --unit"),
    ],
)
def test_info_refuses_wrong_options(good: Path, call: Call, options: tuple[str, ...], message: str) -> None:
    code, out, err = call(good, *options)
    assert (code, out) == (2, "")
    assert message in err


def test_info_salvages_and_says_what_was_lost(good: Path, call: Call) -> None:
    good.write_bytes(good.read_bytes()[:30_000])
    assert call(good)[0] == 2
    result = run(good, "--salvage")
    assert result.return_value == 0
    assert "Warning: lost: " in result.stderr
    assert json.loads(run(good, "--salvage", "--json").stdout)["lost"]
