"""Layers that prepare images: sizes, crops, colours; random changes are for training alone."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.keras.handlers._images import on_channels_second
from xir.frontends.keras.site import Handler, Site
from xir.ir.node import Value
from xir.ops import elementwise
from xir.ops._build import scalar_like
from xir.ops.reduce import reduce_max, reduce_min
from xir.ops.resize import Mode, resize
from xir.ops.shape import broadcast, slice_

handlers: Handlers[Handler] = Handlers("keras")

_MODES: dict[str, Mode] = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}

_TRAINING = (
    "AugMix",
    "CutMix",
    "Equalization",
    "MaxNumBoundingBoxes",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHeight",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomWidth",
    "RandomZoom",
    "Solarization",
)
"""Layers that give what they get but in training (keras/src/layers/preprocessing/image_preprocessing)."""


def _real(site: Site, x: Value) -> Value:
    return x if x.dtype.is_floating else elementwise.cast(x, dtype=site.dtype)


@handlers.layer(*_TRAINING)
def unchanged(site: Site, x: Value) -> Value:
    """Layers that change nothing but in training."""
    site.config.ignore(*site.layer.config)
    return _real(site, x)


def _resized(image: Value, height: int, width: int, how: str) -> Value:
    """[N, C, h, w] in another size, interpolated between the centres of pixels."""
    return resize(
        image,
        sizes=(height, width),
        mode=_MODES[how],
        coordinates="half_pixel",
        rounding="round_prefer_ceil",
        cubic_coefficient=-0.5 if how == "bicubic" else -0.75,
        exclude_outside=how == "bicubic",
    )


@handlers.layer("Resizing")
def resized(site: Site, x: Value) -> Value:
    """Resizing, of batches of images."""
    config = site.config
    height, width = config.integer("height"), config.integer("width")
    how = config.word("interpolation", "bilinear", *_MODES)
    config.ignore("fill_mode", "fill_value")
    if config.flag("antialias"):
        site.refuse("a resize with antialias")
    if config.flag("pad_to_aspect_ratio"):
        site.refuse("a resize that pads to the ratio of the sides", "pad with ZeroPadding2D")
    keeps = config.flag("crop_to_aspect_ratio")
    if x.rank != 4:
        site.refuse(f"a resize of {x.type!r}, which is no batch of images")

    def compute(image: Value) -> Value:
        return _resized(_cropped(site, image, height, width) if keeps else image, height, width, how)

    return on_channels_second(site, _real(site, x), compute)


def _sides(site: Site, image: Value) -> tuple[int, int]:
    height, width = image.shape[2:]
    if not isinstance(height, int) or not isinstance(width, int):
        site.refuse("a crop of images whose size is not known before the run", "type the input with its size")
    return height, width


def _cropped(site: Site, image: Value, height: int, width: int) -> Value:
    """The middle of [N, C, h, w] with the ratio of sides that is asked for (image_utils.py, `smart_resize`)."""
    old_height, old_width = _sides(site, image)
    crop_height = min(int(float(old_width * height) / width), old_height)
    crop_width = min(int(float(old_height * width) / height), old_width)
    starts = int(float(old_height - crop_height) / 2), int(float(old_width - crop_width) / 2)
    return _part(image, starts, (crop_height, crop_width))


def _part(image: Value, starts: tuple[int, int], sizes: tuple[int, int]) -> Value:
    stops = tuple(start + size for start, size in zip(starts, sizes, strict=True))
    return slice_(image, axes=(2, 3), starts=starts, stops=stops, steps=(1, 1))


@handlers.layer("CenterCrop")
def centre(site: Site, x: Value) -> Value:
    """CenterCrop: the middle, of smaller images one of the same ratio, made larger."""
    height, width = site.config.integer("height"), site.config.integer("width")

    def compute(image: Value) -> Value:
        old_height, old_width = _sides(site, image)
        if old_height >= height and old_width >= width:
            return _part(image, ((old_height - height) // 2, (old_width - width) // 2), (height, width))
        return _resized(_cropped(site, image, height, width), height, width, "bilinear")

    if x.rank != 4:
        site.refuse(f"a crop of {x.type!r}, which is no batch of images")
    return on_channels_second(site, _real(site, x), compute)


@handlers.layer("AutoContrast")
def stretched(site: Site, x: Value) -> Value:
    """AutoContrast: the darkest and brightest numbers of each channel become the ends of the range."""
    low, high = (float(str(end)) for end in site.config.listed("value_range"))
    site.config.ignore("data_format")
    image = _real(site, x)
    darkest, brightest = (
        broadcast(function(image, axes=(1, 2), keep_dims=True), shape=image.shape)
        for function in (reduce_min, reduce_max)
    )
    span = elementwise.sub(brightest, darkest)
    share = elementwise.div(elementwise.sub(image, darkest), span)
    scaled = elementwise.add(elementwise.mul(share, scalar_like(share, high - low)), scalar_like(share, low))
    return elementwise.select(elementwise.is_nan(scaled), image, elementwise.clip(scaled, minimum=low, maximum=high))
