"""Sizes and numbers of tensors, and what a program asserts of them.

An assertion of sizes becomes a constraint of the graph where it says that two are equal or in order; the others are
left out, and noted: they say nothing of results, only which runs are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.promotion import result_type as promoted_type
from xir.frontends.torch.symbolic import Comparison
from xir.frontends.torch.tensor import Computed, Number
from xir.ir.constraints import assume_equal
from xir.ir.dims import Dim, add, equal, maximum, product, symbols_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.shape import reshape, shape_of

operators = Operators("aten")


@operators.op("sym_size.int(Tensor self, int dim) -> SymInt", "size.int(Tensor self, int dim) -> int")
def size(call: Call, x: Value, axis: int) -> Dim:
    """The size of one axis."""
    if not x.rank:
        call.invalid("a tensor without axes has no sizes")
    return x.shape[call.axis(axis, x.rank)]


@operators.op("sym_size(Tensor self) -> SymInt[]", "size(Tensor self) -> int[]")
def sizes(call: Call, x: Value) -> tuple[Dim, ...]:
    """All sizes."""
    return x.shape


@operators.op("sym_numel(Tensor self) -> SymInt", "numel(Tensor self) -> int")
def numel(call: Call, x: Value) -> Dim:
    """The number of elements."""
    return product(x.shape)


@operators.op("sym_stride.int(Tensor self, int dim) -> SymInt", "stride.int(Tensor self, int dim) -> int")
def stride(call: Call, x: Value, axis: int) -> Dim:
    """How far the elements of an axis stand apart, all tensors being stored in order."""
    return product(x.shape[call.axis(axis, x.rank) + 1 :])


@operators.op("sym_stride(Tensor self) -> SymInt[]", "stride(Tensor self) -> int[]")
def strides(call: Call, x: Value) -> tuple[Dim, ...]:
    """The same of all axes."""
    return tuple(product(x.shape[axis + 1 :]) for axis in range(x.rank))


@operators.op("sym_storage_offset(Tensor self) -> SymInt", "storage_offset(Tensor self) -> int", unused=("self",))
def storage_offset(call: Call) -> Dim:
    """Where the first element stands: tensors of a graph share no memory."""
    return 0


@operators.op("dim(Tensor self) -> int")
def dim(call: Call, x: Value) -> int:
    """The number of axes; of packed sequences the places of all lie on one (`Scope.ragged`)."""
    ragged = call.scope.ragged.get(x)
    return x.rank - 1 if ragged is not None and ragged.rank == 1 else x.rank


@operators.op("item(Tensor self) -> Scalar", "_local_scalar_dense(Tensor self) -> Scalar")
def item(call: Call, x: Value) -> Number:
    """The one element as a number."""
    if equal(product(x.shape), 1) is False:
        call.invalid(f"a tensor of one element is needed, got {x.type!r}")
    known = call.scope.constant_of(x)
    if known is not None and x.dtype is not DType.BFLOAT16:
        number: object = known.array().reshape(()).item()
        if isinstance(number, bool | int | float):
            return number
    wide = DType.BOOL if x.dtype is DType.BOOL else DType.INT64 if x.dtype.is_integer else DType.FLOAT64
    return Computed(call.cast(x if x.rank == 0 else reshape(x, shape=()), wide))


@operators.op("_assert_scalar(Scalar self, str assert_msg) -> ()")
def assert_scalar(call: Call, condition: Number, message: str) -> None:
    """The program is only for sizes for which the condition holds."""
    if isinstance(condition, Comparison):
        assume(call, condition, message)
    elif isinstance(condition, bool | int | float):
        if not condition:
            call.invalid(f"asserts what never holds: {message}")
    else:
        call.scope.left_out.append(message)


def assume(call: Call, condition: Comparison, message: str) -> None:
    """Takes a comparison of sizes for true."""
    left, right = condition.left, condition.right
    if any(symbol.name is None for side in (left, right) for symbol in symbols_of(side)):
        call.scope.left_out.append(message)  # what the run finds out, no entry can check
        return
    match condition.kind:
        case "eq":
            held = assume_equal(left, right, message)
        case "ge":
            held = assume_equal(maximum(left, right), left, message)
        case "le":
            held = assume_equal(maximum(left, right), right, message)
        case "gt":
            held = assume_equal(maximum(left, add(right, 1)), left, message)
        case "lt":
            held = assume_equal(maximum(add(left, 1), right), right, message)
        case "ne":
            call.scope.left_out.append(message)
            held = True
    if not held:
        call.invalid(f"asserts what never holds: {message}")


@operators.op(
    "_assert_async(Tensor self) -> ()",
    "_assert_async.msg(Tensor self, str assert_msg) -> ()",
    "_functional_assert_async.msg(Tensor self, str assert_msg, Tensor dep_token) -> Tensor",
    unused=("self",),
)
def assert_async(call: Call, message: str = "an assertion of elements", token: Value | None = None) -> Value | None:
    """An assertion of elements: left out."""
    call.scope.left_out.append(message)
    return token


@operators.op(
    "sym_constrain_range(Scalar size, *, int? min=None, int? max=None) -> ()",
    "sym_constrain_range_for_size(Scalar size, *, int? min=None, int? max=None) -> ()",
    unused=("size", "min", "max"),
)
def constrain(call: Call) -> None:
    """Tells torch's own inference in which range a number lies; the program says it again among its ranges."""


@operators.op(
    "_assert_tensor_metadata(Tensor a, SymInt[]? size=None, SymInt[]? stride=None, ScalarType? dtype=None, *, "
    "Device? device=None, Layout? layout=None) -> ()",
    unused=("stride",),
)
def assert_metadata(call: Call, x: Value, sizes: Sequence[Dim] | None, dtype: DType | None) -> None:
    """A tensor must be of this type and shape; how it lies in memory is nothing that a graph has."""
    if dtype is not None and dtype is not x.dtype:
        call.invalid(f"asserts elements of {dtype}, got {x.type!r}")
    if sizes is None:
        return
    agree = len(sizes) == x.rank
    for want, have in zip(sizes, x.shape, strict=False):
        agree = assume_equal(want, have, "the program asserts it") and agree
    if not agree:
        call.invalid(f"asserts the shape {list(sizes)}, got {x.type!r}")


@operators.op(
    "sym_is_contiguous(Tensor self, MemoryFormat memory_format=0) -> SymBool",
    "is_contiguous(Tensor self) -> bool",
    "is_contiguous.memory_format(Tensor self, MemoryFormat memory_format) -> bool",
    "is_non_overlapping_and_dense(Tensor self) -> bool",
    unused=("self",),
)
def is_contiguous(call: Call) -> bool:
    """True: tensors of a graph lie in order."""
    return True


@operators.op(
    "is_floating_point(Tensor self) -> bool",
)
def is_floating_point(call: Call, x: Value) -> bool:
    """Whether the elements are real numbers."""
    return x.dtype.is_floating


@operators.op(
    "is_complex(Tensor self) -> bool",
)
def is_complex(call: Call, x: Value) -> bool:
    """Whether the elements are complex numbers."""
    return x.dtype in (DType.COMPLEX64, DType.COMPLEX128)


@operators.op(
    "is_signed(Tensor self) -> bool",
)
def is_signed(call: Call, x: Value) -> bool:
    """Whether the element type has negative numbers."""
    return x.dtype.is_floating or x.dtype.is_signed


@operators.op(
    "is_same_size(Tensor self, Tensor other) -> bool",
)
def is_same_size(call: Call, x: Value, other: Value) -> bool:
    """Whether two shapes are equal."""
    return x.shape == other.shape


@operators.op(
    "result_type.Tensor(Tensor tensor, Tensor other) -> ScalarType",
    "result_type.Scalar(Tensor tensor, Scalar other) -> ScalarType",
    "result_type.Scalar_Tensor(Scalar scalar, Tensor tensor) -> ScalarType",
    "result_type.Scalar_Scalar(Scalar scalar1, Scalar scalar2) -> ScalarType",
)
def result_type(call: Call, x: Value | Number, other: Value | Number) -> DType:
    """The type that an operator of both computes in."""
    return promoted_type((x, other))


@operators.op(
    "element_size(Tensor self) -> int",
)
def element_size(call: Call, x: Value) -> int:
    """The bytes of one element."""
    return x.dtype.bits // 8


@operators.op(
    "len.Tensor(Tensor t) -> int",
)
def length(call: Call, x: Value) -> Dim:
    """The first size."""
    return size(call, x, 0)


def _number_in(call: Call, x: Value, dtype: DType) -> Number:
    """The one element as a number of a type."""
    return item(call, call.cast(x, dtype))


@operators.op(
    "Int.Tensor(Tensor a) -> int",
    "IntImplicit(Tensor a) -> int",
)
def integer(call: Call, x: Value) -> Number:
    """The one element as an integer."""
    return _number_in(call, x, DType.INT64)


@operators.op(
    "Float.Tensor(Tensor a) -> float",
    "FloatImplicit(Tensor a) -> float",
)
def real(call: Call, x: Value) -> Number:
    """The one element as a real number."""
    return _number_in(call, x, DType.FLOAT64)


@operators.op(
    "Bool.Tensor(Tensor a) -> bool",
)
def truth(call: Call, x: Value) -> Number:
    """Whether the one element is not 0."""
    return _number_in(call, x, DType.BOOL)


@operators.op(
    "ScalarImplicit(Tensor a) -> Scalar",
)
def number(call: Call, x: Value) -> Number:
    """The one element as a number."""
    return item(call, x)


@operators.op(
    "_shape_as_tensor(Tensor self) -> Tensor",
)
def shape_as_tensor(call: Call, x: Value) -> Value:
    """The sizes as a tensor."""
    return shape_of(x)
