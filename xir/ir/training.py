"""Steps of training that a model brings along: graphs beside the model's own, and which weights get their results."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from xir.errors import InvalidModelError

if TYPE_CHECKING:
    from xir.ir.graph import Graph
    from xir.ir.types import Type

Binding: TypeAlias = tuple[str, str]
"""(the weight that changes, the output that is its new value)."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingStep:
    """One step of a training iteration, and how training begins (onnx.proto, TrainingInfoProto).

    Both graphs are closed: what they need of the model's own nodes stands in them again. A weight or an input of theirs
    that is called like one of the model's is that one; other weights are the step's own (momenta, a number of steps).
    Nothing of a step runs when the model does.

    Attributes:
        initialization: computes the weights with which training begins; it has no inputs.
        algorithm: computes one step.
        initialization_bindings: which weights of the model and of `algorithm` get which outputs of `initialization`.
        update_bindings: which weights of the model and of `algorithm` get which outputs of `algorithm`.
    """

    initialization: Graph | None = None
    algorithm: Graph | None = None
    initialization_bindings: tuple[Binding, ...] = ()
    update_bindings: tuple[Binding, ...] = ()

    @property
    def parts(self) -> tuple[tuple[str, Graph | None, tuple[Binding, ...]], ...]:
        """(what it is called, its graph, its bindings) of the beginning and of the step itself."""
        return (
            ("initialization", self.initialization, self.initialization_bindings),
            ("algorithm", self.algorithm, self.update_bindings),
        )

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """Those of the two graphs that are there."""
        return tuple(graph for _, graph, _ in self.parts if graph is not None)

    @property
    def changed(self) -> frozenset[str]:
        """Names of the weights that the step changes, or that are made anew when training begins."""
        return frozenset(weight for _, _, bindings in self.parts for weight, _ in bindings)

    def map(self, change: Callable[[Graph], Graph]) -> TrainingStep:
        """The step with its graphs changed; their weights and outputs must keep their names."""
        begun, stepped = (None if graph is None else change(graph) for _, graph, _ in self.parts)
        return replace(self, initialization=begun, algorithm=stepped)


def without_training(graph: Graph, why: str) -> Graph:
    """The graph without its steps of training, and a warning that says why; the graph itself where it has none."""
    if not graph.training:
        return graph
    warnings.warn(f"the training information of {graph.name!r} is left out: {why}", stacklevel=3)
    return replace(graph, training=())


def verify_training(graph: Graph) -> None:
    """Checks that every binding of every step names a weight and an output of its type, and no weight twice.

    Raises:
        InvalidModelError: the first that does not.
    """
    updated: set[str] = set()
    for number, step in enumerate(graph.training, 1):
        weights = _weights(step, graph)
        for what, part, bindings in step.parts:
            where = f"T1: {what} of training step {number}"
            outputs = {} if part is None else dict(zip(part.output_names, part.outputs, strict=True))
            seen = updated if what == "algorithm" else set[str]()
            for weight, output in bindings:
                if weight not in weights or output not in outputs or weight in seen:
                    raise InvalidModelError(
                        f"{where}: {weight!r} = {output!r}: expected a weight of the model or the step, each once, and "
                        "an output"
                    )
                seen.add(weight)
                held, made = weights[weight], outputs[output].type
                if not _fits(held, made):
                    raise InvalidModelError(
                        f"{where}: {weight!r} = {output!r}: the weight is {held!r}, its new value {made!r}"
                    )
        _check_shared(step, graph, number)


def _weights(step: TrainingStep, graph: Graph) -> dict[str, Type]:
    """Types of the weights that a step may change, by name."""
    graphs = (graph,) if step.algorithm is None else (step.algorithm, graph)
    return {each.name_of(p.value): p.value.type for each in graphs for p in each.parameters}


def _fits(held: Type, given: Type) -> bool:
    from xir.ir.verify import compatible

    return compatible(held, given)


def _check_shared(step: TrainingStep, graph: Graph, number: int) -> None:
    """Weights and inputs that a step has in common with the model must be of the same type."""
    if step.initialization is not None and step.initialization.inputs:
        raise InvalidModelError(f"T2: the initialization of training step {number} has inputs")
    if step.algorithm is None:
        return
    held = dict(_leaves(graph))
    for name, type in _leaves(step.algorithm):
        if name in held and not _fits(held[name], type):
            raise InvalidModelError(f"T3: {name!r} is {held[name]!r}, in training step {number} {type!r}")


def _leaves(graph: Graph) -> Iterator[tuple[str, Type]]:
    yield from ((graph.name_of(value), value.type) for value in graph.inputs)
    yield from ((graph.name_of(p.value), p.value.type) for p in graph.parameters)
