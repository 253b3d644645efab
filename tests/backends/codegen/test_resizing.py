"""Resizing to sizes that only a run tells, as machine code."""

from __future__ import annotations

from typing import cast, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from xir.backends.codegen.compile import compile_graph
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.resize import Coordinates, Mode, Rounding, resize
from xir.reference import run

COORDINATES = cast("tuple[Coordinates, ...]", get_args(Coordinates))
ROUNDINGS = cast("tuple[Rounding, ...]", get_args(Rounding))
SHAPES = ((1, 2, 3, 5), (2, 2, 8, 1), (1, 1, 7, 6))


def model(
    mode: Mode,
    coordinates: Coordinates,
    rounding: Rounding = "floor",
    *,
    dtype: DType = DType.FLOAT32,
    scales: tuple[float, ...] | None = None,
    exclude_outside: bool = False,
    antialias: bool = False,
) -> Graph:
    n, c, h, w = (Symbol(name) for name in "NCHW")
    x = Value(TensorType(dtype, (n, c, h, w)))
    made = resize(
        x,
        sizes=(2 * h, (3 * w + 1) // 2),
        mode=mode,
        coordinates=coordinates,
        rounding=rounding,
        scales=scales,
        exclude_outside=exclude_outside,
        antialias=antialias,
    )
    return Graph("resize", (x,), (made,), ("y",), names={x: "x"})


def check(graph: Graph, *, hosted: int = 0) -> None:
    """One program for all shapes."""
    compiled = compile_graph(graph)
    assert len(compiled.hosted) == hosted
    for shape in SHAPES:
        x = (np.random.default_rng(5).standard_normal(shape) * 40).astype(graph.inputs[0].dtype.dtype)
        (expected,) = run(graph, {"x": x}).values()
        (made,) = compiled.run(None, {"x": x})
        assert made.shape == expected.shape
        pair = cast("NDArray[np.float64]", made), cast("NDArray[np.float64]", expected)
        assert np.allclose(*pair, 2e-5, 2e-4)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize(("rounding", "scales"), [*((each, None) for each in ROUNDINGS), ("floor", (2.0, 1.5))])
def test_nearest(coordinates: Coordinates, rounding: Rounding, scales: tuple[float, ...] | None) -> None:
    by_host = coordinates == "align_corners" or (coordinates == "half_pixel_symmetric" and scales is not None)
    check(model("nearest", coordinates, rounding, scales=scales), hosted=int(by_host))


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize(("scales", "exclude_outside"), [(None, True), ((2.0, 1.5), False)])
def test_interpolation(
    coordinates: Coordinates, mode: Mode, scales: tuple[float, ...] | None, exclude_outside: bool
) -> None:
    check(model(mode, coordinates, scales=scales, exclude_outside=exclude_outside))


@pytest.mark.parametrize("scales", [None, (0.4, 0.5), (0.01, 0.5)])
def test_wider_filters(scales: tuple[float, ...] | None) -> None:
    """Filters of which only the run tells the width, or that are very wide, are the reference's."""
    check(model("linear", "half_pixel", scales=scales, antialias=True), hosted=int(scales != (0.4, 0.5)))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("dtype", [DType.INT32, DType.UINT8, DType.FLOAT64])
def test_other_element_types(mode: Mode, dtype: DType) -> None:
    check(model(mode, "half_pixel", dtype=dtype))


def test_what_weighs_nothing_does_not_count() -> None:
    graph = model("linear", "asymmetric", scales=(2.0, 1.5))
    x = np.asarray([[[[1.0], [np.inf]]]], np.float32)
    (made,) = compile_graph(graph).run(None, {"x": x})
    assert cast("NDArray[np.float32]", made)[0, 0, 0, 0] == 1.0
