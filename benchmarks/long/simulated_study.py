"""DT4ECG and a plain CNN on the simulated study, over seeds, under the paper's split and the honest schemes.

    python benchmarks/long/simulated_study.py FOLDER [--seeds 5] [--epochs 50] [--jobs 2]

Takes about an hour on two cores. Each seed sets the splits, the weights and the order of batches; the study
itself is one (seed 1). Cells that FOLDER holds already are not run again. Prints a table in Markdown and
writes it to FOLDER/table.md, every score to FOLDER/scores.csv. All of it is SIMULATED.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ecgkit.cli.console import progress
from ecgkit.records import Tags
from ecgkit.stages import build_dataset, ingest, simulate, train

MODELS = {"DT4ECG (ResNet + SCA)": ("resnet", "sca"), "plain CNN": ("cnn", "none")}
SCHEMES = ("paper", "leave-subjects-out", "leave-condition-out", "leave-visit-out")
TASKS = {"subject": "identity", "condition": "state"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--visits", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    study = make_study(options.folder, options.visits)
    rows = [row for seed in range(options.seeds) for row in run_seed(study, seed, options)]
    write(options.folder, rows)


def make_study(folder: Path, visits: int) -> Path:
    """Simulate and ingest, unless it stands."""
    study = folder / "study"
    made = simulate.run(folder / "sim", n_subjects=15, seed=1, visits=visits)
    for file in made.files:
        tags = Tags(file.subject, file.condition, file.visit, file.take)
        ingest.run(file.path, tags, study_folder=study)
    return study


def run_seed(study: Path, seed: int, options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Give a row for each model, scheme and task."""
    dataset = options.folder / f"dataset-{seed}.h5"
    built = build_dataset.run(study, flags={"splits": {"seed": seed}}, out=dataset)
    for model, (backbone, attention) in MODELS.items():
        for scheme in (scheme for scheme in SCHEMES if scheme in built.schemes):
            run = options.folder / "runs" / f"{seed}-{backbone}-{attention}-{scheme}"
            if not (run / "metrics.json").exists():
                flags = {"backbone": backbone, "attention": attention, "epochs": options.epochs, "seed": seed}
                settings = train.TrainOptions(
                    dataset=dataset,
                    runs=run.parent,
                    out=run,
                    flags={"train": flags},
                    split=scheme,
                    jobs=options.jobs,
                )
                with progress() as bars:
                    train.run(settings, progress=bars)
            yield from scores_of(run, model=model, scheme=scheme, seed=seed)


def scores_of(run: Path, *, model: str, scheme: str, seed: int) -> Iterator[dict[str, object]]:
    """Read a run's scores: accuracy pooled over the folds, in percent."""
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    for found in metrics["schemes"]:
        for task, scores in found["tasks"].items():
            accuracy = 100 * scores["accuracy"]
            yield {"model": model, "scheme": scheme, "task": TASKS[task], "seed": seed, "accuracy": accuracy}


def write(folder: Path, rows: list[dict[str, object]]) -> None:
    """Write every score, and the table of means and SDs over seeds."""
    with (folder / "scores.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    cells: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for row in rows:
        cells[row["scheme"], row["task"], row["model"]].append(float(str(row["accuracy"])))
    lines = ["| scheme | task | " + " | ".join(MODELS) + " |", "|---|---|" + "---|" * len(MODELS)]
    for scheme, task in dict.fromkeys((row["scheme"], row["task"]) for row in rows):
        shown = [
            f"{statistics.mean(c):.1f} ± {statistics.stdev(c) if len(c) > 1 else 0:.1f}"
            for m in MODELS
            if (c := cells[scheme, task, m])
        ]
        lines.append(f"| {scheme} | {task} | " + " | ".join(shown) + " |")
    text = "\n".join(lines) + "\n"
    (folder / "table.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
