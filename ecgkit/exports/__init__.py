"""Data sets and sessions in other people's formats, one module a format."""

from __future__ import annotations

# name -> module:format; of data sets, then of the recordings of a study
FORMATS = {
    "npz": "ecgkit.exports.npz:FORMAT",
    "parquet": "ecgkit.exports.parquet:FORMAT",
    "huggingface": "ecgkit.exports.huggingface:FORMAT",
    "tracings": "ecgkit.exports.tracings:FORMAT",
    "wfdb": "ecgkit.exports.wfdb_export:FORMAT",
    "edf": "ecgkit.exports.edf_export:FORMAT",
}
