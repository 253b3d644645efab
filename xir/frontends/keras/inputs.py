"""The inputs of a model: their shapes, with sizes that the run tells, and their element types."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.keras.config import plain, whole
from xir.frontends.keras.model import Layer
from xir.ir.dims import Dim, Symbol
from xir.ir.types import DType, TensorType
from xir.limits import check_rank

DTYPES: Mapping[str, DType] = MappingProxyType(
    {
        "float16": DType.FLOAT16,
        "bfloat16": DType.BFLOAT16,
        "float32": DType.FLOAT32,
        "float64": DType.FLOAT64,
        "int8": DType.INT8,
        "int16": DType.INT16,
        "int32": DType.INT32,
        "int64": DType.INT64,
        "uint8": DType.UINT8,
        "uint16": DType.UINT16,
        "uint32": DType.UINT32,
        "uint64": DType.UINT64,
        "bool": DType.BOOL,
        "string": DType.STRING,
    }
)


def input_type(layer: Layer, batch: Symbol) -> TensorType:
    """The type of the tensor that an InputLayer stands for.

    Args:
        layer: the InputLayer.
        batch: the size of the batch where the file leaves it open, one for all inputs.

    Raises:
        InvalidModelError: it has no shape.
        UnsupportedError: its element type is none of ours, or it is sparse or ragged.
    """
    config = layer.config
    if config.get("sparse") or config.get("ragged"):
        raise UnsupportedError(f"the input {layer.name!r} is sparse or ragged", hint="feed dense tensors")
    sizes = plain(config.get("batch_shape", config.get("batch_input_shape")))
    if not isinstance(sizes, list):
        raise InvalidModelError(
            f"the model does not say the shape of its input {layer.name!r}",
            hint=f"type it: --input {layer.name}=f32[1,...]",
        )
    check_rank(len(sizes))
    shape: list[Dim] = []
    for axis, size in enumerate(sizes):
        known = None if size is None else whole(size, "batch_shape")
        if known is not None and known < 0:
            raise InvalidModelError(f"the input {layer.name!r} has the shape {sizes}")
        shape.append(known if known is not None else batch if axis == 0 else Symbol())
    word = config.get("dtype", config.get("input_dtype")) or "float32"
    if not isinstance(word, str) or word not in DTYPES:
        raise UnsupportedError(f"the input {layer.name!r} holds {str(word)[:40]!r}")
    return TensorType(DTYPES[word], tuple(shape))
