"""ecgkit: from BIOPAC AcqKnowledge files to ECG data sets and honestly evaluated models.

The public names are imported when they are first used, so that ``import ecgkit`` costs nothing. What they
are for stands in docs/api.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "read": "ecgkit.readers:read",
    "open_study": "ecgkit.study.folder:open_study",
    "open_dataset": "ecgkit.dataset.read:open_dataset",
    "Batches": "ecgkit.dataset.batches:Batches",
    "Batching": "ecgkit.dataset.batches:Batching",
    "TorchBatches": "ecgkit.dataset.torch_data:TorchBatches",
    "WindowTable": "ecgkit.splits:WindowTable",
    "window_table": "ecgkit.splits:window_table",
    "describe_schemes": "ecgkit.splits:describe_schemes",
    "make_folds": "ecgkit.splits:make_folds",
    "find_leaks": "ecgkit.splits:find_leaks",
    "find_leaks_of_folds": "ecgkit.splits:find_leaks_of_folds",
    "describe_leaks": "ecgkit.splits:describe_leaks",
    "load_run": "ecgkit.training.weights:load_run",
    "EcgkitError": "ecgkit.errors:EcgkitError",
}

__all__ = [
    "Batches",
    "Batching",
    "EcgkitError",
    "TorchBatches",
    "WindowTable",
    "__version__",
    "describe_leaks",
    "describe_schemes",
    "find_leaks",
    "find_leaks_of_folds",
    "load_run",
    "make_folds",
    "open_dataset",
    "open_study",
    "read",
    "window_table",
]

if TYPE_CHECKING:
    from ecgkit.dataset.batches import Batches, Batching
    from ecgkit.dataset.read import open_dataset
    from ecgkit.dataset.torch_data import TorchBatches
    from ecgkit.errors import EcgkitError
    from ecgkit.readers import read
    from ecgkit.splits import (
        WindowTable,
        describe_leaks,
        describe_schemes,
        find_leaks,
        find_leaks_of_folds,
        make_folds,
        window_table,
    )
    from ecgkit.study.folder import open_study
    from ecgkit.training.weights import load_run


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ecgkit' has no attribute {name!r}")
    from ecgkit.lookup import pick

    return pick(_PUBLIC, name, what="name")


def __dir__() -> list[str]:
    return sorted(__all__)
