"""What a study keeps of a recording: nothing that tells who was recorded, unless a lab asks for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ecgkit.records import Recording, Session


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept of a recording though it can tell who was recorded: nothing, unless a lab asks for it."""

    source_name: bool = False
    dates: bool = False
    journal: bool = False
    marker_texts: bool = False


def without_identity(recording: Recording, keep: Keep) -> Recording:
    """Take away what can tell who was recorded, but for what is asked to be kept."""
    return replace(
        recording,
        markers=tuple(
            marker if keep.marker_texts else replace(marker, text="") for marker in recording.markers
        ),
        journal=recording.journal if keep.journal else None,
        start_time=recording.start_time if keep.dates else None,
    )


def difference(there: Session, now: Session) -> str:
    """Say how two sessions of one source differ, "" if they do not; what identifies anyone is not named."""
    before, after = _kept(there), _kept(now)
    changed = [name for name in (*before, *after) if before.get(name) != after.get(name)]
    if not changed:
        return ""
    return f"{changed[0]} is {before.get(changed[0], 'none')} there, {after.get(changed[0], 'none')} now"


def _kept(session: Session) -> dict[str, str]:
    """Return what a study keeps of a session, but for its samples and what follows from the file alone."""
    recording = session.recording
    kept = {"ECG": ", ".join(recording.channels[index].name for index in session.ecg)}
    kept |= {"leads": ", ".join(session.leads), "lost": "; ".join(recording.lost)}
    for channel in recording.channels:
        for name in ("name", "unit", "fs", "n_samples", "scale", "offset", "missing"):
            kept[f"{name} of channel {channel.index}"] = str(getattr(channel, name))
    identity = {
        "the source's name": session.source_name,
        "the journal": recording.journal,
        "the start time": recording.start_time,
        "the text of a marker": next((marker.text for marker in recording.markers if marker.text), None),
    }
    return kept | {name: "left out" if value is None else "kept" for name, value in identity.items()}
