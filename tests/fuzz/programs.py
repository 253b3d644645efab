"""Random typed graphs over the whole operator table, with what to feed them.

The examples of the table test are the building blocks. A step takes an example and gives its operator values that are
already there, as far as their types fit (cut, repeated and cast to fit now and then), and the example's own arrays
otherwise, as inputs, weights or literals. Steps are found by trying: what the type rule or the reference refuses is
drawn again. What ONNX leaves open (a NaN cast to a whole number, a division by the whole number 0, shifts by more bits
than there are) is not drawn.

Every choice comes from one `random.Random`: from a seed in the long run, from hypothesis in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import cast

import numpy as np

from tests.fuzz.sample import Sample, one_application
from tests.fuzz.undefined import is_left_open
from tests.ops.cases import AnyOp, Case, all_cases
from xir.errors import XirError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, Type, UnrankedType, dtype_from_numpy
from xir.ops.constant import constant
from xir.ops.control import if_, loop, scan
from xir.ops.elementwise import cast as cast_to
from xir.ops.shape import broadcast, concat, reshape, slice_, transpose
from xir.reference import run

MAX_ELEMENTS = 8192
"""Elements of a value in a random graph: larger ones only take time."""

SPECIAL = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-40, 65504.0, -1e30, 0.5, 1.5, 2.5, -1.0)
"""Numbers that implementations treat differently: no numbers, zeros of both signs, subnormal, large, halves."""

SPECIAL_GRAPHS = 1 / 8
"""How many graphs have such numbers: what is wrong with ordinary ones must not hide behind them."""

GENERATORS = frozenset(("random_normal", "random_uniform", "bernoulli", "multinomial", "dropout"))
"""Operators whose numbers ONNX leaves open: of what depends on them only types and sizes are compared."""

EXCLUDED: Mapping[str, str] = {
    "image_decoder": "needs a decoder that not every environment has",
    "svd": "vectors of equal values, and those of none, are any that span the same space",
    "symmetric_eigen": "vectors of equal values are any that span the same space",
}
"""Operators that are not drawn, and why."""


@cache
def blocks() -> Mapping[str, tuple[Case, ...]]:
    """The examples by operator; those that are too large are left out."""
    found: dict[str, list[Case]] = {}
    for case in all_cases():
        size = sum(each.size for each in case.inputs if isinstance(each, np.ndarray))
        if size <= MAX_ELEMENTS and case.op.name not in EXCLUDED:
            found.setdefault(case.op.name, []).append(case)
    return {name: tuple(cases) for name, cases in sorted(found.items())}


@dataclass
class Builder:
    """A random graph on its way.

    Attributes:
        random: where every choice comes from.
        in_body: whether this is a body, which has literals only, and whose steps run on other numbers too.
        batch: the symbol that stands for a first axis of two elements, if any.
        special: whether numbers are drawn that are not finite, or hardly.
        pool: the values so far.
        held: what each of them is for the feeds.
        used: the values that something reads.
        inputs: the inputs.
        parameters: the weights.
    """

    random: Random
    in_body: bool = False
    batch: Symbol | None = None
    special: bool = False
    pool: list[Value] = field(default_factory=list[Value])
    held: dict[Value, object] = field(default_factory=dict[Value, object])
    used: set[Value] = field(default_factory=set[Value])
    inputs: list[Value] = field(default_factory=list[Value])
    parameters: list[Parameter] = field(default_factory=list[Parameter])

    def apply(self, op: AnyOp, operands: Sequence[Value | None], attributes: Mapping[str, object]) -> list[Value]:
        """The results of the operator, which join the pool; none where it does not take the operands."""
        types = [None if value is None else value.type for value in operands]
        given = [None if value is None else self.held[value] for value in operands]
        try:
            if is_left_open(op.name, given, attributes, strict=self.in_body):
                return []
            graph, names = one_application(op, types, attributes)
            feeds = {
                name: item
                for name, item, type in zip(names, given, types, strict=True)
                if name is not None and type is not None
            }
            made = run(graph, cast("dict[str, Array]", feeds))
        except XirError:
            return []
        if any(size_of(item) > MAX_ELEMENTS for item in made.values()):
            return []
        real = op(*operands, **attributes)
        results = [real] if isinstance(real, Value) else list(real)
        for value, item in zip(results, made.values(), strict=True):
            self.held[value] = item
            self.pool.append(value)
        self.used.update(value for value in operands if value is not None)
        return results

    def fresh(self, item: object, type: Type | None = None) -> Value:
        """A value that holds `item`: an input, a weight or a literal."""
        if not isinstance(item, np.ndarray):
            return self._input(item, cast("Type", type))
        array = self._varied(cast("Array", item))
        kind = "literal" if self.in_body else self.random.choice(["input", "input", "input", "weight", "literal"])
        if kind == "input" or isinstance(type, UnrankedType) or (type is not None and not isinstance(type, TensorType)):
            return self._input(array, type or self._type_of(array))
        held = constant_of(array)
        if kind == "literal":
            value = constant(value=held)
        else:
            value = Value(held.type)
            self.parameters.append(Parameter(value, held))
        self.held[value] = array
        self.pool.append(value)
        return value

    def _input(self, item: object, type: Type) -> Value:
        value = Value(type)
        self.inputs.append(value)
        self.held[value] = item
        self.pool.append(value)
        return value

    def _type_of(self, array: Array) -> TensorType:
        """The array's type; two rows of numbers may be a batch, but how many sizes or axes there are is known."""
        shape = array.shape
        if array.dtype.kind in "iu" and array.ndim == 1:
            return TensorType(dtype_from_numpy(array.dtype), shape)
        if self.batch is not None and shape[:1] == (2,) and self.random.random() < 0.7:
            return TensorType(dtype_from_numpy(array.dtype), (self.batch, *shape[1:]))
        return TensorType(dtype_from_numpy(array.dtype), shape)

    def _varied(self, array: Array) -> Array:
        """The example's array, another order of it, or one with special numbers."""
        if not array.ndim or not array.size or not dtype_from_numpy(array.dtype).is_floating:
            return array
        chance = self.random.random()
        if self.special and chance < 0.3:
            flat = array.reshape(-1).copy()
            for place in range(0, flat.size, 3):
                with np.errstate(all="ignore"):
                    flat[place] = np.asarray(self.random.choice(SPECIAL)).astype(array.dtype)
            return flat.reshape(array.shape)
        return np.flip(array).copy() if 0.3 <= chance < 0.5 else array

    def operand(self, case: Case, index: int, beside: Mapping[int, Value]) -> Value | None:
        """A value for an operand of the example: one of the pool that may fit, or the example's own."""
        item = case.inputs[index]
        type = None if case.types is None else case.types[index]
        if item is None and type is None:
            return None
        if not isinstance(item, np.ndarray):
            return self._sequence(item, type)
        array = item
        fitting = [value for value in self.pool if self._fits(value, array)]
        if not fitting or self.random.random() < 0.3:
            return self.fresh(array, type)
        value = self.random.choice(fitting)
        partner = next(
            (beside[i] for i in beside if isinstance(case.inputs[i], np.ndarray) and _shape(case, i) == array.shape),
            None,
        )
        shape = array.shape if partner is None else _known(self.held[partner])
        if self.random.random() < 0.55 and partner is None:
            return value
        return self.fitted(value, shape) or self.fresh(array, type)

    def _sequence(self, item: object, type: Type | None) -> Value:
        """A sequence or optional of the type: one that is there, or the example's own."""
        fitting = [value for value in self.pool if repr(value.type) == repr(type)]
        return (
            self.random.choice(fitting)
            if fitting and self.random.random() < 0.6
            else self._input(item, cast("Type", type))
        )

    def _fits(self, value: Value, array: Array) -> bool:
        """Whether a value may stand where the example has the array: whole numbers must lie within its range."""
        item = self.held[value]
        if not isinstance(item, np.ndarray) or item.dtype != array.dtype or not isinstance(value.type, TensorType):
            return False
        if array.dtype.kind not in "iuV" or dtype_from_numpy(array.dtype).is_floating:
            return True
        if not item.size or not array.size or item.ndim != array.ndim:
            return False
        low, high = int(array.min()), int(array.max())
        return low <= int(item.min()) and int(item.max()) <= high and (low > 0 or 0 in array or 0 not in item)

    def fitted(self, value: Value, shape: tuple[int, ...]) -> Value | None:
        """The value cut, repeated and reshaped to a shape."""
        item = cast("Array", self.held[value])
        if item.shape == shape and isinstance(value.type, TensorType) and value.type.static_shape is not None:
            return value
        count = math.prod(shape)
        if not _is_static(value) or (not item.size and count):
            return None
        try:
            fits = np.broadcast_shapes(item.shape, shape) == shape
        except ValueError:
            fits = False
        if fits:
            return _only(self.apply(broadcast, [value], {"shape": shape}))
        flat = _only(self.apply(reshape, [value], {"shape": (item.size,)}))
        if flat is not None and item.size < count:
            flat = _only(self.apply(concat, [flat] * math.ceil(count / item.size), {"axis": 0}))
        if flat is not None and cast("Array", self.held[flat]).size > count:
            cut = {"axes": (0,), "starts": (0,), "stops": (count,), "steps": (1,)}
            flat = _only(self.apply(slice_, [flat], cut))
        return None if flat is None else _only(self.apply(reshape, [flat], {"shape": shape}))

    def step(self) -> bool:
        """One more operator; False where the one that was drawn takes nothing of what there is."""
        name = self.random.choice(list(blocks()))
        case = self.random.choice(blocks()[name])
        return self.place(case)

    def place(self, case: Case) -> bool:
        """The example's operator on values of the pool, or else on the example's own arrays."""
        if self.in_body and not case.is_plain:
            return False
        for attempt in range(3):
            before = len(self.pool), len(self.inputs), len(self.parameters)
            operands: list[Value | None] = []
            for index, item in enumerate(case.inputs):
                type = None if case.types is None else case.types[index]
                if attempt == 2:
                    absent = item is None and type is None
                    operands.append(None if absent else self.fresh(item, type))
                    continue
                beside = {i: value for i, value in enumerate(operands) if value is not None}
                operands.append(self.operand(case, index, beside))
            if self.apply(case.op, operands, case.attributes):
                return True
            self._forget(*before)
        return False

    def _forget(self, values: int, inputs: int, parameters: int) -> None:
        del self.pool[values:], self.inputs[inputs:], self.parameters[parameters:]
        self.used.intersection_update(self.pool)

    def glue(self) -> bool:
        """A step between shapes: a cut (to nothing, too), other axes, a scalar repeated, another type."""
        tensors = [value for value in self.pool if _is_static(value)]
        if not tensors:
            return False
        value = self.random.choice(tensors)
        shape = _known(self.held[value])
        match self.random.randrange(5):
            case 0 if shape:
                axis = self.random.randrange(len(shape))
                stop = self.random.randint(0, shape[axis])
                start = self.random.randint(0, stop)
                cut = {"axes": (axis,), "starts": (start,), "stops": (stop,), "steps": (1,)}
                return bool(self.apply(slice_, [value], cut))
            case 1:
                perm = tuple(self.random.sample(range(len(shape)), len(shape)))
                return bool(self.apply(transpose, [value], {"perm": perm}))
            case 2 if len(shape) < 5:
                return bool(self.apply(broadcast, [value], {"shape": (self.random.randint(0, 3), *shape)}))
            case 3:
                at = self.random.randint(0, len(shape))
                return bool(self.apply(reshape, [value], {"shape": (*shape[:at], 1, *shape[at:])}))
            case _:
                return bool(self.apply(cast_to, [value], {"dtype": self.random.choice(CASTS)}))


CASTS = tuple(dtype for dtype in DType if dtype not in (DType.STRING, DType.COMPLEX64, DType.COMPLEX128))


def size_of(item: object) -> int:
    """The elements of what a value holds."""
    if isinstance(item, list):
        return sum(size_of(each) for each in cast("list[object]", item))
    return int(np.size(cast("Array", item))) if item is not None else 0


def _only(values: Sequence[Value]) -> Value | None:
    return values[0] if values else None


def _shape(case: Case, index: int) -> tuple[int, ...]:
    return _known(case.inputs[index])


def _known(item: object) -> tuple[int, ...]:
    return tuple(np.shape(cast("Array", item)))


def _is_static(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.static_shape is not None


def random_sample(random: Random) -> Sample:
    """A random graph of up to about ten operators, bodies not counted."""
    batch = Symbol("N") if random.random() < 0.3 else None
    builder = Builder(random, batch=batch, special=random.random() < SPECIAL_GRAPHS)
    wanted = random.randint(1, 12)
    for _ in range(40):
        if random.random() < 0.15:
            builder.glue()
        elif builder.pool and random.random() < 0.12:
            random.choice((branches, repeated, scanned))(builder)
        else:
            builder.step()
        if sum(value.node is not None for value in builder.pool) >= wanted and any(map(_is_made, builder.pool)):
            break
    return finished(builder)


def _is_made(value: Value) -> bool:
    return value.node is not None and value.node.op.name != "constant"


def finished(builder: Builder) -> Sample:
    """The graph of a builder: what nothing reads goes out, and now and then something that is read."""
    made = [value for value in builder.pool if _is_made(value) and not isinstance(value.type, UnrankedType)]
    ends = [value for value in made if value not in builder.used]
    more = [value for value in made if value in builder.used and builder.random.random() < 0.15]
    outputs = tuple(dict.fromkeys((ends or made)[-6:] + more[:2]))
    if not outputs:
        return random_sample(builder.random)
    read = _read_by(outputs)
    inputs = tuple(value for value in builder.inputs if value in read)
    names = {value: f"in{index}" for index, value in enumerate(inputs)}
    parameters = tuple(each for each in builder.parameters if each.value in read)
    names |= {each.value: f"w{index}" for index, each in enumerate(parameters)}
    labels = tuple(f"out{index}" for index in range(len(outputs)))
    graph = Graph("fuzz", inputs, outputs, labels, parameters, names)
    sample = Sample(graph, {names[value]: cast("Array", builder.held[value]) for value in inputs})
    try:
        run(graph, sample.feeds)
    except XirError:  # two examples give one name to sizes of their own, or random numbers fall elsewhere
        return random_sample(builder.random)
    return sample


def _read_by(outputs: Sequence[Value]) -> set[Value]:
    nodes = Graph("ends", (), tuple(outputs), tuple(f"{i}" for i in range(len(outputs)))).nodes
    return {value for node in nodes for value in node.inputs if value is not None} | set(outputs)


def _captured(builder: Builder, least: int = 1) -> list[Value]:
    """Some tensors of the pool of known size."""
    tensors = [value for value in builder.pool if _is_static(value) and value.tensor.dtype is not DType.STRING]
    if len(tensors) < least:
        return []
    return builder.random.sample(tensors, min(len(tensors), builder.random.randint(least, 3)))


def _inner(builder: Builder, types: Sequence[Type], items: Sequence[object]) -> Builder:
    """The builder of a body that gets values of these types."""
    inner = Builder(builder.random, in_body=True, special=builder.special)
    for type, item in zip(types, items, strict=True):
        value = Value(type)
        inner.inputs.append(value)
        inner.pool.append(value)
        inner.held[value] = item
    for _ in range(builder.random.randint(1, 3)):
        if builder.random.random() < 0.2:
            inner.glue()
        else:
            inner.step()
    return inner


def _body(inner: Builder, outputs: Sequence[Value]) -> Graph:
    names = {value: f"b{index}" for index, value in enumerate(inner.inputs)}
    return Graph("body", tuple(inner.inputs), tuple(outputs), tuple(f"r{i}" for i in range(len(outputs))), names=names)


def _like(inner: Builder, type: Type, given: Value) -> Value:
    """A value of the body of the type: a result of a step if there is one that can be made so."""
    wanted = cast("TensorType", type)
    for value in reversed(inner.pool):
        if _is_made(value) and _is_static(value) and value.tensor.dtype is wanted.dtype:
            made = inner.fitted(value, cast("tuple[int, ...]", wanted.static_shape))
            if made is not None:
                return made
    return given


def branches(builder: Builder) -> bool:
    """An If on an input, whose bodies read values of the graph around them."""
    captured = _captured(builder)
    if not captured:
        return False
    types, items = [value.type for value in captured], [builder.held[value] for value in captured]
    then, other = _inner(builder, types, items), _inner(builder, types, items)
    ends = [value for value in then.pool if _is_static(value)][-2:]
    partners: list[Value] = []
    for end in list(ends):
        place = then.inputs.index(end) if end in then.inputs else 0
        found = _like(other, end.type, other.inputs[place])
        if found.tensor.dtype is not end.tensor.dtype:
            ends.remove(end)
        else:
            partners.append(found)
    if not ends:
        return False
    holds = builder.fresh(np.asarray(builder.random.random() < 0.5))
    words = {"then_body": _body(then, ends), "else_body": _body(other, partners)}
    return bool(builder.apply(if_, [holds, *captured], words))


def repeated(builder: Builder) -> bool:
    """A Loop of up to three steps that carries a value and stacks another."""
    captured = _captured(builder)
    if not captured:
        return False
    types = [TensorType(DType.INT64, ()), TensorType(DType.BOOL, ()), *(value.type for value in captured)]
    items = [np.asarray(0), np.asarray(True), *(builder.held[value] for value in captured)]
    inner = _inner(builder, types, items)
    carried = _like(inner, captured[0].type, inner.inputs[2])
    stacked = [value for value in inner.pool if _is_static(value)][-1:]
    body = _body(inner, [inner.inputs[1], carried, *stacked])
    count = builder.fresh(np.asarray(builder.random.randint(0, 3), np.int64))
    going = builder.fresh(np.asarray(True)) if builder.random.random() < 0.5 else None
    return bool(builder.apply(loop, [count, going, *captured], {"body": body, "carried": 1}))


def scanned(builder: Builder) -> bool:
    """A Scan along the first axis of a value, with a state."""
    captured = [value for value in _captured(builder, 2)]
    cut = [value for value in captured if _known(builder.held[value])[:1] > (0,)]
    if len(captured) < 2 or not cut:
        return False
    along = cut[0]
    state, *rest = [value for value in captured if value is not along]
    sliced = cast("TensorType", along.type)
    types = [state.type, sliced.with_shape(sliced.shape[1:]), *(value.type for value in rest)]
    first = cast("Array", builder.held[along])[0]
    inner = _inner(builder, types, [builder.held[state], np.asarray(first), *(builder.held[value] for value in rest)])
    carried = _like(inner, state.type, inner.inputs[0])
    stacked = [value for value in inner.pool if _is_static(value)][-1:]
    words = {
        "body": _body(inner, [carried, *stacked]),
        "states": 1,
        "axes": (0,),
        "reversed_inputs": (builder.random.random() < 0.3,),
        "result_axes": (0,),
        "reversed_results": (builder.random.random() < 0.3,),
    }
    return bool(builder.apply(scan, [state, along, *rest], words))
