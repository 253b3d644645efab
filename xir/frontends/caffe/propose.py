"""Types to propose for an input whose shape no file tells: tried on the net until the weights agree."""

from __future__ import annotations

from collections.abc import Iterator

from xir.frontends.caffe.inputs import first_channels
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


def candidates(name: str, net: Net, layer: Layer | None, batch: Dim) -> Iterator[TensorType]:
    """Types that may fit, the likeliest first; none where the net brings no weights that could tell."""
    if not any(one.blobs for one in net.layers) or len(net.layers) > _MAX_LAYERS:
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
    side = _known_side(layer) or _SIDE
    channels = first_channels(name, net, None) or _CHANNELS
    return f"f32[N,{channels},{side},{side}]"
