"""What every format's recordings have in common; a further row of `FORMATS` is taken up by itself."""

from __future__ import annotations

import importlib
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.recordings import stored

import ecgkit
from ecgkit.readers import FORMATS
from ecgkit.records import RAW_TYPES
from ecgkit.stages import info

SAMPLES = [
    (name, sample) for name in FORMATS for sample in importlib.import_module(f"support.{name}_files").SAMPLES
]
NAMED = ("bids",)  # its files find each other by their names, as do people


def build(name: str, sample: str, folder: Path) -> Path:
    path: Path = importlib.import_module(f"support.{name}_files").SAMPLES[sample](folder)
    return path


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_recording_keeps_the_contract(name: str, sample: str, tmp_path: Path) -> None:
    recording = ecgkit.read(build(name, sample, tmp_path))
    assert (recording.format, recording.lost) == (name, ())
    assert recording.version
    assert recording.channels
    assert recording.fs > 0
    for index, channel in enumerate(recording.channels):
        raw = channel.read_raw()
        assert channel.index == index
        assert channel.dtype.name in RAW_TYPES
        assert (raw.dtype, raw.shape) == (channel.dtype, (channel.n_samples,))
        assert raw.dtype.isnative
        assert raw.flags.writeable
        third, half = channel.n_samples // 3, channel.n_samples // 2
        np.testing.assert_array_equal(channel[third:half], channel.read()[third:half])
        np.testing.assert_array_equal(np.concatenate([raw[:0], *channel.raw_chunks(97)]), raw)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(channel)).read_raw(), raw)
        assert recording.segments(channel)[-1][1] == channel.n_samples
    for marker in recording.markers:
        assert marker.time_s == pytest.approx(marker.sample / recording.fs)
    json.dumps(info.as_dict(info.run(recording.path)), allow_nan=False)
    assert len(recording.sha256()) == 64


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_study_keeps_channels_and_markers_exactly(name: str, sample: str, tmp_path: Path) -> None:
    recording = ecgkit.read(build(name, sample, tmp_path))
    kept = stored(recording, tmp_path / "study")
    assert kept.channels == recording.channels
    for channel, original in zip(kept.channels, recording.channels, strict=True):
        np.testing.assert_array_equal(channel.read_raw(), original.read_raw())
        np.testing.assert_array_equal(channel.read(), original.read())
    # when a marker was set stays out
    assert kept.markers == tuple(replace(marker, created=None) for marker in recording.markers)
    for channel, original in zip(kept.channels, recording.channels, strict=True):
        assert kept.segments(channel) == recording.segments(original)


@pytest.mark.parametrize(("name", "sample"), [pair for pair in SAMPLES if pair[0] not in NAMED])
def test_format_is_told_by_content_alone(name: str, sample: str, tmp_path: Path) -> None:
    path = build(name, sample, tmp_path)
    other = path.with_name("Somebody-L05")
    path.rename(other)
    assert ecgkit.read(other).format == name
