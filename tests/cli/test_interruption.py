"""Ctrl-C, a kill, a full disk: what was there is still there, and the same call completes it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecgkit.cli import main
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.study.folder import open_study
from ecgkit.study.session_file import read_headers

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals, limits and mounts as POSIX has them")

MOMENTS = 8

# Starts the command in a copy of this process (the imports are done once), sends it a signal after each of
# several shares of the time that it takes, and prints how it ended and what it left.
LAUNCHER = """
import contextlib, json, os, pathlib, shutil, signal, sys, time, warnings
import neurokit2
from ecgkit.cli import console, main
from ecgkit.stages import build_dataset, ingest

signal_name, moments, study, product, *args = sys.argv[1:]
study, product = pathlib.Path(study), pathlib.Path(product)
warnings.simplefilter("ignore")

def start():
    sys.stdout.flush()
    ready, say_ready = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(say_ready, b"1")
            with open(os.devnull, "w") as nothing, open(study.parent / "errors", "a") as errors:
                os.dup2(nothing.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                main(args)
        except KeyboardInterrupt:  # on the way in or out of main
            os._exit(130)
        except SystemExit as ended:
            os._exit(ended.code)
        finally:
            os._exit(99)
    os.read(ready, 1)
    os.close(ready)
    os.close(say_ready)
    return child

started = time.perf_counter()
code = os.waitstatus_to_exitcode(os.waitpid(start(), 0)[1])
took_s = time.perf_counter() - started
assert code == 0, code
for moment in range(int(moments)):
    product.unlink(missing_ok=True)
    child = start()
    time.sleep(took_s * (moment + 0.5) / int(moments))
    os.kill(child, getattr(signal, signal_name))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = [path.name for path in study.rglob(".partial-*")]
    print(json.dumps({"code": code, "left": left, "made": product.exists()}))
"""


def launch(signal_name: str, study: Path, product: Path, *args: object) -> list[dict[str, object]]:
    """Interrupt a command at several moments; return how each call ended."""
    options = [signal_name, MOMENTS, study, product, *args]
    result = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *map(str, options)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def content(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, but for what a build that was stopped had cut."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.suffix != ".parts"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def exit_code(*args: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGKILL"])
@pytest.mark.parametrize("command", ["ingest", "build-dataset"])
def test_a_signal_at_any_moment_leaves_a_sound_study(
    command: str, signal_name: str, study: Path, built_study: Path, simulated_files: tuple[SimulatedFile, ...]
) -> None:
    file = simulated_files[0]
    if command == "ingest":
        product = study / "sessions" / f"sub-{file.subject}_visit-1_cond-{file.condition}_take-1.h5"
        args = [
            "ingest",
            file.path,
            "--subject",
            file.subject,
            "--condition",
            file.condition,
            "--study",
            study,
        ]
    else:
        product = study / "dataset.h5"
        args = ["build-dataset", "--study", study]
    ends = launch(signal_name, study, product, *args)
    assert len(ends) == MOMENTS
    if signal_name == "SIGINT":
        assert {end["code"] for end in ends} <= {130, 0}
        assert ends[0]["code"] == 130
        assert not any(end["left"] for end in ends)
        assert "Traceback" not in (study.parent / "errors").read_text()
    else:
        assert {end["code"] for end in ends} <= {-9, 0}
    assert read_headers(open_study(study))
    assert exit_code(*args) == 0
    assert content(study) == content(built_study)


def test_what_a_kill_left_is_ignored_and_removed(
    study: Path, built_study: Path, simulated_files: tuple[SimulatedFile, ...]
) -> None:
    file = simulated_files[0]
    prepared = study / ".partial-fedcba9876543210"
    prepared.mkdir()
    for path in (study / ".partial-0123456789abcdef.h5", prepared / "sub-01_visit-1_cond-rest_take-1.h5"):
        path.write_bytes(b"half a file")
    assert exit_code("status", "--study", study) == 0
    options = ["--subject", file.subject, "--condition", file.condition, "--study", study, "--replace"]
    (study / "sessions" / f"sub-{file.subject}_visit-1_cond-{file.condition}_take-1.h5").unlink()
    assert exit_code("ingest", file.path, *options) == 0
    assert exit_code("build-dataset", "--study", study) == 0
    assert content(study) == content(built_study)


@pytest.mark.parametrize("limit", [3_000, 100_000])
def test_a_file_that_can_not_grow_is_not_left_half_written(
    limit: int, study: Path, built_study: Path
) -> None:
    import resource

    result = subprocess.run(
        [sys.executable, "-m", "ecgkit", "build-dataset", "--study", str(study), "--json"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {study}")
    assert result.stderr.endswith("h5: File too large; nothing was left half-written\n")
    assert content(study) == content(built_study)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here: that takes the rights of root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("free_bytes", [0, 8_192, 32_768])
def test_a_full_disk_leaves_everything_as_it_was(
    free_bytes: int,
    small_disk: Path,
    built_study: Path,
    simulated_files: tuple[SimulatedFile, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, study = simulated_files[0], Path(shutil.copytree(built_study, small_disk / "study"))
    ingest = [
        "ingest",
        file.path,
        "--subject",
        "99",
        "--condition",
        file.condition,
        "--replace",
        "--study",
        study,
    ]
    fill(small_disk, leave_bytes=free_bytes)
    before = content(study)
    for args in (["build-dataset", "--study", study], ingest):
        assert exit_code(*args) == 2
        assert "Error: no space left on the disk" in capsys.readouterr().err
        assert content(study) == before
    (small_disk / "filler").unlink()
    assert exit_code("build-dataset", "--study", study) == 0
    assert content(study) == content(built_study)
    assert exit_code(*ingest) == 0


def fill(disk: Path, *, leave_bytes: int) -> None:
    """Fill a disk but for some bytes."""
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - leave_bytes))
