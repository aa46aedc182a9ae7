"""ecgkit: from BIOPAC AcqKnowledge files to ECG data sets and honestly evaluated models.

The public names are imported when they are first used, so that ``import ecgkit`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "read": "ecgkit.readers:read",
    "open_dataset": "ecgkit.dataset.read:open_dataset",
    "open_study": "ecgkit.study.folder:open_study",
    "load_run": "ecgkit.training.weights:load_run",
}

__all__ = ["__version__", "load_run", "open_dataset", "open_study", "read"]

if TYPE_CHECKING:
    from ecgkit.dataset.read import open_dataset
    from ecgkit.readers import read
    from ecgkit.study.folder import open_study
    from ecgkit.training.weights import load_run


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ecgkit' has no attribute {name!r}")
    from ecgkit.lookup import pick

    return pick(_PUBLIC, name, what="name")


def __dir__() -> list[str]:
    return sorted(__all__)
