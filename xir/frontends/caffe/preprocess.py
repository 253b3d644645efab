"""The data layer's preprocessing as nodes of the graph: mean and scale, for pictures that are decoded already.

What Caffe does with a picture before the net sees it (data_transformer.cpp): (picture - mean) * scale, the mean a
number for all, one a channel, or a whole picture, of which the part is taken that a central crop keeps. Cropping,
resizing and mirroring belong to the reading of pictures and stay outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xir.errors import FileError, InvalidModelError, UnsafeError
from xir.frontends.caffe.blob import Blob
from xir.frontends.caffe.companion_blob import blob_beneath
from xir.frontends.caffe.net import Layer
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ops._build import channelwise, scalar_like
from xir.ops.elementwise import mul, sub
from xir.ops.shape import broadcast

AddWeight = Callable[[str, Constant], Value]
"""Enters a constant under a name and gives the value that stands for it."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a person asked for.

    Attributes:
        mean: a mean picture of the person's own, instead of the file's.
        source: the data layer to take the transform_param from where the net itself has only an Input layer.
        trust_links: takes companion files that are links.
    """

    mean: Blob | None = None
    source: Layer | None = None
    trust_links: bool = False


_ARITHMETIC = ("mean_file", "mean_value", "scale")
"""What of a transform_param is arithmetic (data_transformer.cpp, Transform)."""


def preprocess(
    x: Value, name: str, layer: Layer | None, wanted: Preprocessing, add: AddWeight, notes: list[str]
) -> Value:
    """`x`, the decoded picture [N, C, H, W] in Caffe's order of channels (BGR), as the net wants it.

    Args:
        x: the input.
        name: its name, for names of the mean and for messages.
        layer: the data layer with the transform_param, or None.
        wanted: what the person asked for.
        add: enters the mean.
        notes: where to tell what was done and left out.

    Raises:
        InvalidModelError: the mean does not fit the input.
        UnsafeError, FileError: the mean file cannot be read.
    """
    y = _subtract(x, name, layer, wanted, add)
    scale = 1.0 if layer is None else layer.param("transform_param").number("scale")
    if scale != 1:
        y = mul(y, scalar_like(y, scale))
    if y is x:
        notes.append(f"input {name!r}: there is nothing to preprocess")
        return x
    notes.append(f"input {name!r} takes pictures as Caffe decodes them (BGR, 0 to 255): the graph subtracts and scales")
    if layer is not None:
        _tell_rest(layer, name, notes)
    return y


def tell_left_out(layer: Layer, name: str, notes: list[str]) -> None:
    """Says that the graph of a data layer's input neither subtracts nor scales, where the layer would."""
    transform = layer.param("transform_param")
    left = [field for field in _ARITHMETIC if transform.has(field)]
    if left:
        notes.append(
            f"input {name!r}: {', '.join(left)} of its transform_param {'is' if len(left) == 1 else 'are'} not in the "
            f"graph; --preprocess adds {'it' if len(left) == 1 else 'them'}"
        )


def _tell_rest(layer: Layer, name: str, notes: list[str]) -> None:
    transform = layer.param("transform_param")
    rest = [field for field in transform.fields() if field not in _ARITHMETIC]
    if rest:
        verbs = ("concerns", "is") if len(rest) == 1 else ("concern", "are")
        notes.append(
            f"input {name!r}: {', '.join(rest)} {verbs[0]} the reading of pictures and {verbs[1]} not in the graph"
        )


def _subtract(x: Value, name: str, layer: Layer | None, wanted: Preprocessing, add: AddWeight) -> Value:
    if wanted.mean is not None:
        return _subtract_picture(x, wanted.mean, name, add)
    if layer is None:
        return x
    transform = layer.param("transform_param")
    values, file = transform.numbers("mean_value"), transform.optional_text("mean_file")
    if values and file:
        raise InvalidModelError("mean_value and mean_file exclude each other (data_transformer.cpp)").located(
            layer.location
        )
    if file:
        return _subtract_picture(x, _mean_file(file, layer, wanted), name, add)
    if not values:
        return x
    if len(values) == 1:
        return sub(x, scalar_like(x, values[0]))
    if x.rank < 2 or x.shape[1] != len(values):
        raise InvalidModelError(f"{len(values)} mean values do not fit the channels of {x.type!r}")
    mean = add(f"{name}.mean", constant_of(np.array(values, np.float32)))
    return sub(x, channelwise(mean, x))


def _mean_file(file: str, layer: Layer, wanted: Preprocessing) -> Blob:
    try:
        return blob_beneath(layer.file, file, trust_links=wanted.trust_links)
    except (FileError, UnsafeError) as error:
        error.hint = "give the mean with --mean FILE"
        raise error.located(layer.location) from None


def _subtract_picture(x: Value, mean: Blob, name: str, add: AddWeight) -> Value:
    """A mean picture [C, H, W], of which the middle is taken where it is larger than the input."""
    picture = mean.array().astype(np.float32, copy=False)
    picture = picture.reshape(picture.shape[-3:] if picture.ndim >= 3 else (1,) * (3 - picture.ndim) + picture.shape)
    if x.rank != 4 or mean.array().size != picture.size or x.shape[1] != picture.shape[0]:
        raise InvalidModelError(f"a mean of {list(mean.shape)} does not fit the input {x.type!r}")
    top, height = _middle(picture.shape[1], x.shape[2], name)
    left, width = _middle(picture.shape[2], x.shape[3], name)
    cut = np.ascontiguousarray(picture[:, top : top + height, left : left + width])
    return sub(x, broadcast(add(f"{name}.mean", constant_of(cut)), shape=x.shape))


def _middle(size: int, wanted: Dim, name: str) -> tuple[int, int]:
    """Where the middle `wanted` of `size` elements begins, as Caffe's crop in testing has it, and how many they are."""
    if not isinstance(wanted, int) or wanted > size:
        raise InvalidModelError(
            f"a mean picture of size {size} does not cover {wanted!r} of input {name!r}",
            hint=f"give the input's size with --input {name}=f32[...]",
        )
    return (size - wanted) // 2, wanted
