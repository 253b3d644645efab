"""The inputs of a net: Input layers with their shapes, and data layers, whose shapes must be found out.

A data layer tells the crop size and the batch size at best; the channels come from the first weights that read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xir.errors import InvalidModelError
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.net import Layer, Net
from xir.ir.dims import Dim, Symbol
from xir.ir.types import DType, TensorType, Type
from xir.limits import element_count

_PARAMS = {
    "Data": "data_param",
    "ImageData": "image_data_param",
    "HDF5Data": "hdf5_data_param",
    "MemoryData": "memory_data_param",
    "WindowData": "window_data_param",
    "DummyData": "dummy_data_param",
}


def declared_inputs(layer: Layer) -> dict[str, TensorType]:
    """The types of an Input layer's tops (input_layer.cpp): one shape for all, or one each; {} when it has none.

    Raises:
        InvalidModelError: if the number of shapes fits neither rule, or a size is negative.
    """
    shapes = layer.param("input_param").messages("shape")
    if not shapes:
        return {}
    if len(shapes) not in (1, len(layer.tops)):
        raise InvalidModelError(f"the layer has {len(layer.tops)} tops and {len(shapes)} shapes; expected 1 or as many")
    chosen = list(shapes) * len(layer.tops) if len(shapes) == 1 else list(shapes)
    return {top: _type_of(shape) for top, shape in zip(layer.tops, chosen, strict=True)}


def _type_of(shape: Message) -> TensorType:
    dims = shape.integers("dim")
    element_count(dims, what="the input")
    return TensorType(DType.FLOAT32, dims)


def data_inputs(layer: Layer, net: Net) -> dict[str, Type]:
    """The types of a data layer's tops, as far as they can be found out; the batch is symbolic (`N`).

    The first top is the data, the others are labels of one number an item (base_data_layer.cpp).
    """
    if layer.kind == "DummyData":
        return _dummy_inputs(layer)
    found: dict[str, Type] = {}
    if not layer.tops:
        return found
    batch: Dim = Symbol("N", minimum=1)
    spatial = _spatial(layer)
    channels = None if spatial is None else _channels(layer.tops[0], net, spatial)
    if spatial is not None and channels is not None:
        found[layer.tops[0]] = TensorType(DType.FLOAT32, (batch, channels, *spatial))
    for top in layer.tops[1:]:
        found[top] = TensorType(DType.FLOAT32, (batch,))
    return found


def _dummy_inputs(layer: Layer) -> dict[str, Type]:
    param = layer.param("dummy_data_param")
    param.ignore("data_filler")
    shapes: list[Sequence[int]] = [shape.integers("dim") for shape in param.messages("shape")]
    legacy = [param.integers(name) for name in ("num", "channels", "height", "width")]
    if not shapes:
        shapes = [list(dims) for dims in zip(*legacy, strict=True)]
    if len(shapes) == 1:
        shapes = shapes * len(layer.tops)
    if len(shapes) != len(layer.tops):
        raise InvalidModelError(f"the layer has {len(layer.tops)} tops and {len(shapes)} shapes; expected 1 or as many")
    for shape in shapes:
        element_count(shape, what="the dummy data")
    return {
        top: TensorType(DType.FLOAT32, tuple(shape)) for top, shape in zip(layer.tops, shapes, strict=True)
    }


def _spatial(layer: Layer) -> tuple[int, int] | None:
    """Height and width: the crop size, else the size that images are brought to."""
    crop = layer.param("transform_param").optional_integer("crop_size")
    name = _PARAMS.get(layer.kind)
    param = layer.param(name) if name is not None else None
    if not crop and param is not None and name in ("data_param", "image_data_param", "window_data_param"):
        crop = param.optional_integer("crop_size")
    if crop:
        return crop, crop
    if param is not None and name == "image_data_param":
        height, width = param.optional_integer("new_height"), param.optional_integer("new_width")
        return (height, width) if height and width else None
    if param is not None and name == "memory_data_param":
        height, width = param.optional_integer("height"), param.optional_integer("width")
        return (height, width) if height and width else None
    return None


def _channels(top: str, net: Net, spatial: tuple[int, int]) -> int | None:
    for layer in net.layers:
        if layer.kind == "MemoryData" and top in layer.tops:
            return layer.param("memory_data_param").optional_integer("channels")
        if top not in layer.bottoms or not layer.blobs:
            continue
        shape = layer.blobs[0].shape
        if layer.kind == "Convolution" and len(shape) == 4:
            return shape[1] * layer.param("convolution_param").integer("group")
        if layer.kind == "InnerProduct" and len(shape) >= 2 and shape[-1] % (spatial[0] * spatial[1]) == 0:
            return shape[-1] // (spatial[0] * spatial[1])
    return None


def missing_input(name: str, layer: str, example: str, nearby: Sequence[str] = ()) -> InvalidModelError:
    """The error for an input whose shape nothing tells: the line to add, and the prototxts that lie nearby."""
    hint = f"add --input {name}={example}"
    if nearby:
        hint += ", or --prototxt with one of: " + ", ".join(nearby)
    return InvalidModelError(
        f"the shape of input {name!r} is not in the file", number=507, layer=layer or None, hint=hint
    )


def example_type(channels: int | None) -> str:
    """The type to propose in an error when sizes are unknown."""
    return f"f32[1,{channels or 3},224,224]"


def check_overrides(inputs: Mapping[str, Type], used: set[str], known: Sequence[str]) -> None:
    """Refuses an `--input` that names no input of the model.

    Raises:
        InvalidModelError: if there is such a name.
    """
    for name in inputs:
        if name not in used:
            raise InvalidModelError(
                f"--input {name}: the model has no input of that name", number=508, hint=f"its inputs: {list(known)}"
            )
