"""The operators of the namespace `prims` that torch's rules for taking operators apart leave in graphs.

They are stricter than ATen's: operands have one type and one shape (torch/_prims/__init__.py).
"""

from __future__ import annotations

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number, Tensor
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise

operators = Operators("prims")


@operators.op("convert_element_type(Tensor a, ScalarType dtype) -> Tensor")
def convert_element_type(call: Call, x: Value, dtype: DType) -> Tensor:
    """`x` in an element type."""
    return Tensor(call.cast(x, dtype))


@operators.op("fma(Tensor a, Tensor b, Tensor c) -> Tensor")
def fma(call: Call, x: Value | Number, y: Value | Number, z: Value | Number) -> Value:
    """`x * y + z`; the product is rounded, as PyTorch itself does it (torch/_inductor/inductor_prims.py, `fma`)."""
    return elementwise.add(*call.promoted(elementwise.mul(*call.promoted(x, y)), z))
