"""Processes of our own, and what becomes of them."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from ecgkit.stages.workers import default_jobs, in_order, processes, workers


def slow_square(number: int) -> int:
    time.sleep(0.01 * (3 - number))
    return number**2


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


def test_in_order_in_this_process_does_one_at_a_time() -> None:
    done = []
    results = in_order(None, done.append, range(3))
    assert done == []
    next(results)
    assert done == [0]


def test_a_process_that_is_ended_is_no_result() -> None:
    with pytest.raises(BrokenProcessPool), processes(2) as pool:
        list(in_order(pool, os._exit, [1]))


def test_processes_end_at_once_when_the_block_fails() -> None:
    started = time.monotonic()
    with pytest.raises(KeyError), processes(2) as pool:
        pool.submit(time.sleep, 60)
        pool.submit(abs, 1).result()
        raise KeyError
    assert time.monotonic() - started < 20
