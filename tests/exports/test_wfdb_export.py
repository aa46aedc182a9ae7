"""WFDB records against what wfdb itself reads from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st
from support.bids_files import channel, full_session

import ecgkit
from ecgkit.exports import wfdb_export
from ecgkit.exports.formats import StudySession, Written
from ecgkit.exports.wfdb_export import _annotations
from ecgkit.records import Channel, Exclusion, Marker, Recording, Session

NO_BEATS = np.empty(0)
KEY = "sub-01_visit-1_cond-rest_take-1"
TAGS = replace(full_session().tags, condition="rest", visit=1, take=1)


def session_of(*channels: Channel, **changes: object) -> Session:
    whole = full_session()
    channels = tuple(replace(one, index=index) for index, one in enumerate(channels))
    recording = replace(whole.recording, channels=channels, fs=channels[0].fs, markers=())
    recording = replace(recording, **changes)
    return replace(
        whole, recording=recording, ecg=(0,), leads=("I",), respiration=None, excluded=(), tags=TAGS
    )


def written(folder: Path, session: Session, beats_s: np.ndarray = NO_BEATS) -> Written:
    result = wfdb_export.write(folder, StudySession(session, beats_s))
    wfdb_export.finish(folder)
    return result


@pytest.mark.parametrize(
    ("dtype", "low", "high", "bits"),
    [
        (np.int16, -32767, 32767, 16),
        (np.int16, -32768, 32767, 32),
        (np.int32, -1000, 1000, 16),
        (np.int32, -(1 << 31) + 1, (1 << 31) - 1, 32),
    ],
)
def test_counts_are_those_that_were_recorded(
    tmp_path: Path, dtype: type, low: int, high: int, bits: int
) -> None:
    counts = np.random.default_rng(1).integers(low, high, 1000, endpoint=True).astype(dtype)
    counts[:2] = low, high
    given_channel = channel(0, counts, scale=0.00030517578125, offset=-0.00030517578125 * 7)
    found = written(tmp_path, session_of(given_channel))
    assert (found.errors, found.notes, found.refused) == ({}, (), "")
    record = wfdb.rdrecord(str(tmp_path / KEY), physical=False)
    np.testing.assert_array_equal(record.d_signal[:, 0], counts)
    assert (record.fmt, record.baseline, record.units) == ([str(bits)], [7], ["mV"])
    values = wfdb.rdrecord(str(tmp_path / KEY)).p_signal[:, 0]
    np.testing.assert_allclose(values, given_channel.read(), rtol=1e-12, atol=1e-12)
    assert wfdb.rdheader(str(tmp_path / KEY)).checksum[0] == int(counts.astype(np.int64).sum()) % 65536 - (
        65536 if int(counts.astype(np.int64).sum()) % 65536 >= 32768 else 0
    )


def test_missing_samples_are_missing(tmp_path: Path) -> None:
    counts = np.array([5, -1, 7, -1], dtype=np.int16)
    values = np.array([0.5, np.nan, np.inf, -2.0])
    found = written(tmp_path, session_of(channel(0, counts, missing=-1), channel(1, values, name="X")))
    physical = wfdb.rdrecord(str(tmp_path / KEY)).p_signal
    np.testing.assert_array_equal(physical, [[5, 0.5], [np.nan, np.nan], [7, np.nan], [np.nan, -2.0]])
    assert found.notes == ("X: 2 samples that are no numbers, or beyond 1e+21, are 'no sample'",)


def test_values_that_no_signal_has_are_missing(tmp_path: Path) -> None:
    found = written(tmp_path, session_of(channel(0, np.array([1e306, -1.5, 1e-300]))))
    np.testing.assert_allclose(wfdb.rdrecord(str(tmp_path / KEY)).p_signal[:, 0], [np.nan, -1.5, 0.0])
    assert found.notes


def test_an_offset_between_counts_is_said(tmp_path: Path) -> None:
    given_channel = channel(0, np.arange(5, dtype=np.int16), scale=0.5, offset=0.1)
    found = written(tmp_path, session_of(given_channel))
    assert found.errors["ECG"] == (pytest.approx(0.1), "mV")
    off = wfdb.rdrecord(str(tmp_path / KEY)).p_signal[:, 0] - given_channel.read()
    np.testing.assert_allclose(np.abs(off), 0.1)


def test_values_are_rounded_to_32_bits_of_their_range_and_the_error_is_said(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(size=500)
    found = written(tmp_path, session_of(channel(0, values)))
    read = wfdb.rdrecord(str(tmp_path / KEY)).p_signal[:, 0]
    error, unit = found.errors["ECG"]
    assert (np.abs(read - values).max(), unit) == (pytest.approx(error), "mV")
    assert error < 1e-8
    assert (
        written(tmp_path, session_of(channel(0, np.float32(values).round(3) * 0 + np.float32(0.375)))).errors
        == {}
    )


def test_channels_of_one_rate_are_a_record_and_shorter_ones_are_filled(tmp_path: Path) -> None:
    session = session_of(
        channel(0, np.arange(1, 6, dtype=np.int16), fs=250.0),
        channel(1, np.arange(1, 3, dtype=np.int16), fs=62.5, name="RSP", unit="Volts"),
        channel(2, np.arange(1, 4, dtype=np.int16), fs=250.0, name="µ short", unit="µV"),
    )
    found = written(tmp_path, session, np.array([0.004, 0.016]))
    fast, slow = (wfdb.rdrecord(str(tmp_path / f"{KEY}_{rate}")) for rate in ("250Hz", "62p5Hz"))
    assert (fast.fs, slow.fs, fast.n_sig, slow.n_sig) == (250, 62.5, 2, 1)
    assert (fast.sig_name, fast.units) == (["ECG", "u short"], ["mV", "uV"])
    np.testing.assert_array_equal(fast.p_signal[:, 1], [1, 2, 3, np.nan, np.nan])
    assert found.notes == ("µ short: 2 samples shorter than the others, filled with 'no sample'",)
    assert (tmp_path / "RECORDS").read_text(encoding="ascii").split() == [f"{KEY}_250Hz", f"{KEY}_62p5Hz"]
    assert wfdb.rdann(str(tmp_path / f"{KEY}_250Hz"), "qrs").sample.tolist() == [1, 4]
    assert found.files == sum(path.suffix != "" for path in tmp_path.iterdir())


def test_r_peaks_and_markers_are_annotations(tmp_path: Path) -> None:
    beats_s = np.cumsum(np.full(50, 0.8))
    markers = (
        Marker(0, 0.0, "", "apnd"),
        Marker(700, 0.7, "started µ\nnow", "flag"),
        Marker(20_000, 20.0, ""),
    )
    session = session_of(channel(0, np.zeros(60_000, np.int16), fs=1000.0), markers=markers)
    written(tmp_path, session, beats_s)
    peaks = wfdb.rdann(str(tmp_path / KEY), "qrs")
    assert peaks.sample.tolist() == [round(beat * 1000) for beat in beats_s]
    assert set(peaks.symbol) == {"N"}
    notes = wfdb.rdann(str(tmp_path / KEY), "atr")
    assert notes.sample.tolist() == [1, 700, 20_000]  # at 0 readers look for definitions
    assert notes.aux_note == ["apnd", "flag started u now", "marker"]
    assert set(notes.symbol) == {'"'}


@given(
    samples=st.lists(st.integers(0, 1 << 30), max_size=20).map(sorted),
    note=st.text(max_size=300),
)
def test_annotations_are_what_wfdb_reads(
    tmp_path_factory: pytest.TempPathFactory, samples: list[int], note: str
) -> None:
    path = tmp_path_factory.mktemp("ann") / "a.atr"
    path.write_bytes(_annotations((sample, 22 if note else 1, note) for sample in samples))
    if samples and not note:  # wfdb stumbles over notes that others may hold
        assert wfdb.rdann(str(path.with_suffix("")), "atr").sample.tolist() == samples
    assert path.stat().st_size % 2 == 0


def test_header_says_simulated_excluded_and_dates_where_kept(tmp_path: Path) -> None:
    session = session_of(
        channel(0, np.arange(9, dtype=np.int16)), start_time=datetime(2024, 3, 1, 10, 20, 30)
    )
    session = replace(
        session, excluded=(Exclusion(0.0, 1.5, "mo\nved"), Exclusion(2.0, np.inf, "fell asleep"))
    )
    written(tmp_path, session)
    header = wfdb.rdheader(str(tmp_path / KEY))
    assert header.comments[0].startswith("SIMULATED")
    assert "not to be used: 0 s to 1.5 s: mo ved" in header.comments
    assert "not to be used: 2 s to the end: fell asleep" in header.comments
    assert (str(header.base_time), str(header.base_date)) == ("10:20:30", "2024-03-01")


def test_ecgkit_reads_its_own_records(tmp_path: Path) -> None:
    session = full_session()
    result = written(tmp_path, session, np.array([0.1, 0.5]))
    by_rate = {recording.fs: recording for recording in map(ecgkit.read, tmp_path.glob("*.hea"))}
    assert len(by_rate) == 3
    for given_channel in session.recording.channels:
        fs = min(by_rate, key=lambda rate: abs(rate - given_channel.fs))
        channels: Recording = by_rate[fs]
        values = given_channel.read()
        error = result.errors.get(given_channel.name, (0.0, ""))[0]
        read = min(
            (one.read()[: len(values)] for one in channels.channels),
            key=lambda one: (
                np.nanmax(np.abs(one - values), initial=0.0) if len(one) == len(values) else np.inf
            ),
        )
        np.testing.assert_allclose(read, values, atol=error * 1.001 + 1e-12, rtol=1e-12)
    assert by_rate[250.0].simulated
