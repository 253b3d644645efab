"""Forms of convolutions: layers of `torch.nn`; padding that differs before and after stands in front."""

from __future__ import annotations

from xir.backends.export.nodes import with_gaps
from xir.backends.export.torch._form import (
    Answer,
    Argument,
    Forms,
    Layer,
    Refusal,
    Say,
    again,
    ints,
    known_pairs,
    operand,
    pairs,
    whole,
)
from xir.backends.export.torch.matmul import options
from xir.ir.node import Node, Value
from xir.ops.conv import conv, conv_transpose
from xir.ops.shape import pad, reshape

forms = Forms()

_RANKS = (1, 2, 3)
"""Spatial axes of PyTorch's convolutions."""


def short(values: tuple[int, ...]) -> Argument:
    """One number where all are the same."""
    return values[0] if len(set(values)) == 1 else values


def around(node: Node, x: Value) -> tuple[tuple[int, ...] | None, Value]:
    """Padding that is the same before and after, or None and `x` with its own padding."""
    padding = pairs(node)
    known = known_pairs(padding)
    if known is not None and all(a == b and a >= 0 for a, b in known):
        return tuple(a for a, _ in known), x
    return None, pad(x, padding=((0, 0), (0, 0), *padding), mode="constant", value=0.0)


def none(node: Node) -> tuple[tuple[int, int], ...]:
    """No padding along any axis."""
    return ((0, 0),) * len(pairs(node))


@forms.of(conv)
def _conv(node: Node) -> Answer:
    """nn.Conv1d, 2d and 3d; input dilation and uneven padding are brought about first."""
    x, w, bias = operand(node), operand(node, 1), node.inputs[2]
    gaps = ints(node, "input_dilation")
    rank = x.rank - 2
    if any(step != 1 for step in gaps):
        return again(node, (with_gaps(x, gaps), w, bias), input_dilation=(1,) * len(gaps))
    if rank not in _RANKS:
        return _of_other_rank(node, x, w, bias)
    padding, source = around(node, x)
    if padding is None:
        return again(node, (source, w, bias), padding=none(node))
    if not x.dtype.is_floating:
        wide = Say("{}.to(torch.float64)", x), Say("{}.to(torch.float64)", w)
        return Say("{}.to({})", _functional(node, "conv", wide[0], wide[1], bias, padding), x.dtype)
    said = _functional(node, "conv", x, w, bias, padding)
    if not all(isinstance(size, int) for size in w.shape):
        return said
    window = tuple(int(size) for size in w.shape[2:] if isinstance(size, int))
    groups = whole(node, "groups")
    keywords = _keywords(node, padding, groups, bias, w)
    channels = w.shape[1] * groups if isinstance(w.shape[1], int) else 0
    weights: dict[str, tuple[Value, tuple[int, ...] | None]] = {"weight": (w, None)}
    if bias is not None:
        weights["bias"] = (bias, None)
    return Layer(f"Conv{rank}d", (channels, w.shape[0], short(window)), keywords, weights, (x,), said)


def _keywords(node: Node, padding: tuple[int, ...], groups: int, bias: Value | None, w: Value) -> dict[str, Argument]:
    keywords: dict[str, Argument] = {}
    if any(step != 1 for step in ints(node, "strides")):
        keywords["stride"] = short(ints(node, "strides"))
    if any(padding):
        keywords["padding"] = short(padding)
    if any(step != 1 for step in ints(node, "dilation")):
        keywords["dilation"] = short(ints(node, "dilation"))
    if groups != 1:
        keywords["groups"] = groups
    if bias is None:
        keywords["bias"] = False
    return {**keywords, **options(w)}


def _functional(node: Node, kind: str, x: Argument, w: Argument, bias: Value | None, padding: tuple[int, ...]) -> Say:
    rank = operand(node).rank - 2
    rest: list[Argument] = [ints(node, "strides"), padding]
    if kind == "conv":
        rest += [ints(node, "dilation"), whole(node, "groups")]
    else:
        rest += [ints(node, "output_padding"), whole(node, "groups"), ints(node, "dilation")]
    template = ", ".join(["{}"] * (3 + len(rest)))
    return Say(f"F.{kind}{rank}d({template})", x, w, bias, *rest)


def _of_other_rank(node: Node, x: Value, w: Value, bias: Value | None) -> Answer:
    """Without spatial axes: as if there were one of size 1."""
    if x.rank != 2:
        return Refusal(f"PyTorch has no convolution over {x.rank - 2} axes")
    wide = reshape(x, shape=(*x.shape, 1)), reshape(w, shape=(*w.shape, 1))
    pair = ((0, 0),)
    (made,) = again(node, (*wide, bias), strides=(1,), padding=pair, dilation=(1,), input_dilation=(1,))
    return reshape(made, shape=node.outputs[0].shape)


@forms.of(conv_transpose)
def _conv_transpose(node: Node) -> Answer:
    """nn.ConvTranspose1d, 2d and 3d where the padding is even; others come apart."""
    x, w, bias = operand(node), operand(node, 1), node.inputs[2]
    rank = x.rank - 2
    padding = known_pairs(pairs(node))
    extra, strides, dilation = ints(node, "output_padding"), ints(node, "strides"), ints(node, "dilation")
    small = all(e < max(s, d) for e, s, d in zip(extra, strides, dilation, strict=True))
    if rank not in _RANKS or padding is None or not small or any(a != b or a < 0 for a, b in padding):
        return Refusal("an uneven padding")
    even = tuple(a for a, _ in padding)
    said = _functional(node, "conv_transpose", x, w, bias, even)
    if not all(isinstance(size, int) for size in w.shape):
        return said
    window = tuple(int(size) for size in w.shape[2:] if isinstance(size, int))
    groups = whole(node, "groups")
    keywords = _keywords(node, even, groups, bias, w)
    if any(extra):
        keywords["output_padding"] = short(extra)
    weights: dict[str, tuple[Value, tuple[int, ...] | None]] = {"weight": (w, None)}
    if bias is not None:
        weights["bias"] = (bias, None)
    outputs = w.shape[1] * groups if isinstance(w.shape[1], int) else 0
    return Layer(f"ConvTranspose{rank}d", (w.shape[0], outputs, short(window)), keywords, weights, (x,), said)
