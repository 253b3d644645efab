"""Every operator of TensorFlow: its operands, results and attributes, with the defaults that files leave out.

The facts stand in `operators.tsv` beside this file: the operator registry of TensorFlow 2.21.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_ATTRIBUTE = re.compile(r"(?:^|, )(\w+):((?:list\()?(?:type|string|int|bool|float|shape|tensor|func)\)?)(=?)")

_OF_JAVASCRIPT = (
    "Prelu\tx:T, alpha:T\tactivations:T\tT:type\t",
    "FusedDepthwiseConv2dNative\tinput:T, filter:T, args:T*num_args\toutput:T\tT:type, num_args:int, "
    "strides:list(int), padding:string, explicit_paddings:list(int)=, data_format:string=NHWC, "
    "dilations:list(int)=i: 1 i: 1 i: 1 i: 1, fused_ops:list(string)=, epsilon:float=0.0001, "
    "leakyrelu_alpha:float=0.2\t",
)
"""Operators that TensorFlow.js alone has (tfjs-converter/python: fuse_prelu.py, fuse_depthwise_conv2d.py)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """An operand or result as it is declared.

    Attributes:
        name: its name.
        type: a type's name, the attribute that is the type, or the attribute that lists the types of several.
        count: the attribute that says how many there are of it, or the empty text.
    """

    name: str
    type: str
    count: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """An attribute as it is declared.

    Attributes:
        type: `int`, `list(float)`, `type`, `shape` ...
        default: its default as text, or None where files always give it.
    """

    type: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    Attributes:
        name: its name.
        inputs: its operands.
        outputs: its results.
        parameters: its attributes by name.
        is_stateful: whether it does more than compute.
    """

    name: str
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    parameters: Mapping[str, Parameter]
    is_stateful: bool


@functools.cache
def _rows() -> Mapping[str, tuple[str, ...]]:
    text = importlib.resources.files("xir.frontends.tensorflow").joinpath("operators.tsv").read_text("utf-8")
    rows = [tuple(line.split("\t")) for line in (*text.splitlines(), *_OF_JAVASCRIPT)]
    return MappingProxyType({row[0]: row for row in rows})


def operators() -> tuple[str, ...]:
    """The names of all operators, in order."""
    return tuple(sorted(_rows()))


@functools.cache
def operator(name: str) -> Operator | None:
    """The operator of this name, or None."""
    row = _rows().get(name)
    if row is None:
        return None
    _, inputs, outputs, attributes, stateful = row
    parameters: dict[str, Parameter] = {}
    found = list(_ATTRIBUTE.finditer(attributes))
    ends = [*(match.start() for match in found[1:]), len(attributes)]
    for match, end in zip(found, ends, strict=False):
        parameters[match[1]] = Parameter(match[2], attributes[match.end() : end] if match[3] else None)
    return Operator(name, _slots(inputs), _slots(outputs), MappingProxyType(parameters), stateful == "stateful")


def _slots(text: str) -> tuple[Slot, ...]:
    slots: list[Slot] = []
    for part in text.split(", ") if text else ():
        name, _, type = part.partition(":")
        kind, _, count = type.partition("*")
        slots.append(Slot(name, kind.removeprefix("Ref(").removesuffix(")"), count))
    return tuple(slots)
