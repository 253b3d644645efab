"""`.xir` files and the weights beside them: whole or absent, mapped, checked before they are believed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from xir.errors import FileError, FormatError, InvalidModelError, UnsafeError, XirError
from xir.files import FileSlice, open_mapped
from xir.ir.constant import Constant, constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.constant import constant, identity
from xir.text import first_difference, held_weights, load_xir, parse_graph, print_graph, save_xir
from xir.text.safetensors import MAX_HEADER_BYTES, SafetensorsFile


def weighted(*constants: Constant, names: tuple[str, ...] = ()) -> Graph:
    parameters = tuple(Parameter(Value(constant_.type), constant_) for constant_ in constants)
    values = tuple(parameter.value for parameter in parameters)
    named = dict(zip(values, names or tuple(f"w{i}" for i in range(len(values))), strict=True))
    return Graph("g", (), values, tuple(f"o{i}" for i in range(len(values))), parameters, named)


def companion(folder: Path) -> Path:
    (found,) = folder.glob("*.safetensors")
    return found


RAMP = np.arange(100, dtype=np.float32)


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype is not DType.STRING], ids=str)
def test_weights_of_every_type_survive_and_stay_in_the_file(tmp_path: Path, dtype: DType) -> None:
    raw = np.random.default_rng(0).integers(0, 2, size=65 * dtype.dtype.itemsize, dtype=np.uint8)
    graph = weighted(constant_of(raw.view(dtype.dtype).reshape(5, 13)), constant_of(RAMP))
    save_xir(graph, tmp_path / "m.xir")
    back = load_xir(tmp_path / "m.xir", check_weights=True)
    assert first_difference(graph, back) is None
    assert isinstance(back.parameters[0].constant.data, FileSlice)


def test_other_readers_understand_the_weights_file(tmp_path: Path) -> None:
    names = ("__metadata__", "a/b", "a/b#2", "\ud800", "")
    arrays = [RAMP + i for i in range(5)]
    save_xir(weighted(*map(constant_of, arrays), names=names), tmp_path / "m.xir")
    read = safetensors.numpy.load_file(companion(tmp_path))
    assert set(read) == {"__metadata__#2", "a/b", "a/b#2", "?", ""}
    assert np.array_equal(read["a/b"], arrays[1])


def test_small_graphs_have_no_second_file(tmp_path: Path) -> None:
    save_xir(weighted(constant_of([1.0])), tmp_path / "m.xir")
    assert [path.name for path in tmp_path.iterdir()] == ["m.xir"]
    assert load_xir(tmp_path / "m.xir").parameters[0].constant.array().tolist() == [1.0]


def test_literals_of_nodes_are_stored_under_the_names_of_their_values(tmp_path: Path) -> None:
    value = constant(value=constant_of(RAMP))
    graph = Graph("g", (), (identity(value),), ("o",), (), {value: "table"})
    save_xir(graph, tmp_path / "m.xir")
    assert first_difference(graph, load_xir(tmp_path / "m.xir")) is None
    assert 'weight("table"' in (tmp_path / "m.xir").read_text()


def test_saving_twice_makes_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save_xir(weighted(constant_of(RAMP)), tmp_path / folder / "m.xir")
    assert (tmp_path / "a" / "m.xir").read_bytes() == (tmp_path / "b" / "m.xir").read_bytes()
    assert companion(tmp_path / "a").name == companion(tmp_path / "b").name


def test_mapped_weights_are_copied_and_a_model_can_be_saved_over_itself(tmp_path: Path) -> None:
    save_xir(weighted(constant_of(RAMP)), tmp_path / "m.xir")
    first = load_xir(tmp_path / "m.xir")
    save_xir(first, tmp_path / "m.xir")
    assert first_difference(first, load_xir(tmp_path / "m.xir", check_weights=True)) is None


def test_a_failed_save_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_xir(weighted(constant_of(RAMP)), tmp_path / "m.xir")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise FileError("the disk is full")

    monkeypatch.setattr("xir.text.files.write_tensors", full)
    with pytest.raises(FileError):
        save_xir(weighted(constant_of(RAMP + 1)), tmp_path / "m.xir")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_names_too_long_for_a_second_file_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 230 + ".xir")
    save_xir(weighted(constant_of(RAMP)), path)
    assert companion(tmp_path).name.startswith("weights.")
    assert load_xir(path).name == "g"


def test_a_link_to_the_model_finds_its_weights(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    save_xir(weighted(constant_of(RAMP)), tmp_path / "real" / "m.xir")
    (tmp_path / "link.xir").symlink_to(tmp_path / "real" / "m.xir")
    assert load_xir(tmp_path / "link.xir").name == "g"


def test_linked_weights_need_trust(tmp_path: Path) -> None:
    save_xir(weighted(constant_of(RAMP)), tmp_path / "m.xir")
    data = companion(tmp_path)
    os.rename(data, tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeError):
        load_xir(tmp_path / "m.xir")
    assert load_xir(tmp_path / "m.xir", trust_links=True).name == "g"


@pytest.mark.parametrize("name", ["../m.safetensors", "/etc/passwd", "a\\\\b", "\\u{0}"])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    save_xir(weighted(constant_of(RAMP)), tmp_path / "m.xir")
    text = (tmp_path / "m.xir").read_text().replace(companion(tmp_path).name, name)
    (tmp_path / "m.xir").write_text(text)
    with pytest.raises(UnsafeError):
        load_xir(tmp_path / "m.xir")


def test_a_text_that_names_no_weights_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.xir").write_text(print_graph(weighted(constant_of(RAMP))))
    with pytest.raises(FormatError, match=r"m\.xir: line 3, column 19: .*names no file"):
        load_xir(tmp_path / "m.xir")


def test_changed_weights_are_noticed(tmp_path: Path) -> None:
    save_xir(weighted(constant_of(RAMP)), tmp_path / "m.xir")
    data = companion(tmp_path)
    held = bytearray(data.read_bytes())
    held[-1] ^= 1
    data.write_bytes(held)
    load_xir(tmp_path / "m.xir")
    with pytest.raises(FormatError, match="SHA-256"):
        load_xir(tmp_path / "m.xir", check_weights=True)


def test_weights_of_another_version_are_noticed_without_reading_them(tmp_path: Path) -> None:
    save_xir(weighted(constant_of(RAMP)), tmp_path / "m.xir")
    data = companion(tmp_path)
    old = data.name
    data.unlink()
    save_xir(weighted(constant_of(RAMP + 1)), tmp_path / "n.xir")
    os.rename(companion(tmp_path), tmp_path / old)
    with pytest.raises(FormatError, match="SHA-256"):
        load_xir(tmp_path / "m.xir")


def test_weights_files_of_others_are_hashed(tmp_path: Path) -> None:
    save_xir(weighted(constant_of(RAMP)), tmp_path / "m.xir")
    data = companion(tmp_path)
    safetensors.numpy.save_file({"w0": RAMP}, data)
    assert load_xir(tmp_path / "m.xir").name == "g"
    safetensors.numpy.save_file({"w0": RAMP + 1}, data)
    with pytest.raises(FormatError, match="SHA-256"):
        load_xir(tmp_path / "m.xir")


@pytest.mark.parametrize("arrays", [{"other": RAMP}, {"w0": RAMP[:50]}, {"w0": RAMP.astype(np.float64)}])
def test_weights_of_another_name_or_type_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    save_xir(weighted(constant_of(RAMP)), tmp_path / "m.xir")
    safetensors.numpy.save_file(arrays, companion(tmp_path))
    with pytest.raises(FormatError, match="w0"):
        load_xir(tmp_path / "m.xir")


def test_weights_in_memory_are_found_by_name_hash_and_type() -> None:
    graph = weighted(constant_of(RAMP))
    text = print_graph(graph)
    with pytest.raises(FormatError, match="line 3, column 19: no weight 'w0' of type"):
        parse_graph(text, weights=held_weights(weighted(constant_of(RAMP + 1))))
    with pytest.raises(FormatError, match="no weight 'w0' of type"):
        parse_graph(text.replace("f32[100]", "f32[50,2]"), weights=held_weights(graph))


def file_of(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(data) if length is None else length).to_bytes(8, "little") + data + body


def entry(begin: int, end: int, shape: list[object] | None = None) -> dict[str, object]:
    return {"dtype": "U8", "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


DAMAGED = [
    (b"1234567", InvalidModelError),
    (file_of({}, length=9), InvalidModelError),
    (file_of({}, length=MAX_HEADER_BYTES + 1), UnsafeError),
    (file_of({}, length=(1 << 64) - 1), UnsafeError),
    (file_of(b"{"), FormatError),
    (file_of(b"\xff"), FormatError),
    (file_of(b"[" * 100_000), FormatError),
    (file_of(b'{"a": ' + b"1" * 5000 + b"}"), FormatError),
    (file_of(b'{"a": 1, "a": 1}'), FormatError),
    (file_of([]), FormatError),
    (file_of({"__metadata__": 1}), FormatError),
    (file_of({"a": 1}), FormatError),
    (file_of({"a": {"dtype": "U8"}}), FormatError),
    (file_of({"a": entry(0, 4, ["4"])}, b"1234"), FormatError),
    (file_of({"a": {**entry(0, 4), "data_offsets": [0, 4, 4]}}, b"1234"), FormatError),
    (file_of({"a": {**entry(0, 4), "data_offsets": [True, 4]}}, b"1234"), FormatError),
    (file_of({"a": entry(0, 5)}, b"1234"), InvalidModelError),
    (file_of({"a": entry(-1, 4)}, b"1234"), InvalidModelError),
    (file_of({"a": entry(4, 0)}, b"1234"), InvalidModelError),
    (file_of({"a": entry(0, 3), "b": entry(2, 4)}, b"1234"), InvalidModelError),
    (file_of({"a": entry(0, 1), "b": entry(2, 4)}, b"1234"), InvalidModelError),
    (file_of({"a": entry(0, 3)}, b"1234"), InvalidModelError),
]


@pytest.mark.parametrize(("data", "error"), DAMAGED, ids=[str(i) for i in range(len(DAMAGED))])
def test_damaged_headers_are_refused(tmp_path: Path, data: bytes, error: type[XirError]) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    with pytest.raises(error):
        SafetensorsFile(open_mapped(path))


def test_shapes_of_weights_are_checked_against_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(file_of({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"1234"))
    with pytest.raises(FormatError, match="expected f32"):
        SafetensorsFile(open_mapped(path)).constant("a", TensorType(DType.FLOAT32, (2,)))


@pytest.mark.parametrize("text", ["xir 1 graph", "\xff"])
def test_wrong_files_are_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.xir"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match=r"m\.xir"):
        load_xir(path)
