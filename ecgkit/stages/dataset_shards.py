"""Whether a data set's shards are whole, and other programs see the same windows in them as ecgkit does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from ecgkit.dataset.read import Dataset
from ecgkit.dataset.shard_files import refuse_spoiled_shard
from ecgkit.errors import DatasetError
from ecgkit.stages.verification import Finding

ANSWER_S = 60.0  # in which what joins the shards is looked at, however many they are
LOOK = """
import sys
from pathlib import Path
from ecgkit.dataset.shard_files import fault_of_joined
print(fault_of_joined(Path(sys.argv[1]), tuple(map(int, sys.argv[2:]))))
"""


def spoiled_shards(data: Dataset) -> Iterator[Finding]:
    """Read each shard to its end, and what joins them; nothing is wrong with a data set in one file."""
    for path in data.files[1:]:
        try:
            refuse_spoiled_shard(path)
        except DatasetError as error:
            yield Finding("fault", "/windows", str(error))
    if len(data.files) > 1 and (fault := _fault_of_joined(data)):
        text = f"{fault}; other programs would read other windows than ecgkit. Build the data set again"
        yield Finding("fault", "/windows", text)


def _fault_of_joined(data: Dataset) -> str:
    """Ask another process: HDF5 crashes, or never ends, over some damaged files."""
    call = [sys.executable, "-c", LOOK, str(data.path), *map(str, data.windows.shape)]
    try:
        done = subprocess.run(
            call, capture_output=True, text=True, errors="replace", timeout=ANSWER_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "what joins the shards is damaged: reading it does not end"
    if done.returncode == 0:
        return done.stdout.strip()[:500]
    return f"what joins the shards is damaged: HDF5 {'refuses it' if done.returncode == 1 else 'crashes'}"
