"""Forms of functions and activations that Keras has besides what TFLite has."""

from __future__ import annotations

from xir.backends.export.forms import AnyOp, Table
from xir.backends.export.keras._form import Form, decomposed, each, free, freely
from xir.backends.export.tflite._form import Answer, operand, real
from xir.ir.node import Node
from xir.ops import activation as ops
from xir.ops import elementwise

forms = Table[Form]()

_FUNCTIONS: tuple[tuple[AnyOp, str], ...] = (
    (elementwise.erf, "Erf"),
    (elementwise.reciprocal, "Reciprocal"),
    (elementwise.sign, "Sign"),
    (elementwise.tan, "Tan"),
    (elementwise.asin, "Arcsin"),
    (elementwise.acos, "Arccos"),
    (elementwise.atan, "Arctan"),
    (elementwise.sinh, "Sinh"),
    (elementwise.cosh, "Cosh"),
    (elementwise.asinh, "Arcsinh"),
    (elementwise.acosh, "Arccosh"),
    (elementwise.atanh, "Arctanh"),
    (ops.softsign, "Softsign"),
)
_LAYERS = ((ops.sigmoid, "sigmoid"), (ops.tanh, "tanh"), (ops.softplus, "softplus"), (ops.mish, "mish"))
for _operator, _kind in _FUNCTIONS:
    forms.of(_operator)(each(_kind))
for _function, _word in _LAYERS:
    forms.of(_function)(freely("Activation", activation=_word))


@forms.of(ops.elu)
def _elu(node: Node) -> Answer:
    """ELU."""
    return freely("ELU", alpha=real(node, "alpha"))(node)


@forms.of(ops.swish)
def _swish(node: Node) -> Answer:
    """The activation `silu`, whose factor is 1."""
    return freely("Activation", activation="silu")(node) if real(node, "beta") == 1.0 else decomposed(node)


@forms.of(ops.celu)
def _celu(node: Node) -> Answer:
    return free("Celu", [operand(node)], alpha=real(node, "alpha"))
