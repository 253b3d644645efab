"""Elements of live tensors, where they lie."""

from __future__ import annotations

from typing import cast

from xir.errors import UnsupportedError, UsageError
from xir.frontends.torch.element_types import ELEMENT_TYPES
from xir.frontends.torch.live.objects import LiveTensor, SymbolicNumber, torch_module
from xir.frontends.torch.program import Size, TensorInfo
from xir.ir.constant import Array, Constant
from xir.ir.types import DType, TensorType
from xir.reference.dlpack import borrowed

_BEYOND_NUMPY = frozenset(
    {
        DType.BFLOAT16,
        DType.FLOAT8E4M3FN,
        DType.FLOAT8E4M3FNUZ,
        DType.FLOAT8E5M2,
        DType.FLOAT8E5M2FNUZ,
        DType.FLOAT8E8M0,
    }
)
"""Types that torch does not hand to NumPy itself (torch/csrc/utils/tensor_numpy.cpp)."""


_NAMES = {
    element.dtype: name
    for name, element in ELEMENT_TYPES.items()
    if element.dtype is not None and not element.quantized
}
"""{type: what torch calls it}."""


def dtype_of(dtype: object) -> DType:
    """The type of xir for `torch.float32` and its like.

    Raises:
        UnsupportedError: it has none.
    """
    element = ELEMENT_TYPES.get(str(dtype).removeprefix("torch."))
    if element is None or element.dtype is None or element.quantized:
        raise UnsupportedError(f"xir has no elements of type {dtype}")
    return element.dtype


def size_of(size: object) -> Size:
    """A size: a number, or the formula of a `SymInt` as text."""
    return size if isinstance(size, int) else formula(cast("SymbolicNumber", size))


def formula(number: SymbolicNumber) -> str:
    """What a symbolic number is, as sympy writes it."""
    return str(number.node.expr)


def info_of(tensor: LiveTensor) -> TensorInfo:
    """Type and sizes.

    Raises:
        UnsupportedError: it is sparse, or of a type that xir has not.
    """
    if str(tensor.layout) != "torch.strided":
        raise UnsupportedError(f"a tensor of layout {tensor.layout}", hint="call .to_dense() on it")
    return TensorInfo(dtype_of(tensor.dtype), tuple(size_of(size) for size in tensor.shape))


def array_of(tensor: LiveTensor, what: str) -> Array:
    """The elements as an array; nothing is copied where they lie in the processor's memory as they are.

    Args:
        tensor: with elements.
        what: what it is, in words.

    Raises:
        UnsupportedError: it is sparse, or of a type that xir has not.
        UsageError: it has no elements.
    """
    dtype = info_of(tensor).dtype
    if tensor.device.type == "meta":
        raise UsageError(f"{what} has no elements: it is on the device meta", hint="materialize the module first")
    return borrowed(tensor.detach().cpu(), what) if dtype in _BEYOND_NUMPY else tensor.numpy(force=True)


def constant_of(tensor: LiveTensor, what: str) -> Constant:
    """The elements as a constant that shares them; see `array_of`."""
    view = array_of(tensor, what).view()
    view.flags.writeable = False
    return Constant(TensorType(dtype_of(tensor.dtype), view.shape), view)


def tensor_of(array: Array, dtype: DType) -> LiveTensor:
    """A tensor that shares the elements of an array; those of one that cannot be written are copied.

    Args:
        array: in row-major order.
        dtype: of its elements.
    """
    torch = torch_module()
    held = array if array.flags.writeable else array.copy()
    if dtype not in _BEYOND_NUMPY:
        return cast("LiveTensor", torch.from_numpy(held))
    bits = torch.from_numpy(held.view("i2" if dtype.bits == 16 else "u1"))
    return cast("LiveTensor", bits.view(torch_dtype(dtype)))


def torch_dtype(dtype: DType) -> object:
    """`torch.float32` and its like."""
    return cast("object", getattr(torch_module(), _NAMES[dtype]))
