"""Zeros around images, their edges cut off, and their rows repeated."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.keras.handlers._images import on_channels_second
from xir.frontends.keras.site import Handler, Site
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ops.padding import pad
from xir.ops.resize import Mode, resize
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("keras")


@handlers.layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zeros(site: Site, x: Value) -> Value:
    """ZeroPadding1D and its kin."""
    amounts = site.config.pairs("padding", x.rank - 2)
    if any(amount < 0 for pair in amounts for amount in pair):
        site.invalid(f"the padding {list(amounts)} is negative")
    around = ((0, 0), (0, 0), *amounts) if site.channels_first and x.rank > 3 else ((0, 0), *amounts, (0, 0))
    return pad(x, padding=around)


@handlers.layer("Cropping1D", "Cropping2D", "Cropping3D")
def cropped(site: Site, x: Value) -> Value:
    """Cropping1D and its kin."""
    amounts = site.config.pairs("cropping", x.rank - 2)
    if any(amount < 0 for pair in amounts for amount in pair):
        site.invalid(f"the cropping {list(amounts)} is negative")
    cuts = tuple((-before, -after) for before, after in amounts)
    around = ((0, 0), (0, 0), *cuts) if site.channels_first and x.rank > 3 else ((0, 0), *cuts, (0, 0))
    return pad(x, padding=around)


@handlers.layer("UpSampling1D", "UpSampling2D", "UpSampling3D")
def repeated(site: Site, x: Value) -> Value:
    """UpSampling1D and its kin: every element `size` times, or interpolated between the centres of pixels."""
    axes = x.rank - 2
    counts = site.config.positive("size", axes, 2)
    how = site.config.word("interpolation", "nearest", "nearest", "bilinear", "bicubic")
    if how == "nearest":
        first = 2 if site.channels_first and axes > 1 else 1
        return _repeated(x, dict(zip(range(first, first + axes), counts, strict=True)))
    modes: dict[str, Mode] = {"bilinear": "linear", "bicubic": "cubic"}

    def compute(image: Value) -> Value:
        sizes = tuple(size * count for size, count in zip(image.shape[2:], counts, strict=True))
        cubic = -0.5 if how == "bicubic" else -0.75
        return resize(
            image,
            sizes=sizes,
            mode=modes[how],
            coordinates="half_pixel",
            cubic_coefficient=cubic,
            exclude_outside=how == "bicubic",
        )

    return on_channels_second(site, x, compute)


def _repeated(x: Value, counts: dict[int, int]) -> Value:
    split: list[Dim] = []
    wide: list[Dim] = []
    merged: list[Dim] = []
    for axis, size in enumerate(x.shape):
        count = counts.get(axis)
        split += [size] if count is None else [size, 1]
        wide += [size] if count is None else [size, count]
        merged.append(size if count is None else size * count)
    return reshape(broadcast(reshape(x, shape=tuple(split)), shape=tuple(wide)), shape=tuple(merged))
