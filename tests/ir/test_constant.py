"""Constants in memory and in files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from xir.errors import InvalidModelError
from xir.files import FileSlice, open_mapped
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Symbol
from xir.ir.types import DType, TensorType


def in_file(folder: Path, data: bytes) -> FileSlice:
    path = folder / "weights.bin"
    path.write_bytes(b"head" + data)
    return open_mapped(path).slice(4, len(data))


def test_an_array_is_held_without_a_copy_and_read_only() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    constant = constant_of(array)
    assert np.shares_memory(constant.array(), array)
    assert not constant.array().flags.writeable
    assert array.flags.writeable
    assert (constant.shape, constant.dtype, constant.elements, constant.nbytes) == ((2, 3), DType.FLOAT32, 6, 24)


@pytest.mark.parametrize(
    ("given", "dtype", "type"),
    [
        (1.5, None, TensorType(DType.FLOAT64, ())),
        ([1, 2], DType.INT32, TensorType(DType.INT32, (2,))),
        (True, None, TensorType(DType.BOOL, ())),
        ([0.5], DType.BFLOAT16, TensorType(DType.BFLOAT16, (1,))),
        (["a", "b"], None, TensorType(DType.STRING, (2,))),
    ],
)
def test_numbers_and_lists_become_constants(given: float | list[object], dtype: DType | None, type: TensorType) -> None:
    assert constant_of(given, dtype).type == type


def test_bytes_of_a_file_are_the_elements(tmp_path: Path) -> None:
    values = np.arange(6, dtype="<f4")
    constant = Constant(TensorType(DType.FLOAT32, (2, 3)), in_file(tmp_path, values.tobytes()))
    np.testing.assert_array_equal(constant.array(), values.reshape(2, 3))
    assert constant.digest() == hashlib.sha256(values.tobytes()).hexdigest()
    np.testing.assert_array_equal(constant.reshaped((3, 2)).array(), values.reshape(3, 2))


def test_a_file_with_another_number_of_bytes_is_refused(tmp_path: Path) -> None:
    held = in_file(tmp_path, bytes(8))
    with pytest.raises(InvalidModelError, match=r"f32\[3\] takes 12 bytes, the file holds 8"):
        Constant(TensorType(DType.FLOAT32, (3,)), held)


def test_an_array_of_another_type_is_refused() -> None:
    with pytest.raises(InvalidModelError, match=r"f32\[2\] cannot hold an array float64\[2\]"):
        Constant(TensorType(DType.FLOAT32, (2,)), np.zeros(2))


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(InvalidModelError, match="needs a known shape"):
        Constant(TensorType(DType.FLOAT32, (Symbol("n"),)), np.zeros(2, np.float32))


def test_chunks_are_little_endian_and_bounded() -> None:
    array = np.arange(300_000, dtype=">f8")
    chunks = list(constant_of(array).chunks())
    assert max(len(chunk) for chunk in chunks) == 1 << 20
    assert b"".join(chunks) == array.astype("<f8").tobytes()


@pytest.mark.parametrize("array", [np.zeros((0, 3), np.float32), np.array(True), np.ones(2, ml_dtypes.bfloat16)])
def test_chunks_of_unusual_arrays(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    assert b"".join(constant_of(array).chunks()) == array.tobytes()


def test_texts_are_told_apart_by_their_digest() -> None:
    texts = [["ab", "c"], ["a", "bc"], [b"ab", b"c"]]
    first, second, same = (constant_of(np.array(text, dtype=object)).digest() for text in texts)
    assert first != second
    assert first == same


def test_reshaping_copies_nothing() -> None:
    array = np.arange(6)
    assert np.shares_memory(constant_of(array).reshaped((3, 2)).array(), array)
