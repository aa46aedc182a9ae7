"""The same bytes wherever sessions are cut: here, in processes, in threads, on a cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.clusters import end, local_cluster

from ecgkit.errors import ConfigError
from ecgkit.stages import build_dataset
from ecgkit.stages.build_dataset import BuildOptions
from ecgkit.stages.workers import WorkerError


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    with local_cluster(2) as running:
        yield running


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_bytes_are_the_same_for_any_number_of_processes(
    jobs: int, built_study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "dataset.h5"
    build_dataset.run(built_study, BuildOptions(jobs=jobs, out=out))
    assert out.read_bytes() == (built_study / "dataset.h5").read_bytes()


def test_the_bytes_are_the_same_in_threads(built_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "dataset.h5"
    with ThreadPoolExecutor(4) as threads:
        build_dataset.run(built_study, BuildOptions(out=out), executor=threads)
    assert out.read_bytes() == (built_study / "dataset.h5").read_bytes()


def test_the_bytes_are_the_same_on_a_cluster(cluster: Any, built_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "dataset.h5"
    build_dataset.run(built_study, BuildOptions(out=out, cluster=cluster.scheduler_address))
    assert out.read_bytes() == (built_study / "dataset.h5").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.h5", "dataset.md"]
    with cluster.get_client().get_executor(pure=False) as theirs:
        build_dataset.run(built_study, BuildOptions(out=out), executor=theirs)
    assert out.read_bytes() == (built_study / "dataset.h5").read_bytes()


def test_the_command_takes_a_cluster(cluster: Any, built_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "dataset.h5"
    asked = ["build-dataset", "--study", built_study, "--out", out, "--cluster", cluster.scheduler_address]
    call = [sys.executable, "-m", "ecgkit", *map(str, asked), "--json"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert out.read_bytes() == (built_study / "dataset.h5").read_bytes()


def test_a_build_whose_cluster_s_worker_ends_is_completed_by_the_next(
    study: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (study / "dataset.h5").read_bytes()
    with pytest.raises(WorkerError, match="ended over the same task"), monkeypatch.context() as patched:
        patched.setattr("ecgkit.stages.build_dataset.cutting.cut_session", end)
        build_dataset.run(study, BuildOptions(cluster=cluster.scheduler_address))
    assert (study / "dataset.h5").read_bytes() == before
    build_dataset.run(study, BuildOptions(cluster=cluster.scheduler_address))
    assert (study / "dataset.h5").read_bytes() == before


def test_a_cluster_and_jobs_at_once_are_refused(built_study: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one of them"):
        build_dataset.run(
            built_study, BuildOptions(jobs=2, cluster="tcp://127.0.0.1:1", out=tmp_path / "dataset.h5")
        )
    assert list(tmp_path.iterdir()) == []
