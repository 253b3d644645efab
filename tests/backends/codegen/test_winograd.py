"""Convolutions by minimal filtering: within their bound on every plan, chosen where they pay, never where exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tests.backends.codegen.guarded import Side, guarded_run
from tests.backends.codegen.test_contraction import MACHINES, Convolution, N, close, error, interpreted
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.lowering.winograd import convolution as winograd
from xir.backends.codegen.lowering.winograd.forms import LARGE, SMALL, Form
from xir.backends.codegen.lowering.winograd.plan import Plan, Sizes, plan
from xir.backends.codegen.steps import Run
from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.ops.arithmetic import add
from xir.ops.conv import conv
from xir.reference import run

BOUNDS = {LARGE: 2e-5, SMALL: 1e-5}
"""What docs/accuracy.md says of each form, relative to the largest result."""

BOUND = max(BOUNDS.values())


@dataclass(frozen=True)
class Block:
    """Two convolutions, the second with what it reads added to its results, as residual networks have them."""

    channels: int
    image: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]] = ((1, 1), (1, 1))
    batch: Dim = 1

    def graph(self) -> Graph:
        """The graph; what is between convolutions lies with its channels last."""
        rng = np.random.default_rng(3)
        x = Value(TensorType(DType.FLOAT32, (self.batch, self.channels, *self.image)))
        parameters: list[Parameter] = []

        def filtered(value: Value, cells: int) -> Value:
            shape = (self.channels, self.channels, cells, cells)
            weights = rng.standard_normal(shape, np.float32) / np.float32(cells * np.sqrt(self.channels))
            w = Value(TensorType(DType.FLOAT32, shape))
            parameters.append(Parameter(w, constant_of(weights)))
            plain = {"strides": (1, 1), "dilation": (1, 1), "input_dilation": (1, 1), "groups": 1}
            return conv(value, w, None, padding=self.padding if cells == 3 else ((0, 0), (0, 0)), **plain)

        first = relu(filtered(x, 3))
        second = filtered(first, 3)
        y = relu(add(second, first)) if second.shape == first.shape else relu(second)
        names = {x: "x", **{each.value: f"w{place}" for place, each in enumerate(parameters)}}
        return Graph("g", (x,), (filtered(y, 1),), parameters=tuple(parameters), names=names)

    def array(self) -> np.ndarray:
        """What is fed."""
        batch = self.batch if isinstance(self.batch, int) else 3
        return np.random.default_rng(0).standard_normal((batch, self.channels, *self.image), np.float32)


CASES = {
    "whole tiles": Convolution(32, 40, (12, 12), (3, 3), padding=1),
    "nothing behind": Convolution(32, 64, (12, 12), (3, 3), padding=1, follow=False),
    "no padding": Convolution(32, 32, (10, 14), (3, 3)),
    "parts of tiles": Convolution(48, 33, (13, 11), (3, 3), padding=1),
    "two images": Convolution(33, 64, (9, 14), (3, 3), padding=1, batch=2),
    "symbolic batch": Convolution(32, 32, (9, 12), (3, 3), padding=1, batch=N),
    "residual": Block(32, (9, 10)),
    "residual, symbolic batch": Block(32, (6, 7), batch=N),
    "one side padded": Block(32, (12, 13), padding=((0, 1), (2, 0))),
}

PLANS = {
    "fused": (LARGE, 6, 3, True),
    "turned before": (LARGE, 4, 4, False),
    "small, fused": (SMALL, 10, 5, True),
    "small, turned before": (SMALL, 12, 6, False),
}


def weights_of(graph: Graph, *, exact: bool) -> int:
    """How many numbers a convolution reads as its weights, once they are packed."""
    made = lower(expand(graph), MACHINES["wide"], exact=exact)
    steps = [step for step in made.steps if isinstance(step, Run) and any(n.op.name == "conv" for n in step.nodes)]
    held = {slot for step in steps for slot in step.slots if slot in made.constants}
    return max(made.constants[slot].nbytes // 4 for slot in held)


def force(monkeypatch: pytest.MonkeyPatch, form: Form, tiles: int, rows: int, fused: bool) -> None:
    """Makes every convolution that can be filtered so filtered so."""
    monkeypatch.setattr(winograd, "plan", lambda sizes, machine: Plan(form, tiles, rows, 2, machine.lanes, fused))


@pytest.mark.parametrize("case", CASES)
def test_fewer_products_stay_within_their_bound(case: str) -> None:
    graph, array = CASES[case].graph(), CASES[case].array()
    for made, known in zip(compile_graph(graph)(array), run(graph, {"x": array}).values(), strict=True):
        assert error(made, known) <= BOUND


@pytest.mark.parametrize(
    ("case", "way"),
    [
        *(("parts of tiles", way) for way in PLANS),
        ("residual, symbolic batch", "fused"),
        ("residual, symbolic batch", "turned before"),
        ("one side padded", "small, fused"),
        ("one side padded", "turned before"),
    ],
)
def test_every_plan_computes_the_same(case: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, *PLANS[way])
    graph, array = CASES[case].graph(), CASES[case].array()
    wanted = list(run(graph, {"x": array}).values())
    alone, together = compile_graph(graph, threads=1)(array), compile_graph(graph, threads=2)(array)
    for made, other, known in zip(alone, together, wanted, strict=True):
        assert error(made, known) <= BOUNDS[PLANS[way][0]]
        np.testing.assert_array_equal(made, other)


@pytest.mark.parametrize("way", PLANS)
def test_fewer_products_in_the_interpreter(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, *PLANS[way])
    case = Convolution(9, 17, (3, 6), (3, 3), padding=1, batch=N, follow=False)
    graph, array = case.graph(), case.array()
    wanted = run(graph, {"x": array}).values()
    for made, known in zip(interpreted(graph, array, MACHINES["narrow"]), wanted, strict=True):
        assert error(made, known) <= BOUNDS[PLANS[way][0]]


@pytest.mark.parametrize("way", PLANS)
@pytest.mark.parametrize("side", ["begin", "end"])
def test_nothing_outside_is_touched(side: Side, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, *PLANS[way])
    graph, array = CASES["parts of tiles"].graph(), CASES["parts of tiles"].array()
    made = guarded_run(compile_graph(graph, threads=1), {"x": array}, side)
    for each, known in zip(made.values(), run(graph, {"x": array}).values(), strict=True):
        assert isinstance(each, np.ndarray)
        assert error(each, known) <= BOUNDS[PLANS[way][0]]


@pytest.mark.parametrize("form", BOUNDS, ids=["large", "small"])
def test_numbers_of_like_size_stay_within_the_bound(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, form, 4, 4, True)
    graph = Convolution(256, 32, (8, 8), (3, 3), padding=1).graph()
    compiled, worst = compile_graph(graph), 0.0
    for seed in range(4):
        array = np.random.default_rng(seed).uniform(0.5, 1.0, (1, 256, 8, 8)).astype(np.float32)
        worst = max(worst, error(compiled(array)[0], next(iter(run(graph, {"x": array}).values()))))
    assert 0 < worst <= BOUNDS[form]


def test_the_points_of_the_large_form_round_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """0, 1, -1, 2, -2 are off by 1.1e-5 here."""
    force(monkeypatch, LARGE, 4, 4, True)
    graph = Convolution(256, 32, (8, 8), (3, 3), padding=1).graph()
    array = np.random.default_rng(0).standard_normal((1, 256, 8, 8)).astype(np.float32)
    assert error(compile_graph(graph)(array)[0], next(iter(run(graph, {"x": array}).values()))) <= 5e-6


def test_exact_sums_are_taken_product_by_product() -> None:
    graph, array = CASES["whole tiles"].graph(), CASES["whole tiles"].array()
    assert weights_of(graph, exact=True) < 16 * 32 * 40 <= weights_of(graph, exact=False)
    close(list(compile_graph(graph, exact=True)(array)), list(run(graph, {"x": array}).values()))


@pytest.mark.parametrize(
    "case",
    [
        Convolution(8, 64, (12, 12), (3, 3), padding=1),
        Convolution(64, 64, (12, 12), (3, 3), (2, 2), padding=1),
        Convolution(64, 64, (12, 12), (3, 3), padding=1, dilation=2),
        Convolution(64, 64, (12, 12), (3, 3), padding=1, groups=2),
        Convolution(64, 64, (12, 12), (5, 5), padding=2),
        Convolution(64, 64, (2, 2), (3, 3), padding=1),
    ],
    ids=["few channels", "stride", "dilation", "groups", "window", "small image"],
)
def test_other_convolutions_have_all_their_products(case: Convolution) -> None:
    assert weights_of(case.graph(), exact=False) == weights_of(case.graph(), exact=True)


LAYERS = {
    # channels, results, image: results of a tile along an axis, and whether all is one kernel; for 16 lanes
    (64, 64, 56): (4, True),
    (128, 128, 28): (4, False),
    (256, 256, 14): (2, False),
    (512, 512, 7): (2, False),
    (64, 64, 224): (4, True),
    (256, 256, 56): (4, False),
    (512, 512, 28): (4, False),
    (512, 512, 14): (2, False),
    (16, 64, 55): (4, True),
    (8, 64, 55): None,
    (64, 64, 2): None,
}
"""ResNet-50's layers, VGG-16's, one of SqueezeNet, and two that do not pay."""


@pytest.mark.parametrize("layer", LAYERS)
def test_the_plan_of_well_known_layers(layer: tuple[int, int, int]) -> None:
    channels, outputs, size = layer
    found = plan(Sizes(1, channels, outputs, (size, size), ((1, 1), (1, 1)), (size, size)), MACHINES["wide"])
    assert LAYERS[layer] == (None if found is None else (found.form.results, found.fused))
    if found is not None:
        assert found.tiles % found.rows == 0
