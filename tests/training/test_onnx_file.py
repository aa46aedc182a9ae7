"""ONNX files from anywhere: asked for an answer, refused with a sentence, never run away with."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.calibrations import calibration
from support.onnx_files import body_of, model_of, sealed, spec_of, trained_run, windows_for

from ecgkit.errors import RunError
from ecgkit.training.card import json_text
from ecgkit.training.onnx_export import export_onnx
from ecgkit.training.onnx_file import CALIBRATION_KEY, CARD_KEY, MAX_BATCH, load_onnx, opened, seal

TESTS = Path(__file__).parents[1]
SPEC = spec_of("resnet", "sca")
SOAKED = (("resnet", "mha"), ("densenet", "cbam"), ("efficientnet", "sca"), ("lstm", "none"))
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(trained_run(SPEC), calibration(), path)
    return path


@pytest.fixture(scope="module")
def raw(file: Path) -> bytes:
    return file.read_bytes()


def refused(raw: bytes, says: str) -> None:
    """A file is refused, with a sentence that names it, and at once."""
    before = time.process_time()
    with pytest.raises(RunError, match=f"^here.onnx: .*{says}"):
        opened(Path("here.onnx"), raw)
    assert time.process_time() - before < 5


def test_outputs_are_the_same_however_many_windows_are_asked_of(file: Path) -> None:
    run = load_onnx(file)
    assert run.batch == MAX_BATCH
    windows = windows_for(SPEC, 2 * run.batch + 3)
    together = run.outputs(windows)
    for rows in (slice(0, 1), slice(5, 7), slice(run.batch, 2 * run.batch)):
        for whole, part in zip(together, run.outputs(windows[rows]), strict=True):
            np.testing.assert_allclose(whole[rows], part, atol=1e-6)
    assert [out.shape for out in run.outputs(windows[:0])] == [(0, 4), (0, 3)]


def test_outputs_take_any_array_of_numbers(file: Path) -> None:
    run, windows = load_onnx(file), windows_for(SPEC, 4)
    expected = run.outputs(windows)
    for same in (windows.astype(np.float64), np.asfortranarray(windows), np.repeat(windows, 2, axis=0)[::2]):
        for one, two in zip(run.outputs(same), expected, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("shape", [(4, 1, 63), (4, 2, 64), (4, 64), (64,), (1, 4, 1, 64)])
def test_outputs_refuse_windows_of_another_shape(file: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(RunError, match=r"model.onnx: windows of shape .*the network takes \(N, 1, 64\)"):
        load_onnx(file).outputs(np.zeros(shape, np.float32))


def test_load_needs_no_torch(file: Path) -> None:
    code = (
        "import sys; from ecgkit.training.onnx_file import load_onnx; import numpy as np\n"
        "load_onnx(sys.argv[1]).outputs(np.zeros((3, 1, 64), np.float32))\n"
        "sys.exit(bool({'torch', 'onnxscript', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(file)], check=False).returncode == 0


@pytest.mark.parametrize("share", np.arange(0, 1, 0.05))
def test_load_refuses_a_part_of_a_file(raw: bytes, share: float) -> None:
    part = raw[: int(share * len(raw))]
    refused(part, "damaged")
    body = part[: max(0, len(part) - len(seal(b"")))]
    refused(sealed(body), "")


def test_load_refuses_any_changed_byte(raw: bytes) -> None:
    rng = np.random.default_rng(0)
    for at, bit in zip(rng.integers(0, len(raw), 300), rng.integers(0, 8, 300), strict=True):
        changed = bytearray(raw)
        changed[at] ^= 1 << bit
        refused(bytes(changed), "its last bytes are not the hash of the others")


@pytest.mark.parametrize("raw", [b"", b"\0" * 300, b"ORTM" * 100, b"\x08\x0a" * 40, b"PK\3\4" + bytes(400)])
@pytest.mark.parametrize("how", [bytes, sealed])
def test_load_refuses_what_is_no_onnx_file(raw: bytes, how: Callable[[bytes], bytes]) -> None:
    refused(how(raw), "")


def test_load_refuses_a_model_of_others(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["windows"], ["subject_logits"])
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1, 64])
        for name in ("windows", "subject_logits")
    ]
    model = helper.make_model(helper.make_graph([node], "g", ports[:1], ports[1:]))
    onnx.save(model, tmp_path / "relu.onnx")
    with pytest.raises(RunError, match="not an ONNX file as ecgkit exports it"):
        load_onnx(tmp_path / "relu.onnx")
    refused(sealed(model), "metadata")


def run_in_own_process(file: Path, seeds: range) -> str:
    code = (
        "import sys; from pathlib import Path; from support.onnx_files import ask_damaged\n"
        f"print(ask_damaged(Path(sys.argv[1]), {seeds!r}))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        cwd=TESTS,
        env=ALONE,
        capture_output=True,
        text=True,
        check=False,
    )
    last = ended.stdout.splitlines()[-1:]
    assert ended.returncode == 0, f"seed {last}: {ended.returncode} {ended.stderr[-3000:]}"
    return last[0]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a short case of damaged files, or with --soak many long ones, of several networks."""
    if "damage" not in metafunc.fixturenames:
        return
    cases: list[Any] = [("resnet", "sca", range(300))]
    if metafunc.config.getoption("--soak"):
        cases += [
            pytest.param((*pair, range(first, first + 1000)), marks=pytest.mark.soak)
            for pair in SOAKED
            for first in range(300, 9300, 1000)
        ]
    metafunc.parametrize("damage", cases)


def test_damage_under_a_right_hash_is_refused_or_harmless(
    damage: tuple[str, str, range], tmp_path: Path
) -> None:
    backbone, attention, seeds = damage
    export_onnx(trained_run(spec_of(backbone, attention)), calibration(), tmp_path / "model.onnx")
    assert f"of {len(seeds)} could still be used" in run_in_own_process(tmp_path / "model.onnx", seeds)


Model = Any  # onnx.ModelProto


def constant(model: Model, name: str, values: Any) -> str:
    array = np.asarray(values)
    model.graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def before_all(model: Model, op_type: str, *more: str, **settings: Any) -> None:
    """Put a node between the windows and what takes them."""
    for node in model.graph.node:
        node.input[:] = ["changed" if name == "windows" else name for name in node.input]
    model.graph.node.insert(0, helper.make_node(op_type, ["windows", *more], ["changed"], **settings))


def small_graph() -> Any:
    out = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    made = helper.make_node("RandomNormal", [], ["x"], shape=[1])
    return helper.make_graph([made], "inside", [], [out])


def with_if(model: Model) -> None:
    constant(model, "yes", True)
    inside = small_graph()
    model.graph.node.append(helper.make_node("If", ["yes"], ["y"], then_branch=inside, else_branch=inside))


def with_loop(model: Model) -> None:
    constant(model, "times", 10**9)
    model.graph.node.append(helper.make_node("Loop", ["times", ""], ["y"], body=small_graph()))


def with_constant_of_shape(model: Model) -> None:
    constant(model, "shape", [2**16, 2**16, 2**10])
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["y"]))


def with_constant_node(model: Model) -> None:
    value = numpy_helper.from_array(np.zeros(3, np.float32))
    model.graph.node.append(helper.make_node("Constant", [], ["y"], value=value))


def with_expand(model: Model) -> None:
    constant(model, "shape", [2**20, 2**20, 64])
    before_all(model, "Expand", "shape")


def with_expand_by_the_batch(model: Model) -> None:
    model.graph.node.append(helper.make_node("Shape", ["windows"], ["batch"], start=0, end=1))
    model.graph.node.append(helper.make_node("Concat", ["batch"] * 8, ["shape"], axis=0))
    constant(model, "one", np.ones((1,) * 8, np.float32))
    model.graph.node.append(helper.make_node("Expand", ["one", "shape"], ["y"]))


def with_outer_products(model: Model) -> None:
    constant(model, "column", np.ones((4096, 1), np.float32))
    constant(model, "row", np.ones((1, 65536), np.float32))
    model.graph.node.append(helper.make_node("Mul", ["column", "row"], ["y"]))


def with_much_work(model: Model) -> None:
    constant(model, "a", np.ones((1024, 1024), np.float32))
    names = ["a", *(f"a{i}" for i in range(120))]
    for one, two in itertools.pairwise(names):
        model.graph.node.append(helper.make_node("MatMul", ["a", one], [two]))


def with_padding(model: Model) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    for attribute in node.attribute:
        if attribute.name == "pads":
            attribute.ints[:] = [10**6, 10**6]


def with_external_data(place: str) -> Callable[[Model], None]:
    def change(model: Model) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)

    return change


def with_function(model: Model) -> None:
    relu = helper.make_node("Relu", ["a"], ["b"])
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], [relu], model.opset_import))


def with_domain(model: Model) -> None:
    model.opset_import.add(domain="com.microsoft", version=1)


def with_operator_of_a_domain(model: Model) -> None:
    model.graph.node[0].domain = "com.microsoft"


def with_training(model: Model) -> None:
    model.training_info.add()


def with_sparse(model: Model) -> None:
    model.graph.sparse_initializer.add()


def with_strings(model: Model) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_type, tensor.string_data[:] = TensorProto.STRING, [b"x"]


def with_doubles(model: Model) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_type = TensorProto.DOUBLE


def with_wrong_size(model: Model) -> None:
    model.graph.initializer[0].dims[0] = 2**40


def with_nan(model: Model) -> None:
    weights = next(tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT)
    weights.raw_data = np.full(list(weights.dims), np.nan, "<f4").tobytes()


def with_long_shape(model: Model) -> None:
    constant(model, "shape", [1] * 65)


def with_negative_shape(model: Model) -> None:
    constant(model, "shape", [-2, 1, 64])
    before_all(model, "Expand", "shape")


def with_steps_back(model: Model) -> None:
    constant(model, "last", [-1]), constant(model, "first", [-9]), constant(model, "axis", [2])
    before_all(model, "Slice", "last", "first", "axis", "last")


def with_the_same_name(model: Model) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


def with_a_cycle(model: Model) -> None:
    model.graph.node.append(helper.make_node("Relu", ["b"], ["a"]))
    model.graph.node.append(helper.make_node("Relu", ["a"], ["b"]))


def with_other_input(model: Model) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 65


def with_second_input(model: Model) -> None:
    model.graph.input.add().CopyFrom(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def with_no_output(model: Model) -> None:
    del model.graph.output[1]


def with_swapped_outputs(model: Model) -> None:
    names = {"subject_logits": "condition_logits", "condition_logits": "subject_logits"}
    for node in model.graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]


def with_old_operators(model: Model) -> None:
    model.opset_import[0].version = 7


def with_new_format(model: Model) -> None:
    model.ir_version = 99


def with_many_nodes(model: Model) -> None:
    model.graph.node.extend([onnx.NodeProto()] * 200_000)


def with_note(model: Model) -> None:
    model.graph.doc_string = "hello"


def with_other_metadata(model: Model) -> None:
    model.metadata_props.add(key="more", value="1")


def with_two_cards(model: Model) -> None:
    model.metadata_props.append(next(entry for entry in model.metadata_props if entry.key == CARD_KEY))


def with_no_card(model: Model) -> None:
    kept = [entry for entry in model.metadata_props if entry.key != CARD_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)


def with_card(**changes: Any) -> Callable[[Model], None]:
    def change(model: Model) -> None:
        entry = next(entry for entry in model.metadata_props if entry.key == CARD_KEY)
        entry.value = json_text(json.loads(entry.value) | changes)

    return change


def with_calibration(text: str) -> Callable[[Model], None]:
    def change(model: Model) -> None:
        entry = next(entry for entry in model.metadata_props if entry.key == CALIBRATION_KEY)
        entry.value = text

    return change


def other_spec(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps({name: getattr(SPEC, name) for name in SPEC.__slots__}))
    return content | changes


HOSTILE = [
    (with_if, "field g, which no network of ecgkit needs"),
    (with_loop, "field g, which"),
    (with_constant_of_shape, "operator 'ConstantOfShape', which no network"),
    (with_constant_node, "field t, which"),
    (with_expand, "more than .* values"),
    (with_expand_by_the_batch, "more than .* values or .* for 256 windows"),
    (with_outer_products, "more than .* values"),
    (with_much_work, "multiply-adds"),
    (with_padding, "padding"),
    (with_external_data("/etc/passwd"), "TensorProto has the field external_data"),
    (with_external_data("../../secret"), "field external_data"),
    (with_function, "field functions"),
    (with_domain, "operators of"),
    (with_operator_of_a_domain, "NodeProto has the field domain"),
    (with_training, "field training_info"),
    (with_sparse, "field sparse_initializer"),
    (with_strings, "field string_data"),
    (with_doubles, "its type or shape"),
    (with_wrong_size, "bytes, expected"),
    (with_nan, "holds NaN or infinity"),
    (with_long_shape, "65 whole numbers"),
    (with_negative_shape, "don't go together|an array of shape"),
    (with_steps_back, "operator Slice: inputs"),
    (with_the_same_name, "same name"),
    (with_a_cycle, "operator Relu: inputs"),
    (with_other_input, "inputs: got .*the card says"),
    (with_second_input, "inputs: got"),
    (with_no_output, "outputs: got"),
    (with_swapped_outputs, "output subject_logits: not"),
    (with_old_operators, "version 7; expected ONNX's own, version 18 to 23"),
    (with_new_format, "ONNX version 99"),
    (with_many_nodes, "more than 200000 parts"),
    (with_note, "field doc_string"),
    (with_other_metadata, "metadata"),
    (with_two_cards, "metadata"),
    (with_no_card, "metadata"),
    (with_card(seed=1.5), "ecgkit.card: seed: got 1.5"),
    (with_card(format="other"), "format 'other'"),
    (with_card(more=1), "not expected"),
    (with_card(subject_labels=["a", "b"]), "4 different names"),
    (with_card(spec=other_spec(n_samples=128)), "inputs: got"),
    (with_card(spec=other_spec(n_subjects=0), subject_labels=[]), "outputs: got"),
    (with_card(spec=other_spec(n_leads=2), lead_names=["a", "b"]), "inputs: got"),
    (with_card(dataset_sha256="1" * 64), "calibration is of another data set"),
    (with_calibration("{}"), "calibration: format"),
    (with_calibration('{"a": 1, "a": 2}'), "stands there twice"),
    (with_calibration("[" * 50_000), "not a JSON text"),
]


@pytest.mark.parametrize(("change", "says"), HOSTILE, ids=[says[:30] for _, says in HOSTILE])
def test_load_refuses_what_no_network_needs(raw: bytes, change: Callable[[Model], None], says: str) -> None:
    model = model_of(raw)
    change(model)
    refused(sealed(model), says)


def test_load_takes_the_same_file_sealed_again(raw: bytes) -> None:
    windows = windows_for(SPEC, 3)
    again = opened(Path("here.onnx"), sealed(model_of(raw))).outputs(windows)
    for one, two in zip(again, opened(Path("here.onnx"), raw).outputs(windows), strict=True):
        np.testing.assert_array_equal(one, two)


def test_load_takes_the_card_of_another_run_for_what_it_is(raw: bytes) -> None:
    """A card that fits is believed: a hash tells damage, not who made a file."""
    model = model_of(raw)
    with_card(subject_labels=["w", "x", "y", "z"])(model)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    swapped = body_of(raw).replace(model_of(raw).metadata_props[0].value.encode(), entries[CARD_KEY].encode())
    refused(swapped + raw[len(body_of(raw)) :], "damaged")
    assert opened(Path("here.onnx"), sealed(model)).card.subject_labels == ("w", "x", "y", "z")


def test_load_refuses_more_parts_than_memory_has_room_for() -> None:
    """Empty messages of two bytes would take a hundred times their size once they are parsed."""
    program = (
        "import resource; from pathlib import Path\n"
        "from support.onnx_files import sealed\n"
        "from ecgkit.errors import RunError; from ecgkit.training.onnx_file import opened\n"
        "graph = b'\\x0a\\x00' * 40_000_000\n"
        "size = len(graph).to_bytes(4, 'little'); n = len(graph)\n"
        "length = bytes([n & 127 | 128, n >> 7 & 127 | 128, n >> 14 & 127 | 128, n >> 21])\n"
        "raw = sealed(b'\\x3a' + length + graph)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    opened(Path('bomb'), raw)\n"
        "except RunError as error:\n    print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=TESTS, env=ALONE, capture_output=True, text=True, check=True
    )
    said, grown_mb = ended.stdout.splitlines()
    assert "more than 200000 parts" in said
    assert int(grown_mb) < 300


def test_load_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"model.onnx: can't be read .*an ONNX file that ecgkit exported"):
        load_onnx(tmp_path / "model.onnx")
    with pytest.raises(RunError, match="a folder, a device or a pipe"):
        load_onnx(tmp_path)


def test_load_does_not_wait_for_a_pipe_nor_read_without_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(RunError, match="a folder, a device or a pipe"):
        load_onnx(tmp_path / "pipe.onnx")
    with (tmp_path / "large.onnx").open("wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(RunError, match=r"can't be read|more than"):
        load_onnx(tmp_path / "large.onnx")
