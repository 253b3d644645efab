"""Forms of pools over one, two and three axes; padding that is neither valid nor same stands in front."""

from __future__ import annotations

from math import inf

from xir.backends.export.forms import Table
from xir.backends.export.keras._form import Form, layer
from xir.backends.export.tflite._form import Answer, Laid, Refusal, again, channels_last, ints, operand, pairs
from xir.backends.export.tflite.conv import scheme
from xir.backends.export.tflite.pool import factors
from xir.flatbuffer.write import Content
from xir.ir.node import Node
from xir.ops.elementwise import mul
from xir.ops.pool import average_pool, max_pool
from xir.ops.shape import pad

forms = Table[Form]()

_MOST = 5


def _pooled(node: Node, kind: str, found: str) -> Answer:
    x = operand(node)
    last = channels_last(x.rank)
    config: dict[str, Content] = {
        "pool_size": ints(node, "window"),
        "strides": ints(node, "strides"),
        "padding": found.lower(),
    }
    return layer(f"{kind}{x.rank - 2}D", [Laid(x, last)], (), last, **config)


def _scheme(node: Node) -> str | Refusal | None:
    """How the windows lie; a refusal where no layer pools so."""
    x, window, dilation = operand(node), ints(node, "window"), ints(node, "dilation")
    if set(dilation) != {1} or x.rank > _MOST:
        return Refusal("a pool with holes, or over more than three axes")
    return scheme(x.shape[2:], node.outputs[0].shape[2:], window, ints(node, "strides"), pairs(node), dilation)


@forms.of(max_pool)
def _max_pool(node: Node) -> Answer:
    """MaxPooling1D, MaxPooling2D, MaxPooling3D."""
    found = _scheme(node)
    if isinstance(found, Refusal):
        return found
    if found is not None:
        return _pooled(node, "MaxPooling", found)
    padded = pad(operand(node), padding=((0, 0), (0, 0), *pairs(node)), value=-inf)
    return again(node, (padded,), padding=((0, 0),) * (padded.rank - 2))


@forms.of(average_pool)
def _average_pool(node: Node) -> Answer:
    """AveragePooling1D and its kin, which count no padding; where some counts the sum is divided by known numbers."""
    found, counted = _scheme(node), pairs(node, "counted_padding")
    if isinstance(found, Refusal):
        return found
    none = ((0, 0),) * len(counted)
    if found == "VALID" or (found == "SAME" and counted == none):
        return _pooled(node, "AveragePooling", found)
    padded = pad(operand(node), padding=((0, 0), (0, 0), *pairs(node)))
    (made,) = again(node, (padded,), padding=none, counted_padding=none)
    if counted == pairs(node):
        return made
    weights = factors(node)
    return Refusal("an average over sizes that are not known before the run") if weights is None else mul(made, weights)
