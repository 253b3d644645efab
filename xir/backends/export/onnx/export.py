"""A graph as an ONNX file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xir.backends.export.onnx._encode import Header
from xir.backends.export.onnx._names import Names, name_all
from xir.backends.export.onnx._plan import Plan
from xir.backends.export.onnx._training import choose_with_training, plan_steps
from xir.backends.export.onnx.targets import Tidy, choose
from xir.backends.export.onnx.write import write_model
from xir.backends.export.report import ExportReport
from xir.files import PathLike
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import UnrankedType

__all__ = ["ExportPlan", "ExportReport", "export_onnx", "plan_onnx"]


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What an export would write.

    Attributes:
        opset: the version of the default operator set.
        ir_version: the version of the file format.
        nodes: ONNX nodes.
        operators: {op_type: how many}, in alphabetical order.
    """

    opset: int
    ir_version: int
    nodes: int
    operators: Mapping[str, int]


def plan_onnx(
    graph: Graph,
    *,
    opset: int | None = None,
    ir_version: int | None = None,
    target: str | None = None,
    tidy: Tidy | None = None,
) -> ExportPlan:
    """What `export_onnx` would write, without writing.

    Raises:
        UnsupportedError: operators that have no form there: all of them, with what would help.
        UsageError: versions that contradict each other.
    """
    versions, legal = choose(graph, opset, ir_version, target, tidy)
    plan = Plan(legal, versions.opset)
    plan.build()
    return ExportPlan(versions.opset, versions.ir_version, sum(1 for _ in plan.every_record()), _count(plan))


def export_onnx(
    graph: Graph,
    path: PathLike,
    *,
    opset: int | None = None,
    ir_version: int | None = None,
    target: str | None = None,
    external_data: bool | None = None,
    metadata: Mapping[str, str] | None = None,
    documentation: str = "",
    state: Mapping[str, Constant] | None = None,
    tidy: Tidy | None = None,
) -> ExportReport:
    """Writes `graph` as an ONNX model, whole or not at all.

    Args:
        graph: the model.
        path: of the file to write.
        opset: the operator set, 11 to 28; by default 21, raised only as far as the graph needs.
        ir_version: the version of the file format; by default that of the opset's onnx release.
        target: a runtime and its version (`ort==1.31`, `openvino`, `tensorrt==11.0`, `opencv`) that shall read it.
        external_data: whether weights go into a data file beside the model; by default only where 2 GB are passed.
        metadata: the model's metadata_props.
        documentation: the model's doc_string.
        state: what inputs that are the state of the model begin with, by name: these have a default in the file.
        tidy: cleans up what the pieces of operators leave, such as equal ones.

    Raises:
        UnsupportedError: operators that have no form there: all of them, with what would help.
        UsageError: versions that contradict each other.
        FileError: the file cannot be written; an old one is untouched.
    """
    versions, legal, steps = choose_with_training(graph, opset, ir_version, target, tidy)
    plan = Plan(legal, versions.opset)
    plan.build()
    plan_steps(plan, steps)
    names = name_all(plan)
    _warn_of_ranks(plan, names)
    begun = {value: (state or {})[name] for name, value in _inputs(plan) if name in (state or {})}
    header = Header(versions.opset, versions.ir_version, _own_version(), dict(metadata or {}), documentation, begun)
    written = write_model(path, plan, names, header, external_data)
    layers, results = _layers(plan, names)
    name: str = os.fspath(path)
    return ExportReport(
        path=name,
        opset=versions.opset,
        ir_version=versions.ir_version,
        nodes=sum(1 for _ in plan.every_record()),
        operators=_count(plan),
        weights=len(legal.parameters),
        size=written.size,
        data_file=None if written.data_file is None else os.path.join(os.path.dirname(name), written.data_file),
        data_size=written.data_size,
        layers=layers,
        results=results,
        renamed=names.renamed,
    )


def _own_version() -> str:
    """Ours, empty where xir is not installed as a package."""
    from importlib import metadata as packages

    try:
        return packages.version("xir-compiler")
    except packages.PackageNotFoundError:
        return ""


def _inputs(plan: Plan) -> Iterable[tuple[str, Value]]:
    return zip(plan.graph.input_names, plan.graph.inputs, strict=True)


def _warn_of_ranks(plan: Plan, names: Names) -> None:
    """Says which inputs and outputs have no known number of axes.

    onnx docs/IR.md, Graphs: "the main graph inputs and outputs are required to have a shape, indicating the rank";
    onnx.checker refuses files that do not, runtimes (onnxruntime 1.31) run them.
    """
    values = dict.fromkeys((*plan.graph.inputs, *plan.graph.outputs))
    unknown = [names.values[value] for value in values if isinstance(value.type, UnrankedType)]
    if unknown:
        listed = ", ".join(repr(name) for name in unknown)
        warnings.warn(
            f"the number of axes of {listed} is not known: runtimes take the file, ONNX's checker does not; "
            "types of inputs can be told (--input NAME=f32[...])",
            stacklevel=3,
        )


def _count(plan: Plan) -> dict[str, int]:
    found: dict[str, int] = {}
    for record in plan.every_record():
        found[record.kind] = found.get(record.kind, 0) + 1
    return dict(sorted(found.items()))


def _layers(plan: Plan, names: Names) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    nodes: dict[str, list[str]] = {}
    results: dict[str, tuple[str, ...]] = {}
    for record, name in zip(plan.records, names.nodes[plan], strict=True):
        made = tuple(names.values[ref] for ref in record.outputs if isinstance(ref, Value))
        for source in record.source:
            nodes.setdefault(source.layer, []).append(name)
            results[source.layer] = made
    return {layer: tuple(held) for layer, held in nodes.items()}, results
