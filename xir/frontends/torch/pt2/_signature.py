"""What inputs and outputs of an exported program are, and where outputs stand in what the model returns."""

from __future__ import annotations

from collections.abc import Mapping

from xir.errors import XirError
from xir.frontends._json import Json, parse_json
from xir.frontends.torch._names import child_keys
from xir.frontends.torch.program import Argument, Input, InputRole, Output, OutputRole, Reference
from xir.frontends.torch.pt2._graph import read_argument
from xir.limits import check_nesting

_INPUTS: Mapping[str, tuple[InputRole, str]] = {
    "parameter": ("parameter", "parameter_name"),
    "buffer": ("buffer", "buffer_name"),
    "tensor_constant": ("constant", "tensor_constant_name"),
    "custom_obj": ("object", "custom_obj_name"),
}
"""{union member of `InputSpec`: (role, field with the name in the model)}."""

_OUTPUTS: Mapping[str, tuple[OutputRole, str]] = {
    "buffer_mutation": ("buffer", "buffer_name"),
    "parameter_mutation": ("parameter", "parameter_name"),
    "user_input_mutation": ("input", "user_input_name"),
    "gradient_to_parameter": ("parameter gradient", "parameter_name"),
    "gradient_to_user_input": ("input gradient", "user_input_name"),
}
"""{union member of `OutputSpec`: (role, field with the name of what it belongs to)}."""

_CONSTANTS = ("as_none", "as_int", "as_float", "as_string", "as_bool")


def read_inputs(specs: Json) -> tuple[Input, ...]:
    """The `InputSpec`s of a signature.

    Raises:
        InvalidModelError: one of them is of no kind that the schema knows.
    """
    return tuple(_input(*spec.union(), spec) for spec in specs.items())


def _input(kind: str, value: Json, spec: Json) -> Input:
    if kind in _INPUTS:
        role, field = _INPUTS[kind]
        return Input(value.field("arg").field("name").text(), role, value.field(field).text())
    match kind:
        case "user_input":
            argument = read_argument(value.field("arg"))
            return (
                Input(argument.name, "user") if isinstance(argument, Reference) else Input("", "user", "", (argument,))
            )
        case "constant_input":
            constant = value.field("value")
            if constant.union()[0] not in _CONSTANTS:
                constant.invalid(f"a constant cannot be {constant.union()[0]!r}")
            return Input(value.field("name").text(), "user", "", (read_argument(constant),))
        case "token":
            return Input(value.field("arg").field("name").text(), "token")
        case _:
            spec.invalid(f"there is no input {kind!r}")


def read_outputs(specs: Json) -> tuple[Output, ...]:
    """The `OutputSpec`s of a signature.

    Raises:
        InvalidModelError: one of them is of no kind that the schema knows.
    """
    return tuple(_output(*spec.union(), spec) for spec in specs.items())


def _output(kind: str, value: Json, spec: Json) -> Output:
    if kind == "user_output":
        return Output(read_argument(value.field("arg")), "user")
    argument: Argument = Reference(value.field("arg").field("name").text())
    if kind in _OUTPUTS:
        role, field = _OUTPUTS[kind]
        return Output(argument, role, value.field(field).text())
    if kind not in ("loss_output", "token"):
        spec.invalid(f"there is no output {kind!r}")
    return Output(argument, "loss" if kind == "loss_output" else "token")


Path = tuple[str | int, ...]


def output_paths(module: Json) -> tuple[Path, ...] | None:
    """Where the outputs of the model stand in what it returns, from `out_spec` of its own entry; None: it is strange.

    The text is JSON again, `[1, spec]` (torch/utils/_pytree.py, `treespec_dumps`, protocol 1).
    """
    graph = module.maybe("module_call_graph")
    for entry in () if graph is None else graph.items():
        signature = entry.maybe("signature")
        if entry.field("fqn").text() == "" and signature is not None:
            fields = _named_tuples(module)
            try:
                tree = parse_json(signature.field("out_spec").long_text().encode(), what="out_spec", file=module.file)
                version, spec = tree.items()
                return tuple(_leaves(spec, (), fields)) if version.integer() == 1 else None
            except (XirError, ValueError):
                return None
    return ()


def _named_tuples(module: Json) -> dict[str, tuple[str, ...]]:
    held = module.maybe("treespec_namedtuple_fields")
    if held is None:
        return {}
    return {name: tuple(item.text() for item in each.field("field_names").items()) for name, each in held.entries()}


def _leaves(spec: Json, path: Path, named: Mapping[str, tuple[str, ...]]) -> list[Path]:
    check_nesting(len(path) + 1, what="out_spec", file=spec.file)
    kind = spec.maybe("type")
    if kind is None:
        return [path]
    children = list(spec.field("children_spec").items())
    keys = _keys(kind.text(), spec.maybe("context"), len(children), named)
    return [leaf for key, child in zip(keys, children, strict=True) for leaf in _leaves(child, (*path, key), named)]


def _keys(kind: str, context: Json | None, count: int, named: Mapping[str, tuple[str, ...]]) -> Path:
    """What the children of a container are called."""
    held = (
        None if context is None else parse_json(context.long_text().encode(), what="out_spec", file=context.file).value
    )
    if kind.endswith("namedtuple"):
        held = [*named.get(held if isinstance(held, str) else "", ())]
    return child_keys(held, count)
