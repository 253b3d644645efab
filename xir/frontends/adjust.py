"""Changes of a model's inputs that a person asks for: other names, another order of axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from xir.errors import UsageError
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.rewrite import Rewriter
from xir.ir.training import TrainingStep
from xir.ir.types import TensorType
from xir.ops.shape import transpose

_NCHW_TO_NHWC = (0, 2, 3, 1)


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
    """The graph with inputs [N, H, W, C] taken as [N, C, H, W] instead; a transpose follows each of them.

    Args:
        graph: the model.
        names: the inputs.

    Raises:
        UsageError: a name is no input, or the input has not four axes.
    """
    if not names:
        return graph
    _check_inputs(graph, names)
    leaves: dict[Value, Value] = {}
    for value, name in zip(graph.inputs, graph.input_names, strict=True):
        if name in names:
            if not isinstance(value.type, TensorType) or value.type.rank != len(_NCHW_TO_NHWC):
                raise UsageError(f"input {name!r} is {value.type!r}; expected four axes [N, H, W, C]")
            n, h, w, c = value.type.shape
            leaves[value] = Value(value.type.with_shape((n, c, h, w)))
    back = {value: transpose(new, perm=_NCHW_TO_NHWC) for value, new in leaves.items()}
    inner = Rewriter(graph).run(lambda node, rewriter: None, leaves=back)
    inputs = tuple(leaves.get(value, value) for value in graph.inputs)
    renamed = {value: name for value, name in inner.names.items() if value not in back.values()}
    renamed |= {new: graph.name_of(old) for old, new in leaves.items()}
    training = _steps(graph, lambda part: with_nchw_inputs(part, tuple(_own(part, dict.fromkeys(names, "")))))
    return replace(inner, inputs=inputs, names=renamed, training=training)


def _steps(graph: Graph, change: Callable[[Graph], Graph]) -> tuple[TrainingStep, ...]:
    """The steps of training, whose inputs are called and shaped like those of the model."""
    return tuple(step.map(change) for step in graph.training)


def _own(part: Graph, names: Mapping[str, str]) -> dict[str, str]:
    return {name: new for name, new in names.items() if name in part.input_names}


def _check_inputs(graph: Graph, names: Mapping[str, str] | Sequence[str]) -> None:
    unknown = [name for name in names if name not in graph.input_names]
    if unknown:
        raise UsageError(f"the model has no input {unknown[0]!r}; it has {list(graph.input_names)}")
