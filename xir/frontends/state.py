"""The state of a model: inputs that begin with what the file says, and whose new elements the model returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xir.ir.constant import Constant, constant_of
from xir.ir.graph import Graph
from xir.ir.types import TensorType

_SHOWN = 3
"""Names of inputs that a note lists."""


def state_notes(names: Iterable[str]) -> tuple[str, ...]:
    """What whoever runs a model with state must do."""
    quoted = [repr(name) for name in names]
    if not quoted:
        return ()
    told = ", ".join(quoted[:_SHOWN]) + (", ..." if len(quoted) > _SHOWN else "")
    return (f"the model has state: each run takes as {told} what the one before gave as '.new' (docs/pytorch.md)",)


def state_of(graph: Graph, state: Mapping[str, Constant]) -> dict[str, Constant]:
    """What the inputs of a graph begin with, as the types that they have there; nothing for those of other sizes."""
    fitting: dict[str, Constant] = {}
    for name, value in zip(graph.input_names, graph.inputs, strict=True):
        constant = state.get(name)
        if constant is not None and isinstance(value.type, TensorType) and value.shape == constant.shape:
            same = value.dtype is constant.dtype
            fitting[name] = constant if same else constant_of(constant.array().astype(value.dtype.dtype))
    return fitting
