"""Whether a recording fits a run: its leads, its rate, its length; and the run's pipeline its network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecgkit.config import PipelineConfig
from ecgkit.errors import ChannelError, ConfigError, RunError, SignalError
from ecgkit.readers.ecg_channel import LEADS, lead_of
from ecgkit.readers.leads import EcgLeads
from ecgkit.records import Recording
from ecgkit.settings import checked
from ecgkit.stages.leads import choose_leads
from ecgkit.training.card import RunCard


def pipeline_of(place: Path, card: RunCard) -> PipelineConfig:
    """Return the pipeline of a run, and make sure that its windows are what the network takes.

    Raises
    ------
    RunError
        They are not, or a setting is not one that is known here.
    """
    where = f"{place}: pipeline"
    try:
        pipeline = checked(PipelineConfig, card.pipeline, where=where)
    except ConfigError as error:
        raise RunError(f"{error}. Use the ecgkit that made the run, or train again") from error
    n_samples = round(pipeline.window_s * pipeline.fs)
    if (pipeline.fs, n_samples) != (card.fs, card.spec.n_samples):
        raise RunError(
            f"{where}: makes windows of {n_samples} samples at {pipeline.fs:g} Hz, the network takes "
            f"{card.spec.n_samples} at {card.fs:g} Hz; the run is damaged, train again"
        )
    return pipeline


def choose_fitting(
    recording: Recording, named: Sequence[str], card: RunCard, pipeline: PipelineConfig
) -> EcgLeads:
    """Return the channels to predict from, and refuse those that the run can say nothing of.

    Parameters
    ----------
    named
        Names, positions or standard leads of the ECG channels, in lead order; by default those of the run
        if there are several, else the one that is named like an ECG.

    Raises
    ------
    ChannelError
        They can't be told, are not as many as the run's, or another lead than its one.
    SignalError
        They were recorded at a lower rate than the run's windows have, or are shorter than one window.
    """
    chosen = _choose_leads(recording, named, card)
    for channel in chosen.channels:
        where = f"{recording.path}, channel {channel.name!r}"
        if channel.fs < pipeline.fs:
            raise SignalError(
                f"{where}: recorded at {channel.fs:g} Hz, the run's windows have {pipeline.fs:g} Hz: samples "
                f"would have to be invented. Record at {pipeline.fs:g} Hz or more, or take a run that was "
                f"trained at {channel.fs:g} Hz or less (pipeline.fs)"
            )
        if round(channel.n_samples * pipeline.fs / channel.fs) < card.spec.n_samples:
            raise SignalError(
                f"{where}: lasts {channel.duration_s:.3g} s, shorter than one window of the run, "
                f"{pipeline.window_s:g} s; record longer, or take a run that was trained on shorter windows "
                "(pipeline.window_s)"
            )
    return chosen


def _choose_leads(recording: Recording, named: Sequence[str], card: RunCard) -> EcgLeads:
    chosen = choose_leads(recording, named or _leads_of_the_run(recording, card))
    if len(chosen.indexes) != card.spec.n_leads:
        raise ChannelError(
            f"{recording.path}: {len(chosen.indexes)} ECG channels taken, the run was trained on "
            f"{card.spec.n_leads} ({', '.join(card.lead_names)}); name as many, in this order, with --leads"
        )
    trained, taken = card.lead_names[0], chosen.names[0]
    if not named and taken != trained and {taken, trained} <= set(LEADS):
        raise ChannelError(
            f"{recording.path}: the run was trained on lead {trained}, the file has lead {taken}; take a run "
            "that was trained on this lead, or name the channel with --channel"
        )
    return chosen


def _leads_of_the_run(recording: Recording, card: RunCard) -> tuple[str, ...]:
    """Return the leads to look for: the run's if it has several, or if the file has its one."""
    there = {lead_of(channel.name) for channel in recording.channels}
    return card.lead_names if card.spec.n_leads > 1 or card.lead_names[0] in there else ()
