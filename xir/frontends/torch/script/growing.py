"""Lists to which a loop of the graph adds tensors: so many in each step, nobody knows how many steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from xir.frontends.torch.tensor import Tensor
from xir.ir.dims import Dim, add, multiply
from xir.ir.node import Value

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter


@dataclass(frozen=True, slots=True)
class Growing:
    """Stands, inside the loop, for what earlier steps have added."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Stands, after the loop, for what all steps have added.

    Attributes:
        values: of each tensor that a step adds, all of them stacked along a first axis.
    """

    values: tuple[Value, ...]


def is_open(items: object) -> bool:
    """Whether a list holds what nobody knows the number of."""
    held = cast("list[object]", items) if isinstance(items, list) else []
    return bool(held) and (isinstance(held[0], Growing) or any(isinstance(item, Rows) for item in held))


def length(interpreter: Interpreter, items: list[object]) -> Dim:
    """How many items there are."""
    total: Dim = 0
    for item in items:
        if isinstance(item, Growing):
            interpreter.refuse("the length of a list that a loop is adding to")
        if isinstance(item, Rows):
            total = add(total, multiply(len(item.values), item.values[0].shape[0]) if item.values else 0)
        else:
            total = add(total, 1)
    return total


def stacked(interpreter: Interpreter, items: list[object]) -> Tensor:
    """All items along a new first axis.

    Raises:
        UnsupportedError: each step adds several.
    """
    parts: list[object] = []
    for item in items:
        if isinstance(item, Growing) or (isinstance(item, Rows) and len(item.values) > 1):
            interpreter.refuse("a list that a loop is adding to, or adds several tensors to in each step")
        if isinstance(item, Rows):
            parts += [Tensor(value) for value in item.values]
        else:
            parts.append(interpreter.operator("torch.unsqueeze", [item, 0], {}))
    made = parts[0] if len(parts) == 1 else interpreter.operator("torch.cat", [parts, 0], {})
    return cast("Tensor", made)


def stack(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    """`torch.stack(list, axis)`."""
    if not is_open(items[0]):
        return NotImplemented
    axis = items[1] if len(items) > 1 else named.get("dim", 0)
    whole = stacked(interpreter, cast("list[object]", items[0]))
    return whole if axis == 0 else interpreter.operator("torch.movedim", [whole, 0, axis], {})


def cat(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    """`torch.cat(list, axis)`."""
    if not is_open(items[0]):
        return NotImplemented
    axis = items[1] if len(items) > 1 else named.get("dim", 0)
    whole = stacked(interpreter, cast("list[object]", items[0]))
    if not isinstance(axis, int):
        interpreter.refuse("an axis that only the run knows")
    place = interpreter.call.axis(axis, whole.value.rank - 1)
    moved = interpreter.operator("torch.movedim", [whole, 0, place], {})
    return interpreter.operator("torch.flatten", [moved, place, place + 1], {})
