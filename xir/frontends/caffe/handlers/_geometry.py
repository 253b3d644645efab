"""Windows as Caffe writes them: a size once, once per axis, or by height and width (base_conv_layer.cpp)."""

from __future__ import annotations

from xir.errors import InvalidModelError
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.schema import load_schema
from xir.ir.dims import Dim, Shape, as_dim
from xir.ir.node import Value


def canonical_axis(x: Value, axis: int) -> int:
    """`axis` counted from the front (blob.hpp, CanonicalAxisIndex).

    Raises:
        InvalidModelError: if there is no such axis.
    """
    if not -x.rank <= axis < x.rank:
        raise InvalidModelError(f"axis {axis} does not exist in {x.type!r}")
    return axis % x.rank


def known(dim: Dim, what: str) -> int:
    """A size that must be known when the model is read.

    Raises:
        InvalidModelError: if it is symbolic.
    """
    if not isinstance(dim, int):
        raise InvalidModelError(
            f"{what} is {as_dim(dim)!r}, but must be known", hint="give the input's shape with --input NAME=f32[...]"
        )
    return dim


def channel_count(x: Value) -> int:
    """The size of axis 1, which must exist and be known.

    Raises:
        InvalidModelError: if it is not so.
    """
    if x.rank < 2:
        raise InvalidModelError(f"a channel axis is needed, got {x.type!r}")
    return known(x.shape[1], "the number of channels")


def per_axis(param: Message, name: str, axes: int, default: int | None, short: str) -> tuple[int, ...]:
    """`name` for each of `axes` spatial axes: repeated, or as `<short>_h` and `<short>_w`.

    Raises:
        InvalidModelError: if both forms are used, the number of values fits neither 1 nor `axes`, or it is missing.
    """
    given = param.integers(name)
    height, width = param.optional_integer(f"{short}_h"), param.optional_integer(f"{short}_w")
    if height is not None or width is not None:
        if given or axes != 2:
            raise InvalidModelError(f"{short}_h and {short}_w are for 2 spatial axes, and exclude {name}")
        return tuple(_given(value, default, f"{short}_h and {short}_w") for value in (height, width))
    if not given and default is not None:
        return (default,) * axes
    if len(given) not in (1, axes):
        raise InvalidModelError(f"{name} stands {len(given)} times; expected once, or once for each of {axes} axes")
    return given * axes if len(given) == 1 else given


def pair(param: Message, short: str, name: str, default: int | None) -> tuple[int, int]:
    """A value for height and width: `name`, or `<short>_h` and `<short>_w`, never both (pooling_layer.cpp, LayerSetUp).

    Raises:
        InvalidModelError: if both forms are used, one of the two is missing, or there is none and no default.
    """
    height, width = param.optional_integer(f"{short}_h"), param.optional_integer(f"{short}_w")
    both = param.optional_integer(name)
    if both is not None and (height is not None or width is not None):
        raise InvalidModelError(f"either {name}, or {short}_h and {short}_w, may be given, not both")
    if (height is None) != (width is None):
        raise InvalidModelError(f"{short}_h and {short}_w must both be given")
    if height is not None and width is not None:
        return height, width
    if both is None and default is None:
        raise InvalidModelError(f"{name}, or {short}_h and {short}_w, must be given")
    chosen = both if both is not None else default or 0
    return chosen, chosen


def constant_filler(value: float) -> Message:
    """A filler that makes `value` everywhere: what a layer takes where the file names no filler."""
    return Message(load_schema(), "FillerParameter", {"type": ("constant",), "value": (value,)})


def _given(value: int | None, default: int | None, what: str) -> int:
    if value is None and default is None:
        raise InvalidModelError(f"{what} must both be given")
    return value if value is not None else default or 0


def require_positive(what: str, *values: int) -> None:
    """Checks that all are at least 1.

    Raises:
        InvalidModelError: if one is not.
    """
    if any(value < 1 for value in values):
        raise InvalidModelError(f"{what} must be positive, got {list(values)}")


def require_axes(x: Value, count: int) -> None:
    """Checks the number of axes.

    Raises:
        InvalidModelError: if it is another.
    """
    if x.rank != count:
        raise InvalidModelError(f"{count} axes are needed, got {x.type!r}")


def batch_size(x: Value) -> Dim:
    """The size of axis 0, which must exist.

    Raises:
        InvalidModelError: if it does not.
    """
    if not x.rank:
        raise InvalidModelError(f"a batch axis is needed, got {x.type!r}")
    return x.shape[0]


def count(shape: Shape) -> Dim:
    """The number of elements of (a part of) a shape."""
    total: Dim = 1
    for dim in shape:
        total = total * dim
    return total
