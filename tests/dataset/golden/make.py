"""Make the golden data set of the present format version: simulated, of all that the format has.

    python tests/dataset/golden/make.py

It was run once for each version. Golden files are never made anew: a reader must go on reading them.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from support.dataset_files import describe, parts_of, write_small  # noqa: E402

from ecgkit.dataset.schema import FORMAT_VERSION  # noqa: E402

ELECTRODES = ("gel", "", "dry – Ω", "gel")  # of each visit in turn


def make(path: Path, *, shard_windows: int | None = None) -> None:
    """Write two subjects in two conditions on two visits, two leads, some of whose electrodes are known."""
    parts = [
        replace(part, labels={"electrode": ELECTRODES[row % 4]})
        for row, part in enumerate(parts_of(2, n_visits=2))
    ]
    parts[0] = replace(parts[0], origin={"span_s": [30.0, 210.0], "excluded_s": [[4.0, 7.5], [100.0, None]]})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_small(path, parts, describe(2, study="golden – é"), shard_windows=shard_windows)


if __name__ == "__main__":
    targets = {
        HERE / FORMAT_VERSION / "dataset.h5": None,
        HERE / FORMAT_VERSION / "shards" / "dataset.h5": 12,
    }
    for target, shard_windows in targets.items():
        if target.exists():
            sys.exit(f"{target} is there; golden files are not made anew")
        make(target, shard_windows=shard_windows)
        print(target, target.stat().st_size)  # noqa: T201
