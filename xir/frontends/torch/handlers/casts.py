"""Element types and copies."""

from __future__ import annotations

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number, Tensor
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.cast import bit_cast

operators = Operators("aten")
_CUT = frozenset({"transpose", "broadcast", "slice", "reverse"})
"""Operators whose results, as views in PyTorch, leave gaps or another order in memory."""


def copied(x: Value) -> Value | Tensor:
    """`x` as what PyTorch copies where it does not lie in order in memory: a write to the result must not reach it."""
    return Tensor(x) if x.node is not None and x.node.op.name in _CUT else x


def _cast(call: Call, x: Value, dtype: DType | None, copy: bool = False) -> Value | Tensor:
    if dtype is None or dtype is x.dtype:
        return Tensor(x) if copy else x
    return Tensor(call.cast(x, dtype))


@operators.op(
    "to.dtype(Tensor(a) self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? "
    "memory_format=None) -> Tensor(a)",
    "to.prim_dtype(Tensor(a) self, int? dtype=None, bool non_blocking=False, bool copy=False) -> Tensor(b|a)",
)
def to_dtype(call: Call, x: Value, dtype: DType | None, copy: bool) -> Value | Tensor:
    """`x` in an element type; `x` itself where it has it."""
    return _cast(call, x, dtype, copy)


@operators.op(
    "to.dtype_layout(Tensor(a) self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)",
    "to.device(Tensor(a) self, Device device, ScalarType dtype, bool non_blocking=False, bool copy=False, "
    "MemoryFormat? memory_format=None) -> Tensor(a)",
)
def to_layout(call: Call, x: Value, dtype: DType | None, copy: bool) -> Value | Tensor:
    """The same; where and in which order elements lie changes none of them."""
    return _cast(call, x, dtype, copy)


@operators.op(
    "to.prim_Device(Tensor(a) self, Device? device, int? dtype=None, bool non_blocking=False, bool copy=False) "
    "-> Tensor(b|a)",
)
def to_device(call: Call, x: Value, dtype: DType | None, copy: bool) -> Value | Tensor:
    """The same."""
    return _cast(call, x, dtype, copy)


@operators.op(
    "to.prim_other(Tensor(a) self, bool non_blocking=False, bool copy=False) -> Tensor(b|a)",
)
def to_itself(call: Call, x: Value, copy: bool) -> Value | Tensor:
    """`x` itself."""
    return _cast(call, x, None, copy)


@operators.op(
    "to.other(Tensor(a) self, Tensor other, bool non_blocking=False, bool copy=False, MemoryFormat? "
    "memory_format=None) -> Tensor(a)",
)
def to_other(call: Call, x: Value, other: Value, copy: bool) -> Value | Tensor:
    """`x` in the element type of another tensor."""
    return _cast(call, x, other.dtype, copy)


@operators.op(
    "type_as(Tensor self, Tensor other) -> Tensor",
)
def type_as(call: Call, x: Value, other: Value) -> Value:
    """`x` in the element type of another tensor."""
    return call.cast(x, other.dtype)


@operators.op(
    "_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor",
)
def to_copy(call: Call, x: Value, dtype: DType | None) -> Value:
    """A copy in an element type."""
    return x if dtype is None else call.cast(x, dtype)


for _name, _dtype in (
    ("Half", DType.FLOAT16), ("Short", DType.INT16), ("Long", DType.INT64), ("Int", DType.INT32),
    ("Float", DType.FLOAT32), ("Double", DType.FLOAT64), ("Char", DType.INT8), ("Byte", DType.UINT8),
):  # fmt: skip

    def _named(call: Call, x: Value, dtype: DType = _dtype) -> Value:
        """`x` in the type of the operator's name."""
        return call.cast(x, dtype)

    operators.op(f"_cast_{_name}(Tensor self, bool non_blocking=False) -> Tensor")(_named)


@operators.op(
    "clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor",
    "lift(Tensor self) -> Tensor",
    "lift_fresh_copy(Tensor self) -> Tensor",
    "alias_copy(Tensor self) -> Tensor",
    "detach_copy(Tensor self) -> Tensor",
    "lift_fresh(Tensor(a) self) -> Tensor(a)",
    "alias(Tensor(a) self) -> Tensor(a)",
    "detach(Tensor(a) self) -> Tensor(a)",
    "resolve_conj(Tensor(a) self) -> Tensor(a)",
    "resolve_neg(Tensor(a) self) -> Tensor(a)",
    "cpu(Tensor(a) self) -> Tensor(b|a)",
    "cuda(Tensor(a) self) -> Tensor(b|a)",
    "data(Tensor self) -> Tensor",
    "pin_memory(Tensor(a) self, Device? device=None) -> Tensor(a)",
)
def same(call: Call, x: Value) -> Value:
    """The elements as they are."""
    return x


@operators.op(
    "contiguous(Tensor(a) self, *, MemoryFormat memory_format=0) -> Tensor(a)",
)
def contiguous(call: Call, x: Value) -> Value | Tensor:
    """The elements as they are, in order: a copy where they are not."""
    return copied(x)


@operators.op(
    "view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)",
)
def view_dtype(call: Call, x: Value, dtype: DType) -> Value:
    """The bits read as another type of as many bits."""
    if dtype.bits != x.dtype.bits:
        call.refuse(f"the bits of {x.dtype} read as {dtype}, another number of them")
    return bit_cast(x, dtype=dtype)


@operators.op(
    "copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor",
)
def copy(call: Call, x: Value, source: Value | Number) -> Value:
    """The source in the type and shape of `x`."""
    return call.repeated_like(call.tensor(source, x.dtype), x)


@operators.op(
    "fill.Scalar(Tensor self, Scalar value) -> Tensor",
    "fill.Tensor(Tensor self, Tensor value) -> Tensor",
)
def fill(call: Call, x: Value, value: Value | Number) -> Value:
    """The value everywhere."""
    return call.repeated_like(call.tensor(value, x.dtype), x)


@operators.op(
    "zero(Tensor self) -> Tensor",
)
def zero(call: Call, x: Value) -> Value:
    """0 everywhere."""
    return call.repeated_like(call.scalar(0, x.dtype), x)
