import pytest

from ecgkit.errors import ConfigError
from ecgkit.lookup import pick, unknown

TABLE = {"square-root": "math:sqrt", "floor": "math:floor"}


def test_pick_imports_the_named_object() -> None:
    assert pick(TABLE, "floor", what="function")(2.7) == 2


def test_pick_lists_known_names_and_guesses() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown function 'flor'; known are: floor, square-root.*'floor'\?"
    ):
        pick(TABLE, "flor", what="function")


def test_unknown_says_so_when_there_is_nothing() -> None:
    assert "(none)" in unknown("run", "x", [])
