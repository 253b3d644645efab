"""Graphs in the JSON of torch.export: torch/_export/serde/schema.py (major version 8) says the fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xir.frontends._json import Json
from xir.frontends.torch._trace import parts_of
from xir.frontends.torch.program import (
    Argument,
    Body,
    Names,
    Node,
    OperatorName,
    Quantity,
    Reference,
    Size,
    Subgraph,
    TensorInfo,
)
from xir.ir.types import DType
from xir.limits import MAX_CALLS, check_nesting, check_rank

DTYPES: Mapping[int, DType] = {
    1: DType.UINT8,
    2: DType.INT8,
    3: DType.INT16,
    4: DType.INT32,
    5: DType.INT64,
    6: DType.FLOAT16,
    7: DType.FLOAT32,
    8: DType.FLOAT64,
    10: DType.COMPLEX64,
    11: DType.COMPLEX128,
    12: DType.BOOL,
    13: DType.BFLOAT16,
    28: DType.UINT16,
    29: DType.FLOAT8E4M3FN,
    30: DType.FLOAT8E5M2,
    31: DType.FLOAT8E4M3FNUZ,
    32: DType.FLOAT8E5M2FNUZ,
    33: DType.FLOAT8E8M0,
    34: DType.UINT32,
    35: DType.UINT64,
}
"""`ScalarType` of the schema; 9 is complex32, which xir has not."""

_MEMORY_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}
_LAYOUTS = {1: "sparse_coo", 2: "sparse_csr", 3: "sparse_csc", 4: "sparse_bsr", 5: "sparse_bsc", 6: "_mkldnn",
            7: "strided"}  # fmt: skip
_BY_PLACE = 1
"""`ArgumentKind.POSITIONAL`."""

_OPERATORS = "torch.ops."
_HIGHER_ORDER = "higher_order."


def read_body(graph: Json, depth: int = 1) -> Body:
    """A `Graph` of the schema.

    Raises:
        InvalidModelError: a field is missing or of the wrong kind.
        UnsupportedError: it holds objects of classes, or types that xir has not.
        UnsafeError: its bodies are nested too deep.
    """
    check_nesting(depth, what="the program", file=graph.file, limit=MAX_CALLS)
    tensors = {name: tensor_info(meta) for name, meta in graph.field("tensor_values").entries()}
    quantities: dict[str, Quantity] = {}
    for table in ("sym_int_values", "sym_bool_values", "sym_float_values"):
        held = graph.maybe(table)
        if held is not None:
            quantities.update((name, _quantity(value)) for name, value in held.entries())
    single = graph.maybe("is_single_tensor_return")
    return Body(
        tuple(read_argument(item, depth) for item in graph.field("inputs").items()),
        tuple(_node(item, depth) for item in graph.field("nodes").items()),
        tuple(read_argument(item, depth) for item in graph.field("outputs").items()),
        single is not None and single.boolean(),
        tensors,
        quantities,
    )


def _node(node: Json, depth: int) -> Node:
    target = node.field("target").text().removeprefix(_OPERATORS)
    items: list[Argument] = []
    named: dict[str, Argument] = {}
    for each in node.field("inputs").items():
        name, kind = each.field("name").text(), each.maybe("kind")
        value = read_argument(each.field("arg"), depth)
        if not name or (kind is not None and kind.integer() == _BY_PLACE):
            items.append(value)
        elif name in named:
            each.invalid(f"argument {name!r} is given twice")
        else:
            named[name] = value
    results = _results(node, target)
    told = node.maybe("name")
    name = told.text() if told is not None else _first(results) or target
    metadata = {key: value.long_text() for key, value in node.field("metadata").entries()}
    path, module = module_of(metadata.get("nn_module_stack", ""))
    return Node(name, target, tuple(items), named, results, path, module, metadata.get("stack_trace", ""))


def module_of(stack: str) -> tuple[tuple[str, ...], str | None]:
    """The names of the modules around a call and the class of the innermost one.

    They stand in `nn_module_stack`: entries `key,path,class` between semicolons.
    """
    entries = [entry for entry in stack.split(";") if entry.count(",") >= 2]
    if not entries:
        return (), None
    _, path, kind = (part.strip() for part in entries[-1].split(",", 2))
    return parts_of(path), kind or None


def _first(names: Names) -> str | None:
    while isinstance(names, tuple):
        names = names[0] if names else None
    return names


def _results(node: Json, target: str) -> Names:
    """What the results are called; one tensor of a higher-order operator may be a tuple of it."""
    outputs = [_names(item) for item in node.field("outputs").items()]
    single = node.maybe("is_hop_single_tensor_return")
    if len(outputs) != 1:
        return tuple(outputs) if outputs else None
    in_tuple = target.startswith(_HIGHER_ORDER) and single is not None and not single.boolean()
    return (outputs[0],) if in_tuple and isinstance(outputs[0], str) else outputs[0]


def _names(output: Json) -> Names:
    kind, value = output.union()
    match kind:
        case "as_tensor" | "as_custom_obj":
            return value.field("name").text()
        case "as_tensors":
            return tuple(item.field("name").text() for item in value.items())
        case "as_sym_int" | "as_sym_float" | "as_sym_bool":
            return value.field("as_name").text()
        case "as_sym_ints" | "as_sym_floats" | "as_sym_bools":
            return tuple(item.field("as_name").text() for item in value.items())
        case "as_none" | "as_int" | "as_float" | "as_bool" | "as_string":
            return None
        case _:
            output.invalid(f"a result cannot be {kind!r}")


def read_argument(argument: Json, depth: int = 1, nesting: int = 1) -> Argument:
    """An `Argument` of the schema.

    Args:
        argument: the JSON.
        depth: of the graph around.
        nesting: of the tables around.

    Raises:
        InvalidModelError: it is of no kind that the schema knows.
        UnsupportedError: it is an object of a class.
    """
    kind, value = argument.union()
    if kind == "as_graph":
        return Subgraph(value.field("name").text(), read_body(value.field("graph"), depth + 1))
    if kind == "as_string_to_argument":
        check_nesting(nesting, what="an argument", file=argument.file)
        return {name: read_argument(item, depth, nesting + 1) for name, item in value.entries()}
    if kind in _PLAIN:
        return _PLAIN[kind](value)
    several = _SEVERAL.get(kind)
    if several is None:
        argument.invalid(f"there is no argument {kind!r}")
    return tuple(several(item) for item in value.items())


def _reference(value: Json) -> Argument:
    return Reference(value.field("name").text())


def _optional(value: Json) -> Argument:
    kind, held = value.union()
    if kind not in ("as_tensor", "as_none"):
        value.invalid(f"there is no optional tensor {kind!r}")
    return None if kind == "as_none" else _reference(held)


def _symbolic(read: Callable[[Json], Argument]) -> Callable[[Json], Argument]:
    """Reads a number or the name of one."""

    def reader(value: Json) -> Argument:
        kind, held = value.union()
        return Reference(held.text()) if kind == "as_name" else read(held)

    return reader


def _dtype(value: Json) -> DType:
    number = value.integer()
    if number == 9:
        value.refuse("complex32 tensors", hint="make them complex64 in the model")
    if number not in DTYPES:
        value.invalid(f"there is no element type {number}")
    return DTYPES[number]


def _chosen(table: Mapping[int, str]) -> Callable[[Json], Argument]:
    def read(value: Json) -> Argument:
        if value.integer() not in table:
            value.invalid(f"{value.integer()} stands for nothing; known are {sorted(table)}")
        return table[value.integer()]

    return read


def _object(value: Json) -> Argument:
    name = value.field("class_fqn").text()
    value.refuse(f"an object of the class {name!r}", hint="xir reads tensors and numbers, no TorchBind classes")


def _tuple_of(read: Callable[[Json], Argument]) -> Callable[[Json], Argument]:
    return lambda value: tuple(read(item) for item in value.items())


def _complex(value: Json) -> Argument:
    return complex(value.field("real").number(), value.field("imag").number())


_SYMBOL_INT = _symbolic(Json.integer)
_SYMBOL_FLOAT = _symbolic(Json.number)
_SYMBOL_BOOL = _symbolic(Json.boolean)

_PLAIN: Mapping[str, Callable[[Json], Argument]] = {
    "as_none": lambda value: None,
    "as_tensor": _reference,
    "as_optional_tensor": _optional,
    "as_int": Json.integer,
    "as_float": Json.number,
    "as_bool": Json.boolean,
    "as_string": Json.text,
    "as_complex": _complex,
    "as_sym_int": _SYMBOL_INT,
    "as_sym_float": _SYMBOL_FLOAT,
    "as_sym_bool": _SYMBOL_BOOL,
    "as_scalar_type": _dtype,
    "as_memory_format": _chosen(_MEMORY_FORMATS),
    "as_layout": _chosen(_LAYOUTS),
    "as_device": lambda value: value.field("type").text(),
    "as_operator": lambda value: OperatorName(value.text().removeprefix(_OPERATORS)),
    "as_custom_obj": _object,
}

_SEVERAL: Mapping[str, Callable[[Json], Argument]] = {
    "as_tensors": _reference,
    "as_optional_tensors": _optional,
    "as_ints": Json.integer,
    "as_floats": Json.number,
    "as_bools": Json.boolean,
    "as_strings": Json.text,
    "as_sym_ints": _SYMBOL_INT,
    "as_sym_floats": _SYMBOL_FLOAT,
    "as_sym_bools": _SYMBOL_BOOL,
    "as_nested_tensors": _tuple_of(_reference),
    "as_int_lists": _tuple_of(Json.integer),
    "as_float_lists": _tuple_of(Json.number),
}


def tensor_info(meta: Json) -> TensorInfo:
    """A `TensorMeta` of the schema.

    Raises:
        InvalidModelError: a field is missing or of the wrong kind.
        UnsupportedError: its elements are of a type that xir has not, or it is sparse.
    """
    layout = meta.field("layout").integer()
    if layout != 7:
        meta.refuse(f"a tensor of layout {_LAYOUTS.get(layout, layout)!r}", hint="call .to_dense() in the model")
    shape = tuple(_size(item) for item in meta.field("sizes").items())
    check_rank(len(shape), what=meta.place[-100:], file=meta.file)
    return TensorInfo(_dtype(meta.field("dtype")), shape)


def _size(size: Json) -> Size:
    kind, value = size.union()
    if kind == "as_int":
        return value.integer()
    if kind != "as_expr":
        size.invalid(f"there is no size {kind!r}")
    return value.field("expr_str").text()


def _quantity(value: Json) -> Quantity:
    kind, held = value.union()
    match kind:
        case "as_expr":
            return held.field("expr_str").text()
        case "as_int":
            return held.integer()
        case "as_float":
            return held.number()
        case "as_bool":
            return held.boolean()
        case _:
            value.invalid(f"there is no number {kind!r}")
