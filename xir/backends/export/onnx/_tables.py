"""All forms, family by family; an operator without one comes apart by its own decomposition."""

from __future__ import annotations

from xir.backends.export.onnx import (
    activation,
    attention,
    constant,
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
    ml_svm,
    ml_trees,
    norm,
    pool,
    random,
    recurrent,
    reduce,
    resize,
    shape,
    signal,
)
from xir.backends.export.onnx._form import Forms

FORMS = Forms(
    constant.forms,
    elementwise.forms,
    activation.forms,
    reduce.forms,
    shape.forms,
    index.forms,
    matmul.forms,
    conv.forms,
    pool.forms,
    norm.forms,
    gating.forms,
    memory.forms,
    attention.forms,
    recurrent.forms,
    resize.forms,
    detection.forms,
    signal.forms,
    linalg.forms,
    ml_trees.forms,
    grid.forms,
    ml_svm.forms,
    ml_encoders.forms,
    random.forms,
    loss.forms,
)
"""Operator -> form."""
