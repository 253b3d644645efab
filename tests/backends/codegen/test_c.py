"""Kernels as C, compiled by the system's compiler: bit for bit what the interpreter makes of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from tests.backends.codegen.c_compiler import Library
from tests.ops.cases import Case
from tests.ops.test_table import LOWERED, graph_of, is_refused, names
from xir.backends.codegen.c.kernel import c_function, size_symbols
from xir.backends.codegen.math.expand import expand_kernel, has_expansion
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol, floor_divide, maximum, minimum
from xir.ir.types import DType
from xir.kernel.build import apply, cast, index, number, select
from xir.kernel.grammar import (
    FUNCTIONS,
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
    LoopKind,
    Region,
    Scalar,
    Statement,
    Store,
    TileMultiply,
    Variable,
    Wait,
)
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify

BOOL, F16, BF16, F32, F64 = DType.BOOL, DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64
I8, I32, I64, U8, U64 = DType.INT8, DType.INT32, DType.INT64, DType.UINT8, DType.UINT64
INTEGERS = (I8, DType.INT16, I32, I64, U8, DType.UINT16, DType.UINT32, U64)
FLOATS = (F16, BF16, F32, F64)
L, J, K = Axis("i"), Axis("j"), Axis("k")

TRANSCENDENTAL = frozenset(
    {*("exp", "log", "erf", "tanh", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh")}
    | {"atanh", "pow"}
)
# The C library's functions and NumPy's differ by a few units of the last place, in f16 and bf16 by one of theirs.
TOLERANCE = {F16: 2e-3, BF16: 1.6e-2, F32: 1e-6, F64: 2e-15}


def kernel_of(case: Case) -> Kernel | None:
    graph, _ = graph_of(case)
    node, rule = graph.outputs[0].node, case.op.lower_rule
    assert node is not None
    assert rule is not None
    try:
        return rule(node)
    except UnsupportedError:
        assert is_refused(case)
        return None


KERNELS = {f"k{place}": (case, made) for place, case in enumerate(LOWERED) if (made := kernel_of(case)) is not None}


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Library:
    kernels = {name: kernel for name, (_, kernel) in KERNELS.items()}
    return Library(kernels, tmp_path_factory.mktemp("operators"))


@pytest.fixture(scope="module")
def scalars(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(dict(scalar_kernels()), tmp_path_factory.mktemp("scalars"))


def assert_same(found: Sequence[Array], wanted: Sequence[Array], tolerance: bool) -> None:
    for mine, theirs in zip(found, wanted, strict=True):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        if mine.dtype.kind in "iub":
            np.testing.assert_array_equal(mine, theirs)
            continue
        relative = max((each for dtype, each in TOLERANCE.items() if dtype.dtype == mine.dtype)) if tolerance else 0.0
        with np.errstate(invalid="ignore"):  # NaN that signal
            wide = mine.astype(np.float64), theirs.astype(np.float64)
        np.testing.assert_allclose(*wide, rtol=relative, atol=relative / 8, equal_nan=True)


def uses_the_library(text: str) -> bool:
    return any(f"{name}(" in text or f"{name}f(" in text for name in TRANSCENDENTAL)


@pytest.mark.parametrize("name", list(KERNELS), ids=[f"{name}-{case}" for name, (case, _) in KERNELS.items()])
def test_an_operator_is_what_the_interpreter_makes_of_it(operators: Library, name: str) -> None:
    case, kernel = KERNELS[name]
    inputs = [array for array in graph_of(case)[1].values()]
    assert_same(operators.run(name, inputs), interpret(kernel, inputs), uses_the_library(c_function(kernel)))


EDGES = {
    **{dtype: [0, 1, 2, 3, 7, 8, 31, 63, 64, (1 << dtype.bits - dtype.is_signed) - 1] for dtype in INTEGERS},
    **{dtype: [0.0, -0.0, 1, -1, 0.5, 1.5, 2.5, -2.5, -7.25, 1e-7, 300, np.inf, -np.inf, np.nan] for dtype in FLOATS},
    BOOL: [0, 1],
}
for each in (I8, DType.INT16, I32, I64):
    EDGES[each] = [*EDGES[each], -1, -2, -3, -8, -(1 << each.bits - 1)]

MEANINGLESS = frozenset({("sub", BOOL), ("neg", BOOL), ("div", BOOL), ("rem", BOOL), ("mod", BOOL), ("sign", BOOL)})
"""What NumPy refuses too."""


def edges(dtype: DType) -> Array:
    return np.array(EDGES[dtype], dtype.dtype)


def pairs(dtype: DType) -> tuple[Array, Array, Array]:
    """Every edge with every other, and with a third."""
    values = edges(dtype)
    left, right = (side.ravel().astype(dtype.dtype) for side in np.meshgrid(*[values.astype(object)] * 2))
    return left, right, left[::-1].copy()


def pointwise(inputs: Sequence[DType], count: int, result: DType, value: Scalar) -> Kernel:
    buffers = tuple(Buffer(f"x{place}", dtype, (count,)) for place, dtype in enumerate(inputs))
    out = Buffer("y", result, (count,))
    return Kernel("test", buffers, (out,), (For(L, count, "parallel", (Store(out, (L,), value),)),))


def application(function: str, dtype: DType) -> Kernel:
    operands, is_truth = FUNCTIONS[function]
    count = len(EDGES[dtype]) ** 2
    values = tuple(Load(Buffer(f"x{place}", dtype, (count,)), (L,)) for place in range(operands))
    return pointwise([dtype] * operands, count, BOOL if is_truth else dtype, Apply(function, values))


def applications() -> Iterator[tuple[str, DType]]:
    """What the verifier takes, but no transcendental functions of integers."""
    for function in FUNCTIONS:
        for dtype in (BOOL, *INTEGERS, *FLOATS):
            floating = function in TRANSCENDENTAL or function == "sqrt"
            if (floating and not dtype.is_floating) or (function, dtype) in MEANINGLESS:
                continue
            with contextlib.suppress(InvalidModelError):
                verify(application(function, dtype))
                yield function, dtype


APPLICATIONS = list(applications())
CASTS = [(a, b) for a in (BOOL, *INTEGERS, *FLOATS) for b in (BOOL, *INTEGERS, *FLOATS)]
WIDTHS = [(a, b) for a, b in CASTS if a.bits == b.bits and BOOL not in (a, b)]


def conversion(source: DType, dtype: DType, *, bits: bool) -> Kernel:
    count = len(EDGES[source])
    value = Load(Buffer("x0", source, (count,)), (L,))
    return pointwise([source], count, dtype, Bits(value, dtype) if bits else Cast(value, dtype))


def scalar_kernels() -> Iterator[tuple[str, Kernel]]:
    for function, dtype in APPLICATIONS:
        yield f"apply_{function}_{dtype}", application(function, dtype)
    for source, dtype in CASTS:
        yield f"cast_{source}_{dtype}", conversion(source, dtype, bits=False)
    for source, dtype in WIDTHS:
        yield f"bits_{source}_{dtype}", conversion(source, dtype, bits=True)


@pytest.mark.parametrize(("function", "dtype"), APPLICATIONS, ids=[f"{a}-{b}" for a, b in APPLICATIONS])
def test_a_function_has_its_defined_result_for_every_edge(scalars: Library, function: str, dtype: DType) -> None:
    inputs = pairs(dtype)[: FUNCTIONS[function][0]]
    found = scalars.run(f"apply_{function}_{dtype}", inputs)
    assert_same(found, interpret(application(function, dtype), inputs), function in TRANSCENDENTAL)


@pytest.mark.parametrize(("source", "dtype"), CASTS, ids=[f"{a}-{b}" for a, b in CASTS])
def test_a_cast_has_its_defined_result_for_every_edge(scalars: Library, source: DType, dtype: DType) -> None:
    inputs = [edges(source)]
    found = scalars.run(f"cast_{source}_{dtype}", inputs)
    assert_same(found, interpret(conversion(source, dtype, bits=False), inputs), False)


@pytest.mark.parametrize(("source", "dtype"), WIDTHS, ids=[f"{a}-{b}" for a, b in WIDTHS])
def test_bits_are_read_as_another_type(scalars: Library, source: DType, dtype: DType) -> None:
    inputs = [edges(source)]
    found = scalars.run(f"bits_{source}_{dtype}", inputs)
    assert_same(found, interpret(conversion(source, dtype, bits=True), inputs), False)


X, Y, N = Buffer("x", F32, (8,)), Buffer("y", F32, (8,)), Symbol("n")
KINDS: tuple[LoopKind, ...] = ("serial", "unrolled", "vector", "parallel", "block", "thread", "warp")


def of_size(*body: Statement) -> Kernel:
    return Kernel("test", (X,), (Y,), body)


def structures() -> Iterator[tuple[str, Kernel]]:
    for kind in KINDS:
        yield kind, of_size(For(L, 8, kind, (Store(Y, (L,), Load(X, (L,)), width=4),)))
    small = apply("lt", L, index(2))
    doubled = apply("add", Load(X, (L,)), Load(X, (L,)))
    yield (
        "branches",
        of_size(For(L, 8, "parallel", (If(small, (Store(Y, (L,), doubled),), (Store(Y, (L,), number(0, F32)),)),))),
    )
    masked = Load(X, (apply("add", L, index(6)),), small)
    yield "masks", of_size(For(L, 8, "serial", (Store(Y, (L,), number(5, F32)), Store(Y, (L,), masked, small))))
    total, square = Buffer("total", F32, (), "register"), Variable("square", F32)
    sums = (
        Allocate(total),
        Store(total, (), number(0, F32)),
        Let(square, apply("mul", Load(X, (L,)), Load(X, (L,)))),
        For(J, 3, "serial", (Accumulate(total, (), "add", square, apply("ne", J, index(1))),)),
        Store(Y, (L,), Load(total, ())),
    )
    yield "registers", of_size(For(L, 8, "parallel", sums))
    yield "reversed", of_size(For(K, 2, "block", reversing(Axis("j"))))
    yield "waves", of_size(*waves())
    yield "copies", of_size(*copies())
    large = Buffer("large", F32, (100_000,), "shared")
    fill = For(J, 100_000, "serial", (Store(large, (J,), cast(J, F32)),))
    far = Load(large, (apply("mul", L, index(12_345)),))
    yield "large", of_size(Allocate(large), fill, For(L, 8, "serial", (Store(Y, (L,), far),)))


def reversing(axis: Axis) -> tuple[Statement, ...]:
    """Four threads turn a block round through shared memory; what they bind before the barrier serves behind it."""
    shared, place = Buffer("shared", F32, (4,), "shared"), Variable("place", I64)
    kept = Buffer("kept", F32, (2,), "register")
    body = (
        Let(place, apply("add", apply("mul", K, index(4)), axis)),
        Allocate(kept),
        Store(kept, (index(1),), Load(X, (place,))),
        Store(shared, (axis,), Load(kept, (index(1),))),
        Barrier(),
        Store(Y, (place,), apply("sub", Load(shared, (apply("sub", index(3), axis),)), Load(kept, (index(1),)))),
    )
    return (Allocate(shared), For(axis, 4, "thread", body))


def waves() -> tuple[Statement, ...]:
    """Sums over distances 1, 2, 4 with barriers in a serial loop, in two nested loops of threads."""
    shared, before = Buffer("shared", F32, (8,), "shared"), Variable("before", F32)
    place = apply("add", apply("mul", L, index(4)), J)
    distance = apply("shift_left", index(1), K)
    other = apply("sub", place, distance)
    step = (
        Let(before, Load(shared, (other,), apply("ge", other, index(0)))),
        Barrier(),
        Store(shared, (place,), apply("add", Load(shared, (place,)), before)),
        Barrier(),
    )
    inner = (Store(shared, (place,), Load(X, (place,))), Barrier(), For(K, 3, "serial", step))
    threads = For(L, 2, "thread", (For(J, 4, "thread", (*inner, Store(Y, (place,), Load(shared, (place,))))),))
    return (Allocate(shared), threads)


def copies() -> tuple[Statement, ...]:
    shared = Buffer("shared", F32, (2, 4), "shared")
    row = Region(shared, (index(1), index(0)), (1, 4))
    source = Buffer("rows", F32, (2, 4), "shared")
    fill = For(J, 8, "serial", (Store(source, unflat(J), Load(X, (J,))),))
    clear = For(K, 8, "serial", (Store(shared, unflat(K), number(9, F32)),))
    copy = AsyncCopy(row, Region(source, (index(0), index(0)), (1, 4)), group=1)
    after = For(L, 8, "serial", (Store(Y, (L,), Load(shared, unflat(L))),))
    return (Allocate(shared), Allocate(source), fill, clear, copy, Wait(1), after)


def unflat(axis: Axis) -> tuple[Scalar, Scalar]:
    return apply("floor_div", axis, index(4)), apply("mod", axis, index(4))


STRUCTURES = dict(structures())


def tile_kernels() -> Iterator[tuple[str, Kernel]]:
    for dtype in (F32, F64, I32, F16, BF16):
        for flipped in (False, True):
            a = Buffer("a", I8 if dtype is I32 else dtype, (1, 3, 2) if flipped else (1, 2, 3))
            b, c = Buffer("b", a.dtype, (4, 3) if flipped else (3, 4)), Buffer("c", dtype, (2, 4))
            clear = For(L, 2, "serial", (For(J, 4, "serial", (Store(c, (L, J), number(1, dtype)),)),))
            regions = [Region(each, (index(0),) * len(each.shape), each.shape) for each in (c, a, b)]  # type: ignore[arg-type]
            body = (clear, TileMultiply(*regions, transpose_left=flipped, transpose_right=flipped))
            yield f"tile_{dtype}_{flipped}", Kernel("tile", (a, b), (c,), body)


TILES = dict(tile_kernels())


def sized_kernel() -> Kernel:
    """Sizes in extents, shapes, indices and values: 2 n - 1, n // 2, min and max."""
    m = Symbol("m")
    x, y = Buffer("x", F32, (N, m)), Buffer("y", F32, (2 * N - 1, maximum(floor_divide(N, 2), minimum(m, 3))))
    scratch = Buffer("scratch", F32, (N,), "register")
    inner = (
        Allocate(scratch),
        For(K, N, "serial", (Store(scratch, (K,), Load(x, (K, index(0)))),)),
        For(J, y.shape[1], "serial", (Store(y, (L, J), apply("add", Load(scratch, (index(0),)), Const(N * m, F32))),)),
    )
    return Kernel("sized", (x,), (y,), (For(L, y.shape[0], "parallel", inner),))


NARROWED = [(source, dtype) for source in (F32, F64) for dtype in (F16, BF16)]


def narrowing(source: DType, dtype: DType) -> Kernel:
    x, y = Buffer("x", source, (N,)), Buffer("y", dtype, (N,))
    return Kernel("narrow", (x,), (y,), (For(L, N, "parallel", (Store(y, (L,), Cast(Load(x, (L,)), dtype)),)),))


def midpoints(source: DType, dtype: DType) -> Array:
    """Halfway between all neighbours of a narrow type, and one step of the wide type to either side."""
    narrow = np.arange(0x7F80 if dtype is BF16 else 0x7C00, dtype=np.uint16).view(dtype.dtype).astype(np.float64)
    middle = ((narrow[:-1] + narrow[1:]) / 2).astype(source.dtype)
    step = np.array(np.inf, source.dtype)
    around = np.concatenate([middle, np.nextafter(middle, step), np.nextafter(middle, -step)])
    return np.concatenate([around, -around])


@pytest.mark.parametrize(("source", "dtype"), NARROWED, ids=[f"{a}-{b}" for a, b in NARROWED])
def test_narrow_floats_round_half_to_even(structured: Library, source: DType, dtype: DType) -> None:
    held = midpoints(source, dtype)
    found = structured.run(f"narrow_{source}_{dtype}", [held], {N: held.size})
    assert_same(found, interpret(narrowing(source, dtype), [held], {N: held.size}), False)


@pytest.fixture(scope="module")
def structured(tmp_path_factory: pytest.TempPathFactory) -> Library:
    casts = {f"narrow_{source}_{dtype}": narrowing(source, dtype) for source, dtype in NARROWED}
    kernels = {**STRUCTURES, **TILES, **casts, "sized": sized_kernel()}
    return Library(kernels, tmp_path_factory.mktemp("structures"))


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_a_statement_does_what_the_interpreter_does(structured: Library, name: str) -> None:
    held = np.array([1, 2, 3, 4, 5, 6, 7, 9], np.float32)
    assert_same(structured.run(name, [held]), interpret(STRUCTURES[name], [held]), False)


@pytest.mark.parametrize("name", list(TILES))
def test_tiles_multiply(structured: Library, name: str) -> None:
    a, b = TILES[name].inputs
    random = np.random.default_rng(0)
    arrays = [random.integers(-9, 9, each.shape).astype(each.dtype.dtype) for each in (a, b)]  # type: ignore[arg-type]
    assert_same(structured.run(name, arrays), interpret(TILES[name], arrays), False)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 2), (9, 7)])
def test_sizes_may_be_known_when_the_kernel_runs(structured: Library, n: int, m: int) -> None:
    kernel = sized_kernel()
    first, second = size_symbols(kernel)
    sizes: dict[Symbol, Dim] = {first: n, second: m}
    held = np.arange(n * m, dtype=np.float32).reshape(n, m)
    assert_same(structured.run("sized", [held], sizes), interpret(kernel, [held], sizes), False)


EXPANDED = [(name, dtype) for name in sorted(TRANSCENDENTAL) for dtype in FLOATS if has_expansion(name, dtype)]


@pytest.mark.parametrize(("function", "dtype"), EXPANDED, ids=[f"{a}-{b}" for a, b in EXPANDED])
def test_expanded_functions_have_the_interpreters_bits(function: str, dtype: DType, expanded: Library) -> None:
    name = f"expanded_{function}_{dtype}"
    inputs = expanded_inputs(dtype)[: FUNCTIONS[function][0]]
    assert_same(expanded.run(name, inputs), interpret(expanded.kernels[name], inputs), False)


def expanded_inputs(dtype: DType) -> tuple[Array, Array]:
    random = np.random.default_rng(1)
    bits = random.integers(0, 1 << 63, 2000, np.uint64).astype(f"u{dtype.bits // 8}").view(dtype.dtype)
    near = random.uniform(-4, 4, 2000).astype(dtype.dtype)
    edge, other, _ = pairs(dtype)
    return np.concatenate([edge, bits, near]), np.concatenate([other, bits[::-1], near[::-1]])


@pytest.fixture(scope="module")
def expanded(tmp_path_factory: pytest.TempPathFactory) -> Library:
    kernels: dict[str, Kernel] = {}
    for function, dtype in EXPANDED:
        count = expanded_inputs(dtype)[0].size
        loads = tuple(Load(Buffer(f"x{place}", dtype, (count,)), (L,)) for place in range(FUNCTIONS[function][0]))
        made = expand_kernel(pointwise([dtype] * len(loads), count, dtype, Apply(function, loads)))
        assert not uses_the_library(c_function(made))
        kernels[f"expanded_{function}_{dtype}"] = made
    return Library(kernels, tmp_path_factory.mktemp("expanded"))


def test_names_that_are_no_identifiers_are_refused() -> None:
    hostile = Buffer("x; system(0)", F32, (8,))
    kernel = Kernel("test", (hostile,), (Y,), (For(L, 8, "serial", (Store(Y, (L,), Load(hostile, (L,))),)),))
    with pytest.raises(InvalidModelError, match="cannot name anything"):
        c_function(kernel)
    with pytest.raises(InvalidModelError, match="cannot name anything"):
        c_function(of_size(), "k(void)")


@pytest.mark.parametrize("dtype", [DType.FLOAT8E5M2, DType.INT4, DType.COMPLEX64, DType.STRING], ids=str)
def test_types_without_machine_code_are_refused(dtype: DType) -> None:
    with pytest.raises(UnsupportedError, match="no elements of type"):
        c_function(conversion(F32, F64, bits=False).__class__("t", (Buffer("x", dtype, ()),), (), ()))


def test_functions_without_meaning_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="no exp of i32"):
        c_function(application("exp", I32))
    with pytest.raises(UnsupportedError, match="no neg of bool"):
        c_function(application("neg", BOOL))


def test_a_choice_reads_one_side() -> None:
    text = c_function(pointwise([F32], 4, F32, select(Const(True, BOOL), number(1, F32), number(2, F32))))
    assert "(true ? (0x1.0000000000000p+0f) : (0x1.0000000000000p+1f))" in text


def test_the_names_of_examples_differ() -> None:
    assert len(set(names([case for case, _ in KERNELS.values()]))) == len(KERNELS)
