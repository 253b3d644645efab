"""Weights that are made up when a model brings none: Caffe's fillers (filler.hpp), from a seed.

The numbers are not Caffe's (its random generator is not ours) but have the same distributions.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from xir.errors import InvalidModelError, UnsafeError
from xir.files import FileSlice, MappedFile, file_error
from xir.limits import MAX_FILLED_BYTES, MEBI, byte_count, element_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xir.frontends.caffe.message import Message

HELD_BYTES = 32 * MEBI
"""Bytes of made-up weights that one model holds in memory; what comes after them goes to a temporary file."""

PIECE = MEBI
"""Elements that are drawn at a time."""

_MAX_UNITBALL_BYTES = 64 * MEBI
"""Bytes of a positive_unitball weight, whose rows must be known whole before one element is."""

_Draw: TypeAlias = "Callable[[int, int], NDArray[np.float32]]"


def fill(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float32]:
    """An f32 array of `shape` as `filler` (a FillerParameter) asks for.

    Raises:
        InvalidModelError: if the filler's type is not one of Caffe's, or does not fit the shape.
    """
    array = np.empty(element_count(shape), np.float32)
    start = 0
    for piece in fill_pieces(filler, shape, generator):
        array[start : start + piece.size] = piece
        start += piece.size
    return array.reshape(shape)


class FillFile:
    """A temporary file without a name that takes made-up weights: many of them need little memory.

    The file has its full (sparse) size and the same modification time from the start, for the weights that are in it
    must not look changed when another one is added.
    """

    def __init__(self, size: int = MAX_FILLED_BYTES) -> None:
        """A file of `size` bytes.

        Raises:
            FileError: the temporary folder takes none.
        """
        with _file_errors():
            self._file = tempfile.TemporaryFile(prefix="xir-")  # noqa: SIM115 - it lives as long as the weights
            self._file.truncate(size)
            os.utime(self._file.fileno(), ns=(0, 0))
            self._mapped = MappedFile("a temporary file of made-up weights", os.dup(self._file.fileno()))

    def add(self, filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> FileSlice:
        """The elements that `fill` gives, little-endian, in the file.

        Raises:
            InvalidModelError, UnsafeError: as `fill_pieces`.
            FileError: the temporary file cannot be written.
        """
        start = self._file.tell()
        with _file_errors():
            for piece in fill_pieces(filler, shape, generator):
                self._file.write(piece.astype("<f4", copy=False).data)
            self._file.flush()
            os.utime(self._file.fileno(), ns=(0, 0))
        return self._mapped.slice(start, self._file.tell() - start, what="the made-up weight")


@contextmanager
def _file_errors() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise file_error(error, tempfile.gettempdir(), "write made-up weights to a temporary file") from error


def fill_pieces(
    filler: Message, shape: tuple[int, ...], generator: np.random.Generator
) -> Iterator[NDArray[np.float32]]:
    """The elements of `fill` in row-major order, at most `PIECE` at a time.

    Raises:
        InvalidModelError: as `fill`.
        UnsafeError: a filler that must see all elements at once is asked for too many.
    """
    count = element_count(shape)
    filler.ignore("sparse")
    draw = _drawing(filler, shape, generator)
    for start in range(0, count, PIECE):
        yield draw(start, min(PIECE, count - start))


def _drawing(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> _Draw:
    """What gives the elements [start, start + count) of a filler, called with rising starts."""
    kind = filler.text("type")
    match kind:
        case "constant":
            value = np.float32(filler.number("value"))
            return lambda start, count: np.full(count, value, np.float32)
        case "gaussian":
            return _normal(generator, filler.number("std"), filler.number("mean"))
        case "uniform":
            return _uniform(generator, filler.number("min"), filler.number("max"))
        case "xavier":
            limit = math.sqrt(3.0 / _fan(filler, shape))
            return _uniform(generator, -limit, limit)
        case "msra":
            return _normal(generator, math.sqrt(2.0 / _fan(filler, shape)), 0.0)
        case "positive_unitball":
            return _unitball(shape, generator)
        case "bilinear":
            return _bilinear(shape)
        case _:
            known = "constant, gaussian, uniform, xavier, msra, positive_unitball, bilinear"
            raise InvalidModelError(f"filler type {kind!r} is not one of {known} (filler.hpp)")


def _normal(generator: np.random.Generator, std: float, mean: float) -> _Draw:
    def draw(_start: int, count: int) -> NDArray[np.float32]:
        drawn = generator.standard_normal(count, dtype=np.float32)
        return drawn * np.float32(std) + np.float32(mean)

    return draw


def _uniform(generator: np.random.Generator, low: float, high: float) -> _Draw:
    def draw(_start: int, count: int) -> NDArray[np.float32]:
        return generator.random(count, dtype=np.float32) * np.float32(high - low) + np.float32(low)

    return draw


def _unitball(shape: tuple[int, ...], generator: np.random.Generator) -> _Draw:
    """Positive numbers whose sum over each first index is one (filler.hpp, PositiveUnitballFiller)."""
    if byte_count(shape, 32) > _MAX_UNITBALL_BYTES:
        raise UnsafeError(
            f"a positive_unitball filler is asked for {list(shape)}; at most {_MAX_UNITBALL_BYTES} bytes are made up",
            number=808,
            hint="give the caffemodel that belongs to this prototxt",
        )
    rows = generator.random((shape[0] if shape else 1, math.prod(shape[1:])), dtype=np.float32)
    total = rows.sum(axis=1, keepdims=True)
    flat = np.divide(rows, total, out=np.zeros_like(rows), where=total > 0).reshape(-1)
    return lambda start, count: flat[start : start + count]


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


def _bilinear(shape: tuple[int, ...]) -> _Draw:
    if len(shape) != 4 or shape[2] != shape[3]:
        raise InvalidModelError(f"the bilinear filler needs a square 4-axis blob, got {list(shape)} (filler.hpp)")
    width = shape[3]
    factor = math.ceil(width / 2.0)

    def draw(start: int, count: int) -> NDArray[np.float32]:
        place = np.arange(start, start + count)
        center = (2 * factor - 1 - factor % 2) / (2.0 * factor)
        across = 1 - np.abs(place % width / factor - center)
        down = 1 - np.abs(place // width % width / factor - center)
        return np.asarray(across * down, np.float32)

    return draw
