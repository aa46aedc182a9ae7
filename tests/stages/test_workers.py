"""Workers of every kind, and what becomes of them."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.clusters import end, local_cluster, needs_loopback, refuse, slow_square

from ecgkit.errors import ConfigError, DatasetError
from ecgkit.stages import workers as module
from ecgkit.stages.workers import WorkerError, default_jobs, in_order, processes, unseen, workers


class OneAfterTheOther(Executor):
    """The least that an executor can be; remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.given.append(future)
        if len(self.given) <= 2:
            future.set_result(fn(*args, **kwargs))
        return future


def test_default_jobs_shares_the_cpus() -> None:
    assert default_jobs() >= 1
    assert default_jobs(100_000) == 1


def test_in_order_gives_results_in_the_tasks_order_wherever_they_are_done() -> None:
    with workers(1) as here:
        assert here is None
        assert list(in_order(here, slow_square, [1, 2, 3])) == [1, 4, 9]
    with ThreadPoolExecutor(3) as threads, workers(7, threads) as given:
        assert given is threads
        assert list(in_order(given, slow_square, [1, 2, 3])) == [1, 4, 9]
    with workers(2) as pool:
        assert pool is not None
        assert list(in_order(pool, abs, [-1, -2, -3])) == [1, 2, 3]


def test_workers_are_one_a_cpu_unless_said() -> None:
    with workers(None) as pool:
        assert isinstance(pool, ProcessPoolExecutor) == (default_jobs() > 1)


def test_in_order_in_this_process_does_one_at_a_time() -> None:
    done = []
    results = in_order(None, done.append, range(3))
    assert done == []
    next(results)
    assert done == [0]


def test_in_order_takes_tasks_as_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD", 5)
    tasks = iter(range(100))
    executor = OneAfterTheOther()
    results = in_order(executor, abs, tasks)
    assert executor.given == []
    assert [next(results), next(results)] == [0, 1]
    assert len(executor.given) == 6
    assert next(tasks) == 6


def test_in_order_calls_off_what_has_not_begun() -> None:
    executor = OneAfterTheOther()
    results = in_order(executor, abs, range(10))
    assert next(results) == 0
    results.close()
    assert [future.cancelled() for future in executor.given[2:]] == [True] * 8


def test_in_order_gives_an_error_where_its_task_is() -> None:
    with ThreadPoolExecutor(2) as threads, pytest.raises(DatasetError, match="session 4 can't be cut"):
        list(in_order(threads, refuse, [4, 5]))


def test_a_process_that_is_ended_is_said_with_what_to_do() -> None:
    with pytest.raises(WorkerError, match=r"ended from outside.*--jobs 1"), workers(2) as pool:
        list(in_order(pool, end, [1]))


def test_processes_end_at_once_when_the_block_fails() -> None:
    started = time.monotonic()
    with pytest.raises(KeyError), processes(2) as pool:
        pool.submit(time.sleep, 60)
        pool.submit(abs, 1).result()
        raise KeyError
    assert time.monotonic() - started < 20


def test_unseen_names_the_machine_and_the_way_out(tmp_path: Path) -> None:
    text = str(unseen(tmp_path / "session.h5"))
    assert str(tmp_path / "session.h5") in text
    assert socket.gethostname() in text
    assert "shared disk" in text


def test_workers_are_here_or_on_a_cluster_not_both() -> None:
    with pytest.raises(ConfigError, match="one of them"), workers(2, cluster="tcp://127.0.0.1:8786"):
        pass


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8786", "tcp://host", "http://host:1", "tcp://a b:1", "tcp://h:1/x", "tcp://:1"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with (
        pytest.raises(ConfigError, match=re.escape("tcp://HOST:8786")),
        workers(None, cluster=address),
    ):
        pass


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    needs_loopback()
    monkeypatch.setattr(module, "ANSWER_S", 0.5)


def test_a_scheduler_that_is_not_there_is_said(quick: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(WorkerError, match=rf"{address}: no dask scheduler answers.*dask scheduler;"):
        list(iter(_used(address)))


def test_a_scheduler_that_says_nothing_is_not_waited_for(quick: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(WorkerError, match="no answer within"):
            _used(address)


def _used(address: str) -> list[int]:
    with workers(None, cluster=address) as pool:
        return list(in_order(pool, slow_square, [1, 2, 3]))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    with local_cluster(2) as running:
        yield running


def test_a_cluster_gives_results_in_the_tasks_order_and_stays(
    cluster: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    levels = [logging.getLogger(name).level for name in module.LOGGERS]
    assert _used(cluster.scheduler_address) == [1, 4, 9]
    assert _used(cluster.scheduler_address) == [1, 4, 9]
    assert [logging.getLogger(name).level for name in module.LOGGERS] == levels
    assert capfd.readouterr() == ("", "")


def test_a_cluster_gives_the_error_of_a_task(cluster: Any) -> None:
    with (
        pytest.raises(DatasetError, match="session 4 can't be cut"),
        workers(None, cluster=cluster.scheduler_address) as pool,
    ):
        list(in_order(pool, refuse, [4]))


def test_a_cluster_forgets_what_has_not_begun_when_the_block_fails(cluster: Any) -> None:
    with pytest.raises(KeyboardInterrupt), workers(None, cluster=cluster.scheduler_address) as pool:
        results = in_order(pool, time.sleep, [0.0, *[1.0] * 50])
        next(results)
        raise KeyboardInterrupt
    until = time.monotonic() + 10
    while cluster.scheduler.tasks and time.monotonic() < until:
        time.sleep(0.05)
    assert not cluster.scheduler.tasks


def test_a_worker_of_a_cluster_that_is_ended_is_said_with_what_to_do(cluster: Any) -> None:
    with (
        pytest.raises(WorkerError, match="ended over the same task, often for want of memory"),
        workers(None, cluster=cluster.scheduler_address) as pool,
    ):
        list(in_order(pool, end, [1]))


def test_a_cluster_without_workers_is_refused(quick: None) -> None:
    with (
        local_cluster(0) as empty,
        pytest.raises(WorkerError, match="no workers; start some: dask worker tcp://"),
    ):
        _used(empty.scheduler_address)


CLUSTER = """
import time
from support.clusters import end, local_cluster, refuse, slow_square
if __name__ == "__main__":
    with local_cluster(1) as cluster:
        print(cluster.scheduler_address, flush=True)
        time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_a_scheduler_that_ends_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    needs_loopback()
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER, encoding="utf-8")
    tests = str(Path(__file__).parents[1])
    dying = subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert dying.stdout is not None
    with (
        pytest.raises(WorkerError, match="the scheduler has ended"),
        workers(None, cluster=dying.stdout.readline().strip()) as pool,
    ):
        results = in_order(pool, time.sleep, [0.0, 60.0])
        next(results)
        os.killpg(dying.pid, signal.SIGKILL)
        next(results)
    dying.communicate()
    assert capfd.readouterr() == ("", "")


def test_other_versions_names_what_differs() -> None:
    ours = {"ecgkit-mp160": "1.0", "numpy": "2.1", "scipy": "1.14", "h5py": "3.12"}
    assert module._other_versions(ours, ours | {"pandas": "1"}) == ""
    theirs = {"numpy": "2.1", "scipy": "1.13", "h5py": "3.12", "ecgkit-mp160": None}
    found = module._other_versions(ours, theirs)
    assert found == "ecgkit-mp160 is missing, here 1.0, scipy 1.13, here 1.14"


INTERRUPTED = """
import sys, time
from ecgkit.stages.workers import in_order, workers
if __name__ == "__main__":
    jobs, address = (int(sys.argv[1]), None) if len(sys.argv) == 2 else (None, sys.argv[2])
    with workers(jobs, cluster=address) as pool:
        for _ in in_order(pool, time.sleep, [0.0, *[30.0] * 20]):
            print("begun", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize("kind", ["here", "processes", "cluster"])
def test_ctrl_c_ends_the_waiting_at_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED, encoding="utf-8")
    address = request.getfixturevalue("cluster").scheduler_address if kind == "cluster" else ""
    args = {"here": ["1"], "processes": ["2"], "cluster": ["", address]}[kind]
    process = subprocess.Popen(
        [sys.executable, script, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.2)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - started < 20
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert errors.count("Traceback") == 1
