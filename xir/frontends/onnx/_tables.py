"""All handlers, family by family."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._versions import Handler, Versions
from xir.frontends.onnx.handlers import (
    activation,
    attention,
    batch_norm,
    control,
    conv,
    detection,
    elementwise,
    gating,
    grid,
    index,
    linalg,
    loss,
    matmul,
    memory,
    ml_encoders,
    ml_linear,
    ml_svm,
    ml_trees,
    norm,
    patches,
    pool,
    random,
    recurrent,
    reduce,
    resize,
    sequence,
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
    gating.handlers,
    memory.handlers,
    batch_norm.handlers,
    attention.handlers,
    recurrent.handlers,
    resize.handlers,
    detection.handlers,
    control.handlers,
    sequence.handlers,
    signal.handlers,
    linalg.handlers,
    ml_trees.handlers,
    grid.handlers,
    patches.handlers,
    ml_svm.handlers,
    ml_linear.handlers,
    ml_encoders.handlers,
    random.handlers,
    loss.handlers,
)
"""`operator-version` -> handler."""

VERSIONS = Versions(HANDLERS)
"""The same, sorted by operator."""
