"""Examples of literals and the identity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.constant import constant_of
from xir.ops.constant import constant, identity


def cases() -> Iterator[Case]:
    yield case(constant, value=constant_of(np.arange(6, dtype=np.float32).reshape(2, 3)))
    yield case(identity, normal(2, 3))
