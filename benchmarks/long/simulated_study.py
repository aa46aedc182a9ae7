"""DT4ECG and a plain CNN on the simulated study, over seeds, under the paper's split and the honest schemes.

    python benchmarks/long/simulated_study.py FOLDER [--seeds 5] [--epochs 50] [--jobs 2]

Takes about an hour on two cores. Each seed sets the splits, the weights and the order of batches; the study
itself is one (seed 1). Cells that FOLDER holds already are not run again. Prints a table in Markdown and
writes it to FOLDER/table.md, every score to FOLDER/scores.csv. All of it is SIMULATED. Take a new
FOLDER after a change of the code.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import statistics
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from ecgkit.cli.console import progress
from ecgkit.config import TrainConfig
from ecgkit.dataset.read import open_dataset
from ecgkit.files import write_text
from ecgkit.records import Tags
from ecgkit.stages import build_dataset, ingest, simulate
from ecgkit.stages.evaluation import collect, evaluate, scores_as_json
from ecgkit.stages.executing import run_fits
from ecgkit.stages.fitting import EVERYTHING
from ecgkit.stages.planning import find_leaks_by_scheme, plan_fits

MODELS = {"DT4ECG (ResNet + SCA)": ("resnet", "sca"), "plain CNN": ("cnn", "none")}
TASKS = {"subject": "identity", "condition": "state"}
SPLITS = {"paper": "paper", "honest": None}  # None: each task under its own schemes, as `ecgkit train` does


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--model", choices=MODELS, help="only this one")
    parser.add_argument("--split", choices=SPLITS, help="only this one")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--visits", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    study = make_study(options.folder, options.visits)
    for model in [options.model] if options.model else MODELS:
        for seed in range(options.seeds):
            for split in [options.split] if options.split else SPLITS:
                run_cell(study, seed, model, split, options)
                write(options.folder)


def make_study(folder: Path, visits: int) -> Path:
    """Simulate and ingest, unless it stands."""
    study = folder / "study"
    made = simulate.run(folder / "sim", n_subjects=15, seed=1, visits=visits)
    for file in made.files:
        tags = Tags(file.subject, file.condition, file.visit, file.take)
        ingest.run(file.path, tags, study_folder=study)
    return study


def run_cell(study: Path, seed: int, model: str, split: str, options: argparse.Namespace) -> None:
    """Fit every fold for one seed, model and way to split, and leave scores.json, unless it is there."""
    folder = options.folder / "cells" / f"{'-'.join(MODELS[model])}-{options.epochs}-{seed}-{split}"
    if (folder / "scores.json").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    dataset = options.folder / f"dataset-{seed}.h5"
    build_dataset.run(study, build_dataset.BuildOptions(flags={"splits": {"seed": seed}}, out=dataset))
    data = open_dataset(dataset)
    backbone, attention = MODELS[model]
    settings = TrainConfig(backbone=backbone, attention=attention, epochs=options.epochs, seed=seed)
    planned = plan_fits(data, split=SPLITS[split], evaluate=True)
    tasks = [replace(task, keep_weights=False) for task in planned if task.scheme != EVERYTHING]
    leaks = find_leaks_by_scheme(data, tasks)
    with progress() as bars:
        run_fits(dataset, tasks, settings, folder, jobs=options.jobs, executor=None, progress=bars)
    rows = [
        {
            "model": model,
            "scheme": scheme["scheme"],
            "task": TASKS[task],
            "seed": seed,
            "accuracy": scores["accuracy"],
        }
        for scheme in map(scores_as_json, evaluate(data, collect(data, tasks, folder), leaks))
        for task, scores in scheme["tasks"].items()
    ]
    write_text(folder / "scores.json", json.dumps(rows, indent=1))


def write(folder: Path) -> None:
    """Write every score there is, and the table of means and SDs over seeds; print the table."""
    files = sorted(folder.glob("cells/*/scores.json"))
    rows = [row for file in files for row in json.loads(file.read_text(encoding="utf-8"))]
    with (folder / "scores.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    cells: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        cells[row["scheme"], row["task"], row["model"]].append(100 * row["accuracy"])
    lines = ["| scheme | task | " + " | ".join(MODELS) + " |", "|---|---|" + "---|" * len(MODELS)]
    for scheme, task in sorted({(row["scheme"], row["task"]) for row in rows}):
        shown = (described(cells[scheme, task, model]) for model in MODELS)
        lines.append(f"| {scheme} | {task} | " + " | ".join(shown) + " |")
    text = "SIMULATED data; accuracy in percent, mean ± SD over n seeds.\n\n" + "\n".join(lines) + "\n"
    (folder / "table.md").write_text(text, encoding="utf-8")
    print(text)


def described(values: list[float]) -> str:
    """Write mean ± SD and how many there are."""
    if not values:
        return "–"
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread} (n = {len(values)})"


if __name__ == "__main__":
    main()
