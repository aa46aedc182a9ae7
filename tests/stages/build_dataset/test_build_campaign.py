"""Building a data set while it is killed, while another does the same, while the disk fills up.

All the while the older data set can be read. Afterwards the same call completes the build; the study then
equals, file by file and byte by byte, one that nothing disturbed. Some rounds run with all tests;
`python3 do.py soak` runs them all. A round's number is its seed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support.calls import content, finished, killed, leave_room, mounted, start

from ecgkit.dataset.part import is_sound
from ecgkit.stages import build_dataset, ingest, simulate
from ecgkit.stages.build_dataset import BuildOptions
from ecgkit.stages.ingest import IngestOptions
from ecgkit.stages.ingest.asked import Asked

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and mounts as POSIX has them")

# rounds with all tests, and of the soak
ROUNDS = {"kill": (1, 150), "step": (1, 400), "builders": (1, 50), "full": (1, 30)}
DISK_MB = 40
BUSY = "another ecgkit is building it"
PARTS = ".dataset.h5.parts"
SHARD_BYTES = 50_000
SETTINGS = {"one file": None, "shards": SHARD_BYTES}  # the latter in the soak alone


@dataclass(frozen=True)
class Campaign:
    """A simulated study with an older data set, what a build makes of it, and how long that takes.

    Attributes
    ----------
    older, newer
        The files of the older data set and of the newer one; `whole`: of the whole study at the end.
    took_s, cutting_s
        From the start, and from the first part that is there, to the end.
    n_steps
        How often a build in one process makes, renames or removes something in the study.
    """

    study: Path
    settings: tuple[object, ...]
    older: dict[str, bytes]
    newer: dict[str, bytes]
    whole: dict[str, bytes]
    took_s: float
    cutting_s: float
    n_steps: int

    def is_there(self, data_set: bytes) -> bool:
        """Tell whether this is the file of the older data set or of the newer."""
        return data_set in (self.older["dataset.h5"], self.newer["dataset.h5"])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a few rounds, or with --soak many more."""
    for kind, (few, many) in ROUNDS.items():
        if kind in metafunc.fixturenames:
            rounds = [pytest.param(number) for number in range(few)]
            if metafunc.config.getoption("--soak"):
                rounds += [pytest.param(n, marks=pytest.mark.soak) for n in range(few, few + many)]
            metafunc.parametrize(kind, rounds)
    if "campaign" in metafunc.fixturenames:
        settings = list(SETTINGS) if metafunc.config.getoption("--soak") else list(SETTINGS)[:1]
        metafunc.parametrize("campaign", settings, indirect=True, scope="module")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 24 sessions."""
    folder = tmp_path_factory.mktemp("campaign")
    simulate.run(folder / "sim", n_subjects=8, seed=5, fs=250.0, duration_s=30.0)
    table = folder / "sim" / "sessions.csv"
    ingest.run_all(Asked((), table=table), study_folder=folder / "study", options=IngestOptions(jobs=1))
    return folder / "study"


@pytest.fixture(scope="module")
def campaign(
    sessions: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Campaign:
    older, study, counted = (
        Path(shutil.copytree(sessions, tmp_path_factory.mktemp(name) / "study"))
        for name in ("older", "undisturbed", "counted")
    )
    shard_bytes = SETTINGS[request.param]
    settings = () if shard_bytes is None else ("--shard-size", f"{shard_bytes / 1e6}MB")
    build_dataset.run(
        older, BuildOptions(flags={"pipeline": {"window_s": 2.0}}, shard_bytes=shard_bytes, jobs=1)
    )
    started = time.perf_counter()
    process = build(study, settings)
    while process.poll() is None and not parts_in(study):
        time.sleep(0.002)
    first_in = time.perf_counter()
    assert finished(process) == (0, "")
    ended = time.perf_counter()
    code, said = finished(build(counted, settings, jobs=1, kill_at=0))
    assert (code, content(counted)) == (0, content(study))
    return Campaign(
        older,
        settings,
        data_set_in(older),
        data_set_in(study),
        content(study),
        ended - started,
        ended - first_in,
        n_steps=int(said.split()[-1]),
    )


def build(
    study: Path, settings: tuple[object, ...], *, jobs: int = 2, kill_at: int | None = None
) -> subprocess.Popen[str]:
    """Start a build, with two workers unless said."""
    asked = ("build-dataset", "--study", study, *settings, "--jobs", jobs, "--json")
    return start(*asked, kill_at=kill_at, within=study)


def data_set_in(study: Path) -> dict[str, bytes]:
    """The data set's file, and its shards if it has any."""
    return {path.name: path.read_bytes() for path in study.glob("dataset*.h5")}


def parts_in(study: Path) -> list[Path]:
    return [path for path in study.glob(f"{PARTS}/*.h5") if not path.name.startswith(".")]


def note(request: pytest.FixtureRequest, name: str, value: object) -> None:
    """Leave a fact of the round in the report that --junitxml writes."""
    request.node.user_properties.append((name, value))


def check_valid(study: Path, campaign: Campaign) -> None:
    """Check that a data set is there, the older or the newer one, and that each part is whole."""
    found = data_set_in(study)
    one = campaign.older if found["dataset.h5"] == campaign.older["dataset.h5"] else campaign.newer
    assert one.items() <= found.items()
    assert [part.name for part in parts_in(study) if not is_sound(part)] == []


def complete(study: Path, campaign: Campaign) -> None:
    """Make the same call again, now in one process, and compare."""
    assert finished(build(study, campaign.settings, jobs=1)) == (0, "")
    found = content(study)
    assert sorted(found) == sorted(campaign.whole)
    assert [name for name in found if found[name] != campaign.whole[name]] == []


def wait(study: Path, campaign: Campaign, seconds: float) -> None:
    """Wait, reading the data set all the time."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        assert campaign.is_there((study / "dataset.h5").read_bytes())
        time.sleep(0.01)


def kill_on_the_way(study: Path, campaign: Campaign, rng: np.random.Generator) -> None:
    """Kill a build and its workers at a random moment of the time that it takes; it must not have ended.

    Half of the moments are from the start on, half from when the first part is there.
    """
    cutting = bool(rng.integers(2))
    delay_s = rng.random() * (campaign.cutting_s if cutting else campaign.took_s)
    while True:
        process = build(study, campaign.settings)
        while cutting and process.poll() is None and not parts_in(study):
            time.sleep(0.002)
        wait(study, campaign, delay_s)
        if killed(process):
            return
        shutil.rmtree(study)
        shutil.copytree(campaign.study, study)
        delay_s *= 0.7  # the machine was busier when it was measured


@pytest.fixture
def study(campaign: Campaign, tmp_path: Path) -> Path:
    return Path(shutil.copytree(campaign.study, tmp_path / "study"))


def test_build_killed_at_a_random_moment_is_completed_by_the_same_call(
    kill: int, campaign: Campaign, study: Path, request: pytest.FixtureRequest
) -> None:
    kill_on_the_way(study, campaign, np.random.default_rng([1, kill]))
    note(request, "parts", len(parts_in(study)))
    check_valid(study, campaign)
    complete(study, campaign)


def test_build_killed_before_a_step_is_completed_by_the_same_call(
    step: int, campaign: Campaign, study: Path, request: pytest.FixtureRequest
) -> None:
    few = ROUNDS["step"][0]
    at = 1 + (campaign.n_steps // 2 + step if step < few else step - few)
    if at > campaign.n_steps:
        pytest.skip(f"it takes {campaign.n_steps} steps")
    note(request, "code", finished(build(study, campaign.settings, jobs=1, kill_at=at))[0])
    check_valid(study, campaign)
    complete(study, campaign)


def test_two_builds_at_once_both_succeed_or_one_is_told(
    builders: int, campaign: Campaign, study: Path, request: pytest.FixtureRequest
) -> None:
    offset_s = np.random.default_rng([2, builders]).uniform(0, campaign.took_s)
    first = build(study, campaign.settings)
    wait(study, campaign, offset_s)
    ends = [finished(process) for process in (build(study, campaign.settings), first)]
    note(request, "codes", [code for code, _ in ends])
    assert 0 in [code for code, _ in ends]
    for code, errors in ends:
        assert code == 0 or (code == 2 and BUSY in errors), (code, errors)
    assert content(study) == campaign.whole


def test_build_on_a_disk_that_fills_up_says_so_and_is_completed_when_there_is_room(
    full: int, campaign: Campaign, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with mounted(tmp_path / "disk", megabytes=DISK_MB) as disk:
        study = Path(shutil.copytree(campaign.study, disk / "study"))
        room = round(np.random.default_rng([3, full]).random() * sum(map(len, campaign.newer.values())))
        filler = leave_room(disk, room)
        code, errors = finished(build(study, campaign.settings))
        note(request, "parts", len(parts_in(study)))
        assert code == 2, errors
        assert "no space left" in errors
        assert campaign.older.items() <= content(study).items()
        check_valid(study, campaign)
        filler.unlink()
        complete(study, campaign)
