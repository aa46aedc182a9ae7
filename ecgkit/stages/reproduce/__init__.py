"""`ecgkit reproduce`: the paper's tables and figures on a data set of one's own, cell by cell.

A `grid` is a table: rows of settings. The `plan` makes `cells` of it, one a row, seed and scheme, and says
which of their fits are not there; `executing` does these, each as `one_fit`. `scores` reads what the fits
left, `summary` makes tables of them beside the `paper`'s, `claims` says what of the paper holds; `page` and
`files` write it down.
"""

from __future__ import annotations

from ecgkit.stages.reproduce.call import ReproduceSummary, run
from ecgkit.stages.reproduce.plan import Plan, ReproduceOptions, make_plan

__all__ = ["Plan", "ReproduceOptions", "ReproduceSummary", "make_plan", "run"]
