"""The runs of a study, and its reproduction: where they lie; the card of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ecgkit.errors import StudyError
from ecgkit.files import read_small_text
from ecgkit.study.folder import Study

RUN_CARD = "run.json"
MOST_CARD_BYTES = 16_000_000
UNFINISHED = ".unfinished-"
REPRODUCTION = "reproduce"


def run_folders(study: Study) -> tuple[Path, ...]:
    """Return the folders of the study's runs, sorted by name."""
    if not study.runs_folder.is_dir():
        return ()
    return tuple(sorted(p for p in study.runs_folder.iterdir() if p.is_dir() and not p.name.startswith(".")))


def unfinished_trainings(study: Study) -> tuple[Path, ...]:
    """Return the folders that interrupted trainings left to be gone on with, sorted by name."""
    if not study.runs_folder.is_dir():
        return ()
    found = study.runs_folder.glob(f"{UNFINISHED}*")
    return tuple(sorted(path for path in found if path.is_dir() and not path.is_symlink()))


def reproduction_folder(study: Study) -> Path | None:
    """Return the folder that `ecgkit reproduce` works in beside the data set, None where it is none."""
    folder = study.folder / REPRODUCTION
    return folder if folder.is_dir() and not folder.is_symlink() else None


def read_card(run: Path) -> dict[str, Any]:
    """Read what a run says of itself, without trust.

    Raises
    ------
    StudyError
        There is no card, or it is none.
    """
    path = run / RUN_CARD
    try:
        card = json.loads(read_small_text(path, MOST_CARD_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StudyError(f"{path}: can't be read ({why})") from error
    if not isinstance(card, dict):
        raise StudyError(f"{path}: can't be read (expected a JSON object, got {type(card).__name__})")
    return card
