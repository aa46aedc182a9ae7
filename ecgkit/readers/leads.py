"""The leads that are taken from a recording: named by a user, found, or derived from two others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ecgkit.errors import ChannelError
from ecgkit.readers.ecg_channel import Looks, find_ecg, lead_of, listed, millivolts_per_unit, physical_unit
from ecgkit.records import Channel, RawSamples, Recording

DERIVED = "III = II - I"
NO_NUMBER = -1  # no file has given this channel a number


@dataclass(frozen=True, slots=True)
class EcgLeads:
    """The ECG channels taken from a recording.

    Attributes
    ----------
    recording
        The recording; a derived lead is a further channel of it.
    indexes
        The channels, in lead order.
    names
        The leads: the standard name where the channel's says one, else the channel's; each once.
    reason
        Why these, as a phrase.
    """

    recording: Recording
    indexes: tuple[int, ...]
    names: tuple[str, ...]
    reason: str

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels themselves, in lead order."""
        return tuple(self.recording.channels[index] for index in self.indexes)


def choose_ecg(recording: Recording, named: Sequence[str] = (), *, looks: Looks | None = None) -> EcgLeads:
    """Return the ECG channels of a recording, in lead order, and why they were taken.

    Parameters
    ----------
    named
        What a user gave for each lead: a channel's name, its position from 0, or a standard lead that a
        channel's name says. III is derived from I and II where there is no channel of it (Einthoven's
        law, III = II - I). None to have one channel found by `find_ecg`.
    looks
        Says in a few words what a channel looks like, for the message that lists them.

    Raises
    ------
    ChannelError
        A named channel is not there, or one is named twice; or none was named and none, or several, may
        be the ECG.
    """
    if not named:
        try:
            choice = find_ecg(recording.channels, looks=looks)
        except ChannelError as error:
            raise ChannelError(f"{recording.path}: {error}") from error
        return EcgLeads(
            recording, (choice.index,), (_lead_name(recording.channels[choice.index]),), choice.reason
        )
    found: list[Channel] = []
    for key in named:
        channel = _resolve(recording, key, looks)
        if channel in found:
            raise ChannelError(f"{recording.path}: channel {channel.name!r} is named twice as a lead")
        if channel.index == len(recording.channels):
            recording = replace(recording, channels=(*recording.channels, channel))
        found.append(channel)
    _refuse_unlike(recording, found)
    names = tuple(map(_lead_name, found))
    if len(set(names)) < len(names):  # such as a raw and a filtered channel of one lead
        names = tuple(f"{channel.name} ({channel.index})" for channel in found)
    return EcgLeads(recording, tuple(channel.index for channel in found), names, "as named")


def _refuse_unlike(recording: Recording, channels: Sequence[Channel]) -> None:
    """Refuse leads that can't stand side by side: of several rates, or of units that can't be converted."""
    if (
        len({channel.fs for channel in channels}) > 1
        or len({physical_unit(channel.unit) for channel in channels}) > 1
    ):
        raise ChannelError(
            f"{recording.path}: the leads differ in rate or unit; take leads of one kind. {listed(channels)}"
        )


def _lead_name(channel: Channel) -> str:
    return lead_of(channel.name) or channel.name


def _resolve(recording: Recording, key: str, looks: Looks | None) -> Channel:
    """Find the channel that a user means by a name, a position or a lead."""
    try:
        return recording.channel(key)
    except ChannelError as error:
        if sum(channel.name == key for channel in recording.channels) > 1:
            raise
        leads = _by_lead(recording)
        lead = lead_of(key)
        if lead in leads:
            return leads[lead]
        if lead == "III" and {"I", "II"} <= set(leads):
            return _lead_three(recording, leads["I"], leads["II"])
        raise ChannelError(f"{error}. {listed(recording.channels, looks)}") from error


def _by_lead(recording: Recording) -> dict[str, Channel]:
    """Return the channels whose names say a standard lead; one that several say is left out."""
    found: dict[str, list[Channel]] = {}
    for channel in recording.channels:
        if lead := lead_of(channel.name):
            found.setdefault(lead, []).append(channel)
    return {lead: channels[0] for lead, channels in found.items() if len(channels) == 1}


def _lead_three(recording: Recording, one: Channel, two: Channel) -> Channel:
    """Derive lead III from I and II, in the unit of I."""
    units = millivolts_per_unit(one.unit), millivolts_per_unit(two.unit)
    factor = 1.0 if one.unit == two.unit else None
    if units[0] is not None and units[1] is not None:
        factor = units[1] / units[0]
    if one.fs != two.fs or factor is None:
        raise ChannelError(
            f"{recording.path}: III can't be derived: I is in {one.unit or 'no unit'} at {one.fs:g} Hz, "
            f"II in {two.unit or 'no unit'} at {two.fs:g} Hz; expected one rate, and units that are voltages"
        )
    return Channel(
        index=len(recording.channels),
        number=NO_NUMBER,
        name=DERIVED,
        unit=one.unit,
        fs=one.fs,
        n_samples=min(one.n_samples, two.n_samples),
        dtype=np.dtype(np.float64),
        scale=1.0,
        offset=0.0,
        sample_reader=partial(_difference, one, two, factor),
        chunk_reader=partial(_differences, one, two, factor),
    )


def _difference(one: Channel, two: Channel, factor: float, start: int, stop: int) -> RawSamples:
    return two.read(start, stop) * factor - one.read(start, stop)


def _differences(
    one: Channel, two: Channel, factor: float, start: int, stop: int, size: int
) -> Iterator[RawSamples]:
    chunks = one.chunks(size, start=start, stop=stop), two.chunks(size, start=start, stop=stop)
    for first, second in zip(*chunks, strict=True):
        yield second * factor - first
