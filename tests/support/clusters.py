"""A dask cluster of processes on this machine, and tasks that its workers can import."""

from __future__ import annotations

import logging
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ecgkit.errors import DatasetError

if TYPE_CHECKING:
    from distributed import LocalCluster


def slow_square(number: int) -> int:
    """Square it; 1 takes longer than 3."""
    time.sleep(0.01 * (3 - number))
    return number**2


def refuse(number: int) -> int:
    """Fail as a task does that is not as it should be."""
    raise DatasetError(f"session {number} can't be cut")


def end(task: object) -> None:
    """End the worker, as the system does for want of memory."""
    os._exit(9)


def needs_loopback() -> None:
    """Skip the test where processes of one machine can't reach each other by its network."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=1).close()
    except OSError as error:
        pytest.skip(f"no network, not even on this machine alone: {error}")


@contextmanager
def local_cluster(n_workers: int) -> Iterator[LocalCluster]:
    """Start a scheduler and workers of one thread each; a task whose worker ends is not tried again."""
    needs_loopback()
    import dask
    from distributed import LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.comm.timeouts.connect": "5s"}
    with dask.config.set(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dask's own, of sockets that it closes late
        cluster = LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=None
        )
        try:
            yield cluster
        finally:
            cluster.close()
