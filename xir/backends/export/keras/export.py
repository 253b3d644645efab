"""A graph as an archive of Keras 3."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

from xir.backends.export.keras._archive import write_archive
from xir.backends.export.keras._layers import Layers
from xir.backends.export.keras._order import in_order
from xir.backends.export.keras._rules import write
from xir.backends.export.keras._tables import answer
from xir.backends.export.legal import legalize
from xir.backends.export.report import ExportReport, tally
from xir.backends.export.tflite._plan import Plan, Record
from xir.backends.export.tflite.export import check_boundary
from xir.errors import Problem, UnsupportedError
from xir.files import PathLike
from xir.ir.graph import Graph
from xir.ir.types import DType
from xir.keras_layout import Json
from xir.passes import optimize

_TYPES = frozenset(
    {
        *(DType.FLOAT16, DType.FLOAT32, DType.INT8, DType.INT16, DType.INT32, DType.INT64),
        *(DType.UINT8, DType.UINT16, DType.UINT32, DType.BOOL),
    }
)
"""Element types of inputs and outputs; those that nothing computes in are cast."""


def plan_keras(graph: Graph, tidy: Callable[[Graph], Graph] | None = None) -> Layers:
    """What `export_keras` would write, without writing; `tidy` as there.

    Raises:
        UnsupportedError: operators or element types that have no form there; all of them are listed.
    """
    check_boundary(graph, "Keras", lambda dtype: dtype in _TYPES)
    plan = Plan(legalize(graph, answer, "Keras", partial(_folded, tidy)), answer=answer)
    plan.build()
    layers = Layers(plan)
    for number, name in zip(plan.inputs, plan.graph.input_names, strict=True):
        layers.input(number, name)
    _write_all(layers, plan.records)
    for number, name in zip(plan.outputs, plan.graph.output_names, strict=True):
        layers.output(number, name)
    layers.entries = in_order(layers.entries, layers.inputs, [name for name, _ in layers.outputs])
    return layers


def _folded(tidy: Callable[[Graph], Graph] | None, graph: Graph) -> Graph:
    """The graph with what depends on weights alone computed: layers have weights, and no operators that make them."""
    return optimize(graph if tidy is None else tidy(graph), passes=("fold_constants",))


def _write_all(layers: Layers, records: Sequence[Record]) -> None:
    """Makes the layers of all operators.

    Sizes that the file computes need not be said where a layer finds them itself: what cannot be said matters where an
    output depends on it.

    Raises:
        UnsupportedError: an output cannot be said; all reasons are listed.
    """
    lost: dict[int, dict[str, Record]] = {}
    for record in records:
        try:
            write(layers, record)
        except UnsupportedError as error:
            causes: dict[str, Record] = {}
            for number in record.inputs:
                causes |= {why: each if each.source else record for why, each in lost.get(number, {}).items()}
            lost |= dict.fromkeys(record.outputs, causes or {error.message: record})
    found: dict[str, Record] = {}
    for number in layers.plan.outputs:
        found |= lost.get(number, {})
    if found:
        problems = tuple(_problem(layers, record, reason) for reason, record in found.items())
        told = "; ".join(f"{each.kind} ({each.layers[0]}): {each.reason}" for each in problems)
        raise UnsupportedError(f"{len(problems)} kinds of layers have no form in Keras: {told}", problems=problems)


def _problem(layers: Layers, record: Record, reason: str) -> Problem:
    if not record.source:
        return Problem(record.kind.lower(), (layers.tensor(record.outputs[0]).name,), reason, None)
    return Problem(record.source[0].kind, (record.source[0].layer,), reason, None)


def export_keras(graph: Graph, path: PathLike, *, tidy: Callable[[Graph], Graph] | None = None) -> ExportReport:
    """Writes `graph` as an archive of Keras 3 (`.keras`), whole or not at all.

    Args:
        graph: the model.
        path: of the file.
        tidy: cleans up what the pieces of operators leave, such as equal ones.

    Raises:
        UnsupportedError: operators or element types that have no form there; all of them are listed.
        MissingExtraError: h5py is not installed.
        FileError: the file cannot be written; an old one is untouched.
    """
    layers = plan_keras(graph, tidy)
    size = write_archive(path, _model(layers), layers.entries)
    operators = tally(entry.kind for entry in layers.entries if entry.arguments is not None)
    names = zip(layers.plan.graph.input_names, layers.inputs, strict=True)
    return ExportReport(
        os.fspath(path),
        None,
        None,
        sum(operators.values()),
        operators,
        sum(len(entry.weights) for entry in layers.entries),
        size,
        renamed={wanted: held for wanted, held in names if wanted != held},
        format="keras_archive",
    )


def _model(layers: Layers) -> dict[str, Json]:
    """The configuration of the functional model (keras/src/models/functional.py, `get_config`)."""
    name = layers.plan.graph.name.replace("/", "_") or "model"
    config: dict[str, Json] = {
        "name": name,
        "trainable": True,
        "layers": [entry.described() for entry in layers.entries],
        "input_layers": [[each, 0, 0] for each in layers.inputs],
        "output_layers": [[name, 0, index] for name, index in layers.outputs],
    }
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
        "build_config": {"input_shape": None},
    }
