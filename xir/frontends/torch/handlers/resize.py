"""Images in another size (aten/src/ATen/native/UpSample.h) and at the points of a grid (GridSampler.cpp)."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.dims import Dim, floor_divide
from xir.ir.node import Value
from xir.ops.elementwise import add, div, mul, sub
from xir.ops.grid import Interpolation, Outside, affine_grid, grid_sample
from xir.ops.padding import pad
from xir.ops.resample import resample
from xir.ops.resize import Coordinates, Mode, Rounding, resize
from xir.ops.shape import concat, reshape

operators = Operators("aten")

_MODES: tuple[Interpolation, ...] = ("linear", "nearest", "cubic")
_OUTSIDE: tuple[Outside, ...] = ("zeros", "border", "reflection")
"""By the numbers of aten/src/ATen/native/GridSamplerUtils.h."""

ANTIALIAS_CUBIC = -0.5
"""The coefficient of the cubic filter with antialiasing (UpSampleKernel.cpp, `HelperInterpCubic::aa_filter`)."""


def _mode(call: Call) -> Mode:
    if "nearest" in call.kind:
        return "nearest"
    return "cubic" if "bicubic" in call.kind else "linear"


def _sizes(
    call: Call, x: Value, sizes: Sequence[Number] | None, factors: Sequence[float] | None
) -> tuple[tuple[Number, ...], tuple[float, ...] | None]:
    """The sizes of the result, and the factors where they are what was given."""
    if (sizes is None) == (factors is None):
        call.invalid("either the size of the result or factors are given")
    if sizes is not None:
        return tuple(sizes), None
    given = tuple(factors or ())
    found: list[Number] = []
    for size, factor in zip(x.shape[2:], given, strict=True):
        if factor.is_integer():
            found.append(size * int(factor))
        elif isinstance(size, int):
            found.append(int(size * factor))
        elif (1 / factor).is_integer():
            found.append(floor_divide(size, int(1 / factor)))
        else:
            call.refuse(f"a size that is not known before the run, times {factor}")
    return tuple(found), given


def _resized(
    call: Call, x: Value, sizes: tuple[Number, ...], align_corners: bool, factors: tuple[float, ...] | None
) -> Value:
    known, computed = call.shape(sizes)
    coordinates: Coordinates = "align_corners" if align_corners else "half_pixel"
    mode, antialias = _mode(call), "_aa" in call.kind
    if antialias and align_corners:
        call.refuse("antialias=True with align_corners=True")
    exact = mode == "nearest" and "exact" in call.kind
    if mode == "nearest" and not exact:
        coordinates = "asymmetric"
    rounding: Rounding = "round_prefer_ceil" if exact else "floor"
    coefficient = ANTIALIAS_CUBIC if antialias else -0.75
    if computed is None:
        return resize(
            x,
            sizes=known,
            mode=mode,
            coordinates=coordinates,
            rounding=rounding,
            scales=None if align_corners else factors,
            cubic_coefficient=coefficient,
            exclude_outside=antialias,
            antialias=antialias,
        )
    if factors is not None and not align_corners:
        call.refuse("a size that is computed in the run beside factors", "give interpolate the size alone")
    return resample(
        x,
        None,
        None,
        computed,
        axes=tuple(range(2, x.rank)),
        shape=(*x.shape[:2], *known),
        mode=mode,
        coordinates=coordinates,
        rounding=rounding,
        cubic_coefficient=coefficient,
        exclude_outside=antialias,
        antialias=antialias,
    )


@operators.op(
    "upsample_nearest1d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    "upsample_nearest2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    "upsample_nearest3d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    "_upsample_nearest_exact1d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    "_upsample_nearest_exact2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
    "_upsample_nearest_exact3d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor",
)
def nearest(call: Call, x: Value, sizes: Sequence[Number] | None, factors: Sequence[float] | None) -> Value:
    """The nearest element; `exact` looks from the centre of each result's cell."""
    wanted, given = _sizes(call, x, sizes, factors)
    return _resized(call, x, wanted, False, given)


@operators.op(
    "upsample_linear1d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor",
    "upsample_bilinear2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors)"
    " -> Tensor",
    "upsample_trilinear3d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors)"
    " -> Tensor",
    "upsample_bicubic2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor",
    "_upsample_bilinear2d_aa.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors)"
    " -> Tensor",
    "_upsample_bicubic2d_aa.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors)"
    " -> Tensor",
)
def interpolated(
    call: Call, x: Value, sizes: Sequence[Number] | None, align_corners: bool, factors: Sequence[float] | None
) -> Value:
    """Linear and cubic interpolation."""
    wanted, given = _sizes(call, x, sizes, factors)
    return _resized(call, x, wanted, align_corners, given)


@operators.op(
    "upsample_nearest1d(Tensor self, SymInt[1] output_size, float? scales=None) -> Tensor",
    "upsample_nearest2d(Tensor self, SymInt[2] output_size, float? scales_h=None, float? scales_w=None) -> Tensor",
    "upsample_nearest3d(Tensor self, SymInt[3] output_size, float? scales_d=None, float? scales_h=None,"
    " float? scales_w=None) -> Tensor",
    "_upsample_nearest_exact1d(Tensor self, SymInt[1] output_size, float? scales=None) -> Tensor",
    "_upsample_nearest_exact2d(Tensor self, SymInt[2] output_size, float? scales_h=None, float? scales_w=None)"
    " -> Tensor",
    "_upsample_nearest_exact3d(Tensor self, SymInt[3] output_size, float? scales_d=None, float? scales_h=None,"
    " float? scales_w=None) -> Tensor",
)
def nearest_of_size(call: Call, x: Value, sizes: Sequence[Number], *factors: float | None) -> Value:
    """The nearest element, at a size that is given; factors say which point each result looks at."""
    return _resized(call, x, tuple(sizes), False, _all(call, x, sizes, factors))


@operators.op(
    "upsample_linear1d(Tensor self, SymInt[1] output_size, bool align_corners, float? scales=None) -> Tensor",
    "upsample_bilinear2d(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None,"
    " float? scales_w=None) -> Tensor",
    "upsample_trilinear3d(Tensor self, SymInt[3] output_size, bool align_corners, float? scales_d=None,"
    " float? scales_h=None, float? scales_w=None) -> Tensor",
    "upsample_bicubic2d(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None,"
    " float? scales_w=None) -> Tensor",
    "_upsample_bilinear2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None,"
    " float? scales_w=None) -> Tensor",
    "_upsample_bicubic2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None,"
    " float? scales_w=None) -> Tensor",
)
def interpolated_of_size(
    call: Call, x: Value, sizes: Sequence[Number], align_corners: bool, *factors: float | None
) -> Value:
    """Linear and cubic interpolation at a size that is given."""
    given = None if align_corners else _all(call, x, sizes, factors)
    return _resized(call, x, tuple(sizes), align_corners, given)


def _all(call: Call, x: Value, sizes: Sequence[Number], factors: Sequence[float | None]) -> tuple[float, ...] | None:
    """The factors, the ratio of the sizes where one is not given; None where none is."""
    if all(factor is None for factor in factors):
        return None
    found: list[float] = []
    for factor, size, old in zip(factors, sizes, x.shape[2:], strict=True):
        if factor is not None:
            found.append(factor)
        elif isinstance(size, int) and isinstance(old, int):
            found.append(size / old)
        else:
            call.refuse("factors of some axes beside sizes that are not known before the run", "give all factors")
    return tuple(found)


@operators.op(
    "grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor",
    "grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)"
    " -> Tensor",
    "grid_sampler_3d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)"
    " -> Tensor",
)
def sampled(call: Call, x: Value, grid: Value, mode: int, outside: int, align_corners: bool) -> Value:
    """An image at the points of a grid."""
    if mode not in range(len(_MODES)) or outside not in range(len(_OUTSIDE)):
        call.invalid(f"interpolation {mode} and padding {outside}, expected 0 to 2 each")
    if (_MODES[mode], _OUTSIDE[outside]) == ("cubic", "border"):
        x, grid = _widened(call, x, grid, align_corners)
    return grid_sample(x, grid, mode=_MODES[mode], outside=_OUTSIDE[outside], align_corners=align_corners)


_REACH = 2
"""Elements that a cubic looks at on either side of a point."""


def _widened(call: Call, x: Value, grid: Value, align_corners: bool) -> tuple[Value, Value]:
    """The image with its border repeated, and the same points in it.

    `grid_sample` moves a point outside to the border; PyTorch's cubic moves each of the 16 elements that it looks at.
    Both are one where the border has been repeated as far as the cubic looks.
    """
    spatial = x.shape[2:]
    padding = ((0, 0), (0, 0), *((_REACH, _REACH) for _ in spatial))
    sizes = [call.scalar(size, grid.dtype) for size in reversed(spatial)]
    around, one = call.literal(2 * _REACH, grid.dtype), call.literal(1, grid.dtype)
    less = one if align_corners else call.literal(0, grid.dtype)
    factors = [div(sub(size, less), sub(add(size, around), less)) for size in sizes]
    row = concat(*(reshape(factor, shape=(1,)) for factor in factors), axis=0)
    wide = pad(x, padding=padding, mode="edge", value=0.0)
    return wide, mul(grid, call.repeated(row, grid.shape))


@operators.op("affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor")
def affine(call: Call, theta: Value, size: Sequence[Dim], align_corners: bool) -> Value:
    """Where an affine map sends each point of an image."""
    return affine_grid(theta, spatial=tuple(size[2:]), align_corners=align_corners)
