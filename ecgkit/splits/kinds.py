"""The kinds of leaks: what windows of a test can share with others, for which task that matters, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["leak", "bias", "caveat"]

TASKS = {"subject": "identity", "condition": "state"}  # task -> what texts call it
SEVERITIES = ("leak", "bias", "caveat")  # the worst first


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of leak.

    Attributes
    ----------
    severity
        ``task -> severity``; tasks that it does no harm to are not in it.
    by
        A key of `EXAMPLES`: what it is counted by.
    what
        What the tested windows did; ``{used}`` is what was done with the other windows.
    so
        What follows for the score.
    """

    severity: Mapping[str, Severity]
    by: str
    what: str
    so: str


# what windows can share -> how an example of it is written
EXAMPLES = {
    "session": "{session}",
    "visit": "{subject} visit {visit}",
    "subject": "{subject}",
    "condition": "{condition}",
    "subject in condition": "{subject} {condition}",
}

KINDS = {
    "same-recording": Kind(
        {"subject": "leak", "condition": "leak"},
        "session",
        "came from recordings of which other windows were {used}",
        "A model can recognise the recording by its baseline, amplitude and noise, and need know no more.",
    ),
    "overlap": Kind(
        {"subject": "leak", "condition": "leak"},
        "session",
        "shared samples with windows that were {used}",
        "The same heartbeats lie on both sides.",
    ),
    "neighbours": Kind(
        {"subject": "leak", "condition": "leak"},
        "session",
        "lay less than {gap_s:g} s from windows that were {used}",
        "Neighbouring beats of one recording are nearly copies of each other.",
    ),
    "same-file-and-state": Kind(
        {"subject": "leak", "condition": "leak"},
        "session",
        "came from files of which other sessions of the same person in the same state were {used}",
        "That is one recording, cut: a model can recognise it by its baseline, amplitude and noise.",
    ),
    "same-subject": Kind(
        {"condition": "leak"},
        "subject",
        "came from people of whom other recordings were {used}",
        "The score says how well the state of known people is told, not that of a new person.",
    ),
    "new-condition-for-subject": Kind(
        {"condition": "bias"},
        "subject in condition",
        "showed people in a state that they were never {used} in, though they were in others",
        "A model that knows a person has learned that this person never shows this state: the score is too "
        "low and can fall below chance.",
    ),
    "new-condition": Kind(
        {"condition": "bias"},
        "condition",
        "were in states of which nothing was {used}",
        "A model can't name them, so each counts as wrong.",
    ),
    "new-subject": Kind(
        {"subject": "bias"},
        "subject",
        "came from people of whom nothing was {used}",
        "A model can't name them, so each counts as wrong, unless the test asks who is unknown (open-set).",
    ),
    "same-file": Kind(
        {"subject": "caveat", "condition": "caveat"},
        "visit",
        "came from files of which other sessions were {used}",
        "Electrodes and amplifier were left as they were within a file: the score can't say what another "
        "day, or electrodes placed anew, would do.",
    ),
    "same-visit": Kind(
        {"subject": "caveat"},
        "visit",
        "came from visits of which other recordings were {used}",
        "How the electrodes sat is known: the score can't say what another day, or electrodes placed anew, "
        "would do.",
    ),
}
SO_FOR_VALIDATION = "What the validation decides, such as when to stop, was decided with the test in view."
