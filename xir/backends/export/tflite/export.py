"""A graph as a TFLite file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from xir.backends.export.legal import legalize
from xir.backends.export.report import ExportReport, tally
from xir.backends.export.tflite._encode import element_name, encoded
from xir.backends.export.tflite._fuse import fuse_activations, undo_reshapes
from xir.backends.export.tflite._integers import compute_in_integers
from xir.backends.export.tflite._plan import Plan
from xir.backends.export.tflite._tables import answer_for
from xir.errors import Problem, UnsupportedError
from xir.files import PathLike, atomic_write
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType


def plan_tflite(graph: Graph, tidy: Callable[[Graph], Graph] | None = None) -> Plan:
    """What `export_tflite` would write, without writing; `tidy` as there.

    Raises:
        UnsupportedError: operators or element types that have no form there; all of them are listed.
    """
    check_boundary(graph, "TFLite", lambda dtype: element_name(dtype) is not None)
    plan = Plan(legalize(_settled(graph), answer_for(graph), "TFLite", tidy))
    plan.build()
    for part in plan.module:
        undo_reshapes(part)
        fuse_activations(part)
        compute_in_integers(part)
    return plan


def _settled(graph: Graph) -> Graph:
    """The graph with weights that no training changes: the file says nothing of that, so that `tidy` may fold them."""
    return replace(graph, parameters=tuple(replace(each, trainable=False) for each in graph.parameters))


def export_tflite(
    graph: Graph,
    path: PathLike,
    *,
    least: Mapping[Symbol, int] | None = None,
    tidy: Callable[[Graph], Graph] | None = None,
) -> ExportReport:
    """Writes `graph` as a TFLite file, whole or not at all.

    Args:
        graph: the model.
        path: of the file.
        least: sizes for those that only the run tells, where the file names a number too.
        tidy: cleans up what the pieces of operators leave, such as equal ones.

    Raises:
        UnsupportedError: operators or element types that have no form there; all of them are listed.
        FileError: the file cannot be written; an old one is untouched.
    """
    plan = plan_tflite(graph, tidy)
    data = encoded(plan.module, least or {}, "written by xir")
    name: str = os.fspath(path)
    with atomic_write(name) as file:
        file.write(data)
    operators = tally(record.kind for part in plan.module for record in part.records)
    return ExportReport(
        name,
        None,
        None,
        sum(operators.values()),
        operators,
        len(plan.graph.parameters),
        len(data),
        format="tflite",
    )


def check_boundary(graph: Graph, target: str, takes: Callable[[DType], bool]) -> None:
    """Refuses inputs and outputs that the format has no tensors for.

    Args:
        graph: the model.
        target: the format's name, for messages.
        takes: whether it has tensors of an element type.

    Raises:
        UnsupportedError: there are such; all of them are listed.
    """
    problems = [
        Problem("input" if value in graph.inputs else "output", (graph.name_of(value),), reason, None)
        for value in (*graph.inputs, *graph.outputs)
        if (reason := _odd(value, target, takes)) is not None
    ]
    if problems:
        names = ", ".join(f"{problem.layers[0]}: {problem.reason}" for problem in problems)
        message = f"{len(problems)} inputs and outputs have no form in {target}: {names}"
        raise UnsupportedError(message, problems=tuple(problems))


def _odd(value: Value, target: str, takes: Callable[[DType], bool]) -> str | None:
    if not isinstance(value.type, TensorType):
        return "no tensor of known rank"
    return None if takes(value.dtype) else f"{target} has no elements of {value.dtype}"
