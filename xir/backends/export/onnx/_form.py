"""How one operator is said in ONNX: the vocabulary of the tables, and the check against ONNX's own schemas.

A form looks at one node and answers one of three things: the one ONNX operator that says exactly the same (`Call`),
simpler operators of ours that do (a value or a tuple of values), or why not (`Refusal`). Legalisation asks until every
node answers with a `Call`; then the writer asks once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, TypeAlias

import numpy as np

from xir.backends.export.forms import AnyOp, Table
from xir.backends.export.nodes import again as again
from xir.backends.export.nodes import ints as ints
from xir.backends.export.nodes import operand as operand
from xir.backends.export.nodes import real as real
from xir.backends.export.nodes import shape_in as shape_in
from xir.backends.export.nodes import whole as whole
from xir.backends.export.onnx._tensor import NUMBERS
from xir.errors import UnsupportedError
from xir.ir.constant import Array, Constant
from xir.ir.dims import Dim, Shape
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType, Type
from xir.ops import definition

NEWEST_OPSET = 28
"""The newest operator set that is written: that of onnx 1.23."""

OLDEST_OPSET = 11
"""The oldest operator set that is written (2019): the first with Round, Clip's and Pad's bounds as operands."""


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """A small operand that the form itself brings: it becomes an initialiser."""

    array: Array


@dataclass(frozen=True, slots=True)
class Sizes:
    """An operand of sizes, i64[number of sizes] (i64[] when `scalar`): an initialiser, or computed where unknown."""

    dims: Shape
    scalar: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Inner:
    """A body: its first inputs are ONNX's formal ones, the others are read from the graph around by name.

    Attributes:
        graph: the closed graph.
        captured: what stands for the inputs that are no formal ones, in the graph around.
    """

    graph: Graph
    captured: tuple[Value, ...]

    @property
    def formal(self) -> tuple[Value, ...]:
        """The inputs that ONNX's body has."""
        return self.graph.inputs[: len(self.graph.inputs) - len(self.captured)]


@dataclass(frozen=True, slots=True)
class OnnxType:
    """A type as an attribute."""

    type: Type


Operand: TypeAlias = Value | Fixed | Sizes | None
OnnxAttribute: TypeAlias = (
    Inner | OnnxType | int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...] | Constant
)
Broadcasting = Literal["none", "all", "batch", "last"]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One ONNX operator that says exactly what a node says.

    Attributes:
        kind: ONNX's op_type, of the default domain.
        inputs: its operands.
        attributes: its attributes; a float is stored in 32 bits.
        broadcasting: which operands ONNX broadcasts by itself: all of them against each other, the batch axes (all
            but the last two) of all, the last operand to what the result needs, or none.
        precision: the element type that the node's float attributes are stored in: f32, or that of an operand when
            they are operands in ONNX.
        modulo: {output: size} for results of which ours is the remainder of a division by a size.
        domain: the operator set; empty for ONNX's own.
        optional: results from this one on are left out where nothing reads them.
        places: where each of our results stands among ONNX's outputs; None: in our order.
    """

    kind: str
    inputs: tuple[Operand, ...]
    attributes: Mapping[str, OnnxAttribute] = field(default_factory=dict[str, OnnxAttribute])
    broadcasting: Broadcasting = "none"
    precision: DType = DType.FLOAT32
    modulo: Mapping[int, Dim] = field(default_factory=dict[int, Dim])
    domain: str = ""
    optional: int | None = None
    places: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node has no form at an opset, and which opset would help (None: none would).

    Attributes:
        reason: in words.
        opset: the first one that says it.
        runtime: the target that does not compute it, though ONNX says it.
    """

    reason: str
    opset: int | None = None
    runtime: str | None = None


Answer: TypeAlias = Call | Refusal | Value | tuple[Value, ...]
Form: TypeAlias = Callable[[Node, int], Answer]


class Forms(Table[Form]):
    """A family's table: operator -> form in ONNX."""

    __slots__ = ()

    def same(
        self,
        op: AnyOp,
        kind: str,
        *,
        broadcasting: Broadcasting = "none",
        **attributes: str,
    ) -> None:
        """Enters `op` as ONNX's `kind` with the same operands.

        Args:
            op: the operator.
            kind: ONNX's op_type.
            broadcasting: as in `Call`.
            attributes: {ONNX's attribute: ours}, for those that have the same values.
        """

        def form(node: Node, opset: int) -> Answer:
            values = {theirs: onnx_value(node, ours) for theirs, ours in attributes.items()}
            return Call(kind, node.inputs, values, broadcasting)

        self._enter(op.name, form)


def onnx_value(node: Node, name: str) -> OnnxAttribute:
    """The node's attribute `name` as ONNX holds it: bools as 0 and 1, tuples flat.

    Raises:
        TypeError: it is of a kind that ONNX attributes cannot hold: a mistake of the form.
    """
    value = node.attributes[name]
    match value:
        case bool():
            return int(value)
        case int() | float() | str() | Constant():
            return value
        case DType():
            return NUMBERS[value]
        case tuple() if all(isinstance(item, int) for item in value):
            return tuple(int(item) for item in value if isinstance(item, int))
        case tuple() if all(isinstance(item, float) for item in value):
            return tuple(float(item) for item in value if isinstance(item, float))
        case tuple() if all(isinstance(item, str) for item in value):
            return tuple(str(item) for item in value if isinstance(item, str))
        case _:
            raise TypeError(f"{node.op.name}: attribute {name!r} has no ONNX form")


def literal(values: Array | list[int] | float | int | bool, dtype: DType) -> Fixed:
    """A small operand of the element type `dtype`."""
    return Fixed(np.asarray(values).astype(dtype.dtype))


def decomposed(node: Node) -> Answer:
    """The node by its operator's own decomposition, or a refusal where it has none."""
    rule = definition(node).decompose_rule
    if rule is None:
        return Refusal("no ONNX form")
    try:
        result = rule(*node.inputs, **node.attributes)
    except UnsupportedError as error:
        return Refusal(error.message if error.hint is None else f"{error.message} ({error.hint})")
    return result if isinstance(result, Value) else tuple(result)


@dataclass(frozen=True, slots=True)
class Schema:
    """What ONNX says of an operator at an opset.

    Attributes:
        since: the opset of this wording.
        inputs: the admitted element types of each input; the last stands for all further ones if `variadic`.
        attributes: the names of its attributes.
        variadic: whether the last input may be repeated.
    """

    since: int
    inputs: tuple[frozenset[DType], ...]
    attributes: frozenset[str]
    variadic: bool


@cache
def schema(kind: str, opset: int, domain: str = "") -> Schema | None:
    """ONNX's own schema of `kind` at `opset` (onnx.defs), or None where that opset does not have it."""
    from onnx import defs

    try:
        found = defs.get_schema(kind, domain_version(domain, opset), domain)
    except defs.SchemaError:
        return None
    if found.deprecated:
        return None
    inputs = tuple(_dtypes(tuple(sorted(formal.types))) for formal in found.inputs)
    variadic = bool(found.inputs) and found.inputs[-1].option == defs.OpSchema.FormalParameterOption.Variadic
    return Schema(found.since_version, inputs, frozenset(found.attributes), variadic)


_ML_VERSIONS: Mapping[int, int] = {11: 2, 16: 3, 20: 4, 21: 5}
"""The version of ai.onnx.ml that was released with each opset from which it counts (onnx docs/Versioning.md)."""


def domain_version(domain: str, opset: int) -> int:
    """The version of the operator set `domain` that belongs to ONNX's own at `opset`."""
    match domain:
        case "":
            return opset
        case "ai.onnx.ml":
            return max(version for first, version in _ML_VERSIONS.items() if first <= opset)
        case _:
            return 1


_ONNX_TYPES: Mapping[str, DType] = {
    f"tensor({name})": dtype
    for name, dtype in {
        "float": DType.FLOAT32,
        "double": DType.FLOAT64,
        "string": DType.STRING,
        **{dtype.name.lower(): dtype for dtype in DType if dtype.name not in ("FLOAT32", "FLOAT64", "STRING")},
    }.items()
}


@cache
def _dtypes(types: tuple[str, ...]) -> frozenset[DType]:
    return frozenset(_ONNX_TYPES[text] for text in types if text in _ONNX_TYPES)


def problem_at(call: Call, opset: int) -> str | None:
    """Why ONNX's own schema does not admit `call` at `opset`, or None where it does."""
    found = schema(call.kind, opset, call.domain)
    if found is None:
        return f"ONNX has no {call.kind} at opset {opset}"
    for name in call.attributes:
        if name not in found.attributes:
            return f"{call.kind} of opset {opset} has no attribute {name!r}"
    if len(call.inputs) > len(found.inputs) and not found.variadic:
        return f"{call.kind} of opset {opset} takes {len(found.inputs)} operands"
    for index, given in enumerate(call.inputs):
        dtype = _dtype_of(given)
        if dtype is not None and dtype not in found.inputs[min(index, len(found.inputs) - 1)]:
            return f"{call.kind} of opset {opset} takes no {dtype}"
    return None


def _dtype_of(given: Operand) -> DType | None:
    match given:
        case Value():
            return given.type.dtype if isinstance(given.type, TensorType) else None
        case Fixed():
            from xir.ir.types import dtype_from_numpy

            return dtype_from_numpy(given.array.dtype)
        case Sizes():
            return DType.INT64
        case None:
            return None


def helping_opset(call: Call, opset: int) -> int | None:
    """The first opset after `opset` whose schema admits `call`, or None."""
    for later in range(opset + 1, NEWEST_OPSET + 1):
        if problem_at(call, later) is None:
            return later
    return None
