"""Which channel is the respiration, told by name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ecgkit.records import Channel

# RSP, RESP, RSP100C, Respiration, Respiratory belt, Breathing, Thorax, Abdomen, SS5LB (BIOPAC's transducer)
RESPIRATION_NAME = re.compile(
    r"(?<![a-z])(?:rsp|rip|resp(?:ir\w*)?|atmung|breath(?:ing)?|thora(?:x|cic)|abdom(?:en|inal)|chest belt)"
    r"(?![a-z])|rsp100|ss5l?b",
    re.IGNORECASE,
)
# what is calculated from it, and what is measured in the breath rather than of it
DERIVED_NAME = re.compile(
    r"(?<![a-z])(?:rate|bpm|rr|interval|phase|peaks?|trigger|co2|o2|etco2|rsa|volume|depth|ecg|ekg)(?![a-z])",
    re.IGNORECASE,
)
DERIVED_UNITS = frozenset({"bpm", "breaths/min", "1/min", "hz", "s", "sec", "ms", "%"})


def find_respiration(channels: Sequence[Channel]) -> int | None:
    """Return the index of the one channel with samples that is named so, None where there is not one."""
    found = [
        channel.index
        for channel in channels
        if channel.n_samples
        and RESPIRATION_NAME.search(channel.name)
        and not DERIVED_NAME.search(channel.name)
        and channel.unit.strip().casefold() not in DERIVED_UNITS
    ]
    return found[0] if len(found) == 1 else None
