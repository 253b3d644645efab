"""The file and its report: names, sources, versions, metadata, external data, the same bytes every time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.backends.export.onnx.shared import Net, by_onnxruntime, checked
from xir.backends.export.onnx import export_onnx
from xir.backends.export.onnx import write as writer
from xir.errors import UnsupportedError
from xir.frontends.onnx import import_onnx
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, MapType, OptionalType, SequenceType, TensorType, UnrankedType
from xir.ops.activation import relu
from xir.ops.constant import constant, identity
from xir.ops.elementwise import add, neg
from xir.ops.matmul import gemm
from xir.ops.pool import average_pool
from xir.ops.reduce import top_k
from xir.ops.shape import broadcast, reshape
from xir.reference import run

FIRST = Source("caffe", "n.prototxt", "pool", "Pooling", order=1, layout=(0, 2, 3, 1), path=("net",), location="line 3")
SECOND = Source("caffe", "n.prototxt", "act", "ReLU", order=2)


def layered() -> Graph:
    net = Net()
    x = net.input("data", 1, 2, 4, 4)
    with sourced(FIRST):
        y = average_pool(
            x,
            window=(3, 3),
            strides=(2, 2),
            padding=((1, 2), (1, 2)),
            counted_padding=((1, 1), (1, 1)),
            dilation=(1, 1),
        )
    with sourced(SECOND):
        y = relu(y)
    return net.graph(out=y)


def test_the_node_that_completes_a_layer_has_its_name(tmp_path: Path) -> None:
    report = checked(layered(), tmp_path / "m.onnx")
    nodes = onnx.load(tmp_path / "m.onnx").graph.node
    assert [(node.name, node.op_type) for node in nodes] == [
        ("pool/Pad", "Pad"),
        ("pool", "AveragePool"),
        ("act", "Relu"),
    ]
    assert report.layers == {"pool": ("pool/Pad", "pool"), "act": ("act",)}
    assert report.results == {"pool": ("pool",), "act": ("out",)}
    assert (report.nodes, report.operators) == (3, {"AveragePool": 1, "Pad": 1, "Relu": 1})
    assert report.size == (tmp_path / "m.onnx").stat().st_size
    assert json.loads(json.dumps(report.to_dict()))["layers"]["pool"] == ["pool/Pad", "pool"]


def test_sources_come_back_from_the_metadata(tmp_path: Path) -> None:
    checked(layered(), tmp_path / "m.onnx")
    first, second, third = import_onnx(tmp_path / "m.onnx").nodes
    assert first.source[0] == second.source[0] == FIRST
    assert third.source[0] == SECOND
    assert third.source[1] == Source("onnx", "m.onnx", "act", "Relu", order=2)


def test_old_files_say_the_source_in_words(tmp_path: Path) -> None:
    checked(layered(), tmp_path / "m.onnx", opset=13)
    node = onnx.load(tmp_path / "m.onnx").graph.node[-1]
    assert node.doc_string == "n.prototxt: layer 'act' (ReLU)"
    assert not node.metadata_props


def test_header_and_metadata(tmp_path: Path) -> None:
    report = checked(layered(), tmp_path / "m.onnx", metadata={"made": "today"}, documentation="a net")
    made = onnx.load(tmp_path / "m.onnx")
    assert (report.opset, report.ir_version) == (21, 10)
    assert (made.ir_version, made.opset_import[0].version) == (10, 21)
    assert (made.producer_name, made.doc_string, made.graph.name) == ("xir", "a net", "net")
    assert [(entry.key, entry.value) for entry in made.metadata_props] == [("made", "today")]


def test_names_that_clash_are_told(tmp_path: Path) -> None:
    net = Net()
    x = net.input("data", 2)
    y = add(relu(x), net.weight("data_2", np.ones(2, np.float32)))
    report = checked(net.graph(data=y), tmp_path / "m.onnx")
    assert report.renamed == {"data": "data_2"}
    made = onnx.load(tmp_path / "m.onnx").graph
    assert [value.name for value in made.output] == ["data_2"]
    assert [value.name for value in made.initializer] == ["data_2_2"]


def test_outputs_that_are_inputs_weights_or_twice_the_same(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 2)
    w = net.weight("w", np.ones(2, np.float32))
    y = relu(x)
    graph = net.graph(a=x, b=w, c=y, d=y)
    checked(graph, tmp_path / "m.onnx")
    feeds = {"x": np.array([-1, 2], np.float32)}
    got = by_onnxruntime(tmp_path / "m.onnx", feeds)
    assert [array.tolist() for array in got] == [array.tolist() for array in run(graph, feeds).values()]


def test_values_without_names_are_called_like_their_nodes(tmp_path: Path) -> None:
    net = Net()
    best, places = top_k(neg(net.input("x", 4)), k=2, axis=0)
    checked(net.graph(best=best, places=identity(places)), tmp_path / "m.onnx")
    made = onnx.load(tmp_path / "m.onnx").graph
    assert [list(node.output) for node in made.node] == [["Neg"], ["best", "TopK:1"], ["places"]]
    assert [value.name for value in made.initializer] == ["TopK/constant"]


def test_broadcasts_that_onnx_does_itself_are_left_out(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", Symbol("n"), 3)
    bias = broadcast(net.normal("b", 3), shape=x.shape)
    y = add(x, bias)
    z = gemm(y, net.normal("w", 3, 3), bias, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False)
    report = checked(net.graph(z=z, wide=add(bias, broadcast(net.normal("c", 1), shape=x.shape))), tmp_path / "m.onnx")
    assert report.operators == {"Add": 2, "Expand": 1, "Gemm": 1, "Shape": 1}


def test_a_chain_of_broadcasts_is_written_in_order(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 1)
    y = broadcast(broadcast(broadcast(x, shape=(3,)), shape=(2, 3)), shape=(4, 2, 3))
    report = checked(net.graph(y=add(y, net.normal("w", 4, 2, 3))), tmp_path / "m.onnx")
    assert report.operators == {"Add": 1, "Expand": 2}


def weighty() -> tuple[Graph, dict[str, np.ndarray]]:
    net = Net()
    x = net.input("x", 2, 40)
    y = gemm(x, net.normal("w", 40, 50), None, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=False)
    y = add(y, broadcast(net.normal("b", 50), shape=(2, 50)))
    y = add(y, net.normal("v", 2, 50, seed=1))
    return net.graph(y=y), {"x": np.ones((2, 40), np.float32)}


def test_weights_in_a_data_file(tmp_path: Path) -> None:
    graph, feeds = weighty()
    report = export_onnx(graph, tmp_path / "m.onnx", external_data=True)
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
    assert report.data_file is not None
    data = Path(report.data_file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", data.name]
    assert (data.stat().st_size, data.parent) == (report.data_size, tmp_path)
    stored = {
        t.name: {e.key: e.value for e in t.external_data}
        for t in onnx.load(tmp_path / "m.onnx", load_external_data=False).graph.initializer
    }
    assert stored["w"] == {"location": data.name, "offset": "0", "length": "8000"}
    assert not stored["b"]
    np.testing.assert_allclose(by_onnxruntime(tmp_path / "m.onnx", feeds)[0], run(graph, feeds)["y"], rtol=1e-5)
    np.testing.assert_array_equal(run(import_onnx(tmp_path / "m.onnx"), feeds)["y"], run(graph, feeds)["y"])


def test_a_data_file_only_where_one_file_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, _ = weighty()
    monkeypatch.setattr(writer, "MAX_MESSAGE_BYTES", 4000)
    assert export_onnx(graph, tmp_path / "m.onnx").data_file is not None
    with pytest.raises(UnsupportedError, match="one protobuf file holds 4000"):
        export_onnx(graph, tmp_path / "n.onnx", external_data=False)
    assert not (tmp_path / "n.onnx").exists()


def test_no_data_file_without_weights(tmp_path: Path) -> None:
    assert export_onnx(layered(), tmp_path / "m.onnx", external_data=True).data_file is None


@pytest.mark.parametrize(
    "dtype", [DType.INT4, DType.UINT4, DType.BFLOAT16, DType.FLOAT16, DType.BOOL, DType.STRING], ids=str
)
def test_weights_of_every_width(dtype: DType, tmp_path: Path) -> None:
    net = Net()
    array = np.array([["a", "\u00e9"]], object) if dtype is DType.STRING else np.array([[0, 1, 3]]).astype(dtype.dtype)
    w = net.weight("w", array)
    checked(net.graph(y=identity(w)), tmp_path / "m.onnx")
    back = import_onnx(tmp_path / "m.onnx").parameters[0].constant
    assert back.dtype is dtype
    assert back.array().tolist() == array.tolist()


def test_large_packed_weights_are_written_in_pieces(tmp_path: Path) -> None:
    net = Net()
    drawn = np.random.default_rng(0).integers(-8, 8, (3, 700_001)).astype(DType.INT4.dtype)
    report = export_onnx(net.graph(y=identity(net.weight("w", drawn))), tmp_path / "m.onnx")
    assert report.size < 1_060_000
    np.testing.assert_array_equal(import_onnx(tmp_path / "m.onnx").parameters[0].constant.array(), drawn)


def test_literals_are_initialisers_and_equal_ones_are_one(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 2, 3000)
    first, second = (constant(value=constant_of(np.full((2, 3000), 2.0, np.float32))) for _ in range(2))
    checked(net.graph(y=add(add(x, first), second), z=first), tmp_path / "m.onnx")
    back = import_onnx(tmp_path / "m.onnx")
    assert [node.op.name for node in back.nodes] == ["constant", "add", "add"]
    assert len(back.parameters) == 1


def test_sequences_optionals_and_nameless_sizes(tmp_path: Path) -> None:
    inner = TensorType(DType.FLOAT32, (Symbol(), Symbol("unknown_0") * 2))
    mapped = MapType(DType.STRING, TensorType(DType.FLOAT32, ()))
    values = (Value(SequenceType(inner)), Value(OptionalType(inner)), Value(inner), Value(mapped))
    graph = Graph("g", values, (relu(values[2]),), ("y",), names=dict(zip(values, "soxm", strict=True)))
    export_onnx(graph, tmp_path / "m.onnx")
    types = [value.type for value in onnx.load(tmp_path / "m.onnx").graph.input]
    kinds = ["sequence_type", "optional_type", "tensor_type", "map_type"]
    assert [kind.WhichOneof("value") for kind in types] == kinds
    assert (types[3].map_type.key_type, types[3].map_type.value_type.tensor_type.elem_type) == (8, 1)
    assert [dim.dim_param for dim in types[2].tensor_type.shape.dim] == ["unknown_1", "2*unknown_0"]


def test_a_rank_that_is_not_known_is_said_aloud(tmp_path: Path) -> None:
    x, y = Value(UnrankedType(DType.FLOAT32)), Value(TensorType(DType.FLOAT32, (2,)))
    graph = Graph("g", (x, y), (identity(x), relu(y)), ("same", "r"), names={x: "x", y: "y"})
    with pytest.warns(UserWarning, match="number of axes of 'x', 'same' is not known"):
        export_onnx(graph, tmp_path / "m.onnx")
    made = onnx.load(tmp_path / "m.onnx").graph
    held = [value.type.tensor_type.HasField("shape") for value in (*made.input, *made.output)]
    assert held == [False, True, False, True]
    assert [repr(value.type) for value in import_onnx(tmp_path / "m.onnx").outputs] == ["f32[*]", "f32[2]"]
    fed = {"x": np.ones((1, 2, 3), np.float32), "y": np.ones(2, np.float32)}
    assert by_onnxruntime(tmp_path / "m.onnx", fed)[0].shape == (1, 2, 3)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.backends.export.onnx.test_export import layered
from xir.backends.export.onnx import export_onnx
export_onnx(layered(), sys.argv[2])
"""


def test_the_same_bytes_whatever_the_hash_seed_and_folder(tmp_path: Path) -> None:
    written: list[bytes] = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        command = [sys.executable, "-c", SCRIPT, str(Path(__file__).resolve().parents[4]), "m.onnx"]
        subprocess.run(command, cwd=folder, env={"PYTHONHASHSEED": seed, "PATH": ""}, check=True)
        written.append((folder / "m.onnx").read_bytes())
    assert written[0] == written[1]


def test_reshape_of_an_unknown_batch(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", Symbol("n", minimum=1), 4, Symbol("k", minimum=1))
    n, _, k = x.shape
    shapes = [(n, 4 * k), (n * 4, k), (k, n, 4), (2, n, 2, k), (n * k * 4,)]
    graph = net.graph(**{f"y{index}": reshape(x, shape=shape) for index, shape in enumerate(shapes)})
    checked(graph, tmp_path / "m.onnx")
    feeds = {"x": np.arange(24, dtype=np.float32).reshape(3, 4, 2)}
    for want, have in zip(run(graph, feeds).values(), by_onnxruntime(tmp_path / "m.onnx", feeds), strict=True):
        np.testing.assert_array_equal(have, want)
