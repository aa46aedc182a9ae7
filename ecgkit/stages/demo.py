"""`ecgkit demo`: the whole way on a simulated study, ending with a person's second visit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import TrainingError
from ecgkit.progress import Progress, Silent
from ecgkit.stages import build_dataset, ingest, predict, simulate, status, study_page, train
from ecgkit.stages.build_dataset import BuildSummary
from ecgkit.stages.ingest.asked import Asked
from ecgkit.stages.predict import Prediction
from ecgkit.stages.simulate import SimulatedFile, SimulateSummary
from ecgkit.stages.train import TrainOptions, TrainSummary

SEED = 1
ASKED = ("07", "exercise", 2)  # subject, condition and visit of the file that is never ingested
FIRST_VISITS = "S{subject}_{condition}_v1.acq"


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What the demo made, and what its model said of a file that it had not seen."""

    simulated: SimulateSummary
    study: Path
    page: Path
    built: BuildSummary
    trained: TrainSummary
    asked: SimulatedFile
    predicted: Prediction

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "simulated": str(self.simulated.out),
            "study": str(self.study),
            "page": str(self.page),
            "dataset": self.built.as_json(),
            "run": str(self.trained.run),
            "asked": {
                "file": str(self.asked.path),
                "subject": self.asked.subject,
                "condition": self.asked.condition,
            },
            "predicted": self.predicted.overall.as_json(),
        }


def run(
    folder: Path,
    *,
    epochs: int,
    n_subjects: int = 15,
    duration_s: float = 180.0,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> DemoSummary:
    """Simulate, ingest first visits, build, train, and predict one file of a second visit.

    Called again on the same folder, it finds its recordings and sessions there and trains a further run.

    Parameters
    ----------
    epochs
        Few: the demo shows the way, not the best scores.
    """
    listener = progress or Silent()
    simulated = simulate.run(
        folder / "sim",
        n_subjects=n_subjects,
        seed=SEED,
        visits=2,
        duration_s=duration_s,
        progress=listener,
    )
    study = folder / "study"
    first_visits = Asked((simulated.out,), pattern=FIRST_VISITS)
    ingest.run_all(
        first_visits, study_folder=study, options=ingest.IngestOptions(jobs=jobs), progress=listener
    )
    page = study_page.write_page(status.run(study), progress=listener)
    built = build_dataset.run(study, progress=listener)
    flags = {"train": {"epochs": epochs}}
    options = TrainOptions(dataset=built.path, runs=study / "runs", flags=flags, jobs=jobs)
    trained = train.run(options, progress=listener)
    if trained is None:
        raise TrainingError("ecgkit demo shows the way on one process; call it without torchrun")
    asked = _asked(simulated)
    known = predict.PredictOptions(fpir=None)  # it is somebody who is enrolled: "unknown" is no answer
    predicted = predict.run(str(trained.run), asked.path, runs=study / "runs", options=known)
    return DemoSummary(simulated, study, page, built, trained, asked, predicted)


def _asked(simulated: SimulateSummary) -> SimulatedFile:
    """Return the file to ask about: the one that `ASKED` names, else the last of a small study."""
    wanted = (file for file in simulated.files if (file.subject, file.condition, file.visit) == ASKED)
    return next(wanted, simulated.files[-1])
