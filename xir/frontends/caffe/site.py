"""What a handler sees of the layer that it converts: parameters, weights as graph values, the phase, notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.files import FileSlice
from xir.frontends.caffe.blob import Blob
from xir.frontends.caffe.companion_blob import blob_beneath
from xir.frontends.caffe.fillers import HELD_BYTES, FillFile, fill
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.net import Layer, Phase
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Dim
from xir.ir.graph import Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.limits import MAX_FILLED_BYTES, byte_count
from xir.ops.shape import reshape

Handler: TypeAlias = Callable[..., "Value | Sequence[Value]"]


@dataclass(slots=True)
class Weights:
    """The weights of one import: each blob becomes one parameter, shared ones the same.

    Attributes:
        shared: (layer index, blob index) -> the owner's pair.
        seed: the seed of made-up weights.
        taken: names that a weight must not have.
        filled: {weight that a filler made up: its layer's name}.
    """

    shared: Mapping[tuple[int, int], tuple[int, int]]
    seed: int = 0
    parameters: list[Parameter] = field(default_factory=list[Parameter])
    names: dict[Value, str] = field(default_factory=dict[Value, str])
    filled: dict[Value, str] = field(default_factory=dict[Value, str])
    _made: dict[tuple[int, int], Value] = field(default_factory=dict[tuple[int, int], Value])
    taken: set[str] = field(default_factory=set[str])
    _filled_bytes: int = 0
    _file: FillFile | None = None

    def add(self, key: tuple[int, int], name: str, constant: Constant, trainable: bool) -> Value:
        """Enters a weight under a name that is made unique."""
        unique, number = name, 1
        while unique in self.taken:
            number += 1
            unique = f"{name}_{number}"
        self.taken.add(unique)
        value = Value(constant.type)
        self.parameters.append(Parameter(value, constant, trainable))
        self.names[value] = unique
        self._made[key] = value
        return value

    def find(self, key: tuple[int, int]) -> Value | None:
        """The weight of a layer's blob, or of the blob that it shares, if it is entered already."""
        return self._made.get(self.shared.get(key, key))

    def make_up(self, filler: Message, shape: tuple[int, ...], key: tuple[int, int]) -> Constant:
        """A weight made up by a filler.

        Raises:
            UnsafeError: if made-up weights take more than the limit together.
        """
        self._filled_bytes += byte_count(shape, 32)
        if self._filled_bytes > MAX_FILLED_BYTES:
            raise UnsafeError(
                f"the weights that would have to be made up take more than {MAX_FILLED_BYTES} bytes",
                number=808,
                hint="give the caffemodel that belongs to this prototxt",
            )
        generator = np.random.default_rng((self.seed, *key))
        if self._filled_bytes <= HELD_BYTES:
            return constant_of(fill(filler, shape, generator))
        self._file = self._file or FillFile()
        return Constant(TensorType(DType.FLOAT32, shape), self._file.add(filler, shape, generator))


@dataclass(slots=True)
class Site:
    """One layer, as its handler sees it."""

    layer: Layer
    index: int
    phase: Phase
    weights: Weights
    notes: list[str]
    trust_links: bool = False
    _blobs_known: int = 0

    def companion_blob(self, name: str) -> Blob:
        """The blob of a `.binaryproto` that the model names; it must lie beneath the model's folder.

        Raises:
            UnsafeError: the name leaves the folder, or passes a link.
            FileError: there is no such file.
            FormatError, InvalidModelError: it holds something else.
        """
        return blob_beneath(self.layer.file, name, trust_links=self.trust_links)

    def param(self, name: str) -> Message:
        """The layer's parameter message (`"convolution_param"`), empty where it is not set."""
        return self.layer.param(name)

    @property
    def top_count(self) -> int:
        """How many tops the layer has."""
        return len(self.layer.tops)

    @property
    def blob_count(self) -> int:
        """How many weights the file brings for the layer."""
        return len(self.layer.blobs)

    def expect_blobs(self, count: int) -> None:
        """Says that the layer has so many weights at least, also where the phase leaves some of them unused."""
        self._blobs_known = max(self._blobs_known, count)

    def check_blobs(self) -> None:
        """Checks that the file brings no weight that nobody asked for (net.cpp, CopyTrainedLayersFrom).

        Raises:
            InvalidModelError: if it does.
        """
        if self.blob_count > self._blobs_known:
            raise InvalidModelError(
                f"the file has {self.blob_count} blobs for the layer, which takes {self._blobs_known}",
                number=506,
                hint="prototxt and caffemodel do not belong together, or a field such as bias_term differs",
            )

    def note(self, text: str) -> None:
        """Tells the person something about this layer."""
        self.notes.append(f"layer {self.layer.name!r} ({self.layer.kind}): {text}")

    def weight(
        self,
        index: int,
        name: str,
        shape: Sequence[Dim],
        filler: Message | None = None,
        *,
        trainable: bool = True,
        factor: float = 1.0,
    ) -> Value:
        """The layer's weight `index` (Caffe's blob order) as an f32 parameter called `<layer>.<name>`.

        Without weights in the file it is made up by `filler`, and said aloud. Elements from the file are multiplied
        by `factor`, once for all layers that share the weight.

        Raises:
            InvalidModelError: if the blob is missing or has another shape, or the shape cannot be known.
        """
        self.expect_blobs(index + 1)
        wanted = tuple(dim for dim in shape if isinstance(dim, int))
        if len(wanted) != len(shape):
            raise InvalidModelError(
                f"the shape {list(shape)} of weight {index} depends on an unknown size",
                hint="give the input's shape with --input NAME=f32[...]",
            )
        key = (self.index, index)
        known = self.weights.find(key)
        if known is not None:
            return self._shared(known, wanted, index)
        constant = self._constant(index, wanted, filler, key)
        if factor != 1 and self.blob_count:
            constant = constant_of(constant.array().astype(np.float32) * np.float32(factor))
        value = self.weights.add(self.weights.shared.get(key, key), f"{self.layer.name}.{name}", constant, trainable)
        if not self.blob_count:
            self.weights.filled[value] = self.layer.name
        return value

    def _constant(self, index: int, shape: tuple[int, ...], filler: Message | None, key: tuple[int, int]) -> Constant:
        if index < self.blob_count:
            return constant_from_blob(self.layer.blobs[index], shape, index)
        if self.blob_count:
            raise InvalidModelError(
                f"the layer needs weight {index} with the shape {list(shape)}; the file has {self.blob_count} blobs"
            )
        if filler is None:
            raise InvalidModelError(
                f"weight {index} {list(shape)} is missing, and it cannot be made up",
                hint="give the caffemodel that belongs to this prototxt",
            )
        return self.weights.make_up(filler, shape, key)

    def _shared(self, value: Value, shape: tuple[int, ...], index: int) -> Value:
        if value.shape == shape:
            return value
        specs = self.layer.specs
        held = value.tensor.static_shape or ()
        if index < len(specs) and specs[index].permissive and np.prod(held) == np.prod(shape):
            return reshape(value, shape=shape)
        raise InvalidModelError(f"weight {index} is shared and has the shape {list(held)}, expected {list(shape)}")

    def unsupported(self, reason: str, hint: str | None = None) -> UnsupportedError:
        """An error that says what of this layer cannot be taken; to be raised."""
        return UnsupportedError(reason, hint=hint)


def constant_from_blob(blob: Blob, shape: tuple[int, ...], index: int) -> Constant:
    """A blob as an f32 constant of `shape`; bytes in the file stay there.

    A blob of the old four-size form may have leading ones more (blob.cpp, Blob::ShapeEquals).

    Raises:
        InvalidModelError: if the shapes do not agree.
    """
    if _strip(blob.shape) != _strip(shape) or (blob.shape != shape and len(blob.shape) != 4):
        raise InvalidModelError(
            f"weight {index} has the shape {list(blob.shape)} in the file, the layer needs {list(shape)}",
            number=506,
            hint="prototxt and caffemodel do not belong together, or num_output, kernel_size or group differ",
        )
    if blob.dtype == "f32" and isinstance(blob.data, FileSlice):
        return Constant(TensorType(DType.FLOAT32, shape), blob.data)
    return constant_of(blob.array().astype(np.float32, copy=False).reshape(shape))


def _strip(shape: tuple[int, ...]) -> tuple[int, ...]:
    start = 0
    while start < len(shape) and shape[start] == 1:
        start += 1
    return shape[start:]
