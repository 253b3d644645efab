"""Images in another size and at the points of a grid."""

from __future__ import annotations

from tests.frontends.torch.aten.call import Draws, Example

LINEAR = {1: "linear1d", 2: "bilinear2d", 3: "trilinear3d"}


def examples() -> list[Example]:
    """Sizes and factors, corners aligned or not, every mode and padding of a grid."""
    return [*_images(Draws(9)), *_grids(Draws(10))]


def _images(r: Draws) -> list[Example]:
    found: list[Example] = []

    def add(name: str, *items: object) -> None:
        found.append(Example(f"aten.{name}", list(items)))

    for x in (r(2, 3, 5), r(2, 3, 5, 4), r(1, 2, 3, 4, 5)):
        axes = x.ndim - 2
        for size, factors in (
            ([7, 3, 6][:axes], None),
            (None, [2.0] * axes),
            (None, [1.7, 0.6, 1.3][:axes]),
            ([1] * axes, None),
        ):
            add(f"upsample_nearest{axes}d.vec", x, size, factors)
            add(f"_upsample_nearest_exact{axes}d.vec", x, size, factors)
            for corners in (False, True):
                add(f"upsample_{LINEAR[axes]}.vec", x, size, corners, factors)
                if axes == 2:
                    add("upsample_bicubic2d.vec", x, size, corners, factors)
            if axes == 2:
                add("_upsample_bilinear2d_aa.vec", x, size, False, factors)
                add("_upsample_bicubic2d_aa.vec", x, size, False, factors)
        doubled = [size * 2 for size in x.shape[2:]]
        add(f"upsample_nearest{axes}d.default", x, doubled)
        add(f"_upsample_nearest_exact{axes}d.default", x, doubled)
        add(f"upsample_{LINEAR[axes]}.default", x, doubled, False)
    x = r(2, 3, 5, 4)
    add("upsample_nearest2d.default", x, [10, 8], 2.0, 2.0)
    for corners in (False, True):
        add("upsample_bilinear2d.default", x, [9, 8], corners, 1.9, None)
        add("upsample_bicubic2d.default", x, [9, 8], corners)
    add("_upsample_bilinear2d_aa.default", x, [3, 3], False)
    add("_upsample_bicubic2d_aa.default", x, [3, 3], False)
    return found


def _grids(r: Draws) -> list[Example]:
    found: list[Example] = []
    x = r(2, 3, 5, 4)

    def add(name: str, *items: object) -> None:
        found.append(Example(f"aten.{name}.default", list(items)))

    for mode in (0, 1, 2):
        for outside in (0, 1, 2):
            for corners in (False, True):
                add("grid_sampler_2d", x, r(2, 6, 7, 2), mode, outside, corners)
                if mode < 2:
                    add("grid_sampler_3d", r(2, 3, 5, 4, 3), r(2, 2, 3, 2, 3), mode, outside, corners)
    add("grid_sampler", x, r(2, 6, 7, 2), 0, 0, False)
    add("affine_grid_generator", r(2, 2, 3), [2, 3, 5, 4], False)
    add("affine_grid_generator", r(2, 3, 4), [2, 3, 5, 4, 6], True)
    return found
