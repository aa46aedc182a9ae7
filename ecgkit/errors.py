"""The errors that ecgkit raises, all under one base class.

Every message says what is wrong, where (file, subject, HDF5 path), what was found against
what was expected, and the next step. The command line prints the message and exits with 2.
"""

from __future__ import annotations


class EcgkitError(Exception):
    """Base of every error that ecgkit raises on purpose."""


class ReadError(EcgkitError):
    """A recording can't be read, or not completely."""


class ChannelError(EcgkitError):
    """A channel was not found, or which one is meant can't be told."""


class ConfigError(EcgkitError):
    """A setting, a YAML file or a name is not one that ecgkit knows."""


class ProtocolError(EcgkitError):
    """A protocol file is wrong, or a tag does not fit the protocol."""


class StudyError(EcgkitError):
    """A study folder can't be used, or a session can't go into it."""


class SignalError(EcgkitError):
    """A signal can't go through the pipeline: too short, flat, not numbers, wrong rate."""


class DatasetError(EcgkitError):
    """A data set can't be built, or a file is not a data set of a known version."""


class SplitError(EcgkitError):
    """A split can't be made from this table of windows, or is not in the file."""


class TrainingError(EcgkitError):
    """A training can't start or has failed."""


class CheckpointError(TrainingError):
    """What a training is to go on from is damaged, or of another training."""


class LostProcessError(TrainingError):
    """Another process of a training ended or can't be reached: this one is not to blame."""


class RunError(EcgkitError):
    """A run folder or its weights can't be used."""
