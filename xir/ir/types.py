"""The types of values: element types with exact widths, tensors with symbolic shapes, sequences, optionals, maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from xir.errors import InvalidModelError, UnsafeError
from xir.ir.dims import Dim, Shape, Symbol, as_dim, evaluate, product, to_text
from xir.limits import MAX_ELEMENTS, MAX_NESTING, check_rank

if TYPE_CHECKING:
    import numpy as np


class DType(Enum):
    """The 28 element types of ONNX 1.23 (onnx.proto, TensorProto.DataType), by their short names.

    Each value is (short name, bits an element takes in a packed file, name of the NumPy or ml_dtypes type).
    """

    FLOAT32 = ("f32", 32, "float32")
    FLOAT64 = ("f64", 64, "float64")
    FLOAT16 = ("f16", 16, "float16")
    BFLOAT16 = ("bf16", 16, "bfloat16")
    FLOAT8E4M3FN = ("f8e4m3fn", 8, "float8_e4m3fn")
    FLOAT8E4M3FNUZ = ("f8e4m3fnuz", 8, "float8_e4m3fnuz")
    FLOAT8E5M2 = ("f8e5m2", 8, "float8_e5m2")
    FLOAT8E5M2FNUZ = ("f8e5m2fnuz", 8, "float8_e5m2fnuz")
    FLOAT8E8M0 = ("f8e8m0", 8, "float8_e8m0fnu")
    FLOAT6E2M3 = ("f6e2m3", 6, "float6_e2m3fn")
    FLOAT6E3M2 = ("f6e3m2", 6, "float6_e3m2fn")
    FLOAT4E2M1 = ("f4e2m1", 4, "float4_e2m1fn")
    INT8 = ("i8", 8, "int8")
    INT16 = ("i16", 16, "int16")
    INT32 = ("i32", 32, "int32")
    INT64 = ("i64", 64, "int64")
    UINT8 = ("u8", 8, "uint8")
    UINT16 = ("u16", 16, "uint16")
    UINT32 = ("u32", 32, "uint32")
    UINT64 = ("u64", 64, "uint64")
    INT4 = ("i4", 4, "int4")
    UINT4 = ("u4", 4, "uint4")
    INT2 = ("i2", 2, "int2")
    UINT2 = ("u2", 2, "uint2")
    BOOL = ("bool", 8, "bool")
    STRING = ("str", 0, "object")
    COMPLEX64 = ("c64", 64, "complex64")
    COMPLEX128 = ("c128", 128, "complex128")

    def __str__(self) -> str:
        """The short name."""
        return self.value[0]

    __repr__ = __str__

    @property
    def bits(self) -> int:
        """Bits of one element in a packed file; 0 for strings."""
        return self.value[1]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The NumPy type that holds one element (ml_dtypes' where NumPy has none); `np.dtype(d)` finds it here."""
        return _numpy_type(self.value[2])

    @property
    def is_floating(self) -> bool:
        """Whether this is a real floating-point type of any width."""
        return self.value[0].startswith(("f", "bf"))

    @property
    def is_integer(self) -> bool:
        """Whether this is an integer type, signed or not; bool is none."""
        return self.value[0][0] in "iu"

    @property
    def is_signed(self) -> bool:
        """Whether this is a number type with a sign."""
        return self.value[0][0] in "ifbc" and self not in (DType.BOOL, DType.FLOAT8E8M0)


_EXTENDED = frozenset(
    dtype.value[2] for dtype in DType if dtype.value[0][0] in "iufb" and (dtype.bits < 8 or "f8" in dtype.value[0])
) | {"bfloat16"}


@cache
def _numpy_type(name: str) -> np.dtype[np.generic]:
    import numpy as np

    if name not in _EXTENDED:
        return np.dtype(name)
    import ml_dtypes

    found: np.dtype[np.generic] = np.dtype(getattr(ml_dtypes, name))
    return found


_BY_NAME = {dtype.value[0]: dtype for dtype in DType}
_BY_NUMPY = {dtype.value[2]: dtype for dtype in DType}


def dtype_from_name(name: str) -> DType:
    """The element type with the short name `name`.

    Raises:
        InvalidModelError: if there is none.
    """
    if name not in _BY_NAME:
        raise InvalidModelError(f"unknown element type {name!r}", hint=f"known are {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def dtype_from_numpy(dtype: np.dtype[np.generic]) -> DType:
    """The element type of a NumPy (or ml_dtypes) type; text becomes `str`.

    Raises:
        InvalidModelError: if xir has none for it.
    """
    if dtype.kind in "OUST":
        return DType.STRING
    if dtype.name not in _BY_NUMPY:
        raise InvalidModelError(f"arrays of {dtype} cannot be a tensor", hint=f"known are {', '.join(_BY_NAME)}")
    return _BY_NUMPY[dtype.name]


@dataclass(frozen=True, slots=True, repr=False)
class TensorType:
    """A tensor: element type and shape, each size an integer or a symbolic `Dim`."""

    dtype: DType
    shape: Shape

    def __post_init__(self) -> None:
        """Checks that every size is a Dim, that no known one is negative, and that their product is a size too."""
        check_rank(len(self.shape), what="a tensor")
        count = 1
        for dim in self.shape:
            size = as_dim(dim)
            if not isinstance(size, int):
                continue
            if size < 0:
                raise InvalidModelError(f"a tensor cannot have the shape {list(self.shape)}: sizes are >= 0")
            count *= size or 1
        if count > MAX_ELEMENTS:
            raise UnsafeError(
                f"a tensor of the shape {list(self.shape)} has more than 2^63 - 1 elements",
                number=803,
                hint="the file is damaged or hostile",
            )

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def elements(self) -> Dim:
        """The number of elements."""
        return product(self.shape)

    @property
    def static_shape(self) -> tuple[int, ...] | None:
        """The shape when every size is known, else None."""
        known = tuple(dim for dim in self.shape if isinstance(dim, int))
        return known if len(known) == len(self.shape) else None

    def with_shape(self, shape: Shape) -> TensorType:
        """This element type with another shape."""
        return TensorType(self.dtype, shape)

    def with_dtype(self, dtype: DType) -> TensorType:
        """This shape with another element type."""
        return TensorType(dtype, self.shape)

    def __repr__(self) -> str:
        """`f32[N,3,224,224]`."""
        return f"{self.dtype}[{','.join(to_text(dim) for dim in self.shape)}]"


@dataclass(frozen=True, slots=True, repr=False)
class SequenceType:
    """A sequence of values of one type (ONNX SequenceProto)."""

    element: Type

    def __post_init__(self) -> None:
        """Checks that types are not nested too deep."""
        _check_depth(self)

    def __repr__(self) -> str:
        """`sequence<f32[N]>`."""
        return f"sequence<{self.element!r}>"


@dataclass(frozen=True, slots=True, repr=False)
class OptionalType:
    """A value that may be absent (ONNX OptionalProto)."""

    element: Type

    def __post_init__(self) -> None:
        """Checks that types are not nested too deep."""
        _check_depth(self)

    def __repr__(self) -> str:
        """`optional<f32[N]>`."""
        return f"optional<{self.element!r}>"


MAP_KEYS = (
    DType.INT8,
    DType.INT16,
    DType.INT32,
    DType.INT64,
    DType.UINT8,
    DType.UINT16,
    DType.UINT32,
    DType.UINT64,
    DType.STRING,
)
"""What the keys of a map may be: integers and text (onnx.proto, TypeProto.Map.key_type)."""


@dataclass(frozen=True, slots=True, repr=False)
class MapType:
    """A map from keys of one element type to values of one type (ONNX MapProto)."""

    key: DType
    element: Type

    def __post_init__(self) -> None:
        """Checks that keys are integers or text, and that types are not nested too deep."""
        if self.key not in MAP_KEYS:
            raise InvalidModelError(
                f"a map cannot have keys of {self.key}", hint=f"keys are {', '.join(map(str, MAP_KEYS))}"
            )
        _check_depth(self)

    def __repr__(self) -> str:
        """`map<str, f32[]>`."""
        return f"map<{self.key}, {self.element!r}>"


@dataclass(frozen=True, slots=True, repr=False)
class UnrankedType:
    """A tensor of which the file does not tell the number of axes; only inspection and specialisation accept it."""

    dtype: DType

    def __repr__(self) -> str:
        """`f32[*]`."""
        return f"{self.dtype}[*]"


Type: TypeAlias = TensorType | SequenceType | OptionalType | MapType | UnrankedType


def _check_depth(type: Type) -> None:
    depth = 0
    while isinstance(type, SequenceType | OptionalType | MapType):
        type, depth = type.element, depth + 1
    if depth > MAX_NESTING:
        raise InvalidModelError(f"a type is nested more than {MAX_NESTING} deep")


def substitute(type: Type, values: Mapping[Symbol, Dim]) -> Type:
    """The type with symbols replaced by `values` ({Symbol: Dim})."""
    match type:
        case TensorType(dtype, shape):
            return TensorType(dtype, tuple(evaluate(dim, values) for dim in shape))
        case SequenceType(element):
            return SequenceType(substitute(element, values))
        case OptionalType(element):
            return OptionalType(substitute(element, values))
        case MapType(key, element):
            return MapType(key, substitute(element, values))
        case UnrankedType():
            return type
