"""Images in another size and at the points of a grid."""

from __future__ import annotations

from collections.abc import Iterator

from tests.frontends.torch.handlers.call import Draws, Example, call, fixed

LINEAR = {1: "linear1d", 2: "bilinear2d", 3: "trilinear3d"}


def _calls() -> Iterator[Example]:
    """Sizes and factors, corners aligned or not, every mode and padding of a grid."""
    yield from _images(Draws(9))
    yield from _grids(Draws(10))


def _images(r: Draws) -> Iterator[Example]:
    for x in (r(2, 3, 5), r(2, 3, 5, 4), r(1, 2, 3, 4, 5)):
        axes = x.ndim - 2
        for make, size, factors in (
            (call, [7, 3, 6][:axes], None),
            (call, None, [2.0] * axes),
            (fixed, None, [1.7, 0.6, 1.3][:axes]),
            (call, [1] * axes, None),
        ):
            yield make(f"upsample_nearest{axes}d.vec", x, size, factors)
            yield make(f"_upsample_nearest_exact{axes}d.vec", x, size, factors)
            for corners in (False, True):
                yield make(f"upsample_{LINEAR[axes]}.vec", x, size, corners, factors)
                if axes == 2:
                    yield make("upsample_bicubic2d.vec", x, size, corners, factors)
            if axes == 2:
                yield make("_upsample_bilinear2d_aa.vec", x, size, False, factors)
                yield make("_upsample_bicubic2d_aa.vec", x, size, False, factors)
        doubled = [size * 2 for size in x.shape[2:]]
        yield call(f"upsample_nearest{axes}d", x, doubled)
        yield call(f"_upsample_nearest_exact{axes}d", x, doubled)
        yield call(f"upsample_{LINEAR[axes]}", x, doubled, False)
    x = r(2, 3, 5, 4)
    yield call("upsample_nearest2d", x, [10, 8], 2.0, 2.0)
    yield fixed("upsample_bilinear2d", x, [9, 8], False, 1.9, None)
    yield call("upsample_bicubic2d", x, [9, 8], False)
    yield call("upsample_bilinear2d", x, [9, 8], True, 1.9, None)
    yield call("upsample_bicubic2d", x, [9, 8], True)
    yield call("_upsample_bilinear2d_aa", x, [3, 3], False)
    yield call("_upsample_bicubic2d_aa", x, [3, 3], False)


def _grids(r: Draws) -> Iterator[Example]:
    x = r(2, 3, 5, 4)
    for mode in (0, 1, 2):
        for outside in (0, 1, 2):
            for corners in (False, True):
                yield call("grid_sampler_2d", x, r(2, 6, 7, 2), mode, outside, corners)
                if mode < 2:
                    yield call("grid_sampler_3d", r(2, 3, 5, 4, 3), r(2, 2, 3, 2, 3), mode, outside, corners)
    yield call("grid_sampler", x, r(2, 6, 7, 2), 0, 0, False)
    yield fixed("affine_grid_generator", r(2, 2, 3), [2, 3, 5, 4], False)
    yield fixed("affine_grid_generator", r(2, 3, 4), [2, 3, 5, 4, 6], True)


CALLS = tuple(_calls())
