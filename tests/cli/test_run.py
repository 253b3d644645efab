"""`xir run`: feeds from files, pictures, made-up inputs; outputs into files."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.cli.commands import call, small
from xir.errors import FormatError, InvalidModelError, UnsafeError, UsageError
from xir.inspect.results import flat, report_run
from xir.ir.types import DType, MapType, TensorType
from xir_cli.feeds import read_feeds, read_npy, read_npz, safe_name, write_arrays


def test_made_up_inputs(tmp_path, capsys):
    done = call(capsys, "run", small(tmp_path), "--random", "-q")
    assert done.code == 0, done.err
    assert done.out.startswith("prob  f32[1,5]  min ")


def test_nothing_fed(tmp_path, capsys):
    done = call(capsys, "run", small(tmp_path))
    assert done.code == 2
    assert "nothing is fed to 'data'" in done.err


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_arrays_are_fed_and_written(tmp_path, capsys, suffix):
    data = np.arange(192, dtype=np.float32).reshape(1, 3, 8, 8)
    path = tmp_path / f"x.{suffix}"
    np.save(path, data) if suffix == "npy" else np.savez(path, data=data)
    word = f"data={path}" if suffix == "npy" else path
    out = tmp_path / "out.npz"
    done = call(capsys, "run", small(tmp_path), "--feed", word, "--out", out, "--json")
    assert done.code == 0, done.err
    assert done.document["outputs"][0]["shape"] == [1, 5]
    assert read_npz(str(out))["prob"].sum() == pytest.approx(1, abs=1e-5)


def test_a_misspelt_input_is_named(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 8, 8), np.float32))
    done = call(capsys, "run", small(tmp_path), "--feed", f"date={tmp_path / 'x.npy'}")
    assert done.code == 2
    assert "the model has no input 'date'; it has ['data']" in done.err


def listing(tmp_path) -> str:
    """A model that puts an array at the end of a sequence."""
    onnx = pytest.importorskip("onnx")
    helper, f32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("SequenceInsert", ["given", "x"], ["out"])],
        "g",
        [
            helper.make_tensor_sequence_value_info("given", f32, ["n", 3]),
            helper.make_tensor_value_info("x", f32, [2, 3]),
        ],
        [helper.make_tensor_sequence_value_info("out", f32, None)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "s.onnx")
    return str(tmp_path / "s.onnx")


def test_an_archive_is_a_sequence(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.ones((2, 3), np.float32))
    np.savez(tmp_path / "given.npz", a=np.zeros((4, 3), np.float32), b=np.full((1, 3), 2, np.float32))
    words = ("--feed", f"x={tmp_path / 'x.npy'}", "--feed", f"given={tmp_path / 'given.npz'}")
    done = call(capsys, "run", listing(tmp_path), *words, "--out", tmp_path / "out.npz")
    assert done.code == 0, done.err
    found = read_npz(str(tmp_path / "out.npz"))
    assert {name: array.shape for name, array in found.items()} == {"out/0": (4, 3), "out/1": (1, 3), "out/2": (2, 3)}


def test_an_archive_is_no_array(tmp_path, capsys):
    np.savez(tmp_path / "x.npz", a=np.ones((2, 3), np.float32))
    done = call(capsys, "run", listing(tmp_path), "--random", "--feed", f"x={tmp_path / 'x.npz'}")
    assert done.code == 2
    assert "input 'x' is one array" in done.err


def test_sequences_are_made_up(tmp_path, capsys):
    done = call(capsys, "run", listing(tmp_path), "--random")
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines() if line.startswith("out")] == ["out/0", "out/1", "out/2"]


@pytest.mark.parametrize("keys", [np.array([3, 7]), np.array(["a", "b"])], ids=["numbers", "text"])
def test_an_archive_of_keys_and_values_is_a_map(tmp_path, keys):
    np.savez(tmp_path / "m.npz", keys=keys, values=np.array([0.5, 2.0], np.float32))
    found = read_feeds([f"m={tmp_path / 'm.npz'}"])["m"]
    assert found == dict(zip(keys.tolist(), [0.5, 2.0], strict=True))


def test_a_map_needs_keys(tmp_path):
    np.savez(tmp_path / "m.npz", a=np.zeros(2, np.float32))
    types = {"m": MapType(DType.INT64, TensorType(DType.FLOAT32, ()))}
    with pytest.raises(UsageError, match="'keys' and 'values'"):
        read_feeds([f"m={tmp_path / 'm.npz'}"], types)


def test_results_that_are_no_arrays_are_laid_flat():
    held = {
        "maps": [{1: np.float32(0.5), 2: np.float32(1.5)}, {"a": np.zeros(2), "b": np.ones(3)}],
        "absent": None,
        "none": [],
    }
    found = flat(held)
    assert list(found) == ["maps/0/keys", "maps/0/values", "maps/1/keys", "maps/1/values/0", "maps/1/values/1"]
    assert found["maps/0/values"].tolist() == [0.5, 1.5]
    assert found["maps/1/keys"].tolist() == ["a", "b"]


def test_text_is_shown():
    report = report_run("m", {}, {"y": np.array(["ab", "cd"], object)})
    assert report.outputs[0].texts == ("ab", "cd")
    assert report.to_dict()["outputs"][0]["texts"] == ["ab", "cd"]


def test_outputs_in_a_folder(tmp_path, capsys):
    call(capsys, "run", small(tmp_path), "--random", "--out", tmp_path / "out")
    assert read_npy(str(tmp_path / "out" / "prob.npy")).shape == (1, 5)


@pytest.mark.parametrize(("words", "first"), [((), 30.0), (("--rgb",), 200.0), (("--image-mean", "10,20,30"), 20.0)])
def test_a_picture_is_fed(tmp_path, capsys, words, first):
    text = (
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }\n'
        'layer { name: "same" type: "Power" bottom: "data" top: "out" power_param { scale: 1.0 shift: 0.0 } }'
    )
    Image.new("RGB", (6, 6), (200, 100, 30)).save(tmp_path / "p.png")
    out = tmp_path / "o.npz"
    done = call(capsys, "run", small(tmp_path, text), "--feed", f"data={tmp_path / 'p.png'}", "--out", out, *words)
    assert done.code == 0, done.err
    assert read_npz(str(out))["out"][0, 0, 0, 0] == first


def test_a_damaged_picture(tmp_path, capsys):
    (tmp_path / "p.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert call(capsys, "run", small(tmp_path), "--feed", f"data={tmp_path / 'p.png'}").code == 3


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))])
def test_both_orders_of_elements(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", a=array)
    assert (read_npy(str(tmp_path / "a.npy")) == array).all()
    assert (read_npz(str(tmp_path / "a.npz"))["a"] == array).all()


def test_python_objects_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(UnsafeError, match="Python objects"):
        read_npy(str(tmp_path / "a.npy"))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"noise that is no array at all"])
def test_what_is_no_array(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(FormatError):
        read_npy(str(tmp_path / "a.npy"))


def test_an_array_that_is_cut_short(tmp_path):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ones(100))
    (tmp_path / "a.npy").write_bytes(buffer.getvalue()[:-8])
    with pytest.raises(InvalidModelError):
        read_npy(str(tmp_path / "a.npy"))


def test_an_archive_bomb_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\0" * (32 << 20))
    with pytest.raises(UnsafeError):
        read_npz(str(tmp_path / "a.npz"))


def test_what_is_no_archive(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    with pytest.raises(FormatError):
        read_npz(str(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    ("name", "safe"), [("a/b", "a%2Fb"), ("..", "%2E."), ("", "%"), ("x\0", "x%00"), ("prob_1.0", "prob_1.0")]
)
def test_names_of_files(name, safe):
    assert safe_name(name) == safe


def test_hostile_names_stay_inside_the_archive(tmp_path):
    write_arrays(str(tmp_path / "a.npz"), {"../../x": np.ones(1, np.float32)})
    assert zipfile.ZipFile(tmp_path / "a.npz").namelist() == ["%2E./%2E./x.npy"]
