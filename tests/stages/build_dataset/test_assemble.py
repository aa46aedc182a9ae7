"""The table that a build splits by is the one that is read from its file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from support.dataset_files import parts_of

from ecgkit.config import Config
from ecgkit.dataset.read import open_dataset
from ecgkit.splits import find_scheme, split_all
from ecgkit.splits.claims import scheme_leaks
from ecgkit.splits.scheme import SplitSettings
from ecgkit.stages import build_dataset
from ecgkit.stages.build_dataset import BuildOptions
from ecgkit.stages.build_dataset.assemble import window_table_of


def test_window_table_of_parts_holds_a_text_for_each_session_not_each_window() -> None:
    parts = [
        dataclasses.replace(part, sha256=file * 64) for part, file in zip(parts_of(), "baab", strict=True)
    ]
    table = window_table_of(parts, 3.0)
    sizes = [len(part.windows) for part in parts]
    assert table.session.tolist() == np.repeat([part.tags.key for part in parts], sizes).tolist()
    assert table.subject.tolist() == np.repeat([part.tags.subject for part in parts], sizes).tolist()
    assert len({id(text) for text in table.session}) == len(parts)
    assert table.source is not None
    assert table.source.tolist() == np.repeat([1, 0, 0, 1], sizes).tolist()
    np.testing.assert_array_equal(table.start_s, np.concatenate([part.columns["start_s"] for part in parts]))


def test_build_splits_as_a_reader_of_its_file_would(study: Path) -> None:
    summary = build_dataset.run(study, BuildOptions(flags={"splits": {"seed": 3}}, jobs=1))
    data = open_dataset(summary.path)
    table, settings = (
        data.window_table,
        SplitSettings(**Config().splits.model_copy(update={"seed": 3}).model_dump()),
    )
    folds = split_all(table, settings)
    assert folds.keys() == data.folds.keys()
    for name, made in folds.items():
        for fold, roles in made.items():
            np.testing.assert_array_equal(roles, data.folds[name][fold])
        assert summary.leaks[name] == scheme_leaks(find_scheme(name), table, made)
