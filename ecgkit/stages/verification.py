"""What a verification finds, of a study and of a data set alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["fault", "remark"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should be known.

    Attributes
    ----------
    severity
        A fault means that what was verified is not whole; a remark is no error.
    where
        The file, from the study's folder; or the place in a data set.
    """

    severity: Severity
    where: str
    text: str


def is_sound(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing is wrong."""
    return not any(finding.severity == "fault" for finding in findings)


def findings_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings as plain values."""
    return [asdict(finding) for finding in findings]
