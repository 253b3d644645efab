"""Element types and the types of values."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import onnx
import pytest

from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.types import (
    DType,
    MapType,
    OptionalType,
    SequenceType,
    TensorType,
    Type,
    UnrankedType,
    dtype_from_name,
    dtype_from_numpy,
    substitute,
)

N = Symbol("N")


@pytest.mark.parametrize("dtype", list(DType), ids=str)
def test_every_element_type_finds_itself_by_name_and_by_array(dtype: DType) -> None:
    assert dtype_from_name(str(dtype)) is dtype
    assert dtype_from_numpy(np.dtype(dtype)) is dtype
    assert repr(dtype) == str(dtype)


def test_the_element_types_are_those_of_onnx() -> None:
    names = set(onnx.TensorProto.DataType.keys()) - {"UNDEFINED"}
    spelled = {"FLOAT": "FLOAT32", "DOUBLE": "FLOAT64"}
    assert {spelled.get(name, name) for name in names} == {dtype.name for dtype in DType}


@pytest.mark.parametrize("dtype", list(DType), ids=str)
def test_properties_agree_with_numpy(dtype: DType) -> None:
    kind = dtype.dtype.kind
    assert dtype.is_integer == (kind in "iu" or "int" in dtype.dtype.name)
    assert dtype.is_floating == (kind == "f" or "float" in dtype.dtype.name)
    if dtype.is_floating:
        assert dtype.is_signed == bool(ml_dtypes.finfo(dtype.dtype).min < 0)
    elif dtype.is_integer:
        assert dtype.is_signed == bool(ml_dtypes.iinfo(dtype.dtype).min < 0)
    else:
        assert dtype.is_signed == (kind == "c")
    assert dtype is DType.STRING or 0 < dtype.bits <= 8 * dtype.dtype.itemsize


@pytest.mark.parametrize("dtype", ["S3", "U4", "O"])
def test_text_arrays_are_strings(dtype: str) -> None:
    assert dtype_from_numpy(np.dtype(dtype)) is DType.STRING


@pytest.mark.parametrize("dtype", ["M8[s]", "V4", "longdouble"])
def test_other_arrays_are_refused(dtype: str) -> None:
    with pytest.raises(InvalidModelError, match="cannot be a tensor"):
        dtype_from_numpy(np.dtype(dtype))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InvalidModelError, match="unknown element type 'f128'"):
        dtype_from_name("f128")


@pytest.mark.parametrize(
    ("type", "text"),
    [
        (TensorType(DType.FLOAT32, (N, 3, 2 * N)), "f32[N,3,2*N]"),
        (TensorType(DType.BOOL, ()), "bool[]"),
        (SequenceType(TensorType(DType.INT64, (1,))), "sequence<i64[1]>"),
        (OptionalType(UnrankedType(DType.BFLOAT16)), "optional<bf16[*]>"),
        (SequenceType(MapType(DType.STRING, TensorType(DType.FLOAT32, ()))), "sequence<map<str, f32[]>>"),
    ],
)
def test_types_print_short(type: Type, text: str) -> None:
    assert repr(type) == text


def test_tensor_types() -> None:
    type = TensorType(DType.FLOAT32, (N, 3))
    assert type.rank == 2
    assert type.elements == 3 * N
    assert type.static_shape is None
    assert type.with_shape((2, 3)).static_shape == (2, 3)
    assert type.with_dtype(DType.INT8) == TensorType(DType.INT8, (N, 3))


@pytest.mark.parametrize("shape", [(-1,), (2, -3)])
def test_negative_sizes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidModelError, match="sizes are >= 0"):
        TensorType(DType.FLOAT32, shape)


def test_sizes_must_be_sizes() -> None:
    with pytest.raises(InvalidModelError, match="a size must be"):
        TensorType(DType.FLOAT32, (1.5,))  # type: ignore[arg-type]  # what a careless frontend would do


def _mapped(element: Type) -> Type:
    return MapType(DType.STRING, element)


@pytest.mark.parametrize("wrapper", [SequenceType, OptionalType, _mapped])
def test_nesting_is_bounded(wrapper: Callable[[Type], Type]) -> None:
    type: Type = UnrankedType(DType.INT8)
    for _ in range(100):
        type = wrapper(type)
    with pytest.raises(InvalidModelError, match="nested more than 100"):
        wrapper(type)


def test_sizes_are_put_into_every_kind_of_type() -> None:
    tensor, known = TensorType(DType.FLOAT32, (N, N // 2)), TensorType(DType.FLOAT32, (5, 2))
    unranked = UnrankedType(DType.FLOAT32)
    for before, after in [
        (tensor, known),
        (SequenceType(tensor), SequenceType(known)),
        (OptionalType(tensor), OptionalType(known)),
        (MapType(DType.INT64, tensor), MapType(DType.INT64, known)),
        (unranked, unranked),
    ]:
        assert substitute(before, {N: 5}) == after


@pytest.mark.parametrize("key", [DType.FLOAT32, DType.BOOL, DType.INT4])
def test_keys_of_maps_are_integers_or_text(key: DType) -> None:
    with pytest.raises(InvalidModelError, match="a map cannot have keys of"):
        MapType(key, TensorType(DType.FLOAT32, ()))
