"""Reverse mode: the graph that computes the derivatives of one value with respect to others.

Operators with a `gradient` rule use it; others are replaced by their decomposition first. What follows is the usual
sweep from the result back to the operands, adding up where a value is read several times (Griewank and Walther,
Evaluating Derivatives, 2nd edition, chapter 3.2). No step recurses over the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xir.autodiff.sizes import check_told, origins, told, told_by
from xir.errors import InvalidModelError, Problem, UnsupportedError, UsageError
from xir.ir.builder import sourced
from xir.ir.constraints import collecting
from xir.ir.dims import equal
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, drop_unused_parameters, inlined
from xir.ir.verify import compatible
from xir.ir.walk import toposort
from xir.limits import MAX_NESTING
from xir.ops import definition
from xir.ops._build import scalar_like
from xir.ops.elementwise import add


def grad(graph: Graph, of: str | Value, wrt: Sequence[str | Value], *, with_value: bool = False) -> Graph:
    """The graph of the derivatives of `of` with respect to each of `wrt`.

    Args:
        graph: the model.
        of: the name of an output or of another value, or the value: floating, of one element.
        wrt: names of inputs, parameters, outputs or other values, or the values: floating. A value that `of` does not
            depend on has the derivative zero.
        with_value: whether the value of `of` is the first output, under its own name.

    Returns:
        A graph with the same inputs and outputs `grad_<name>` of the shapes of `wrt`, in their order.

    Raises:
        UsageError: if a name is unknown, stands twice, or a value cannot be derived or derived by.
        UnsupportedError: if operators on the way have neither gradient nor decomposition (it lists them all), or the
            derivative needs a size that it cannot get from the run.
    """
    result, variables = _find(graph, of), [_find(graph, each) for each in wrt]
    names = [_name(graph, each) for each in wrt]
    of_name = _name(graph, of)
    _check_request(result, of_name, variables, names)
    work = Graph(graph.name, graph.inputs, (result, *variables), (), graph.parameters, graph.names, graph.constraints)
    work = told(_expanded(work, len(variables)))
    result, *variables = work.outputs
    with collecting(work.constraints) as assumed:
        derivatives = _Sweep(work).run(result, variables)
    outputs = (result, *derivatives) if with_value else tuple(derivatives)
    output_names = ((of_name,) if with_value else ()) + tuple(f"grad_{name}" for name in names)
    made = Graph(f"grad_{graph.name}", work.inputs, outputs, output_names, work.parameters, work.names, tuple(assumed))
    known = origins(work)
    made = told_by(made, known)
    check_told(made, known)
    return drop_unused_parameters(made)


def pullback(build: Callable[..., Value], operands: Sequence[Value], adjoint: Value) -> tuple[Value, ...]:
    """The derivatives of `sum(adjoint * build(*operands))` by each of the operands.

    Args:
        build: floating tensors -> a floating tensor.
        operands: what it is built on; their own history is not looked at.
        adjoint: of the type of the result.

    Raises:
        UnsupportedError: if operators of `build` have neither gradient nor decomposition.
    """
    own = [Value(operand.type) for operand in operands]
    work = _expanded(Graph("pullback", tuple(own), (build(*own), *own)), len(own))
    result, *own = work.outputs
    start = Value(adjoint.type)
    found = _Sweep(work).run(result, own, start)
    return inlined(Graph("pullback", (*work.inputs, start), tuple(found)), (*operands, adjoint))


def _find(graph: Graph, wanted: str | Value) -> Value:
    known: dict[str, Value] = {graph.name_of(value): value for node in graph.nodes for value in node.outputs}
    known |= {graph.name_of(value): value for value in (*graph.inputs, *(p.value for p in graph.parameters))}
    known |= dict(zip(graph.output_names, graph.outputs, strict=True))
    if isinstance(wanted, str):
        if wanted not in known:
            raise UsageError(f"the graph has no value {wanted!r}", hint=f"outputs are {list(graph.output_names)}")
        return known[wanted]
    if wanted not in set(known.values()):
        raise UsageError(f"{wanted!r} is no value of the graph {graph.name!r}")
    return wanted


def _name(graph: Graph, wanted: str | Value) -> str:
    """The name under which a derivative is answered: the value's own, else that of the output that it is."""
    if isinstance(wanted, str):
        return wanted
    if wanted not in graph.names and wanted in graph.outputs:
        return graph.output_names[graph.outputs.index(wanted)]
    return graph.name_of(wanted)


def _check_request(result: Value, of_name: str, variables: Sequence[Value], names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise UsageError(f"a name stands twice in {list(names)}")
    for value, name in ((result, of_name), *zip(variables, names, strict=True)):
        if not value.dtype.is_floating:
            raise UsageError(f"{name!r} is {value.type!r}: only floating-point values have derivatives")
    if equal(result.tensor.elements, 1) is not True:
        raise UsageError(
            f"{of_name!r} is {result.type!r}: the value to derive has one element",
            hint="add a reduce_sum or reduce_mean over all axes",
        )


def _expanded(graph: Graph, variables: int) -> Graph:
    """The graph with decompositions in place of what has no gradient of its own, on the way from the variables."""
    for _ in range(MAX_NESTING):
        active = _active(graph.outputs[0], graph.outputs[len(graph.outputs) - variables :])
        rewriter = _Expander(graph, active)
        graph = rewriter.expand()
        if not rewriter.changed:
            return graph
    raise InvalidModelError(f"operators decompose into each other more than {MAX_NESTING} times")


def _active(result: Value, variables: Sequence[Value]) -> set[Node]:
    """The nodes that lie between the variables and the result."""
    reached = set(variables)
    found: set[Node] = set()
    for node in toposort((result,)):
        if any(value in reached for value in node.inputs if value is not None):
            found.add(node)
            reached.update(node.outputs)
    return found


class _Expander:
    """One round of decompositions."""

    def __init__(self, graph: Graph, active: set[Node]) -> None:
        self.graph = graph
        self.active = active
        self.changed = False
        self._nodes = iter(graph.nodes)

    def expand(self) -> Graph:
        return Rewriter(self.graph).run(self._replace)

    def _replace(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        old = next(self._nodes)
        rules = definition(node)
        if old not in self.active or rules.gradient_rule is not None or rules.decompose_rule is None:
            return None
        self.changed = True
        made = rules.decompose_rule(*node.inputs, **node.attributes)
        return (made,) if isinstance(made, Value) else made


@dataclass(slots=True)
class _Sweep:
    """One sweep from the result back to the variables."""

    graph: Graph
    adjoints: dict[Value, Value] = field(default_factory=dict[Value, Value])
    missing: dict[str, list[Node]] = field(default_factory=dict[str, list[Node]])

    def run(self, result: Value, variables: Sequence[Value], adjoint: Value | None = None) -> list[Value]:
        """The derivatives of `result`, or of what has the derivative `adjoint` by it."""
        active = _active(result, variables)
        made = {value for node in active for value in node.outputs} | set(variables)
        self.adjoints[result] = adjoint or scalar_like(result, 1.0)
        for node in reversed(toposort((result,))):
            if node in active and any(value in self.adjoints for value in node.outputs):
                with sourced(*node.source):
                    self._node(node, made)
        if self.missing:
            raise self._unsupported()
        return [self.adjoints.get(value) or scalar_like(value, 0.0) for value in variables]

    def _node(self, node: Node, wanted: set[Value]) -> None:
        rule = definition(node).gradient_rule
        if rule is None:
            self.missing.setdefault(node.op.name, []).append(node)
            return
        found = rule(node, *(self.adjoints.get(value) or scalar_like(value, 0.0) for value in node.outputs))
        if len(found) != len(node.inputs):
            raise InvalidModelError(f"{node.op.name}: {len(found)} gradients for {len(node.inputs)} operands")
        for value, gradient in zip(node.inputs, found, strict=True):
            if value is None or gradient is None or value not in wanted or not value.dtype.is_floating:
                continue
            if not compatible(value.type, gradient.type):
                raise InvalidModelError(f"{node.op.name}: the gradient of {value.type!r} is {gradient.type!r}")
            known = self.adjoints.get(value)
            self.adjoints[value] = gradient if known is None else add(known, gradient)

    def _unsupported(self) -> UnsupportedError:
        problems: list[Problem] = []
        for name, nodes in self.missing.items():
            layers = tuple(source.layer for node in nodes for source in node.source[:1])
            reason = definition(nodes[0]).no_gradient_reason or "it has neither a gradient nor a decomposition"
            problems.append(Problem(name, layers, reason, "derive by values behind it, or leave it out of the loss"))
        listed = "; ".join(f"{problem.kind} ({problem.reason})" for problem in problems)
        return UnsupportedError(f"no derivative exists through: {listed}", problems=tuple(problems))
