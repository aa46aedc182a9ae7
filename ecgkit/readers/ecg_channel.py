"""Which channel is the ECG, told by name, unit and rate; and how many millivolts its unit is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecgkit.errors import ChannelError
from ecgkit.records import Channel, Recording

LOWEST_ECG_RATE_HZ = 100

# ECG, EKG, ECG1, ECG100C, ECG2-R; ERS100C, an evoked-response amplifier used for ECG too; Lead I, lead aVF
ECG_NAME = re.compile(
    r"(?<![a-z])(?P<word>e[ck]g(?![a-z])|ers100c?|ele[ck]tro[ck]ardiogra\w+|"
    r"lead[ _-]?(?:i{1,3}|[123]|av[rlf]|v[1-6])(?![a-z0-9]))",
    re.IGNORECASE,
)
# what AcqKnowledge and labs calculate from an ECG and name after it
DERIVED_NAME = re.compile(
    r"(?<![a-z])(?:hr|hrv|bpm|rate|beats?|r\W?r|rri|ibi|nn|interval|tachogram|r[\s_-]?waves?|r[\s_-]?peaks?|"
    r"peaks?|qrs|variability|delta|integrate[ds]?|integral|differentiated?|derivative|squared?|rms|trigger|"
    r"power|psd|spectrum|template|correlation|edr|score)(?![a-z])",
    re.IGNORECASE,
)
DERIVED_UNITS = frozenset({"bpm", "beats/min", "hz", "s", "sec", "seconds", "ms", "msec"})
FILTERED_NAME = re.compile(
    r"(?<![a-z])(?:filtered|smoothed|comb|band\W?stop|notch|fir|iir|clean(?:ed)?|copy)(?![a-z])",
    re.IGNORECASE,
)

VOLTS = re.compile(r"[\[(]?\s*(?P<prefix>milli|micro|nano|mc|[munμ])?[\s-]*v(?:olts?)?\.?\s*[\])]?")
MILLIVOLTS = {None: 1e3, "m": 1.0, "milli": 1.0, "u": 1e-3, "μ": 1e-3, "mc": 1e-3, "micro": 1e-3}
MILLIVOLTS |= {"n": 1e-6, "nano": 1e-6}


@dataclass(frozen=True, slots=True)
class EcgChoice:
    """The channel taken for ECG: its index, and why it was taken, as a phrase."""

    index: int
    reason: str


# what tells several channels with an ECG's name apart, in this order
TIE_BREAKERS: tuple[tuple[str, Callable[[Channel], bool]], ...] = (
    ("with a unit of voltage", lambda channel: millivolts_per_unit(channel.unit) is not None),
    (f"at {LOWEST_ECG_RATE_HZ} Hz or more", lambda channel: channel.fs >= LOWEST_ECG_RATE_HZ),
    ("that is not named as filtered", lambda channel: not FILTERED_NAME.search(channel.name)),
)


def millivolts_per_unit(unit: str) -> float | None:
    """Return how many millivolts one of a unit is, None where it is not a voltage.

    Takes the spellings that labs use: mV, MV, Volts, V, millivolts, microV, uV, µV.
    """
    match = VOLTS.fullmatch(unit.strip().casefold())  # casefold makes the two signs for micro one
    return MILLIVOLTS[match["prefix"]] if match else None


def find_ecg(channels: Sequence[Channel]) -> EcgChoice:
    """Pick the ECG channel by name, then by unit and rate.

    Channels that were calculated from an ECG (heart rate, R-R, HRV, "ECG R-wave") are left aside.

    Raises
    ------
    ChannelError
        No channel is named like an ECG, or several are; the message lists all channels.
    """
    left = [channel for channel in channels if _word(channel)]
    named, told_apart = len(left), []
    for difference, has in TIE_BREAKERS:
        better = [channel for channel in left if has(channel)]
        if 0 < len(better) < len(left):
            left = better
            told_apart.append(difference)
    if len(left) != 1:
        found = f"{len(left)} channels are named" if left else "no channel is named"
        raise ChannelError(f"{found} like an ECG; give one with --channel NAME. {_listed(channels)}")
    reason = f"its name says {_word(left[0])!r}"
    if told_apart:
        reason += f"; of {named} such channels the only one {' and '.join(told_apart)}"
    return EcgChoice(left[0].index, reason)


def _word(channel: Channel) -> str | None:
    """Return the word in a channel's name that makes it an ECG, None where it is none."""
    match = ECG_NAME.search(channel.name)
    derived = DERIVED_NAME.search(channel.name) or channel.unit.strip().casefold() in DERIVED_UNITS
    return match["word"] if match and not derived else None


def _listed(channels: Sequence[Channel]) -> str:
    rows = (f"{c.index}: {c.name!r} ({c.unit or 'no unit'}, {c.fs:g} Hz)" for c in channels)
    return f"The channels are {'; '.join(rows)}"


def choose_ecg(recording: Recording, named: Sequence[str] = ()) -> tuple[tuple[int, ...], str]:
    """Return the indexes of the ECG channels of a recording, in lead order, and why they were taken.

    Parameters
    ----------
    named
        Names or positions that a user gave; none to have the channel found by `find_ecg`.

    Raises
    ------
    ChannelError
        A named channel is not there; or none was named and none, or several, may be the ECG.
    """
    if named:
        return tuple(recording.channel(key).index for key in named), "named by --channel"
    try:
        choice = find_ecg(recording.channels)
    except ChannelError as error:
        raise ChannelError(f"{recording.path}: {error}") from error
    return (choice.index,), choice.reason
