"""The protocol that a study follows."""

from __future__ import annotations

from ecgkit.errors import ProtocolError
from ecgkit.protocol.model import Protocol, load_protocol
from ecgkit.study.folder import STUDY_FILE, Study


def protocol_of(study: Study) -> Protocol:
    """Load the protocol that study.yaml names.

    Raises
    ------
    ProtocolError
        There is no such protocol, or its file is wrong.
    """
    try:
        return load_protocol(study.protocol)
    except ProtocolError as error:
        raise ProtocolError(f"{study.folder / STUDY_FILE}: {error}") from error
