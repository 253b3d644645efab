"""Forms of what picks and puts elements at places."""

from __future__ import annotations

from xir.backends.export.torch._form import Answer, Argument, Forms, Refusal, Say, operand, whole
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import index as ops

forms = Forms()


def places(value: Value, size: Argument) -> Argument:
    """Indices from the front: those below zero count from the end."""
    wide: Argument = value if value.dtype is DType.INT64 else Say("{}.to(torch.int64)", value)
    return Say("torch.where({0} < 0, {0} + {1}, {0})", wide, size)


@forms.of(ops.gather)
def _gather(node: Node) -> Answer:
    """Indexing along one axis."""
    x, indices, axis = operand(node), operand(node, 1), whole(node, "axis")
    before = ":, " * axis
    wide: Argument = indices if indices.dtype is DType.INT64 else Say("{}.to(torch.int64)", indices)
    return Say(f"{{}}[{before}{{}}]", x, wide)


@forms.of(ops.gather_elements)
def _gather_elements(node: Node) -> Answer:
    """torch.gather, whose indices may be shorter along the other axes too."""
    x, indices, axis = operand(node), operand(node, 1), whole(node, "axis")
    return Say("torch.gather({}, {}, {})", x, axis, places(indices, x.shape[axis]))


_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@forms.of(ops.scatter_elements)
def _scatter_elements(node: Node) -> Answer:
    """torch.scatter, and scatter_reduce where the elements are combined."""
    x, indices, updates = (operand(node, index) for index in range(3))
    axis, reduction = whole(node, "axis"), str(node.attributes["reduction"])
    where = places(indices, x.shape[axis])
    if reduction == "none":
        return Say("torch.scatter({}, {}, {}, {})", x, axis, where, updates)
    if reduction not in _REDUCTIONS:
        return Refusal(f"scattering by {reduction}")
    return Say("torch.scatter_reduce({}, {}, {}, {}, {})", x, axis, where, updates, _REDUCTIONS[reduction])


@forms.of(ops.compress)
def _compress(node: Node) -> Answer:
    """Indexing by a mask."""
    axis = whole(node, "axis")
    return Say("torch.index_select({0}, {1}, torch.nonzero({2}).flatten())", operand(node), axis, operand(node, 1))


@forms.of(ops.embedding)
def _embedding(node: Node) -> Answer:
    """F.embedding, plus the bias."""
    indices, weight, bias = operand(node), operand(node, 1), node.inputs[2]
    said = Say("{1}[{0}.to(torch.int64)]", indices, weight)
    return said if bias is None else Say("{} + {}", said, bias)
