"""Work done side by side: in processes of our own, on a cluster, on any executor; and what becomes of it
when something goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import multiprocessing
import os
import re
import signal
import socket
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ecgkit.errors import ConfigError, EcgkitError

if TYPE_CHECKING:
    from distributed import Client

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 1000  # tasks that an executor is given before the first is done: enough for any cluster's workers
ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):\d{1,5}")
ANSWER_S = 10.0  # in which a scheduler must answer, and have a worker
SAME_VERSIONS = ("ecgkit-mp160", "numpy", "scipy", "h5py")  # everywhere, for the same bytes
LOGGERS = ("distributed", "distributed.client", "tornado.application")
HOW_TO_START = (
    "start one with: dask scheduler; and on each machine: "
    "dask worker tcp://HOST:8786 --nworkers auto --nthreads 1"
)


class WorkerError(EcgkitError):
    """A process that did a part of the work has ended, or a cluster can't be used."""


def default_jobs(threads: int = 1) -> int:
    """Return how many tasks of so many threads this process may run side by side."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable // threads)


@contextmanager
def workers(
    jobs: int | None, executor: Executor | None = None, *, cluster: str | None = None
) -> Iterator[Executor | None]:
    """Give the executor that there is, a cluster's, or one of our own; None for one job: this process.

    Parameters
    ----------
    jobs
        Processes of our own; None for one a CPU.
    executor
        Any executor whose workers see the same disk; it is left running.
    cluster
        Address of a dask scheduler, such as ``tcp://host:8786``.

    Raises
    ------
    ConfigError
        Both `jobs` and `cluster` are given, or the address is none.
    WorkerError
        The cluster can't be used; or, from the block, a worker has ended before its work was done.
    """
    if cluster is not None and jobs is not None:
        raise ConfigError("--jobs counts processes of this machine, --cluster has its own: give one of them")
    jobs = default_jobs() if jobs is None else jobs
    try:
        if executor is not None:
            yield executor
        elif cluster is not None:
            with cluster_workers(cluster) as theirs:
                yield theirs
        elif jobs == 1:
            yield None
        else:
            with processes(jobs) as pool:
                yield pool
    except BrokenExecutor as error:
        raise WorkerError(
            "a worker process was ended from outside, often for want of memory; nothing is left "
            "half-written. Run the same command again with fewer side by side, such as --jobs 1"
        ) from error


def in_order(
    executor: Executor | None, function: Callable[[Task], Result], tasks: Iterable[Task]
) -> Iterator[Result]:
    """Do all tasks, on the executor or one by one in this process; yield the results in the tasks' order.

    Tasks are taken as they are needed, at most `AHEAD` before the first result is; what has not begun when
    the caller stops is called off.
    """
    if executor is None:
        yield from map(function, tasks)
        return
    left = iter(tasks)
    under_way: deque[Future[Result]] = deque()
    try:
        while True:
            with interrupts_held():
                for task in itertools.islice(left, AHEAD - len(under_way)):
                    under_way.append(executor.submit(function, task))
            if not under_way:
                return
            yield under_way[0].result()
            under_way.popleft()
    finally:
        for future in under_way:
            future.cancel()


def unseen(path: Path) -> WorkerError:
    """Return what to say where one process does not find what another has on its disk."""
    return WorkerError(
        f"{path}: not found on {socket.gethostname()}. All workers must see the study and the folder that is "
        "written to, under the same paths as the machine that gives them their work: take a shared disk"
    )


@contextmanager
def processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of fresh processes; if the block fails, end them at once."""
    before = multiprocessing.active_children()
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_end_with_parent)
    try:
        yield pool
    except BaseException:
        for child in multiprocessing.active_children():
            if child not in before:
                child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def cluster_workers(address: str) -> Iterator[Executor]:
    """Give the workers of a dask cluster as an executor; leave the cluster running.

    However the block ends, the scheduler forgets what has not begun.

    Raises
    ------
    ConfigError
        It is no address.
    WorkerError
        Nobody answers there, there is no worker, or workers have other versions; or, from the block, a
        worker or the scheduler has ended before the work was done.
    ModuleNotFoundError
        The extra ``cluster`` is not installed.
    """
    if not ADDRESS.fullmatch(address):
        raise ConfigError(
            f"--cluster {address}: not the address of a dask scheduler, such as tcp://HOST:8786; "
            f"{HOW_TO_START}"
        )
    from distributed import KilledWorker

    with _quiet(), _connected(address) as client:
        _check_workers(client, address)
        try:
            yield client.get_executor(pure=False)
        except KilledWorker as error:
            raise WorkerError(
                f"--cluster {address}: several workers in turn have ended over the same task, often for want "
                "of memory; nothing is left half-written. Start workers with more memory each, and run the "
                "same command again"
            ) from error
        except CancelledError as error:
            raise WorkerError(
                f"--cluster {address}: the scheduler has ended, or was restarted; nothing is left "
                "half-written. Run the same command again when it is back"
            ) from error


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    """Give a client of the scheduler; close it whatever happens."""
    from distributed import Client

    try:
        with ThreadPoolExecutor(1) as thread:
            with interrupts_held():
                greeting = thread.submit(lambda: asyncio.run(_greet(address)))
            greeting.result()
        with interrupts_held(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions, which are checked below
            client = Client(address, timeout=ANSWER_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # the last: dask has no settings for tls
        why = str(error) or f"no answer within {ANSWER_S:g} s"
        raise WorkerError(
            f"--cluster {address}: no dask scheduler answers there ({why}); {HOW_TO_START}"
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, CancelledError):  # it may have gone first
            client.close(timeout=ANSWER_S)


async def _greet(address: str) -> None:
    """Exchange the first words with a scheduler: `Client` would wait for ever for one that says nothing."""
    from distributed import Security
    from distributed.comm import connect

    tls = Security().get_connection_args("client")  # as dask's own settings say
    comm = await asyncio.wait_for(connect(address, timeout=ANSWER_S, **tls), ANSWER_S)
    await comm.close()


def _check_workers(client: Client, address: str) -> None:
    """Refuse a cluster without workers, or of other versions, which would compute other bytes or nothing."""
    try:
        client.wait_for_workers(1, timeout=ANSWER_S)
    except TimeoutError as error:
        raise WorkerError(
            f"--cluster {address}: the scheduler has no workers; start some: "
            f"dask worker {address} --nworkers auto --nthreads 1"
        ) from error
    seen = client.get_versions(packages=SAME_VERSIONS)
    ours = seen["client"]["packages"]
    others = {"the scheduler": seen["scheduler"]}  # it unpacks the tasks as well
    others |= {f"worker {worker}": theirs for worker, theirs in seen["workers"].items()}
    for name, theirs in others.items():
        if differ := _other_versions(ours, theirs["packages"]):
            raise WorkerError(
                f"--cluster {address}: {name} has other versions than this machine ({differ}): install the "
                "same on all of them"
            )


def _other_versions(ours: Mapping[str, str | None], theirs: Mapping[str, str | None]) -> str:
    """Say which of the packages that the bytes depend on differ; nothing if none does."""
    return ", ".join(
        f"{name} {theirs.get(name) or 'is missing'}, here {ours.get(name)}"
        for name in SAME_VERSIONS
        if theirs.get(name) != ours.get(name)
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep dask's log from standard error: what matters of it is said as an error of ours."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start: they inherit that, so that only this one hears of it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent has ended, however it did."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
