"""A data set as a folder that `datasets.load_dataset` of Hugging Face loads: Parquet files and a card.

The layout is that of https://huggingface.co/docs/datasets/repository_structure: the YAML head of README.md
says which files are which split. All windows are one split: a scheme has several folds, and one window may be
trained on in one and tested in another, so that folds are columns.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.exports.formats import TASK, Content, WindowFormat
from ecgkit.exports.parquet import record_batch, schema_of
from ecgkit.progress import Progress

SPLIT = "windows"  # "all" has a meaning of its own there
SIGNAL = "ecg"
SHARD_BYTES = 1 << 28
ABOUT_FILE = "about.json"


def write(folder: Path, content: Content, progress: Progress) -> None:
    """Write Parquet files of some hundred MB each, with each window's samples, and the card."""
    (folder / "data").mkdir()
    shards = _shards(content)
    progress.start(TASK, len(shards))
    for number, (start, stop) in enumerate(shards):
        name = f"{SPLIT}-{number:05d}-of-{len(shards):05d}.parquet"
        _write_shard(folder / "data" / name, content, start, stop)
        progress.advance(TASK, name)
    about = json.dumps(content.about, sort_keys=True, indent=1, ensure_ascii=False)
    (folder / ABOUT_FILE).write_text(about + "\n", encoding="utf-8", newline="\n")
    (folder / "README.md").write_text(_readme(content), encoding="utf-8", newline="\n")


def _shards(content: Content) -> list[tuple[int, int]]:
    at_once = max(1, SHARD_BYTES // content.windows[0].nbytes)
    n_windows = len(content.windows)
    return [(start, min(start + at_once, n_windows)) for start in range(0, n_windows, at_once)]


def _write_shard(path: Path, content: Content, start: int, stop: int) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    samples = pa.field(SIGNAL, pa.list_(pa.list_(pa.float32())), nullable=False)
    schema = schema_of(content, samples)
    with ParquetWriter(path, schema, use_dictionary=_texts(schema)) as writer:
        for first, last in content.blocks():
            first, last = max(first, start), min(last, stop)  # noqa: PLW2901
            if first < last:
                columns = {SIGNAL: _nested(content.windows[first:last]), **content.rows(first, last)}
                writer.write_batch(record_batch(columns, schema))


def _texts(schema: Any) -> list[str]:
    """Return the columns that hold the same texts over and over."""
    import pyarrow as pa

    return [field.name for field in schema if field.type == pa.string()]


def _nested(windows: NDArray[np.float32]) -> Any:
    """Return windows (N, lead, T) as N lists of lists."""
    import pyarrow as pa

    n_windows, n_leads, n_samples = windows.shape
    leads = np.arange(n_windows * n_leads + 1, dtype=np.int32) * n_samples
    inner = pa.ListArray.from_arrays(leads, pa.array(np.ascontiguousarray(windows).ravel()))
    return pa.ListArray.from_arrays(np.arange(n_windows + 1, dtype=np.int32) * n_leads, inner)


def _readme(content: Content) -> str:
    import yaml

    head = {
        "pretty_name": content.name,
        "tags": ["ecg", "biosignals", *(["simulated"] if content.about["simulated"] else [])],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": SPLIT, "path": f"data/{SPLIT}-*.parquet"}],
            }
        ],
    }
    example = next(
        (f"splits/{scheme}/{fold}" for scheme, folds in content.roles.items() for fold in folds), None
    )
    use = USE.format(split=SPLIT, signal=SIGNAL)
    folds = FOLDS.format(column=example) if example else ""
    columns = [f"- `{name}`: {content.meaning(name)}" for name in content.rows(0, 1)]
    listed = "\n".join([f"- `{SIGNAL}`: the samples, a list for each lead", *columns])
    yaml_head = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{yaml_head}---\n\n{content.card}\n{use}{folds}```\n\n{listed}\n"


USE = """\
## Use

```python
from datasets import load_dataset

data = load_dataset("FOLDER", split="{split}").with_format("numpy")  # FOLDER: the one that this file lies in
data[0]["{signal}"]  # (lead, T) float32
"""
FOLDS = """\
train = data.filter(lambda row: row["{column}"] == 1)
test = data.filter(lambda row: row["{column}"] == 2)
"""

FORMAT = WindowFormat(makes="folder", write=write, reads=f'datasets.load_dataset("{{out}}", split="{SPLIT}")')
