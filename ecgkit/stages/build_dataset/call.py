"""A build from first to last: choose the sessions, cut each, put the windows together, split, describe."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ecgkit import __version__
from ecgkit.config import load_config
from ecgkit.dataset.card import card_path, lab_part, write_card
from ecgkit.dataset.read import open_dataset
from ecgkit.dataset.schema import refused_labels
from ecgkit.dataset.shard_writing import refuse_shard_names
from ecgkit.dataset.write import refuse_other_files
from ecgkit.errors import ConfigError, DatasetError
from ecgkit.files import refuse_special
from ecgkit.progress import Progress, Silent
from ecgkit.stages.build_dataset.assemble import assemble, describe, parts_of
from ecgkit.stages.build_dataset.choose import LeftOut, choose, left_out
from ecgkit.stages.build_dataset.cutting import cut_all, jobs_for, parts_folder, refuse_changed
from ecgkit.stages.build_dataset.summary import BuildSummary, counted, warnings_of
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.workers import workers
from ecgkit.study.folder import Study, open_study
from ecgkit.study.labels import known_labels, read_labels
from ecgkit.study.session_file import SessionHeader, read_headers

COMPUTED_BY = ("numpy", "scipy", "h5py")
JOINING = "put together"


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a build is asked for.

    Attributes
    ----------
    flags
        ``section -> {name: value}`` over the config file, and ``"preset" -> name``.
    out
        The file to write; None: the study's own.
    labels
        A table of labels of the user's own; None: the study's ``labels.tsv`` where there is one.
    jobs
        Processes; None: as many as are worth their start.
    cluster
        Address of a dask scheduler whose workers do it.
    shard_bytes
        Windows beyond so many bytes go into further files; None: one file.
    """

    config_file: Path | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    out: Path | None = None
    labels: Path | None = None
    jobs: int | None = None
    cluster: str | None = None
    shard_bytes: int | None = None


def run(
    study_folder: Path,
    options: BuildOptions = BuildOptions(),
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> BuildSummary:
    """Build a study's data set; an older one is replaced only when the new one is whole.

    An interrupted build leaves the sessions' windows that it had made; the next one takes them over.

    Parameters
    ----------
    executor
        Where sessions are cut instead of processes of our own; its workers must see the same disk.

    Raises
    ------
    StudyError, ConfigError, SignalError, DatasetError
        There is no new data set then.
    """
    listener = progress or Silent()
    study = open_study(study_folder)
    protocol = protocol_of(study)
    mains_hz = study.settings.mains_hz or protocol.mains_hz
    config = load_config(options.config_file, {"pipeline": {"mains_hz": mains_hz}}, options.flags)
    path = _target(study, options.out)
    if options.shard_bytes is not None:
        refuse_shard_names(path)
    lab_part(card_path(path))  # refused here, if it is no card
    headers = read_headers(study)
    chosen = choose(study, protocol, headers, config.sessions)
    said = read_labels(
        study, [header.tags for header in headers], refused=refused_labels, file=options.labels
    )
    versions = {"ecgkit": __version__, **{name: version(name) for name in COMPUTED_BY}}
    with parts_folder(path) as folder:
        jobs = options.jobs or (jobs_for(chosen.kept) if options.cluster is None else None)
        with workers(jobs, executor, cluster=options.cluster) as pool:
            cut = cut_all(chosen.kept, config.pipeline, folder, versions, executor=pool, progress=listener)
        without = chosen.left_out | _left_out(chosen.kept, cut.reasons)
        labels, unknown_ones = known_labels(said, cut.files.keys())
        parts = list(parts_of(chosen, cut.files, labels))
        about = describe(
            study,
            protocol,
            config,
            chosen,
            files=cut.files,
            left_out=without | chosen.excluded | chosen.not_chosen,
            versions=versions,
        )
        refuse_changed(chosen.kept)  # somebody may have been erased meanwhile
        listener.start(JOINING, 1)
        sha256, leaks = assemble(path, parts, about, config, shard_bytes=options.shard_bytes)
        write_card(card_path(path), open_dataset(path))
        listener.advance(JOINING, note=f"{path.name}")
    return BuildSummary(
        path=path,
        **counted(parts, cut.files),
        leaks=leaks,
        sha256=sha256,
        n_resumed=cut.n_resumed,
        excluded=chosen.excluded,
        not_chosen=chosen.not_chosen,
        left_out=without,
        own_labels=tuple(parts[0].labels),
        warnings=(*chosen.warnings, *unknown_ones, *warnings_of(parts, cut.files, leaks)),
        config=config,
    )


def _target(study: Study, out: Path | None) -> Path:
    """Return where the data set goes; refuse a place where something else lies."""
    if out is None:
        refuse_special(study.dataset_path)
        return study.dataset_path
    refuse_other_files(out)
    if out.suffix != ".h5":
        raise ConfigError(f"--out {out}: expected a name that ends in .h5; its card lies beside it as .md")
    return out


def _left_out(kept: tuple[SessionHeader, ...], reasons: Mapping[str, str]) -> dict[str, LeftOut]:
    """Say why sessions that were to be in it are not.

    Raises
    ------
    DatasetError
        It is all of them.
    """
    if len(reasons) == len(kept):
        first = next(iter(reasons.values()))
        raise DatasetError(f"not one session gave a window. The first: {first}")
    return {h.tags.key: left_out(h, reasons[h.tags.key]) for h in kept if h.tags.key in reasons}
