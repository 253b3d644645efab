"""A graph as a SavedModel, or as a frozen graph, of TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from xir.backends.export.legal import legalize
from xir.backends.export.report import ExportReport, tally
from xir.backends.export.tensorflow._encode import TYPES, Border, graph_def, placeholder, saved_model
from xir.backends.export.tensorflow._functions import Function, function_name, function_of, input_name
from xir.backends.export.tensorflow._images import IMAGES
from xir.backends.export.tensorflow._nodes import Nodes
from xir.backends.export.tensorflow._rules import RULES
from xir.backends.export.tflite._plan import Plan
from xir.backends.export.tflite._tables import answer_for_tensorflow
from xir.backends.export.tflite.export import check_boundary
from xir.errors import UnsupportedError
from xir.files import PathLike, atomic_write
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.limits import MAX_MESSAGE_BYTES


def plan_tensorflow(graph: Graph, tidy: Callable[[Graph], Graph] | None = None) -> Nodes:
    """What `export_tensorflow` would write, without writing; `tidy` as there.

    Raises:
        UnsupportedError: operators or element types that have no form there; all of them are listed.
    """
    check_boundary(graph, "TensorFlow", lambda dtype: dtype in TYPES)
    plan = Plan(legalize(graph, answer_for_tensorflow, "TensorFlow", tidy), answer=answer_for_tensorflow)
    plan.build()
    nodes = Nodes(plan)
    for number, name in zip(plan.inputs, plan.graph.input_names, strict=True):
        nodes.names[number] = nodes.node("Placeholder", (), name)
    _write(nodes)
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
        _write(nodes)
        found.append(function_of(function_name(index), nodes))
    return found


def _write(nodes: Nodes) -> None:
    """Makes the nodes of all operators."""
    for record in nodes.plan.records:
        rule = RULES.get(record.kind) or IMAGES[record.kind]
        made = rule(nodes, record)
        nodes.names.update(zip(record.outputs, (made,) if isinstance(made, str) else made, strict=True))


def export_tensorflow(
    graph: Graph, path: PathLike, *, wrapped: bool = True, tidy: Callable[[Graph], Graph] | None = None
) -> ExportReport:
    """Writes `graph` as the file `saved_model.pb` of a SavedModel, or as a frozen GraphDef, whole or not at all.

    Args:
        graph: the model.
        path: of the file; a SavedModel is the folder in which `saved_model.pb` lies.
        wrapped: whether it is a SavedModel.
        tidy: cleans up what the pieces of operators leave, such as equal ones.

    Raises:
        UnsupportedError: operators or element types that have no form there, all of them listed; more weights than one
            message holds.
        FileError: the file cannot be written; an old one is untouched.
    """
    nodes = plan_tensorflow(graph, tidy)
    plan = nodes.plan
    size = sum(parameter.constant.nbytes for parameter in plan.graph.parameters)
    if size > MAX_MESSAGE_BYTES // 2:
        raise UnsupportedError(f"{size} bytes of weights do not fit into one message of TensorFlow, which ends at 2 GB")
    inputs = _border(nodes, graph.input_names, plan.inputs, graph.inputs)
    outputs = _border(nodes, graph.output_names, plan.outputs, graph.outputs)
    written = _encoded(nodes, inputs, outputs, wrapped)
    with atomic_write(path) as file:
        file.write(written)
    operators = tally(node.op for node in nodes.nodes if node.op not in ("Const", "Placeholder"))
    return ExportReport(
        os.fspath(path),
        None,
        None,
        sum(operators.values()),
        operators,
        len(plan.graph.parameters),
        len(written),
        format="saved_model" if wrapped else "tensorflow",
    )


def _border(nodes: Nodes, names: Sequence[str], numbers: Sequence[int], values: Sequence[Value]) -> Border:
    return [
        (name, nodes.names[number], value.tensor) for name, number, value in zip(names, numbers, values, strict=True)
    ]


def _encoded(nodes: Nodes, inputs: Border, outputs: Border, wrapped: bool) -> bytes:
    placeholders = [placeholder(name, type) for _, name, type in inputs]
    body = graph_def(placeholders, [node for node in nodes.nodes if node.op != "Placeholder"], functions_of(nodes.plan))
    return saved_model(body, inputs, outputs) if wrapped else body
