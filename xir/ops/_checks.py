"""Checks that type rules share; each raises InvalidModelError with what was got and what was expected."""

from __future__ import annotations

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.constraints import assume_equal
from xir.ir.dims import Dim, Shape, floor_divide
from xir.ir.node import Value
from xir.ir.types import DType, TensorType


def require_floating(*values: Value) -> None:
    """Checks that every operand is a floating-point tensor."""
    for value in values:
        if not value.dtype.is_floating:
            raise InvalidModelError(f"a floating-point tensor is needed, got {value.type!r}")


def require_dtype(value: Value, *dtypes: DType) -> None:
    """Checks that the operand has one of the element types."""
    if value.dtype not in dtypes:
        raise InvalidModelError(f"a tensor of {' or '.join(map(str, dtypes))} is needed, got {value.type!r}")


def require_same_dtype(*values: Value) -> None:
    """Checks that all operands have one element type."""
    if any(value.dtype is not values[0].dtype for value in values):
        raise InvalidModelError("one element type is needed, got " + ", ".join(repr(value.type) for value in values))


def require_same_type(*values: Value) -> TensorType:
    """Checks that all operands have one element type and (as far as it can be told) one shape; returns it."""
    require_same_dtype(*values)
    first = values[0].tensor
    for value in values[1:]:
        require_same_shape(first.shape, value.shape)
    return first


def require_same_shape(a: Shape, b: Shape) -> None:
    """Checks that two shapes are equal; what cannot be told is assumed, and recorded (`xir.ir.constraints`)."""
    if len(a) != len(b) or not all(assume_equal(m, n, "shapes are equal") for m, n in zip(a, b, strict=True)):
        raise InvalidModelError(f"shapes {list(a)} and {list(b)} differ", hint="broadcasting is a node of its own")


def require_rank(value: Value, *ranks: int) -> None:
    """Checks the number of axes."""
    if value.rank not in ranks:
        raise InvalidModelError(f"{' or '.join(map(str, ranks))} axes are needed, got {value.type!r}")


def require_rank_at_least(value: Value, rank: int) -> None:
    """Checks that there are at least `rank` axes."""
    if value.rank < rank:
        raise InvalidModelError(f"at least {rank} axes are needed, got {value.type!r}")


def require_axis(value: Value, axis: int) -> None:
    """Checks that `axis` counts from the front and exists."""
    if not 0 <= axis < value.rank:
        raise InvalidModelError(f"axis {axis} does not exist in {value.type!r}")


def require_axes(value: Value, axes: tuple[int, ...]) -> None:
    """Checks that all axes exist, and each stands once."""
    for axis in axes:
        require_axis(value, axis)
    if len(set(axes)) != len(axes):
        raise InvalidModelError(f"axes {list(axes)} name one axis twice")


def require_size(dim: Dim, size: Dim, what: str) -> None:
    """Checks that a size is `size`; what cannot be told is assumed, and recorded (`xir.ir.constraints`)."""
    if not assume_equal(dim, size, what):
        raise InvalidModelError(f"{what} must be {size!r}, got {dim!r}")


def require_scalar(operand: Value | None, *dtypes: DType) -> None:
    """Checks a run-time number: absent, or one element, of the given types (default: i32 and i64).

    Raises:
        InvalidModelError: if it is another type, or has another number of elements than one.
    """
    if operand is None:
        return
    require_dtype(operand, *(dtypes or (DType.INT32, DType.INT64)))
    for size in operand.shape:
        require_size(size, 1, "the number of elements of a run-time number")


def only_element(operand: Array) -> Array:
    """The element of a run-time number, without axes; what `require_scalar` could not tell from its type.

    Raises:
        InvalidModelError: if it has another number of elements than one.
    """
    if operand.size != 1:
        raise InvalidModelError(f"a run-time number has one element, got {list(operand.shape)}")
    return operand.reshape(())


def window_output(size: Dim, window: Dim, stride: int, padding: tuple[Dim, Dim], dilation: int) -> Dim:
    """How often a window fits: `(size + before + after - (window - 1) * dilation - 1) // stride + 1`.

    (ONNX Conv and pooling with explicit pads.)

    Raises:
        InvalidModelError: if a parameter is not positive, or the window does not fit once.
    """
    if (isinstance(window, int) and window < 1) or stride < 1 or dilation < 1:
        raise InvalidModelError(f"window {window!r}, stride {stride} and dilation {dilation} must be positive")
    span = size + padding[0] + padding[1] - (window - 1) * dilation - 1
    count = floor_divide(span, stride) + 1
    if isinstance(count, int) and count < 1:
        raise InvalidModelError(
            f"a window of {window!r} (dilation {dilation}) does not fit into size {size!r} with padding {list(padding)}"
        )
    return count
