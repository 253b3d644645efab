"""Layers of f32 that `optimize_for_mobile` packed, `prepacked.*` (aten/src/ATen/native/xnnpack/OpContext.h).

A context holds the weights as they were, the settings of the layer, and the bounds of its result: ReLU and hardtanh
behind a layer are part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xir.errors import InvalidModelError
from xir.frontends.torch.script.quantized import Items, Named, Rule, bound
from xir.frontends.torch.script.values import is_list, is_number, is_sequence, told
from xir.frontends.torch.tensor import Tensor

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter

_CLASSES = "__torch__.torch.classes.xnnpack."

OPERATORS: Mapping[str, str] = {
    f"{_CLASSES}LinearOpContext": "torch.linear",
    f"{_CLASSES}Conv2dOpContext": "torch.conv2d",
    f"{_CLASSES}TransposeConv2dOpContext": "torch.conv_transpose2d",
}
"""{class of an archive: the operator of its layer} (RegisterOpContextClass.cpp)."""

_SETTINGS: Mapping[str, int] = {"torch.linear": 0, "torch.conv2d": 4, "torch.conv_transpose2d": 5}
"""How many settings stand between bias and bounds: strides, padding, (what is added behind), dilation, groups."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """A packed layer.

    Attributes:
        operator: PyTorch's operator of the layer.
        operands: what it takes after the input: the weight, the bias or None, the settings.
        bounds: the least and the greatest result; None where there is none.
    """

    operator: str
    operands: tuple[object, ...]
    bounds: tuple[object, object]


def context(operator: str, state: object) -> Context:
    """A layer from (weight, bias, settings ..., least result, greatest result).

    Raises:
        InvalidModelError: the archive holds something else.
    """
    items = list(state) if is_sequence(state) else []
    count = _SETTINGS[operator]
    if len(items) != count + 4:
        raise InvalidModelError(f"a packed layer of {operator} holds {told(state)}")
    weight, bias, *settings = items[:-2]
    least, greatest = items[-2:]
    fitting = [is_list(each) for each in settings] == [True] * (count - 1) + [False] * bool(count)
    if not (isinstance(weight, Tensor) and (bias is None or isinstance(bias, Tensor)) and fitting):
        raise InvalidModelError(f"a packed layer of {operator} holds {told(weight)} and {told(bias)}")
    if not all(each is None or is_number(each) for each in (least, greatest)):
        raise InvalidModelError(f"a packed layer of {operator} is bounded by {told(least)} and {told(greatest)}")
    if operator == "torch.conv_transpose2d":  # it takes groups before dilation
        settings = [*settings[:3], settings[4], settings[3]]
    return Context(operator, (weight, bias, *settings), (least, greatest))


def _run(operator: str) -> Rule:
    """`conv2d_clamp_run(x, context)`."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        x, layer = bound(items, named, "X", "W_prepack")
        if not isinstance(layer, Context) or layer.operator != operator:
            raise InvalidModelError(f"{told(layer)} in place of a packed layer of {operator}")
        made = interpreter.operator(operator, [x, *layer.operands], {})
        if layer.bounds == (None, None):
            return made
        return interpreter.operator("torch.clamp", [made, *layer.bounds], {})

    return rule


def _packed(operator: str) -> Rule:
    """`conv2d_clamp_prepack(weight, bias, settings ..., least, greatest)`; the last two may be missing."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        if unknown := sorted(named.keys() - {"output_min", "output_max"}):
            raise InvalidModelError(f"a packed layer of {operator} has no {', '.join(unknown)} by name")
        bounds = [named.get("output_min"), named.get("output_max")]
        given = len(items) - _SETTINGS[operator] - 2
        return context(operator, tuple([*items, *bounds[max(given, 0) :]]))

    return rule


_NAMES = {"torch.linear": "linear", "torch.conv2d": "conv2d", "torch.conv_transpose2d": "conv2d_transpose"}

PREPACKED: Mapping[str, Rule] = {
    f"ops.prepacked.{name}_clamp_{word}": rule(operator)
    for operator, name in _NAMES.items()
    for word, rule in (("run", _run), ("prepack", _packed))
}
"""{name: (who follows, items by place, items by name) -> what it makes}."""
