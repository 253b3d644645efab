"""Weights that are made up when a model brings none: Caffe's fillers (filler.hpp), from a seed.

The numbers are not Caffe's (its random generator is not ours) but have the same distributions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from xir.errors import InvalidModelError
from xir.limits import byte_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xir.frontends.caffe.message import Message


def fill(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float32]:
    """An f32 array of `shape` as `filler` (a FillerParameter) asks for.

    Raises:
        InvalidModelError: if the filler's type is not one of Caffe's, or does not fit the shape.
    """
    byte_count(shape, 32)
    filler.ignore("sparse")
    kind = filler.text("type")
    match kind:
        case "constant":
            array = np.full(shape, filler.number("value"), np.float32)
        case "gaussian":
            array = _gaussian(filler, shape, generator)
        case "uniform":
            array = generator.uniform(filler.number("min"), filler.number("max"), shape).astype(np.float32)
        case "xavier":
            limit = math.sqrt(3.0 / _fan(filler, shape))
            array = generator.uniform(-limit, limit, shape).astype(np.float32)
        case "msra":
            array = _normal(generator, shape) * np.float32(math.sqrt(2.0 / _fan(filler, shape)))
        case "positive_unitball":
            raw = generator.uniform(0.0, 1.0, shape).astype(np.float32)
            flat = raw.reshape(shape[0] if shape else 1, -1)
            array = (flat / flat.sum(axis=1, keepdims=True)).reshape(shape)
        case "bilinear":
            array = _bilinear(shape)
        case _:
            known = "constant, gaussian, uniform, xavier, msra, positive_unitball, bilinear"
            raise InvalidModelError(f"filler type {kind!r} is not one of {known} (filler.hpp)")
    return array


def _normal(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return generator.standard_normal(shape, dtype=np.float32)


def _gaussian(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float32]:
    return _normal(generator, shape) * np.float32(filler.number("std")) + np.float32(filler.number("mean"))


def _fan(filler: Message, shape: tuple[int, ...]) -> float:
    """Fan in is count / num, fan out count / channels, or their mean (filler.hpp, XavierFiller)."""
    count = math.prod(shape)
    fan_in = count / shape[0] if shape and shape[0] else 1.0
    fan_out = count / shape[1] if len(shape) > 1 and shape[1] else count
    match filler.enum("variance_norm"):
        case "FAN_OUT":
            return max(float(fan_out), 1.0)
        case "AVERAGE":
            return max((fan_in + fan_out) / 2, 1.0)
        case _:
            return max(fan_in, 1.0)


def _bilinear(shape: tuple[int, ...]) -> NDArray[np.float32]:
    if len(shape) != 4 or shape[2] != shape[3]:
        raise InvalidModelError(f"the bilinear filler needs a square 4-axis blob, got {list(shape)} (filler.hpp)")
    width = shape[3]
    factor = math.ceil(width / 2.0)
    center = (2 * factor - 1 - factor % 2) / (2.0 * factor)
    line = 1 - np.abs(np.arange(width, dtype=np.float64) / factor - center)
    return np.broadcast_to(np.outer(line, line), shape).astype(np.float32)
