"""All handlers, family by family."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._versions import Handler, Versions
from xir.frontends.onnx.handlers import (
    activation,
    conv,
    detection,
    elementwise,
    index,
    linalg,
    matmul,
    norm,
    pool,
    recurrent,
    reduce,
    resize,
    shape,
    signal,
)

HANDLERS: Handlers[Handler] = Handlers(
    "onnx",
    elementwise.handlers,
    activation.handlers,
    reduce.handlers,
    shape.handlers,
    index.handlers,
    matmul.handlers,
    conv.handlers,
    pool.handlers,
    norm.handlers,
    recurrent.handlers,
    resize.handlers,
    detection.handlers,
    signal.handlers,
    linalg.handlers,
)
"""`operator-version` -> handler."""

VERSIONS = Versions(HANDLERS)
"""The same, sorted by operator."""
