"""How long work says how far it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Listens to long work. Tasks are known by their text, such as "train identity 2/3"."""

    def start(self, task: str, total: int) -> None:
        """Announce a task of `total` steps."""

    def advance(self, task: str, note: str = "") -> None:
        """One step of a task is done; `note` says what was seen in it."""


class Silent:
    """Listens to nothing: the default for library use."""

    def start(self, task: str, total: int) -> None:
        """Ignore."""

    def advance(self, task: str, note: str = "") -> None:
        """Ignore."""
