"""What leaves a graph: tensors that are no plain ones inside of it, as PyTorch has them."""

from __future__ import annotations

from xir.frontends.torch.call import COMPLEX, Call, Scope
from xir.frontends.torch.handlers.ragged import rows
from xir.ir.node import Value


def shown(scope: Scope, value: Value) -> Value:
    """The elements of a result.

    Complex ones are their parts along a last axis of 2, packed sequences one row for each step of each.

    Raises:
        UnsupportedError: it is a nested tensor.
    """
    call = Call("output", scope)
    return call.paired(value) if value.dtype in COMPLEX else rows(call, value)
