"""A graph as a SavedModel, or as a frozen graph, of TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from xir.backends.export.legal import legalize
from xir.backends.export.report import ExportReport, tally
from xir.backends.export.tensorflow._bundle import file_names, write_bundle
from xir.backends.export.tensorflow._encode import TYPES, Border, graph_def, placeholder, saved_model
from xir.backends.export.tensorflow._functions import Function, function_name, function_of, input_name
from xir.backends.export.tensorflow._images import IMAGES
from xir.backends.export.tensorflow._nodes import Node, Nodes, Variable
from xir.backends.export.tensorflow._rules import RULES
from xir.backends.export.tensorflow._variables import FOLDER, PREFIX, VARIABLES_FROM, saver_of
from xir.backends.export.tflite._plan import Plan
from xir.backends.export.tflite._tables import answer_for_tensorflow
from xir.backends.export.tflite.export import check_boundary
from xir.errors import UnsupportedError
from xir.files import PathLike, atomic_group
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.limits import MAX_MESSAGE_BYTES

MOST_BYTES = MAX_MESSAGE_BYTES // 2
"""Weights of a graph: one message of TensorFlow ends at 2 GB, and what copies a graph adds to it."""

_NO_OPERATORS = frozenset(("Const", "Placeholder", "ReadVariableOp", "VarHandleOp"))
"""Nodes that bring what there is already."""


def plan_tensorflow(graph: Graph, tidy: Callable[[Graph], Graph] | None = None, most: int | None = None) -> Nodes:
    """What `export_tensorflow` would write, without writing; `tidy` and `most` as there.

    Raises:
        UnsupportedError: operators or element types that have no form there; all of them are listed.
    """
    check_boundary(graph, "TensorFlow", lambda dtype: dtype in TYPES)
    plan = Plan(legalize(graph, answer_for_tensorflow, "TensorFlow", tidy), answer=answer_for_tensorflow)
    plan.build()
    size = sum(tensor.constant.nbytes for tensor in plan.tensors if tensor.constant is not None)
    nodes = Nodes(plan, None if most is None or size <= most else min(most, VARIABLES_FROM))
    for number, name in zip(plan.inputs, plan.graph.input_names, strict=True):
        nodes.names[number] = nodes.node("Placeholder", (), name)
    _fill(nodes)
    for number, name in zip(plan.outputs, plan.graph.output_names, strict=True):
        nodes.names[number] = nodes.node("Identity", (nodes.names[number],), name, T=plan.tensors[number].dtype)
    return nodes


def functions_of(plan: Plan) -> list[Function]:
    """The bodies of branches and loops."""
    found: list[Function] = []
    for index, body in enumerate(plan.module[1:], 1):
        nodes = Nodes(body)
        for place, number in enumerate(body.inputs):
            nodes.names[number] = nodes.reserved(input_name(place))
        _fill(nodes)
        found.append(function_of(function_name(index), nodes))
    return found


def _fill(nodes: Nodes) -> None:
    """Makes the nodes of all operators."""
    for record in nodes.plan.records:
        rule = RULES.get(record.kind) or IMAGES[record.kind]
        made = rule(nodes, record)
        nodes.names.update(zip(record.outputs, (made,) if isinstance(made, str) else made, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """Bytes of the model; the path of the file with its variables, and their bytes."""

    size: int
    data_file: str | None = None
    data_size: int = 0


def export_tensorflow(
    graph: Graph,
    path: PathLike,
    *,
    wrapped: bool = True,
    tidy: Callable[[Graph], Graph] | None = None,
    most: int = MOST_BYTES,
) -> ExportReport:
    """Writes `graph` as the file `saved_model.pb` of a SavedModel, or as a frozen GraphDef, whole or not at all.

    Args:
        graph: the model.
        path: of the file; a SavedModel is the folder in which `saved_model.pb` lies.
        wrapped: whether it is a SavedModel.
        tidy: cleans up what the pieces of operators leave, such as equal ones.
        most: bytes of weights that a graph holds; those of a SavedModel with more are variables, in a checkpoint beside
            it (`variables/`).

    Raises:
        UnsupportedError: operators or element types that have no form there, all of them listed; more weights than one
            message holds.
        FileError: the file cannot be written; an old one is untouched.
    """
    nodes = plan_tensorflow(graph, tidy, most if wrapped else None)
    plan = nodes.plan
    operators = tally(node.op for node in nodes.nodes if node.op not in _NO_OPERATORS)
    functions, saver = functions_of(plan), saver_of(nodes)
    _check_size([nodes.nodes, *(each.nodes for each in functions)], wrapped, most)
    inputs = _border(nodes, graph.input_names, plan.inputs, graph.inputs)
    outputs = _border(nodes, graph.output_names, plan.outputs, graph.outputs)
    placeholders = [placeholder(name, type) for _, name, type in inputs]
    pieces = graph_def(placeholders, [node for node in nodes.nodes if node.op != "Placeholder"], functions)
    if wrapped:
        pieces = saved_model(pieces, inputs, outputs, saver)
    written = _write(path, pieces, nodes.variables)
    return ExportReport(
        os.fspath(path),
        None,
        None,
        sum(operators.values()),
        operators,
        len(plan.graph.parameters),
        written.size,
        written.data_file,
        written.data_size,
        format="saved_model" if wrapped else "tensorflow",
    )


def _check_size(nodes: Iterable[Iterable[Node]], wrapped: bool, most: int) -> None:
    """Refuses more elements than one message holds: those of a frozen graph, or of what stands in functions."""
    held = [
        value for each in nodes for node in each for value in node.attributes.values() if isinstance(value, Constant)
    ]
    size = sum(constant.nbytes for constant in held)
    if size > most:
        raise UnsupportedError(
            f"{size} bytes of weights{' in branches and loops' if wrapped else ''} do not fit into one message of "
            f"TensorFlow, which ends at 2 GB; {most} are written at most",
            hint="write ONNX" if wrapped else "write a SavedModel (folder/saved_model.pb), whose weights lie beside it",
        )


def _border(nodes: Nodes, names: Sequence[str], numbers: Sequence[int], values: Sequence[Value]) -> Border:
    return [
        (name, nodes.names[number], value.tensor) for name, number, value in zip(names, numbers, values, strict=True)
    ]


def _write(path: PathLike, pieces: Sequence[bytes], variables: Sequence[Variable]) -> _Written:
    with atomic_group(path) as group:
        for piece in pieces:
            group.model.write(piece)
        if not variables:
            return _Written(group.model.tell())
        elements, index = group.data(), group.data()
        for output, name in zip((elements, index), file_names(PREFIX), strict=True):
            group.name(output, name, FOLDER)
        write_bundle({each.name: each.constant for each in variables}, elements, index)
        return _Written(group.model.tell(), elements.path, elements.tell())
