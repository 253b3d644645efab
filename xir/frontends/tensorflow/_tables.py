"""All handlers of TensorFlow's operators."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler
from xir.frontends.tensorflow.handlers import array, cutting, math, nn, reduction, tensor_array

HANDLERS: Handlers[Handler] = Handlers(
    "tensorflow", math.handlers, array.handlers, cutting.handlers, nn.handlers, reduction.handlers
)
"""Operators of tensors."""

STATE_HANDLERS: Handlers[Handler] = Handlers("tensorflow", tensor_array.handlers)
"""Operators that take or make handles."""
