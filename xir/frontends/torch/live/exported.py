"""A live `torch.export.ExportedProgram` as a program: what an archive of it would say, from the objects themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.torch._names import child_keys
from xir.frontends.torch.live.graphs import FxReader
from xir.frontends.torch.live.objects import Exported, LiveTensor, Spec, TreeSpec, torch_module
from xir.frontends.torch.live.tensors import constant_of
from xir.frontends.torch.program import (
    Argument,
    Input,
    InputRole,
    Output,
    OutputRole,
    Program,
    Reference,
    Weight,
)
from xir.limits import check_nesting

_INPUTS: Mapping[str, InputRole] = {
    "USER_INPUT": "user",
    "PARAMETER": "parameter",
    "BUFFER": "buffer",
    "CONSTANT_TENSOR": "constant",
    "CUSTOM_OBJ": "object",
    "TOKEN": "token",
}
"""{member of `InputKind` (torch/export/graph_signature.py): role}."""

_OUTPUTS: Mapping[str, OutputRole] = {
    "USER_OUTPUT": "user",
    "LOSS_OUTPUT": "loss",
    "BUFFER_MUTATION": "buffer",
    "PARAMETER_MUTATION": "parameter",
    "USER_INPUT_MUTATION": "input",
    "GRADIENT_TO_PARAMETER": "parameter gradient",
    "GRADIENT_TO_USER_INPUT": "input gradient",
    "TOKEN": "token",
}
"""{member of `OutputKind`: role}."""


def read_exported(exported: Exported, name: str) -> Program:
    """The program; its weights are the tensors' own memory.

    Args:
        exported: what torch.export made.
        name: of the model.

    Raises:
        UnsupportedError: it has what no program of xir can have.
    """
    torch = torch_module()
    reader = FxReader(exported.graph_module)
    body = reader.body()
    signature = exported.graph_signature
    inputs = [_input(spec) for spec in signature.input_specs]
    inputs += [Input(read, "constant", read) for read in reader.constants]
    held = {**exported.constants, **exported.state_dict, **reader.constants}
    tensor = cast("type[object]", torch.Tensor)
    weights: dict[str, Weight] = {}
    for input_ in inputs:
        if input_.role in ("parameter", "buffer", "constant") and isinstance(held.get(input_.target), tensor):
            live = cast("LiveTensor", held[input_.target])
            constant = constant_of(live, f"weight {input_.target!r}")
            weights[input_.target] = Weight(constant, live.requires_grad and input_.role == "parameter")
    return Program(
        name,
        name,
        body,
        tuple(inputs),
        tuple(_output(spec) for spec in signature.output_specs),
        weights,
        ranges_of(exported.range_constraints),
        tuple(cast("Sequence[str]", getattr(exported, "_guards_code", None) or ())),
        _output_paths(exported),
        str(torch.__version__),
    )


def _input(spec: Spec) -> Input:
    role = _INPUTS.get(spec.kind.name)
    if role is None:
        raise UnsupportedError(f"an input of the kind {spec.kind.name}")
    name = str(getattr(spec.arg, "name", ""))
    if role == "user" and hasattr(spec.arg, "value"):
        return Input(name, role, "", (_constant(spec),))
    return Input(name, role, spec.target or "")


def _output(spec: Spec) -> Output:
    role = _OUTPUTS.get(spec.kind.name)
    if role is None:
        raise UnsupportedError(f"an output of the kind {spec.kind.name}")
    argument = _constant(spec) if hasattr(spec.arg, "value") else Reference(str(getattr(spec.arg, "name", "")))
    return Output(argument, role, spec.target or "")


def _constant(spec: Spec) -> Argument:
    """What a `ConstantArgument` is."""
    value: object = getattr(spec.arg, "value", None)
    if value is not None and not isinstance(value, bool | int | float | str):
        raise InvalidModelError(f"a constant cannot be of type {type(value).__name__}")
    return value


def ranges_of(ranges: Mapping[object, object]) -> dict[str, tuple[int | None, int | None]]:
    """{symbol: (smallest, largest)} of sympy's symbols and torch's `ValueRanges`; None where there is no bound."""
    return {
        str(symbol): (_bound(getattr(limits, "lower", None)), _bound(getattr(limits, "upper", None)))
        for symbol, limits in ranges.items()
    }


def _bound(limit: object) -> int | None:
    text = str(limit)
    return int(text) if text.lstrip("-").isdigit() else None


def _output_paths(exported: Exported) -> tuple[tuple[str | int, ...], ...]:
    """Where the outputs stand in what the model returns."""
    spec: object = getattr(getattr(exported, "call_spec", None), "out_spec", None)
    return () if spec is None else tuple(_leaves(cast("TreeSpec", spec), ()))


def _leaves(spec: TreeSpec, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    check_nesting(len(path) + 1, what="what the model returns")
    if spec.type is None:
        yield path
        return
    children = spec.children()
    keys = child_keys(getattr(spec.context, "_fields", spec.context), len(children))
    for key, child in zip(keys, children, strict=True):
        yield from _leaves(child, (*path, key))
