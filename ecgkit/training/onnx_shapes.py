"""The operators that an exported network is made of, and the shapes that they give, told without computing.

Each follows ONNX's definition (https://onnx.ai/onnx/operators) as far as backbones, attention modules and
heads use it; other inputs, settings and types are refused. None of the operators reads a file, calls code or
loops over a graph of its own. The onnx package can tell shapes too, but some graphs make it end the process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ecgkit.errors import RunError

MAX_RANK = 8
MAX_NUMBERS = 64  # of a shape that is computed
MAX_SETTING = 1_000_000  # a kernel's length, a stride

Shape = tuple[int, ...]
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """An array of float32, of which the shape is known, or a list of whole numbers that are known."""

    shape: Shape
    numbers: Shape | None = None


NOTHING = Value((), ())  # an input that is left out


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator takes and gives.

    Attributes
    ----------
    gives
        Inputs and settings to outputs.
    n_inputs
        The fewest and the most.
    settings
        Name to the type, or to the only value that networks use.
    """

    gives: Callable[[list[Value], Settings], list[Value]]
    n_inputs: tuple[int, int]
    settings: Mapping[str, Any]


def infer(node: Any, known: Mapping[str, Value]) -> dict[str, Value]:
    """Return the outputs of a node.

    Parameters
    ----------
    node
        An `onnx.NodeProto`.
    known
        All values before it, by name; "" is `NOTHING`.

    Raises
    ------
    RunError
        The operator is none of `OPERATORS`, or its inputs or settings are others than networks have.
    """
    operator = OPERATORS.get(node.op_type)
    if operator is None:
        raise RunError(
            f"operator {node.op_type[:40]!r}, which no network of ecgkit needs; those known are "
            f"{', '.join(OPERATORS)}"
        )
    fewest, most = operator.n_inputs
    if not fewest <= len(node.input) <= most or any(name not in known for name in node.input):
        _refuse(node.op_type, f"inputs {list(node.input)[:8]}")
    given = operator.gives([known[name] for name in node.input], _settings(node, operator))
    if not 1 <= len(node.output) <= len(given) or not all(node.output):
        _refuse(node.op_type, f"outputs {list(node.output)[:8]}")
    for value in given:
        if len(value.shape) > MAX_RANK or min(value.shape, default=1) < 1:
            _refuse(node.op_type, f"an array of shape {value.shape[:MAX_RANK]}")
        if value.numbers is not None and len(value.numbers) > MAX_NUMBERS:
            _refuse(node.op_type, f"{len(value.numbers)} whole numbers")
    return dict(zip(node.output, given, strict=False))


def _settings(node: Any, operator: Operator) -> dict[str, Any]:
    """Return a node's attributes by name; each must be of its type, or have its one value."""
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        kinds = {1: attribute.f, 2: attribute.i, 3: attribute.s, 7: tuple(attribute.ints)}
        value, expected = kinds.get(attribute.type), operator.settings.get(attribute.name)
        fits = type(value) is expected if isinstance(expected, type) else value == expected
        numbers = value if isinstance(value, tuple) else (value,)
        bounded = all(isinstance(n, bytes) or abs(n or 0) <= MAX_SETTING for n in numbers)
        if value is None or expected is None or attribute.name in found or not (fits and bounded):
            _refuse(node.op_type, f"setting {attribute.name[:40]!r}: {str(value)[:40]}")
        found[attribute.name] = value
    return found


def _same(inputs: list[Value], _: Settings) -> list[Value]:
    return [Value(_array(inputs[0]))]


def _elementwise(inputs: list[Value], _: Settings) -> list[Value]:
    return [Value(_broadcast(_array(inputs[0]), _array(inputs[1])))]


def _normalised(axis: int) -> Callable[[list[Value], Settings], list[Value]]:
    """Return the rule for what has constants of one number for each place of an axis."""

    def gives(inputs: list[Value], _: Settings) -> list[Value]:
        x, *constants = (_array(value) for value in inputs)
        if len(x) < 2 or any(constant != (x[axis],) for constant in constants):
            _refuse("normalisation", f"constants {constants} for {x}")
        return [Value(x)]

    return gives


def _conv(inputs: list[Value], settings: Settings) -> list[Value]:
    x, weight, *bias = (_array(value) for value in inputs)
    group = settings.get("group", 1)
    if len(x) != 3 or len(weight) != 3 or group < 1 or weight[0] % group or x[1] != weight[1] * group:
        _refuse("Conv", f"weights {weight} in {group} groups for {x}")
    if any(shape != weight[:1] for shape in bias) or settings.get("kernel_shape", weight[2:]) != weight[2:]:
        _refuse("Conv", f"bias {bias}, kernel {settings.get('kernel_shape')} for weights {weight}")
    return [Value((x[0], weight[0], _n_places(x[2], weight[2], settings)))]


def _average_pool(inputs: list[Value], settings: Settings) -> list[Value]:
    x, kernel = _array(inputs[0]), settings.get("kernel_shape", ())
    if len(x) != 3 or len(kernel) != 1:
        _refuse("AveragePool", f"kernel {kernel} for {x}")
    return [Value((*x[:2], _n_places(x[2], kernel[0], settings, up=settings.get("ceil_mode") == 1)))]


def _n_places(n: int, kernel: int, settings: Settings, *, up: bool = False) -> int:
    """Return how many places a kernel has on so many samples."""
    pads, strides = settings.get("pads", (0, 0)), settings.get("strides", (1,))
    if len(pads) != 2 or len(strides) != 1 or strides[0] < 1 or not 0 <= min(pads) <= max(pads) < kernel:
        _refuse("kernel", f"of length {kernel}, padding {pads}, strides {strides}")
    room: int = n + sum(pads) - kernel
    steps: int = -(-room // strides[0]) if up else room // strides[0]
    return steps + 1


def _matmul(inputs: list[Value], _: Settings) -> list[Value]:
    a, b = (_array(value) for value in inputs)
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        _refuse("MatMul", f"{a} times {b}")
    return [Value((*_broadcast(a[:-2], b[:-2]), a[-2], b[-1]))]


def _gemm(inputs: list[Value], settings: Settings) -> list[Value]:
    a, b, *bias = (_array(value) for value in inputs)
    if settings.get("transB") != 1 or len(a) != 2 or len(b) != 2 or a[1] != b[1]:
        _refuse("Gemm", f"{a} times the transpose of {b}")
    if any(shape != b[:1] for shape in bias):
        _refuse("Gemm", f"bias {bias} for {b[0]} outputs")
    return [Value((a[0], b[0]))]


def _lstm(inputs: list[Value], settings: Settings) -> list[Value]:
    x, *rest = (_array(value) for value in inputs if value != NOTHING)
    n_hidden = settings.get("hidden_size", 0)
    if len(x) != 3:
        _refuse("LSTM", f"an input of {x}")
    n_steps, batch, n_features = x
    state = (1, batch, n_hidden)
    expected = [(1, 4 * n_hidden, n_features), (1, 4 * n_hidden, n_hidden), (1, 8 * n_hidden), state, state]
    if rest != expected or inputs[4] != NOTHING:  # the windows' lengths: all the same
        _refuse("LSTM", f"weights and states {rest}, expected {expected}")
    return [Value((n_steps, 1, batch, n_hidden)), Value(state), Value(state)]


def _reduce(inputs: list[Value], settings: Settings) -> list[Value]:
    x = _array(inputs[0])
    axes = _axes(inputs[1], len(x))
    kept = settings.get("keepdims", 1)
    return [Value(tuple(1 if i in axes else n for i, n in enumerate(x) if kept or i not in axes))]


def _concat(inputs: list[Value], settings: Settings) -> list[Value]:
    if inputs[0].numbers is not None:
        return [_numbers(sum((_known(value) for value in inputs), ()))]
    shapes = [_array(value) for value in inputs]
    axis = _axis(settings.get("axis", 0), len(shapes[0]))
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(others) > 1 or len({len(shape) for shape in shapes}) > 1:
        _refuse("Concat", f"shapes {shapes[:8]}")
    first = shapes[0]
    return [Value((*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :]))]


def _expand(inputs: list[Value], _: Settings) -> list[Value]:
    return [Value(_broadcast(_array(inputs[0]), _known(inputs[1])))]


def _reshape(inputs: list[Value], settings: Settings) -> list[Value]:
    x, asked = _array(inputs[0]), _known(inputs[1])
    if not settings.get("allowzero"):
        asked = tuple(x[i] if n == 0 and i < len(x) else n for i, n in enumerate(asked))
    if asked.count(-1) == 1:
        rest = math.prod(n for n in asked if n != -1)
        asked = tuple(math.prod(x) // max(1, rest) if n == -1 else n for n in asked)
    if min(asked, default=1) < 1 or math.prod(asked) != math.prod(x):
        _refuse("Reshape", f"{x} to {asked[:MAX_RANK]}")
    return [Value(asked)]


def _shape(inputs: list[Value], settings: Settings) -> list[Value]:
    return [_numbers(inputs[0].shape[settings.get("start", 0) : settings.get("end")])]


def _slice(inputs: list[Value], _: Settings) -> list[Value]:
    starts, ends = _known(inputs[1]), _known(inputs[2])
    shape = list(inputs[0].shape)
    axes = _axes(inputs[3], len(shape)) if len(inputs) > 3 else tuple(range(len(starts)))
    if not len(starts) == len(ends) == len(axes) <= len(shape):
        _refuse("Slice", f"from {starts} to {ends} on axes {axes} of {shape}")
    if (numbers := inputs[0].numbers) is not None:
        return [_numbers(numbers[starts[0] : ends[0]])]
    for axis, start, stop in zip(axes, starts, ends, strict=True):
        shape[axis] = len(range(shape[axis])[start:stop])
    return [Value(tuple(shape))]


def _squeeze(inputs: list[Value], _: Settings) -> list[Value]:
    x = _array(inputs[0])
    axes = _axes(inputs[1], len(x))
    if any(x[axis] != 1 for axis in axes):
        _refuse("Squeeze", f"axes {axes} of {x}")
    return [Value(tuple(n for i, n in enumerate(x) if i not in axes))]


def _unsqueeze(inputs: list[Value], _: Settings) -> list[Value]:
    rest = iter(x := _array(inputs[0]))
    rank = len(x) + len(_known(inputs[1]))
    axes = _axes(inputs[1], rank)
    return [Value(tuple(1 if i in axes else next(rest) for i in range(rank)))]


def _transpose(inputs: list[Value], settings: Settings) -> list[Value]:
    x, order = _array(inputs[0]), settings.get("perm", ())
    if sorted(order) != list(range(len(x))):
        _refuse("Transpose", f"{x} in the order {order[:MAX_RANK]}")
    return [Value(tuple(x[i] for i in order))]


def _array(value: Value) -> Shape:
    """Return the shape of an array of float32."""
    if value.numbers is not None:
        raise RunError("whole numbers where an operator takes float32")
    return value.shape


def _known(value: Value) -> Shape:
    if value.numbers is None:
        raise RunError("an array of float32 where an operator takes a shape or axes")
    return value.numbers


def _numbers(numbers: Shape) -> Value:
    return Value((len(numbers),), numbers)


def _axes(value: Value, rank: int) -> Shape:
    axes = tuple(_axis(axis, rank) for axis in _known(value))
    if not axes or len(set(axes)) < len(axes):
        raise RunError(f"axes {axes}, expected some, each once")
    return axes


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise RunError(f"axis {axis} of {rank}")
    return axis % rank


def _broadcast(a: Shape, b: Shape) -> Shape:
    rank = max(len(a), len(b))
    pairs = list(zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True))
    if any(m != n and 1 not in (m, n) for m, n in pairs):
        raise RunError(f"shapes {a} and {b} don't go together")
    return tuple(max(pair) for pair in pairs)


def _refuse(operator: str, what: str) -> NoReturn:
    raise RunError(f"operator {operator}: {what}; no network of ecgkit has that")


_KERNEL = {"auto_pad": b"NOTSET", "kernel_shape": tuple, "pads": tuple, "strides": tuple}
_AXES = {"keepdims": int, "noop_with_empty_axes": 0}

OPERATORS = {
    "Add": Operator(_elementwise, (2, 2), {}),
    "AveragePool": Operator(_average_pool, (1, 1), _KERNEL | {"ceil_mode": int, "count_include_pad": int}),
    "BatchNormalization": Operator(_normalised(1), (5, 5), {"epsilon": float, "momentum": float}),
    "Concat": Operator(_concat, (1, MAX_NUMBERS), {"axis": int}),
    "Conv": Operator(_conv, (2, 3), _KERNEL | {"dilations": (1,), "group": int}),
    "Expand": Operator(_expand, (2, 2), {}),
    "Gemm": Operator(_gemm, (2, 3), {"alpha": float, "beta": float, "transA": 0, "transB": 1}),
    "LSTM": Operator(
        _lstm, (7, 7), {"direction": b"forward", "hidden_size": int, "input_forget": 0, "layout": 0}
    ),
    "LayerNormalization": Operator(_normalised(-1), (3, 3), {"axis": -1, "epsilon": float, "stash_type": 1}),
    "MatMul": Operator(_matmul, (2, 2), {}),
    "Mul": Operator(_elementwise, (2, 2), {}),
    "ReduceMax": Operator(_reduce, (2, 2), _AXES),
    "ReduceMean": Operator(_reduce, (2, 2), _AXES),
    "ReduceSum": Operator(_reduce, (2, 2), _AXES),
    "Relu": Operator(_same, (1, 1), {}),
    "Reshape": Operator(_reshape, (2, 2), {"allowzero": int}),
    "Shape": Operator(_shape, (1, 1), {"start": int, "end": int}),
    "Sigmoid": Operator(_same, (1, 1), {}),
    "Slice": Operator(_slice, (3, 4), {}),
    "Softmax": Operator(_same, (1, 1), {"axis": -1}),
    "Squeeze": Operator(_squeeze, (2, 2), {}),
    "Transpose": Operator(_transpose, (1, 1), {"perm": tuple}),
    "Unsqueeze": Operator(_unsqueeze, (2, 2), {}),
}
