"""Files damaged at random: each is a recording or a clear error, in bounded time and memory.

The short campaign runs with all tests; `python3 do.py soak` runs the long one. A finding names the seed:
`mutated("acq", 1234)` of tests/support/mutate.py builds the file again, and the test leaves it where it says.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.mutate import mutated, samples_of
from support.recordings import stored

import ecgkit
from ecgkit.errors import EcgkitError, ReadError, StudyError
from ecgkit.readers import FORMATS
from ecgkit.readers.options import ReadOptions
from ecgkit.records import Recording
from ecgkit.stages import info
from ecgkit.stages.signal_check import check_channel

# what a format's files may leave open
OPTIONS: dict[str, dict] = {"text": {"fs": 250.0, "unit": "mV"}, "wav": {"unit": "mV"}}
SHORT = 60
SOAK = {
    "acq": 50_000,
    "wfdb": 40_000,
    "edf": 30_000,
    "wav": 30_000,
    "text": 25_000,
    "mat": 25_000,
    "xdf": 15_000,
    "bids": 15_000,
}
SHARD = 500
KEPT, CHECKED = 4, 20  # every how many files are put into a study, and checked

LONGEST_S = 2.0
HANGING_S = 20.0
ROOM_BYTES, ROOM_FOLD = 200 << 20, 20
CHUNK, MOST_CHUNKS = 1 << 16, 64
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a short case of each format, or with --soak many long ones."""
    cases = [pytest.param(name, 0, SHORT, id=name) for name in SOAK]
    if metafunc.config.getoption("--soak"):
        cases += [
            pytest.param(name, first, first + SHARD, id=f"{name}-{first}", marks=pytest.mark.soak)
            for name, count in SOAK.items()
            for first in range(0, count, SHARD)
        ]
    if "first" in metafunc.fixturenames:
        metafunc.parametrize(("name", "first", "stop"), cases)


def test_read_of_mutated_files_is_a_recording_or_a_clear_error(
    name: str, first: int, stop: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    findings, costs = [], [(0.0, 0)]
    for seed in range(first, stop):
        folder = tmp_path / f"{name}-{seed}"
        folder.mkdir()
        sample = mutated(name, seed)
        try:
            options = OPTIONS.get(name, {}) if seed % 2 else {}
            costs.append(
                cost_of(sample.write(folder), options, kept=seed % KEPT == 1, checked=seed % CHECKED == 1)
            )
            refuse_waste(*costs[-1], file_bytes=sum(map(len, sample.files.values())))
            shutil.rmtree(folder)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is a finding)
            where = traceback.extract_tb(error.__traceback__)[-1]
            findings.append(
                f"mutated({name!r}, {seed}): {type(error).__name__}: {error} "
                f"({Path(where.filename).name}:{where.lineno}; files in {folder})"
            )
    seconds, grown_bytes = (max(values) for values in zip(*costs, strict=True))
    # for --junitxml
    request.node.user_properties += [("slowest_ms", 1e3 * seconds), ("peak_mb", grown_bytes / 1e6)]
    assert not findings, "\n".join([f"{len(findings)} of {stop - first}", *findings])


def test_every_format_is_mutated() -> None:
    assert set(SOAK) == set(FORMATS)


@pytest.mark.parametrize("name", SOAK)
def test_mutated_files_are_told_by_their_seed(name: str, tmp_path: Path) -> None:
    assert [mutated(name, seed) for seed in range(20)] == [mutated(name, seed) for seed in range(20)]
    for sample in samples_of(name):
        assert sum(map(len, sample.files.values())) <= 20_000
        recording = None
        for options in ({}, OPTIONS.get(name, {})):
            with suppress(ReadError):
                recording = recording or ecgkit.read(sample.write(tmp_path), **options)
        assert recording is not None


def cost_of(path: Path, options: dict, *, kept: bool, checked: bool) -> tuple[float, int]:
    """Use a file; return the CPU seconds that it took and how far memory grew (where Linux tells it)."""
    resident = memory("VmRSS", reset=True)
    began = time.process_time()
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGPROF, hanging)
        signal.setitimer(signal.ITIMER_PROF, HANGING_S)
    try:
        use(path, options, kept=kept, checked=checked)
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
    return time.process_time() - began, memory("VmHWM") - resident


def refuse_waste(seconds: float, grown_bytes: int, *, file_bytes: int) -> None:
    assert seconds <= LONGEST_S, f"took {seconds:.1f} s"
    assert grown_bytes <= ROOM_FOLD * file_bytes + ROOM_BYTES, f"took {grown_bytes / 1e6:.0f} MB"


def use(path: Path, options: dict, *, kept: bool, checked: bool) -> None:
    """Do with a file all that a user may: read it, take its samples, have it described, kept and checked."""
    for salvage in (True, False):
        with suppress(EcgkitError):
            recording = ecgkit.read(path, salvage=salvage, **options)
            take_samples(recording)
            if kept and recording.channels[0].n_samples:
                keep(recording, path.parent / f"study-{salvage}")
            if checked:
                check_channel(recording, recording.channels[0])
            described = info.run(path, reading=ReadOptions(salvage=salvage, **options))
            json.dumps(info.as_dict(described), allow_nan=False)


def take_samples(recording: Recording) -> None:
    for channel in recording.channels:
        recording.segments(channel)
        with suppress(EcgkitError):
            got = [len(chunk) for chunk in itertools.islice(channel.chunks(CHUNK), MOST_CHUNKS)]
            assert sum(got) == min(channel.n_samples, CHUNK * MOST_CHUNKS)


def keep(recording: Recording, folder: Path) -> None:
    """Put a recording into a study, and compare what comes out of it."""
    if all(channel.n_samples <= CHUNK * MOST_CHUNKS for channel in recording.channels):
        try:
            got = stored(recording, folder)
        except StudyError as error:  # what was written must be readable
            raise AssertionError(str(error)) from error
        plain = tuple(replace(marker, created=None) for marker in recording.markers)
        np.testing.assert_equal(repr(got.channels), repr(recording.channels))  # NaN is no equal of itself
        assert got.markers == plain


def hanging(*_: object) -> None:
    raise AssertionError(f"still at it after {HANGING_S:g} s")


def memory(field: str, *, reset: bool = False) -> int:
    """Return what Linux says of this process's memory, in bytes; `reset` forgets the peak so far."""
    with suppress(OSError):
        if reset:
            RESET.write_text("5")
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1]) << 10
    return 0
