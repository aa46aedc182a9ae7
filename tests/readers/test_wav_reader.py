"""WAV files: every type of sample read exactly, in any range; damaged files answered clearly."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.wav_files import KINDS, SAMPLES, chunk, cue_chunks, format_chunk, simulated, wav_bytes

import ecgkit
from ecgkit.errors import ReadError
from ecgkit.readers import wav_reader

RAW_TYPES = {"u1": "int16", "i2": "int16", "i3": "int32", "i4": "int32", "f4": "float32", "f8": "float64"}
FORMS = (b"RIFF", b"RIFX", b"RF64", b"BW64")
FMT, DATA = 12, 44  # where a file of one format chunk has it, and its samples


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file.wav"
    path.write_bytes(content)
    return path


def patched(folder: Path, offset: int, code: str, value: int) -> Path:
    """A file of three channels, 16 bit, with one field overwritten."""
    data = bytearray(wav_bytes(simulated("i2", 300, 3), "i2", 1000))
    struct.pack_into(f"<{code}", data, offset, value)
    return written(folder, bytes(data))


@pytest.mark.parametrize("name", SAMPLES)
def test_read_gives_every_sample_file(tmp_path: Path, name: str) -> None:
    recording = ecgkit.read(SAMPLES[name](tmp_path))
    assert (recording.format, recording.fs, recording.duration_s) == ("wav", 1000.0, 0.3)
    assert [channel.name for channel in recording.channels] == [
        f"channel {number + 1}" for number in range(len(recording.channels))
    ]
    assert {channel.unit for channel in recording.channels} == {""}
    assert (recording.warnings, recording.lost) == ((), ())


@given(
    kind=st.sampled_from(sorted(KINDS)),
    form=st.sampled_from(FORMS),
    extensible=st.booleans(),
    n_channels=st.integers(1, 5),
    n_frames=st.integers(1, 60),
    chunk_bytes=st.integers(1, 200),
    data=st.data(),
)
def test_read_equals_what_was_written_in_every_range(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    form: bytes,
    extensible: bool,
    n_channels: int,
    n_frames: int,
    chunk_bytes: int,
    data: st.DataObject,
) -> None:
    samples = simulated(kind, n_frames, n_channels, seed=n_frames)
    path = tmp_path_factory.mktemp("wav") / "file.wav"
    path.write_bytes(wav_bytes(samples, kind, 360, form=form, extensible=extensible))
    start = data.draw(st.integers(0, n_frames))
    stop = data.draw(st.integers(start, n_frames))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wav_reader, "CHUNK_BYTES", chunk_bytes)
        recording = ecgkit.read(path)
        assert len(recording.channels) == n_channels
        for channel, column in zip(recording.channels, samples.T, strict=True):
            expected = column - 128 if kind == "u1" else column
            raw = channel.read_raw(start, stop)
            assert (raw.dtype, channel.dtype) == (np.dtype(RAW_TYPES[kind]),) * 2
            np.testing.assert_array_equal(raw, expected[start:stop])
            np.testing.assert_array_equal(channel.read(), expected)


def test_read_equals_scipy(tmp_path: Path) -> None:
    wavfile = pytest.importorskip("scipy.io.wavfile")
    for name in ("pcm16", "float64"):
        path = SAMPLES[name](tmp_path)
        fs, samples = wavfile.read(path)
        recording = ecgkit.read(path)
        assert recording.fs == fs
        for channel, column in zip(recording.channels, np.atleast_2d(samples.T), strict=True):
            np.testing.assert_array_equal(channel.read_raw(), column)


def test_read_takes_the_unit_the_user_gives_and_refuses_other_options(tmp_path: Path) -> None:
    path = SAMPLES["pcm16"](tmp_path)
    assert [channel.unit for channel in ecgkit.read(path, unit="uV").channels] == ["uV"] * 3
    with pytest.raises(ReadError, match="wav files say this themselves; leave out --fs"):
        ecgkit.read(path, fs=500)


def test_read_gives_cue_points_as_markers(tmp_path: Path) -> None:
    recording = ecgkit.read(SAMPLES["cues"](tmp_path))
    assert [(m.sample, m.time_s, m.text) for m in recording.markers] == [
        (10, 0.01, "rest"),
        (200, 0.2, "exercise"),
    ]


def test_read_warns_of_cue_points_behind_the_last_sample(tmp_path: Path) -> None:
    behind = cue_chunks([(301, "late"), (300, "end")])
    recording = ecgkit.read(written(tmp_path, wav_bytes(simulated("i2", 300, 1), "i2", 1000, behind=behind)))
    assert [marker.text for marker in recording.markers] == ["end", "late"]
    assert recording.warnings == (
        "1 of 2 markers lie outside the recording of 300 samples; the others may be shifted too",
    )


@pytest.mark.parametrize(
    "behind",
    [
        chunk(b"cue ", b"\0" * 28, length=900),
        chunk(b"LIST", b"adtl", length=1 << 31),
        chunk(b"a", b"") * 1200,
    ],
)
def test_read_keeps_the_samples_when_markers_are_damaged(tmp_path: Path, behind: bytes) -> None:
    samples = simulated("i2", 300, 1)
    recording = ecgkit.read(written(tmp_path, wav_bytes(samples, "i2", 1000, behind=behind)))
    np.testing.assert_array_equal(recording.channels[0].read_raw(), samples[:, 0])
    assert recording.markers == ()
    assert "markers are left out" in recording.warnings[0]


def test_channel_read_survives_pickling_and_knows_a_file_that_shrank(tmp_path: Path) -> None:
    path = SAMPLES["pcm16"](tmp_path)
    channel = pickle.loads(pickle.dumps(ecgkit.read(path).channels[2]))
    np.testing.assert_array_equal(channel.read_raw(10, 20), simulated("i2", 300, 3)[10:20, 2])
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ReadError, match="shorter than when it was opened"):
        channel.read_raw()


@pytest.mark.parametrize("cut", [12, 20, 30, 43, 44, 45, 50, 1000, 1843])
def test_read_of_a_cut_file_fails_or_salvages_the_prefix(tmp_path: Path, cut: int) -> None:
    samples = simulated("i2", 300, 3)
    path = written(tmp_path, wav_bytes(samples, "i2", 1000)[:cut])
    with pytest.raises(ReadError, match=r"file\.wav: cut off (in|before) the"):
        ecgkit.read(path)
    if cut < DATA + 6:
        with pytest.raises(ReadError, match=r"cut off|holds no samples"):
            ecgkit.read(path, salvage=True)
        return
    recording = ecgkit.read(path, salvage=True)
    whole = (cut - DATA) // 6
    for channel, column in zip(recording.channels, samples.T, strict=True):
        np.testing.assert_array_equal(channel.read_raw(), column[:whole])
    gone = 300 - whole
    assert recording.lost == tuple(
        f"channel {index} 'channel {index + 1}': the last {gone / 1000:.3g} s ({gone} of 300 samples)"
        for index in range(3)
    )


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF])
def test_read_of_an_unfinished_file_fails_or_salvages_all(tmp_path: Path, claimed: int) -> None:
    samples = simulated("i2", 300, 1)
    path = written(tmp_path, wav_bytes(samples, "i2", 1000, claimed=claimed))
    with pytest.raises(ReadError, match=r"never finished: .* 600 bytes follow.* --salvage"):
        ecgkit.read(path)
    recording = ecgkit.read(path, salvage=True)
    np.testing.assert_array_equal(recording.channels[0].read_raw(), samples[:, 0])
    assert recording.lost == (
        "the file was not finished; all 600 bytes behind its header are taken for samples",
    )


def test_read_says_when_the_samples_make_no_whole_frame(tmp_path: Path) -> None:
    recording = ecgkit.read(patched(tmp_path, DATA - 4, "I", 1797))
    assert recording.channels[0].n_samples == 299
    assert recording.warnings[0] == "the last 3 bytes of samples make no whole frame and are left out"


@pytest.mark.parametrize(
    ("offset", "code", "value", "message"),
    [
        (FMT + 4, "I", 0, "the format chunk has 0 bytes|cut off"),
        (FMT + 4, "I", 1 << 30, r"cut off in the chunk 'fmt ': expected 1073741824 bytes at 20, got 1824"),
        (FMT + 8, "H", 7, r"compressed samples \(mu-law\), expected PCM or float"),
        (FMT + 8, "H", 999, r"compressed samples \(format 999\)"),
        (FMT + 10, "H", 0, "gives 0 channels, expected 1 to 1024"),
        (FMT + 10, "H", 65535, "gives 65535 channels"),
        (FMT + 12, "I", 0, "gives 0 samples a second"),
        (FMT + 12, "I", 0xFFFFFFFF, "gives 4294967295 samples a second"),
        (FMT + 20, "H", 0, "frames of 0 bytes for 3 channels of 16 bits, which do not fit"),
        (FMT + 20, "H", 7, "frames of 7 bytes for 3 channels"),
        (FMT + 22, "H", 24, "3 channels of 24 bits, which do not fit"),
        (DATA - 4, "I", 1 << 31, "cut off in the samples: expected 2147483648 bytes at 44, got 1800"),
        (DATA - 8, "I", 0, "cut off before the samples"),
    ],
)
def test_read_names_the_field_that_is_impossible(
    tmp_path: Path, offset: int, code: str, value: int, message: str
) -> None:
    with pytest.raises(ReadError, match=message):
        ecgkit.read(patched(tmp_path, offset, code, value))


def test_read_refuses_samples_before_their_format_and_endless_chunks(tmp_path: Path) -> None:
    data = chunk(b"data", bytes(10)) + format_chunk("i2", 1, 100)
    with pytest.raises(ReadError, match="no format chunk before the samples at 20"):
        ecgkit.read(written(tmp_path, b"RIFF\0\0\0\0WAVE" + data))
    with pytest.raises(ReadError, match="more than 1000 chunks"):
        ecgkit.read(written(tmp_path, b"RIFF\0\0\0\0WAVE" + chunk(b"junk", b"") * 2000))


@pytest.mark.real_data
def test_read_real_files_equal_their_bytes(real_data: Path) -> None:
    paths = sorted((real_data / "electrophys").glob("*.wav"))
    assert len(paths) == 65
    for path in paths:
        content = path.read_bytes()
        assert content[36:40] == b"data"
        samples = np.frombuffer(content, "<i2", struct.unpack_from("<I", content, 40)[0] // 2, 44)
        recording = ecgkit.read(path)
        (channel,) = recording.channels
        assert (recording.fs, channel.unit, channel.n_samples) == (10000.0, "", len(samples))
        assert (recording.warnings, recording.lost, recording.markers) == ((), (), ())
        np.testing.assert_array_equal(channel.read_raw(), samples)
        np.testing.assert_array_equal(channel[5000:9000], samples[5000:9000])
