"""The handlers of all layer types, one file a family; merged here, by name, and nowhere else."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers import (
    activation,
    convolution,
    detection,
    linear,
    loss,
    norm,
    other,
    pooling,
    recurrent,
    reduction,
    region,
    resize,
    shape,
)
from xir.frontends.caffe.site import Handler

HANDLERS: Handlers[Handler] = Handlers(
    "caffe",
    convolution.handlers,
    pooling.handlers,
    activation.handlers,
    linear.handlers,
    norm.handlers,
    shape.handlers,
    resize.handlers,
    reduction.handlers,
    recurrent.handlers,
    detection.handlers,
    region.handlers,
    loss.handlers,
    other.handlers,
)
"""Layer type -> handler, for every type that xir knows by itself."""
