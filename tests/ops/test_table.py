"""The one test of the operator table: every operator keeps every promise, on every example of `tests/ops/cases`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tests.ops.cases import AnyOp, Case, all_cases
from tests.ops.due import EXAMPLES_ELSEWHERE, GRADIENTS_DUE
from tests.ops.evaluate import placeholders
from xir.autodiff.reverse import grad
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import (
    DType,
    MapType,
    OptionalType,
    SequenceType,
    TensorType,
    Type,
    UnrankedType,
    dtype_from_numpy,
)
from xir.ir.verify import verify
from xir.kernel._simplify import simplify_statements
from xir.kernel.build import MACHINE_TYPES
from xir.kernel.grammar import Kernel
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify as verify_kernel
from xir.ops import table
from xir.ops.elementwise import add, mul
from xir.ops.reduce import reduce_sum
from xir.reference import run
from xir.text import held_weights, parse_graph, print_graph, same_graph

CASES = tuple(all_cases())
OPERATORS = tuple(table().values())
LOWERED = tuple(each for each in CASES if each.op.lower_rule is not None)
DECOMPOSED = tuple(each for each in CASES if each.op.decompose_rule is not None)


def has_batch(case: Case) -> bool:
    """Whether its first operand has a first axis."""
    first = case.inputs[0] if case.inputs and case.is_plain else None
    return first is not None and first.ndim > 0


BATCHED = [(each, False) for each in CASES if has_batch(each)] + [
    (each, True) for each in DECOMPOSED if has_batch(each)
]

SIZED = tuple(each for each in LOWERED if has_batch(each))

# Decomposition and reference differ by the rounding of each step: a few units of the last place of the element type,
# magnified by sums of tens of elements.
TOLERANCE = {DType.FLOAT64: 1e-10, DType.FLOAT32: 2e-5, DType.FLOAT16: 4e-3, DType.BFLOAT16: 4e-2}

SAMPLES = 10
STEP = 1e-5


def names(cases: Sequence[Case]) -> list[str]:
    return [f"{index}-{each}" for index, each in enumerate(cases)]


def graph_of(case: Case, *, decomposed: bool = False, batch: Dim | None = None) -> tuple[Graph, dict[str, Array]]:
    """The graph of the one application, or of its decomposition, and what to feed it.

    With `batch` the first axis of every operand that is as long as that of the first operand has that size.
    """
    values = placeholders(*case.inputs, types=case.types)
    if batch is not None:
        values = [None if value is None else with_batch(value, values[0], batch) for value in values]
    rule = case.op.decompose_rule
    if decomposed and rule is not None:
        made = rule(*values, **case.op.attributes(case.attributes))
    else:
        made = case.op(*values, **case.attributes)
    outputs = (made,) if isinstance(made, Value) else tuple(made)
    inputs = {f"x{index}": value for index, value in enumerate(values) if value is not None}
    output_names = tuple(f"y{index}" for index in range(len(outputs)))
    labels = {value: name for name, value in inputs.items()}
    graph = Graph("case", tuple(inputs.values()), outputs, output_names, names=labels)
    given = zip(values, case.inputs, strict=True)
    feeds = {f"x{index}": array for index, (value, array) in enumerate(given) if value is not None}
    return graph, cast("dict[str, Array]", feeds)


def with_batch(value: Value, first: Value | None, batch: Dim) -> Value:
    """The value with `batch` as the first size, if that is the first size of `first`."""
    if first is None or not first.rank or not value.rank or value.shape[0] != first.shape[0]:
        return value
    return Value(value.tensor.with_shape((batch, *value.shape[1:])))


def reference(case: Case, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """What the reference rule makes of the arrays, which it may not write into."""
    if not case.is_plain:
        graph, feeds = graph_of(case)
        return tuple(run(graph, feeds).values())
    frozen: list[Array | None] = []
    for array in (*inputs, *(None,) * (len(case.op.operands) - len(inputs))):
        view = None if array is None else array.view()
        if view is not None:
            view.flags.writeable = False
        frozen.append(view)
    rule = case.op.reference_rule
    assert rule is not None
    with np.errstate(all="ignore"):
        made = rule(*frozen, **case.op.attributes(case.attributes))
    return made if isinstance(made, tuple) else (made,)


def with_doubles(case: Case) -> Case:
    """The example with every float in double precision."""
    inputs = tuple(
        a.astype(np.float64) if a is not None and dtype_from_numpy(a.dtype).is_floating else a for a in case.inputs
    )
    return Case(case.op, inputs, case.attributes, case.note, case.wrt, case.tolerance)


def differenced_operands(case: Case) -> tuple[int, ...]:
    if case.wrt is not None:
        return case.wrt
    floating = (i for i, a in enumerate(case.inputs) if a is not None and dtype_from_numpy(a.dtype).is_floating)
    return tuple(floating)


def is_late(case: Case) -> bool:
    """Whether its operator may say that it comes apart only when what this example gives at run time is known."""
    return case.op.host_reason is not None and "at run time" in case.note


def is_differenced(case: Case) -> bool:
    """Whether its gradient is a claim that differences can check; narrow types repeat what f32 examples say."""
    if not case.is_plain:
        return False
    narrow = any(a is not None and a.dtype.itemsize < 4 and a.dtype.kind in "fV" for a in case.inputs)
    due = case.op.no_gradient_reason is not None or case.op.name in GRADIENTS_DUE or is_late(case)
    return bool(differenced_operands(case)) and not narrow and not due


DIFFERENCED = tuple(each for each in CASES if is_differenced(each))


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)
class TestDefinition:
    def test_it_has_a_reference(self, op: AnyOp) -> None:
        assert op.reference_rule is not None

    def test_it_can_be_compiled_or_says_why_not(self, op: AnyOp) -> None:
        ways = [op.lower_rule, op.decompose_rule, op.host_reason]
        assert any(way is not None for way in ways)

    def test_it_has_a_gradient_or_says_why_not(self, op: AnyOp) -> None:
        ways = [op.gradient_rule, op.decompose_rule, op.no_gradient_reason]
        assert any(way is not None for way in ways) != (op.name in GRADIENTS_DUE)

    def test_it_does_not_both_have_and_refuse_a_gradient(self, op: AnyOp) -> None:
        assert op.gradient_rule is None or op.no_gradient_reason is None

    def test_its_docstring_says_what_it_computes_and_on_what(self, op: AnyOp) -> None:
        text = op.__doc__ or ""
        operands = [*op.operands, *([op.variadic] if op.variadic else [])]
        assert len(text) > 20
        assert not [name for name in operands if name not in text], "each operand is named"

    def test_it_has_an_example(self, op: AnyOp) -> None:
        elsewhere = EXAMPLES_ELSEWHERE.get(op.name)
        if elsewhere is not None:
            assert f"{op.name}(" in (Path(__file__).parent / elsewhere).read_text()
            return
        assert any(each.op is op for each in CASES)


def test_the_list_of_what_is_due_names_operators() -> None:
    assert sorted(GRADIENTS_DUE - set(table())) == []


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_the_reference_makes_what_the_type_rule_says(case: Case) -> None:
    graph, _ = graph_of(case)
    results = reference(case, case.inputs)
    for made, value in zip(results, graph.outputs, strict=True):
        assert_is(made, value.type)


def assert_is(made: object, type: Type) -> None:
    """Checks that what was made at run time is of the type: a list for a sequence, None for an absent optional."""
    match type:
        case SequenceType(element):
            assert isinstance(made, list)
            for item in cast("list[object]", made):
                assert_is(item, element)
        case OptionalType(element):
            if made is not None:
                assert_is(made, element)
        case TensorType(dtype, shape):
            assert isinstance(made, np.ndarray)
            assert made.dtype == dtype.dtype
            assert made.ndim == len(shape)
            known = [size if isinstance(dim, int) else dim for size, dim in zip(made.shape, shape, strict=True)]
            assert known == list(shape)
        case UnrankedType(dtype):
            assert isinstance(made, np.ndarray)
            assert dtype_from_numpy(made.dtype) is dtype
        case MapType():
            raise AssertionError("no example makes a map: test_maps.py has them")


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_it_survives_the_textual_form(case: Case) -> None:
    graph, _ = graph_of(case)
    verify(graph)
    assert same_graph(parse_graph(print_graph(graph), weights=held_weights(graph)), graph)


@pytest.mark.parametrize("case", DECOMPOSED, ids=names(DECOMPOSED))
def test_the_decomposition_makes_what_the_reference_makes(case: Case) -> None:
    try:
        graph, feeds = graph_of(case, decomposed=True)
    except UnsupportedError:
        assert is_late(case), "what is known before the run comes apart"
        return
    verify(graph)
    assert case.op.name not in {node.op.name for node in graph.nodes}, "it is in its own decomposition"
    compare(case, tuple(run(graph, feeds).values()))


@pytest.mark.parametrize("case", LOWERED, ids=names(LOWERED))
def test_the_interpreted_kernel_makes_what_the_reference_makes(case: Case) -> None:
    graph, feeds = graph_of(case)
    node, rule = graph.outputs[0].node, case.op.lower_rule
    assert node is not None
    assert rule is not None
    try:
        kernel = rule(node)
    except UnsupportedError:
        assert is_refused(case), "what is of the machine's types and known before the run is lowered"
        return
    verify_kernel(kernel)
    compare(case, interpret(kernel, list(feeds.values()), {}))
    simple = Kernel(kernel.name, kernel.inputs, kernel.outputs, simplify_statements(kernel.body, {}))
    verify_kernel(simple)
    compare(case, interpret(simple, list(feeds.values()), {}))


def is_refused(case: Case) -> bool:
    """Whether a lowering may leave this example to the reference."""
    graph, _ = graph_of(case)
    types = {value.dtype for value in (*graph.inputs, *graph.outputs)}
    return not types <= MACHINE_TYPES or "at run time" in case.note


@pytest.mark.parametrize("case", SIZED, ids=names(SIZED))
def test_a_kernel_may_learn_a_size_when_it_runs(case: Case) -> None:
    n = Symbol("N")
    try:
        graph, feeds = graph_of(case, batch=n)
    except (InvalidModelError, UnsupportedError):
        return  # the operator needs to know this size, and says so
    node, rule = graph.outputs[0].node, case.op.lower_rule
    assert node is not None
    assert rule is not None
    try:
        kernel = rule(node)
    except UnsupportedError:
        assert is_refused(case)
        return
    verify_kernel(kernel)
    first = case.inputs[0]
    assert first is not None
    compare(case, interpret(kernel, list(feeds.values()), {n: first.shape[0]}))
    simple = Kernel(kernel.name, kernel.inputs, kernel.outputs, simplify_statements(kernel.body, {}))
    verify_kernel(simple)
    compare(case, interpret(simple, list(feeds.values()), {n: first.shape[0]}))


@pytest.mark.parametrize(("case", "decomposed"), BATCHED, ids=[f"{each}{'-decomposed' * d}" for each, d in BATCHED])
def test_a_batch_of_unknown_size_changes_nothing(case: Case, decomposed: bool) -> None:
    try:
        graph, feeds = graph_of(case, decomposed=decomposed, batch=Symbol("N"))
    except (InvalidModelError, UnsupportedError):
        return  # the operator needs to know this size, and says so
    compare(case, tuple(run(graph, feeds).values()))


def compare(case: Case, results: tuple[Array, ...]) -> None:
    """Checks results against the reference's."""
    for got, wanted in zip(tensors(results), tensors(reference(case, case.inputs)), strict=True):
        dtype = dtype_from_numpy(wanted.dtype)
        assert dtype_from_numpy(got.dtype) is dtype
        if not dtype.is_floating:
            np.testing.assert_array_equal(got, wanted)
            continue
        tolerance = TOLERANCE.get(dtype, 0.0) if case.tolerance is None else case.tolerance
        np.testing.assert_allclose(
            got.astype(np.float64), wanted.astype(np.float64), rtol=tolerance, atol=tolerance, equal_nan=True
        )


def tensors(made: object) -> list[Array]:
    """The arrays of what is fed or made: an array, sequences of them, an absent optional."""
    if isinstance(made, list | tuple):
        return [array for item in cast("Sequence[object]", made) for array in tensors(item)]
    return [cast("Array", made)] if made is not None else []


def loss_graph(case: Case, weights: Mapping[int, Array]) -> tuple[Graph, dict[str, Array]]:
    """The graph of the sum of the results, weighted by random numbers."""
    graph, feeds = graph_of(case)
    labels = dict(graph.names)
    loss: Value | None = None
    extra: list[Value] = []
    for index, array in weights.items():
        weight = Value(TensorType(DType.FLOAT64, array.shape))
        labels[weight] = f"w{index}"
        extra.append(weight)
        product = mul(weight, graph.outputs[index])  # this way its shape is known, whatever the operator's
        term = reduce_sum(product, axes=tuple(range(product.rank)), keep_dims=False)
        loss = term if loss is None else add(loss, term)
    assert loss is not None
    made = Graph("loss", (*graph.inputs, *extra), (loss,), ("loss",), names=labels)
    return made, feeds | {f"w{index}": array for index, array in weights.items()}


def difference(case: Case, weights: Mapping[int, Array], operand: int, place: tuple[int, ...]) -> float:
    """How fast the weighted sum grows with one element."""
    sums: list[float] = []
    for sign in (1, -1):
        inputs = list(case.inputs)
        changed = np.array(inputs[operand])
        changed[place] += sign * STEP
        inputs[operand] = changed
        results = reference(case, inputs)
        sums.append(sum(float(np.sum(results[index] * weight)) for index, weight in weights.items()))
    return (sums[0] - sums[1]) / (2 * STEP)


@pytest.mark.parametrize("case", DIFFERENCED, ids=names(DIFFERENCED))
def test_the_gradient_is_what_differences_say(case: Case) -> None:
    case = with_doubles(case)
    random = np.random.default_rng(7)
    results = reference(case, case.inputs)
    weights = {i: random.normal(size=y.shape) for i, y in enumerate(results) if dtype_from_numpy(y.dtype).is_floating}
    assert {str(results[index].dtype) for index in weights} == {"float64"}, "the results are as wide as the operands"
    graph, feeds = loss_graph(case, weights)
    operands = differenced_operands(case)
    derived = grad(graph, "loss", [f"x{index}" for index in operands])
    verify(derived)
    gradients = run(derived, {name: feeds[name] for name in derived.input_names})
    for operand in operands:
        held = case.inputs[operand]
        assert held is not None
        found = gradients[f"grad_x{operand}"]
        assert found.shape == held.shape
        for flat in random.permutation(held.size)[:SAMPLES]:
            place = tuple(int(at) for at in np.unravel_index(int(flat), held.shape))
            wanted = difference(case, weights, operand, place)
            assert float(found[place]) == pytest.approx(wanted, rel=1e-5, abs=1e-7), (operand, place)
