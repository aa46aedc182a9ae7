"""Ingesting a table while it is killed, while another does the same, while the disk fills up.

Afterwards the same call completes the study, and it equals, file by file and byte by byte, one that nothing
disturbed. Some rounds run with all tests; `python3 do.py soak` runs them all. A round's number is its seed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ecgkit.stages import simulate, verify

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and mounts as POSIX has them")

# rounds with all tests, and of the soak
ROUNDS = {"kill": (2, 100), "step": (1, 200), "writers": (1, 50), "full": (1, 20)}
DISK_MB = 20
MANY_S = 600  # a call that takes as long hangs
BUSY = "another ecgkit is working on this study"

# Runs the command, and kills it with its workers before its n-th step that changes something in the study.
STEPPER = """
import os, signal, sys
study, last, *args = sys.argv[1:]
left = int(last)
def count(event, facts):
    global left
    if event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree") or (
        event == "open" and isinstance(facts[2], int) and facts[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    ):
        if any(str(fact).startswith(study) for fact in facts[:2]):
            left -= 1
            if left == 0:
                os.killpg(os.getpgrp(), signal.SIGKILL)
sys.addaudithook(count)
from ecgkit.cli import main
try:
    main(args)
finally:
    print("steps", int(last) - left, file=sys.stderr)
"""


@dataclass(frozen=True)
class Campaign:
    """A simulated study's table, the study that it makes, and how long that takes.

    Attributes
    ----------
    took_s, placing_s
        From the start, and from the first session that is in the study, to the end.
    n_steps
        How often something in the study is made, renamed or removed.
    """

    table: Path
    first_half: Path
    second_half: Path
    whole: dict[str, bytes]
    took_s: float
    placing_s: float
    n_steps: int


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a few rounds, or with --soak many more."""
    for kind, (few, many) in ROUNDS.items():
        if kind in metafunc.fixturenames:
            rounds = [pytest.param(number) for number in range(few)]
            if metafunc.config.getoption("--soak"):
                rounds += [pytest.param(n, marks=pytest.mark.soak) for n in range(few, few + many)]
            metafunc.parametrize(kind, rounds)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    folder = tmp_path_factory.mktemp("campaign")
    simulate.run(folder / "sim", n_subjects=4, seed=5, fs=250.0, duration_s=20.0)
    table = folder / "sim" / "sessions.csv"
    head, *rows = table.read_text(encoding="utf-8").splitlines(keepends=True)
    halves = []
    for name, part in (("first.csv", rows[::2]), ("second.csv", rows[1::2])):
        halves.append(table.with_name(name))
        halves[-1].write_text("".join([head, *part]), encoding="utf-8")
    study = folder / "undisturbed" / "study"
    started = time.perf_counter()
    process = start(study, table)
    while process.poll() is None and not sessions_in(study):
        time.sleep(0.002)
    first_in = time.perf_counter()
    assert finished(process) == (0, "")
    ended = time.perf_counter()
    counted = folder / "counted" / "study"
    code, said = finished(start(counted, table, kill_at=0))
    assert (code, content(counted)) == (0, content(study))
    n_steps = int(said.split()[-1])
    return Campaign(table, *halves, content(study), ended - started, ended - first_in, n_steps)


def start(study: Path, table: Path, *, kill_at: int | None = None) -> subprocess.Popen[str]:
    """Start an ingest with two workers, all in a process group of their own."""
    args = ["ingest", "--table", str(table), "--study", str(study), "--jobs", "2", "--json"]
    stepper = ["-c", STEPPER, str(study), str(kill_at)]
    return subprocess.Popen(
        [sys.executable, *(["-m", "ecgkit"] if kill_at is None else stepper), *args],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a call to end; return its exit code and what it complained of."""
    code, errors, _ = outcome_of(process)
    return code, errors


def outcome_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a call to end; return its exit code, what it complained of, and its summary."""
    try:
        shown, errors = process.communicate(timeout=MANY_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"it hangs: {process.args}")
    assert "Traceback" not in errors, errors
    return process.returncode, errors, shown


def kill_on_the_way(study: Path, campaign: Campaign, rng: np.random.Generator) -> None:
    """Kill an ingest and its workers at a random moment of the time that it takes; it must not have ended.

    Half of the moments are from the start on, half from when the first session is in the study.
    """
    first_in = bool(rng.integers(2))
    delay_s = rng.random() * (campaign.placing_s if first_in else campaign.took_s)
    while True:
        process = start(study, campaign.table)
        while first_in and process.poll() is None and not sessions_in(study):
            time.sleep(0.002)
        time.sleep(delay_s)
        under_way = process.poll() is None
        if under_way:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=MANY_S)
        if under_way:
            return
        shutil.rmtree(study)
        delay_s *= 0.7  # the machine was busier when it was measured


def sessions_in(study: Path) -> list[Path]:
    return list(study.glob("sessions/sub-*.h5"))


def content(folder: Path) -> dict[str, bytes]:
    """Everything in a folder; of folders in it, that they are there."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"(folder)"
        for path in folder.rglob("*")
    }


def note(request: pytest.FixtureRequest, name: str, value: object) -> None:
    """Leave a fact of the round in the report that --junitxml writes."""
    request.node.user_properties.append((name, value))


def check_valid(study: Path) -> None:
    """Check that what is there is whole, whatever happened."""
    if (study / "study.yaml").exists():
        assert [finding for finding in verify.run(study).findings if finding.severity == "fault"] == []
    else:
        assert sessions_in(study) == []


def complete(study: Path, tables: Sequence[Path], campaign: Campaign) -> None:
    """Make the same calls again, and compare."""
    for table in tables:
        assert finished(start(study, table)) == (0, "")
    found = content(study)
    assert sorted(found) == sorted(campaign.whole)
    assert [name for name in found if found[name] != campaign.whole[name]] == []


def test_ingest_killed_at_a_random_moment_is_completed_by_the_same_call(
    kill: int, campaign: Campaign, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    study = tmp_path / "study"
    kill_on_the_way(study, campaign, np.random.default_rng([1, kill]))
    note(request, "sessions", len(sessions_in(study)))
    check_valid(study)
    complete(study, [campaign.table], campaign)


def test_ingest_killed_before_a_step_is_completed_by_the_same_call(
    step: int, campaign: Campaign, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    few = ROUNDS["step"][0]
    at = 1 + (campaign.n_steps // 2 + step if step < few else step - few)
    if at > campaign.n_steps:
        pytest.skip(f"it takes {campaign.n_steps} steps")
    study = tmp_path / "study"
    note(request, "code", finished(start(study, campaign.table, kill_at=at))[0])
    check_valid(study)
    complete(study, [campaign.table], campaign)


@pytest.mark.parametrize("disjoint", [True, False], ids=["disjoint", "same"])
def test_two_ingests_at_once_both_succeed_or_one_is_told(
    writers: int, disjoint: bool, campaign: Campaign, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    study = tmp_path / "study"
    tables = (campaign.first_half, campaign.second_half) if disjoint else (campaign.table,) * 2
    offset_s = np.random.default_rng([2, writers]).uniform(0, campaign.took_s)
    first = start(study, tables[0])
    time.sleep(offset_s)
    ends = [finished(process) for process in (start(study, tables[1]), first)]
    note(request, "codes", [code for code, _ in ends])
    assert 0 in [code for code, _ in ends]
    for code, errors in ends:
        assert code == 0 or (code == 2 and BUSY in errors), (code, errors)
    check_valid(study)
    if all(code == 0 for code, _ in ends):
        assert content(study) == campaign.whole
    complete(study, tables, campaign)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here: that takes the rights of root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_ingest_on_a_disk_that_fills_up_says_so_and_is_completed_when_there_is_room(
    full: int, campaign: Campaign, small_disk: Path, request: pytest.FixtureRequest
) -> None:
    study = small_disk / "study"
    room = round(np.random.default_rng([3, full]).random() * sum(map(len, campaign.whole.values())))
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - room))
    code, errors, shown = outcome_of(start(study, campaign.table))
    note(request, "code", code)
    note(request, "sessions", len(sessions_in(study)))
    assert code in (1, 2)
    assert "no space left" in (errors + shown).casefold()
    check_valid(study)
    filler.unlink()
    complete(study, [campaign.table], campaign)
