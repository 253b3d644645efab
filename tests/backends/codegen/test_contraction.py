"""Sums of products in tiles: the same numbers, whatever their shapes; weights lie where tiles read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import cast

import numpy as np
import pytest

from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.lowering.products.pack import packing
from xir.backends.codegen.steps import Run
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, Symbol, evaluate
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType, TensorType
from xir.kernel._simplify import simplify
from xir.kernel.build import flatten, index
from xir.kernel.grammar import Apply, Axis, Buffer, Const, For, If, Load, Prefetch, Scalar, Store
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.kernel.walk import loads, statements
from xir.ops.activation import prelu, relu
from xir.ops.conv import conv, conv_transpose
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast
from xir.reference import run

MACHINES = {"narrow": Machine("x86-64", "", 8, 16), "wide": Machine("x86-64", "", 16, 32)}


@dataclass(frozen=True)
class Convolution:
    """Sizes of a convolution."""

    channels: int
    outputs: int
    image: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...] = ()
    padding: int = 0
    groups: int = 1
    batch: Dim = 1
    dilation: int = 1
    transposed: bool = False
    follow: bool = True

    def graph(self) -> Graph:
        """The graph: the convolution, and a rectifier behind it."""
        rng = np.random.default_rng(1)
        rank = len(self.image)
        first, second = (self.channels, self.outputs) if self.transposed else (self.outputs, self.channels)
        weights = rng.standard_normal((first, second // self.groups, *self.window), np.float32)
        x = Value(TensorType(DType.FLOAT32, (self.batch, self.channels, *self.image)))
        w = Value(TensorType(DType.FLOAT32, weights.shape))
        b = Value(TensorType(DType.FLOAT32, (self.outputs,)))
        strides, dilation = self.strides or (1,) * rank, (self.dilation,) * rank
        padding = ((self.padding, self.padding),) * rank
        if self.transposed:
            y = conv_transpose(
                x,
                w,
                b,
                strides=strides,
                padding=padding,
                dilation=dilation,
                output_padding=(0,) * rank,
                groups=self.groups,
            )
        else:
            y = conv(
                x,
                w,
                b,
                strides=strides,
                padding=padding,
                dilation=dilation,
                input_dilation=(1,) * rank,
                groups=self.groups,
            )
        made = (relu(y), relu(relu(y))) if self.follow else (y,)
        constants = (weights, rng.standard_normal(self.outputs, np.float32))
        parameters = tuple(Parameter(v, constant_of(a)) for v, a in zip((w, b), constants, strict=True))
        return Graph("g", (x,), made, parameters=parameters, names={x: "x", w: "w", b: "b"})

    def array(self) -> np.ndarray:
        """What is fed."""
        batch = self.batch if isinstance(self.batch, int) else 3
        return np.random.default_rng(0).standard_normal((batch, self.channels, *self.image), np.float32)


N = Symbol("N")

CASES = {
    "1x1": Convolution(5, 7, (3, 4), (1, 1)),
    "1x1 on many pixels": Convolution(9, 33, (5, 5), (1, 1)),
    "3x3": Convolution(3, 17, (7, 9), (3, 3), padding=1),
    "3x3 with a stride": Convolution(4, 20, (9, 11), (3, 3), (2, 2), padding=1),
    "dilated": Convolution(3, 9, (9, 9), (3, 3), dilation=2),
    "one output": Convolution(6, 1, (5, 21), (3, 3), padding=1),
    "few outputs": Convolution(4, 3, (6, 37), (3, 5), padding=2),
    "one output of one cell": Convolution(24, 1, (5, 6), (1, 1)),
    "depthwise": Convolution(20, 20, (6, 7), (3, 3), padding=1, groups=20),
    "depthwise on long lines": Convolution(5, 5, (11, 37), (3, 3), padding=1, groups=5, follow=False),
    "depthwise with a stride": Convolution(20, 20, (7, 8), (3, 3), (2, 2), padding=1, groups=20),
    "twice as deep": Convolution(6, 12, (5, 19), (3, 3), padding=1, groups=6),
    "groups": Convolution(12, 18, (5, 6), (3, 3), padding=1, groups=3),
    "groups with a stride": Convolution(12, 18, (7, 6), (3, 3), (2, 1), groups=3),
    "one axis": Convolution(8, 10, (30,), (5,), padding=2),
    "spectrum": Convolution(1, 11, (400,), (64,), (40,)),
    "three axes": Convolution(2, 5, (3, 4, 5), (2, 2, 2), padding=1),
    "symbolic batch": Convolution(4, 9, (5, 5), (3, 3), padding=1, batch=N),
    "symbolic batch of one pixel": Convolution(40, 24, (1, 1), (1, 1), batch=N),
    "transposed 2": Convolution(6, 5, (4, 5), (2, 2), (2, 2), transposed=True),
    "transposed 4 by 2": Convolution(5, 18, (4, 3), (4, 4), (2, 2), padding=1, transposed=True),
    "transposed 3 by 2": Convolution(3, 9, (4, 6), (3, 3), (2, 2), padding=1, transposed=True),
    "transposed 2 by 3": Convolution(3, 4, (4, 5), (2, 2), (3, 3), transposed=True),
    "transposed to one": Convolution(20, 1, (4, 5), (2, 2), (2, 2), transposed=True),
    "transposed, dilated": Convolution(3, 6, (4, 4), (3, 3), (2, 2), dilation=2, transposed=True),
    "transposed groups": Convolution(4, 6, (4, 4), (2, 2), (2, 2), groups=2, transposed=True),
    "transposed on one axis": Convolution(4, 6, (9,), (4,), (2,), padding=1, transposed=True),
}


def interpreted(
    graph: Graph,
    given: np.ndarray | tuple[np.ndarray, ...],
    machine: Machine,
    image: Mapping[Symbol, Dim] = MappingProxyType({}),
) -> list[Array]:
    """The outputs, kernel by kernel through the interpreter; each kernel keeps the rules."""
    made = lower(expand(graph), machine)
    arrays = given if isinstance(given, tuple) else (given,)
    sizes: dict[Symbol, Dim] = {N: arrays[0].shape[0], **image}
    held: dict[int, Array] = {slot: constant.array().reshape(-1) for slot, constant in made.constants.items()}
    held.update((made.slot(value), array.reshape(-1)) for value, array in zip(graph.inputs, arrays, strict=True))
    for step in made.steps:
        assert isinstance(step, Run)
        verify(step.kernel)
        count = len(step.kernel.inputs)
        parts = [held.get(slot) for slot in step.slots[count:]]
        results = interpret(step.kernel, [held[slot] for slot in step.slots[:count]], sizes, parts)
        held.update(zip(step.slots[count:], results, strict=True))
    shapes = [[int(str(evaluate(size, sizes))) for size in value.shape] for value in made.outputs]
    return [held[made.slot(value)].reshape(shape) for value, shape in zip(made.outputs, shapes, strict=True)]


def error(made: Array, known: Array) -> float:
    """The largest difference, relative to the largest number."""
    wanted = known.astype(np.float64)
    return float(np.abs(made.astype(np.float64) - wanted).max() / max(1e-30, np.abs(wanted).max()))


def close(made: list[Array], wanted: list[Array]) -> None:
    """Whether numbers differ by no more than the order of sums makes them."""
    for each, known in zip(made, wanted, strict=True):
        assert error(each, known) <= 1e-5


@pytest.mark.parametrize("lanes", MACHINES)
@pytest.mark.parametrize("case", CASES)
def test_tiles_compute_the_same(case: str, lanes: str) -> None:
    graph, array = CASES[case].graph(), CASES[case].array()
    close(interpreted(graph, array, MACHINES[lanes]), list(run(graph, {"x": array}).values()))


@pytest.mark.parametrize("case", CASES)
def test_machine_code_computes_the_same(case: str) -> None:
    graph, array = CASES[case].graph(), CASES[case].array()
    close(list(compile_graph(graph)(array)), list(run(graph, {"x": array}).values()))


@pytest.mark.parametrize("lanes", MACHINES)
def test_rows_that_only_the_run_counts_are_all_there(lanes: str) -> None:
    """None, one, half a block and less, more than half, whole blocks and what is left of them."""
    case = CASES["symbolic batch of one pixel"]
    graph = case.graph()
    for count in (0, 1, 2, 4, 5, 6, 8, 9, 13, 17):
        array = np.resize(case.array(), (count, 40, 1, 1))
        made = interpreted(graph, array, MACHINES[lanes]) if count else list(compile_graph(graph)(array))
        wanted = list(run(graph, {"x": array}).values())
        assert [each.shape for each in made] == [each.shape for each in wanted]
        assert not count or max(map(error, made, wanted)) <= 1e-5


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("width", [1, 4, 5, 16])
def test_packed_elements_lie_where_the_index_says(width: int, step: int) -> None:
    weights = np.arange(3 * 7 * 4, dtype=np.float32)
    source = Buffer("w", DType.FLOAT32, (84,))
    outer, along, inner = (For(Axis(name), size, "parallel", ()) for name, size in (("g", 3), ("o", 7), ("r", 4)))
    place = flatten((outer.axis, along.axis, inner.axis), (3, 7, 4))
    if step < 0:
        place = Apply("sub", (index(83), place))
    made = packing(Load(source, (place,)), along, [outer], [inner], width, frozenset({"w"}))
    assert made is not None
    packed = made.packed(weights)
    assert packed.shape == made.target.shape
    for g, o, r in np.ndindex(3, 7, 4):
        named: dict[str, Scalar] = {"g": index(g), "r": index(r)}
        found = simplify(made.index(named, index(o // width), index(o % width)), {})
        assert isinstance(found, Const)
        assert packed[int(str(found.value))] == weights[::step][(g * 7 + o) * 4 + r]


@pytest.mark.parametrize("parts", [2, 3, 16])
def test_all_parts_of_the_next_block_are_told_ahead(parts: int) -> None:
    w = Buffer("w", DType.FLOAT32, (3 * 20,))
    along, inner = (For(Axis(name), size, "parallel", ()) for name, size in (("o", 20), ("r", 3)))
    load = Load(w, (flatten((inner.axis, along.axis), (3, 20)),))
    made = packing(load, along, [], [inner], 8, frozenset({"w"}))
    assert made is not None
    told: set[int] = set()
    for part, r in np.ndindex(parts, 3):
        places = made.ahead({"r": index(r)}, index(1), index(part), parts)
        assert places is not None
        found = simplify(Apply("add", places), {})
        assert isinstance(found, Const)
        told.update(range(int(str(found.value)), int(str(found.value)) + -(-8 // parts)))
    assert told == set(range(2 * 3 * 8, 3 * 3 * 8))


@pytest.mark.parametrize(("rows", "ahead"), [(1, 0), (64, 1), (9216, 0)])
def test_the_next_weights_come_nearer_while_rows_use_a_block(rows: int, ahead: int) -> None:
    x, w = (Value(TensorType(DType.FLOAT32, shape)) for shape in ((rows, 32), (32, 96)))
    weights = constant_of(np.ones((32, 96), np.float32))
    graph = Graph("g", (x,), (matmul(x, w),), parameters=(Parameter(w, weights),), names={x: "x", w: "w"})
    kernels = [each.kernel for each in lower(expand(graph), MACHINES["wide"]).steps if isinstance(each, Run)]
    assert [sum(isinstance(each, Prefetch) for each in statements(k.body)) for k in kernels] == [ahead]


@pytest.mark.parametrize(
    ("product", "blocks"), [((196, 2304, 256), 8), ((64, 32, 96), 2), ((1024, 1024, 1024), 22)], ids=str
)
def test_few_blocks_of_columns_are_alike_so_that_workers_have_as_much(
    product: tuple[int, int, int], blocks: int
) -> None:
    rows, length, columns = product
    x, w = (Value(TensorType(DType.FLOAT32, shape)) for shape in ((rows, length), (length, columns)))
    weights = constant_of(np.ones((length, columns), np.float32))
    graph = Graph("g", (x,), (matmul(x, w),), parameters=(Parameter(w, weights),), names={x: "x", w: "w"})
    (kernel,) = [each.kernel for each in lower(expand(graph), MACHINES["wide"]).steps if isinstance(each, Run)]
    (outermost,) = kernel.body
    assert isinstance(outermost, For)
    assert outermost.extent == blocks


def test_few_columns_and_many_rows_run_at_once() -> None:
    graph = Convolution(64, 16, (64, 64), (1, 1)).graph()
    (step,) = [each for each in lower(expand(graph), MACHINES["wide"]).steps if "conv" in each_name(each)]
    assert isinstance(step, Run)
    count, body = 1, step.kernel.body
    while len(body) == 1 and isinstance(body[0], For) and body[0].kind == "parallel":
        count, body = count * int(str(body[0].extent)), body[0].body
    assert count >= 64


def each_name(step: object) -> str:
    """The operator of a kernel's first node."""
    return step.nodes[0].op.name if isinstance(step, Run) else ""


def loops_of(graph: Graph) -> list[tuple[str, int]]:
    """(kind, extent) of the loops around the products of the first convolution, outermost first."""
    step, *_ = [each for each in lower(expand(graph), MACHINES["wide"]).steps if "conv" in each_name(each)]
    assert isinstance(step, Run)
    found: list[tuple[str, int]] = []
    body = step.kernel.body
    while body:
        inner = [each for each in body if isinstance(each, If) or (isinstance(each, For) and each.kind != "vector")][:1]
        for each in inner:
            if isinstance(each, For):
                found.append((each.kind, each.extent if isinstance(each.extent, int) else 0))
        body = tuple(part for each in inner for part in (each.body if isinstance(each, For) else each.then))
    return found


@pytest.mark.parametrize(
    ("case", "extent"),
    [
        (Convolution(256, 256, (13, 13), (3, 3), (2, 2)), 4),  # 2.3 MB of weights: blocks of 64 columns
        (Convolution(32, 64, (129, 129), (3, 3), (2, 2)), 64),  # 74 KB of weights: lines
    ],
)
def test_what_is_larger_goes_by_once(case: Convolution, extent: int) -> None:
    assert loops_of(case.graph())[0] == ("parallel", extent)


@pytest.mark.parametrize("image", [(9, 9), (Symbol("H"), Symbol("W"))], ids=["known", "symbolic"])
def test_the_last_loop_of_a_sum_goes_to_neighbours(image: tuple[Dim, ...]) -> None:
    """Channels lie last in images, whatever the order in the weights."""
    sizes = cast("tuple[int, ...]", image)
    found = loops_of(Convolution(24, 64, sizes, (3, 3), (2, 2), padding=1).graph())
    assert found[-1] == ("serial", 24)


def test_no_product_of_a_padded_symbolic_image_asks_for_a_border() -> None:
    """Every other pixel of every other pixel: where the last window ends is the quotient of a quotient."""
    half = tuple((Symbol(name) + 1) // 2 for name in "HW")
    graph = Convolution(24, 64, cast("tuple[int, ...]", half), (3, 3), (2, 2), padding=1).graph()
    kernels = [each.kernel for each in lower(expand(graph), MACHINES["wide"]).steps if isinstance(each, Run)]
    sums = [each for kernel in kernels for each in statements(kernel.body) if isinstance(each, Store)]
    assert sums
    assert not [each for each in sums if each.buffer.space == "register" and each.mask is not None]


@pytest.mark.parametrize("padding", [0, 1])
def test_no_product_of_a_transposed_convolution_asks_for_a_border(padding: int) -> None:
    graph = Convolution(24, 32, (6, 7), (4, 4), (2, 2), padding=padding, transposed=True).graph()
    kernels = [each.kernel for each in lower(expand(graph), MACHINES["wide"]).steps if isinstance(each, Run)]
    sums = [kernel for kernel in kernels if kernel.name.startswith("conv")]
    assert sums
    assert not [load for kernel in sums for load in loads(kernel.body) if load.mask and load.dtype is DType.FLOAT32]


def cells_read(image: tuple[int, ...], *, exact: bool) -> set[int]:
    """Those of a few cells of a window of 3 x 3 of which infinite weights reach the one result of an image."""
    graph = Convolution(32, 64, image, (3, 3), (2, 2), padding=1, follow=False).graph()
    cells = np.broadcast_to(np.arange(9, dtype=np.float32).reshape(3, 3), (64, 32, 3, 3)).copy()
    found: set[int] = set()
    for cell in (0, 4, 7):
        weights = np.where(cells == cell, np.float32("inf"), cells)
        held, bias = graph.parameters
        made = replace(graph, parameters=(replace(held, constant=constant_of(weights)), bias))
        (y,) = compile_graph(made, exact=exact)(np.ones((1, 32, *image), np.float32))
        found |= set() if np.isfinite(y).all() else {cell}
    return found


@pytest.mark.parametrize(
    ("image", "exact", "cells"), [((1, 1), False, {4}), ((2, 1), False, {4, 7}), ((1, 1), True, {0, 4, 7})]
)
def test_cells_that_only_meet_borders_are_left_out(image: tuple[int, ...], exact: bool, cells: set[int]) -> None:
    assert cells_read(image, exact=exact) == cells


@pytest.mark.parametrize("lanes", MACHINES)
@pytest.mark.parametrize("strides", [(1, 1), (3, 2)])
def test_images_of_any_size_have_all_their_cells(strides: tuple[int, int], lanes: str) -> None:
    """Borders that some rows of a tile meet, and all of them, where only the run knows sizes."""
    high, wide = Symbol("H"), Symbol("W")
    case = Convolution(17, 9, cast("tuple[int, ...]", (high, wide)), (3, 3), strides, padding=1, follow=False)
    graph = case.graph()
    for height, width in ((1, 1), (2, 7)):
        array = np.random.default_rng(0).standard_normal((1, 17, height, width), np.float32)
        wanted = list(run(graph, {"x": array}).values())
        close(interpreted(graph, array, MACHINES[lanes], {high: height, wide: width}), wanted)


def test_rows_are_counted_where_their_number_is_known() -> None:
    """Lines of a known number come in whole tiles, pixels of which only the run knows how many do not."""
    graph = Convolution(24, 64, cast("tuple[int, ...]", (16, Symbol("W"))), (3, 3), padding=1).graph()
    pixels, columns, lines = (extent for kind, extent in loops_of(graph) if kind == "parallel")
    assert (pixels, columns, lines) == (0, 1, 4)


def test_pixels_of_symbolic_images_are_one_loop() -> None:
    """Of 1 x 1 there is nothing that tells lines apart: one loop over blocks of channels, one over pixels."""
    sizes = cast("tuple[int, ...]", (Symbol("H"), Symbol("W")))
    graph = Convolution(24, 64, sizes, (1, 1)).graph()
    assert [kind for kind, _ in loops_of(graph)] == ["parallel", "parallel", "serial"]


@pytest.mark.parametrize(("channels", "loops"), [(192, 2), (16, 3)])
def test_pixels_that_get_a_border_are_one_loop_where_sums_are_long(channels: int, loops: int) -> None:
    """Few rows of pixels would be left of short lines; divisions that place results are lost in long sums."""
    high, wide = Symbol("H"), Symbol("W")
    sizes = cast("tuple[int, ...]", (high, wide))
    graph = Convolution(channels, 24, sizes, (1, 1), follow=False).graph()
    after = Convolution(24, 20, sizes, (3, 3), padding=1, follow=False).graph()
    joined = Rewriter(after).run(lambda node, rewriter: None, leaves={after.inputs[0]: graph.outputs[0]})
    names = {parameter.value: f"p{number}" for number, parameter in enumerate(joined.parameters)}
    graph = replace(
        graph,
        outputs=joined.outputs,
        parameters=(*graph.parameters, *joined.parameters),
        names={**graph.names, **names},
    )
    assert [kind for kind, _ in loops_of(graph)].count("parallel") == loops
    array = np.random.default_rng(0).standard_normal((1, channels, 3, 2), np.float32)
    wanted = list(run(graph, {"x": array}).values())
    close(interpreted(graph, array, MACHINES["wide"], {high: 3, wide: 2}), wanted)


def test_slopes_of_channels_follow_a_symbolic_convolution() -> None:
    """What is repeated for every pixel is read where the result turns, though pixels are a product of sizes."""
    sizes = cast("tuple[int, ...]", (Symbol("H"), Symbol("W")))
    graph = Convolution(3, 10, sizes, (3, 3), batch=N, follow=False).graph()
    (y,) = graph.outputs
    slope = Value(TensorType(DType.FLOAT32, (1, 10, 1, 1)))
    made = prelu(y, broadcast(slope, shape=y.shape))
    graph = replace(graph, inputs=(*graph.inputs, slope), outputs=(made,), names={**graph.names, slope: "slope"})
    found = [step.kernel for step in lower(expand(graph), MACHINES["wide"]).steps if isinstance(step, Run)]
    assert [kernel.name for kernel in found] == ["conv", "select"]


@pytest.mark.parametrize(("follow", "pixels"), [(False, True), (True, False)], ids=["alone", "among others"])
def test_a_depthwise_convolution_alone_turns_no_images(follow: bool, pixels: bool) -> None:
    """Vectors of pixels where all lies channel by channel, of channels where others want them last."""
    graph = Convolution(24, 24, (40, 40), (3, 3), padding=1, groups=24, follow=follow).graph()
    assert (loops_of(graph)[0] == ("parallel", 24)) == pixels
