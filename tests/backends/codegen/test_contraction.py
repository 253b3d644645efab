"""Sums of products in tiles: the same numbers, whatever their shapes; weights lie where tiles read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lower import expand, lower
from xir.backends.codegen.steps import Run
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify
from xir.ops.activation import relu
from xir.ops.conv import conv, conv_transpose
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


def interpreted(graph: Graph, array: np.ndarray, machine: Machine) -> list[np.ndarray]:
    """The outputs, kernel by kernel through the interpreter; each kernel keeps the rules."""
    made = lower(expand(graph), machine)
    sizes: dict[Symbol, Dim] = {N: array.shape[0]}
    held = {slot: constant.array().reshape(-1) for slot, constant in made.constants.items()}
    held[made.slot(graph.inputs[0])] = array.reshape(-1)
    for step in made.steps:
        assert isinstance(step, Run)
        verify(step.kernel)
        count = len(step.kernel.inputs)
        results = interpret(step.kernel, [held[slot] for slot in step.slots[:count]], sizes)
        held.update(zip(step.slots[count:], results, strict=True))
    shapes = [[array.shape[0], *map(int, map(str, value.shape[1:]))] for value in made.outputs]
    return [held[made.slot(value)].reshape(shape) for value, shape in zip(made.outputs, shapes, strict=True)]


def close(made: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    """Whether numbers differ by no more than the order of sums makes them."""
    for each, known in zip(made, wanted, strict=True):
        assert np.abs(each - known).max() <= 1e-5 * max(1.0, np.abs(known).max())


@pytest.mark.parametrize("lanes", MACHINES)
@pytest.mark.parametrize("case", CASES)
def test_tiles_compute_the_same(case: str, lanes: str) -> None:
    graph, array = CASES[case].graph(), CASES[case].array()
    close(interpreted(graph, array, MACHINES[lanes]), list(run(graph, {"x": array}).values()))


@pytest.mark.parametrize("case", CASES)
def test_machine_code_computes_the_same(case: str) -> None:
    graph, array = CASES[case].graph(), CASES[case].array()
    close(list(compile_graph(graph)(array)), list(run(graph, {"x": array}).values()))
