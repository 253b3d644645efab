"""Steps of training beside the graph: legal at the same opset, and without what the graph computes itself.

onnx.proto, TrainingInfoProto: the algorithm goes on where the graph ends, so what both compute stands in the graph
alone, and the algorithm reads it by its name.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from dataclasses import replace

from xir.backends.export.onnx._form import OnnxType
from xir.backends.export.onnx._plan import Plan, Record, RecordAttribute, Ref, StepPlan
from xir.backends.export.onnx._tensor import IR_VERSIONS
from xir.backends.export.onnx.legalize import copied, legalize, lowest_opset
from xir.backends.export.onnx.targets import Tidy, Versions, choose, dtypes_in, parse_target
from xir.errors import UnsupportedError, UsageError
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.training import TrainingStep

TRAINING_IR_VERSION = 7
"""The first IR version with training information (onnx.proto, Version)."""


def choose_with_training(
    graph: Graph, opset: int | None, ir_version: int | None, target: str | None, tidy: Tidy | None = None
) -> tuple[Versions, Graph, tuple[TrainingStep, ...]]:
    """What `choose` answers, raised as far as the graph's steps of training need, and these steps legalised.

    Where the versions that are asked for cannot say a step, all are left out with a warning: the model runs without.

    Raises:
        UsageError, UnsupportedError: as `choose`.
    """
    versions, legal = choose(graph, opset, ir_version, target, tidy)
    if not graph.training:
        return versions, legal, ()
    parts = [part for step in graph.training for part in step.graphs]
    try:
        needed = max([versions.opset, *(lowest_opset(part, versions.opset) for part in parts)])
        if opset is None and needed > versions.opset:
            versions, legal = choose(graph, needed, ir_version, target, tidy)
        steps = tuple(step.map(lambda part: copied(legalize(part, versions.opset))) for step in graph.training)
        return _with_ir_version(versions, steps, ir_version, target), legal, steps
    except (UnsupportedError, UsageError) as error:
        warnings.warn(f"the training information is not written: {error.message}", stacklevel=4)
        return versions, legal, ()


def _with_ir_version(
    versions: Versions, steps: tuple[TrainingStep, ...], asked: int | None, target: str | None
) -> Versions:
    held = (IR_VERSIONS.get(dtype, 3) for step in steps for part in step.graphs for dtype in dtypes_in(part))
    needed = max([TRAINING_IR_VERSION, *held])
    if versions.ir_version >= needed:
        return versions
    if asked is not None or (target is not None and parse_target(target).ir_version < needed):
        raise UnsupportedError(f"it needs IR version {needed}, and {versions.ir_version} is written")
    return replace(versions, ir_version=needed)


def plan_steps(plan: Plan, steps: tuple[TrainingStep, ...]) -> None:
    """Plans legal steps of training beside the finished plan of their model.

    Raises:
        InvalidModelError: a size is needed that nothing tells.
    """
    plan.training = tuple(_planned(plan, step) for step in steps)


def _planned(plan: Plan, step: TrainingStep) -> StepPlan:
    begun, stepped = (None if part is None else _built(part, plan.opset) for _, part, _ in step.parts)
    shared = {} if stepped is None else _shared(plan, stepped)
    return StepPlan(step, begun, stepped, shared)


def _built(graph: Graph, opset: int) -> Plan:
    plan = Plan(graph, opset)
    plan.build()
    return plan


def _shared(model: Plan, step: Plan) -> dict[Ref, Ref]:
    """What of the step stands for what of the model; the step's plan is rid of all that makes it."""
    shared = _same_leaves(model.graph, step.graph)
    literals = {_constant_key(constant): made for made, constant in model.literals.items()}
    for made, constant in list(step.literals.items()):
        if _constant_key(constant) in literals:
            shared[made] = literals[_constant_key(constant)]
            del step.literals[made]
    known = {_key(record, {}): record for record in reversed(model.records) if not record.nested}
    ends = _Ends(model.graph, step.graph)
    kept: list[Record] = []
    for record in step.records:
        found = None if record.nested else known.get(_key(record, shared))
        if found is None or not ends.allow(record, found):
            kept.append(record)
            continue
        for ours, theirs in zip(record.outputs, found.outputs, strict=True):
            if ours is not None and theirs is not None:
                shared[ours] = theirs
    step.records[:] = kept
    return shared


def _same_leaves(model: Graph, step: Graph) -> dict[Ref, Ref]:
    """The step's inputs and weights that are the model's: those of the same name."""
    inputs = dict(zip(model.input_names, model.inputs, strict=True))
    weights = {model.name_of(parameter.value): parameter.value for parameter in model.parameters}
    named = zip(step.inputs, step.input_names, strict=True)
    found: dict[Ref, Ref] = {value: inputs[name] for value, name in named if name in inputs}
    for value in (parameter.value for parameter in step.parameters):
        if step.name_of(value) in weights:
            found[value] = weights[step.name_of(value)]
    return found


class _Ends:
    """Which nodes of a step may be left out: not those of its outputs, unless the model has that very output."""

    def __init__(self, model: Graph, step: Graph) -> None:
        self._step = dict(zip(step.outputs, step.output_names, strict=True))
        self._model = dict(zip(model.outputs, model.output_names, strict=True))

    def allow(self, record: Record, found: Record) -> bool:
        """Whether all that `record` makes is made by the model's `found`."""
        if len(record.outputs) != len(found.outputs):
            return False
        for ours, theirs in zip(record.outputs, found.outputs, strict=True):
            if ours is None:
                continue
            output = self._step.get(ours) if isinstance(ours, Value) else None
            same = self._model.get(theirs) == output if isinstance(theirs, Value) else output is None
            if theirs is None or (output is not None and not same):
                return False
        return True


def _key(record: Record, shared: Mapping[Ref, Ref]) -> Hashable:
    """Equal for nodes that compute the same; draws of random numbers too, for their seeds are attributes."""
    inputs = tuple(None if ref is None else shared.get(ref, ref) for ref in record.inputs)
    attributes = tuple(sorted((name, _attribute_key(value)) for name, value in record.attributes.items()))
    return record.kind, record.domain, inputs, attributes


def _attribute_key(value: RecordAttribute) -> str:
    match value:
        case Constant():
            return repr(_constant_key(value))
        case OnnxType(type):
            return repr(type)
        case _:
            return repr(value)


def _constant_key(constant: Constant) -> Hashable:
    return constant.type, constant.digest()
