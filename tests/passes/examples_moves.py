"""Examples for the laws of operators that move elements, and for identities."""

from __future__ import annotations

from tests.passes.helpers import Example, Net, convolved
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.constant import identity
from xir.ops.elementwise import cast, mul
from xir.ops.shape import broadcast, concat, pad, reshape, reverse, slice_, split, tile, transpose

N = Symbol("N")
NHWC, NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


def moved(net: Net) -> Value:
    return transpose(net.input(2, 3, 4, 5), perm=NHWC)


def sliced(net: Net, start: int, stop: int, step: int) -> Value:
    return slice_(net.input(2, 6), axes=(1,), starts=(start,), stops=(stop,), steps=(step,))


def padded_conv(
    net: Net, *padding: tuple[int, int], bias: bool = False, gaps: int = 1, mode: str = "constant", value: float = 0.0
) -> Value:
    x = pad(net.input(2, 3, 5, 5), padding=padding, mode=mode, value=value)  # type: ignore[arg-type]  # a table's word
    channels = 3 + sum(padding[1])
    w = net.weight(4, channels, 3, 3)
    return convolved(x, w, net.weight(4) if bias else None, pad=1, gaps=gaps)


SPATIAL = ((0, 0), (0, 0), (1, 2), (3, 0))

EXAMPLES: tuple[Example, ...] = (
    Example("identity_is_nothing", lambda net: relu(identity(net.input(3))), "relu"),
    Example("identity_is_nothing", lambda net: identity(net.input(3)), "", label="an output that is an input"),
    Example("identity_is_nothing", lambda net: identity(net.weight(3)), "", label="an output that is a weight"),
    Example("double_transpose", lambda net: transpose(moved(net), perm=(3, 2, 0, 1)), "transpose"),
    Example(
        "double_transpose", lambda net: (transpose(inner := moved(net), perm=NCHW), relu(inner)),
        "transpose transpose relu", label="two readers",
    ),
    Example("transpose_nothing", lambda net: transpose(net.input(2, N, 4), perm=(0, 1, 2)), ""),
    Example("transpose_nothing", lambda net: transpose(net.input(2, 3), perm=(1, 0)), None),
    Example("transpose_of_ones_is_reshape", lambda net: transpose(net.input(1, 3, 1), perm=(1, 0, 2)), "reshape"),
    Example("transpose_of_ones_is_reshape", lambda net: transpose(net.input(1, N, 4), perm=(1, 0, 2)), "reshape",
            label="symbolic"),
    Example("transpose_of_ones_is_reshape", lambda net: transpose(net.input(2, N), perm=(1, 0)), None),
    Example("transpose_of_ones_is_reshape", lambda net: transpose(net.input(1, 1), perm=(0, 1)), None, label="nothing"),
    Example("transpose_of_ones_is_reshape", lambda net: transpose(net.input(1, N, N), perm=(1, 0, 2)), None,
            label="two symbols"),
    Example("double_reshape", lambda net: reshape(reshape(net.input(2, 6), shape=(12,)), shape=(3, 4)), "reshape"),
    Example("double_reshape", lambda net: reshape(reshape(net.input(N, 6), shape=(N * 6,)), shape=(N * 2, 3)),
            "reshape", label="symbolic"),
    Example("reshape_nothing", lambda net: reshape(net.input(N, 6), shape=(N, 6)), ""),
    Example("reshape_nothing", lambda net: reshape(net.input(2, 6), shape=(6, 2)), None),
    Example("double_broadcast", lambda net: broadcast(broadcast(net.input(3, 1), shape=(3, 4)), shape=(2, 3, 4)),
            "broadcast"),
    Example("broadcast_nothing", lambda net: broadcast(net.input(3, N), shape=(3, N)), ""),
    Example("broadcast_nothing", lambda net: broadcast(net.input(3, 1), shape=(3, 2)), None),
    Example("double_reverse", lambda net: reverse(reverse(net.input(3, 4, 5), axes=(0, 1)), axes=(1, 2)), "reverse"),
    Example("reverse_nothing", lambda net: reverse(net.input(3, 1, 5), axes=(1,)), ""),
    Example("reverse_nothing", lambda net: reverse(net.input(3, 5), axes=()), "", label="no axis"),
    Example("reverse_nothing", lambda net: reverse(net.input(3, 1), axes=(0, 1)), None),
    Example("split_of_one", lambda net: split(net.input(3, N), axis=1, sizes=(N,))[0], ""),
    Example("split_of_one", lambda net: split(net.input(3, 4), axis=1, sizes=(4, 0))[0], None),
    Example("concat_of_one", lambda net: concat(net.input(3, 4), axis=1), ""),
    Example("concat_of_one", lambda net: concat(net.input(3, 4), net.input(3, 0), axis=1), None),
    Example("cast_nothing", lambda net: cast(net.input(3), dtype=DType.FLOAT32), ""),
    Example("cast_nothing", lambda net: cast(net.input(3), dtype=DType.FLOAT16), None),
    Example("slice_nothing", lambda net: sliced(net, 0, 6, 1), ""),
    Example("slice_nothing", lambda net: sliced(net, 0, 5, 1), None, label="shorter"),
    Example("slice_nothing", lambda net: slice_(net.input(2, 1), axes=(1,), starts=(0,), stops=(1,), steps=(2,)), None,
            label="a step"),
    Example("tile_nothing", lambda net: tile(net.input(2, N), repeats=(1, 1)), ""),
    Example("tile_nothing", lambda net: tile(net.input(2, 3), repeats=(1, 2)), None),
    Example("tile_nothing", lambda net: tile(net.input(2, 3), repeats=(1, N)), None, label="symbolic"),
    Example("tile_of_ones_is_broadcast", lambda net: tile(net.input(2, 1), repeats=(1, 3)), "broadcast"),
    Example("tile_of_ones_is_broadcast", lambda net: tile(net.input(1, N), repeats=(2, 1)), "broadcast", label="any"),
    Example("tile_of_ones_is_broadcast", lambda net: tile(net.input(2, 1), repeats=(2, 3)), None, label="others too"),
    Example("tile_of_ones_is_broadcast", lambda net: tile(net.input(2, 1), repeats=(1, 1)), None, label="nothing"),
    Example("pad_nothing", lambda net: pad(net.input(2, N), padding=((0, 0), (0, 0))), ""),
    Example("pad_nothing", lambda net: pad(net.input(2), padding=((0, 0),), mode="wrap"), "", label="wrap"),
    Example("pad_nothing", lambda net: pad(net.input(2, 3), padding=((0, 0), (0, 1))), None),
    Example("padding_into_conv", lambda net: padded_conv(net, *SPATIAL), "conv"),
    Example("padding_into_conv", lambda net: padded_conv(net, *SPATIAL, bias=True), "conv", label="bias"),
    Example("padding_into_conv", lambda net: padded_conv(net, (0, 0), (1, 0), (1, 1), (1, 1)), None,
            "channels or pictures are padded too"),
    Example("padding_into_conv", lambda net: padded_conv(net, *SPATIAL, gaps=2), None,
            "conv puts gaps between the padded elements"),
    Example("padding_into_conv", lambda net: padded_conv(net, (0, 0), (0, 0), (-1, 1), (1, 1)), None,
            "the padding cuts off, or is not known"),
    Example("padding_into_conv", lambda net: padded_conv(net, *SPATIAL, value=1.0), None, label="not zeros"),
    Example("padding_into_conv", lambda net: padded_conv(net, *SPATIAL, value=-0.0), None, label="negative zeros"),
    Example("padding_into_conv", lambda net: padded_conv(net, *SPATIAL, mode="edge"), None, label="edges"),
    Example("padding_into_conv", lambda net: convolved(mul(net.input(1, 2, 3, 3), net.input(1, 2, 3, 3)),
                                                       net.weight(1, 2, 1, 1)), None, label="no padding"),
)  # fmt: skip
