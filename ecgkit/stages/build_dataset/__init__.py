"""`ecgkit build-dataset`: a study's sessions, cleaned and cut, as one HDF5 file.

choose: which sessions; cutting: each one's windows, side by side; assemble: all of them in one file; call:
the whole, in order.
"""

from __future__ import annotations

from ecgkit.stages.build_dataset.call import BuildOptions, run
from ecgkit.stages.build_dataset.summary import BuildSummary

__all__ = ["BuildOptions", "BuildSummary", "run"]
