"""Sizes and numbers of tensors, and what a program asserts of them."""

from __future__ import annotations

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.ir.dims import Dim, product
from xir.ir.node import Value

operators = Operators("aten")


@operators.op("sym_size.int(Tensor self, int dim) -> SymInt", "size.int(Tensor self, int dim) -> int")
def size(call: Call, x: Value, axis: int) -> Dim:
    """The size of one axis."""
    return x.shape[call.axis(axis, x.rank)]


@operators.op("sym_numel(Tensor self) -> SymInt", "numel(Tensor self) -> int")
def numel(call: Call, x: Value) -> Dim:
    """The number of elements."""
    return product(x.shape)
