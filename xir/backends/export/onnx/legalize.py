"""Legalisation: every operator becomes one that ONNX says exactly at an opset, else its pieces, else a problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from xir.backends.export.onnx._form import (
    NEWEST_OPSET,
    Answer,
    Call,
    Forms,
    Refusal,
    decomposed,
    helping_opset,
    problem_at,
)
from xir.backends.export.onnx._tables import FORMS
from xir.backends.export.onnx.kernels import Kernels, Runtime
from xir.backends.export.onnx.ort_limits import Place
from xir.backends.export.onnx.widening import widened
from xir.errors import InvalidModelError, Problem, UnsupportedError
from xir.ir.builder import apply, sourced
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Attribute, Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.types import DType, TensorType
from xir.ir.walk import bodies
from xir.limits import MAX_UNROLLED_NODES, check_inlined, inlining_limit
from xir.ops.constant import identity

_UNROLLED = frozenset(("continued_lstm", "continued_rnn", "gru", "lstm", "rnn"))
"""Operators whose pieces are those of a step, again and again."""

_NODES_A_STEP = 32
"""About so many nodes are the pieces of one step."""

_MAX_ROUNDS = 64
"""Rounds until nothing changes; decompositions are a few storeys deep."""


def legalize(graph: Graph, opset: int, kernels: Kernels | None = None) -> Graph:
    """The graph in operators that ONNX says one to one at `opset`; what import(export(g)) gives back.

    Args:
        graph: the model.
        opset: the version of the default operator set.
        kernels: of the runtime that shall compute it: what it has none for is computed in another element type where
            that is exact, else by the operator's pieces.

    Raises:
        UnsupportedError: operators that have no form there; all of them are listed, with what would help.
    """
    limit = max(MAX_UNROLLED_NODES, inlining_limit(len(graph.nodes)))
    graph = _with_free_bodies(_with_free_outputs(graph))
    for number in range(_MAX_ROUNDS):
        round_ = _Round(FORMS, opset, limit, kernels, keeps_identities=number >= _MAX_ROUNDS // 2)
        graph = _with_free_bodies(_with_free_outputs(rewrite(graph, round_.replace)))
        if not round_.changed:
            if round_.refused:
                raise _unsupported(round_.refused, opset, graph)
            return graph
    raise InvalidModelError(f"legalisation for opset {opset} does not come to rest", hint="please report this model")


def answer(node: Node, opset: int, forms: Forms = FORMS, runtime: Runtime | None = None) -> Answer:
    """What the tables say of one node: a `Call` that ONNX's schema admits, simpler operators, or a `Refusal`.

    With a `runtime`, a `Call` is one that it computes.
    """
    form = forms.get(node.op.name)
    if form is None:
        return decomposed(node)
    said = form(node, opset)
    if isinstance(said, Refusal):
        return _or_pieces(node, said)
    if not isinstance(said, Call):
        return said
    problem = problem_at(said, opset)
    if problem is not None:
        return _in_other_words(node, Refusal(problem, helping_opset(said, opset)), forms, opset, runtime)
    rounded = _rounded(node, said)
    if rounded is None:
        return said if runtime is None else _computed(node, said, forms, runtime)
    if _loses(node, said):
        pieces = decomposed(node)
        if not isinstance(pieces, Refusal):
            return pieces
    return apply(node.op, node.inputs, rounded).outputs


def _in_other_words(node: Node, refusal: Refusal, forms: Forms, opset: int, runtime: Runtime | None) -> Answer:
    """A node that ONNX's schema refuses: its pieces, or itself in another element type; the latter first for layers

    of many steps, which are one operator there, and hundreds step by step.
    """
    wide = _in_wider(node, opset, forms, runtime) if node.op.name in _UNROLLED else None
    if wide is not None:
        return wide
    pieces = _or_pieces(node, refusal)
    if not isinstance(pieces, Refusal) or refusal.opset is not None:
        return pieces
    return _in_wider(node, opset, forms, runtime) or pieces


def _computed(node: Node, call: Call, forms: Forms, runtime: Runtime) -> Answer:
    """The call where the runtime computes it, else the operator in another element type, its pieces, or a refusal."""
    kernels, opset = runtime.kernels, runtime.place.opset
    said = kernels.answer(node, call, runtime.place)
    if not isinstance(said, Refusal):
        return said
    wide = _in_wider(node, opset, forms, runtime)
    if wide is not None:
        return wide
    pieces = _or_pieces(node, said)
    if isinstance(pieces, Refusal):
        return call if kernels.inlines(call, opset) else kernels.piece_by_piece(node) or pieces
    return pieces


def _in_wider(node: Node, opset: int, forms: Forms, runtime: Runtime | None) -> tuple[Value, ...] | None:
    """The operator in another element type where that is exact and can be said, or None."""

    def accepts(inner: Node) -> bool:
        return isinstance(answer(inner, opset, forms, runtime), Call | Value | tuple)

    return widened(node, accepts)


def _or_pieces(node: Node, refusal: Refusal) -> Answer:
    """The operator's pieces, or the refusal; an identity of a leaf stays, for an output needs a node."""
    if node.op.name == "identity" and all(value is not None and value.node is None for value in node.inputs):
        return refusal
    pieces = decomposed(node)
    return refusal if isinstance(pieces, Refusal) else pieces


def _rounded(node: Node, call: Call) -> dict[str, Attribute] | None:
    """The attributes as the file will hold them (floats in `call.precision`), or None where that changes nothing."""
    if not any(map(_has_number, node.attributes.values())) or not call.precision.is_floating:
        return None
    rounded = {name: _round(value, call.precision) for name, value in node.attributes.items()}
    same = all(_identical(value, node.attributes[name]) for name, value in rounded.items())
    return None if same else rounded


def _has_number(value: Attribute) -> bool:
    """Whether there is a float in an attribute: most nodes have none, and nothing to round."""
    return isinstance(value, float) or (isinstance(value, tuple) and any(map(_has_number, value)))


def _identical(a: Attribute, b: Attribute) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return all(_identical(m, n) for m, n in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b)
    return True


def _round(value: Attribute, precision: DType) -> Attribute:
    if isinstance(value, float):
        with np.errstate(over="ignore"):
            return float(np.asarray(value).astype(precision.dtype).astype(np.float64))
    if isinstance(value, tuple):
        return tuple(_round(item, precision) for item in value)
    return value


def _loses(node: Node, call: Call) -> bool:
    """Whether the rounding to f32 would show in the result: the operands are f64."""
    return call.precision is DType.FLOAT32 and any(
        value is not None and isinstance(value.type, TensorType) and value.type.dtype is DType.FLOAT64
        for value in node.inputs
    )


@dataclass(slots=True)
class _Round:
    """One walk over the graph; remembers whether anything changed and what was refused."""

    forms: Forms
    opset: int
    limit: int
    kernels: Kernels | None = None
    keeps_identities: bool = False
    unrolled: int = 0
    changed: bool = False
    refused: list[tuple[Node, Refusal]] = field(default_factory=list[tuple[Node, Refusal]])
    broadcasts: dict[tuple[Value, TensorType], Value] = field(default_factory=dict[tuple[Value, TensorType], Value])

    def replace(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        merged = self._merged_broadcast(node)
        if merged is not None:
            return merged
        if self.keeps_identities and node.op.name == "identity":
            self._keep_identity(node)
            return None
        kernels = self.kernels
        runtime = None if kernels is None else Runtime(kernels, Place(self.opset, rewriter.constant_of))
        said = answer(node, self.opset, self.forms, runtime)
        match said:
            case Call():
                return None
            case Refusal():
                self.refused.append((node, said))
                return None
            case Value():
                return self._counted(node, (said,))
            case _:
                return self._counted(node, said)

    def _keep_identity(self, node: Node) -> None:
        """Keeps an identity that came back whenever it was dropped: two results of a body are one value."""
        call = Call("Identity", node.inputs)
        problem = problem_at(call, self.opset)
        if problem is not None:
            self.refused.append((node, Refusal(problem, helping_opset(call, self.opset))))

    def _counted(self, node: Node, said: Sequence[Value]) -> Sequence[Value]:
        """The pieces of a node; the steps of all layers that are written down step by step are bounded."""
        self.changed = True
        if node.op.name in _UNROLLED and node.inputs[0] is not None and isinstance(node.inputs[0].shape[0], int):
            self.unrolled += min(node.inputs[0].shape[0], MAX_UNROLLED_NODES // _NODES_A_STEP) * _NODES_A_STEP
            check_inlined(self.unrolled, what="the recurrent layers", limit=self.limit)
        return said

    def _merged_broadcast(self, node: Node) -> Sequence[Value] | None:
        """One broadcast for all that say the same, none where nothing changes: ONNX's own broadcasting is the same."""
        source = node.inputs[0] if node.op.name == "broadcast" and node.inputs[1] is None else None
        if source is None:
            return None
        target = node.outputs[0].tensor
        if source.shape == target.shape:
            self.changed = True
            return (source,)
        held = self.broadcasts.setdefault((source, target), node.outputs[0])
        if held is node.outputs[0]:
            return None
        self.changed = True
        return (held,)


def _with_free_outputs(graph: Graph) -> Graph:
    """The graph with an `identity` wherever an output is an input, a parameter, or another output too.

    ONNX names an output by its value, so one value cannot be two outputs, and an output needs a node.
    """
    seen: set[Value] = set()
    outputs: list[Value] = []
    for value in graph.outputs:
        free = value.node is not None and value not in seen
        seen.add(value)
        outputs.append(value if free else identity(value))
    if all(new is old for new, old in zip(outputs, graph.outputs, strict=True)):
        return graph
    return Graph(
        graph.name,
        graph.inputs,
        tuple(outputs),
        graph.output_names,
        graph.parameters,
        graph.names,
        graph.constraints,
        graph.training,
    )


def _with_free_bodies(graph: Graph) -> Graph:
    """The graph with bodies of which each output has a node of its own, and each node bodies of its own.

    What a body captures has the name of what is around it: one body of two nodes would read what the second captures.
    """
    if not any(True for node in graph.nodes for _ in bodies(node)):
        return graph
    seen: set[Graph] = set()

    def own(body: Graph) -> Graph:
        if body in seen:
            return copied(body)
        seen.add(body)
        return body

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        changed = {
            name: _with_free_outputs(own(value)) if isinstance(value, Graph) else value
            for name, value in node.attributes.items()
        }
        same = all(changed[name] is node.attributes[name] for name in changed)
        return None if same else apply(node.op, node.inputs, changed).outputs

    return rewrite(graph, replace)


def copied(body: Graph) -> Graph:
    """The body with values of its own."""
    fresh = {value: Value(value.type) for value in (*body.inputs, *(each.value for each in body.parameters))}
    for node in body.nodes:
        attributes = {name: copied(held) if isinstance(held, Graph) else held for name, held in node.attributes.items()}
        operands = tuple(None if value is None else fresh[value] for value in node.inputs)
        with sourced(*node.source):
            made = apply(node.op, operands, attributes).outputs
        fresh.update(zip(node.outputs, made, strict=True))
    return Graph(
        body.name,
        tuple(fresh[value] for value in body.inputs),
        tuple(fresh[value] for value in body.outputs),
        body.output_names,
        tuple(Parameter(fresh[each.value], each.constant, each.trainable) for each in body.parameters),
        {fresh[value]: name for value, name in body.names.items() if value in fresh},
        body.constraints,
    )


def layer_name(node: Node, graph: Graph) -> str:
    """What a person calls the node: its layer's name, else its result's."""
    if node.source:
        return node.source[0].layer
    result = node.outputs[0]
    named = [name for value, name in zip(graph.outputs, graph.output_names, strict=True) if value is result]
    return named[0] if named else graph.name_of(result)


def _unsupported(refused: Sequence[tuple[Node, Refusal]], opset: int, graph: Graph) -> UnsupportedError:
    groups: dict[tuple[str, str, int | None, str | None], list[str]] = {}
    for node, refusal in refused:
        kind = node.source[0].kind if node.source else node.op.name
        reason = refusal.reason if kind == node.op.name else f"{node.op.name}: {refusal.reason}"
        only_runtime = refusal.runtime is not None and refusal.opset is None
        hint = HINT_OF_TARGET if only_runtime else hint_for(refusal.opset)
        groups.setdefault((kind, reason, refusal.opset, hint), []).append(layer_name(node, graph))
    problems = tuple(Problem(kind, tuple(layers), reason, hint) for (kind, reason, _, hint), layers in groups.items())
    opsets = [helps for _, _, helps, _ in groups]
    runtimes = [refusal.runtime for _, refusal in refused if refusal.runtime is not None]
    count = sum(len(problem.layers) for problem in problems)
    lines = [
        f"{problem.kind} x{len(problem.layers)} ({', '.join(problem.layers[:3])}"
        f"{', ...' if len(problem.layers) > 3 else ''}): {problem.reason}"
        for problem in problems
    ]
    known = [helps for helps in opsets if helps is not None]
    hint = hint_for(max(known)) if known and len(known) == len(opsets) else None
    taken = f" that {runtimes[0]} computes" if runtimes else ""
    message = f"{count} of {len(graph.nodes)} nodes have no ONNX form{taken} at opset {opset}: " + "; ".join(lines)
    if all(problem.hint == HINT_OF_TARGET for problem in problems):
        hint = HINT_OF_TARGET
    error = UnsupportedError(message, problems=problems, hint=hint)
    return error


HINT_OF_TARGET = "leave --target out: ONNX itself says it, and another runtime may compute it"
"""What to do about an operator that only the target lacks."""


def hint_for(opset: int | None) -> str | None:
    """`needs opset >= 18: add --opset 18`."""
    return None if opset is None else f"needs opset >= {opset}: add --opset {opset}"


def lowest_opset(graph: Graph, opset: int) -> int:
    """The lowest opset from `opset` up that can say the graph, or `opset` itself where none can.

    Only what refuses at `opset` is looked at: an opset that admits all of it is tried, up to the newest.
    """
    for candidate in range(opset, NEWEST_OPSET + 1):
        try:
            legalize(graph, candidate)
        except UnsupportedError as error:
            if all(problem.hint is None for problem in error.problems):
                return opset
            continue
        return candidate
    return opset
