"""`ecgkit ingest`: recordings, tagged, into the study.

What is `asked` for (a `table`, a `pattern` of names, a `bids` data set) becomes rows; the `plan` places them
in their files, `prepare` makes session files of them in any process, `place` puts these into the study.
"""

from __future__ import annotations

from ecgkit.stages.ingest.call import IngestOptions, run, run_all

__all__ = ["IngestOptions", "run", "run_all"]
