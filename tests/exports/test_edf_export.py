"""EDF+ files against what edfio itself reads from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path

import edfio
import numpy as np
import pytest
from support.bids_files import channel, full_session

import ecgkit
from ecgkit.exports import edf_export
from ecgkit.exports.formats import StudySession, Written
from ecgkit.records import Channel, Exclusion, Marker, Session

KEY = "sub-01_visit-1_cond-rest_take-1"
NO_BEATS = np.empty(0)
COUNTS = np.random.default_rng(1).integers(-3000, 3000, 2500).astype(np.int16)


def session_of(*channels: Channel, **changes: object) -> Session:
    whole = full_session()
    channels = tuple(replace(one, index=index) for index, one in enumerate(channels))
    recording = replace(whole.recording, channels=channels, fs=channels[0].fs, markers=())
    recording = replace(recording, **changes)
    return replace(
        whole, recording=recording, ecg=(0,), leads=("I",), respiration=None, excluded=(), tags=TAGS
    )


TAGS = replace(full_session().tags, condition="rest", visit=1, take=1)


def written(folder: Path, session: Session, beats_s: np.ndarray = NO_BEATS) -> Written:
    return edf_export.write(folder, StudySession(session, beats_s))


def read(folder: Path) -> edfio.Edf:
    return edfio.read_edf(folder / f"{KEY}.edf")


@pytest.mark.parametrize(
    ("scale", "offset", "exact"),
    [
        (10 / 32768, 0.0, True),
        (0.001, 0.0, True),
        (0.25, -3.0, True),
        (-0.00125, 0.5, True),
        (1 / 3276.7, 0.1234, True),
        (np.pi / 1e4, np.e, False),
    ],
)
def test_counts_are_those_that_were_recorded_and_the_error_of_values_is_said(
    tmp_path: Path, scale: float, offset: float, exact: bool
) -> None:
    given_channel = channel(0, COUNTS, scale=scale, offset=offset)
    found = written(tmp_path, session_of(given_channel))
    (signal,) = read(tmp_path).signals
    np.testing.assert_array_equal(signal.digital, COUNTS)
    error, unit = found.errors.get("ECG", (0.0, "mV"))
    assert np.abs(signal.data - given_channel.read()).max() == pytest.approx(error, abs=1e-12)
    assert (error == 0) == exact
    assert error < abs(scale) / 20
    assert (signal.label, signal.physical_dimension, unit) == ("ECG", "mV", "mV")
    assert (found.notes, found.refused, found.files) == ((), "", 1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_other_samples_are_rounded_to_16_bits_and_the_error_is_said(tmp_path: Path, dtype: type) -> None:
    values = (np.random.default_rng(2).normal(size=500) * 1000).astype(dtype)
    given_channel = channel(0, values)
    error, _ = written(tmp_path, session_of(given_channel)).errors["ECG"]
    (signal,) = read(tmp_path).signals
    assert np.abs(signal.data - given_channel.read()).max() == pytest.approx(error)
    assert error <= 1.01 * np.ptp(given_channel.read()) / 65535 / 2 + 1e-2


@pytest.mark.parametrize(
    "given_channel",
    [
        channel(0, np.array([1e-5, 2e-5])),
        channel(0, np.array([-125.2, 1e-6])),
        channel(0, COUNTS, scale=1e-9),
    ],
)
def test_values_too_small_for_eight_characters_are_rounded(tmp_path: Path, given_channel: Channel) -> None:
    found = written(tmp_path, session_of(given_channel))
    (signal,) = read(tmp_path).signals
    error = found.errors["ECG"][0]
    off = np.abs(signal.data[: given_channel.n_samples] - given_channel.read()).max()
    assert off == pytest.approx(error)
    assert error < 0.001


def test_rates_are_kept_and_the_last_record_is_filled(tmp_path: Path) -> None:
    slow = channel(1, COUNTS[:600], fs=62.5, name="RSP", unit="Volts")
    found = written(tmp_path, session_of(channel(0, COUNTS[:2490]), slow))
    file = read(tmp_path)
    assert [signal.sampling_frequency for signal in file.signals] == [250.0, 62.5]
    assert file.data_record_duration == 2
    np.testing.assert_array_equal(file.signals[0].digital[:2490], COUNTS[:2490])
    np.testing.assert_array_equal(file.signals[0].digital[2490:], COUNTS[2489])
    np.testing.assert_array_equal(file.signals[1].digital[:600], COUNTS[:600])
    (note,) = found.notes
    assert note.startswith("filled with the last values from 9.96 s")
    (end,) = file.annotations
    assert (end.onset, end.text) == (9.96, "end of the recording")


def test_r_peaks_markers_and_exclusions_are_annotations(tmp_path: Path) -> None:
    markers = (Marker(0, 0.0, "", "apnd"), Marker(250, 1.0, "run\tnow", "flag"))
    session = session_of(channel(0, COUNTS), markers=markers)
    session = replace(session, excluded=(Exclusion(2.0, 3.5, "moved"), Exclusion(9.0, np.inf, "asleep")))
    written(tmp_path, session, np.array([0.5, 1.25]))
    assert [tuple(annotation) for annotation in read(tmp_path).annotations] == [
        (0.0, None, "apnd"),
        (0.5, None, "R peak"),
        (1.0, None, "flag run now"),
        (1.25, None, "R peak"),
        (2.0, 1.5, "not to be used: moved"),
        (9.0, 1.0, "not to be used: asleep"),
    ]


def test_header_says_who_simulated_and_dates_only_where_kept(tmp_path: Path) -> None:
    written(tmp_path, session_of(channel(0, COUNTS)))
    file = read(tmp_path)
    assert (file.patient.code, file.recording.additional[:2]) == ("01", ("SIMULATED", "rest"))
    with pytest.raises(edfio.AnonymizedDateError):
        file.recording.startdate  # noqa: B018
    written(tmp_path, session_of(channel(0, COUNTS), start_time=datetime(2024, 3, 1, 10, 20, 30)))
    assert (read(tmp_path).startdate, read(tmp_path).starttime) == (date(2024, 3, 1), time(10, 20, 30))


@pytest.mark.parametrize(
    ("given_channel", "why"),
    [
        (channel(0, np.array([1.0, np.nan])), "1 samples are missing"),
        (channel(0, np.array([1, 2, 3], np.int16), missing=2), "1 samples are missing"),
        (channel(0, np.array([], np.int16)), "no samples"),
        (channel(0, np.array([0.0, 1e9 + 0.5])), "EDF's eight characters can't say"),
        (channel(0, COUNTS, scale=1e200), "EDF's eight characters can't say"),
        (channel(0, COUNTS, fs=1 / 3e4), "no data record of up to 60 s"),
        (channel(0, COUNTS, fs=np.pi * 100), "no data record of up to 60 s"),
    ],
)
def test_what_edf_can_not_hold_is_refused_and_said(tmp_path: Path, given_channel: Channel, why: str) -> None:
    found = written(tmp_path, session_of(given_channel))
    assert why in found.refused
    assert found.files == 0
    assert not list(tmp_path.iterdir())


def test_ecgkit_reads_its_own_files(tmp_path: Path) -> None:
    given_channel = channel(0, COUNTS, scale=0.001)
    written(tmp_path, session_of(given_channel), np.array([0.5]))
    recording = ecgkit.read(tmp_path / f"{KEY}.edf")
    np.testing.assert_array_equal(recording.channels[0].read_raw(), COUNTS)
    assert [marker.text for marker in recording.markers] == ["R peak"]
