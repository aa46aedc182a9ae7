"""A data set is stale when its study would give another one now, and not otherwise."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ecgkit.dataset.read import open_dataset
from ecgkit.records import Tags
from ecgkit.stages import build_dataset, exclude, ingest, remove, simulate
from ecgkit.stages.build_dataset import BuildOptions
from ecgkit.stages.ingest.asked import Asked
from ecgkit.stages.ingest.call import IngestOptions
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.stages.staleness import stale

ONE = Tags("01", "rest")
OTHER = Tags("03", "rest")


def built(study: Path, **wanted: Any) -> Path:
    """Build a study's data set of chosen sessions."""
    build_dataset.run(study, BuildOptions(flags={"sessions": wanted}, jobs=1))
    return study / "dataset.h5"


def said(path: Path) -> list[str]:
    return stale(open_dataset(path))


@pytest.mark.parametrize("wanted", [{}, {"subjects": ["01", "02"]}, {"conditions": ["rest"], "visits": [1]}])
def test_stale_says_nothing_of_a_data_set_just_built(study: Path, wanted: dict[str, Any]) -> None:
    path = built(study, **wanted)
    assert said(path) == []
    assert said(path.rename(study.parent / "elsewhere.h5")) == []


def test_stale_does_not_mind_what_happens_to_sessions_that_were_not_asked_for(study: Path) -> None:
    path = built(study, subjects=["01", "02"])
    exclude.run(study, OTHER.key, reason="fell asleep")
    assert said(path) == []
    remove.run(study, [OTHER.key], reason="wrong person")
    assert said(path) == []


def test_stale_names_what_happened_to_those_that_were(study: Path) -> None:
    path = built(study, subjects=["01", "02"])
    exclude.run(study, ONE.key, reason="fell asleep")
    [sentence] = said(path)
    assert f"(1 sessions added, replaced, excluded or removed: {ONE.key})" in sentence
    assert sentence.endswith("build it again with: ecgkit build-dataset, choosing the same sessions")


def test_stale_of_a_whole_study_says_how_to_build_it_again(study: Path) -> None:
    remove.run(study, [ONE.key], reason="wrong person")
    [sentence] = said(study / "dataset.h5")
    assert ONE.key in sentence
    assert sentence.endswith("build it again with: ecgkit build-dataset")


def test_stale_names_a_session_that_was_cut_otherwise(
    study: Path, simulated_files: tuple[SimulatedFile, ...]
) -> None:
    [file] = [f for f in simulated_files if (f.subject, f.condition, f.visit) == ("01", "rest", 1)]
    said_of_it = {"subject": "01", "condition": "rest", "start": "0", "stop": "20"}
    ingest.run_all(
        Asked((file.path,), said=said_of_it), study_folder=study, options=IngestOptions(replace=True)
    )
    [sentence] = said(study / "dataset.h5")
    assert ONE.key in sentence


NEW_SUBJECT = Tags("05", "rest")
OTHER_CONDITION, OTHER_VISIT = Tags("01", "exercise", 1, 2), Tags("01", "rest", 3)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated recording that is in no study. Read only."""
    out = tmp_path_factory.mktemp("more") / "sim"
    return simulate.run(out, n_subjects=1, seed=4, duration_s=30.0).files[0].path


@pytest.mark.parametrize(
    ("wanted", "new", "is_stale"),
    [
        ({}, NEW_SUBJECT, True),
        ({"subjects": ["01", "02"]}, NEW_SUBJECT, False),
        ({"subjects": ["01", "02"]}, OTHER_VISIT, True),
        ({"conditions": ["Rest", "Deep breathing"]}, NEW_SUBJECT, True),
        ({"conditions": ["Rest", "Deep breathing"]}, OTHER_CONDITION, False),
        ({"visits": [1, 2]}, OTHER_VISIT, False),
        ({"subjects": ["01"], "visits": [1]}, NEW_SUBJECT, False),
    ],
)
def test_stale_asks_of_a_new_session_whether_it_was_asked_for(
    study: Path, recording: Path, wanted: dict[str, Any], new: Tags, is_stale: bool
) -> None:
    path = built(study, **wanted)
    ingest.run(recording, new, study_folder=study)
    assert [new.key in sentence for sentence in said(path)] == [True] * is_stale


def test_stale_goes_by_the_choice_not_by_what_reasons_say(study: Path) -> None:
    """A session that gave no window may go; one that is asked for may not come back unseen."""
    data = open_dataset(study / "dataset.h5")
    gone = {"sub-77_visit-1_cond-rest_take-1": {"sha256": "0", "reason": "too warm"}}
    assert stale(dataclasses.replace(data, left_out=gone)) == []
    back = {ONE.key: {"sha256": "0", "reason": "not chosen: subject 01 was not asked for"}}
    sources = {key: source for key, source in data.sources.items() if key != ONE.key}
    [sentence] = stale(dataclasses.replace(data, sources=sources, left_out=back))
    assert ONE.key in sentence
    chosen = dataclasses.replace(data, sources=sources, left_out=back, choice={"conditions": ["exercise"]})
    assert stale(chosen) == []


def test_stale_takes_a_choice_that_is_none(study: Path) -> None:
    data = open_dataset(study / "dataset.h5")
    for strange in ({}, {"subjects": 7, "conditions": "rest", "visits": {}}):
        assert stale(dataclasses.replace(data, choice=strange)) == []
