"""A run's network as one ONNX file: applied with ONNX Runtime, without torch, and read without trust.

The file holds the network with its weights, the run's card and its calibration (docs/onnx.md). Its last
bytes are the hash of all bytes before them, so that no damage goes unnoticed. A hash keeps nobody from making
a file on purpose: what it holds is checked in any case (`ecgkit.training.onnx_checks`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from ecgkit.errors import RunError
from ecgkit.models.spec import MAX_PARAMETERS, ModelSpec
from ecgkit.training.calibration_file import Calibration, from_json
from ecgkit.training.card import MAX_CARD_BYTES, RunCard, card_of, json_object, json_text, read_bytes
from ecgkit.training.onnx_checks import Port, check_cost, check_model, parse

CARD_KEY, CALIBRATION_KEY, EXPORTER_KEY = "ecgkit.card", "ecgkit.calibration", "ecgkit.exporter"
HASH_KEY = "ecgkit.sha256"
INPUT = "windows"
MAX_BYTES = 4 * MAX_PARAMETERS + 4 * MAX_CARD_BYTES
MAX_BATCH = 256
BATCH_VALUES = 2**24  # of all tensors that a batch is computed through; few enough to be quick

# ONNX Runtime's errors have no base of their own
_STUMBLES = (
    runtime.EPFail,
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NotImplemented,
    runtime.RuntimeException,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class OnnxRun:
    """A network in ONNX Runtime, and its card.

    Attributes
    ----------
    calibration
        None if the file has none.
    batch
        Windows that are computed at once.
    """

    path: Path
    card: RunCard
    calibration: Calibration | None
    batch: int
    session: Any

    def outputs(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Apply the network.

        Parameters
        ----------
        windows
            (N, lead, T)

        Returns
        -------
        Logits, (N, subjects) and (N, conditions); (N, 0) of a task that the network has not.

        Raises
        ------
        RunError
            The windows have another shape, or the runtime fails.
        """
        spec = self.card.spec
        if windows.shape[1:] != (spec.n_leads, spec.n_samples):
            raise RunError(
                f"{self.path}: windows of shape {windows.shape}, the network takes "
                f"(N, {spec.n_leads}, {spec.n_samples})"
            )
        found = {port.name: np.empty((len(windows), *port.shape), np.float32) for port in outputs_of(spec)}
        for rows in self._batches(len(windows)):
            block = np.ascontiguousarray(windows[rows], dtype=np.float32)
            with _naming(self.path), _running():
                parts = self.session.run(list(found), {INPUT: block})
            for out, part in zip(found.values(), parts, strict=True):
                out[rows] = part
        none = np.empty((len(windows), 0), np.float32)
        return found.get("subject_logits", none), found.get("condition_logits", none)

    def _batches(self, n: int) -> Iterator[slice]:
        """Yield whole batches, then single windows: batches of these sizes are what was checked."""
        whole = n - n % self.batch
        yield from (slice(start, start + self.batch) for start in range(0, whole, self.batch))
        yield from (slice(row, row + 1) for row in range(whole, n))


def load_onnx(path: str | Path) -> OnnxRun:
    """Load a network from a file that `export_onnx` wrote, or that anybody made.

    Parameters
    ----------
    path
        The file, which may come from an untrusted source.

    Raises
    ------
    RunError
        It can't be read, is damaged, too large, not a network of ecgkit, or would cost too much to compute.
    """
    path = Path(path)
    return opened(path, read_bytes(path, MAX_BYTES, expected="an ONNX file that ecgkit exported"))


def opened(path: Path, raw: bytes) -> OnnxRun:
    """Load a network from a file's bytes; `path` is what errors name. See `load_onnx`."""
    with _naming(path):
        body = raw[: -len(seal(b""))]
        if not raw.endswith(seal(body)):
            raise RunError(
                "not an ONNX file as ecgkit exports it, or damaged: its last bytes are not the hash of the "
                "others. Take it from its source again, or export the run again (ecgkit export onnx RUN)"
            )
        return _checked(path, body)


def seal(body: bytes) -> bytes:
    """Return the bytes to put after a file: its hash, as one more entry of its metadata.

    Messages of protobuf are joined by joining their bytes, so the file stays an ONNX file as any other.
    """
    entry = onnx.StringStringEntryProto(key=HASH_KEY, value=hashlib.sha256(body).hexdigest())
    sealed: bytes = onnx.ModelProto(metadata_props=[entry]).SerializeToString()
    return sealed


def is_ours(path: Path) -> bool:
    """Tell whether a file ends as those that ecgkit exports, whatever its hash is."""
    end = seal(b"")
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(end)))
        return file.read(len(end))[:-64] == end[:-64]


def metadata(
    card: dict[str, Any], calibration: Calibration | None, exporter: dict[str, str]
) -> dict[str, str]:
    """Return what is said of a network inside its file; the same gives the same text."""
    content = {CARD_KEY: json_text(card), EXPORTER_KEY: json_text(exporter)}
    if calibration is not None:
        content[CALIBRATION_KEY] = json_text(calibration.as_json())
    return content


def inputs_of(spec: ModelSpec) -> tuple[Port, ...]:
    """Return what a network's file takes: `windows`, (batch, lead, T)."""
    return (Port(INPUT, (spec.n_leads, spec.n_samples)),)


def outputs_of(spec: ModelSpec) -> tuple[Port, ...]:
    """Return what a network's file gives: the logits of its tasks, (batch, classes) each."""
    classes = {"subject": spec.n_subjects, "condition": spec.n_conditions}
    return tuple(Port(f"{task}_logits", (classes[task],)) for task in spec.tasks)


def _checked(path: Path, body: bytes) -> OnnxRun:
    model = parse(body)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    known = {CARD_KEY, CALIBRATION_KEY, EXPORTER_KEY}
    if len(entries) < len(model.metadata_props) or not {CARD_KEY} <= entries.keys() <= known:
        raise RunError(
            f"metadata {sorted(entry.key[:40] for entry in model.metadata_props)[:10]}, expected "
            f"{CARD_KEY!r}, {CALIBRATION_KEY!r} and {EXPORTER_KEY!r}, each at most once"
        )
    card = _card(entries[CARD_KEY])
    calibration = _calibration(entries.get(CALIBRATION_KEY), card)
    check_model(model, inputs_of(card.spec), outputs_of(card.spec))
    batch = max(1, min(MAX_BATCH, BATCH_VALUES // max(1, check_cost(model, 1))))
    check_cost(model, batch)
    del model.metadata_props[:]
    return OnnxRun(path, card, calibration, batch, _session(model.SerializeToString()))


def _card(text: str) -> RunCard:
    if len(text) > MAX_CARD_BYTES:
        raise RunError(f"a card of {len(text)} characters, at most {MAX_CARD_BYTES}")
    return card_of(json_object(text, where=CARD_KEY), where=CARD_KEY)


def _calibration(text: str | None, card: RunCard) -> Calibration | None:
    if text is None:
        return None
    calibration = from_json(json_object(text, where=CALIBRATION_KEY))
    if (calibration.dataset_sha256, calibration.simulated) != (card.dataset_sha256, card.simulated):
        raise RunError("the calibration is of another data set than the network; export the run again")
    return calibration


def _session(model: bytes) -> Any:
    """Give ONNX Runtime what was checked, one thread, and nothing to write to."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling = False
    options.log_severity_level = 4  # errors are raised
    with _running():
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in what is wrong with it."""
    try:
        yield
    except RunError as error:
        raise RunError(f"{path}: {error}") from error


@contextmanager
def _running() -> Iterator[None]:
    """Make an error of ours of those of ONNX Runtime."""
    try:
        yield
    except _STUMBLES as error:
        said = " ".join(str(error).split())[:200]
        raise RunError(f"ONNX Runtime can't compute it ({said}); export the run again") from error
