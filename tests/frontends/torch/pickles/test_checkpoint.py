"""Checkpoints: tensors of every layout where they lie; whatever leaves its place is refused."""

from __future__ import annotations

import sys
import tarfile
from collections import OrderedDict

import numpy as np
import pytest

from tests.frontends.archives import Member, archive_bytes, torch_archive
from tests.frontends.torch.pickles.checkpoints import (
    Stored,
    arrays,
    floats,
    pickle_bytes,
    read,
    storage,
    tar_bytes,
    tar_of,
    tensor,
    zip_bytes,
)
from tests.frontends.torch.pickles.written import BUILD, REDUCE, call, name, running, whole, write
from xir.errors import FormatError, InvalidModelError, UnsafeError, UnsupportedError, XirError
from xir.files import FileSlice, open_mapped
from xir.frontends.torch.pickles.checkpoint import layout_of, read_checkpoint
from xir.frontends.torch.pickles.flatten import flatten
from xir.ir.types import DType

SIX = floats(6)
AT = storage("0", SIX)


LAYOUTS = {
    "zip": lambda value, held: zip_bytes(value, held),
    "pickle": lambda value, held: pickle_bytes(value, held),
}


def at(layout, key="0", stored=SIX):
    return storage(key, stored) if layout == "zip" else storage(key, stored, view=None)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensors_go_by_the_names_of_their_tables(tmp_path, layout):
    held = at(layout)
    value = {"epoch": 3, "model": OrderedDict({"w": tensor(held, (2, 3)), "list": [tensor(held, (2,), offset=4), 1.5]})}
    data = LAYOUTS[layout](value, {"0": SIX})
    weights = read(tmp_path, data)
    assert arrays(weights) == {"model.w": [[0, 1, 2], [3, 4, 5]], "model.list.0": [4, 5]}
    assert weights.values == {"epoch": "3", "model.list.1": "1.5"}
    assert all(isinstance(constant.data, FileSlice) for constant in weights.tensors.values())
    assert layout_of(open_mapped(tmp_path / "file.pth")) == layout


def test_the_tar_layout(tmp_path):
    tensors = {11: (7, 0, (2, 3), (3, 1)), 12: (8, 1, (2,), (1,))}
    value = OrderedDict({"w": write("11") + b"Q", "b": write(12) + b"Q"})
    weights = read(tmp_path, tar_bytes(value, {7: SIX}, tensors, ((8, 7, 2, 3),)))
    assert arrays(weights) == {"w": [[0, 1, 2], [3, 4, 5]], "b": [3, 4]}
    assert layout_of(open_mapped(tmp_path / "file.pth")) == "tar"


@pytest.mark.parametrize("version", range(2, 6))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_protocol(tmp_path, layout, version):
    make = {"zip": zip_bytes, "pickle": pickle_bytes}[layout]
    assert arrays(read(tmp_path, make({"w": tensor(at(layout), (6,))}, {"0": SIX}, version=version))) == {
        "w": [0, 1, 2, 3, 4, 5]
    }


def test_strided_tensors_are_views_of_the_file(tmp_path):
    value = {"t": tensor(AT, (3, 2), (1, 3)), "step": tensor(AT, (2,), (2,), 1), "one": tensor(AT, (1, 6), (0, 1))}
    weights = read(tmp_path, zip_bytes(value, {"0": SIX}))
    assert arrays(weights) == {"t": [[0, 3], [1, 4], [2, 5]], "step": [1, 3], "one": [[0, 1, 2, 3, 4, 5]]}
    assert isinstance(weights.tensors["one"].data, FileSlice)
    assert not np.asarray(weights.tensors["t"].data).flags.writeable
    assert b"".join(weights.tensors["t"].chunks()) == np.float32([0, 3, 1, 4, 2, 5]).tobytes()


def test_archives_of_2019_tell_that_a_storage_is_no_view(tmp_path):
    weights = read(tmp_path, zip_bytes({"a": tensor(storage("0", SIX, view=None), (6,))}, {"0": SIX}))
    assert arrays(weights) == {"a": [0, 1, 2, 3, 4, 5]}


def test_names_of_the_same_elements_are_told(tmp_path):
    value = {"a": tensor(AT, (6,)), "b": tensor(AT, (6,)), "other": tensor(AT, (2, 3))}
    assert read(tmp_path, zip_bytes(value, {"0": SIX})).shared == {"b": "a"}


def test_parts_of_storages_of_the_pickle_layout(tmp_path):
    part = storage("0", SIX, view=("1", 2, 3))
    value = [tensor(part, (3,)), tensor(part, (1,), offset=2), tensor(storage("0", SIX, view=None), (1,), offset=2)]
    assert arrays(read(tmp_path, pickle_bytes(value, {"0": SIX}))) == {"0": [2, 3, 4], "1": [4], "2": [2]}


def test_big_endian_files_are_turned(tmp_path):
    swapped = Stored("FloatStorage", np.arange(6, dtype=">f4").tobytes(), 6)
    complex_ = Stored("ComplexFloatStorage", np.array([1 + 2j], ">c8").tobytes(), 1)
    value = [tensor(at("zip"), (2, 3)), tensor(storage("1", complex_), (1,))]
    weights = read(tmp_path, zip_bytes(value, {"0": swapped, "1": complex_}, byteorder=b"big"))
    assert arrays(weights) == {"0": [[0, 1, 2], [3, 4, 5]], "1": [1 + 2j]}


def test_big_endian_storages_are_turned_once(tmp_path):
    swapped = Stored("FloatStorage", np.arange(6, dtype=">f4").tobytes(), 6)
    value = [tensor(at("zip"), (6,)), tensor(at("zip"), (2,), offset=4), tensor(at("zip"), (3, 2), (1, 3))]
    weights = read(tmp_path, zip_bytes(value, {"0": swapped}, byteorder=b"big"))
    assert arrays(weights) == {"0": [0, 1, 2, 3, 4, 5], "1": [4, 5], "2": [[0, 3], [1, 4], [2, 5]]}
    first, *others = (np.asarray(constant.data) for constant in weights.tensors.values())
    assert all(np.shares_memory(first, other) for other in others)


def test_deflated_storages_are_held_once(tmp_path):
    files = {"data.pkl": whole([tensor(AT, (6,)), tensor(AT, (2,), offset=4), tensor(AT, (0,))]), "data/0": SIX.data}
    data = archive_bytes([Member(f"a/{title}", content, deflate=True) for title, content in files.items()])
    weights = read(tmp_path, data)
    assert arrays(weights) == {"0": [0, 1, 2, 3, 4, 5], "1": [4, 5], "2": []}
    first, other, _ = (np.asarray(constant.data) for constant in weights.tensors.values())
    assert np.shares_memory(first, other)


def test_parameters_quantised_and_sparse_tensors(tmp_path):
    bytes_ = Stored("QInt8Storage", bytes(6), 6)
    hooks = call("collections", "OrderedDict")
    one = (name("torch", "per_tensor_affine"), 0.5, 3)
    many = (name("torch", "per_channel_affine"), tensor(AT, (2,)), tensor(AT, (2,)), 0)
    listed = (name("torch", "per_channel_affine"), [1.0, 2.0], [0, 1], 0)
    value = {
        "p": call("torch._utils", "_rebuild_parameter", tensor(AT, (6,)), True, hooks),
        **{
            key: call("torch._utils", "_rebuild_qtensor", storage("1", bytes_), 0, (2, 3), (3, 1), scheme, False, hooks)
            for key, scheme in (("one", one), ("many", many), ("listed", listed))
        },
        "sparse": call(
            *("torch._utils", "_rebuild_sparse_tensor", call("torch.serialization", "_get_layout", "torch.sparse_coo")),
            (tensor(AT, (1, 2)), tensor(AT, (2,)), call("torch", "Size", (9,)), True),
        ),
        "subclass": call("torch._tensor", "_rebuild_from_type_v2", name("torch._utils", "_rebuild_tensor"),
                         name("torch", "Tensor"), (AT, 0, (1,), (1,)), {}),
        "device": call("torch", "device", "cuda", 0),
        "options": call("argparse", "Namespace") + write({"lr": 0.5}) + BUILD,
    }  # fmt: skip
    weights = read(tmp_path, zip_bytes(value, {"0": SIX, "1": bytes_}))
    assert {name: repr(constant.type) for name, constant in weights.tensors.items()} == {
        "p": "f32[6]", "one": "i8[2,3]", "one.scale": "f64[]", "one.zero_point": "i64[]", "many": "i8[2,3]",
        "many.scale": "f32[2]", "many.zero_point": "f32[2]", "listed": "i8[2,3]", "listed.scale": "f64[2]",
        "listed.zero_point": "i64[2]", "sparse.indices": "f32[1,2]", "sparse.values": "f32[2]", "subclass": "f32[1]",
    }  # fmt: skip
    assert weights.values == {
        "many.axis": "0", "listed.axis": "0", "sparse.layout": "sparse_coo", "sparse.shape": "[9]", "options.lr": "0.5",
    }  # fmt: skip


def numpy_array(kind: str, shape: tuple, data: str) -> bytes:
    made = call(
        "numpy.core.multiarray",
        "_reconstruct",
        name("numpy", "ndarray"),
        (0,),
        call("_codecs", "encode", "b", "latin1"),
    )
    type_ = call("numpy", "dtype", kind, False, True) + write((3, "<", None, None, None, -1, -1, 0)) + BUILD
    return made + write((1, shape, type_, False, call("_codecs", "encode", data, "latin1"))) + BUILD


def test_numpy_arrays_and_numbers(tmp_path):
    two = call("numpy", "dtype", "i2", False, True)
    value = {
        "a": numpy_array("i2", (2,), "\1\0\2\0"),
        "buffer": call("numpy._core.numeric", "_frombuffer", b"C\x04\1\0\2\0", two, (2, 1), "F"),
        "number": call("numpy.core.multiarray", "scalar", two, b"C\x02\7\0"),
        "device": call("torch._utils", "_rebuild_device_tensor_from_numpy", numpy_array("f4", (1,), "\0\0\0\0"),
                       name("torch", "float32"), "xla:0", True),
        "cpu": call("torch._utils", "_rebuild_device_tensor_from_cpu_tensor", tensor(AT, (1,)), name("torch", "float"),
                    "hpu:0", False),
    }  # fmt: skip
    weights = read(tmp_path, zip_bytes(value, {"0": SIX}))
    assert arrays(weights) == {"a": [1, 2], "buffer": [[1], [2]], "device": [0], "cpu": [0]}
    assert weights.values == {"number": "7"}


def test_compressed_sparse_tensors_are_their_parts(tmp_path):
    layout = call("torch.serialization", "_get_layout", "torch.sparse_csr")
    parts = (tensor(AT, (3,)), tensor(AT, (2,)), tensor(AT, (2,)), (2, 9))
    weights = read(
        tmp_path, zip_bytes({"s": call("torch._utils", "_rebuild_sparse_tensor", layout, parts)}, {"0": SIX})
    )
    assert list(weights.tensors) == ["s.compressed_indices", "s.plain_indices", "s.values"]


def rebuilt(*arguments: object) -> bytes:
    return call("torch._utils", "_rebuild_tensor_v2", *arguments)


def quantised(scheme: object) -> bytes:
    stored = storage("1", Stored("QInt8Storage", bytes(6), 6))
    return call("torch._utils", "_rebuild_qtensor", stored, 0, (2, 3), (3, 1), scheme, False, None)


BYTES = Stored("QInt8Storage", bytes(6), 6)
HUGE = 1 << 40


def copies() -> bytes:
    """Three hundred arrays of the same megabyte, each of which would be turned into a copy."""
    data = b"B" + (1 << 20).to_bytes(4, "little") + bytes(1 << 20) + b"q\x010"
    kind = call("numpy", "dtype", "u2", False, True) + write((3, ">", None, None, None, -1, -1, 0)) + BUILD + b"q\x020"
    made = call("numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"), (0,), b"C\x01b")
    state = b"(K\x01" + write((1 << 19,)) + b"h\x02\x89h\x01t"
    return data + kind + b"](" + (made + state + BUILD) * 300 + b"e"


COPIES = copies()

WRONG = {
    "past the end": (tensor(AT, (7,)), InvalidModelError),
    "offset past the end": (tensor(AT, (3,), offset=4), InvalidModelError),
    "strides past the end": (tensor(AT, (2, 2), (5, 1)), InvalidModelError),
    "huge strides": (tensor(AT, (2,), (1 << 62,)), InvalidModelError),
    "strides that overflow": (tensor(AT, (1 << 31, 2), (1 << 33, 1)), InvalidModelError),
    "negative stride": (tensor(AT, (2,), (-1,), 3), InvalidModelError),
    "negative offset": (tensor(AT, (2,), offset=-1), InvalidModelError),
    "negative size": (tensor(AT, (-1,), (1,)), InvalidModelError),
    "stride of 0": (tensor(AT, (HUGE,), (0,)), InvalidModelError),
    "overlapping strides": (tensor(AT, (2, 3), (1, 1)), InvalidModelError),
    "fewer strides than sizes": (tensor(AT, (2, 3), (1,)), InvalidModelError),
    "more than 2^63 elements": (tensor(AT, (HUGE, HUGE, HUGE), (0, 0, 0)), UnsafeError),
    "rank 65": (tensor(AT, (1,) * 65), UnsafeError),
    "sizes of text": (tensor(AT, ("6",), (1,)), InvalidModelError),
    "sizes that are a number": (rebuilt(AT, 0, 6, 1, False, None), InvalidModelError),
    "offset of text": (rebuilt(AT, "0", (6,), (1,), False, None), InvalidModelError),
    "storage that is none": (rebuilt("0", 0, (6,), (1,), False, None), InvalidModelError),
    "too few arguments": (rebuilt(AT, 0, (6,), (1,)), InvalidModelError),
    "a conjugate": (rebuilt(AT, 0, (6,), (1,), False, None, {"conj": True}), UnsupportedError),
    "another count than there is": (tensor(storage("0", floats(7)), (6,)), InvalidModelError),
    "a count that is negative": (tensor(storage("0", Stored("FloatStorage", b"", -1)), (0,)), InvalidModelError),
    "a count of text": (tensor(write(("storage", name("torch", "FloatStorage"), "0", "cpu", "6")) + b"Q", (6,)),
                        InvalidModelError),
    "a view of a storage": (tensor(storage("0", SIX, view=("1", 0, 6)), (6,)), InvalidModelError),
    "a storage that is absent": (tensor(storage("1", SIX), (6,)), InvalidModelError),
    "a storage outside": (tensor(storage("../data.pkl", SIX), (6,)), InvalidModelError),
    "a class that is no storage": (
        write(("storage", name("torch", "float32"), "0", "cpu", 6)) + b"Q", InvalidModelError,
    ),
    "an id that is none": (write("0") + b"Q", InvalidModelError),
    "an id of a module": (write(("module", name("torch", "Tensor"), "x.py", "source")) + b"Q", InvalidModelError),
    "a tensor without a storage": (
        call("torch._utils", "_rebuild_meta_tensor_no_storage", name("torch", "float32"), (2,), (1,), False),
        InvalidModelError,
    ),
    "a parameter of nothing": (call("torch._utils", "_rebuild_parameter", None, True, None), InvalidModelError),
    "a layout that is none": (call("torch.serialization", "_get_layout", "torch.os"), InvalidModelError),
    "a sparse tensor of nothing": (call("torch._utils", "_rebuild_sparse_tensor", name("torch", "sparse_coo"), ()),
                                   InvalidModelError),
    "a subclass of a function": (
        call("torch._tensor", "_rebuild_from_type_v2", name("torch", "Size"), None, ((1,),), {}), InvalidModelError,
    ),
    "floats as quantised": (
        call("torch._utils", "_rebuild_qtensor", AT, 0, (2, 3), (3, 1), (name("torch", "per_tensor_affine"), 1.0, 0),
             False, None),
        InvalidModelError,
    ),
    "no scheme": (quantised(None), InvalidModelError),
    "an axis that is none": (
        quantised((name("torch", "per_channel_affine"), [1.0] * 2, [0] * 2, 2)), InvalidModelError,
    ),
    "too few scales": (quantised((name("torch", "per_channel_affine"), [1.0], [0, 0], 0)), InvalidModelError),
    "scales of text": (quantised((name("torch", "per_channel_affine"), ["1", "2"], [0, 0], 0)), InvalidModelError),
    "an array that is too short": (numpy_array("f4", (HUGE,), "\0\0\0\0"), InvalidModelError),
    "an array of another order": (
        call("numpy._core.numeric", "_frombuffer", b"C\x02ab", call("numpy", "dtype", "i2", False, True), (1,), "K"),
        InvalidModelError,
    ),
    "an array without a state": (
        call("torch._utils", "_rebuild_device_tensor_from_numpy",
             call("numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"), (0,), b"C\x01b"),
             name("torch", "float32"), "xla:0", True),
        InvalidModelError,
    ),
    "an array of no class": (call("numpy.core.multiarray", "_reconstruct", None, (0,), b"C\x01b"), InvalidModelError),
    "a state that is none": (numpy_array("f4", (1,), "\0\0\0\0") + write((1, 2)) + BUILD, InvalidModelError),
    "an element type's state": (call("numpy", "dtype", "i2", False, True) + write((3, "x", None, None, None)) + BUILD,
                                InvalidModelError),
    "an element type of a number": (call("numpy", "dtype", 2, False, True), InvalidModelError),
    "a number that is too long": (
        call("numpy.core.multiarray", "scalar", call("numpy", "dtype", "i2", False, True), b"C\x03\7\0\0"),
        InvalidModelError,
    ),
    "copies of an array in another order": (COPIES, UnsafeError),
    "a tensor of another type than its device's": (
        call("torch._utils", "_rebuild_device_tensor_from_cpu_tensor", tensor(AT, (1,)), name("torch", "half"), "x", 0),
        InvalidModelError,
    ),
    "a third version of nothing": (call("torch._utils", "_rebuild_tensor_v3", AT, 0, (1,), (1,)), InvalidModelError),
    "a meta tensor of nothing": (
        call("torch._utils", "_rebuild_meta_tensor_no_storage", 1, 2, 3, 4), InvalidModelError,
    ),
    "a sparse tensor of a text": (call("torch._utils", "_rebuild_sparse_tensor", "coo", ()), InvalidModelError),
    "a size of two": (call("torch", "Size", 1, 2), InvalidModelError),
    "an array of objects": (numpy_array("O8", (1,), "\0" * 8), UnsupportedError),
    "an array of records": (call("numpy", "dtype", "V8", False, True), UnsupportedError),
    "two tensors of one name": ({"a.b": tensor(AT, (1,)), "a": {"b": tensor(AT, (1,))}}, InvalidModelError),
    "shared without end": (write([tensor(AT, (1,))]) + b"2\x86" * 30, UnsafeError),
    "a class of one's own": ({"net": name("__main__", "Net") + write(()) + REDUCE}, UnsafeError),
}  # fmt: skip


@pytest.mark.parametrize("title", WRONG)
def test_wrong_checkpoints_are_refused(tmp_path, title):
    value, kind = WRONG[title]
    with pytest.raises(XirError) as raised:
        read(tmp_path, zip_bytes(value, {"0": SIX, "1": BYTES}))
    assert type(raised.value) is kind, raised.value
    assert "file.pth" in str(raised.value)


PICKLED = {"w": tensor(at("pickle"), (6,))}
RIGHT = pickle_bytes(PICKLED, {"0": SIX})
TAR = tar_bytes([write("11") + b"Q"], {7: SIX}, {11: (7, 0, (6,), (1,))})

DAMAGED = {
    "an unknown byte order": (zip_bytes({}, {}, byteorder=b"middle"), FormatError),
    "another magic": (RIGHT.replace(b"\x6c\xfc\x9c", b"\x6d\xfc\x9c"), FormatError),
    "cut short": (RIGHT[:-1], InvalidModelError),
    "bytes behind": (RIGHT + b"x", InvalidModelError),
    "no bytes": (pickle_bytes(PICKLED, {}), InvalidModelError),
    "bytes of nothing": (pickle_bytes(PICKLED, {"0": SIX}, keys=["0", "1"]), InvalidModelError),
    "another count": (pickle_bytes(PICKLED, {"0": floats(5)}), InvalidModelError),
    "a negative count": (pickle_bytes(PICKLED, {"0": Stored("FloatStorage", SIX.data, -6)}), InvalidModelError),
    "a huge count": (pickle_bytes(PICKLED, {"0": Stored("FloatStorage", SIX.data, 1 << 61)}), InvalidModelError),
    "one storage of two types": (
        pickle_bytes([PICKLED["w"], tensor(storage("0", Stored("IntStorage", b"", 6), view=None), (6,))], {"0": SIX}),
        InvalidModelError,
    ),
    "a part that leaves": (pickle_bytes([tensor(storage("0", SIX, view=("1", 4, 3)), (3,))], {"0": SIX}),
                           InvalidModelError),
    "a part of text": (pickle_bytes([tensor(storage("0", SIX, view="1"), (3,))], {"0": SIX}), InvalidModelError),
    "tar: cut short": (TAR[:2000], FormatError),
    "tar: no storages": (tar_of({"pickle": whole(1), "tensors": whole(0)}), FormatError),
    "tar: a link": (tar_of({"pickle": b""}, tarfile.SYMTYPE), UnsafeError),
    "tar: a device": (tar_of({"pickle": b""}, tarfile.CHRTYPE), UnsafeError),
    "tar: many members": (tar_of({str(number): b"" for number in range(200)}), UnsafeError),
    "tar: a name twice": (tar_of({"x" * 150: b""}), UnsafeError),
    "tar: tensor past the end": (tar_bytes([], {7: SIX}, {11: (7, 0, (7,), (1,))}), InvalidModelError),
    "tar: stride of 0": (tar_bytes([], {7: SIX}, {11: (7, 0, (HUGE,), (0,))}), InvalidModelError),
    "tar: tensor of nothing": (tar_bytes([], {7: SIX}, {11: (8, 0, (6,), (1,))}), InvalidModelError),
    "tar: part that leaves": (tar_bytes([], {7: SIX}, {}, ((8, 7, 5, 2),)), InvalidModelError),
    "tar: part of nothing": (tar_bytes([], {7: SIX}, {}, ((8, 9, 5, 2),)), InvalidModelError),
    "tar: number of nothing": (tar_bytes([write("12") + b"Q"], {7: SIX}, {}), InvalidModelError),
    "tar: a storage of nothing": (tar_of({"storages": whole(1) + whole(1), "pickle": whole(1), "tensors": whole(0)}),
                                  InvalidModelError),
    "tar: a part that is none": (
        tar_of({"storages": whole(0) + whole([1]), "pickle": whole(1), "tensors": whole(0)}), InvalidModelError,
    ),
    "tar: a tensor that is none": (
        tar_of({"storages": whole(0) + whole([]), "pickle": whole(1), "tensors": whole(1) + whole(1)}),
        InvalidModelError,
    ),
    "tar: a text as a number": (
        tar_of({"storages": whole("x"), "pickle": whole(1), "tensors": whole(0)}), InvalidModelError,
    ),
    "an id that is none": (pickle_bytes([write(("storage", 1)) + b"Q"], {}), InvalidModelError),
    "tar: rank of 2^31": (
        tar_of({"storages": whole(0) + whole([]), "pickle": whole(1),
                "tensors": whole(1) + whole((1, 2, name("torch", "FloatTensor"))) + b"\xff\xff\xff\x7f" + bytes(99)}),
        UnsafeError,
    ),
    "tar: endless storages": (
        tar_of({"storages": whole(1 << 60), "pickle": whole(1), "tensors": whole(0)}), FormatError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", DAMAGED)
def test_damaged_files_of_the_older_layouts_are_refused(tmp_path, title):
    data, kind = DAMAGED[title]
    with pytest.raises(XirError) as raised:
        read(tmp_path, data)
    assert type(raised.value) is kind, raised.value
    assert "file.pth" in str(raised.value)


def hostile_files():
    """Checkpoints of every layout that run code when they are unpickled."""
    for title, data in running():
        yield f"zip: {title}", torch_archive({"data.pkl": data, "version": b"3\n"})
        for place in range(5):
            parts = [whole(part) for part in (0x1950A86A20F9469CFC6C, 1001, {}, 1, [])]
            parts[place] = data
            yield f"pickle {place}: {title}", b"".join(parts)
        good = {"storages": whole(0) + whole([]), "tensors": whole(0), "pickle": whole(1)}
        for member in good:
            yield f"tar {member}: {title}", tar_of(good | {member: data})


def test_nothing_runs_whatever_a_file_says(tmp_path):
    """Not a module is imported, no process started, no file opened but the checkpoint."""
    seen: list[str] = []
    looking = False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if looking and not (event == "open" and str(tmp_path) in str(arguments[0])):
            seen.append(event)

    path = tmp_path / "file.pth"
    sys.addaudithook(hook)
    for number, (title, data) in enumerate(hostile_files()):
        path.write_bytes(data)
        looking = number > 20  # by then everything that is imported late is there
        with pytest.raises(XirError) as raised:
            read_checkpoint(open_mapped(path))
        looking = False
        assert raised.value.code == "XIR-E810", (title, raised.value)
    assert set(seen) <= {"mmap.__new__", "builtins.id"}


REAL = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64"]


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch_itself(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 3, 8, 8)).sum().backward()
    optimizer.step()
    base = torch.arange(24.0).reshape(2, 3, 4)
    value = {
        "model": module.state_dict(), "optimizer": optimizer.state_dict(), "t": base.permute(2, 0, 1), "v": base[1, 1:],
        "tied": base, "types": {name: torch.ones(3).to(getattr(torch, name)) for name in REAL}, "scalar": base[0, 0, 3],
    }  # fmt: skip
    torch.save(value, tmp_path / "file.pth", _use_new_zipfile_serialization=zipped)
    weights = flatten(read_checkpoint(open_mapped(tmp_path / "file.pth")), "file.pth")
    expected = dict(leaves(torch.load(tmp_path / "file.pth", weights_only=True), torch.Tensor))
    assert set(weights.tensors) == set(expected)
    for name_, tensor_ in expected.items():
        elements = weights.tensors[name_].array()
        flat = tensor_.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        assert (elements.shape, np.ascontiguousarray(elements).tobytes()) == (tuple(tensor_.shape), flat), name_
    assert weights.tensors["types.bfloat16"].dtype is DType.BFLOAT16


def leaves(value, kind, prefix=""):
    if isinstance(value, kind):
        yield prefix[:-1], value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        yield from leaves(item, kind, f"{prefix}{key}.")


def test_torch_reads_the_same_from_files_made_here(tmp_path):
    """The layouts that torch writes no more are made by these tests; torch itself still reads them."""
    torch = pytest.importorskip("torch")
    value = OrderedDict({"w": write("11") + b"Q", "b": write("12") + b"Q"})
    tensors = {11: (7, 0, (2, 3), (3, 1)), 12: (8, 1, (2,), (1,))}
    files = {
        "tar": tar_bytes(value, {7: SIX}, tensors, ((8, 7, 2, 3),)),
        "pickle": pickle_bytes({"w": tensor(storage("0", SIX, view=("1", 2, 3)), (3,))}, {"0": SIX}),
        "zip": zip_bytes({"w": tensor(AT, (3, 2), (1, 3))}, {"0": SIX}),
    }
    for layout, data in files.items():
        weights = read(tmp_path, data)
        theirs = torch.load(tmp_path / "file.pth", weights_only=False)
        assert arrays(weights) == {key: held.tolist() for key, held in theirs.items()}, layout
