"""What is known of a file: headers at once, checks and a picture on request."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ecgkit.errors import ChannelError, ConfigError
from ecgkit.simulate.acq_writer import AcqChannel, write_acq
from ecgkit.stages import info
from ecgkit.stages.simulate import SimulatedFile


class Heard:
    """Keeps the tasks that were announced."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, int]] = []

    def start(self, task: str, total: int) -> None:
        self.tasks.append((task, total))

    def advance(self, task: str, note: str = "") -> None:
        pass


def unreadable(path: Path) -> Path:
    """Write a file whose headers are whole and whose samples are not."""
    channels = [AcqChannel(np.zeros(9, np.int16), name, "mV") for name in ("ECG", "ECG")]
    write_acq(path, channels, fs=100, compressed=True)
    data = bytearray(path.read_bytes())
    data[-3] ^= 0xFF  # the stream's checksum
    path.write_bytes(data)
    return path


def test_run_reads_no_samples_of_its_own_accord(tmp_path: Path) -> None:
    found = info.run(unreadable(tmp_path / "a.acq"))
    assert found.ecg is None
    assert found.ecg_problem.startswith("2 channels are named like an ECG")
    assert (found.checks, found.plot, found.n_findings) == (None, None, 0)


@pytest.mark.parametrize("options", [{"leads": ["V9"]}, {"check": True}, {"plot": Path("x.svg")}])
def test_run_refuses_a_channel_that_cannot_be_told_where_it_is_needed(
    tmp_path: Path, options: dict[str, object]
) -> None:
    with pytest.raises(ChannelError, match="The channels are 0: 'ECG'"):
        info.run(unreadable(tmp_path / "a.acq"), **options)


def test_run_checks_and_draws_each_lead(simulated_files: tuple[SimulatedFile, ...], tmp_path: Path) -> None:
    source = simulated_files[0].path
    plot = tmp_path / "picture.svg"
    found = info.run(source, check=True, plot=plot)
    assert found.ecg is not None
    assert found.checks is not None
    assert [check.channel for check in found.checks] == list(found.ecg.indexes)
    assert found.n_findings == sum(len(check.findings) for check in found.checks)
    assert plot.is_file()
    content = json.loads(json.dumps(info.as_dict(found), allow_nan=False))
    assert content["plot"] == str(plot)
    assert len(content["checks"]) == len(content["ecg"]["leads"])


def test_run_refuses_a_picture_before_it_checks(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown suffix '\.pdf'"):
        info.run(unreadable(tmp_path / "a.acq"), leads=["0"], plot=tmp_path / "x.pdf")


def test_run_tells_two_channels_of_one_lead_apart(tmp_path: Path) -> None:
    names = ("ECG I", "ECG I filtered", "ECG II")
    write_acq(tmp_path / "a.acq", [AcqChannel(np.zeros(9), name, "mV") for name in names], fs=100)
    both = info.run(tmp_path / "a.acq", leads=["0", "1"]).ecg
    assert both is not None
    assert both.names == ("ECG I (0)", "ECG I filtered (1)")
    others = info.run(tmp_path / "a.acq", leads=["1", "2"]).ecg
    assert others is not None
    assert others.names == ("I", "II")


@pytest.mark.parametrize("long_samples", [18, 17])
def test_run_says_how_far_it_is_where_it_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long_samples: int
) -> None:
    monkeypatch.setattr(info, "LONG_SAMPLES", long_samples)
    write_acq(tmp_path / "a.acq", [AcqChannel(np.zeros(9), f"ECG {i}", "mV") for i in range(2)], fs=2000)
    heard = Heard()
    info.run(tmp_path / "a.acq", leads=["0", "1"], check=True, plot=tmp_path / "a.png", progress=heard)
    assert heard.tasks == ([] if long_samples == 18 else [("check", 2), ("draw", 2)])


@pytest.mark.real_data
def test_run_checks_and_draws_a_real_recording(real_data: Path, tmp_path: Path) -> None:
    plot = tmp_path / "picture.html"
    found = info.run(real_data / "acq/physio/physio-5.0.1.acq", plot=plot)
    assert found.checks is not None
    assert found.checks[0].heart_rate_bpm == pytest.approx(67, abs=2)
    page = plot.read_text(encoding="utf-8")
    for expected in ("EKG - ERS100C", "RESP - RSP100C", "Deep Breath 2", "25 mm/s, 10 mm/mV"):
        assert expected in page
    assert "2016" not in page.split("<h2>")[0].split("<svg")[0]
