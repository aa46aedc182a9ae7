from __future__ import annotations

import pytest

from ecgkit.dataset.schema import MOST_OWN_LABELS, refused_labels

SYNTAX = "expected a name of a-z, 0-9 and _, a letter first, 64 at most"
TAKEN = "the data set has something of this name already; choose another one"


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ([], ""),
        (["group", "a", "x" * 64, "posture_2"], ""),
        (["group", "x" * 65], f"label '{'x' * 65}': {SYNTAX}"),
        (["x" * 1000], f"label '{'x' * 70}': {SYNTAX}"),
        (["../x"], f"label '../x': {SYNTAX}"),
        ([""], f"label '': {SYNTAX}"),
        (["größe"], f"label 'größe': {SYNTAX}"),
        (["session"], f"label 'session': {TAKEN}"),
        (["leads"], f"label 'leads': {TAKEN}"),
        (["row"], f"label 'row': {TAKEN}"),
    ],
)
def test_refused_labels_says_which_name_can_not_be(names: list[str], fault: str) -> None:
    assert refused_labels(names) == fault


def test_refused_labels_bounds_how_many_there_are() -> None:
    names = [f"l{number}" for number in range(MOST_OWN_LABELS + 1)]
    assert refused_labels(names[:-1]) == ""
    assert refused_labels(names) == "65 labels, expected at most 64; leave some out"
