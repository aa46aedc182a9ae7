"""A session is drawn from what lies in its file, wherever it is clean."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.recordings import in_memory
from support.studies import session_of

from ecgkit.analysis.quality import VERDICTS, WindowQuality
from ecgkit.records import Tags
from ecgkit.stages.measuring import observe
from ecgkit.stages.session_figures import FigureTask, draw_session, strip_start_s, windows_of
from ecgkit.study.session_file import QualityTrack, write_session

TAGS = Tags("01", "rest")


def track(*verdicts: str, start_s: list[float] | None = None) -> QualityTrack:
    codes = np.array([VERDICTS.index(verdict) for verdict in verdicts], dtype=np.int8)
    starts = np.arange(len(codes)) * 10.0 if start_s is None else np.array(start_s)
    return QualityTrack(starts, 10.0, WindowQuality(*np.zeros((5, len(codes))), codes))


def task(path: Path) -> FigureTask:
    return FigureTask(path, checks=(), expected_s=180.0, breath_period_s=None, delay_s=None)


@pytest.fixture(scope="module")
def session_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated session of a minute. Read only."""
    session = session_of(TAGS, number=1, duration_s=60.0)
    path = tmp_path_factory.mktemp("one") / f"{TAGS.key}.h5"
    write_session(path, session, observe(session))
    return path


def test_strip_start_is_in_the_middle_of_the_longest_good_stretch() -> None:
    good = track("accept", "reject", "accept", "accept", "doubtful")
    assert strip_start_s(good, duration_s=50.0, at_least="accept") == 27.0
    assert strip_start_s(good, duration_s=50.0, at_least="doubtful") == 32.0
    assert strip_start_s(good, duration_s=50.0, at_least="reject") == 22.0


@pytest.mark.parametrize("duration_s", [5.9, 3.0])
def test_strip_start_of_what_is_too_short_is_none(duration_s: float) -> None:
    assert strip_start_s(track("accept"), duration_s=duration_s, at_least="accept") is None
    assert strip_start_s(track(), duration_s=duration_s, at_least="reject") is None


def test_strip_start_does_not_cross_what_has_no_windows() -> None:
    parted = track("accept", "accept", "accept", start_s=[0.0, 30.0, 40.0])
    assert strip_start_s(parted, duration_s=50.0, at_least="accept") == 37.0


def test_windows_of_joins_those_that_touch() -> None:
    seen = track("reject", "reject", "doubtful", "accept", "reject")
    assert windows_of(seen, "reject") == ((0.0, 20.0), (40.0, 50.0))
    assert windows_of(seen, "doubtful") == ((20.0, 30.0),)
    assert windows_of(track(), "accept") == ()


def test_draw_session_draws_strip_rate_and_spectrum(session_file: Path) -> None:
    figures, note = draw_session(task(session_file))
    assert note == "I, 25 mm/s, 10 mm/mV; from 0:27"
    assert figures.strip.count('class="ecg"') == 2  # the pulse and the line
    assert 'class="rate"' in figures.rate
    assert 'class="absent"' in figures.rate  # a minute of three
    assert "respiration channel" not in figures.spectra


def test_draw_session_says_when_no_stretch_is_good(tmp_path: Path) -> None:
    session = session_of(TAGS, number=1)
    seen = dataclasses.replace(observe(session), quality=track("reject", "doubtful"))
    write_session(tmp_path / f"{TAGS.key}.h5", session, seen)
    figures, note = draw_session(task(tmp_path / f"{TAGS.key}.h5"))
    assert note.endswith("; no better stretch: its quality is doubtful")
    assert 'class="doubtful"' in figures.rate
    assert 'class="rejected"' in figures.rate


def test_draw_session_names_the_first_of_several_leads_and_brings_it_to_millivolts(tmp_path: Path) -> None:
    session = session_of(TAGS, number=1)
    channel = session.recording.channels[0]
    micro = dataclasses.replace(channel, unit="uV", scale=channel.scale * 1000)
    recording = dataclasses.replace(session.recording, channels=(micro, dataclasses.replace(micro, index=1)))
    both = dataclasses.replace(session, recording=recording, ecg=(0, 1), leads=("I", "II"))
    write_session(tmp_path / f"{TAGS.key}.h5", both, observe(session))
    _, note = draw_session(task(tmp_path / f"{TAGS.key}.h5"))
    assert note == "I, 25 mm/s, 10 mm/mV; from 0:07, the first of 2 leads"


def test_draw_session_has_a_spectrum_of_the_respiration_channel(tmp_path: Path) -> None:
    session = session_of(TAGS, number=1, duration_s=60.0)
    breaths = np.sin(2 * np.pi * 0.25 * np.arange(0, 60, 0.04))
    respiration = dataclasses.replace(in_memory(breaths, 25.0, unit="V").channels[0], index=1)
    channels = (*session.recording.channels, respiration)
    recording = dataclasses.replace(session.recording, channels=channels)
    both = dataclasses.replace(session, recording=recording, respiration=1)
    write_session(tmp_path / f"{TAGS.key}.h5", both, observe(both))
    figures, _ = draw_session(task(tmp_path / f"{TAGS.key}.h5"))
    assert "respiration channel" in figures.spectra
    assert "too short" not in figures.spectra


def test_draw_session_of_a_damaged_file_says_so(session_file: Path, tmp_path: Path) -> None:
    copy = tmp_path / session_file.name
    copy.write_bytes(session_file.read_bytes())
    with h5py.File(copy, "r+") as file:
        del file["quality"]
    figures, note = draw_session(task(copy))
    assert note.startswith(f"not drawn: {copy}")
    assert figures.strip == figures.rate == ""


def test_draw_session_is_small(session_file: Path) -> None:
    figures, _ = draw_session(task(session_file))
    assert len(figures.strip) + len(figures.rate) + len(figures.spectra) < 7_000
