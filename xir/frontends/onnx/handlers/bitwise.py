"""Operations on bits; ONNX broadcasts their operands."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ops import bitwise

handlers: Handlers[Handler] = Handlers("onnx")


def _binary(operator: Callable[[Value, Value], Value]) -> Handler:
    def handler(site: Site, x: Value, y: Value) -> Value:
        """One operator of two operands that broadcast against each other."""
        a, b = site.aligned(x, y)
        return operator(a, b)

    return handler


for _kind, _op in (
    ("BitwiseAnd", bitwise.bitwise_and),
    ("BitwiseOr", bitwise.bitwise_or),
    ("BitwiseXor", bitwise.bitwise_xor),
):
    handlers.layer(*versions(_kind, 18))(_binary(_op))


@handlers.layer(*versions("BitwiseNot", 18))
def inverted(site: Site, x: Value) -> Value:
    """BitwiseNot."""
    return bitwise.bitwise_not(x)


@handlers.layer(*versions("BitShift", 11, 28))
def shifted(site: Site, x: Value, y: Value) -> Value:
    """BitShift; before opset 28 without a sign, and the same where both wordings say something."""
    if site.opset < 28 and x.dtype.is_signed:
        site.invalid(f"BitShift before opset 28 takes no {x.dtype}")
    direction = site.text("direction")
    if direction not in ("LEFT", "RIGHT"):
        site.invalid(f"attribute 'direction' is {direction!r}, expected LEFT or RIGHT")
    a, b = site.aligned(x, y)
    return bitwise.shift_left(a, b) if direction == "LEFT" else bitwise.shift_right(a, b)
