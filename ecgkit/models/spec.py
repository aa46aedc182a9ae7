"""What must be known to build a network; torch is not needed to know it."""

from __future__ import annotations

from dataclasses import dataclass

from ecgkit.errors import ConfigError
from ecgkit.models.backbones import MIN_SAMPLES, takes

TASKS = ("subject", "condition")
MAX_PARAMETERS = 200_000_000
_LIMITS = {
    "n_leads": (1, 1024),
    "n_samples": (MIN_SAMPLES, 1_000_000),
    "n_subjects": (2, 100_000),
    "n_conditions": (2, 10_000),
    "stem_channels": (1, 4096),
    "stem_kernel": (1, 1023),
    "stem_stride": (1, 64),
    "kernel": (1, 1023),
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What must be known to build a network. The paper gives no widths; the defaults are ours.

    Attributes
    ----------
    backbone, attention
        Names in `BACKBONES` and `ATTENTIONS`.
    n_leads, n_samples
        Shape of one window.
    n_subjects, n_conditions
        Classes of the two heads; 0: the network has no such head, and one task.
    stem_channels, stem_kernel, stem_stride
        The first convolution.
    widths, strides
        Of the blocks or stages of blocks, one number each; every backbone says what it makes of them.
    kernel
        Kernel length inside the blocks, odd.

    Raises
    ------
    ConfigError
        A number is out of bounds, no head is left, or the backbone does not go with the attention.
    """

    backbone: str
    attention: str
    n_leads: int
    n_samples: int
    n_subjects: int
    n_conditions: int
    stem_channels: int = 32
    stem_kernel: int = 7
    stem_stride: int = 2
    widths: tuple[int, ...] = (32, 64, 128)
    strides: tuple[int, ...] = (1, 2, 2)
    kernel: int = 3

    def __post_init__(self) -> None:
        for name in ("backbone", "attention"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"model: {name} {getattr(self, name)!r}: expected a name")
        for name, (low, high) in _LIMITS.items():
            _check(name, getattr(self, name), low, high, or_zero=name in ("n_subjects", "n_conditions"))
        if not self.tasks:
            raise ConfigError("model: n_subjects 0 and n_conditions 0: expected classes of at least one task")
        if not takes(self.backbone, self.attention):
            raise ConfigError(
                f"model: backbone {self.backbone!r} leaves one step and attention {self.attention!r} nothing "
                "to weigh; take attention 'none' (--attention none)"
            )
        self._check_blocks()
        for name in ("stem_kernel", "kernel"):
            if getattr(self, name) % 2 == 0:
                raise ConfigError(f"model: {name} {getattr(self, name)}: expected an odd number")

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that there is a head for, in the order of `TASKS`."""
        classes = (self.n_subjects, self.n_conditions)
        return tuple(task for task, n in zip(TASKS, classes, strict=True) if n)

    def _check_blocks(self) -> None:
        for name, high in (("widths", 4096), ("strides", 64)):
            numbers = getattr(self, name)
            if not isinstance(numbers, tuple) or not 1 <= len(numbers) <= 64:
                raise ConfigError(f"model: {name} {numbers!r}: expected 1 to 64 numbers, one a block")
            for number in numbers:
                _check(name, number, 1, high)
        if len(self.widths) != len(self.strides):
            raise ConfigError(f"model: widths {self.widths}, strides {self.strides}: expected equally many")


def _check(name: str, value: object, low: int, high: int, *, or_zero: bool = False) -> None:
    # bool is an int to Python
    if type(value) is not int or not (low <= value <= high or (or_zero and value == 0)):
        also = ", or 0 for no such head" if or_zero else ""
        raise ConfigError(f"model: {name} {value!r}: expected a whole number from {low} to {high}{also}")
