"""The leads of a recording, chosen with a look at the signals where names do not tell."""

from __future__ import annotations

from collections.abc import Sequence

from ecgkit.errors import EcgkitError
from ecgkit.readers.leads import EcgLeads, choose_ecg
from ecgkit.records import Channel, Recording

LOOK_S = 60.0


def choose_leads(recording: Recording, named: Sequence[str] = ()) -> EcgLeads:
    """Return the ECG channels of a recording, as `choose_ecg` does.

    Raises
    ------
    ChannelError
        They can't be told; the message lists all channels with what they look like.
    """
    return choose_ecg(recording, named, looks=look)


def look(channel: Channel) -> str:
    """Say in a few words what a minute from the middle of a channel looks like."""
    from ecgkit.analysis.looks import looks_like

    size = min(channel.n_samples, round(LOOK_S * channel.fs))
    start = (channel.n_samples - size) // 2
    try:
        return looks_like(channel.read(start, start + size), channel.fs)
    except EcgkitError:
        return "its samples can't be read"
