"""NumPy's broadcasting rule on symbolic shapes: one statement of it for every format that broadcasts implicitly.

Shapes are aligned at the end; an axis of size 1 is repeated (NumPy user guide, 'Broadcasting'; ONNX docs,
Broadcasting.md). Two sizes that cannot be told apart are taken for equal: the graph is checked when it runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from xir.errors import InvalidModelError
from xir.ir.dims import Dim, Shape, equal, maximum, subtract


def join(shapes: Sequence[Shape]) -> Shape:
    """The shape that all `shapes` broadcast to.

    Raises:
        InvalidModelError: two sizes of one axis differ and neither is 1.
    """
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Dim] = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, start=rank - len(shape)):
            result[axis] = _join_sizes(result[axis], size, shapes)
    return tuple(result)


def _join_sizes(a: Dim, b: Dim, shapes: Sequence[Shape]) -> Dim:
    if a == 1:
        return b
    if b == 1 or equal(a, b) is True:
        return a
    if isinstance(a, int) and isinstance(b, int):
        raise InvalidModelError(f"shapes {' and '.join(str(list(shape)) for shape in shapes)} do not broadcast")
    return b if isinstance(b, int) or _is_one_of(a, b) else a


def _is_one_of(size: Dim, whole: Dim) -> bool:
    """Whether a size is 1 of another, or 0 where that is 0: `x[-1:]` beside `x` broadcasts for every size of `x`."""
    return equal(size, subtract(whole, maximum(0, subtract(whole, 1)))) is True


def needs_broadcast(have: Shape, want: Shape) -> bool:
    """Whether a tensor of shape `have` must be repeated to get the shape `want` of its join.

    A size that is not known beside a known one may be 1, so it must; beside another unknown one it need not, unless it
    is 1 of that one.
    """
    if len(have) != len(want):
        return True
    return any(
        a != b and (isinstance(a, int) or isinstance(b, int) or _is_one_of(a, b))
        for a, b in zip(have, want, strict=True)
    )
