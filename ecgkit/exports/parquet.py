"""A data set's table as one Parquet file, for pandas, R, DuckDB and others; without the windows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.exports.formats import TASK, Content, WindowFormat
from ecgkit.progress import Progress

ROWS = 1 << 16  # in a row group
KEY = "ecgkit"  # of the file's metadata


def write(path: Path, content: Content, progress: Progress) -> None:
    """Write the table, a row a window; all else is JSON in the file's metadata under `KEY`."""
    from pyarrow.parquet import ParquetWriter

    n_rows = len(content.windows)
    schema = schema_of(content).with_metadata({KEY: json.dumps(content.about, sort_keys=True)})
    progress.start(TASK, -(-n_rows // ROWS))
    with ParquetWriter(path, schema) as writer:
        for start in range(0, n_rows, ROWS):
            writer.write_batch(record_batch(content.rows(start, min(start + ROWS, n_rows)), schema))
            progress.advance(TASK, f"row {start}")


def schema_of(content: Content, *first: Any) -> Any:
    """Return the columns of the table, each with what it is in words, behind other fields."""
    import pyarrow as pa

    fields = [
        pa.field(
            name,
            _arrow_type(values),
            nullable=content.may_be_unknown(name),
            metadata={"description": content.meaning(name)},
        )
        for name, values in content.rows(0, 1).items()
    ]
    return pa.schema([*first, *fields])


def record_batch(columns: dict[str, Any], schema: Any) -> Any:
    """Return columns as a batch of rows."""
    import pyarrow as pa

    arrays = [
        columns[field.name]
        if isinstance(columns[field.name], pa.Array)
        else pa.array(columns[field.name], type=field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _arrow_type(values: NDArray[Any]) -> Any:
    import pyarrow as pa

    return pa.string() if values.dtype == np.dtype(object) else pa.from_numpy_dtype(values.dtype)


FORMAT = WindowFormat(makes="file", write=write, reads='pandas.read_parquet("{out}")')
