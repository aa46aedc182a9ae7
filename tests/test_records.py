import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.errors import ChannelError, StudyError
from ecgkit.files import sha256_of
from ecgkit.records import Channel, Marker, Recording, Tags


def channel(index: int = 0, name: str = "ECG", *, divider: int = 1, n_samples: int = 10) -> Channel:
    """A channel whose samples count from 0, stored as int16 with scale 0.5 and offset 1."""
    samples = np.arange(n_samples, dtype=np.int16)
    return Channel(
        index=index,
        number=index + 1,
        name=name,
        unit="mV",
        fs=100 / divider,
        n_samples=n_samples,
        dtype=samples.dtype,
        scale=0.5,
        offset=1.0,
        sample_reader=lambda start, stop: samples[start:stop].copy(),
    )


def recording(*channels: Channel, markers: tuple[Marker, ...] = ()) -> Recording:
    return Recording(Path("a.acq"), "acq", "made here", fs=100.0, channels=channels, markers=markers)


def test_channel_read_applies_scale_and_offset() -> None:
    np.testing.assert_array_equal(channel().read(2, 4), [2.0, 2.5])
    assert channel().read_raw(2, 4).dtype == np.int16
    assert channel().duration_s == 0.1


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 11)])
def test_channel_read_refuses_ranges_outside(start: int, stop: int) -> None:
    with pytest.raises(ChannelError, match=r"it has \[0, 10\)"):
        channel().read(start, stop)


@given(st.integers(0, 10), st.integers(0, 10), st.integers(1, 12))
def test_channel_chunks_join_to_what_read_gives(start: int, length: int, size: int) -> None:
    one, stop = channel(), min(10, start + length)
    chunks = list(one.chunks(size, start=start, stop=stop))
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * len(chunks[:-1])
    np.testing.assert_array_equal(np.concatenate([[], *chunks]), one.read(start, stop))
    np.testing.assert_array_equal(
        np.concatenate([[], *one.raw_chunks(size, start=start, stop=stop)]), one.read_raw(start, stop)
    )


def test_channel_chunks_come_from_the_chunk_reader_where_there_is_one() -> None:
    one = replace(channel(), chunk_reader=lambda start, stop, size: iter([np.int16([start, stop, size])]))
    np.testing.assert_array_equal(next(one.chunks(4, start=2)), [2.0, 6.0, 3.0])


def test_channel_chunks_of_no_samples_each_are_refused() -> None:
    with pytest.raises(ChannelError, match="chunks of 0 samples, expected at least 1"):
        list(channel().chunks(0))


@given(st.none() | st.integers(-15, 15), st.none() | st.integers(-15, 15))
def test_channel_slices_count_as_in_any_sequence(start: int | None, stop: int | None) -> None:
    np.testing.assert_array_equal(channel()[start:stop], channel().read()[start:stop])


@pytest.mark.parametrize("span", [3, slice(0, 4, 2), "ECG"])
def test_channel_takes_only_whole_slices(span: object) -> None:
    with pytest.raises(ChannelError, match=r"expected \[start:stop\]"):
        channel()[span]


def test_channel_read_gives_nan_for_missing_counts() -> None:
    one = replace(channel(), missing=3)
    np.testing.assert_array_equal(one.read(2, 5), [2.0, np.nan, 3.0])
    np.testing.assert_array_equal(one.read_raw(2, 5), [2, 3, 4])


def test_recording_hash_covers_all_its_files(tmp_path: Path) -> None:
    one, other = tmp_path / "one.hea", tmp_path / "one.dat"
    one.write_bytes(b"head")
    other.write_bytes(b"data")
    alone = replace(recording(channel()), path=one)
    assert alone.sha256() == sha256_of(one)
    both = replace(alone, files=(one, other))
    assert both.sha256() == hashlib.sha256((sha256_of(one) + sha256_of(other)).encode()).hexdigest()


def test_recording_channel_by_name_and_position() -> None:
    both = recording(channel(0, "ECG"), channel(1, "Resp"))
    assert both.channel("Resp").index == 1
    assert both.channel(0).name == "ECG"
    with pytest.raises(ChannelError, match=r"known are: ECG, Resp"):
        both.channel("EKG")
    assert both.channel("1").name == "Resp"
    with pytest.raises(ChannelError, match=r"unknown channel '2'.* By position: 0 to 1"):
        both.channel(2)


def test_recording_channel_of_a_doubled_name_asks_for_the_position() -> None:
    with pytest.raises(ChannelError, match="2 channels are named 'ECG'; give the position: 0, 1"):
        recording(channel(0), channel(1)).channel("ECG")


def test_segments_without_append_markers_is_the_whole_channel() -> None:
    one = channel(n_samples=10)
    assert recording(one, markers=(Marker(3, 0.03, "hello", "flag"),)).segments(one) == ((0, 10),)


@given(st.sets(st.integers(0, 60), max_size=5), st.sampled_from([1, 2, 4]))
def test_segments_cover_the_channel_and_never_cross_a_marker(starts: set[int], divider: int) -> None:
    one = channel(divider=divider, n_samples=40 // divider)
    markers = tuple(Marker(sample, sample / 100, "", "apnd") for sample in starts)
    segments = recording(one, markers=markers).segments(one)
    covered = [sample for start, stop in segments for sample in range(start, stop)]
    assert covered == list(range(one.n_samples))
    for start, stop in segments:
        assert not any(start * divider < sample <= (stop - 1) * divider for sample in starts)


@given(st.integers(0, 59), st.integers(1, 60), st.sampled_from([1, 2, 4]))
def test_stretch_holds_the_samples_at_or_after_its_start(start: int, length: int, divider: int) -> None:
    stop = min(start + length, 60)
    whole = recording(channel(n_samples=60), channel(1, "B", divider=divider, n_samples=60 // divider))
    part = whole.stretch(start / 100, stop / 100)
    for before, after in zip(whole.channels, part.channels, strict=True):
        times_s = np.arange(before.n_samples) / before.fs
        inside = (times_s > start / 100 - 1e-9) & (times_s < stop / 100 - 1e-9)
        np.testing.assert_array_equal(after.read_raw(), before.read_raw()[inside])
        np.testing.assert_array_equal(np.concatenate([np.empty(0), *after.chunks(7)]), after.read())


def test_stretch_moves_markers_and_the_start() -> None:
    from datetime import UTC, datetime

    markers = tuple(Marker(sample=at, time_s=at / 100, text="", style="flag") for at in (0, 19, 20, 39, 40))
    whole = replace(
        recording(channel(n_samples=60), markers=markers), start_time=datetime(2020, 1, 1, tzinfo=UTC)
    )
    part = whole.stretch(0.2, 0.4)
    assert [marker.sample for marker in part.markers] == [0, 19]
    assert [round(marker.time_s, 9) for marker in part.markers] == [0, 0.19]
    assert part.start_time == datetime(2020, 1, 1, microsecond=200_000, tzinfo=UTC)
    assert part.duration_s == 0.2


def test_stretch_after_a_pause_does_not_know_when_it_began() -> None:
    from datetime import UTC, datetime

    markers = tuple(Marker(sample=at, time_s=at / 100, text="", style="apnd") for at in (0, 30))
    whole = replace(
        recording(channel(n_samples=60), markers=markers), start_time=datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert whole.stretch(0.1, 0.6).start_time is not None
    assert whole.stretch(0.3, 0.6).start_time is None


def test_stretch_reads_on_from_chunk_to_chunk() -> None:
    def chunks(start: int, stop: int, size: int) -> Iterator[np.ndarray]:
        for first in range(start, stop, size):
            yield np.arange(first, min(first + size, stop), dtype=np.int16)

    whole = recording(replace(channel(n_samples=60), chunk_reader=chunks))
    part = whole.stretch(0.1, 0.5).channels[0]
    np.testing.assert_array_equal(np.concatenate(list(part.raw_chunks(7, start=3))), np.arange(13, 50))


@pytest.mark.parametrize(("start_s", "stop_s"), [(-0.1, 0.2), (0.2, 0.2), (0.3, 0.2), (0, 0.7), (0, np.nan)])
def test_stretch_refuses_what_is_not_in_the_recording(start_s: float, stop_s: float) -> None:
    with pytest.raises(ChannelError, match=r"asked for, it has 0 to 0\.6"):
        recording(channel(n_samples=60)).stretch(start_s, stop_s)


def test_tags_key_is_the_sessions_name() -> None:
    assert Tags("07", "deep_breathing", 2, 1).key == "sub-07_visit-2_cond-deep_breathing_take-1"


@pytest.mark.parametrize("subject", ["", "a/b", "../x", "S 7", "ä", "x" * 33, "a_b", "7\n"])
def test_tags_refuse_subject_ids_that_are_no_plain_names(subject: str) -> None:
    with pytest.raises(StudyError, match="letters and digits"):
        Tags(subject, "rest")


def test_tags_refuse_wrong_conditions_and_numbers() -> None:
    with pytest.raises(StudyError, match="condition"):
        Tags("07", "Rest/1")
    with pytest.raises(StudyError, match="visit 0"):
        Tags("07", "rest", visit=0)
