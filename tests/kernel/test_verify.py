"""Each rule of the kernel verifier, broken once."""

from __future__ import annotations

import pytest

from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.types import DType
from xir.kernel.build import apply, index, number
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    Apply,
    AsyncCopy,
    Axis,
    Barrier,
    Bits,
    Buffer,
    Cast,
    Const,
    For,
    If,
    Kernel,
    Let,
    Load,
    Prefetch,
    Region,
    Scalar,
    Select,
    Statement,
    Store,
    TileMultiply,
    Variable,
    Wait,
)
from xir.kernel.verify import verify

F32 = DType.FLOAT32
N = Symbol("n")
L, J = Axis("i"), Axis("j")
X, Y = Buffer("x", F32, (4,)), Buffer("y", F32, (4,))
REGISTER = Buffer("r", F32, (), "register")
GRID, OPEN = Buffer("grid", F32, (4, 4)), Buffer("open", F32, (N,))
ONE, TRUE = number(1, F32), Const(True, DType.BOOL)


def store(*indices: Scalar, value: Scalar = ONE, mask: Scalar | None = None, buffer: Buffer = Y) -> Store:
    return Store(buffer, indices, value, mask)


def loop(*body: Statement, axis: Axis = L, extent: int | Symbol = 4) -> For:
    return For(axis, extent, "parallel", body)


def nested(depth: int) -> Statement:
    inner: Statement = store(index(0))
    for _ in range(depth):
        inner = If(TRUE, (inner,))
    return inner


def deep(depth: int) -> Scalar:
    value: Scalar = ONE
    for _ in range(depth):
        value = Apply("neg", (value,))
    return value


def wide(depth: int) -> Scalar:
    value: Scalar = ONE
    for _ in range(depth):
        value = Apply("add", (value, value))
    return value


def region(buffer: Buffer, *sizes: int) -> Region:
    return Region(buffer, (index(0),) * len(sizes), sizes)


BROKEN = [
    (store(), "K3: y has 1 axes, not 0"),
    (store(index(0), buffer=REGISTER), "K1: r is neither passed nor allocated"),
    (store(index(0), buffer=Buffer("y", F32, (5,))), "K1: y is neither passed nor allocated"),
    (store(index(0), buffer=X), "K1: x is an input and cannot be written"),
    (Allocate(Buffer("y", F32, (), "register")), "K1: y stands for two things"),
    (Allocate(Buffer("g", F32, ())), "K1: g is allocated in a kernel, so it cannot be global"),
    (store(L), "K2: axis i is not bound"),
    (loop(loop(store(L))), "K2: axis i is bound twice"),
    (loop(Let(Variable("i", F32), ONE)), "K2: i is bound twice"),
    (store(index(0), value=Variable("v", F32)), "K2: no f32 is bound to v"),
    (Let(Variable("v", DType.INT8), ONE), "K3: v is no f32"),
    (store(index(0), value=index(1)), "K3: y holds f32, the value is i64"),
    (store(ONE), "K3: an index of y is no i64"),
    (store(index(0), mask=ONE), "K3: a mask of y is no bool"),
    (If(ONE, ()), "K3: the condition of an If is no bool"),
    (Store(Y, (index(0),), ONE, width=3), "K3: a store cannot be 3 wide"),
    (store(index(0), value=apply("neg", ONE, ONE)), "K3: neg does not apply to f32, f32"),
    (store(index(0), value=apply("add", ONE, index(1))), "K3: add does not apply to f32, i64"),
    (store(index(0), value=apply("launch", ONE)), "K3: there is no function 'launch'"),
    (store(index(0), value=apply("bit_and", ONE, ONE)), "K3: bit_and does not apply to f32, f32"),
    (store(index(0), value=apply("pow", index(1), index(1))), "K3: pow does not apply to i64, i64"),
    (If(apply("and", ONE, ONE), ()), "K3: and does not apply to f32, f32"),
    (store(index(0), value=Bits(index(1), DType.FLOAT32)), "K3: the bits of i64 are none of f32"),
    (Let(Variable("v", DType.INT8), Bits(TRUE, DType.INT8)), "K3: the bits of bool are none of i8"),
    (store(index(0), value=Select(ONE, ONE, ONE)), "K3: a select cannot choose between f32 and f32 by f32"),
    (store(index(0), value=Select(TRUE, ONE, index(1))), "K3: a select cannot choose between f32 and i64"),
    (store(index(4)), "K4: an index of y along axis 0 reaches from 4 to 4, the size is 4"),
    (store(index(-1)), "K4: an index of y along axis 0 reaches from -1 to -1"),
    (loop(store(L), extent=5), "K4: an index of y along axis 0 reaches from 0 to 4, the size is 4"),
    (loop(store(apply("sub", index(2), L))), "K4: an index of y along axis 0 reaches from -1 to 2"),
    (loop(store(apply("mul", L, index(2)))), "K4: an index of y along axis 0 reaches from 0 to 6"),
    (loop(store(apply("add", L, index(1)), buffer=OPEN), extent=N), r"K4: .* reaches from 1 to n, the size is n"),
    (store(index(0), value=Load(X, (index(9),))), "K4: an index of x along axis 0 reaches from 9"),
    (loop(store(index(0))), r"K5: iterations of i \(parallel\) write the same element of y"),
    (loop(loop(store(L), axis=J)), r"K5: iterations of j \(parallel\) write the same element of y"),
    (loop(Accumulate(Y, (index(0),), "add", ONE)), r"K5: iterations of i \(parallel\)"),
    (
        loop(store(L, value=Load(Y, (index(0),)))),
        r"K9: iterations of i \(parallel\) write and read the same element of y",
    ),
    (If(TRUE, (Barrier(),)), "K6: a barrier stands in an If"),
    (Prefetch(REGISTER, (index(0),)), "K1: r is neither passed nor allocated"),
    (loop(Prefetch(X, (L,)), extent=5), "K4: an index of x along axis 0 reaches from 0 to 4, the size is 4"),
    (AsyncCopy(region(Y, 2), region(X, 2)), "K6: nothing waits for the copies of group 0"),
    (AsyncCopy(region(Y, 2), region(X, 3)), "K7: a copy changes type or sizes"),
    (AsyncCopy(region(Y, 2, 2), region(X, 2)), "K7: a region of y needs 1 sizes"),
    (AsyncCopy(region(Y, 0), region(X, 0)), "K7: a region of y is empty"),
    (AsyncCopy(region(X, 2), region(X, 2)), "K1: x is an input"),
    (AsyncCopy(region(REGISTER), region(X, 2)), "K1: r is neither passed nor allocated"),
    (AsyncCopy(Region(Y, (ONE,), (1,)), region(X, 1)), "K3: a start in y is no i64"),
    (AsyncCopy(Region(Y, (index(3),), (2,)), region(X, 2)), "K4: an index of a region of y"),
    (TileMultiply(region(Y, 2), region(Y, 2), region(Y, 2)), r"K7: the region \[2\] of y is no matrix"),
    (
        TileMultiply(region(GRID, 2, 2), region(GRID, 2, 3), region(GRID, 2, 2)),
        "K7: tiles of 2x3 and 2x2 do not make 2x2",
    ),
    (nested(300), "K8: statements are nested more than 200 deep"),
    (store(index(0), value=deep(300)), "K8: a scalar is nested more than 200 deep"),
    (store(index(0), value=wide(100)), "K8: a scalar has more than 10000 parts"),
]


@pytest.mark.parametrize(("statement", "message"), BROKEN)
def test_a_broken_rule_is_named(statement: Statement, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        verify(Kernel("k", (X,), (Y, GRID, OPEN), (statement,)))


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (Kernel("k", (X,), (X,), ()), "K1: two buffers of k are called x"),
        (Kernel("k", (REGISTER,), (), ()), "K1: r is passed to k, so it must be global"),
    ],
)
def test_parameters_are_different_and_global(kernel: Kernel, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        verify(kernel)


@pytest.mark.parametrize(
    "statement",
    [
        loop(store(apply("mul", L, L))),
        loop(store(apply("floor_div", L, index(2)))),
        loop(store(apply("mul", index(2), L), mask=apply("lt", L, index(2)))),
        loop(If(apply("lt", L, index(1)), (store(apply("add", L, index(3))),))),
        loop(store(L, buffer=OPEN), extent=N),
        loop(store(apply("sub", L, Const(N, DType.INT64)), buffer=OPEN, mask=TRUE), extent=N),
        loop(store(apply("mul", L, Const(N - 4, DType.INT64)), buffer=OPEN)),
        loop(store(apply("add", L, Cast(ONE, DType.INT64)))),
        For(L, 4, "serial", (store(index(0)),)),
        loop(store(index(0)), extent=1),
        loop(Accumulate(Y, (index(0),), "add", ONE, atomic=True)),
        loop(Allocate(REGISTER), store(buffer=REGISTER)),
        loop(Let(Variable("v", DType.INT64), L), store(Variable("v", DType.INT64))),
        For(L, 1, "block", (AsyncCopy(region(Y, 2), region(X, 2), 3), Wait(3), Barrier())),
    ],
)
def test_what_keeps_the_rules_passes(statement: Statement) -> None:
    verify(Kernel("k", (X,), (Y, GRID, OPEN), (statement,)))
