from pathlib import Path

import pytest
from support.dataset_files import describe, labelled, parts_of, write_small

from ecgkit.dataset.card import LAB, MARK, MOST_BYTES, card_path, card_text, lab_part, write_card
from ecgkit.dataset.read import open_dataset
from ecgkit.errors import DatasetError


def test_card_says_who_what_how_and_what_it_can_not_show(built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    text = card_text(data)
    assert text.startswith(f"# {data.study}: ECG windows\n\n**SIMULATED data in it")
    for part in ("24 sessions of 4 subjects in 3 conditions", "lead LA-RA, 100 Hz", data.sha256):
        assert part in text
    for title in ("Who", "Conditions", "How it was recorded", "Quality", "Splits", "Limits", "Licence"):
        assert f"\n## {title}" in text
    assert "**leave-subjects-out** (4 folds, for state)." in text
    assert "**paper** (1 fold, for state and identity, **leaks**)." in text
    assert "| `high_pass_hz` | 0.5 |" in text
    assert text.endswith(f"{MARK}{LAB}")


def test_card_of_recorded_data_does_not_say_simulated(tmp_path: Path) -> None:
    from support.dataset_files import part_of

    from ecgkit.records import Tags

    path = write_small(tmp_path / "d.h5", [part_of(Tags("01", "rest"), simulated=False)])
    assert "SIMULATED" not in card_text(open_dataset(path))


def test_write_card_writes_the_same_bytes_and_keeps_the_lab_s_part(tmp_path: Path) -> None:
    path = write_small(tmp_path / "d.h5")
    card, data = card_path(path), open_dataset(path)
    assert card == tmp_path / "d.md"
    write_card(card, data)
    first = card.read_bytes()
    write_card(card, data)
    assert card.read_bytes() == first
    own = first.decode().replace(
        "Not given yet. Say here who may do what with it, such as: CC BY 4.0.", "CC0."
    )
    card.write_text(own + "\n\nThanks to all.\n", encoding="utf-8")
    write_card(card, open_dataset(write_small(path, parts_of(n_visits=2))))
    text = card.read_text(encoding="utf-8")
    assert "32 windows" in text
    assert text.partition(MARK)[2] == own.partition(MARK)[2] + "\n\nThanks to all.\n"


def test_lab_part_refuses_what_is_no_card(tmp_path: Path) -> None:
    path = tmp_path / "d.md"
    assert lab_part(path) == LAB
    path.write_text("# Notes\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="no data card of ecgkit's"):
        lab_part(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match="can't be read as UTF-8"):
        lab_part(path)
    path.write_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(DatasetError, match="too long for a data card"):
        lab_part(path)


def test_card_takes_no_markup_from_names(tmp_path: Path) -> None:
    odd = describe(
        study=f"a*b*\n# {MARK}",
        unit="<b>|`x`",
        left_out={"`|<!--": {"sha256": "0", "reason": "[x](http://y)\n## z"}},
    )
    text = card_text(open_dataset(write_small(tmp_path / "d.h5", description=odd)))
    assert text.count(MARK) == 1
    assert text.splitlines()[0] == "# a\\*b\\* # \\<!-- What stands below this line is the lab's own. " + (
        "ecgkit keeps it. --\\>: ECG windows"
    )
    assert "\\[x\\](http://y) ## z" in text
    assert "unit: \\<b\\>\\|\\`x\\`" in text


def test_card_counts_own_labels(tmp_path: Path) -> None:
    text = card_text(open_dataset(write_small(tmp_path / "d.h5", labelled())))
    assert "## Own labels" in text
    assert "- `ward`, sessions: not known: 1; b: 1; ä 1: 2" in text
    assert "Own labels" not in card_text(open_dataset(write_small(tmp_path / "plain.h5")))
