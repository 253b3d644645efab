"""Blocks of pixels moved into channels and back, and channels shuffled."""

from __future__ import annotations

from typing import Literal

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops._checks import require_rank_at_least
from xir.ops._define import op
from xir.ops.shape import reshape, transpose

BlockOrder = Literal["depth_first", "column_first"]


def _divided(dim: Dim, divisor: int, what: str) -> Dim:
    """`dim // divisor`, checked where the rest is known."""
    if divisor < 1 or (isinstance(dim, int) and dim % divisor):
        raise InvalidModelError(f"{what} must be divisible by {divisor}, got {dim!r}")
    return dim // divisor


@op
def depth_to_space(x: Value, *, block: int, order: BlockOrder) -> TensorType:
    """Channels moved into blocks of pixels (ONNX DepthToSpace; Shi et al. 2016, pixel shuffle).

    x: [N, C * block^2, H, W]; result: [N, C, H * block, W * block]. Channels are read as [block, block, C]
    (depth_first, ONNX DCR) or [C, block, block] (column_first, ONNX CRD, PyTorch PixelShuffle).
    """
    n, c, h, w = _four(x)
    return x.tensor.with_shape((n, _divided(c, block * block, "the number of channels"), h * block, w * block))


def _four(x: Value) -> tuple[Dim, Dim, Dim, Dim]:
    if x.rank != 4:
        raise InvalidModelError(f"[N, C, H, W] is needed, got {x.type!r}")
    n, c, h, w = x.shape
    return n, c, h, w


@depth_to_space.reference
def _depth_to_space_reference(x: Array, *, block: int, order: BlockOrder) -> Array:
    n, c, h, w = x.shape
    rest = c // (block * block)
    if order == "depth_first":
        moved = x.reshape(n, block, block, rest, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        moved = x.reshape(n, rest, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
    return moved.reshape(n, rest, h * block, w * block)


@depth_to_space.decompose
def _depth_to_space_decompose(x: Value, *, block: int, order: BlockOrder) -> Value:
    n, c, h, w = x.shape
    rest = c // (block * block)
    if order == "depth_first":
        moved = transpose(reshape(x, shape=(n, block, block, rest, h, w)), perm=(0, 3, 4, 1, 5, 2))
    else:
        moved = transpose(reshape(x, shape=(n, rest, block, block, h, w)), perm=(0, 1, 4, 2, 5, 3))
    return reshape(moved, shape=(n, rest, h * block, w * block))


@op
def space_to_depth(x: Value, *, block: int, order: BlockOrder = "depth_first") -> TensorType:
    """Blocks of pixels moved into channels: `depth_to_space` backwards (ONNX SpaceToDepth; PyTorch PixelUnshuffle).

    x: [N, C, H * block, W * block]; result: [N, C * block^2, H, W], written as [block, block, C] or [C, block, block].
    """
    n, c, h, w = _four(x)
    return x.tensor.with_shape((n, c * (block * block), _divided(h, block, "height"), _divided(w, block, "width")))


_FROM_BLOCKS = {"depth_first": (0, 3, 5, 1, 2, 4), "column_first": (0, 1, 3, 5, 2, 4)}


@space_to_depth.reference
def _space_to_depth_reference(x: Array, *, block: int, order: BlockOrder) -> Array:
    n, c, h, w = x.shape
    cut = x.reshape(n, c, h // block, block, w // block, block)
    return cut.transpose(_FROM_BLOCKS[order]).reshape(n, c * block * block, h // block, w // block)


@space_to_depth.decompose
def _space_to_depth_decompose(x: Value, *, block: int, order: BlockOrder) -> Value:
    n, c, h, w = x.shape
    cut = reshape(x, shape=(n, c, h // block, block, w // block, block))
    return reshape(transpose(cut, perm=_FROM_BLOCKS[order]), shape=(n, c * (block * block), h // block, w // block))


@op
def channel_shuffle(x: Value, *, groups: int) -> TensorType:
    """Channels read as [groups, C / groups] and written transposed (ShuffleNet, Zhang et al. 2018, section 3.1).

    x: [N, C, ...], `groups` divides C; result: the shape of `x`.
    """
    require_rank_at_least(x, 2)
    _divided(x.shape[1], groups, "the number of channels")
    return x.tensor


@channel_shuffle.reference
def _channel_shuffle_reference(x: Array, *, groups: int) -> Array:
    n, c, *rest = x.shape
    return x.reshape(n, groups, c // groups, *rest).swapaxes(1, 2).reshape(x.shape)


@channel_shuffle.decompose
def _channel_shuffle_decompose(x: Value, *, groups: int) -> Value:
    n, c, *rest = x.shape
    cut = reshape(x, shape=(n, groups, c // groups, *rest))
    return reshape(transpose(cut, perm=(0, 2, 1, *range(3, x.rank + 1))), shape=x.shape)
