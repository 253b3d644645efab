"""Graph models of TensorFlow.js: JSON, shards, quantised weights, signatures, and what is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

import xir
from xir.errors import XirError
from xir.frontends.load import load_model
from xir.frontends.options import LoadOptions

NUMBERS = {"float32": "DT_FLOAT", "int32": "DT_INT32", "bool": "DT_BOOL", "string": "DT_STRING"}


def coded(text: str) -> dict[str, str]:
    return {"s": base64.b64encode(text.encode()).decode()}


def sizes(*shape: int) -> dict[str, object]:
    return {"dim": [{"size": str(size)} for size in shape]}


def constant(name: str, dtype: str, *shape: int) -> dict[str, object]:
    tensor = {"dtype": NUMBERS[dtype], "tensorShape": sizes(*shape) if shape else {}}
    return {"name": name, "op": "Const", "attr": {"dtype": {"type": NUMBERS[dtype]}, "value": {"tensor": tensor}}}


def placeholder(name: str, *shape: int) -> dict[str, object]:
    return {
        "name": name,
        "op": "Placeholder",
        "attr": {"dtype": {"type": "DT_FLOAT"}, "shape": {"shape": sizes(*shape)}},
    }


def node(kind: str, name: str, *inputs: str, **attributes: object) -> dict[str, object]:
    return {"name": name, "op": kind, "input": list(inputs), "attr": {"T": {"type": "DT_FLOAT"}, **attributes}}


def weight(name: str, kind: str, *shape: int, **quantization: object) -> dict[str, object]:
    held: dict[str, object] = {"name": name, "dtype": kind, "shape": list(shape)}
    return held | ({"quantization": quantization} if quantization else {})


def write(
    folder: Path, nodes: list[object], weights: list[object], data: bytes, *, cut: int = 0, **more: object
) -> str:
    """A model whose shards are cut at `cut`; the path of its JSON."""
    pieces = [data[:cut], data[cut:]] if cut else [data]
    for place, piece in enumerate(pieces):
        (folder / f"shard{place}.bin").write_bytes(piece)
    groups = [{"paths": [f"shard{place}.bin" for place in range(len(pieces))], "weights": weights}]
    model = {"format": "graph-model", "modelTopology": {"node": nodes}, "weightsManifest": groups, **more}
    path = folder / "model.json"
    path.write_text(json.dumps(model))
    return str(path)


W = np.array([[1.5, -2], [0.25, 8]], np.float32)


@pytest.mark.parametrize("cut", [0, 6])
def test_weights_lie_in_shards(cut: int, tmp_path: Path) -> None:
    nodes = [placeholder("x", -1, 2), constant("w", "float32", 2, 2), node("MatMul", "y", "x", "w")]
    path = write(tmp_path, nodes, [weight("w", "float32", 2, 2)], W.tobytes(), cut=cut)
    loaded = load_model(path)
    assert loaded.format == "tfjs"
    assert [Path(each).name for each in loaded.files] == ["model.json", "shard0.bin", *(["shard1.bin"] if cut else [])]
    x = np.array([[1, 2]], np.float32)
    np.testing.assert_array_equal(xir.run(loaded.graph, {"x": x})["y"], x @ W)


def test_a_signature_names_inputs_and_outputs(tmp_path: Path) -> None:
    told = {"dtype": "DT_FLOAT", "tensorShape": sizes(2)}
    signature = {
        "inputs": {"image": {"name": "x:0", **told}, "gone": {"name": "lost:0", **told}},
        "outputs": {"scores": {"name": "y:0", **told}},
    }
    path = write(
        tmp_path, [placeholder("x", 2), node("Neg", "y", "x"), node("Abs", "z", "x")], [], b"", signature=signature
    )
    graph = xir.load(path)
    assert (graph.input_names, graph.output_names) == (("image",), ("scores",))


@pytest.mark.parametrize(
    ("quantization", "kept", "dtype", "expected"),
    [
        ({"dtype": "uint8", "scale": 0.5, "min": -1.0}, np.array([0, 3, 255], np.uint8), "float32", [-1, 0.5, 126.5]),
        ({"dtype": "uint16", "scale": 0.25, "min": 2}, np.array([0, 65535], np.uint16), "float32", [2, 16385.75]),
        ({"dtype": "uint8", "scale": 0.5, "min": 0}, np.array([1, 2, 5], np.uint8), "int32", [1, 1, 3]),
        ({"dtype": "float16"}, np.array([0.5, -2, 8], np.float16), "float32", [0.5, -2, 8]),
    ],
)  # fmt: skip
def test_quantised_weights(quantization, kept, dtype, expected, tmp_path: Path) -> None:
    nodes = [constant("w", dtype, kept.size), node("Identity", "y", "w", T={"type": NUMBERS[dtype]})]
    path = write(tmp_path, nodes, [weight("w", dtype, kept.size, **quantization)], kept.tobytes(), cut=1)
    made = xir.run(xir.load(path), {})["y"]
    assert made.dtype == dtype
    assert made.tolist() == expected


@pytest.mark.parametrize(
    ("kind", "dtype", "held"),
    [("DT_DOUBLE", "float64", "float32"), ("DT_HALF", "float16", "float32"), ("DT_INT64", "int64", "int32")],
)
def test_types_that_javascript_lacks_are_held_in_others(kind, dtype, held, tmp_path: Path) -> None:
    told = constant("w", held, 2)
    told["attr"] = {"dtype": {"type": kind}, "value": {"tensor": {"dtype": kind, "tensorShape": sizes(2)}}}
    nodes = [told, node("Identity", "y", "w", T={"type": kind})]
    data = np.array([3, -2], held)
    made = xir.run(xir.load(write(tmp_path, nodes, [weight("w", held, 2)], data.tobytes())), {})["y"]
    assert made.dtype == dtype
    assert made.tolist() == [3, -2]


def test_strings_and_truth_values(tmp_path: Path) -> None:
    texts = b"".join(len(each).to_bytes(4, "little") + each for each in (b"a", "é".encode(), b""))
    nodes = [
        constant("t", "string", 3),
        constant("b", "bool", 2),
        node("Identity", "y", "t", T={"type": "DT_STRING"}),
        node("LogicalNot", "z", "b"),
    ]
    nodes[-1]["attr"] = {}
    path = write(tmp_path, nodes, [weight("t", "string", 3), weight("b", "bool", 2)], texts + b"\1\0")
    made = xir.run(xir.load(path), {})
    assert list(made["y"]) == ["a", "é", ""]
    assert made["z"].tolist() == [False, True]


def test_operators_that_javascript_alone_has(tmp_path: Path) -> None:
    attributes = {
        "strides": {"list": {"i": ["1", "1", "1", "1"]}},
        "padding": coded("VALID"),
        "num_args": {"i": 2},
        "fused_ops": {"list": {"s": [coded("BiasAdd")["s"], coded("Prelu")["s"]]}},
    }
    nodes = [
        placeholder("x", 1, 2, 2, 2),
        constant("w", "float32", 2, 2, 2, 1),
        constant("b", "float32", 2),
        node("Prelu", "p", "x", "b"),
        node("FusedDepthwiseConv2dNative", "y", "p", "w", "b", "b", **attributes),
    ]
    w, b = np.arange(8, dtype=np.float32).reshape(2, 2, 2, 1) - 3, np.array([0.5, -2], np.float32)
    held = [weight("w", "float32", 2, 2, 2, 1), weight("b", "float32", 2)]
    x = np.array([[[[1, -1], [-2, 3]], [[4, -5], [-6, 7]]]], np.float32)
    made = xir.run(xir.load(write(tmp_path, nodes, held, w.tobytes() + b.tobytes())), {"x": x})["y"]
    sloped = np.where(x >= 0, x, x * b)
    total = (sloped[0] * w[..., 0]).sum((0, 1)) + b
    np.testing.assert_allclose(made[0, 0, 0], np.where(total >= 0, total, total * b))


X = [placeholder("x", 2), constant("w", "float32", 2), node("Mul", "y", "x", "w")]
HALF = W.tobytes()[:8]


@pytest.mark.parametrize(
    ("nodes", "weights", "data", "told"),
    [
        (X, [weight("w", "float32", 2)], HALF[:-1], "needs 8 bytes, 7 are left"),
        (X, [weight("w", "float32", 2)], HALF + b"!", "take 8 bytes, the shards have 9"),
        (X, [weight("w", "float32", 3)], HALF + HALF[:4], "in the graph, and f32[3] beside it"),
        (X, [weight("w", "int32", 2)], HALF, "in the graph, and i32[2] beside it"),
        (X, [weight("w", "float32", -2)], HALF, "-2"),
        (X, [weight("w", "float32", 1 << 62)], HALF, "bytes"),
        (X, [weight("w", "decimal", 2)], HALF, "no type of elements"),
        (X, [weight("w", "string", 1 << 40)], HALF, "do not fit"),
        (X, [weight("w", "float32", 2, dtype="int32", scale=1, min=0)], HALF, "kept as i32"),
        (X, [weight("w", "float32", 2, dtype="uint8", scale=1)], HALF[:2], "'min' is missing"),
        ([{**X[0], "colour": 3}], [], b"", "no field 'colour'"),
        ([{**X[0], "attr": {"dtype": {"type": "DT_NONE"}}}], [], b"", "no DataType"),
        ([{**X[0], "attr": {"s": {"s": "é"}}}], [], b"", "no Base64"),
        ([{**X[0], "attr": {"s": {"i": "1e9"}}}], [], b"", "expected a whole number"),
        ([{**X[0], "attr": {"s": {"b": 1}}}], [], b"", "expected true or false"),
        ([{"name": "w", "op": "ReadFile"}], [], b"", "ReadFile"),
    ],
)  # fmt: skip
def test_refused(nodes, weights, data, told: str, tmp_path: Path) -> None:
    with pytest.raises(XirError, match=told.replace("[", r"\[")):
        xir.load(write(tmp_path, nodes, weights, data))


def test_attributes_of_every_kind_are_read(tmp_path: Path) -> None:
    lists = {"list": {"b": [True], "i": [1], "f": [0.5, "NaN"], "type": ["DT_FLOAT", 3], "func": [{"name": "f"}]}}
    nodes = [X[0], node("Neg", "y", "x", _class=lists, _number={"f": 0.5}, _function={"func": {"name": "f"}})]
    assert xir.load(write(tmp_path, nodes, [], b"")).output_names == ("y",)


def test_shards_lie_beside_the_model(tmp_path: Path) -> None:
    path = Path(write(tmp_path, X, [weight("w", "float32", 2)], HALF))
    kept = path.read_text()
    path.write_text(kept.replace("shard0.bin", "../shard0.bin"))
    with pytest.raises(XirError, match="leaves"):
        xir.load(str(path))
    path.write_text(kept)
    (tmp_path / "shard0.bin").rename(tmp_path / "other")
    (tmp_path / "shard0.bin").symlink_to(tmp_path / "other")
    with pytest.raises(XirError, match="link"):
        xir.load(str(path))
    xir.load(str(path), options=LoadOptions(trust_links=True))


def test_fields_that_stand_twice_or_nest_without_end(tmp_path: Path) -> None:
    path = Path(write(tmp_path, X, [weight("w", "float32", 2)], HALF))
    kept = path.read_text()
    for broken in (
        kept.replace('"dtype": {"type"', '"s": null, "dtype": {"type": 1, "type"', 1),
        kept.replace('"tensorShape"', '"tensor_shape": {}, "tensorShape"', 1),
        kept.replace('"node": [', '"node": [' + '{"attr": {"a": {"list": {"func": [' * 400, 1),
    ):
        path.write_text(broken)
        with pytest.raises(XirError):
            xir.load(str(path))
