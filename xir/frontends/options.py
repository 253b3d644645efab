"""What a person may say about how a model is to be read; every frontend takes what concerns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.types import Type

Plain: TypeAlias = bool | int | float
"""A number as a person says it."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to read a model.

    Attributes:
        inputs: types of inputs by name; they replace what the file says.
        cuts: TensorFlow: results of nodes that become inputs, of the types that the graph tells; what they need is not
            read. A name of `inputs` that is no input is such a result, too.
        numbers: TorchScript: what inputs and attributes that are numbers always are, by name.
        outputs: names of the values to compute, instead of the file's own outputs.
        method: TorchScript: the method of the model that is wanted, instead of `forward`; TFLite and SavedModel: the
            signature.
        weights: Keras: the file with the weights of a configuration, instead of the one that is found.
        prototxt: Caffe: the file that describes the net, instead of the one that is found.
        phase: Caffe: the phase, `TEST` unless said otherwise.
        stages: Caffe: stages to be added to those of the file.
        losses: Caffe: whether loss and metric layers are kept; None keeps them in training only.
        preprocess: Caffe: makes the data layer's transform_param (mean, scale) part of the graph.
        mean: Caffe: a `.binaryproto` mean image for `preprocess`, instead of the file's own mean_file.
        fill_missing: Caffe: makes up the weights of layers that the weights' file lacks, instead of refusing.
        seed: the seed of weights that must be made up.
        plugins: modules with handlers for layers of the person's own; never named by a model file.
        trust_links: takes companion files that are links.
        training: keeps the steps of training that a file brings along.
    """

    inputs: Mapping[str, Type] = field(default_factory=dict[str, Type])
    cuts: Sequence[str] = ()
    numbers: Mapping[str, Plain] = field(default_factory=dict[str, bool | int | float])
    outputs: Sequence[str] | None = None
    method: str | None = None
    weights: str | None = None
    prototxt: str | None = None
    phase: Literal["TRAIN", "TEST"] = "TEST"
    stages: Sequence[str] = ()
    losses: bool | None = None
    preprocess: bool = False
    mean: str | None = None
    fill_missing: bool = False
    seed: int = 0
    plugins: Sequence[str] = ()
    trust_links: bool = False
    training: bool = True


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that was read.

    Attributes:
        graph: the model.
        format: the format's name (`caffe`, `onnx`, `xir`).
        files: the files that it was read from, the named one first.
        layers: how many layers the foreign model has.
        notes: what a person should know of how it was read.
        made_up: names of weights of the graph that were made up, because the files do not hold them.
        state: what inputs that are the state of the model begin with, by name: the model returns their new elements.
        metadata: what the file tells of the model besides it (labels, authors, the exporter's settings), by name.
    """

    graph: Graph
    format: str
    files: tuple[str, ...]
    layers: int
    notes: tuple[str, ...] = ()
    made_up: tuple[str, ...] = ()
    state: Mapping[str, Constant] = field(default_factory=dict[str, Constant])
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
