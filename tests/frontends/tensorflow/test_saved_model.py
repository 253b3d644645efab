"""SavedModels against what TensorFlow made of them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tensorflow.graphs import node, placeholder
from tests.frontends.tensorflow.saved import numbers, recorded, unpack
from xir.errors import FormatError, InvalidModelError, UnsupportedError, UsageError, XirError
from xir.frontends.load import load_model
from xir.frontends.options import LoadOptions

SIGNATURES = (
    ("dense", "serving_default"),
    ("dense", "look"),
    ("loop", "serving_default"),
    ("old", "first"),
    ("old", "second"),
    ("images", "serving_default"),
    ("words", "serving_default"),
    ("words", "look"),
    ("places", "serving_default"),
)


@pytest.mark.parametrize(("name", "signature"), SIGNATURES)
def test_agrees_with_tensorflow(name: str, signature: str, tmp_path: Path) -> None:
    graph = xir.load(unpack(name, tmp_path), method=signature)
    feeds, expected = recorded(name, signature, "in"), recorded(name, signature, "out")
    assert set(graph.input_names) == set(feeds)
    assert set(graph.output_names) == set(expected)
    feeds = {key: _texts(value) if value.dtype.kind == "S" else value for key, value in feeds.items()}
    for key, value in xir.run(graph, feeds).items():
        if expected[key].dtype.kind == "S":
            assert list(value) == list(_texts(expected[key]))
        else:
            np.testing.assert_allclose(value, expected[key], rtol=1e-5, atol=1e-6)


def _texts(array: np.ndarray) -> np.ndarray:
    return np.array([item.decode() for item in array.tolist()], object)


def test_compiled_agrees_with_tensorflow(tmp_path: Path) -> None:
    graph = xir.load(unpack("dense", tmp_path), method="serving_default")
    runner = xir.compile(graph)
    expected = recorded("dense", "serving_default", "out")
    made = dict(zip(graph.output_names, runner.run(None, recorded("dense", "serving_default", "in")), strict=True))
    for key, value in made.items():
        np.testing.assert_allclose(value, expected[key], rtol=1e-5, atol=1e-6)


def test_variables_are_weights_with_their_names(tmp_path: Path) -> None:
    graph = xir.load(unpack("dense", tmp_path), method="serving_default")
    assert {graph.names[each.value]: each.trainable for each in graph.parameters} == {"kernel": True, "bias": False}


def test_parts_of_a_variable_are_weights_of_their_own(tmp_path: Path) -> None:
    graph = xir.load(unpack("old", tmp_path), method="second")
    assert {graph.names[each.value]: each.value.shape for each in graph.parameters} == {
        "table/part_0": (2, 3),
        "table/part_1": (2, 3),
        "table/part_2": (1, 3),
    }


def test_the_file_itself_is_the_model_too(tmp_path: Path) -> None:
    loaded = load_model(str(unpack("dense", tmp_path) / "saved_model.pb"))
    assert loaded.format == "saved_model"
    assert [Path(path).name for path in loaded.files] == [
        "saved_model.pb",
        "variables.index",
        "variables.data-00000-of-00001",
    ]
    assert any("'look'" in note for note in loaded.notes)


def test_outputs_and_types_are_those_of_the_signature(tmp_path: Path) -> None:
    folder = unpack("dense", tmp_path)
    graph = xir.load(folder, method="serving_default", inputs={"x": "f32[7,2]"}, outputs=["y"])
    assert graph.output_names == ("y",)
    assert graph.outputs[0].shape == (7, 3)
    with pytest.raises(UsageError, match="no outputs"):
        xir.load(folder, method="serving_default", outputs=["other"])
    with pytest.raises(UsageError, match="no inputs"):
        xir.load(folder, method="serving_default", inputs={"other": "f32[7,2]"})


def test_a_signature_is_chosen_where_none_is_the_default(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'first', 'second'"):
        xir.load(unpack("old", tmp_path))
    with pytest.raises(UsageError, match="no signature 'third'"):
        xir.load(unpack("old", tmp_path), method="third")


def test_a_model_without_signatures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "saved_model.pbtxt"
    path.write_text('saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: "serve" } graph_def { } }')
    with pytest.raises(UsageError, match="has no signatures") as caught:
        xir.load(str(path))
    assert "signatures=" in str(caught.value.hint)


def test_a_variable_that_the_run_changes_is_state(tmp_path: Path) -> None:
    found = load_model(str(unpack("counter", tmp_path)))
    assert (found.graph.input_names, found.graph.output_names) == (("x", "steps"), ("y", "steps.new"))
    assert found.state["steps"].array() == 0
    assert any("'steps'" in note for note in found.notes)
    made = xir.run(found.graph, {"x": np.float32(3), "steps": np.float32(5)})
    assert (made["y"], made["steps.new"]) == (9, 6)


def test_what_variables_hold_is_handed_from_run_to_run(tmp_path: Path) -> None:
    found = load_model(str(unpack("memory", tmp_path)), LoadOptions(method="serving_default"))
    state = {name: constant.array() for name, constant in found.state.items()}
    assert set(state) == {"total", "steps", "rows.variable"}  # an output of the signature is called `rows`
    for signature in ("serving_default", "serving_default#"):
        made = xir.run(found.graph, recorded("memory", signature, "in") | state)
        for key, expected in recorded("memory", signature, "out").items():
            np.testing.assert_allclose(made[key], expected, rtol=1e-5, atol=1e-6)
        state = {name: made[f"{name}.new"] for name in state}


@pytest.mark.parametrize("method", ["branch", "loop"])
def test_a_variable_that_a_branch_or_loop_changes_is_refused(method: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="in a branch or loop"):
        xir.load(unpack("memory", tmp_path), method=method)


def test_without_its_variables_a_model_is_refused(tmp_path: Path) -> None:
    folder = unpack("dense", tmp_path)
    (folder / "variables" / "variables.index").unlink()
    with pytest.raises(InvalidModelError, match="nothing holds the elements"):
        xir.load(folder, method="serving_default")


def test_a_flipped_bit_of_a_weight_is_refused(tmp_path: Path) -> None:
    folder = unpack("dense", tmp_path)
    path = folder / "variables" / "variables.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    for place in range(0, len(data), 8):
        data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="checksum"):
        xir.load(folder, method="serving_default")


def test_weights_that_are_links_are_refused(tmp_path: Path) -> None:
    folder = unpack("dense", tmp_path)
    path = folder / "variables" / "variables.data-00000-of-00001"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(XirError, match="link"):
        xir.load(folder, method="serving_default")
    xir.load(folder, method="serving_default", options=LoadOptions(trust_links=True))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_short_is_refused(share: float, tmp_path: Path) -> None:
    path = unpack("dense", tmp_path) / "saved_model.pb"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(XirError):
        xir.load(path, method="serving_default")


@pytest.mark.parametrize("version", [1, 2])
def test_a_meta_graph_has_the_weights_of_its_checkpoint(version: int, tmp_path: Path) -> None:
    path = unpack("old", tmp_path) / "first" / f"version{version}.ckpt.meta"
    x, hidden = numbers(2, 4), numbers(2, 4) @ numbers(4, 3) * np.float32(0.5)
    found = load_model(str(path))
    assert found.format == "meta_graph"
    assert found.graph.output_names == ("z",)
    np.testing.assert_allclose(xir.run(found.graph, {"x": x})["z"], hidden @ numbers(5, 3).T, rtol=1e-5, atol=1e-6)
    chosen = xir.load(path, outputs=["y"])
    np.testing.assert_allclose(xir.run(chosen, {"x": x})["y"], hidden, rtol=1e-5, atol=1e-6)


def test_a_meta_graph_without_its_checkpoint_is_refused(tmp_path: Path) -> None:
    path = unpack("old", tmp_path) / "first" / "version2.ckpt.meta"
    path.with_suffix(".index").unlink()
    with pytest.raises(InvalidModelError, match="nothing holds the elements"):
        xir.load(path)
    with pytest.raises(UsageError, match="no signature 'other'; there are none"):
        xir.load(path, method="other")


def test_files_of_tables_are_read_where_a_table_is_looked_up(tmp_path: Path) -> None:
    folder = unpack("words", tmp_path)
    found = load_model(str(folder))
    assert [Path(path).name for path in found.files[2:]] == ["words.txt", "pairs.txt", "pairs.txt"]
    assert any("not read: 'spare.txt'" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("words.txt", b"apple\n", "has 1 lines, 2 are needed"),
        ("pairs.txt", b"7\n9\n", "has no column 1"),
        ("pairs.txt", b"x,y,1\n", "is no number"),
        ("pairs.txt", b"7,a,z\n", "is no number"),
    ],
)
def test_files_of_tables_that_do_not_fit(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    folder = unpack("words", tmp_path)
    (folder / "assets" / name).write_bytes(content)
    with pytest.raises(InvalidModelError, match=told):
        xir.load(folder, method="serving_default")


def test_files_of_tables_lie_beside_the_model(tmp_path: Path) -> None:
    folder = unpack("words", tmp_path)
    path = folder / "assets" / "words.txt"
    path.rename(tmp_path / "words.txt")
    path.symlink_to(tmp_path / "words.txt")
    with pytest.raises(XirError, match="link"):
        xir.load(folder, method="serving_default")


SPARSE = """
saved_model_schema_version: 1
meta_graphs {
  meta_info_def { tags: "serve" }
  graph_def {
    %s
    versions { producer: 27 }
  }
  signature_def {
    key: "serving_default"
    value {
      inputs { key: "x" value { dtype: DT_FLOAT
        coo_sparse { values_tensor_name: "v:0" indices_tensor_name: "i:0" dense_shape_tensor_name: "s:0" } } }
      inputs { key: "r" value { composite_tensor { components { name: "w:0" dtype: DT_FLOAT } } } }
      outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT } }
    }
  }
}
"""


def test_a_sparse_input_is_three_and_a_ragged_one_its_parts(tmp_path: Path) -> None:
    nodes = [
        placeholder("v", 2),
        placeholder("i", 2, 2, dtype="DT_INT64"),
        placeholder("s", 2, dtype="DT_INT64"),
        placeholder("w", 3, 2),
        node("SparseTensorDenseMatMul", "y", "i", "v", "s", "w", T="DT_FLOAT"),
    ]
    path = tmp_path / "saved_model.pbtxt"
    path.write_text(SPARSE % "\n".join(nodes))
    types = {"x/values": "f32[2]", "x/indices": "i64[2,2]", "x/dense_shape": "i64[2]", "r/0": "f32[3,2]"}
    graph = xir.load(str(path), inputs=types)
    assert set(graph.input_names) == set(types)
    w = numbers(3, 2)
    feeds = {"x/values": np.array([2, 3], np.float32), "x/indices": np.array([[0, 1], [1, 2]]), "r/0": w}
    made = xir.run(graph, feeds | {"x/dense_shape": np.array([2, 3])})["y"]
    np.testing.assert_allclose(made, np.array([[0, 2, 0], [0, 0, 3]], np.float32) @ w)


def test_a_model_may_list_its_assets(tmp_path: Path) -> None:
    asset = 'any_list { value { type_url: "type.googleapis.com/tensorflow.AssetFileDef" value: "words.txt" } }'
    text = f"""
    saved_model_schema_version: 1
    meta_graphs {{
      meta_info_def {{ tags: "serve" }}
      graph_def {{
        {placeholder("a", 2)}
        {node("Neg", "b", "a", T="DT_FLOAT")}
        versions {{ producer: 27 }}
      }}
      collection_def {{ key: "saved_model_assets" value {{ {asset} }} }}
      signature_def {{
        key: "serving_default"
        value {{
          inputs {{ key: "x" value {{ name: "a:0" dtype: DT_FLOAT tensor_shape {{ dim {{ size: 2 }} }} }} }}
          outputs {{ key: "y" value {{ name: "b:0" dtype: DT_FLOAT }} }}
        }}
      }}
    }}
    """
    path = tmp_path / "saved_model.pbtxt"
    path.write_text(text)
    assert xir.run(xir.load(str(path)), {"x": np.array([1, -2], np.float32)})["y"].tolist() == [-1, 2]
