"""What an ONNX file may hold: looked at before it is parsed, and before it is given to a runtime.

ONNX can name other files, functions, loops and tensors of any size. A network that ecgkit exported needs few
of its parts, so those are listed, and all else is refused. Nothing is computed with the file's numbers here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from ecgkit.errors import RunError
from ecgkit.training.onnx_shapes import MAX_NUMBERS, MAX_RANK, NOTHING, Value, infer

IR_VERSIONS = range(8, 12)
OPSETS = range(18, 24)
MAX_FIELDS = 200_000  # of the file, in all messages together
MAX_VALUES = 2**27  # of all tensors that a batch is computed through
MAX_MULTIPLY_ADDS = 10**11  # for one window

# message -> its fields that a network needs
FIELDS = {
    "ModelProto": "ir_version producer_name producer_version graph opset_import metadata_props",
    "OperatorSetIdProto": "domain version",
    "StringStringEntryProto": "key value",
    "GraphProto": "name node initializer input output",
    "NodeProto": "name op_type input output attribute",
    "AttributeProto": "name type f i s ints",
    "TensorProto": "name data_type dims raw_data",
    "ValueInfoProto": "name type",
    "TypeProto": "tensor_type",
    "Tensor": "elem_type shape",
    "TensorShapeProto": "dim",
    "Dimension": "dim_value dim_param",
}

FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf's encoding
_ITEM_BYTES = {FLOAT: 4, INT64: 8}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a network: float32, a batch of arrays of one shape."""

    name: str
    shape: tuple[int, ...]


def parse(raw: bytes) -> Any:
    """Parse a file whose every field is one that a network needs; return the `onnx.ModelProto`.

    A message of no bytes costs two in a file and a hundred in memory, so fields are counted first
    (protobuf's encoding: https://protobuf.dev/programming-guides/encoding).

    Raises
    ------
    RunError
        It is no ONNX file, or holds something else.
    """
    left = MAX_FIELDS
    for _ in _walk(memoryview(raw), onnx.ModelProto.DESCRIPTOR):
        left -= 1
        if left < 0:
            raise RunError(f"more than {MAX_FIELDS} parts; a network needs a few thousand")
    try:
        return onnx.ModelProto.FromString(raw)
    except DecodeError as error:
        raise RunError(f"not an ONNX file ({error})") from error


def only_needed(message: Any) -> None:
    """Remove every field that a network does not need, from a message and those inside it."""
    needed = FIELDS[message.DESCRIPTOR.name].split()
    for field, value in message.ListFields():
        if field.name not in needed:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for one in value if field.is_repeated else (value,):
                only_needed(one)


def check_model(model: Any, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> None:
    """Refuse a parsed model that is not a plain network with these inputs and outputs.

    Raises
    ------
    RunError
        Versions, operators, constants, inputs or outputs are others.
    """
    domains = [(entry.domain, entry.version) for entry in model.opset_import]
    if model.ir_version not in IR_VERSIONS or len(domains) != 1:
        raise RunError(f"ONNX version {model.ir_version} with operators of {domains}; export the run again")
    if domains[0][0] or domains[0][1] not in OPSETS:
        raise RunError(
            f"operators of {domains[0][0]!r}, version {domains[0][1]}; expected ONNX's own, version "
            f"{OPSETS.start} to {OPSETS.stop - 1}"
        )
    for what, ports, expected in (
        ("inputs", model.graph.input, inputs),
        ("outputs", model.graph.output, outputs),
    ):
        _check_ports(what, ports, expected)
    for tensor in model.graph.initializer:
        _check_constant(tensor)
    _check_names(model.graph)


def check_cost(model: Any, batch: int) -> int:
    """Refuse a checked model that would need too much memory or time; return the values of a batch.

    Shapes are told from the inputs' and the constants', nothing is computed.

    Parameters
    ----------
    batch
        Windows of the batch. The costs of another one can be any other: shapes may be computed from it.

    Raises
    ------
    RunError
        It costs too much, or its operators don't go together.
    """
    known = constants_of(model.graph)
    for port in model.graph.input:
        known[port.name] = Value(_shape_of(port, batch))
    values, multiply_adds = 0, 0
    for node in model.graph.node:
        given = infer(node, known)
        known |= given
        n_products, n_unfolded = _costs(node, known)
        values += n_unfolded + sum(math.prod(value.shape) for value in given.values())
        multiply_adds += n_products
        if values > MAX_VALUES or multiply_adds > batch * MAX_MULTIPLY_ADDS:
            raise RunError(
                f"more than {MAX_VALUES} values or {batch * MAX_MULTIPLY_ADDS} multiply-adds for {batch} "
                "windows; no network of ecgkit needs as much"
            )
    for port in model.graph.output:
        if known.get(port.name) != Value(_shape_of(port, batch)):
            raise RunError(f"output {port.name}: not {_shape_of(port, batch)} for {batch} windows")
    return values


def constants_of(graph: Any) -> dict[str, Value]:
    """Return the constants of a graph by name; "" is an input that is left out."""
    known = {"": NOTHING}
    for tensor in graph.initializer:
        numbers = None
        if tensor.data_type == INT64:
            numbers = tuple(np.frombuffer(tensor.raw_data, "<i8").tolist())
        known[tensor.name] = Value(tuple(tensor.dims), numbers)
    return known


def _shape_of(port: Any, batch: int) -> tuple[int, ...]:
    return (batch, *(dim.dim_value for dim in port.type.tensor_type.shape.dim[1:]))


def _costs(node: Any, known: Mapping[str, Value]) -> tuple[int, int]:
    """Return a node's multiply-adds, and the values of a copy that it may make of its input, at most."""
    if node.op_type not in ("Conv", "Gemm", "LSTM", "MatMul"):
        return 0, 0
    first, weights = known[node.input[0]].shape, known[node.input[1]].shape
    out = known[node.output[0]].shape
    if node.op_type == "LSTM":  # (steps, batch, features); each step takes all weights
        return math.prod(first[:2]) * (math.prod(weights) + math.prod(known[node.input[2]].shape)), 0
    if node.op_type == "Conv":  # unfolded: what each place of the kernel sees, side by side
        return math.prod(out) * math.prod(weights[1:]), out[0] * out[2] * math.prod(weights[1:])
    return math.prod(out) * first[-1], 0


def _walk(raw: memoryview, descriptor: Any) -> Iterator[None]:
    """Yield once for each value of a message and of those inside it; refuse fields that no network needs."""
    needed, at = FIELDS[descriptor.name].split(), 0
    while at < len(raw):
        key, at = _varint(raw, at)
        field = descriptor.fields_by_number.get(key >> 3)
        if field is None or field.name not in needed:
            name = field.name if field is not None else f"number {key >> 3}"
            raise RunError(
                f"{descriptor.name} has the field {name}, which no network of ecgkit needs; refused, "
                "since ONNX can name other files, functions and loops there"
            )
        start, at = _extent(raw, at, key & 7)
        if field.message_type is not None:
            yield from _walk(raw[start:at], field.message_type)
        elif field.type == field.TYPE_STRING:
            _check_text(raw[start:at])
        elif field.is_repeated:
            yield from [None] * min(at - start, MAX_FIELDS + 1)  # packed: a byte or more for each number
        yield


def _check_text(raw: memoryview) -> None:
    try:
        str(raw, "utf-8")
    except UnicodeDecodeError as error:
        raise RunError(f"not an ONNX file: a name that is no text ({error})") from error


def _extent(raw: memoryview, at: int, wire_type: int) -> tuple[int, int]:
    """Return where the value of a field starts and ends."""
    if wire_type == _VARINT:
        return at, _varint(raw, at)[1]
    if wire_type == _BYTES:
        length, at = _varint(raw, at)
        end = at + length
    elif wire_type in (_FIXED64, _FIXED32):
        end = at + (8 if wire_type == _FIXED64 else 4)
    else:
        raise RunError(f"not an ONNX file (wire type {wire_type})")
    if end > len(raw):
        raise RunError("not an ONNX file, or a part of one: it ends inside a value")
    return at, end


def _varint(raw: memoryview, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where it ends."""
    number = 0
    for i, byte in enumerate(raw[at : at + 10]):
        number |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return number, at + i + 1
    raise RunError("not an ONNX file, or a part of one: a number has no end")


def _check_ports(what: str, found: Any, expected: tuple[Port, ...]) -> None:
    got = [
        (
            port.name,
            port.type.tensor_type.elem_type,
            [dim.dim_value or dim.dim_param for dim in port.type.tensor_type.shape.dim],
        )
        for port in found
    ]
    wanted = [(port.name, FLOAT, ["batch", *port.shape]) for port in expected]
    if got != wanted:
        raise RunError(f"{what}: got {str(got)[:200]}, the card says {wanted}; the card is another network's")


def _check_constant(tensor: Any) -> None:
    item_bytes = _ITEM_BYTES.get(tensor.data_type)
    n_values = math.prod(tensor.dims)
    if item_bytes is None or len(tensor.dims) > MAX_RANK or min(tensor.dims, default=1) < 1:
        raise RunError(f"constant {tensor.name[:80]!r}: its type or shape is none that a network needs")
    if len(tensor.raw_data) != n_values * item_bytes:
        raise RunError(
            f"constant {tensor.name[:80]!r}: {len(tensor.raw_data)} bytes, expected {n_values * item_bytes}"
        )
    if tensor.data_type == INT64 and (n_values > MAX_NUMBERS or len(tensor.dims) > 1):
        raise RunError(f"constant {tensor.name[:80]!r}: {n_values} whole numbers, at most {MAX_NUMBERS}")
    if tensor.data_type == FLOAT and not np.isfinite(np.frombuffer(tensor.raw_data, "<f4")).all():
        raise RunError(f"constant {tensor.name[:80]!r} holds NaN or infinity; train again")


def _check_names(graph: Any) -> None:
    made = [value.name for value in (*graph.input, *graph.initializer)]
    made += [name for node in graph.node for name in node.output]
    if "" in made or len(set(made)) < len(made):
        raise RunError("two values have the same name, or one has none")
