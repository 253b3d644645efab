"""Changes of a model's inputs and outputs that a person asks for: other names, another order of axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xir.errors import UsageError
from xir.frontends.options import Loaded
from xir.ir.builder import sourced
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.rewrite import Rewriter
from xir.ir.training import TrainingStep
from xir.ir.types import TensorType
from xir.ops.shape import transpose


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the written model's inputs and outputs shall be.

    Attributes:
        names: {input: its new name}.
        nchw_inputs: inputs with the channels last that shall have them second.
        nchw_outputs: outputs with the channels last that shall have them second.
    """

    names: Mapping[str, str] = field(default_factory=dict[str, str])
    nchw_inputs: Sequence[str] = ()
    nchw_outputs: Sequence[str] = ()

    @classmethod
    def of(cls, names: Mapping[str, str] | None, nchw_inputs: Sequence[str], nchw_outputs: Sequence[str]) -> Wanted:
        """No names at all are no new names."""
        return cls(names or {}, nchw_inputs, nchw_outputs)


def adjusted(loaded: Loaded, wanted: Wanted) -> Loaded:
    """What was read, with inputs and outputs as they are wanted.

    Raises:
        UsageError: see `with_input_names`, `with_nchw_inputs` and `with_nchw_outputs`.
    """
    turned = with_nchw_outputs(with_nchw_inputs(loaded.graph, wanted.nchw_inputs), wanted.nchw_outputs)
    state = {wanted.names.get(name, name): constant for name, constant in loaded.state.items()}
    return replace(loaded, graph=with_input_names(turned, wanted.names), state=state)


def with_input_names(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The graph with inputs renamed.

    Args:
        graph: the model.
        names: {old name: new name}.

    Raises:
        UsageError: an old name is no input, or a new one is taken.
    """
    if not names:
        return graph
    _check_inputs(graph, names)
    kept = {name for value, name in graph.names.items() if value not in graph.inputs or name not in names}
    taken = kept | set(graph.output_names)
    renamed = dict(graph.names)
    for value, old in zip(graph.inputs, graph.input_names, strict=True):
        if old in names:
            if not names[old] or names[old] in taken:
                raise UsageError(f"input {old!r} cannot be called {names[old]!r}: the name is empty or taken")
            taken.add(names[old])
            renamed[value] = names[old]
    training = _steps(graph, lambda part: with_input_names(part, _own(part, names)))
    return replace(graph, names=renamed, training=training)


def with_nchw_inputs(graph: Graph, names: Sequence[str]) -> Graph:
    """The graph with inputs [N, spatial..., C] taken as [N, C, spatial...] instead; a transpose follows each of them.

    Args:
        graph: the model.
        names: the inputs.

    Raises:
        UsageError: a name is no input, or the input has fewer than three axes.
    """
    if not names:
        return graph
    _check_inputs(graph, names)
    leaves: dict[Value, Value] = {}
    for value, name in zip(graph.inputs, graph.input_names, strict=True):
        if name in names:
            n, *spatial, channels = _with_channels("input", name, value).shape
            leaves[value] = Value(value.tensor.with_shape((n, channels, *spatial)))
    back = {value: transpose(new, perm=(0, *range(2, new.rank), 1)) for value, new in leaves.items()}
    inner = Rewriter(graph).run(lambda node, rewriter: None, leaves=back)
    inputs = tuple(leaves.get(value, value) for value in graph.inputs)
    renamed = {value: name for value, name in inner.names.items() if value not in back.values()}
    renamed |= {new: graph.name_of(old) for old, new in leaves.items()}
    training = _steps(graph, lambda part: with_nchw_inputs(part, tuple(_own(part, dict.fromkeys(names, "")))))
    return replace(inner, inputs=inputs, names=renamed, training=training)


def with_nchw_outputs(graph: Graph, names: Sequence[str]) -> Graph:
    """The graph with outputs [N, spatial..., C] given as [N, C, spatial...] instead; each ends in a transpose.

    Args:
        graph: the model.
        names: the outputs.

    Raises:
        UsageError: a name is no output, or the output has fewer than three axes.
    """
    unknown = [name for name in names if name not in graph.output_names]
    if unknown:
        raise UsageError(f"the model has no output {unknown[0]!r}; it has {list(graph.output_names)}")
    outputs = list(graph.outputs)
    for place, name in enumerate(graph.output_names):
        if name in names:
            value = _with_channels("output", name, outputs[place])
            with sourced(*(value.node.source if value.node is not None else ())):
                outputs[place] = transpose(value, perm=(0, value.rank - 1, *range(1, value.rank - 1)))
    kept = {value: name for value, name in graph.names.items() if value in graph.inputs or name not in names}
    return replace(graph, outputs=tuple(outputs), names=kept) if names else graph


def _with_channels(what: str, name: str, value: Value) -> Value:
    if not isinstance(value.type, TensorType) or value.type.rank < _LEAST_AXES:
        raise UsageError(f"{what} {name!r} is {value.type!r}; expected three axes or more, [N, ..., C]")
    return value


_LEAST_AXES = 3
"""Axes of the smallest images: examples, places, channels."""


def _steps(graph: Graph, change: Callable[[Graph], Graph]) -> tuple[TrainingStep, ...]:
    """The steps of training, whose inputs are called and shaped like those of the model."""
    return tuple(step.map(change) for step in graph.training)


def _own(part: Graph, names: Mapping[str, str]) -> dict[str, str]:
    return {name: new for name, new in names.items() if name in part.input_names}


def _check_inputs(graph: Graph, names: Mapping[str, str] | Sequence[str]) -> None:
    unknown = [name for name in names if name not in graph.input_names]
    if unknown:
        raise UsageError(f"the model has no input {unknown[0]!r}; it has {list(graph.input_names)}")
