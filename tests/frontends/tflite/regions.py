"""StableHLO's operators that LiteRT has no kernels of, with what JAX makes of them.

`python -m tests.frontends.tflite.regions` writes `regions.npz`; to be run where jax 0.10.2 is installed. JAX's `lax`
operators are StableHLO's under other names.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.frontends.tflite.models import Case, Model, Out

EXPECTED = Path(__file__).with_name("regions.npz")


def numbers(*shape: int, seed: int = 0) -> Any:
    """Numbers of both signs, no two alike."""
    return np.random.default_rng(seed).permutation(int(np.prod(shape))).reshape(shape).astype(np.float32) / 4 - 3


def rounded(x: Any) -> Any:
    """Whole numbers, so that some are alike."""
    return x.round()


@dataclass(frozen=True)
class Region:
    """A model, and the same in JAX: a function of `jax` and the feeds."""

    case: Case
    in_jax: Callable[[Any, tuple[Any, ...]], Any]


def model_of(
    kind: str,
    feeds: tuple[Any, ...],
    options: dict[str, dict[str, Any]],
    results: tuple[Out, ...],
    region: Callable[[Model], None] | None = None,
    name: str = "",
) -> Case:
    """A model of one operator whose region, if any, is the subgraph 1."""
    model = Model()
    graph = model.subgraph()
    operands = [graph.input(str(feed.dtype), feed.shape) for feed in feeds]
    graph.outputs += graph.op(kind, operands, results, options)
    if region is not None:
        region(model)
    return Case(f"{kind} {name}", model.data(), feeds, 1e-6)


_CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[str, str, str], dict[str, Any]]] = {
    "plain": ((2, 5, 6, 3), (3, 2, 3, 4), ("NHWC", "HWIO", "NHWC"), {}),
    "turned": ((3, 7, 2, 6), (4, 2, 3, 3), ("CHNW", "OHIW", "HWNC"), {
        "window_strides": (2, 1), "padding": ((1, 2), (0, -1)), "rhs_dilation": (2, 1),
        "window_reversal": (True, False),
    }),
    "channels": ((1, 6, 7, 4), (3, 3, 2, 6), ("NHWC", "HWIO", "NCHW"), {
        "lhs_dilation": (2, 1), "feature_group_count": 2, "padding": ((1, 1), (2, 0)),
    }),
    "batches": ((4, 5, 2), (3, 2, 6), ("NWC", "WIO", "NWC"), {"batch_group_count": 2}),
}  # fmt: skip


def _convolution(name: str) -> Region:
    image, kernel, layouts, words = _CONVOLUTIONS[name]
    axes = [[layout.index(letter) for letter in order if letter in layout] for layout, order in
            zip(layouts, ("NCDHW", "OIDHW", "NCDHW"), strict=True)]  # fmt: skip
    fields: dict[str, Any] = {}
    for role, first, second, held in zip(
        ("input", "kernel", "output"), ("batch", "output_feature", "batch"), ("feature", "input_feature", "feature"),
        axes, strict=True,
    ):  # fmt: skip
        fields |= {f"{role}_{first}_dimension": held[0], f"{role}_{second}_dimension": held[1],
                   f"{role}_spatial_dimensions": tuple(held[2:])}  # fmt: skip
    padding = words.get("padding", ((0, 0),) * (len(image) - 2))
    fields |= {"feature_group_count": 1, "batch_group_count": 1, **words, "padding": tuple(np.ravel(padding).tolist())}
    feeds = (numbers(*image), numbers(*kernel, seed=1) / 8)
    options = {"StablehloConvolutionOptions": fields}

    def in_jax(jax: Any, feeds: tuple[Any, ...]) -> Any:
        given: dict[str, Any] = {"window_strides": (1,) * (len(image) - 2), **words, "padding": padding}
        turned = [layouts[1].index("HW"[place]) for place, turn in enumerate(given.pop("window_reversal", ())) if turn]

        kernel = jax.numpy.flip(feeds[1], turned)
        return jax.lax.conv_general_dilated(feeds[0], kernel, dimension_numbers=layouts, precision="highest", **given)

    return Region(model_of("STABLEHLO_CONVOLUTION", feeds, options, (Out(),), name=name), in_jax)


def _pairs(model: Model, kind: str, dtype: str) -> None:
    """A region of one operator."""
    inner = model.subgraph("region")
    inner.outputs += inner.op(f"STABLEHLO_{kind}", [inner.input(dtype, ()), inner.input(dtype, ())], [Out(dtype)])


def _largest_with_place(model: Model) -> None:
    """A region over (number, place) twice: the pair with the larger number, of equal ones the first."""
    inner = model.subgraph("region")
    x, i, y, j = (inner.input(dtype, ()) for dtype in ("float32", "int32", "float32", "int32"))
    words = {"StablehloCompareOptions": {"comparison_direction": "GE"}}
    (keep,) = inner.op("STABLEHLO_COMPARE", [x, y], [Out("bool")], words)
    for pair, dtype in (((x, y), "float32"), ((i, j), "int32")):
        inner.outputs += inner.op("STABLEHLO_SELECT", [keep, *pair], [Out(dtype)])


def _halved_sum(model: Model) -> None:
    """A region with a constant: x + y as 2 * (x / 2 + y / 2)."""
    inner = model.subgraph("region")
    half, two = inner.constant(np.float32(0.5)), inner.constant(np.float32(2))
    parts = [inner.op("STABLEHLO_MULTIPLY", [inner.input("float32", ()), half])[0] for _ in range(2)]
    inner.outputs += inner.op("STABLEHLO_MULTIPLY", [*inner.op("STABLEHLO_ADD", parts), two])


def _reductions() -> list[Region]:
    data = numbers(3, 5, 4)
    made: list[Region] = []
    for kind, name, start in (("ADD", "add", 2), ("MULTIPLY", "mul", 1), ("MAXIMUM", "max", -9), ("MINIMUM", "min", 9)):
        options = {"StablehloReduceOptions": {"dimensions": (2, 0), "body_subgraph_index": 1}}
        feeds = (data, np.float32(start))

        def in_jax(jax: Any, feeds: tuple[Any, ...], name: str = name) -> Any:
            return jax.lax.reduce(*feeds, getattr(jax.lax, name), (0, 2))

        region = functools.partial(_pairs, kind=kind, dtype="float32")
        made.append(Region(model_of("STABLEHLO_REDUCE", feeds, options, (Out(),), region, name), in_jax))
    options = {"StablehloReduceOptions": {"dimensions": (1,), "body_subgraph_index": 1}}
    truths = (data > 1, np.bool_(False))
    region = functools.partial(_pairs, kind="OR", dtype="bool")
    case = model_of("STABLEHLO_REDUCE", truths, options, (Out("bool"),), region, "or")
    made.append(Region(case, lambda jax, feeds: jax.lax.reduce(*feeds, jax.lax.bitwise_or, (1,))))
    case = model_of("STABLEHLO_REDUCE", (data, np.float32(3)), options, (Out(),), _halved_sum, "constants")
    made.append(Region(case, lambda jax, feeds: jax.lax.reduce(*feeds, jax.lax.add, (1,))))
    nothing = (np.zeros((2, 0), np.float32), np.float32(7))
    region = functools.partial(_pairs, kind="ADD", dtype="float32")
    case = model_of("STABLEHLO_REDUCE", nothing, options, (Out(),), region, "nothing")
    made.append(Region(case, lambda jax, feeds: jax.lax.reduce(*feeds, jax.lax.add, (1,))))
    held = np.arange(60, dtype=np.int32)
    paired = (rounded(data / 4), held.reshape(3, 5, 4), np.float32(-99), np.int32(-1))
    case = model_of("STABLEHLO_REDUCE", paired, options, (Out(), Out("int32")), _largest_with_place, "places")

    return [*made, Region(case, lambda jax, feeds: jax.lax.reduce(feeds[:2], feeds[2:], _larger_in(jax), (1,)))]


def _larger_in(jax: Any) -> Callable[[Any, Any], Any]:
    """Of two pairs the one with the larger number, in JAX."""

    def larger(left: Any, right: Any) -> Any:
        return tuple(jax.numpy.where(left[0] >= right[0], a, b) for a, b in zip(left, right, strict=True))

    return larger


def _compare(model: Model, dtypes: tuple[str, ...], direction: str, places: tuple[int, int]) -> None:
    """A region that compares two of its scalars."""
    inner = model.subgraph("region")
    held = [inner.input(dtype, ()) for dtype in dtypes for _ in range(2)]
    words = {"StablehloCompareOptions": {"comparison_direction": direction}}
    inner.outputs += inner.op("STABLEHLO_COMPARE", [held[place] for place in places], [Out("bool")], words)


def _two_keys(model: Model) -> None:
    """A region over two operands: by the first one, of equal ones by the larger second one."""
    inner = model.subgraph("region")
    x, y, i, j = (inner.input("float32", ()) for _ in range(4))
    less, same = (
        inner.op(
            "STABLEHLO_COMPARE", [x, y], [Out("bool")], {"StablehloCompareOptions": {"comparison_direction": kind}}
        )
        for kind in ("LT", "EQ")
    )
    words = {"StablehloCompareOptions": {"comparison_direction": "GT"}}
    inner.outputs += inner.op("STABLEHLO_SELECT", [*same, *inner.op("STABLEHLO_COMPARE", [i, j], [Out("bool")], words),
                                                   *less], [Out("bool")])  # fmt: skip


def _sorts() -> list[Region]:
    data, coarse = numbers(4, 6), rounded(numbers(4, 6) / 4)
    options = {"StablehloSortOptions": {"dimension": 1, "is_stable": True, "comparator_subgraph_index": 1}}
    first = {"StablehloSortOptions": {"dimension": 0, "is_stable": True, "comparator_subgraph_index": 1}}
    rising = functools.partial(_compare, dtypes=("float32",), direction="LT", places=(0, 1))
    falling = functools.partial(_compare, dtypes=("float32",), direction="LT", places=(1, 0))
    second = functools.partial(_compare, dtypes=("float32", "float32"), direction="GT", places=(2, 3))
    pair: tuple[Any, ...] = (data, coarse)

    def turned(signs: tuple[int, ...], made: Any) -> Any:
        return tuple(sign * each for sign, each in zip(signs, made, strict=True))

    return [
        Region(model_of("STABLEHLO_SORT", (data,), options, (Out(),), rising, "rising"),
               lambda jax, feeds: jax.lax.sort(feeds[0], dimension=1)),
        Region(model_of("STABLEHLO_SORT", (data,), first, (Out(),), falling, "falling"),
               lambda jax, feeds: -jax.lax.sort(-feeds[0], dimension=0)),
        Region(model_of("STABLEHLO_SORT", pair, options, (Out(), Out()), second, "by the second"),
               lambda jax, feeds: turned((1, -1), jax.lax.sort((-feeds[1], feeds[0]), dimension=1)[::-1])),
        Region(model_of("STABLEHLO_SORT", pair[::-1], options, (Out(), Out()), _two_keys, "by two keys"),
               lambda jax, feeds: turned((1, -1), jax.lax.sort((feeds[0], -feeds[1]), dimension=1, num_keys=2))),
        Region(model_of("STABLEHLO_SORT", pair, options, (Out(), Out()), _ties, "ties"),
               lambda jax, feeds: jax.lax.sort((jax.numpy.round(feeds[0] / 4), *feeds), dimension=1)[1:]),
    ]  # fmt: skip


def _ties(model: Model) -> None:
    """A region over two operands that computes what it compares: the first one, coarse."""
    inner = model.subgraph("region")
    x, y, *_ = (inner.input("float32", ()) for _ in range(4))
    quarter = inner.constant(np.float32(0.25))
    words = {"StablehloCompareOptions": {"comparison_direction": "LT"}}
    parts = [inner.op("ROUND", inner.op("STABLEHLO_MULTIPLY", [each, quarter]))[0] for each in (x, y)]
    inner.outputs += inner.op("STABLEHLO_COMPARE", parts, [Out("bool")], words)


def _windows() -> Region:
    """A window reduction of two operands together: the largest of each window and its place."""
    data = rounded(numbers(5, 6) / 2)
    feeds: tuple[Any, ...] = (data, np.arange(30, dtype=np.int32).reshape(5, 6), np.float32(-99), np.int32(-1))
    words = {"window_dimensions": (2, 3), "window_strides": (2, 1), "padding": (1, 0, 0, 2), "body_subgraph_index": 1}
    options = {"StablehloReduceWindowOptions": words}
    case = model_of("STABLEHLO_REDUCE_WINDOW", feeds, options, (Out(), Out("int32")), _largest_with_place, "places")

    return Region(
        case,
        lambda jax, feeds: jax.lax.reduce_window(
            feeds[:2], feeds[2:], _larger_in(jax), (2, 3), (2, 1), ((1, 0), (0, 2))
        ),
    )


def _is_on(state: Any) -> Any:
    return state[0] < 4


def _doubled(state: Any) -> Any:
    return state[0] + 1, state[1] * 2


def _loop() -> Region:
    """X doubled until its count is up."""
    model = Model()
    graph = model.subgraph()
    operands = [graph.input("int32", ()), graph.input("float32", (3,))]
    words = {"StablehloWhileOptions": {"cond_subgraph_index": 1, "body_subgraph_index": 2}}
    graph.outputs += graph.op("STABLEHLO_WHILE", operands, [Out("int32"), Out(shape=(3,))], words)
    condition = model.subgraph("condition")
    count = condition.input("int32", ())
    condition.input("float32", (3,))
    less = {"StablehloCompareOptions": {"comparison_direction": "LT"}}
    condition.outputs += condition.op(
        "STABLEHLO_COMPARE", [count, condition.constant(np.int32(4))], [Out("bool")], less
    )
    body = model.subgraph("body")
    count, held = body.input("int32", ()), body.input("float32", (3,))
    body.outputs += body.op("STABLEHLO_ADD", [count, body.constant(np.int32(1))], [Out("int32")])
    body.outputs += body.op("STABLEHLO_ADD", [held, held], [Out(shape=(3,))])
    case = Case("STABLEHLO_WHILE", model.data(), (np.int32(1), np.array([1, -2, 3], np.float32)))
    return Region(
        case,
        lambda jax, feeds: jax.lax.while_loop(_is_on, _doubled, feeds),
    )


REGIONS = (*map(_convolution, _CONVOLUTIONS), *_reductions(), *_sorts(), _windows(), _loop())
"""The cases."""


def main() -> int:
    """Writes the file."""
    jax: Any = importlib.import_module("jax")
    kept: dict[str, Any] = {}
    for each in REGIONS:
        # A tree of arrays, whose leaves stand in order.
        for place, array in enumerate(jax.tree.leaves(each.in_jax(jax, each.case.feeds))):
            kept[f"{each.case.name}/{place}"] = np.asarray(array)
    np.savez_compressed(EXPECTED, **kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
