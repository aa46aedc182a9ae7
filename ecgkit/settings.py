"""Settings from outside, checked: the base of every pydantic model, and safe YAML."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator

from ecgkit.errors import ConfigError
from ecgkit.lookup import unknown

MAX_YAML_BYTES = 1_000_000
MAX_YAML_DEPTH = 20

Model = TypeVar("Model", bound=BaseModel)


class Settings(BaseModel):
    """Base of all settings: frozen, unknown names refused.

    The word none, which YAML takes for a text, is None where None may be and the text may not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _none_is_none(cls, value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        try:
            return check(value)
        except ValidationError:
            if isinstance(value, str) and value.strip().lower() == "none":
                with suppress(ValidationError):
                    return check(None)
            raise


def checked(model: type[Model], values: Mapping[str, Any], *, where: str) -> Model:
    """Check values against a model; say field by field what is wrong.

    Raises
    ------
    ConfigError
        With one line a field: where, got, expected.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors()
        inner = {problem["loc"][:depth] for problem in found for depth in range(len(problem["loc"]))}
        lines = [_describe(problem, model) for problem in found if problem["loc"] not in inner]
        raise ConfigError(f"{where}: " + "; ".join(lines)) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a small YAML mapping: plain values only, no tags, no aliases, at most 20 deep and 1 MB.

    Raises
    ------
    ConfigError
        The file is missing, too large, not YAML, or not a mapping.
    """
    import yaml

    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: not an ordinary file; expected a YAML text file")
        size = path.stat().st_size
        if size > MAX_YAML_BYTES:
            raise ConfigError(f"{path}: {size} bytes, expected at most {MAX_YAML_BYTES} for a YAML file")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: can't be read as a YAML text file ({error})") from error
    try:
        _refuse_tricks(path, text)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not valid YAML ({error})") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigError(f"{path}: expected a mapping of names to values, got {type(content).__name__}")
    return content


def _refuse_tricks(path: Path, text: str) -> None:
    """Refuse what makes a small YAML file cost much: aliases, and depth, which PyYAML is quadratic in."""
    import yaml

    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{path}: YAML aliases (*name) are not accepted; write the values out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_YAML_DEPTH:
            raise ConfigError(f"{path}: nested more than {MAX_YAML_DEPTH} deep; no setting is")


def _describe(problem: Any, model: type[BaseModel]) -> str:
    """Say which field is wrong, what was expected and what was got."""
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        names = _names(model, problem["loc"][:-1])
        return unknown("setting", field, names) if names else f"{field}: not a setting that is known here"
    if problem["type"] == "missing":
        return f"{field}: missing"
    quotes = "; YAML takes it for a number, put it in quotes" if problem["type"] == "string_type" else ""
    if problem["type"] == "value_error":
        return f"{field}: {problem['ctx']['error']}"
    return f"{field}: {problem['msg'].lower()} (got {reprlib.repr(problem['input'])}{quotes})"


def _names(model: type[BaseModel], place: Sequence[Any]) -> list[str]:
    """Return the names that a model knows at a place inside it, none where it holds no settings."""
    for part in place:
        inner = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
