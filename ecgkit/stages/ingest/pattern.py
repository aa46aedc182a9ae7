"""Tags in the names of files: a pattern such as ``S{subject}_{condition}_v{visit}.acq``.

A pattern is no regular expression: it is matched letter by letter, all readings of a name side by side. So
no pattern and no name takes long, and a name that can be read in two ways is seen to be one.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from ecgkit.errors import ConfigError
from ecgkit.lookup import unknown

FIELDS = ("subject", "condition", "visit", "take")
ANYTHING = "{*}"
LONGEST_PATTERN = 200
LONGEST_NAME = 1000
READINGS_KEPT = 2  # as many as tell one from several

_PART = re.compile(r"\{([^{}]*)\}|([{}])|([^{}]+)")
LETTERS = {
    "{subject}": frozenset(string.ascii_letters + string.digits),
    "{visit}": frozenset(string.digits),
    "{take}": frozenset(string.digits),
}

_Reading = tuple[str | None, ...]  # what was read of each of FIELDS so far
_State = tuple[int, str]  # a part of the pattern; what was read of it where it is a text or a condition


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A checked pattern: its text, and its parts, fields as ``{name}`` and what lies between them."""

    text: str
    parts: tuple[str, ...]

    @property
    def depth(self) -> int:
        """How many folders it names before the file."""
        return sum(part.count("/") for part in self.parts)

    @property
    def fields(self) -> tuple[str, ...]:
        """The tags that it says."""
        return tuple(name for name in FIELDS if f"{{{name}}}" in self.parts)


def parse_pattern(text: str) -> NamePattern:
    """Check a pattern of file names.

    Raises
    ------
    ConfigError
        It names a field that is none, or one twice, or is no pattern.
    """
    parts = []
    for field, brace, literal in _PART.findall(unicodedata.normalize("NFC", text).replace("\\", "/")):
        if brace or not (field or literal):
            raise ConfigError(f"pattern {text!r}: a brace without its other, or nothing in braces")
        if field and field not in (*FIELDS, "*", "_"):
            raise ConfigError(f"pattern {text!r}: {unknown('field', field, (*FIELDS, '*'))}")
        parts.append(literal or (ANYTHING if field in ("*", "_") else f"{{{field}}}"))
    twice = next((part for part in parts if part[1:-1] in FIELDS and parts.count(part) > 1), None)
    if twice:
        raise ConfigError(f"pattern {text!r}: {twice} stands in it twice; write {ANYTHING} for one of them")
    if len(text) > LONGEST_PATTERN or not any(part[0] == "{" for part in parts):
        raise ConfigError(
            f"pattern {text!r}: expected one like 'S{{subject}}_{{condition}}_v{{visit}}.acq', of at most "
            f"{LONGEST_PATTERN} characters"
        )
    return NamePattern(text, tuple(parts))


def match_name(pattern: NamePattern, name: str, *, conditions: Collection[str]) -> dict[str, str] | None:
    """Return what a name says of each field of the pattern, None if it does not match.

    Case makes no difference to what lies between fields; in a condition, - or a space may stand for _.

    Parameters
    ----------
    name
        Of the file, with as many folders before it as the pattern has, / between them.
    conditions
        The keys that a condition can be.

    Raises
    ------
    ConfigError
        The name can be read in more than one way.

    Examples
    --------
    >>> pattern = parse_pattern("S{subject}_{condition}_v{visit}.acq")
    >>> match_name(pattern, "S07_Deep-breathing_v02.ACQ", conditions=["rest", "deep_breathing"])
    {'subject': '07', 'condition': 'deep_breathing', 'visit': '2'}
    """
    if len(name) > LONGEST_NAME:
        return None
    states = _States(pattern.parts, conditions)
    states.enter(0, (None,) * len(FIELDS))
    for letter in unicodedata.normalize("NFC", name):
        states = states.after(letter)
    readings = states.found.get((len(pattern.parts), ""), [])
    if len(readings) > 1:
        told = " or ".join(", ".join(_named(reading).values()) for reading in readings)
        raise ConfigError(
            f"{name}: by the pattern {pattern.text!r} it can be read as {told}; put something between the "
            "fields, or use --table"
        )
    return _named(readings[0]) if readings else None


class _States:
    """How far a pattern can have been read, in all ways at once; of those that end up alike, two."""

    def __init__(self, parts: tuple[str, ...], conditions: Collection[str]) -> None:
        self._parts = parts
        self._conditions = conditions
        self.found: dict[_State, list[_Reading]] = {}

    def enter(self, part: int, reading: _Reading) -> None:
        """Note that a part can begin here; where it can be nothing, so can the next."""
        self._add((part, ""), reading)
        if part < len(self._parts) and self._parts[part] == ANYTHING:
            self.enter(part + 1, reading)

    def after(self, letter: str) -> _States:
        """Return where the pattern can be one letter on."""
        following = _States(self._parts, self._conditions)
        for (part, done), readings in self.found.items():
            for reading in readings if part < len(self._parts) else ():
                following._go_on(part, done, reading, letter)
        return following

    def _go_on(self, part: int, done: str, reading: _Reading, letter: str) -> None:
        """Read one letter more of a part; where that can be all of it, the next part can begin."""
        field = self._parts[part]
        if field == "{condition}":
            key = done + ("_" if letter in "- " else letter.lower())
            if any(known.startswith(key) for known in self._conditions):
                self._add((part, key), reading)
            if key in self._conditions:
                self.enter(part + 1, _with(reading, "condition", key))
        elif field[0] != "{":
            begun = field[: len(done) + 1]
            if begun[-1].lower() != letter.lower():
                return
            if begun == field:
                self.enter(part + 1, reading)
            else:
                self._add((part, begun), reading)
        elif letter in LETTERS[field] if field in LETTERS else letter != "/":
            longer = reading if field == ANYTHING else _longer(reading, field[1:-1], letter)
            self._add((part, ""), longer)
            self.enter(part + 1, longer)

    def _add(self, state: _State, reading: _Reading) -> None:
        readings = self.found.setdefault(state, [])
        if reading not in readings and len(readings) < READINGS_KEPT:
            readings.append(reading)


def _longer(reading: _Reading, name: str, letter: str) -> _Reading:
    """Add a letter to what was read of a field; zeros at the start of a number say nothing."""
    value = (reading[FIELDS.index(name)] or "") + letter
    return _with(reading, name, value if name == "subject" else value.lstrip("0"))


def _with(reading: _Reading, name: str, value: str) -> _Reading:
    at = FIELDS.index(name)
    return *reading[:at], value, *reading[at + 1 :]


def _named(reading: _Reading) -> dict[str, str]:
    """Return the fields that were read; a number of zeros only is 0."""
    return {name: value or "0" for name, value in zip(FIELDS, reading, strict=True) if value is not None}
