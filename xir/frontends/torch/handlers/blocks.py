"""Blocks of images as columns, and columns added back (Unfold and Fold)."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.dims import Dim, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops._build import scalar_like
from xir.ops.index import gather
from xir.ops.patches import fold
from xir.ops.shape import iota, pad, reshape, transpose

operators = Operators("aten")
Pair = Sequence[int]


def _windows(x: Value, axis: int, length: int, dilation: int, stride: int) -> Value:
    """Windows of an axis: [..., size, ...] as [..., cells of the window, windows, ...]."""
    count: Dim = (x.shape[axis] - dilation * (length - 1) - 1) // stride + 1
    cell, place = (iota(shape=(length, count), axis=each, dtype=DType.INT64) for each in (0, 1))
    cells = elementwise.mul(cell, scalar_like(cell, dilation))
    return gather(x, elementwise.add(cells, elementwise.mul(place, scalar_like(place, stride))), axis=axis)


@operators.op(
    "im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor",
)
def im2col(call: Call, x: Value, window: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Value:
    """[N, C, H, W] as [N, C * cells of the window, windows], the windows in row-major order; also without N."""
    batched = x if x.rank == 4 else reshape(x, shape=(1, *x.shape))
    batch, channels, *_ = batched.shape
    wide = pad(batched, padding=((0, 0), (0, 0), *((amount, amount) for amount in padding)))
    rows = _windows(wide, 2, window[0], dilation[0], stride[0])  # [N, C, cells, windows, W]
    both = _windows(rows, 4, window[1], dilation[1], stride[1])
    cells = transpose(both, perm=(0, 1, 2, 4, 3, 5))
    columns = reshape(cells, shape=(batch, channels * window[0] * window[1], product(cells.shape[4:])))
    return columns if x.rank == 4 else reshape(columns, shape=columns.shape[1:])


@operators.op(
    "col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] "
    "stride) -> Tensor",
)
def col2im(
    call: Call, x: Value, sizes: Sequence[Number], window: Pair, dilation: Pair, padding: Pair, stride: Pair
) -> Value:
    """Columns of blocks added where they came from in an image: [N, C * cells, windows] as [N, C, H, W]."""
    columns = x if x.rank == 3 else reshape(x, shape=(1, *x.shape))
    if x.dtype is DType.BOOL:
        columns = call.cast(columns, DType.INT32)
    image = fold(
        columns,
        spatial=call.known_shape(sizes),
        window=tuple(window),
        strides=tuple(stride),
        padding=tuple((amount, amount) for amount in padding),
        dilation=tuple(dilation),
    )
    image = call.cast(image, x.dtype)
    return image if x.rank == 3 else reshape(image, shape=image.shape[1:])
