"""Code for sizes that are known makes the bits of the code for symbols, whatever is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import pytest

from tests.backends.codegen import test_flow as flow
from tests.backends.codegen import test_recurrent as recurrent
from tests.backends.codegen import test_resizing as resizing
from tests.backends.codegen.test_contraction import Convolution
from tests.backends.codegen.test_machine_code import BATCHED, is_tensors
from tests.ops.test_table import graph_of, names
from tests.runtime.models import layered
from xir.backends.codegen import compile as compiler
from xir.backends.codegen.ahead._processors import processors_of
from xir.backends.codegen.compile import compile_graph, specialized
from xir.backends.codegen.engine import host
from xir.backends.codegen.lowering.known import with_known_sizes
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.steps import kernels
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, Symbol, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.kernel.grammar import Const, For
from xir.kernel.verify import verify
from xir.kernel.walk import scalars, statements
from xir.ops.activation import relu
from xir.ops.constant import constant
from xir.ops.elementwise import add, maximum, minimum, mul
from xir.ops.norm import softmax
from xir.ops.reduce import reduce_mean
from xir.ops.shape import broadcast
from xir.reference import run

N, T = Symbol("N"), Symbol("T")
IMAGE = cast("tuple[int, ...]", (Symbol("H"), Symbol("W")))


def means() -> Graph:
    """Sums along axes of any length, and what is the same in every lane beside what is not."""
    x, y = Value(TensorType(DType.FLOAT32, (N, T))), Value(TensorType(DType.FLOAT32, (N, T)))
    rows = reduce_mean(mul(x, y), axes=(1,), keep_dims=False)
    made = softmax(add(mul(x, x), mul(y, x)), axis=1)
    return Graph("means", (x, y), (rows, reduce_mean(x, axes=(0,), keep_dims=True), made), ("a", "b", "c"))


def bounded() -> tuple[Graph, dict[str, Array]]:
    """Zeros of both signs and NaN beside a bound, in lanes of every width."""
    x = Value(TensorType(DType.FLOAT32, (N,)))
    array = np.resize(np.asarray([-0.0, 0.0, np.nan, -1, 1, -0.0, np.inf], np.float32), 31)
    zero = broadcast(constant(value=constant_of(np.zeros(1, np.float32))), shape=(N,))
    made = relu(x), minimum(zero, x), maximum(x, x)
    return Graph("bounds", (x,), made, ("a", "b", "c"), names={x: "x"}), {"x": array}


def fed(graph: Graph, *shapes: tuple[int, ...]) -> dict[str, Array]:
    rng = np.random.default_rng(4)
    return {
        graph.name_of(value): rng.standard_normal(shape).astype(value.dtype.dtype)
        for value, shape in zip(graph.inputs, shapes, strict=True)
    }


def image(shape: tuple[int, ...], **sizes: object) -> tuple[Graph, dict[str, Array]]:
    graph = Convolution(image=IMAGE, **sizes).graph()  # type: ignore[arg-type]  # its fields
    return graph, fed(graph, shape)


def net(graph: Graph, *shapes: tuple[int, ...]) -> tuple[Graph, dict[str, Array]]:
    return graph, fed(graph, *shapes)


NETS: Mapping[str, Callable[[], tuple[Graph, dict[str, Array]]]] = {
    "conv": lambda: image((1, 8, 13, 21), channels=8, outputs=24, window=(3, 3), padding=1),
    "conv of one pixel": lambda: image((2, 24, 7, 9), channels=24, outputs=33, window=(1, 1), batch=N),
    "conv in steps": lambda: image((1, 3, 30, 35), channels=3, outputs=16, window=(3, 3), strides=(2, 2), padding=1),
    "depthwise": lambda: image((1, 24, 14, 19), channels=24, outputs=24, window=(3, 3), padding=1, groups=24),
    "transposed": lambda: image((1, 8, 9, 7), channels=8, outputs=12, window=(2, 2), strides=(2, 2), transposed=True),
    "products": lambda: net(layered(N, 2), (13, 96)),
    "reductions": lambda: net(means(), (5, 67), (5, 67)),
    "bounds": bounded,
    "one row": lambda: net(means(), (1, 3), (1, 3)),
    "nothing": lambda: net(means(), (0, 3), (0, 3)),
    "lstm": lambda: net(recurrent.layer("lstm", "bidirectional", T, 3), (5, 3, 7)),
    "gru": lambda: net(recurrent.layer("gru", "reverse", T, 2), (3, 2, 7)),
    "loop": lambda: net(flow.scanned(T, backward=True), (3,), (3,), (2,), (4, 3), (3,)),
    "resize": lambda: net(resizing.model("linear", "half_pixel"), (1, 3, 8, 9)),
}
QUICK = {("conv", 3), ("conv of one pixel", 4), ("products", 3), ("reductions", 3), ("reductions", 4)}
QUICK |= {
    ("bounds", 4),
    ("bounds", 3),
    ("one row", 4),
    ("nothing", 4),
    ("lstm", 3),
    ("gru", 4),
    ("loop", 3),
    ("resize", 4),
}
"""Which of them are tried with which processor's lanes (8 and 16) always, and not only at night."""


def bits(array: Array) -> bytes | list[object]:
    """What an array holds; a NaN may have any sign."""
    if array.dtype.kind == "O":
        return cast("list[object]", array.tolist())
    if not dtype_from_numpy(array.dtype).is_floating:
        return array.tobytes()
    return np.where(array == array, array, np.asarray(np.nan, array.dtype)).tobytes()


def same_bits(graph: Graph, feeds: Mapping[str, Array]) -> None:
    with compile_graph(graph, threads=1) as model:
        before = model.run(None, feeds)
        model.specialize(*(feeds[graph.name_of(value)] for value in graph.inputs))
        assert len(model.specialized) == 1
        for one, other in zip(before, model.run(None, feeds), strict=True):
            assert one.shape == other.shape
            assert bits(one) == bits(other)


@pytest.fixture
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code for a processor of that name."""
    here, machine = host(), processors_of(request.param)[0].machine
    if here.lanes < machine.lanes:
        pytest.skip("this machine has no AVX-512")
    monkeypatch.setattr(compiler, "host", lambda: machine)


@pytest.mark.usefixtures("processor")
@pytest.mark.parametrize(
    ("name", "processor"),
    [
        pytest.param(name, f"x86-64-v{level}", marks=[] if (name, level) in QUICK else [pytest.mark.nightly])
        for name in NETS
        for level in (3, 4)
    ],
    indirect=["processor"],
)
def test_bits_are_those_of_the_code_for_symbols(name: str) -> None:
    same_bits(*NETS[name]())


@pytest.mark.nightly
@pytest.mark.parametrize("case", BATCHED, ids=names(BATCHED))
def test_every_operator_has_the_same_bits(case: object) -> None:
    try:
        graph, feeds = graph_of(case, batch=N)  # type: ignore[arg-type]
        run(graph, feeds)
    except (InvalidModelError, UnsupportedError):
        return  # the operator needs to know this size, and says so
    if is_tensors(graph):
        same_bits(graph, feeds)


@pytest.mark.parametrize("name", ["conv of one pixel", "reductions", "lstm", "loop"])
def test_no_kernel_mentions_a_size_that_is_known(name: str) -> None:
    graph, feeds = NETS[name]()
    known: dict[Symbol, Dim] = {
        size: number
        for value in graph.inputs
        for size, number in zip(value.shape, feeds[graph.name_of(value)].shape, strict=True)
        if isinstance(size, Symbol)
    }
    made = with_known_sizes(lower(expand(graph), host()), known, lambda: None)
    for kernel in kernels(made.steps):
        verify(kernel)
        extents = [each.extent for each in statements(kernel.body) if isinstance(each, For)]
        numbers = [each.value for each in scalars(kernel.body) if isinstance(each, Const)]
        shapes = [size for buffer in (*kernel.inputs, *kernel.outputs) for size in buffer.shape]
        assert all(isinstance(each, int | float) for each in (*extents, *numbers, *shapes))
    assert not [symbol for slot in made.slots for size in slot.shape for symbol in symbols_of(size)]


def test_another_graph_is_refused() -> None:
    program = compile_graph(layered(N, 2), threads=1).program
    with pytest.raises(InvalidModelError, match="not the one that was compiled"):
        specialized(layered(N, 3), program, {N: 2})
