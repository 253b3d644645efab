"""Patches put back into images, centres of images, and maxima put back where they came from."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends._operands import known, product_of
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx._windows import per_axis
from xir.frontends.onnx.handlers._vectors import unknown
from xir.ir.dims import Dim, Shape
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import patches, pool
from xir.ops._targets import size_value
from xir.ops.elementwise import cast, mod, sub
from xir.ops.shape import broadcast, concat, pad, shape_of

handlers: Handlers[Handler] = Handlers("onnx")


def _sizes(site: Site, value: Value, count: int | None) -> tuple[Shape, Value | None]:
    """Sizes that are known, and no operand; or fresh ones, and the operand that tells them."""
    found = site.sizes(value)
    if found is not None:
        return found, None
    if count is None:
        site.refuse("sizes that are computed at run time, and whose number is not known")
    return unknown(count), value


@handlers.layer(*versions("Col2Im", 18))
def folded(site: Site, x: Value, image: Value, block: Value) -> Value:
    """Col2Im."""
    lengths = [value.shape[0] for value in (image, block) if value.rank == 1]
    count = next((length for length in lengths if isinstance(length, int)), None)
    spatial, image_operand = _sizes(site, image, count)
    window, block_operand = _sizes(site, block, len(spatial))
    axes = len(spatial)
    pads = site.integers("pads", (0,) * (2 * axes))
    if len(pads) != 2 * axes or len(window) != axes:
        site.invalid(f"{len(pads)} pads and a block of {len(window)} for {axes} spatial axes")
    return patches.fold(
        x,
        image_operand,
        block_operand,
        spatial=spatial,
        window=window,
        strides=per_axis(site, "strides", axes, 1),
        padding=tuple(zip(pads[:axes], pads[axes:], strict=True)),
        dilation=per_axis(site, "dilations", axes, 1),
    )


@handlers.layer(*versions("CenterCropPad", 18))
def centered(site: Site, x: Value, size: Value) -> Value:
    """CenterCropPad."""
    axes = site.axes(site.integers("axes", tuple(range(x.rank))), x.rank)
    shape, operand = _sizes(site, size, len(axes))
    if len(shape) != len(axes):
        site.invalid(f"{len(shape)} sizes for {len(axes)} axes")
    return patches.center_crop_pad(x, operand, axes=axes, shape=shape)


@handlers.layer(*versions("MaxUnpool", 9, 11, 22))
def put_back(site: Site, x: Value, indices: Value, size: Value | None = None) -> Value:
    """MaxUnpool: indices count through the whole tensor that the window's attributes infer.

    With a larger `output_shape` that tensor lies in its front corner, as in onnx's own test of it
    (test_maxunpool_export_with_output_shape); the pads count in both cases there (op_max_unpool.py).
    """
    axes = x.rank - 2
    if axes < 1:
        site.invalid(f"[N, C, spatial...] is needed, got {x.type!r}")
    window = site.integers("kernel_shape")
    strides, pads = per_axis(site, "strides", axes, 1), site.integers("pads", (0,) * (2 * axes))
    if len(window) != axes or len(pads) != 2 * axes:
        site.invalid(f"kernel_shape {list(window)} and pads {list(pads)} for {axes} spatial axes")
    spatial: Shape = tuple(
        (have - 1) * step + extent - before - after
        for have, step, extent, before, after in zip(
            x.shape[2:], strides, window, pads[:axes], pads[axes:], strict=True
        )
    )
    places = mod(indices, broadcast(size_value(product_of(spatial), DType.INT64), shape=indices.shape), floored=True)
    result = pool.max_unpool(x, places, spatial=spatial)
    return result if size is None else _fitted(site, result, size)


def _fitted(site: Site, x: Value, size: Value) -> Value:
    """`x` with zeros behind it up to `size`."""
    wanted, operand = _sizes(site, size, x.rank)
    if len(wanted) != x.rank:
        site.invalid(f"output_shape has {len(wanted)} sizes for {x.rank} axes")
    amounts: list[tuple[Dim, Dim]] = [(0, want - have) for want, have in zip(wanted, x.shape, strict=True)]
    if operand is None:
        return x if known(wanted) is not None and tuple(wanted) == x.shape else pad(x, padding=tuple(amounts))
    after = sub(cast(operand, dtype=DType.INT64), shape_of(x))
    return pad(x, concat(sub(after, after), after, axis=0), padding=tuple(amounts))
