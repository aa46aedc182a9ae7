"""Choices by name: literal tables ``name -> "module:attribute"``, imported when asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from ecgkit.errors import ConfigError


def pick(table: Mapping[str, str], name: str, *, what: str) -> Any:
    """Import and return the object that a table names.

    Parameters
    ----------
    table
        ``name -> "package.module:attribute"``.
    name
        The choice.
    what
        What the table holds, for the error ("backbone").

    Raises
    ------
    ConfigError
        The name is not in the table; the message lists the names that are.
    """
    if name not in table:
        raise ConfigError(unknown(what, name, table))
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def unknown(what: str, name: str, options: Iterable[str]) -> str:
    """Say that a name is unknown, list the known ones, and guess at what was meant."""
    known = sorted(options)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown {what} {name!r}; known are: {', '.join(known) or '(none)'}.{hint}"
