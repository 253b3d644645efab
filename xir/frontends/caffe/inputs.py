"""The inputs of a net: Input layers with their shapes, and data layers, whose shapes must be found out.

A data layer tells the crop size and the batch size at best; the channels come from the first weights that read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xir.errors import InvalidModelError
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.net import Layer, Net
from xir.ir.dims import Dim
from xir.ir.types import DType, TensorType, Type
from xir.limits import element_count

_PARAMS = {
    "Data": "data_param",
    "ImageData": "image_data_param",
    "ImageSegData": "image_data_param",
    "DenseImageData": "dense_image_data_param",
    "HDF5Data": "hdf5_data_param",
    "MemoryData": "memory_data_param",
    "WindowData": "window_data_param",
    "DummyData": "dummy_data_param",
}

_KEEPS_CHANNELS = frozenset({
    "BatchNorm", "BN", "Bias", "Dropout", "Flatten", "LRN", "MVN", "Power", "ReLU", "Scale", "Split",
})  # fmt: skip
"""Layers behind an input whose readers still tell its channels."""


def declared_inputs(layer: Layer) -> dict[str, TensorType]:
    """The types of an Input layer's tops (input_layer.cpp): one shape for all, or one each; {} when it has none.

    Raises:
        InvalidModelError: if the number of shapes fits neither rule, or a size is negative.
    """
    shapes = layer.param("input_param").messages("shape")
    if not shapes:
        return {}
    return _each(layer, [shape.integers("dim") for shape in shapes], "the input")


def _each(layer: Layer, shapes: Sequence[tuple[int, ...]], what: str) -> dict[str, TensorType]:
    if len(shapes) not in (1, len(layer.tops)):
        raise InvalidModelError(f"the layer has {len(layer.tops)} tops and {len(shapes)} shapes; expected 1 or as many")
    for dims in shapes:
        element_count(dims, what=what)
    chosen = list(shapes) * len(layer.tops) if len(shapes) == 1 else list(shapes)
    return {top: TensorType(DType.FLOAT32, dims) for top, dims in zip(layer.tops, chosen, strict=True)}


def data_inputs(layer: Layer, net: Net, batch: Dim) -> dict[str, TensorType]:
    """The types of a data layer's tops, as far as they can be found out, for batches of `batch`.

    The first top is the data, the others are labels of one number an item (base_data_layer.cpp).
    """
    if layer.kind == "DummyData":
        return _dummy_inputs(layer)
    found: dict[str, TensorType] = {}
    spatial = _spatial(layer)
    channels = None if spatial is None or not layer.tops else _channels(layer, net, spatial)
    if spatial is not None and channels is not None:
        found[layer.tops[0]] = TensorType(DType.FLOAT32, (batch, channels, *spatial))
    for top in layer.tops[1:]:
        found[top] = TensorType(DType.FLOAT32, (batch,))
    return found


def _dummy_inputs(layer: Layer) -> dict[str, TensorType]:
    """DummyData names its shapes, in today's form or as four numbers each (dummy_data_layer.cpp)."""
    param = layer.param("dummy_data_param")
    shapes = [shape.integers("dim") for shape in param.messages("shape")]
    if not shapes:
        legacy = [param.integers(name) for name in ("num", "channels", "height", "width")]
        if len({len(values) for values in legacy}) != 1:
            raise InvalidModelError("num, channels, height and width must stand equally often (dummy_data_layer.cpp)")
        shapes = list(zip(*legacy, strict=True))
    return _each(layer, shapes, "the dummy data")


def _spatial(layer: Layer) -> tuple[int, int] | None:
    """Height and width: the crop size, else the size that pictures are brought to."""
    transform = layer.param("transform_param")
    crop = transform.optional_integer("crop_size")
    both = (
        _two(transform, "crop_height", "crop_width")
        or _two(transform, "crop_h", "crop_w")
        or _two(transform.message("resize_param"), "height", "width")
    )
    if crop:
        return crop, crop
    name = _PARAMS.get(layer.kind)
    if both or name is None:
        return both
    param = layer.param(name)
    if name in ("data_param", "image_data_param", "window_data_param"):
        old = param.optional_integer("crop_size")  # V0 and V1 had it here
        if old:
            return old, old
    if name == "dense_image_data_param":  # SegNet's pictures with a label for every pixel
        return _two(param, "crop_height", "crop_width") or _two(param, "new_height", "new_width")
    if name == "image_data_param":
        return _two(param, "new_height", "new_width")
    return _two(param, "height", "width") if name == "memory_data_param" else None


def _two(param: Message, height: str, width: str) -> tuple[int, int] | None:
    sizes = param.optional_integer(height), param.optional_integer(width)
    return (sizes[0], sizes[1]) if sizes[0] and sizes[1] else None


def _channels(layer: Layer, net: Net, spatial: tuple[int, int]) -> int | None:
    if layer.kind == "MemoryData":
        return layer.param("memory_data_param").optional_integer("channels")
    transform = layer.param("transform_param")
    if transform.boolean("force_gray"):
        return 1
    means = len(transform.numbers("mean_value"))
    return first_channels(layer.tops[0], net, spatial) or (means if means > 1 else None)


def first_channels(top: str, net: Net, spatial: tuple[int, int] | None) -> int | None:
    """The channels of a blob as the first weights that read it tell, also behind layers that keep them."""
    names = {top}
    for layer in net.layers:
        if names.isdisjoint(layer.bottoms):
            continue
        if layer.kind in _KEEPS_CHANNELS:
            names.update(layer.tops)
        shape = layer.blobs[0].shape if layer.blobs else ()
        if layer.kind == "Convolution" and len(shape) == 4:
            return shape[1] * layer.param("convolution_param").integer("group")
        area = spatial[0] * spatial[1] if spatial is not None else 0
        if layer.kind == "InnerProduct" and len(shape) >= 2 and area and shape[-1] % area == 0:
            return shape[-1] // area
    return None


def missing_input(name: str, layer: str, example: str, nearby: Sequence[str] = ()) -> InvalidModelError:
    """The error for an input whose shape nothing tells: the line to add, and the prototxts that lie nearby."""
    hint = f"add --input {name}={example}"
    if nearby:
        hint += ", or --prototxt with one of: " + ", ".join(nearby)
    return InvalidModelError(
        f"the shape of input {name!r} is not in the file", number=507, layer=layer or None, hint=hint
    )


def check_overrides(inputs: Mapping[str, Type], used: Sequence[str]) -> None:
    """Refuses an `--input` that names no input of the model.

    Raises:
        InvalidModelError: if there is such a name.
    """
    known = set(used)
    for name in inputs:
        if name not in known:
            raise InvalidModelError(
                f"--input {name}: the model has no input of that name", number=508, hint=f"its inputs: {list(used)}"
            )
