"""Make the golden data set of the present format version: simulated, two subjects in two conditions.

    python tests/dataset/golden/make.py

It was run once for each version. Golden files are never made anew: a reader must go on reading them.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from support.studies import put, session_of  # noqa: E402

from ecgkit.dataset.schema import FORMAT_VERSION  # noqa: E402
from ecgkit.records import Session, Tags  # noqa: E402
from ecgkit.stages import build_dataset  # noqa: E402
from ecgkit.study.folder import create_study  # noqa: E402

FLAGS = {"pipeline": {"fs": 40.0, "window_s": 2.0, "stride_s": 4.0}, "splits": {"n_folds": 2}}


def make(path: Path) -> None:
    """Write a study of 20 s in each condition as a data set of few and short windows."""
    with tempfile.TemporaryDirectory() as folder:
        study = create_study(Path(folder) / "golden", protocol="dt4ecg")
        tags = [Tags(subject, condition) for subject in ("01", "02") for condition in ("exercise", "rest")]
        put(study, *map(_simulated, tags))
        table = "participant_id\tage\tsex\nsub-01\t30\tF\nsub-02\t41\tM\n"
        (study.folder / "participants.tsv").write_text(table, encoding="utf-8")
        build_dataset.run(study.folder, flags=FLAGS)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(study.dataset_path, path)


def _simulated(tags: Tags) -> Session:
    session = session_of(tags, number=int(tags.subject))
    return replace(session, recording=replace(session.recording, simulated=True))


if __name__ == "__main__":
    target = HERE / FORMAT_VERSION / "dataset.h5"
    if target.exists():
        sys.exit(f"{target} is there; golden files are not made anew")
    make(target)
    print(target, target.stat().st_size)  # noqa: T201
