"""Which channel is the ECG, and which lead, told by name, unit and rate; and a unit's millivolts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecgkit.errors import ChannelError
from ecgkit.records import Channel

LOWEST_ECG_RATE_HZ = 100
Looks = Callable[[Channel], str]

# ECG, EKG, ECG1, ECG100C, ECG2-R; ERS100C, an evoked-response amplifier used for ECG too; Lead I, lead aVF;
# and as a name of its own II, V5 or MLII
ECG_NAME = re.compile(
    r"(?<![a-z])(?P<word>e[ck]g(?![a-z])|ers100c?|ele[ck]tro[ck]ardiogra\w+|"
    r"lead[ _-]?(?:i{1,3}|[123]|av[rlf]|v[1-6])(?![a-z0-9])|"
    r"^(?:m?l?i{1,3}|av[rlf]|m?v[1-6])$)",
    re.IGNORECASE,
)
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "MLI", "MLII", "MLIII")
# the lead is a word of its own, alone or after what makes the channel an ECG: ECG I, Lead II, EKG - Lead aVF
LEAD_NAME = re.compile(
    r"(?:^|(?:e[ck]g|lead)[\s_:,;()\[\]-]{0,8}(?:lead)?[\s_:-]{0,4})"
    r"(?P<lead>ml(?:i{1,3})|i{1,3}|av[rlf]|v[1-6]|[123])(?![a-z0-9])",
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

# names that say nothing, such as those of formats that have none: channel 1, column 0, CH2, Analog input
UNNAMED = re.compile(
    r"(?:channel|column|ch|analog|analog input|input|signal|data|value)?[\s_.-]*\d*", re.IGNORECASE
)

VOLTS = re.compile(r"[\[(]?\s*(?P<prefix>milli|micro|nano|mc|[munμ])?[\s-]*v(?:olts?)?\.?\s*[\])]?")
MILLIVOLTS = {None: 1e3, "m": 1.0, "milli": 1.0, "u": 1e-3, "μ": 1e-3, "mc": 1e-3, "micro": 1e-3}
MILLIVOLTS |= {"n": 1e-6, "nano": 1e-6}


@dataclass(frozen=True, slots=True)
class EcgChoice:
    """The channel taken for ECG where none was named: its index, and why it was taken, as a phrase."""

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


def physical_unit(unit: str) -> str:
    """Return the unit that samples are brought to: mV for a voltage, else the one they have."""
    return unit.strip() if millivolts_per_unit(unit) is None else "mV"


def lead_of(name: str) -> str | None:
    """Return the standard lead that a channel's name says ("I" for "ECG Lead I"), None where it says none.

    A figure counts after "lead" only: "Lead 2" is lead II, "ECG 2" the second of some channels.
    """
    for match in LEAD_NAME.finditer(name):
        lead = match["lead"]
        if lead in ("1", "2", "3"):
            if "lead" not in match[0].casefold():
                continue
            lead = int(lead) * "I"
        return next(known for known in LEADS if known.casefold() == lead.casefold())
    return None


def find_ecg(channels: Sequence[Channel], *, looks: Looks | None = None) -> EcgChoice:
    """Pick the ECG channel by name, then by unit and rate; of several leads the first of the standard order.

    Channels that were calculated from an ECG (heart rate, R-R, HRV, "ECG R-wave") are left aside.

    Parameters
    ----------
    looks
        Says in a few words what a channel looks like, for the message that lists them.

    Raises
    ------
    ChannelError
        No channel is named like an ECG, or several are that are not leads; the message lists all channels.
    """
    if len(channels) == 1 and UNNAMED.fullmatch(channels[0].name):
        return EcgChoice(channels[0].index, "the only channel, and its name says nothing else")
    left = [channel for channel in channels if _word(channel)]
    named, told_apart = len(left), []
    for difference, has in TIE_BREAKERS:
        better = [channel for channel in left if has(channel)]
        if 0 < len(better) < len(left):
            left = better
            told_apart.append(difference)
    leads = {lead: channel for channel in left if (lead := lead_of(channel.name))}
    if len(left) > 1 and len(leads) == len(left):
        first = next(lead for lead in LEADS if lead in leads)
        others = ", ".join(lead for lead in LEADS if lead in leads)
        return EcgChoice(leads[first].index, f"lead {first} of the leads {others}; --leads takes several")
    if len(left) != 1:
        found = f"{len(left)} channels are named" if left else "no channel is named"
        raise ChannelError(f"{found} like an ECG; give one with --channel NAME. {listed(channels, looks)}")
    reason = f"its name says {_word(left[0])!r}"
    if told_apart:
        reason += f"; of {named} such channels the only one {' and '.join(told_apart)}"
    return EcgChoice(left[0].index, reason)


def _word(channel: Channel) -> str | None:
    """Return the word in a channel's name that makes it an ECG, None where it is none."""
    match = ECG_NAME.search(channel.name)
    derived = DERIVED_NAME.search(channel.name) or channel.unit.strip().casefold() in DERIVED_UNITS
    return match["word"] if match and not derived else None


def listed(channels: Sequence[Channel], looks: Looks | None = None) -> str:
    """Return a sentence that lists channels by position, name, unit and rate, and by what they look like."""
    rows = (
        f"{channel.index}: {channel.name!r} ({channel.unit or 'no unit'}, {channel.fs:g} Hz)"
        + (f", {looks(channel)}" if looks else "")
        for channel in channels
    )
    return f"The channels are {'; '.join(rows)}"
