"""Signatures: the same for kernels that are called otherwise, and for no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xir.ir.dims import Symbol
from xir.ir.types import DType
from xir.kernel.grammar import Apply, Axis, Buffer, Const, For, Kernel, Let, Load, Scalar, Store, Variable
from xir.kernel.signature import signature

F32 = DType.FLOAT32
ONE = Const(1.0, F32)


def kernel(
    names: tuple[str, ...] = ("x", "w", "y", "i", "v"),
    number: Scalar = ONE,
    extent: int | Symbol = 8,
    dtype: DType = F32,
    function: str = "add",
) -> Kernel:
    """y[i] = x[i] + w[i] + number."""
    x, w, y = (Buffer(name, dtype, (extent,)) for name in names[:3])
    axis, variable = Axis(names[3]), Variable(names[4], dtype)
    total = Apply(function, (Load(x, (axis,)), Load(w, (axis,))))
    body = (Let(variable, total), Store(y, (axis,), Apply("add", (variable, number))))
    return Kernel("sum", (x, w), (y,), (For(axis, extent, "parallel", body),))


def test_names_do_not_matter():
    assert signature(kernel()) == signature(kernel(("a", "b", "c", "d", "e")))
    assert signature(kernel(("x", "w", "y", "x", "x"))) == signature(kernel())
    assert hash(signature(kernel())) == hash(signature(kernel(("a", "b", "c", "d", "e"))))


def swapped() -> Kernel:
    """The operands of the first sum, exchanged."""
    made = kernel()
    return replace(made, inputs=made.inputs[::-1])


OTHERS = {
    "one buffer for two": kernel(("x", "x", "y", "i", "v")),
    "exchanged buffers": swapped(),
    "a number": kernel(number=Const(2.0, F32)),
    "a sign": kernel(number=Const(-0.0, F32)),
    "no sign": kernel(number=Const(0.0, F32)),
    "a number's kind": kernel(number=Const(1, F32)),
    "a truth": kernel(number=Const(True, F32)),
    "an operand": kernel(number=Axis("i")),
    "a size": kernel(extent=9),
    "a symbol": kernel(extent=Symbol("N")),
    "another symbol": kernel(extent=Symbol("M")),
    "a type": kernel(dtype=DType.FLOAT64),
    "a function": kernel(function="mul"),
    "an operator": replace(kernel(), name="other"),
    "fewer statements": replace(kernel(), body=()),
}


@pytest.mark.parametrize("name", OTHERS)
def test_all_else_matters(name):
    assert signature(OTHERS[name]) != signature(kernel())
    assert all(signature(OTHERS[name]) != signature(each) for other, each in OTHERS.items() if other != name)


def test_deep_kernels():
    total: Scalar = ONE
    for _ in range(5000):
        total = Apply("neg", (total,))
    assert signature(kernel(number=total)) == signature(kernel(("a", "b", "c", "d", "e"), number=total))
