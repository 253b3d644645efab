"""Prior boxes: the grid of default boxes that SSD's predictions are relative to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.limits import MAX_FOLDED_BYTES, check_size
from xir.ops._checks import require_floating, require_rank
from xir.ops._define import op
from xir.ops._windows import Numbers
from xir.ops.constant import constant

_SAME_RATIO = 1e-6  # prior_box_layer.cpp: ratios nearer than this are one
_SMALLEST_RATIO = 1e-30  # its inverse is an f32 still


def expanded_aspect_ratios(ratios: Sequence[float], flip: bool) -> tuple[float, ...]:
    """The aspect ratios that boxes are made for besides 1: no two alike, with `flip` each followed by its inverse.

    (prior_box_layer.cpp, LayerSetUp: 1 stands first; a ratio is dropped if it is there already, its inverse is not
    looked for.) Ratios are f32, as the protobuf field is.

    Raises:
        InvalidModelError: a ratio is not positive, or so small or large that its inverse is no f32.
    """
    held = [1.0]
    for given in ratios:
        ratio = float(np.float32(given))
        if not _SMALLEST_RATIO <= ratio <= 1 / _SMALLEST_RATIO:
            raise InvalidModelError(f"aspect ratio {given}: expected a positive number")
        if any(abs(ratio - other) < _SAME_RATIO for other in held):
            continue
        held.append(ratio)
        if flip:
            held.append(float(np.float32(1.0 / ratio)))
    return tuple(ratio for ratio in held if abs(ratio - 1.0) >= _SAME_RATIO)


@op
def prior_box(
    feature: Value,
    image: Value,
    *,
    min_sizes: tuple[float, ...],
    max_sizes: tuple[float, ...],
    aspect_ratios: tuple[float, ...],
    clip: bool,
    variances: tuple[float, ...],
    step_h: float,
    step_w: float,
    offset: float,
    image_height: int = 0,
    image_width: int = 0,
) -> TensorType:
    """Boxes around the centre of every cell of a feature map, and the variances of their coordinates.

    (SSD, Liu et al. 2016, section 2.2; prior_box_layer.cpp)

    feature: [N, C, H, W], floating; image: [N, C, height, width]; only their sizes count. Result: [1, 2, H * W * B * 4]
    in the dtype of `feature`: boxes (x1, y1, x2, y2) as fractions of the image, then their variances.

    For each of `min_sizes` (pixels): a square of that side; one of side sqrt(min * max) where `max_sizes` has a partner
    for it; then one box of width min * sqrt(r) and height min / sqrt(r) for each r of `aspect_ratios`, which are
    already expanded (`expanded_aspect_ratios`) and do not hold 1. SSD's layer cuts fractions off the sizes in pixels
    (`int min_size_`), OpenCV does not: whoever builds the operator decides. `variances`: one for all, or four. Cells
    are `step_h` by `step_w` pixels, or image size / map size where one of them is 0; the centre lies `offset` cells in.
    `image_height`, `image_width` take the place of the sizes of `image` unless one is 0. `clip` cuts boxes to [0, 1].
    """
    require_floating(feature)
    require_rank(feature, 4)
    require_rank(image, 4)
    if not min_sizes or any(size <= 0 for size in min_sizes):
        raise InvalidModelError(f"one or more positive min_sizes are needed, got {list(min_sizes)}")
    if max_sizes and len(max_sizes) != len(min_sizes):
        raise InvalidModelError(f"{len(min_sizes)} min_sizes have {len(max_sizes)} max_sizes", hint="give one for each")
    if any(low >= high for low, high in zip(min_sizes, max_sizes, strict=False)):
        raise InvalidModelError(f"max_sizes {list(max_sizes)} must be above min_sizes {list(min_sizes)}")
    if len(variances) not in (1, 4) or any(variance <= 0 for variance in variances):
        raise InvalidModelError(f"1 or 4 positive variances are needed, got {list(variances)}")
    if any(ratio <= 0 for ratio in aspect_ratios):
        raise InvalidModelError(f"aspect ratios must be positive, got {list(aspect_ratios)}")
    if min(step_h, step_w, image_height, image_width) < 0:
        raise InvalidModelError(f"steps {step_h}, {step_w} and sizes {image_height}, {image_width} must be >= 0")
    boxes = len(min_sizes) * (1 + len(aspect_ratios)) + len(max_sizes)
    return feature.tensor.with_shape((1, 2, feature.shape[2] * feature.shape[3] * (boxes * 4)))


def _box_sizes(min_sizes: tuple[float, ...], max_sizes: tuple[float, ...], aspect_ratios: tuple[float, ...]) -> Numbers:
    """(width, height) in pixels of each box of a cell, f32[B, 2] held in f64; rounded as the layer's floats are."""
    sizes: list[tuple[float, float]] = []
    for index, low in enumerate(min_sizes):
        sizes.append((low, low))
        if max_sizes:
            side = float(np.sqrt(low * max_sizes[index]))
            sizes.append((side, side))
        for ratio in aspect_ratios:
            root = float(np.sqrt(np.float32(ratio)))
            sizes.append((low * root, low / root))
    return np.array(sizes, np.float32).astype(np.float64)


def prior_boxes(
    feature: tuple[int, int],
    image: tuple[int, int],
    *,
    min_sizes: tuple[float, ...],
    max_sizes: tuple[float, ...],
    aspect_ratios: tuple[float, ...],
    clip: bool,
    variances: tuple[float, ...],
    steps: tuple[float, float],
    offset: float,
) -> Numbers:
    """What `prior_box` gives for (height, width) of the map and of the image, in f64: [1, 2, H * W * B * 4].

    Raises:
        UnsafeError: if it takes more than `xir.limits.MAX_FOLDED_BYTES`; SSD512 takes 1.5 MB.
    """
    half = _box_sizes(min_sizes, max_sizes, aspect_ratios) / 2
    check_size(2 * feature[0] * feature[1] * half.nbytes * 2, MAX_FOLDED_BYTES, what="the list of prior boxes")
    if not all(steps):
        steps = (image[0] / max(feature[0], 1), image[1] / max(feature[1], 1))
    centers = [
        ((np.arange(cells).astype(np.float32) + np.float32(offset)) * np.float32(step)).astype(np.float64)
        for cells, step in zip(feature, steps, strict=True)
    ]
    boxes = np.empty((*feature, len(half), 4))
    for axis, center in enumerate((centers[1][None, :, None], centers[0][:, None, None])):
        boxes[..., axis] = (center - half[:, axis]) / image[1 - axis]
        boxes[..., axis + 2] = (center + half[:, axis]) / image[1 - axis]
    if clip:
        boxes = np.clip(boxes, 0, 1)
    spread = np.broadcast_to(np.array(variances, np.float32).astype(np.float64), boxes.shape)
    return np.stack([boxes.reshape(-1), spread.reshape(-1)])[None]


@prior_box.reference
def _prior_box_reference(
    feature: Array,
    image: Array,
    *,
    min_sizes: tuple[float, ...],
    max_sizes: tuple[float, ...],
    aspect_ratios: tuple[float, ...],
    clip: bool,
    variances: tuple[float, ...],
    step_h: float,
    step_w: float,
    offset: float,
    image_height: int,
    image_width: int,
) -> Array:
    size = (image_height, image_width) if image_height and image_width else (image.shape[2], image.shape[3])
    boxes = prior_boxes(
        (feature.shape[2], feature.shape[3]),
        size,
        min_sizes=min_sizes,
        max_sizes=max_sizes,
        aspect_ratios=aspect_ratios,
        clip=clip,
        variances=variances,
        steps=(step_h, step_w),
        offset=offset,
    )
    return boxes.astype(feature.dtype)


prior_box.no_gradient("the boxes depend on sizes only, not on elements")


@prior_box.decompose
def _prior_box_decompose(
    feature: Value,
    image: Value,
    *,
    min_sizes: tuple[float, ...],
    max_sizes: tuple[float, ...],
    aspect_ratios: tuple[float, ...],
    clip: bool,
    variances: tuple[float, ...],
    step_h: float,
    step_w: float,
    offset: float,
    image_height: int,
    image_width: int,
) -> Value:
    fixed = bool(image_height and image_width)
    size = (image_height, image_width) if fixed else image.shape[2:]
    boxes = prior_boxes(
        (_known(feature.shape[2]), _known(feature.shape[3])),
        (_known(size[0]), _known(size[1])),
        min_sizes=min_sizes,
        max_sizes=max_sizes,
        aspect_ratios=aspect_ratios,
        clip=clip,
        variances=variances,
        steps=(step_h, step_w),
        offset=offset,
    )
    return constant(value=constant_of(boxes, feature.dtype))


def _known(size: Dim) -> int:
    if not isinstance(size, int):
        raise UnsupportedError(
            f"prior boxes of a map or image with the size {size!r} cannot be written down: it must be known",
            hint="fix the input's height and width, for example with --input data=f32[1,3,300,300]",
        )
    return size
