"""The definition of operators: the signature is the schema, every rule has one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from tests.ir.helpers import relu, tensor
from xir.errors import InvalidModelError
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Dim, Shape, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Node, PatternOutputs, PatternValue, Value
from xir.ir.types import DType, SequenceType, TensorType, Type
from xir.ops import table
from xir.ops._checks import (
    require_axes,
    require_axis,
    require_dtype,
    require_floating,
    require_rank,
    require_rank_at_least,
    require_same_dtype,
    require_same_type,
    require_size,
    window_output,
)
from xir.ops._define import OpDef, definition, op
from xir.ops._kinds import Kind, kind_of
from xir.ops.constant import constant, identity

N = Symbol("N")


def sample(x: Value, y: Value | None = None, *rest: Value, factor: float, axes: tuple[int, ...] = ()) -> TensorType:
    """A test operator."""
    return x.tensor


def pair_(x: Value) -> tuple[TensorType, TensorType]:
    """Two outputs."""
    return x.tensor, x.tensor


def parts(x: Value, *, sizes: Shape) -> tuple[TensorType, ...]:
    """As many outputs as sizes."""
    return tuple(TensorType(x.dtype, (size,)) for size in sizes)


def listed(x: Value) -> SequenceType:
    """A sequence."""
    return SequenceType(x.type)


def failing(x: Value) -> Type:
    """Never fits."""
    raise InvalidModelError("no")


SAMPLE, PAIR, PARTS, LISTED = OpDef(sample), OpDef(pair_), OpDef(parts), OpDef(listed)


def test_the_signature_is_the_schema() -> None:
    assert (SAMPLE.name, SAMPLE.family, SAMPLE.operands, SAMPLE.optional) == (
        "sample",
        "test_define",
        ("x", "y"),
        frozenset({"y"}),
    )
    assert SAMPLE.variadic == "rest"
    assert SAMPLE.kinds == {"factor": Kind("float"), "axes": Kind("tuple", items=(Kind("int"),), repeated=True)}
    assert SAMPLE.defaults == {"axes": ()}
    assert SAMPLE.__doc__ == "A test operator."
    assert repr(PAIR) == "<op pair>"
    assert [(each.plural, each.outputs) for each in (SAMPLE, PAIR, PARTS, LISTED)] == [
        (False, 1),
        (True, 2),
        (True, None),
        (False, 1),
    ]


def test_applying_builds_a_node_with_every_attribute() -> None:
    x = Value(tensor(N))
    y = SAMPLE(x, None, x, factor=2)
    assert isinstance(y, Value)
    assert y.node is not None
    assert (y.node.inputs, y.node.attributes) == ((x, None, x), {"factor": 2.0, "axes": ()})
    by_name = SAMPLE(x, factor=np.float32(0.5), y=x, axes=[np.int64(1)])  # type: ignore[call-arg,arg-type]  # as a frontend may
    assert isinstance(by_name, Value)
    assert by_name.node is not None
    assert (by_name.node.inputs, by_name.node.attributes) == ((x, x), {"factor": 0.5, "axes": (1,)})


def test_several_outputs_are_a_tuple() -> None:
    x = Value(tensor(6))
    assert len(PAIR(x)) == 2
    assert [value.shape for value in PARTS(x, sizes=(1, 2, 3))] == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: SAMPLE(factor=1.0), "sample: operand 'x' is missing"),
        (lambda x: SAMPLE(None, factor=1.0), "sample: operand 'x' is missing"),
        (lambda x: SAMPLE(x, x, None, factor=1.0), "sample: operand 'rest' is missing"),
        (lambda x: SAMPLE(x, 3, factor=1.0), "sample: operand 'y' must be a value of a graph, got 3"),
        (lambda x: PAIR(x, x), "pair: takes 1 operands, got 2"),
        (lambda x: SAMPLE(x), "sample: attribute 'factor' is missing"),
        (lambda x: SAMPLE(x, factor=1.0, axis=1), "sample: unknown attribute 'axis'"),
        (lambda x: SAMPLE(x, factor="1"), "sample: factor must be float, got '1'"),
        (lambda x: SAMPLE(x, factor=10**400), "sample: factor must be float"),
        (lambda x: OpDef(failing)(x), "failing: no"),
        (lambda x: PAIR.infer((x,), {"a": 1}), r"pair: the attributes are \[\], got \['a'\]"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[Value], object], message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        call(Value(tensor(2)))


def test_each_rule_has_one_place() -> None:
    operator = OpDef(pair_)

    def rule(*_: object) -> None:
        return None

    for slot in ("reference", "gradient", "decompose", "lower"):
        assert getattr(operator, slot)(rule) is rule
        assert getattr(operator, f"{slot}_rule") is rule
        with pytest.raises(TypeError, match=f"pair has a {slot} rule already"):
            getattr(operator, slot)(rule)
    for slot in ("host", "no_gradient"):
        getattr(operator, slot)("because")
        assert getattr(operator, f"{slot}_reason") == "because"
        with pytest.raises(TypeError, match=f"pair has a {slot} rule already"):
            getattr(operator, slot)("again")


def test_a_name_stands_once_in_the_table() -> None:
    def identity(x: Value) -> TensorType:
        return x.tensor

    with pytest.raises(TypeError, match="operator 'identity' is defined twice"):
        op(identity)


def test_the_table_finds_operators_by_name_and_by_node() -> None:
    assert table()["constant"] is constant
    literal = constant(value=constant_of(1.0))
    assert literal.node is not None
    assert definition(literal.node) is constant
    foreign = relu(Value(tensor(2))).node
    assert isinstance(foreign, Node)
    with pytest.raises(InvalidModelError, match="'relu' is not an operator of xir"):
        definition(foreign)


def test_the_exemplars_do_what_they_say() -> None:
    x = Value(tensor(2))
    literal = constant(value=constant_of([1.0]))
    assert identity.decompose_rule is not None
    assert identity.decompose_rule(x) is x
    assert identity.gradient_rule is not None
    assert identity.gradient_rule(identity(x).node, x) == (x,)
    assert constant.gradient_rule is not None
    assert constant.gradient_rule(literal.node, x) == ()
    assert identity.reference_rule is not None
    assert identity.reference_rule(1) == 1
    assert constant.reference_rule is not None
    assert constant.reference_rule(value=constant_of([1.0])) == np.ones(1)


def test_a_pattern_is_built_by_the_same_call() -> None:
    x = PatternValue("x")
    pattern = SAMPLE(identity(x), factor=2.0)
    assert isinstance(pattern, PatternValue)
    assert (pattern.op, pattern.attributes) == (SAMPLE, {"factor": 2.0, "axes": ()})
    (inner, absent) = pattern.inputs
    assert absent is None
    assert isinstance(inner, PatternValue)
    assert (inner.op, inner.inputs, x.name, inner.siblings) == (identity, (x,), "x", None)


def test_a_pattern_with_a_wrong_attribute_is_a_mistake_in_the_rule() -> None:
    with pytest.raises(TypeError, match="identity: unknown attribute 'axis' in a pattern"):
        identity(PatternValue("x"), axis=1)  # type: ignore[call-arg]  # the mistake


def test_a_pattern_of_several_outputs_unpacks() -> None:
    outputs = PAIR(PatternValue("x"))
    first, second = outputs
    assert isinstance(outputs, PatternOutputs)
    assert isinstance(first, PatternValue)
    assert isinstance(second, PatternValue)
    assert (first.index, second.index, len(outputs)) == (0, 1, 2)
    assert first.siblings is second.siblings is outputs
    assert outputs[1] is second
    assert outputs[:1] == (first,)
    assert outputs.made == (first, second)
    with pytest.raises(IndexError, match="pair has no output 2"):
        _ = outputs[2]


def test_a_pattern_of_unknown_many_outputs_is_indexed() -> None:
    outputs = PARTS(PatternValue("x"), sizes=(N,))
    assert isinstance(outputs, PatternOutputs)
    third = outputs[2]
    assert outputs[2] is third
    assert outputs.made == (third,)
    with pytest.raises(TypeError, match="index the pattern"):
        _first, *_ = outputs
    with pytest.raises(IndexError, match="parts has no output -1"):
        _ = outputs[-1]


GRAPH = Graph("g", (), ())
HELD = constant_of(1.0)


@pytest.mark.parametrize(
    ("annotation", "value", "result"),
    [
        (int, 3, 3),
        (int, np.int32(3), 3),
        (float, 3, 3.0),
        (float, float("inf"), float("inf")),
        (bool, True, True),
        (bool, np.bool_(True), True),
        (str, "a", "a"),
        (Literal["a", "b"], "b", "b"),
        (DType, DType.INT8, DType.INT8),
        (Dim, 3, 3),
        (Dim, N // 2, N // 2),
        (Dim | None, None, None),
        (Dim | None, N, N),
        (int | None, 4, 4),
        (Shape, [N, 3], (N, 3)),
        (tuple[tuple[int, int], ...], np.array([[1, 2]]), ((1, 2),)),
        (tuple[int, float], (1, 2), (1, 2.0)),
        (Constant, HELD, HELD),
        (Graph, GRAPH, GRAPH),
    ],
)
def test_an_attribute_takes_its_one_form(annotation: object, value: object, result: object) -> None:
    checked = kind_of(annotation).check(value)
    assert checked == result
    assert type(checked) is type(result)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (int, True, "must be int, got True"),
        (int, 1.0, "must be int, got 1.0"),
        (int, None, "must be int, got nothing"),
        (float, True, "must be float, got True"),
        (float, "1", "must be float, got '1'"),
        (bool, 1, "must be bool, got 1"),
        (Dim, True, "must be dim, got True"),
        (Dim, 1.5, "must be dim, got 1.5"),
        (Literal["a", "b"], "c", "must be one of 'a', 'b', got 'c'"),
        (int | None, "x", "must be int or nothing, got 'x'"),
        (tuple[int, ...], 3, r"must be a list of \(int\), got 3"),
        (tuple[int, ...], (1.5,), "must be int, got 1.5"),
        (tuple[int, float], (1,), r"must be \(int, float\), got 1 items"),
        (DType, "f32", "must be dtype, got 'f32'"),
    ],
)
def test_an_attribute_of_another_kind_is_refused(annotation: object, value: object, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        kind_of(annotation).check(value)


@pytest.mark.parametrize("annotation", [complex, list[int], dict[str, int], int | str])
def test_annotations_that_no_attribute_can_have(annotation: object) -> None:
    with pytest.raises(TypeError, match="an attribute cannot be annotated"):
        kind_of(annotation)


F32, I64, VECTOR = Value(tensor(2, 3)), Value(TensorType(DType.INT64, (2, 3))), Value(tensor(3))


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: require_floating(F32, I64), "a floating-point tensor is needed"),
        (lambda: require_dtype(F32, DType.INT8, DType.INT64), "a tensor of i8 or i64 is needed"),
        (lambda: require_same_dtype(F32, I64), "one element type is needed"),
        (lambda: require_same_type(F32, VECTOR), "differ"),
        (lambda: require_rank(F32, 3, 4), "3 or 4 axes are needed"),
        (lambda: require_rank_at_least(F32, 3), "at least 3 axes are needed"),
        (lambda: require_axis(F32, -1), "axis -1 does not exist"),
        (lambda: require_axes(F32, (0, 2)), "axis 2 does not exist"),
        (lambda: require_axes(F32, (1, 1)), "name one axis twice"),
        (lambda: require_size(3, 4, "channels"), "channels must be 4, got 3"),
        (lambda: window_output(5, 0, 1, (0, 0), 1), "must be positive"),
        (lambda: window_output(5, 3, 0, (0, 0), 1), "must be positive"),
        (lambda: window_output(2, 3, 1, (0, 0), 1), "does not fit into size 2"),
    ],
)
def test_a_check_says_what_was_expected(check: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        check()


def test_checks_that_pass() -> None:
    require_floating(F32, VECTOR)
    require_dtype(I64, DType.INT64)
    require_rank(F32, 2)
    require_rank_at_least(F32, 2)
    require_axes(F32, (1, 0))
    require_size(N, 4, "channels")
    assert require_same_type(F32, F32) == F32.type
    assert window_output(5, 3, 2, (1, 1), 1) == 3
    assert window_output(N, 3, 2, (1, 1), 1) == (N + 1) // 2
