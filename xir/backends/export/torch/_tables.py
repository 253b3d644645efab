"""All forms, family by family; an operator without one comes apart by its own decomposition."""

from __future__ import annotations

from xir.backends.export.torch import (
    activation,
    control,
    conv,
    detection,
    elementwise,
    index,
    late,
    matmul,
    norm,
    pool,
    reduce,
    resize,
    sequence,
    shape,
)
from xir.backends.export.torch._form import Forms

FORMS = Forms(
    elementwise.forms,
    activation.forms,
    shape.forms,
    reduce.forms,
    index.forms,
    matmul.forms,
    conv.forms,
    pool.forms,
    norm.forms,
    control.forms,
    late.forms,
    sequence.forms,
    detection.forms,
    resize.forms,
)
"""Operator -> form."""
