"""The protocol file: YAML, checked. The shipped ones lie in ``protocols/``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from ecgkit.errors import ConfigError, ProtocolError
from ecgkit.lookup import unknown
from ecgkit.records import CONDITION_PATTERN
from ecgkit.settings import Settings, checked, read_yaml


class Lead(Settings):
    """Where the electrodes were: stored, not checked."""

    name: str
    description: str = ""


class Condition(Settings):
    """One state that subjects are recorded in.

    `delay_s` is the time from the stimulus (the end of a run) to the start of the recording;
    `breath_period_s` the length of one breath where breathing is paced.
    """

    label: str
    description: str = ""
    duration_s: Annotated[float, Field(gt=0)]
    least_duration_s: Annotated[float, Field(gt=0)]
    delay_s: Annotated[float, Field(ge=0)] | None = None
    breath_period_s: Annotated[float, Field(gt=0)] | None = None


class Protocol(Settings):
    """What a study records: conditions by key, electrodes, mains."""

    name: str
    title: str
    source: str = ""
    lead: Lead
    mains_hz: Annotated[float, Field(ge=40, le=70)]
    fs_hz: Annotated[float, Field(gt=0)]
    conditions: Annotated[dict[str, Condition], Field(min_length=1)]

    @field_validator("conditions")
    @classmethod
    def _keys_are_plain(cls, conditions: dict[str, Condition]) -> dict[str, Condition]:
        for key in conditions:
            if not CONDITION_PATTERN.fullmatch(key):
                raise ValueError(f"condition key {key!r}: expected lower-case letters, digits and _")
        return conditions

    def condition(self, key: str) -> Condition:
        """Return a condition by key.

        Raises
        ------
        ProtocolError
            The protocol has no such condition; the message lists those it has.
        """
        if key not in self.conditions:
            raise ProtocolError(f"protocol {self.name}: {unknown('condition', key, self.conditions)}")
        return self.conditions[key]


def load_protocol(name: str) -> Protocol:
    """Load a shipped protocol by name, or one of your own by the path of its YAML file.

    Raises
    ------
    ProtocolError
        There is no such protocol, or the file does not follow the schema.
    """
    is_path = name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name
    path = Path(name) if is_path else shipped_protocols().get(name)
    if path is None:
        raise ProtocolError(
            f"{unknown('protocol', name, shipped_protocols())} A file of your own goes by its path: "
            "--protocol my.yaml"
        )
    try:
        return checked(Protocol, read_yaml(path), where=str(path))
    except ConfigError as error:
        raise ProtocolError(str(error)) from error


def shipped_protocols() -> dict[str, Path]:
    """Return the protocols that come with ecgkit: name -> file."""
    return {path.stem: path for path in sorted(protocols_folder().glob("*.yaml"))}


def protocols_folder() -> Path:
    """Return the folder of the shipped protocols.

    In a wheel it lies inside the package; in a checkout (editable install) beside it.
    """
    package = Path(__file__).parents[1]
    installed = package / "_protocols"
    return installed if installed.is_dir() else package.parent / "protocols"
