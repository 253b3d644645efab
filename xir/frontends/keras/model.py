"""A Keras model as plain data, the same for all generations: layers, their calls, their weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from xir.ir.constant import Constant
from xir.ir.node import Value
from xir.keras_layout import Json as Json

TFJS = "tfjs-layers "
"""How the version of a model that TensorFlow.js itself wrote begins; its layers are those of Keras 2."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a network: the output `output` of the call `call` of the layer `layer`."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a layer.

    Attributes:
        inputs: the tensors that it is called with, in order.
        named: tensors that it is called with by name (`mask`, `value`).
        arguments: what else it is called with, by name.
    """

    inputs: tuple[Tensor, ...]
    named: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict[str, tuple[Tensor, ...]])
    arguments: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A layer.

    Attributes:
        kind: its class.
        name: its own name.
        config: its configuration.
        calls: its uses; several where it is shared.
        network: what it holds where it is a model itself.
    """

    kind: str
    name: str
    config: Mapping[str, Json]
    calls: tuple[Call, ...]
    network: Network | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Layers and how they are joined.

    Attributes:
        name: the model's name.
        layers: its layers, as they stand in the file.
        inputs: what its inputs are.
        outputs: what its outputs are.
    """

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def all_layers(self) -> Iterator[Layer]:
        """Every layer, those of inner models too, outer ones first."""
        stack = [*reversed(self.layers)]
        while stack:
            layer = stack.pop()
            yield layer
            if layer.network is not None:
                stack.extend(reversed(layer.network.layers))


@dataclass(slots=True, eq=False)
class Variable:
    """A stored weight.

    Attributes:
        name: its name in the file.
        constant: its elements.
        value: what it is in the graph, once a layer has taken it.
    """

    name: str
    constant: Constant
    value: Value | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The stored weights of a layer: its own and, in archives of Keras 3, those of what it is made of.

    Attributes:
        variables: the weights in their order.
        parts: weights of its parts by the attributes that hold them; None where all stand in one list.
        text: the vocabulary that an archive keeps beside the weights, a word a line.
    """

    variables: tuple[Variable, ...] = ()
    parts: Mapping[str, Weights] | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class KerasModel:
    """A model as it was read.

    Attributes:
        file: the file's path.
        files: all files that it was read from.
        generation: 1, 2 or 3: the major version of the Keras that wrote it.
        version: that version.
        backend: what Keras computed with (`theano`, `tensorflow`), or None where the file does not tell.
        network: the layers.
        weights: the weights of the outermost layers by name; None where there are none at all.
        training: how it was trained (loss, optimiser, metrics) as JSON, or None.
    """

    file: str
    files: tuple[str, ...]
    generation: int
    version: str
    backend: str | None
    network: Network
    weights: Mapping[str, Weights] | None
    training: str | None
