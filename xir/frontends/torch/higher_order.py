"""Higher-order operators: branches, loops, and what only wraps calls (torch/_higher_order_ops)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends._bodies import Body, captured_by, settled
from xir.frontends.torch._builder import Builder, HigherOrder
from xir.frontends.torch.autocast import Autocast
from xir.frontends.torch.program import OperatorName, Subgraph
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.dims import Dim, SymbolicDim
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, Type
from xir.ops import control
from xir.ops.shape import concat, reshape, slice_

_I64 = TensorType(DType.INT64, ())
_BOOL = TensorType(DType.BOOL, ())


def _subgraph(item: object) -> Subgraph:
    if not isinstance(item, Subgraph):
        raise InvalidModelError(f"a body is needed, got {type(item).__name__}")
    return item


def _several(item: object) -> tuple[object, ...]:
    if not isinstance(item, tuple):
        raise InvalidModelError(f"a list is needed, got {type(item).__name__}")
    return cast("tuple[object, ...]", item)


def _fit(items: Sequence[object], least: int) -> Sequence[object]:
    if len(items) < least:
        raise InvalidModelError(f"takes {least} arguments, got {len(items)}")
    return items


def _packed(body: Subgraph, results: tuple[object, ...]) -> object:
    return results[0] if body.body.is_single and len(results) == 1 else results


def _run(builder: Builder, body: Subgraph, given: Sequence[object]) -> list[Value]:
    """The results of a body, its calls being nodes of the graph that `builder` builds; inputs stay as they are."""
    before = [(item, item.writes) for item in given if isinstance(item, Tensor)]
    results = [builder.value(result) for result in builder.inline(body.body, given)]
    builder.scope.refuse_ragged(results)
    if any(item.writes != writes for item, writes in before):
        raise UnsupportedError("a body writes its input", hint="clone it first")
    return results


def _operands(builder: Builder, items: Sequence[object]) -> list[Value]:
    """What a body gets as tensors: sizes go in as they are; then the lengths of sequences of several lengths."""
    made = [builder.value(item) for item in items if not isinstance(item, SymbolicDim | int | float)]
    return [*made, *(builder.scope.ragged[value] for value in made if value in builder.scope.ragged)]


def _placed(builder: Builder, inner: Builder, items: Sequence[object], inputs: Sequence[Value]) -> list[object]:
    """The arguments of a body inside it: its inputs in place of tensors and numbers of the run."""
    given = iter(inputs)
    placed: list[object] = []
    marked: list[Value] = []
    for item in items:
        if isinstance(item, SymbolicDim | int | float):
            placed.append(item)
            continue
        value = next(given)
        placed.append(Computed(value) if isinstance(item, Computed) else Tensor(value))
        if isinstance(item, Tensor) and item.value in builder.scope.ragged:
            marked.append(value)
    inner.scope.ragged.update(zip(marked, given, strict=False))
    return placed


def _branch(builder: Builder, body: Subgraph, items: Sequence[object]) -> Body:
    """A branch as a closed graph that takes those of `items` that are tensors or numbers of the run."""
    operands = _operands(builder, items)

    def make(inner: Builder, inputs: Sequence[Value]) -> Sequence[Value]:
        for outer, value in zip(operands, inputs, strict=True):
            known = builder.scope.constant_of(outer)
            if known is not None:
                inner.scope.constants[value] = known
        return _run(inner, body, _placed(builder, inner, items, inputs))

    return builder.body_of([value.type for value in operands], make)


def _cond(builder: Builder, items: Sequence[object]) -> object:
    """`cond(condition, true_graph, false_graph, operands)`: the branch alone where the condition is known."""
    condition, first, second, operands = _fit(items, 4)[:4]
    bodies, given = (_subgraph(first), _subgraph(second)), _several(operands)
    if isinstance(condition, bool):
        chosen = bodies[0 if condition else 1]
        return _packed(chosen, builder.inline(chosen.body, given))
    then, other = (_branch(builder, body, given) for body in bodies)
    captured = captured_by(then, other)
    made = control.if_(
        _scalar(builder.value(condition)),
        *_operands(builder, given),
        *captured,
        then_body=then.taking(captured),
        else_body=other.taking(captured),
    )
    return _packed(bodies[0], tuple(Tensor(value) for value in made))


def _scalar(value: Value) -> Value:
    return value if value.rank == 0 else reshape(value, shape=())


def _while_loop(builder: Builder, items: Sequence[object]) -> object:
    """`while_loop(condition, body, carried, additional)`: the condition is asked before each step."""
    condition, body, carried, more = (*_fit(items, 3), ())[:4]
    asked, stepped = _subgraph(condition), _subgraph(body)
    states, rest = _several(carried), _several(more)
    first = [builder.value(item) for item in states]
    builder.scope.refuse_ragged(first)
    others = _operands(builder, rest)
    numbers = [not isinstance(item, Tensor) for item in states]

    def inside(inner: Builder, values: Sequence[Value], inputs: Sequence[Value]) -> list[object]:
        held = [Computed(value) if number else Tensor(value) for value, number in zip(values, numbers, strict=True)]
        return [*held, *_placed(builder, inner, rest, inputs)]

    def holds(inner: Builder, given: list[object]) -> Value:
        made = _run(inner, asked, given)
        if len(made) != 1:
            raise InvalidModelError(f"the condition of a loop makes {len(made)} values")
        return _scalar(made[0])

    def build(types: Sequence[Type]) -> Body:
        def make(inner: Builder, inputs: Sequence[Value]) -> Sequence[Value]:
            values, given = inputs[2 : 2 + len(first)], inputs[2 + len(first) :]
            made = _run(inner, stepped, inside(inner, values, given))
            if len(made) != len(first):
                raise InvalidModelError(f"a step makes {len(made)} values of {len(first)}")
            return [holds(inner, inside(inner, made, given)), *made]

        return builder.body_of([_I64, _BOOL, *types, *(value.type for value in others)], make)

    going = holds(builder, inside(builder, first, others))
    loop = settled(build, [value.type for value in first], 1)
    made = control.loop(None, going, *first, *others, *loop.captured, body=loop.graph, carried=len(first))
    return tuple(
        Computed(value) if number else Tensor(value) for value, number in zip(made[: len(first)], numbers, strict=True)
    )


def _scan(builder: Builder, items: Sequence[object]) -> object:
    """`scan(body, states, scanned, additional)`: slices along the first axis; results are stacked along it."""
    body, states, scanned, more = (*_fit(items, 3), ())[:4]
    step, held, rest = _subgraph(body), _several(states), _several(more)
    first = [builder.value(item) for item in held]
    slices = [builder.value(item) for item in _several(scanned)]
    if not slices:
        raise UnsupportedError("a scan of nothing")
    made = _scanned(builder, first, slices, rest, lambda inner, given: _run(inner, step, given))
    return tuple(Tensor(value) for value in made)


def _map(builder: Builder, items: Sequence[object]) -> object:
    """`map_impl(body, mapped, additional)`: the body for each slice along the first axis."""
    body, mapped, more = (*_fit(items, 2), ())[:3]
    step, slices = _subgraph(body), [builder.value(item) for item in _several(mapped)]
    made = _scanned(builder, [], slices, _several(more), lambda inner, given: _run(inner, step, given))
    return tuple(Tensor(value) for value in made)


def _associative_scan(builder: Builder, items: Sequence[object]) -> object:
    """`associative_scan(body, scanned, additional)`: running results along the first axis, one after another."""
    body, scanned, more = (*_fit(items, 2), ())[:3]
    combine, values = _subgraph(body), [builder.value(item) for item in _several(scanned)]
    heads = [_cut(value, 0, 1) for value in values]
    first = [reshape(head, shape=head.shape[1:]) for head in heads]
    tails = [_cut(value, 1, value.shape[0]) for value in values]

    def step(inner: Builder, given: list[object]) -> list[Value]:
        made = _run(inner, combine, given)
        return [*made, *made]

    made = _scanned(builder, first, tails, _several(more), step)[len(first) :]
    return tuple(Tensor(concat(head, rest, axis=0)) for head, rest in zip(heads, made, strict=True))


def _cut(value: Value, start: int, stop: Dim) -> Value:
    return slice_(value, axes=(0,), starts=(start,), stops=(stop,), steps=(1,))


def _scanned(
    builder: Builder,
    states: Sequence[Value],
    slices: Sequence[Value],
    rest: Sequence[object],
    step: Callable[[Builder, list[object]], list[Value]],
) -> tuple[Value, ...]:
    """A scan along the first axis: the states after the last step, then the stacked results."""
    builder.scope.refuse_ragged((*states, *slices))
    others = _operands(builder, rest)
    rows = [value.tensor.with_shape(value.shape[1:]) for value in slices]
    count = len(states) + len(slices)

    def build(types: Sequence[Type]) -> Body:
        def make(inner: Builder, inputs: Sequence[Value]) -> Sequence[Value]:
            return step(inner, [*map(Tensor, inputs[:count]), *_placed(builder, inner, rest, inputs[count:])])

        return builder.body_of([*types, *rows, *(value.type for value in others)], make)

    body = settled(build, [value.type for value in states], 0)
    results = len(body.graph.outputs) - len(states)
    return control.scan(
        *states,
        *slices,
        *others,
        *body.captured,
        body=body.graph,
        states=len(states),
        axes=(0,) * len(slices),
        reversed_inputs=(False,) * len(slices),
        result_axes=(0,) * results,
        reversed_results=(False,) * results,
    )


def _wrapped(place: int) -> HigherOrder:
    """An operator that runs the body at `place` for the arguments after it and changes no element."""

    def rule(builder: Builder, items: Sequence[object]) -> object:
        body = _subgraph(_fit(items, place + 1)[place])
        return _packed(body, builder.inline(body.body, items[place + 1 :]))

    return rule


def _autocast(builder: Builder, items: Sequence[object]) -> object:
    """`wrap_with_autocast(device, dtype, enabled, cache_enabled, body, *arguments)`."""
    device, dtype, enabled = _fit(items, 5)[:3]
    if enabled is not False and (device != "cpu" or dtype not in (None, DType.BFLOAT16, DType.FLOAT16)):
        raise UnsupportedError(
            f"casts on {device!r} to {dtype!r} that depend on operators",
            hint="export.run_decompositions() writes them down before the save",
        )
    around = builder.autocast
    builder.autocast = Autocast(dtype if isinstance(dtype, DType) else DType.BFLOAT16) if enabled is not False else None
    try:
        return _wrapped(4)(builder, items)
    finally:
        builder.autocast = around


def _listed(builder: Builder, items: Sequence[object]) -> object:
    """An operator that runs its first argument for the list that is its second."""
    body = _subgraph(_fit(items, 2)[0])
    return _packed(body, builder.inline(body.body, _several(items[1])))


def _functionalized(builder: Builder, items: Sequence[object]) -> object:
    """A call of an operator of a person's own, which no table has."""
    called = next((item.name for item in items if isinstance(item, OperatorName)), "an operator")
    raise UnsupportedError(f"calls {called}, which is no operator of PyTorch's own")


HIGHER_ORDER: Mapping[str, HigherOrder] = {
    "higher_order.cond": _cond,
    "higher_order.while_loop": _while_loop,
    "higher_order.scan": _scan,
    "higher_order.map_impl": _map,
    "higher_order.associative_scan": _associative_scan,
    "higher_order.wrap_with_set_grad_enabled": _wrapped(1),
    "higher_order.wrap_with_autocast": _autocast,
    "higher_order.wrap": _wrapped(0),
    "higher_order.tag_activation_checkpoint": _wrapped(0),
    "higher_order.wrap_activation_checkpoint": _wrapped(0),
    "higher_order.invoke_subgraph": lambda builder, items: _wrapped(0)(builder, [*_fit(items, 2)[:1], *items[2:]]),
    "higher_order.hints_wrapper": _listed,
    "higher_order.strict_mode": _listed,
    "higher_order.run_const_graph": _listed,
    "higher_order.auto_functionalized": _functionalized,
    "higher_order.auto_functionalized_v2": _functionalized,
}
"""{name: its rule}."""
