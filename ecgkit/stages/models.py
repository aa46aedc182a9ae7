"""`ecgkit models`: the networks there are, and what one is made of."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecgkit.config import TrainConfig, load_config
from ecgkit.errors import ConfigError
from ecgkit.lookup import unknown
from ecgkit.models.attention import ATTENTIONS
from ecgkit.models.backbones import BACKBONES, takes
from ecgkit.models.describe import Description, describe
from ecgkit.models.dual_task import ModelSpec

# of the paper's data
N_SUBJECTS = 15
N_CONDITIONS = 3


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which network, and for what.

    Attributes
    ----------
    attention
        None: the one that is trained by default, where the backbone goes with it.
    n_samples
        Length of a window; None: that of `window_s` seconds.
    window_s, fs
        Seconds and Hz; None: those that windows are cut with by default.
    n_subjects, n_conditions
        Classes; 0 for a network without the head.
    depth
        How far layers are taken apart.
    """

    backbone: str
    attention: str | None = None
    n_leads: int = 1
    n_samples: int | None = None
    window_s: float | None = None
    fs: float | None = None
    n_subjects: int = N_SUBJECTS
    n_conditions: int = N_CONDITIONS
    depth: int = 3


@dataclass(frozen=True, slots=True)
class ShownModel:
    """A network, described; `about` are the first lines of its backbone's and its attention's file."""

    fs: float
    about: tuple[str, str]
    found: Description

    @property
    def receptive_field_s(self) -> float | None:
        """How much of the window one step of the backbone depends on, seconds; None: all of it."""
        samples = self.found.receptive_field_samples
        return None if samples is None else samples / self.fs

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        content = dataclasses.asdict(self.found)
        spec = content.pop("spec")
        return {
            "spec": spec,
            "fs": self.fs,
            "window_s": spec["n_samples"] / self.fs,
            **content,
            "receptive_field_s": self.receptive_field_s,
            "about": list(self.about),
        }


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A backbone without attention and with both heads, or what an attention module adds to the default one.

    Attributes
    ----------
    receptive_field_s
        Of one step of the backbone, seconds; None: the whole window. Of an attention module always None.
    about
        What it is and whose.
    """

    name: str
    parameters: int
    multiply_adds: int
    receptive_field_s: float | None
    about: str


@dataclass(frozen=True, slots=True)
class ModelList:
    """The networks there are, for one lead and windows of the default length."""

    n_samples: int
    fs: float
    backbones: tuple[ListedModel, ...]
    attentions: tuple[ListedModel, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)


def run_list() -> ModelList:
    """List backbones and attention modules with their sizes."""
    shown = {name: run_show(ModelOptions(name, attention="none")) for name in BACKBONES}
    default = TrainConfig().backbone
    plain = shown[default]
    backbones = [
        ListedModel(name, one.found.parameters, one.found.multiply_adds, one.receptive_field_s, one.about[0])
        for name, one in shown.items()
    ]
    attentions = [_added(name, plain, run_show(ModelOptions(default, attention=name))) for name in ATTENTIONS]
    return ModelList(plain.found.spec.n_samples, plain.fs, tuple(backbones), tuple(attentions))


def run_show(options: ModelOptions) -> ShownModel:
    """Describe one network.

    Raises
    ------
    ConfigError
        A name is unknown, a number is out of bounds, or the backbone does not go with the attention.
    """
    if options.backbone not in BACKBONES:
        raise ConfigError(unknown("backbone", options.backbone, BACKBONES))
    if options.n_samples is not None and options.window_s is not None:
        raise ConfigError("--samples and --window-s both say how long a window is; give one of them")
    windows = {"fs": options.fs, "window_s": options.window_s}
    pipeline = load_config(None, {}, {"pipeline": windows}).pipeline
    usual = TrainConfig().attention
    attention = options.attention or (usual if takes(options.backbone, usual) else "none")
    if attention not in ATTENTIONS:
        raise ConfigError(unknown("attention", attention, ATTENTIONS))
    spec = ModelSpec(
        backbone=options.backbone,
        attention=attention,
        n_leads=options.n_leads,
        n_samples=round(pipeline.window_s * pipeline.fs) if options.n_samples is None else options.n_samples,
        n_subjects=options.n_subjects,
        n_conditions=options.n_conditions,
    )
    about = (_about(BACKBONES, options.backbone), _about(ATTENTIONS, attention))
    return ShownModel(pipeline.fs, about, describe(spec, depth=options.depth))


def _added(name: str, plain: ShownModel, one: ShownModel) -> ListedModel:
    parameters = one.found.parameters - plain.found.parameters
    return ListedModel(
        name, parameters, one.found.multiply_adds - plain.found.multiply_adds, None, one.about[1]
    )


def _about(table: Mapping[str, str], name: str) -> str:
    """Return the first line of the file that a row of a table names."""
    text = importlib.import_module(table[name].partition(":")[0]).__doc__ or ""
    return text.partition("\n")[0]
