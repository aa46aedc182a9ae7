"""A build that is killed, interrupted, or can't write: what is there stays, and the same call goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.calls import content, finished, start
from support.killed import killed_everywhere
from support.studies import make_study

from ecgkit.dataset.part import is_sound
from ecgkit.dataset.read import open_dataset
from ecgkit.stages import build_dataset
from ecgkit.stages.build_dataset import BuildOptions

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes and signals as POSIX has them")

IMPORTS = "from ecgkit.stages import build_dataset; from ecgkit.stages.build_dataset import BuildOptions"
BUILD = "build_dataset.run(folder, BuildOptions(jobs=1))"
SLOWLY = BuildOptions(flags={"pipeline": {"stride_s": 0.05}}, jobs=1)  # many windows: time to interrupt it
# Runs a command that can't write files of more than so many bytes.
LIMITED = """
import resource, sys
most = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
from ecgkit.cli import main
main(sys.argv[2:])
"""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A study of six sessions with an older data set, of other windows."""
    study = make_study(tmp_path / "study", ("01", "02")).folder
    build_dataset.run(study, BuildOptions(flags={"pipeline": {"window_s": 2.0}}, jobs=1))
    return study


def parts_in(study: Path) -> list[Path]:
    return [path for path in study.glob(".dataset.h5.parts/*.h5") if not path.name.startswith(".")]


def build(study: Path) -> subprocess.Popen[str]:
    return start("build-dataset", "--study", study, "--stride-s", 0.05, "--jobs", 2, "--json")


def begun(study: Path) -> subprocess.Popen[str]:
    """Start a build with two workers; return when the first part is there."""
    process = build(study)
    while process.poll() is None and not parts_in(study):
        time.sleep(0.002)
    return process


def test_a_build_killed_at_any_moment_leaves_a_data_set_and_is_completed(older: Path) -> None:
    before = content(older)
    undisturbed, all_killed = killed_everywhere(older, BUILD, imports=IMPORTS, every=9)
    whole = content(undisturbed)
    assert whole["dataset.h5"] != before["dataset.h5"]
    assert len(all_killed) > 3
    for study in all_killed:
        assert content(study)["dataset.h5"] in (before["dataset.h5"], whole["dataset.h5"])
        assert all(is_sound(part) for part in parts_in(study))
        build_dataset.run(study, BuildOptions(jobs=1))
        assert content(study) == whole


def test_ctrl_c_keeps_what_is_cut_and_says_how_to_go_on(study: Path) -> None:
    before = content(study)
    process = begun(study)
    os.killpg(process.pid, signal.SIGINT)
    code, errors = finished(process)
    assert (code, "run the same command again" in errors) == (130, True), errors
    assert (study / "dataset.h5").read_bytes() == before["dataset.h5"]
    n_parts = len(parts_in(study))
    assert n_parts > 0
    assert [path.name for path in study.glob("**/.partial-*")] == []
    assert build_dataset.run(study, SLOWLY).n_resumed == n_parts
    assert sorted(content(study)) == sorted(before)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="workers are found in /proc")
def test_a_worker_that_is_killed_is_said_with_what_to_do(study: Path) -> None:
    before = content(study)
    process = begun(study)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    code, errors = finished(process)
    assert (code, "ended from outside" in errors, "--jobs 1" in errors) == (2, True, True), errors
    assert (study / "dataset.h5").read_bytes() == before["dataset.h5"]
    assert finished(build(study)) == (0, "")
    assert sorted(content(study)) == sorted(before)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    return [pid for pid in map(int, children) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.parametrize("most", [4_000, 40_000], ids=["no part", "no data set"])
def test_a_file_that_can_not_be_written_is_said_and_the_older_data_set_stays(older: Path, most: int) -> None:
    before = content(older)
    args = [str(most), "build-dataset", "--study", str(older), "--jobs", "1", "--json"]
    call = [sys.executable, "-c", LIMITED, *args]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "too large" in done.stderr
    assert "nothing was left half-written" in done.stderr
    assert {name: bytes_ for name, bytes_ in content(older).items() if ".parts" not in name} == before
    assert bool(parts_in(older)) == (most > 4_000)
    build_dataset.run(older, BuildOptions(jobs=1))
    assert len(open_dataset(older / "dataset.h5").windows) > 0
    assert sorted(content(older)) == sorted(before)
