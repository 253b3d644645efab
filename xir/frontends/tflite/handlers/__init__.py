"""TFLite's operators as ours, one file a family, merged here with what each gets of quantised tensors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from xir.frontends._handlers import Handlers
from xir.frontends.tflite._calls import Entry, Storage
from xir.frontends.tflite.handlers import (
    activation,
    audio,
    bits,
    control,
    convolution,
    cutting,
    detection,
    elementwise,
    index,
    ordering,
    places,
    pooling,
    recurrent,
    reduction,
    resize,
    shape,
    spectrum,
    stablehlo,
    tables,
    windows,
)
from xir.frontends.tflite.site import Handler

_REAL = (
    activation.handlers,
    audio.handlers,
    convolution.handlers,
    detection.handlers,
    elementwise.handlers,
    index.handlers,
    pooling.handlers,
    recurrent.handlers,
    reduction.handlers,
    resize.handlers,
)
_MOVED = (cutting.moving, index.moving, shape.moving)
_CHOSEN = (pooling.moving, reduction.moving, resize.moving)
_RAW = (
    bits.raw,
    control.raw,
    convolution.raw,
    cutting.raw,
    elementwise.raw,
    index.raw,
    ordering.raw,
    places.raw,
    recurrent.raw,
    reduction.raw,
    shape.raw,
    spectrum.raw,
    stablehlo.raw,
    tables.raw,
    windows.raw,
)


def _entries(
    storage: Storage, tables: tuple[Handlers[Handler], ...], *, takes_parts: bool = False
) -> Iterator[tuple[str, Entry]]:
    return ((kind, Entry(handler, storage, takes_parts)) for kind, handler in Handlers("tflite", *tables).items())


HANDLERS = {
    kind: entry
    for kind, entry in chain(
        _entries("real", _REAL),
        _entries("moved", _MOVED, takes_parts=True),
        _entries("moved", _CHOSEN),
        _entries("raw", _RAW),
        _entries("complex", (spectrum.pairs,)),
    )
}
"""The handler of each operator that is read."""

_ALL: Handlers[Handler] = Handlers(
    "tflite", *_REAL, *_MOVED, *_CHOSEN, *_RAW, spectrum.pairs
)  # no operator in two of them
