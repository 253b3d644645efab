"""Forms of pools: functions of `torch.nn.functional` where their windows lie as PyTorch lays them."""

from __future__ import annotations

from math import inf

from xir.backends.export.torch._form import (
    Answer,
    Forms,
    Refusal,
    Say,
    again,
    ints,
    known_pairs,
    operand,
    pairs,
)
from xir.backends.export.torch.conv import none, short
from xir.ir.dims import Dim
from xir.ir.node import Node, Value
from xir.ops.pool import average_pool, max_pool, max_pool_with_indices
from xir.ops.shape import pad

forms = Forms()

_RANKS = (1, 2, 3)


def _rounding(node: Node) -> tuple[tuple[int, ...], bool] | None:
    """Padding of both sides, and whether sizes round up, where PyTorch has the windows then; None where it has not.

    PyTorch pads by at most half a window, and a last window that begins behind the input and its first padding is
    left out (aten/src/ATen/native/Pool.h, pooling_output_shape).
    """
    known = known_pairs(pairs(node))
    x, result = operand(node), node.outputs[0]
    if known is None or x.rank - 2 not in _RANKS:
        return None
    window, strides, dilation = ints(node, "window"), ints(node, "strides"), ints(node, "dilation")
    if any(a < 0 or 2 * a > size for (a, _), size in zip(known, window, strict=True)):
        return None
    ahead = tuple(a for a, _ in known)
    for up in (False, True):
        axes = zip(x.shape[2:], result.shape[2:], known, window, strides, dilation, strict=True)
        if all(_fits(size, out, pair, w, s, d, up) for size, out, pair, w, s, d in axes):
            return ahead, up
    return None


def _fits(size: Dim, out: Dim, pair: tuple[int, int], window: int, stride: int, dilation: int, up: bool) -> bool:
    before, after = pair
    if not isinstance(size, int):
        return before == after and not up
    span = size + 2 * before - dilation * (window - 1) - 1
    count = -(-span // stride) + 1 if up else span // stride + 1
    if up and (count - 1) * stride >= size + before:
        count -= 1
    return span >= 0 and count == out


def _call(node: Node, function: str, found: tuple[tuple[int, ...], bool], dilated: bool, **more: bool) -> Say:
    padding, up = found
    options = [", padding={}"] if any(padding) else []
    arguments = [short(padding)] if any(padding) else []
    if dilated and any(step != 1 for step in ints(node, "dilation")):
        options.append(", dilation={}")
        arguments.append(short(ints(node, "dilation")))
    if up:
        options.append(", ceil_mode=True")
    options += [f", {name}={value}" for name, value in more.items()]
    rank = operand(node).rank - 2
    template = f"F.{function}{rank}d({{}}, {{}}, {{}}{''.join(options)})"
    return Say(template, operand(node), short(ints(node, "window")), short(ints(node, "strides")), *arguments)


def _lowered(node: Node) -> Value | None:
    """`x` with padding of the lowest number; None for integers, of which PyTorch pools few types."""
    x = operand(node)
    if known_pairs(pairs(node)) is not None and all(pair == (0, 0) for pair in pairs(node)):
        return None
    return pad(x, padding=((0, 0), (0, 0), *pairs(node)), mode="constant", value=-inf)


@forms.of(max_pool)
def _max_pool(node: Node) -> Answer:
    """F.max_pool1d, 2d and 3d."""
    x = operand(node)
    if not x.dtype.is_floating:
        return Refusal("a pool of integers")
    found = _rounding(node)
    if found is not None:
        return _call(node, "max_pool", found, True)
    padded = _lowered(node)
    return Refusal("a pool over so many axes") if padded is None else again(node, (padded,), padding=none(node))


@forms.of(max_pool_with_indices)
def _max_pool_with_indices(node: Node) -> Answer:
    """The same with the places."""
    found = _rounding(node)
    if found is None or not operand(node).dtype.is_floating:
        return Refusal("places of a pool with uneven padding")
    return _call(node, "max_pool", found, True, return_indices=True)


@forms.of(average_pool)
def _average_pool(node: Node) -> Answer:
    """F.avg_pool1d, 2d and 3d, which count the first padding or none; over all of it is a mean."""
    x, found = operand(node), _rounding(node)
    window = ints(node, "window")
    if window == x.shape[2:] and all(pair == (0, 0) for pair in pairs(node)) and len(window) in _RANKS:
        return Say("torch.mean({}, {}, keepdim=True)", x, tuple(range(2, x.rank)))
    if found is None or any(step != 1 for step in ints(node, "dilation")):
        return Refusal("an average that PyTorch counts otherwise")
    counted = known_pairs(pairs(node, "counted_padding"))
    ahead = tuple((size, size) for size in found[0])
    if counted == ahead:
        return _call(node, "avg_pool", found, False)
    if counted is not None and all(pair == (0, 0) for pair in counted):
        return _call(node, "avg_pool", found, False, count_include_pad=False)
    return Refusal("an average that PyTorch counts otherwise")
