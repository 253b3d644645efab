"""Types to propose for an input whose shape no file tells: tried on the net until the weights agree."""

from __future__ import annotations

from collections.abc import Iterator

from xir.frontends.caffe.inputs import first_channels
from xir.frontends.caffe.kinds import LOSS, METRIC, TRAINING
from xir.frontends.caffe.net import Layer, Net
from xir.ir.dims import Dim
from xir.ir.types import DType, TensorType

_SIDES = (224, 28, 32, 227, 231, 299, 300, 321, 416, 473, 512, 513, 48, 64, 96, 112, 128, 160, 256, 12, 24)
"""Heights of well-known nets, the commonest first: ImageNet's 224, MNIST's 28, CIFAR's 32, ..."""

_MAX_LAYERS = 2000
"""Larger nets are not tried out: the proposal must not cost more than the import."""

_CHANNELS = 3
_SIDE = 224


def _width(name: str, net: Net) -> int | None:
    """The length of the rows where the input goes straight into an InnerProduct."""
    for layer in net.layers:
        if name in layer.bottoms and layer.kind == "InnerProduct" and layer.blobs:
            shape = layer.blobs[0].shape
            return shape[-1] if len(shape) >= 2 else None
    return None


def _known_side(layer: Layer | None) -> int | None:
    return layer.param("transform_param").optional_integer("crop_size") if layer is not None else None


_PASSES_ON = frozenset({"Slice", "Split", "Flatten", "Reshape", "Concat", "Silence"})
"""Layers through which labels reach the losses."""


def _is_label(name: str, net: Net) -> bool:
    """Whether nothing but losses and metrics read the blob, also in pieces, and none of them as what it judges."""
    names, judged = {name}, False
    for layer in net.layers:
        if names.isdisjoint(layer.bottoms):
            continue
        if layer.kind in _PASSES_ON:
            names.update(layer.tops)
        elif layer.kind in LOSS | METRIC | TRAINING and layer.bottoms[0] not in names:
            judged = True
        else:
            return False
    return judged


def _label_type(name: str, net: Net) -> str:
    """One number an item, or the fewest columns that a Slice can cut."""
    for layer in net.layers:
        if layer.kind == "Slice" and name in layer.bottoms:
            points = layer.param("slice_param").integers("slice_point")
            return f"f32[N,{max(points, default=len(layer.tops) - 1) + 1}]"
    return "f32[N]"


def candidates(name: str, net: Net, layer: Layer | None, batch: Dim) -> Iterator[TensorType]:
    """Types that may fit, the likeliest first; none where the net brings no weights that could tell."""
    if not any(one.blobs for one in net.layers) or len(net.layers) > _MAX_LAYERS:
        return
    if _is_label(name, net):
        return
    side = _known_side(layer)
    channels = first_channels(name, net, (side, side) if side else None)
    for one in (side,) if side else _SIDES:
        for depth in (channels,) if channels else (_CHANNELS, 1):
            yield TensorType(DType.FLOAT32, (batch, depth, one, one))
    width = _width(name, net)
    if width is not None:
        yield TensorType(DType.FLOAT32, (batch, width))


def fallback(name: str, net: Net, layer: Layer | None) -> str:
    """The type to show when nothing could be tried, or nothing fitted."""
    if _is_label(name, net):
        return _label_type(name, net)
    side = _known_side(layer) or _SIDE
    channels = first_channels(name, net, None) or _CHANNELS
    return f"f32[N,{channels},{side},{side}]"
