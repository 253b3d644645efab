"""Every operator in every wording, its node made wrong in one place: attributes, operands, results, bodies.

The models of which one node is made wrong are valid (`onnx_bases`). Each comes twice: with its operands fed, and with
them standing in the file, where import and folding look at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from tests.hostile.case import Case, case
from tests.hostile.onnx_bases import Base, bases, seed_of

NUMBERS = (0, -1, 1, 2, 7, -(2**31), 2**31, 2**40, 2**63 - 1, -(2**63))
REALS = (0.0, -1.0, 1e38, 1e-45, float("nan"), float("inf"), float("-inf"))
WORDS = (b"", b"x", b"\0", b"\xff\xfe", b"(" * 2000, b"a" * 60_000, b"(a+)+$", b"...,...->...", b"i" * 200 + b"->")
ITEMS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("INTS", (0, -1, 1, 2**31, 2**63 - 1, -(2**63))),
    ("FLOATS", REALS),
    ("STRINGS", (b"", b"a", b"\xff", b"(")),
)
SHAPES: tuple[tuple[int | str | None, ...] | None, ...] = (
    None,
    (),
    (0,),
    (1,),
    (3,),
    (2**31,),
    (2**62, 4),
    ("n", "m"),
    (1,) * 9,
    (2, 0, 3, 4),
    ("n", "c", "h", "w"),
    (1, 1, 2**40),
)
TYPES = (1, 2, 7, 8, 9, 10, 11, 13, 14, 16, 17, 22, 23)


def part(number: int, of: int) -> Iterator[Case]:
    """One case of `of`, spread over all operators."""
    for base in bases():
        yield from _of(base, lambda name: seed_of(name) % of == number)


def _of(base: Base, chosen: Callable[[str], bool]) -> Iterator[Case]:
    fed, held = base.model, _held(base)
    seen: set[str] = set()
    for title, model in (("fed", fed), *([("held", held)] if held is not None else [])):
        for name, changed in _changed(model):
            made = f"{base.name} {title}: {name}"
            if made in seen or not chosen(made):
                continue
            try:
                data = changed.SerializeToString(deterministic=True)
            except ValueError:
                continue
            seen.add(made)
            yield case(made, "m.onnx", data)


def _held(base: Base) -> onnx.ModelProto | None:
    """The model with its inputs as weights."""
    names = [info.name for info in base.model.graph.input]
    if not names or any(name not in base.feeds for name in names):
        return None
    model = _copy(base.model)
    try:
        model.graph.initializer.extend(numpy_helper.from_array(base.feeds[name], name) for name in names)
    except (TypeError, ValueError, NotImplementedError):
        return None
    del model.graph.input[:]
    return model


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    return made


def _changed(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.ModelProto]]:
    yield "whole", model
    yield from _attributes(model)
    yield from _operands(model)
    yield from _results(model)
    if model.graph.initializer:
        yield from _weights(model)


def _attributes(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.ModelProto]]:
    node = model.graph.node[0]
    given = {attribute.name: attribute for attribute in node.attribute}
    known = _known(model) | {name: int(attribute.type) for name, attribute in given.items()}
    for name, kind in known.items():
        if name in given:
            yield f"{name} gone", _with_attribute(model, name, None)
        for title, value in _values(name, kind, given.get(name)):
            yield f"{name} {title}", _with_attribute(model, name, value)
    yield "unknown attribute", _with_attribute(model, "evil", helper.make_attribute("evil", 1))


def _known(model: onnx.ModelProto) -> dict[str, int]:
    """The attributes that the schema knows, with their types."""
    node = model.graph.node[0]
    version = next((each.version for each in model.opset_import if each.domain == node.domain), 1)
    try:
        attributes = onnx.defs.get_schema(node.op_type, version, node.domain).attributes
    except onnx.defs.SchemaError:
        return {}
    return {name: int(cast("Any", attributes[name].type).value) for name in sorted(attributes)}


def _values(name: str, kind: int, given: AttributeProto | None) -> Iterator[tuple[str, AttributeProto]]:
    """Values at the borders of the type that is right, and one of each other type."""
    numbers = NUMBERS if kind == AttributeProto.INT else (3,)
    yield from ((f"= {number}", helper.make_attribute(name, number)) for number in numbers)
    reals = REALS if kind == AttributeProto.FLOAT else (0.5,)
    yield from ((f"= {real} (float)", helper.make_attribute(name, real)) for real in reals)
    words = WORDS if kind == AttributeProto.STRING else WORDS[1:2]
    yield from ((f"= word {index}", helper.make_attribute(name, word)) for index, word in enumerate(words))
    lists = {int(AttributeProto.AttributeType.Value(one)): one.lower() for one, _ in ITEMS}
    kept = len(getattr(given, lists[kind])) if given is not None and kind in lists else 1
    full = tuple(dict.fromkeys((0, max(kept - 1, 0), kept, kept + 1, 70, 20_000)))
    for one, items in ITEMS:
        right = lists.get(kind) == one.lower()
        for length in full if right else (1,):
            for item in items if right else items[:1]:
                made = AttributeProto(name=name, type=one)
                getattr(made, one.lower()).extend([item] * length)
                yield f"= [{item!r}] * {length} ({one.lower()})", made
        if right and given is not None:
            yield from _one_item(name, one, given, items)
    yield from _messages(name, given)


def _one_item(
    name: str, kind: str, given: AttributeProto, items: tuple[object, ...]
) -> Iterator[tuple[str, AttributeProto]]:
    """The list as it is but for one item."""
    kept = list(getattr(given, kind.lower()))
    for place in dict.fromkeys((0, len(kept) // 2, len(kept) - 1)) if kept else ():
        for item in (*items, kept[0]):
            made = AttributeProto(name=name, type=kind)
            getattr(made, kind.lower()).extend([*kept[:place], item, *kept[place + 1 :]])
            yield f"with item {place} {item!r}", made


def _messages(name: str, given: AttributeProto | None) -> Iterator[tuple[str, AttributeProto]]:
    for title, tensor in (
        ("scalar", numpy_helper.from_array(np.array(1.0, np.float32), "t")),
        ("text", TensorProto(name="t", data_type=TensorProto.STRING, dims=[2], string_data=[b"a", b"b"])),
        ("i64", numpy_helper.from_array(np.array([-(2**63), -1, 0], np.int64), "t")),
        ("empty", numpy_helper.from_array(np.zeros((0, 3), np.float32), "t")),
        ("huge", TensorProto(name="t", data_type=1, dims=[2**40])),
        ("nothing", TensorProto()),
    ):
        yield f"= tensor {title}", helper.make_attribute(name, tensor)
    sparse = onnx.SparseTensorProto(dims=[2**31])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "v"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([5]), "i"))
    yield "= sparse tensor", helper.make_attribute(name, sparse)
    yield "= type", helper.make_attribute(name, helper.make_tensor_type_proto(99, [1]))
    yield "= type of sequences", helper.make_attribute(name, helper.make_sequence_type_proto(onnx.TypeProto()))
    yield "= reference", AttributeProto(name=name, type=AttributeProto.INT, ref_attr_name="other")
    yield "of no type", AttributeProto(name=name)
    yield "of an unknown type", AttributeProto(name=name, i=1)
    for title, body in _bodies(given):
        yield f"= {title}", helper.make_attribute(name, body)


def _bodies(given: AttributeProto | None) -> Iterator[tuple[str, onnx.GraphProto]]:
    info = helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])
    yield "empty body", onnx.GraphProto()
    yield "body of its input", helper.make_graph([], "b", [info], [info])
    yield "body of nothing made", helper.make_graph([], "b", [], [info])
    if given is None or given.type != AttributeProto.GRAPH:
        return
    for title, change in BODIES.items():
        body = onnx.GraphProto()
        body.CopyFrom(given.g)
        change(body)
        yield f"body with {title}", body


def _retype(body: onnx.GraphProto) -> None:
    for each in (*body.input, *body.output):
        each.type.CopyFrom(helper.make_tensor_type_proto(TensorProto.STRING, [7, 0]))


BODIES: Mapping[str, Callable[[onnx.GraphProto], None]] = {
    "no inputs": lambda body: body.ClearField("input"),
    "no outputs": lambda body: body.ClearField("output"),
    "no nodes": lambda body: body.ClearField("node"),
    "inputs twice": lambda body: body.input.extend(list(body.input)),
    "outputs twice": lambda body: body.output.extend(list(body.output)),
    "more inputs": lambda body: body.input.extend(helper.make_tensor_value_info(f"more{i}", 1, [1]) for i in range(50)),
    "other types": _retype,
}
"""What is made wrong in a body."""


def _with_attribute(model: onnx.ModelProto, name: str, value: AttributeProto | None) -> onnx.ModelProto:
    made = _copy(model)
    node = made.graph.node[0]
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend(kept if value is None else [*kept, value])
    return made


def _operands(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.ModelProto]]:
    names = list(model.graph.node[0].input)
    for index, name in enumerate(names):
        yield f"operand {index} absent", _with_operands(model, [*names[:index], "", *names[index + 1 :]])
        yield f"operand {index} gone", _with_operands(model, [*names[:index], *names[index + 1 :]])
        yield f"all operands {index}", _with_operands(model, [name] * len(names))
        yield (
            f"operand {index} is its result",
            _with_operands(model, [*names[:index], model.graph.node[0].output[0], *names[index + 1 :]]),
        )
    yield "no operands", _with_operands(model, [])
    if names:
        yield "one operand more", _with_operands(model, [*names, names[0]])
        yield "operands backwards", _with_operands(model, names[::-1])
        yield "many operands", _with_operands(model, [names[-1]] * 3000)
    for index, info in enumerate(model.graph.input):
        yield from _retyped(model, index, info)


def _with_operands(model: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    made = _copy(model)
    del made.graph.node[0].input[:]
    made.graph.node[0].input.extend(names)
    return made


def _retyped(model: onnx.ModelProto, index: int, info: onnx.ValueInfoProto) -> Iterator[tuple[str, onnx.ModelProto]]:
    kept = info.type.tensor_type
    shape = [dim.dim_value for dim in kept.shape.dim]
    types = {f"of type {kind}": helper.make_tensor_type_proto(kind, shape) for kind in TYPES}
    kind = kept.elem_type or TensorProto.FLOAT
    types |= {f"of shape {each}": helper.make_tensor_type_proto(kind, each) for each in SHAPES}
    types["of more axes"] = helper.make_tensor_type_proto(kind, [*shape, 2])
    types["of fewer axes"] = helper.make_tensor_type_proto(kind, shape[:-1])
    types["of other sizes"] = helper.make_tensor_type_proto(kind, [size + 1 for size in shape])
    types["sequence"] = helper.make_sequence_type_proto(helper.make_tensor_type_proto(kind, shape))
    types["optional"] = helper.make_optional_type_proto(helper.make_tensor_type_proto(kind, shape))
    types["sequence of optionals of sequences"] = helper.make_sequence_type_proto(
        helper.make_optional_type_proto(helper.make_sequence_type_proto(helper.make_tensor_type_proto(kind, None)))
    )
    types["map"] = helper.make_map_type_proto(7, helper.make_tensor_type_proto(kind, []))
    types["of no type"] = onnx.TypeProto()
    for title, type_ in types.items():
        made = _copy(model)
        made.graph.input[index].type.CopyFrom(type_)
        yield f"operand {index} {title}", made


def _results(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.ModelProto]]:
    names = list(model.graph.node[0].output)
    for title, changed in (
        ("no results", []),
        ("one result more", [*names, "more"]),
        ("many results", [*names, *(f"more{index}" for index in range(2000))]),
        ("one result twice", [*names, names[0]]),
        ("the results absent", [""] * len(names)),
        ("the results are operands", list(model.graph.node[0].input)[: len(names)] or names),
    ):
        made = _copy(model)
        del made.graph.node[0].output[:]
        made.graph.node[0].output.extend(changed)
        yield title, made
    for shape in (*SHAPES, (5, 5, 5)):
        made = _copy(model)
        for info in made.graph.output:
            info.type.CopyFrom(helper.make_tensor_type_proto(1, shape))
        yield f"results declared {shape}", made


def _weights(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Operands in the file with other elements: the borders of their types."""
    for index, tensor in enumerate(model.graph.initializer):
        array = numpy_helper.to_array(tensor)
        for title, other in _arrays(array):
            try:
                changed = numpy_helper.from_array(other, tensor.name)
            except (TypeError, ValueError, NotImplementedError):
                continue
            made = _copy(model)
            made.graph.initializer[index].CopyFrom(changed)
            yield f"weight {index} {title}", made


def _arrays(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    if array.dtype.kind in "iu":
        limits = np.iinfo(array.dtype)
        numbers = dict.fromkeys((0, -1, 1, 3, int(limits.max), int(limits.min), 2**31, 2**40))
        for number in numbers:
            if limits.min <= number <= limits.max:
                yield f"= {number}", np.full(array.shape, number, array.dtype)
                yield f"= [{number}] * 70", np.full(70, number, array.dtype)
    elif array.dtype.kind == "f":
        for real in (0.0, -1.0, float("nan"), float("inf"), float("-inf"), 1e30):
            with np.errstate(all="ignore"):
                yield f"= {real}", np.full(array.shape, real).astype(array.dtype)
    elif array.dtype.kind == "O":
        for word in ("", "(", "(a*)*b", "\0", "a" * 1000):
            filled = np.empty(array.shape, object)
            filled[...] = word
            yield f"= {word[:10]!r}", filled
    elif array.dtype.kind == "b":
        yield "= not", ~array
    yield "empty", np.zeros((0, *array.shape[1:]), array.dtype) if array.ndim else np.zeros((0,), array.dtype)
    yield "scalar", array.reshape(-1)[:1].reshape(()) if array.size else np.zeros((), array.dtype)
    yield "flat", array.reshape(-1)
    yield "of more axes", array.reshape((1, *array.shape, 1))
