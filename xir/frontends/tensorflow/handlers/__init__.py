"""Handlers of TensorFlow's operators, a file for each family, merged here."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler
from xir.frontends.tensorflow.handlers import (
    array,
    block,
    colour,
    crossing,
    cudnn,
    cutting,
    detection,
    examples,
    fused,
    image,
    index,
    lookup,
    math,
    matrix,
    nn,
    quantize,
    ragged,
    ragged_variant,
    random,
    random_crop,
    recurrent,
    reduction,
    resource,
    segment,
    sets,
    sparse,
    special,
    spectrum,
    tensor_array,
    tensor_list,
    text,
    variable,
)

HANDLERS: Handlers[Handler] = Handlers(
    "tensorflow",
    array.handlers,
    block.handlers,
    colour.handlers,
    crossing.handlers,
    cudnn.handlers,
    cutting.handlers,
    detection.handlers,
    examples.handlers,
    fused.handlers,
    image.handlers,
    index.handlers,
    math.handlers,
    matrix.handlers,
    nn.handlers,
    quantize.handlers,
    ragged.handlers,
    random.handlers,
    random_crop.handlers,
    recurrent.handlers,
    reduction.handlers,
    segment.handlers,
    sets.handlers,
    sparse.handlers,
    special.handlers,
    text.handlers,
    variable.handlers,
)
"""Operators of tensors."""

STATE_HANDLERS: Handlers[Handler] = Handlers(
    "tensorflow",
    lookup.handlers,
    ragged_variant.handlers,
    resource.handlers,
    spectrum.handlers,
    tensor_array.handlers,
    tensor_list.handlers,
)
"""Operators that take or make handles."""
