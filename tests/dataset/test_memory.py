"""How much memory a process may have: the machine's, or its control group's."""

from pathlib import Path

from ecgkit.dataset.memory import memory_bytes


def test_memory_is_that_of_the_group_or_of_those_around_it(tmp_path: Path) -> None:
    whole = memory_bytes(tmp_path / "none", tmp_path)
    assert whole > 1 << 28
    job = tmp_path / "slurm" / "job_7"
    job.mkdir(parents=True)
    (tmp_path / "groups").write_text("0::/slurm/job_7\n")
    assert memory_bytes(tmp_path / "groups", tmp_path) == whole
    (job / "memory.max").write_text("max\n")
    (tmp_path / "slurm" / "memory.max").write_text("12345678\n")
    assert memory_bytes(tmp_path / "groups", tmp_path) == 12345678
    (job / "memory.max").write_text("2345678\n")
    assert memory_bytes(tmp_path / "groups", tmp_path) == 2345678


def test_memory_is_limited_by_groups_of_the_old_version_too(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("3456789\n")
    # in a container the group's own folder is not there, its limit is the mount's
    (tmp_path / "groups").write_text("5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n")
    assert memory_bytes(tmp_path / "groups", tmp_path) == 3456789
