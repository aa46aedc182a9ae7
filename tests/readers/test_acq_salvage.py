"""Damaged `.acq` files: refused by default; salvaged, their samples are a prefix of the whole file's."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.acq_files import CHANNEL_0, CHANNEL_1, DATA, MARKERS, SAMPLES, patched, samples, write, write_old

import ecgkit
from ecgkit.errors import ReadError
from ecgkit.readers import acq_salvage
from ecgkit.readers.acq_salvage import samples_within
from ecgkit.readers.acq_samples import Interleaved
from ecgkit.records import Recording
from ecgkit.simulate.acq_writer import AcqChannel, write_acq

HINT = "to take what is there: --salvage"
REAL_FILES = 32


def salvaged(path: Path) -> Recording:
    return ecgkit.read(path, salvage=True)


def assert_answered(path: Path, data: bytes, whole: Recording, values: list[np.ndarray]) -> bool:
    """Read a cut file both ways; return whether anything could be salvaged."""
    path.write_bytes(data)
    try:
        part = salvaged(path)
    except ReadError:
        with pytest.raises(
            ReadError, match=r"cut off|not a recording|are no markers|can't be found"
        ) as refused:
            ecgkit.read(path)
        assert HINT not in str(refused.value)
        return False
    for channel, of_whole in zip(part.channels, values, strict=True):
        np.testing.assert_array_equal(channel.read_raw(), of_whole[: channel.n_samples])
    assert part.markers == whole.markers[: len(part.markers)]
    samples_there = part.channels == whole.channels
    all_there = samples_there and part.markers == whole.markers and part.journal == whole.journal
    assert all_there or part.lost
    ours, refused = read_or_error(path)
    # a stream that lacks no more than its checksum gives all its samples
    assert samples_there or re.search(f"(cut off in the|can't be found).*{HINT}$", refused)
    assert all_there or refused or ours.warnings
    assert not (refused and samples_there) or dict(whole.details)["compressed"] == "yes"
    return True


def read_or_error(path: Path) -> tuple[Recording | None, str]:
    try:
        return ecgkit.read(path), ""
    except ReadError as error:
        return None, str(error)


def assert_samples_as_written(recording: Recording) -> None:
    for channel, written in zip(recording.channels, samples(), strict=True):
        np.testing.assert_array_equal(channel.read_raw(), written)


def read_all(path: Path) -> tuple[Recording, list[np.ndarray]]:
    recording = ecgkit.read(path)
    return recording, [channel.read_raw() for channel in recording.channels]


@pytest.mark.real_data
@pytest.mark.parametrize("place", range(REAL_FILES))
def test_salvage_of_a_real_file_cut_anywhere_is_its_prefix(
    real_data: Path, tmp_path: Path, place: int
) -> None:
    files = sorted((real_data / "acq").rglob("*.acq"))
    assert len(files) == REAL_FILES
    (whole, values), data = read_all(files[place]), files[place].read_bytes()
    found = [
        assert_answered(tmp_path / "cut.acq", data[: len(data) * percent // 100], whole, values)
        for percent in range(1, 100)
    ]
    assert found == sorted(found)  # the more there is of a file, the more is found
    assert found[-1]


@pytest.mark.parametrize("name", SAMPLES)
def test_salvage_of_any_kind_cut_anywhere_is_its_prefix(tmp_path: Path, name: str) -> None:
    path = SAMPLES[name](tmp_path)
    (whole, values), data = read_all(path), path.read_bytes()
    for cut in np.linspace(1, len(data) - 1, 60).astype(int):
        assert_answered(tmp_path / "cut.acq", data[:cut], whole, values)


@pytest.mark.parametrize("compressed", [False, True])
def test_salvage_of_a_file_cut_at_every_byte_is_its_prefix(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "file.acq"
    fast = AcqChannel(np.arange(40, dtype=np.int16), "a", "mV")
    slow = AcqChannel(np.linspace(0, 1, 20), "b", "V", divider=2)
    write_acq(path, [fast, slow], fs=100, compressed=compressed, journal="j")
    (whole, values), data = read_all(path), path.read_bytes()
    for cut in range(DATA - 20, len(data)):
        assert_answered(tmp_path / "cut.acq", data[:cut], whole, values)


def test_salvage_says_what_is_lost_of_cut_samples(tmp_path: Path) -> None:
    path = write(tmp_path / "file.acq")
    path.write_bytes(path.read_bytes()[: DATA + 101])  # 16 bytes for each four ticks
    with pytest.raises(
        ReadError, match=f"cut off in the samples: expected 4010 bytes at {DATA}, got 101 .*{HINT}$"
    ):
        ecgkit.read(path)
    recording = salvaged(path)
    assert [channel.n_samples for channel in recording.channels] == [25, 6]
    for channel, written in zip(recording.channels, samples(), strict=True):
        np.testing.assert_array_equal(channel.read_raw(), written[: channel.n_samples])
    assert recording.lost == (
        "channel 0 'ECG': the last 0.976 s (976 of 1001 samples)",
        "channel 1 'Respiration': the last 0.98 s (245 of 251 samples)",
        "the markers and the journal, if there were any",
    )


def test_salvage_says_what_is_lost_behind_the_samples(tmp_path: Path) -> None:
    data = write(tmp_path / "file.acq").read_bytes()
    path = tmp_path / "cut.acq"
    for cut, lost in (
        (MARKERS + 10, ("the markers and the journal, if there were any",)),
        (MARKERS + 41 + 32 + 10 + 5, ("2 of 3 markers", "the journal, if there was one")),
        (len(data) - 3, ("the journal, if there was one",)),
    ):
        path.write_bytes(data[:cut])
        recording = salvaged(path)
        assert recording.lost == lost
        assert recording.warnings == ecgkit.read(path).warnings
        assert len(recording.warnings) == 1
        assert ecgkit.read(path).lost == ()


def test_salvage_says_what_is_lost_of_cut_streams(tmp_path: Path) -> None:
    path = write(tmp_path / "file.acq", compressed=True)
    data = path.read_bytes()
    second = data.index(b"Respiration\0V\0x")
    path.write_bytes(data[: second + 200])
    ecg, respiration = salvaged(path).channels
    np.testing.assert_array_equal(ecg.read_raw(), samples()[0])
    assert 0 < respiration.n_samples < 30
    np.testing.assert_array_equal(respiration.read_raw(), samples()[1][: respiration.n_samples])
    missing = 251 - respiration.n_samples
    assert salvaged(path).lost == (
        f"channel 1 'Respiration': the last {missing / 250:.3g} s ({missing} of 251 samples)",
    )
    path.write_bytes(data[: second + 4])
    assert salvaged(path).lost == ("channel 1 'Respiration': all 251 samples",)
    path.write_bytes(data[: data.index(b"mV\0x") + 3])
    with pytest.raises(ReadError, match=r"No sample of it can be salvaged$"):
        salvaged(path)


def test_salvage_of_a_damaged_stream_takes_what_inflates_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "file.acq", compressed=True)
    data = bytearray(path.read_bytes())
    data[data.index(b"mV\0x") + 1000] ^= 0xFF
    path.write_bytes(data)
    recording = salvaged(path)
    ecg, respiration = recording.channels
    assert len(ecg.read_raw()) == ecg.n_samples < 1001
    np.testing.assert_array_equal(ecg.read_raw()[:300], samples()[0][:300])
    np.testing.assert_array_equal(respiration.read_raw(), samples()[1])
    assert re.fullmatch(r"channel 0 'ECG': the last .* of 1001 samples\)", recording.lost[0])
    assert recording.lost[1].startswith("certainty about the last samples of channel 0 'ECG'")


@pytest.mark.parametrize("piece_bytes", [61, 1 << 22])
@pytest.mark.parametrize("length", [-1, 1 << 30])
def test_salvage_finds_streams_behind_a_damaged_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, piece_bytes: int
) -> None:
    monkeypatch.setattr(acq_salvage, "SEARCH_BYTES", piece_bytes)
    path = write(tmp_path / "file.acq", compressed=True)
    patched(path, path.read_bytes().index(b"All went well.") - 594 - 4, "i", length)
    with pytest.raises(ReadError, match=f"compressed samples behind it can't be found.*{HINT}$"):
        ecgkit.read(path)
    recording = salvaged(path)
    assert_samples_as_written(recording)
    assert recording.lost == ("the journal, if there was one",)


@pytest.mark.parametrize("at", ["raw", "packed"])
@pytest.mark.parametrize("length", [-1, 3, 0x7FFFFFFF])
def test_salvage_finds_the_stream_behind_one_of_wrong_length(tmp_path: Path, at: str, length: int) -> None:
    path = write(tmp_path / "file.acq", compressed=True)
    patched(path, path.read_bytes().index(b"ECG\0mV\0x") - (8 if at == "raw" else 4), "i", length)
    with pytest.raises(ReadError, match=HINT):
        ecgkit.read(path)
    recording = salvaged(path)
    assert_samples_as_written(recording)
    assert recording.lost == ()


@pytest.mark.parametrize("count", [17, 1 << 29])
def test_salvage_trusts_a_stream_more_than_the_count_in_its_header(tmp_path: Path, count: int) -> None:
    path = patched(write(tmp_path / "file.acq", compressed=True), CHANNEL_0 + 88, "i", count)
    recording = salvaged(path)
    assert_samples_as_written(recording)
    sentence = f"the sample count of channel 0 'ECG': its header gives {count}, its stream 1001"
    assert recording.lost[-1] == sentence


@pytest.mark.parametrize("revision", [42, 84, 132])
def test_salvage_counts_samples_that_no_header_counts(tmp_path: Path, revision: int) -> None:
    path = write_old(tmp_path / "file.acq", revision=revision)
    fast, slow = (channel.read_raw() for channel in ecgkit.read(path).channels)
    data = path.read_bytes()
    start = data.index(fast[:1].tobytes() + slow[:1].tobytes())
    path.write_bytes(data[: start + 12 * 100 + 3])  # two samples of one channel, one of the other, ...
    for name in (b"ECG100C", b"RSP"):
        patched(path, data.index(name) - 6 + 88, "i", 0)
    with pytest.raises(ReadError, match=f"sample count of 0, but the 1203 bytes .* are no markers .*{HINT}$"):
        ecgkit.read(path)
    recording = salvaged(path)
    np.testing.assert_array_equal(recording.channels[0].read_raw(), fast[: 200 + 1])
    np.testing.assert_array_equal(recording.channels[1].read_raw(), slow[:100])
    assert recording.lost[0].startswith("the sample counts: the headers give 0 for every channel")


def test_read_of_a_recording_without_samples_is_empty(tmp_path: Path) -> None:
    path = write_old(tmp_path / "file.acq", revision=132)
    for salvage in (False, True):
        write_acq(path, [AcqChannel(np.empty(0, np.int16), "ECG", "mV")], fs=1000, journal="Nothing yet.")
        recording = ecgkit.read(path, salvage=salvage)
        assert (recording.channels[0].n_samples, recording.journal, recording.lost) == (0, "Nothing yet.", ())
        assert len(recording.channels[0].read()) == 0


def test_salvage_warns_when_counts_do_not_agree(tmp_path: Path) -> None:
    path = patched(write(tmp_path / "file.acq"), CHANNEL_1 + 88, "i", 1 << 20)
    recording = salvaged(path)
    np.testing.assert_array_equal(recording.channels[0].read_raw(), samples()[0])
    np.testing.assert_array_equal(recording.channels[1].read_raw(0, 251), samples()[1])
    assert any(sentence.startswith("certainty about the samples") for sentence in recording.lost)


def test_salvage_of_a_sound_file_changes_nothing(tmp_path: Path) -> None:
    for name, build in SAMPLES.items():
        path = build(tmp_path)
        assert salvaged(path) == ecgkit.read(path), name
        assert salvaged(path).lost == ()


def test_salvage_without_headers_says_that_nothing_is_left(tmp_path: Path) -> None:
    path = write(tmp_path / "file.acq")
    path.write_bytes(path.read_bytes()[: CHANNEL_1 + 20])
    with pytest.raises(ReadError, match="Without the headers before them, no samples can be salvaged"):
        salvaged(path)
    with pytest.raises(ReadError, match=r"copy or save it again$"):
        ecgkit.read(path)


@given(
    st.lists(
        st.tuples(st.sampled_from(["<i2", ">f8"]), st.integers(1, 9), st.integers(0, 40)),
        min_size=1,
        max_size=5,
    ),
    st.data(),
)
def test_samples_within_counts_exactly_those_that_end_there(
    channels: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    dtypes, dividers, counts = zip(*channels, strict=True)
    layout = Interleaved(Path("none"), 0, dtypes, dividers, counts)
    n_bytes = data.draw(st.integers(0, layout.data_bytes + 3))
    expected, position = [0] * len(channels), 0
    for tick in range(9 * 40):
        for index, (dtype, divider, count) in enumerate(channels):
            if tick % divider == 0 and tick // divider < count:
                position += np.dtype(dtype).itemsize
                expected[index] += position <= n_bytes
    assert samples_within(layout, n_bytes) == tuple(expected)
