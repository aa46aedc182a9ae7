import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ecgkit.files import alone, atomic_path, sha256_of, write_text

POSIX = pytest.mark.skipif(os.name == "nt", reason="links, forks and open files as POSIX has them")


def test_atomic_path_puts_the_whole_file_in_place(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "new" / "a.bin") as part:
        part.write_bytes(b"whole")
        assert not (tmp_path / "new" / "a.bin").exists()
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"whole"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_path_keeps_the_old_file_on_any_error(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as part:
        part.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_atomic_path_refuses_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder", tmp_path / "file" / "a", Path(), Path(os.devnull)):
        with pytest.raises(OSError, match="expected a f") as refused, atomic_path(path):
            pass
        assert "partial" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_atomic_path_names_the_file_itself_in_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error, atomic_path(tmp_path / "a") as part:
        part.read_bytes()
    assert error.value.filename == str(tmp_path / "a")


@pytest.mark.skipif(os.name == "nt", reason="Windows can't lock a folder")
def test_atomic_path_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    left = [tmp_path / f".partial-{16 * digit}{suffix}" for digit, suffix in (("0", ".h5"), ("f", ""))]
    not_ours = [tmp_path / ".partial-of-something-else", tmp_path / "a.partial-0123456789abcdef"]
    for path in (*left, *not_ours):
        path.touch()
    write_text(tmp_path / "a", "x")
    assert sorted(tmp_path.iterdir()) == sorted([*not_ours, tmp_path / "a"])


def test_atomic_path_leaves_the_files_of_other_writers(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as part:
        part.write_text("long work")
        write_text(tmp_path / "b", "x")
    assert (tmp_path / "a").read_text() == "long work"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_atomic_path_gives_usual_permissions(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_write_text_uses_unix_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "one\ntwo\n")
    assert (tmp_path / "a").read_bytes() == b"one\ntwo\n"


def test_sha256_of_known_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_alone_keeps_the_second_waiting(tmp_path: Path) -> None:
    with alone(tmp_path / ".lock", wait_s=0):
        with pytest.raises(TimeoutError) as late, alone(tmp_path / ".lock", wait_s=0.05):
            pass
        assert late.value.filename == str(tmp_path / ".lock")
    with alone(tmp_path / ".lock", wait_s=0):
        pass


def test_alone_is_one_at_a_time_among_threads(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")

    def add_one(_: int) -> None:
        with alone(tmp_path / ".lock", wait_s=30):
            number = int(counter.read_text())
            time.sleep(0.001)
            counter.write_text(str(number + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(24)))
    assert counter.read_text() == "24"


HOLDER = """
import os, sys, time
from pathlib import Path
from ecgkit.files import alone
with alone(Path(sys.argv[1]), wait_s=0):
    if sys.argv[2] == "forking" and os.fork() == 0:
        os.close(1)  # whoever reads it shall not wait for the copy
        time.sleep(30)
        os._exit(0)
    print("held", flush=True)
    time.sleep(30)
"""


@pytest.mark.parametrize("how", ["single", pytest.param("forking", marks=POSIX)])
def test_alone_is_given_back_by_the_system_when_its_process_is_killed(tmp_path: Path, how: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / ".lock"), how],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(TimeoutError), alone(tmp_path / ".lock", wait_s=0):
            pass
        holder.kill()
        holder.wait()
        with alone(tmp_path / ".lock", wait_s=10):
            pass
    finally:
        holder.stdout.close()
        if os.name != "nt":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(holder.pid, signal.SIGKILL)  # the copy


@POSIX
def test_alone_sees_that_the_file_was_removed_by_who_had_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as having:
        with alone(path, wait_s=0):
            waiting = pool.submit(having.enter_context, alone(path, wait_s=10))
            time.sleep(0.1)
            path.unlink()
        waiting.result()
        with pytest.raises(TimeoutError), alone(path, wait_s=0):
            pass


@POSIX
def test_alone_makes_no_file_through_a_link(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"\.lock"), alone(tmp_path / ".lock", wait_s=0):
        pass
    assert not (tmp_path / "elsewhere").exists()
