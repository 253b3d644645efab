"""The variables of a graph and their elements in a checkpoint, as the operators say that restore them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xir.errors import InvalidModelError
from xir.frontends.tensorflow._reach import Reach, reached
from xir.frontends.tensorflow.bundle.checkpoint import Checkpoint
from xir.frontends.tensorflow.bundle.keys import Extent
from xir.frontends.tensorflow.model import TfGraph, TfNode
from xir.frontends.tensorflow.tensors import constant_from, dtype_of, shape_of_message
from xir.ir.constant import Constant

_ASSIGN = frozenset(("Assign", "AssignVariableOp"))
_PART = re.compile(r"(?:\d+ )*(-|\d+,\d+)(?::(?:-|\d+,\d+))*")
"""A part of a variable as text: the sizes of the whole, then `start,length` or `-` of each axis (tensor_slice.h)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the elements of a variable are: the name of a tensor, and a part of it or all."""

    name: str
    extents: tuple[Extent, ...] | None = None


class Variables:
    """The variables of a graph.

    Attributes:
        checkpoint: the one that holds their elements, or None where there is none.
        stored: {name of the node: where its elements are}.
        trainable: {name of the variable: whether it is trained}, as far as the file says.
        written: names of the nodes of those that the run changes.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | None,
        stored: Mapping[str, Stored],
        trainable: Mapping[str, bool] = MappingProxyType({}),
        written: frozenset[str] = frozenset(),
    ) -> None:
        """The variables, whose elements are read when they are asked for."""
        self.checkpoint = checkpoint
        self.stored = stored
        self.trainable = trainable
        self.written = written

    def constant(self, node: TfNode) -> Constant:
        """The elements of a variable.

        Raises:
            InvalidModelError: the checkpoint has none for it, or they are not of its type.
            FormatError, UnsupportedError: as `Checkpoint.constant`.
        """
        name = shared_name(node)
        found = self.stored.get(node.name) or Stored(name)
        if self.checkpoint is None or not self.checkpoint.has(found.name):
            raise InvalidModelError(
                f"nothing holds the elements of the variable {name!r}",
                hint="save the model with its variables (the folder `variables` beside it), or freeze it",
            )
        made = (
            self.checkpoint.constant(found.name)
            if found.extents is None
            else self.checkpoint.part(found.name, found.extents)
        )
        held = node.attributes.get("dtype")
        dtype = dtype_of(0 if held is None else held.integer("type"), f"the variable {name!r}")
        shape = node.attributes.get("shape")
        sizes = None if shape is None else shape_of_message(shape.message("shape"))
        if made.dtype is not dtype or not _fits(made.shape, sizes):
            raise InvalidModelError(
                f"the variable {name!r} is {dtype} {sizes}, the checkpoint has {made.type!r} for it"
            )
        return made

    def is_trainable(self, node: TfNode, constant: Constant) -> bool:
        """Whether a variable is trained; where the file does not say, one of real numbers is."""
        return constant.dtype.is_floating and self.trainable.get(shared_name(node), True)


def shared_name(node: TfNode) -> str:
    """What a variable is called: by its attribute, else as its node (resource_variable_ops.cc)."""
    held = node.attributes.get("shared_name")
    data = b"" if held is None else held.data("s")
    return (data.decode("utf-8", "replace") if isinstance(data, bytes) else "") or node.name


def restored(graph: TfGraph, operation: str) -> dict[str, Stored]:
    """Where the operators that restore the variables find them: {name of the node: where}.

    Args:
        graph: the graph.
        operation: the node that restores all.
    """
    found: dict[str, Stored] = {}
    for node, reach in reached(graph, [operation.partition(":")[0].removeprefix("^")]):
        if node.kind not in _ASSIGN or len(node.inputs) < 2:
            continue
        variable = reach.variable(node.inputs[0].node)
        stored = _stored(node, reach)
        if variable is not None and stored is not None:
            found[variable] = stored
    return found


def _stored(assign: TfNode, reach: Reach) -> Stored | None:
    """Where the value that is assigned comes from, or None where it is no tensor of a checkpoint as it is."""
    edge = assign.inputs[1]
    node = reach.nodes.get(edge.node)
    for _ in range(len(reach.nodes)):
        if node is None or node.kind != "Identity" or not node.inputs:
            break
        edge = node.inputs[0]
        node = reach.nodes.get(edge.node)
    if node is None or node.kind not in ("RestoreV2", "Restore", "RestoreSlice"):
        return None
    names = _texts(node, 1, reach)
    parts = _texts(node, 2, reach) if len(node.inputs) > 2 else [""] * len(names)
    place = edge.place
    if place >= len(names) or place >= len(parts):
        return None
    return Stored(names[place], _extents(parts[place]))


def _texts(node: TfNode, operand: int, reach: Reach) -> list[str]:
    """The texts of an operand that the graph holds."""
    source = reach.source(node.inputs[operand].node) if operand < len(node.inputs) else None
    held = None if source is None or source.kind != "Const" else source.attributes.get("value")
    if held is None:
        return []
    return [str(text) for text in constant_from(held.required("tensor"), "a name").array().reshape(-1).tolist()]


def _extents(text: str) -> tuple[Extent, ...] | None:
    """The part that a text tells; None where it is the whole.

    Raises:
        InvalidModelError: it tells none.
    """
    if not text:
        return None
    if _PART.fullmatch(text) is None:
        raise InvalidModelError(f"{text[:80]!r} is no part of a variable")
    pairs = [axis.partition(",") for axis in text.rpartition(" ")[2].split(":")]
    return tuple((0, -1) if start == "-" else (int(start), int(length)) for start, _, length in pairs)


def _fits(shape: tuple[int, ...], sizes: tuple[int | None, ...] | None) -> bool:
    if sizes is None:
        return True
    return len(shape) == len(sizes) and all(told in (None, size) for told, size in zip(sizes, shape, strict=True))
