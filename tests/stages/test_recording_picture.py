"""What a picture shows is what the recording holds, read chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ecgkit.errors import ConfigError
from ecgkit.progress import Silent
from ecgkit.readers.held import held
from ecgkit.readers.leads import EcgLeads, choose_ecg
from ecgkit.records import Channel, Marker, Recording
from ecgkit.report.recording import RecordingPicture
from ecgkit.stages.recording_picture import (
    picture_of,
    refuse_picture,
    strip_start_s,
    write_picture,
)
from ecgkit.stages.signal_check import Finding, SignalCheck

FS = 250.0


def channel(samples: NDArray[np.float64], *, index: int = 0, name: str = "ECG", unit: str = "mV") -> Channel:
    n, dtype = len(samples), np.dtype(np.float64)
    return Channel(index, index, name, unit, FS, n, dtype, 1.0, 0.0, held(samples))


def recording(*channels: Channel, markers: Sequence[Marker] = ()) -> Recording:
    return Recording(
        Path("miller_john.acq"),
        "acq",
        "revision 132",
        FS,
        channels,
        tuple(markers),
        start_time=datetime(2024, 3, 5, tzinfo=UTC),
        journal="John Miller was calm.",
    )


def leads_of(*channels: Channel, markers: Sequence[Marker] = ()) -> EcgLeads:
    return choose_ecg(recording(*channels, markers=markers), [c.name for c in channels])


def check(*peaks_s: NDArray[np.float64], findings: Sequence[Finding] = (), index: int = 0) -> SignalCheck:
    return SignalCheck(index, 60.0, 1.2, tuple(findings), {"gain": "no unit"}, peaks_s)


def beats(start_s: float, stop_s: float) -> NDArray[np.float64]:
    return np.arange(start_s, stop_s)


def finding(start_s: float, stop_s: float) -> Finding:
    return Finding("flat", "warning", "Flat.", {"flat_s": stop_s - start_s}, ((start_s, stop_s),))


def pause(at_s: float) -> Marker:
    return Marker(round(at_s * FS), at_s, "Segment 2", "apnd")


def drawn(leads: EcgLeads, *checks: SignalCheck, respiration: int | None = None) -> RecordingPicture:
    return picture_of(leads, checks, respiration=respiration, progress=Silent())


def noise(n: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=n)


def test_strip_starts_shortly_before_the_first_beat() -> None:
    assert strip_start_s(leads_of(channel(noise(15000))), [check(beats(5, 60))]) == pytest.approx(4.6)


def test_strip_passes_by_findings_pauses_and_missing_beats() -> None:
    leads = leads_of(channel(noise(60 * 250)), markers=[pause(8)])
    missing = np.concatenate([beats(8.5, 14), beats(18.5, 60)])
    findings = [finding(20, 20.5)]
    assert strip_start_s(leads, [check(beats(0.2, 8), missing, findings=findings)]) == pytest.approx(21.1)


@pytest.mark.parametrize(
    "stretches", [[], [beats(0.5, 7)], [beats(0, 60)[::4]], [beats(0.5, 6), beats(6.5, 12)]]
)
def test_strip_is_the_start_where_no_ten_seconds_will_do(stretches: list[NDArray[np.float64]]) -> None:
    assert strip_start_s(leads_of(channel(noise(60 * 250))), [check(*stretches)]) == 0


def test_strip_is_chosen_among_many_beats_and_findings() -> None:
    spans = tuple((float(second), second + 0.1) for second in range(100_000))
    many = Finding("clipped", "warning", "Cut off.", {}, spans)
    leads = leads_of(channel(np.broadcast_to(0.0, round(100_020 * FS))))
    assert strip_start_s(leads, [check(beats(0.5, 100_019), findings=[many])]) == pytest.approx(99_999.1)


def test_picture_of_shows_the_channel_in_millivolts() -> None:
    signal = noise(15000) / 1000
    leads = leads_of(channel(signal, unit="Volts"))
    (lead,) = drawn(leads, check(beats(0.5, 60))).leads
    assert lead.unit == lead.strip.unit == "mV"
    assert lead.overview.limits == pytest.approx((1000 * signal.min(), 1000 * signal.max()))
    start = round(0.1 * FS)
    np.testing.assert_allclose(lead.strip.trace.low, 1000 * signal[start : start + 2500])
    np.testing.assert_allclose(lead.strip.peaks_s, beats(0.5, 10) - 0.1, atol=1 / FS)


def test_picture_of_leaves_an_unknown_unit_and_respiration_as_recorded() -> None:
    ecg, breath = channel(noise(15000), unit="au "), channel(noise(15000), index=1, name="RSP", unit="Volts")
    source = recording(ecg, breath)
    picture = drawn(choose_ecg(source), check(), respiration=1)
    assert picture.leads[0].unit == "au"
    assert picture.respiration is not None
    assert picture.respiration.unit == "Volts"
    assert picture.respiration.overview.limits == (breath.read().min(), breath.read().max())


def test_picture_of_takes_what_is_no_number_as_missing() -> None:
    signal = noise(15000)
    signal[:3000], signal[4000], signal[5000] = np.nan, np.inf, -1e300
    (lead,) = drawn(leads_of(channel(signal)), check()).leads
    finite = signal[np.abs(signal) < 1e30]
    assert lead.overview.limits == (finite.min(), finite.max())
    assert lead.strip.trace.limits is None


def test_picture_of_says_findings_pauses_and_markers() -> None:
    markers = [Marker(0, 0.0, "Segment 1", "apnd"), pause(30), Marker(2500, 10.0, "stand up")]
    leads = leads_of(channel(noise(15000)), markers=markers)
    worse = Finding("contact", "unusable", "Off.", {})
    picture = drawn(leads, check(beats(0.5, 30), beats(31, 60), findings=[finding(3, 4), worse]))
    assert picture.pauses_s == (30.0,)
    assert picture.markers == ((10.0, "stand up"),)
    assert [(fault.name, fault.spans_s) for fault in picture.faults] == [("contact", ()), ("flat", ((3, 4),))]
    assert picture.verdict == "unusable, 1 warning, 1 check could not be made"
    assert picture.skipped == (("ECG", "gain", "no unit"),)
    assert picture.summary == "acq (revision 132) · 250 Hz · 0:01:00 · 60 beats/min · R waves 1.2 mV"


@pytest.mark.parametrize("suffix", [".svg", ".html"])
def test_picture_tells_neither_who_nor_when(tmp_path: Path, suffix: str) -> None:
    created = datetime(2023, 2, 1, tzinfo=UTC)
    marker = Marker(2500, 10.0, "stand up", created=created)
    leads = leads_of(channel(noise(15000)), markers=[marker])
    path = tmp_path / f"picture{suffix}"
    write_picture(path, drawn(leads, check(beats(0.5, 60))))
    text = path.read_text(encoding="utf-8").casefold()
    assert "stand up" in text
    assert not any(word in text for word in ("miller", "calm", "2024-", "2023-"))


def test_picture_of_hours_is_read_chunk_by_chunk() -> None:
    reads: list[int] = []

    def some(start: int, stop: int) -> NDArray[np.int16]:
        reads.append(stop - start)
        return (np.arange(start, stop) % 2000).astype(np.int16)

    n = 3600 * 2000
    hours = Channel(0, 0, "ECG", "mV", 2000.0, n, np.dtype(np.int16), 0.001, 0.0, some)
    picture = drawn(choose_ecg(Recording(Path("x"), "acq", "", 2000.0, (hours,))), check())
    assert picture.leads[0].overview.limits == pytest.approx((0, 1.999))
    assert max(reads) <= 1 << 20


@pytest.mark.parametrize("name", ["picture", "picture.pdf", "picture.jpg"])
def test_refuse_picture_names_the_three_forms(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"known are: \.html, \.png, \.svg"):
        refuse_picture(tmp_path / name, recording(channel(noise(10))))


def test_refuse_picture_takes_upper_case_and_what_is_there_already(tmp_path: Path) -> None:
    (tmp_path / "picture.SVG").write_text("old")
    refuse_picture(tmp_path / "picture.SVG", recording(channel(noise(10))))
    assert (tmp_path / "picture.SVG").read_text() == "old"  # looking at a place does not touch it


def test_refuse_picture_refuses_a_folder_and_the_recording(tmp_path: Path) -> None:
    (tmp_path / "a.svg").mkdir()
    with pytest.raises(IsADirectoryError):
        refuse_picture(tmp_path / "a.svg", recording(channel(noise(10))))
    source = tmp_path / "session.png"
    source.write_bytes(b"x")
    with pytest.raises(ConfigError, match="the recording itself"):
        refuse_picture(source, Recording(source, "acq", "", FS, (channel(noise(10)),)))
