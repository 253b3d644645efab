"""Storages of every type of elements."""

from __future__ import annotations

import pytest

from tests.frontends.torch.pickles.checkpoints import Stored, arrays, read, storage, tensor, zip_bytes
from tests.frontends.torch.pickles.written import call, name
from xir.errors import InvalidModelError
from xir.frontends.torch.element_types import ELEMENT_TYPES, STORAGE_CLASSES
from xir.ir.types import DType

WHOLE = [element for element in ELEMENT_TYPES.values() if element.dtype is not None and element.held == 1]


@pytest.mark.parametrize("kind", [kind for kind, element in STORAGE_CLASSES.items() if element in WHOLE])
def test_every_class_of_storages(tmp_path, kind):
    element = STORAGE_CLASSES[kind]
    stored = Stored(kind, bytes(range(2 * element.size)), 2)
    (constant,) = read(tmp_path, zip_bytes([tensor(storage("0", stored), (2,))], {"0": stored})).tensors.values()
    assert (constant.dtype, constant.shape) == (element.dtype, (2,))
    assert b"".join(constant.chunks()) == stored.data


@pytest.mark.parametrize("kind", [element.name for element in WHOLE])
def test_every_element_type_of_untyped_storages(tmp_path, kind):
    element = ELEMENT_TYPES[kind]
    stored = Stored("UntypedStorage", bytes(range(4 * element.size)), 4 * element.size)
    arguments = (storage("0", stored), 1, (3,), (1,), False, call("collections", "OrderedDict"), name("torch", kind))
    value = [call("torch._utils", "_rebuild_tensor_v3", *arguments)]
    (constant,) = read(tmp_path, zip_bytes(value, {"0": stored})).tensors.values()
    assert (constant.dtype, constant.shape) == (element.dtype, (3,))
    assert b"".join(constant.chunks()) == stored.data[element.size :]


def test_numbers_of_four_bits(tmp_path):
    stored = Stored("QUInt4x2Storage", bytes((0x21, 0x43, 0xF5)), 3)
    at = storage("0", stored)
    value = {"a": tensor(at, (2, 3)), "b": tensor(at, (5,)), "part": tensor(at, (2,), offset=2)}
    weights = read(tmp_path, zip_bytes(value, {"0": stored}))
    assert {name: held.dtype for name, held in weights.tensors.items()} == dict.fromkeys("ab", DType.UINT4)
    assert arrays(weights) == {"a": [[1, 2, 3], [4, 5, 15]], "b": [1, 2, 3, 4, 5]}
    assert [(each.layers, each.reason) for each in weights.problems] == [
        (("part",), "a part of a tensor of torch.quint4x2")
    ]
    with pytest.raises(InvalidModelError, match=r"reaches element 6 .* which has 6 of quint4x2"):
        read(tmp_path, zip_bytes([tensor(at, (7,))], {"0": stored}))


def test_elements_without_a_type_here_are_told(tmp_path):
    stored = Stored("QUInt2x4Storage", bytes(2), 2)
    weights = read(tmp_path, zip_bytes({"a": tensor(storage("0", stored), (2,)), "b": 1}, {"0": stored}))
    assert [problem.layers for problem in weights.problems] == [("a",)]
    assert weights.tensors == {}
