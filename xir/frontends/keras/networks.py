"""Configurations of models of Keras 1, 2 and 3, read into one form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.keras.config import plain
from xir.frontends.keras.keras1 import modern
from xir.frontends.keras.model import Call, Json, Layer, Network, Tensor
from xir.frontends.keras.owners import OPERATION
from xir.limits import MAX_CALLS

_SEQUENTIAL = "Sequential"
_FUNCTIONAL = ("Model", "Functional", "Graph")
_OPERATIONS = ("keras.src.ops", "keras.ops")
MODELS = (_SEQUENTIAL, "Model", "Functional")
"""Classes of models; a class of a person's own has no configuration that says what it computes."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the configurations of one file, written by Keras of one generation."""

    generation: int

    def network(self, node: dict[str, Json], depth: int) -> Network:
        """The model that an object with class and configuration describes."""
        if depth > MAX_CALLS:
            raise InvalidModelError(f"models are nested more than {MAX_CALLS} deep")
        kind, config = _text(node, "class_name"), node.get("config")
        if kind == _SEQUENTIAL:
            return self._sequential(config, depth)
        if kind in _FUNCTIONAL and isinstance(config, dict) and "layers" in config:
            return self._functional(config, depth)
        raise UnsupportedError(
            f"the model is of the class {kind!r}, whose configuration does not say what it computes",
            hint="save a Sequential or functional model, or export a SavedModel or ONNX from Keras",
        )

    def _sequential(self, config: Json, depth: int) -> Network:
        """Layers one after another; the first may say what it takes instead of a layer of inputs."""
        listed = config.get("layers") if isinstance(config, dict) else config
        name = config.get("name") if isinstance(config, dict) else None
        layers: list[Layer] = []
        last: Tensor | None = None
        for node in _objects(listed, "the layers"):
            layer = self.layer(node, (), depth)
            if last is None and layer.kind != "InputLayer":
                layers.append(_input_for(layer))
                last = Tensor(layers[0].name, 0, 0)
            calls = () if last is None else (Call((last,)),)
            layers.append(replace(layer, calls=calls if layer.kind != "InputLayer" else (Call(()),)))
            last = Tensor(layer.name, 0, 0)
        if last is None:
            raise InvalidModelError("the model has no layers")
        return Network(
            name if isinstance(name, str) else "sequential", tuple(layers), (Tensor(layers[0].name, 0, 0),), (last,)
        )

    def _functional(self, config: dict[str, Json], depth: int) -> Network:
        layers: list[Layer] = []
        for node in _objects(config["layers"], "the layers"):
            calls = tuple(_calls(node.get("inbound_nodes")))
            layers.append(self.layer(node, calls, depth))
        inputs = _ends(config.get("input_layers"))
        outputs = _ends(config.get("output_layers"))
        name = config.get("name")
        found = Network(name if isinstance(name, str) else "model", tuple(layers), inputs, outputs)
        return _renumbered(found)

    def is_operation(self, node: dict[str, Json], kind: str) -> bool:
        """Whether an object is an operation of `keras.ops`, many of which are called as layers are.

        In HDF5 Keras 3 leaves out the modules of classes; layers say there whether they are trainable.
        """
        module, config = node.get("module"), node.get("config")
        if isinstance(module, str):
            return module.startswith(_OPERATIONS)
        plain_layer = kind == "InputLayer" or kind in MODELS
        return self.generation == 3 and not plain_layer and isinstance(config, dict) and "trainable" not in config

    def layer(self, node: dict[str, Json], calls: tuple[Call, ...], depth: int) -> Layer:
        """One layer, which may be a model itself."""
        kind = _text(node, "class_name").rsplit(">", 1)[-1]
        config = node.get("config")
        if self.is_operation(node, kind):
            kind = OPERATION + kind
        elif kind in MODELS:
            network = self.network(node, depth + 1)
            name = node.get("name")
            return Layer(kind, name if isinstance(name, str) else network.name, {}, calls, network)
        if not isinstance(config, dict):
            raise InvalidModelError(f"the configuration of a layer {kind!r} is no object")
        if self.generation == 1:
            kind, config = modern(kind, config)
        name = node.get("name", config.get("name"))
        if not isinstance(name, str):
            raise InvalidModelError(f"a layer {kind!r} has no name")
        if kind == "InputLayer" and not calls:
            calls = (Call(()),)
        return Layer(kind, name, config, calls)


def read_network(node: dict[str, Json], generation: int) -> Network:
    """The model that a configuration describes.

    Args:
        node: the object with the model's class and configuration.
        generation: the major version of the Keras that wrote it.

    Raises:
        InvalidModelError: it is no configuration, or contradicts itself.
        UnsupportedError: the model is of a class of a person's own.
    """
    found = _Reader(generation).network(node, 1)
    _check(found)
    return found


def read_layer(node: Json, generation: int) -> Layer:
    """The layer that a wrapper's configuration holds.

    Raises:
        InvalidModelError: it is none.
        UnsupportedError: it is a model of a class of a person's own.
    """
    if not isinstance(node, dict):
        raise InvalidModelError("a wrapper's inner layer is no object")
    layer = _Reader(generation).layer(node, (), 1)
    if layer.network is not None:
        _check(layer.network)
    return layer


def _input_for(layer: Layer) -> Layer:
    """The inputs of a Sequential model that begins with `layer`, which says their shape."""
    first = layer
    while first.network is not None:
        if not first.network.layers:
            raise InvalidModelError("the model has no layers")
        first = first.network.layers[0]
    shape = first.config.get("batch_input_shape", first.config.get("batch_shape"))
    config: dict[str, Json] = {"name": f"{layer.name}_input", "batch_shape": shape}
    dtype = first.config.get("dtype")
    config["dtype"] = "int32" if first.kind == "Embedding" else dtype if isinstance(dtype, str) else "float32"
    return Layer("InputLayer", f"{layer.name}_input", config, (Call(()),))


def _text(node: dict[str, Json], name: str) -> str:
    value = node.get(name)
    if not isinstance(value, str):
        raise InvalidModelError(f"{name!r} of a layer is {str(value)[:60]!r}, expected a word")
    return value


def _objects(value: Json, what: str) -> Iterator[dict[str, Json]]:
    value = plain(value)
    if not isinstance(value, list):
        raise InvalidModelError(f"{what} are no list")
    for item in value:
        if not isinstance(item, dict):
            raise InvalidModelError(f"one of {what} is no object")
        yield item


def _tensor(value: Json) -> Tensor | None:
    """A tensor as Keras 1 and 2 write it: `[layer, call, output]`, with arguments behind it at times."""
    if isinstance(value, list) and len(value) in (3, 4):
        name, call, output = value[:3]
        if isinstance(name, str) and type(call) is int and type(output) is int and min(call, output) >= 0:
            return Tensor(name, call, output)
    return None


def _ends(value: Json) -> tuple[Tensor, ...]:
    """The inputs or outputs of a model: a list of tensors, or one tensor, or (Keras 3) objects by name."""
    if isinstance(value, dict):
        value = list(value.values())
    one = _tensor(value)
    if one is not None:
        return (one,)
    if not isinstance(value, list):
        raise InvalidModelError("the inputs or outputs of a model are no list")
    found = [tensor for item in value for tensor in _ends(item)]
    return tuple(found)


def _calls(value: Json) -> Iterator[Call]:
    if not isinstance(value, list):
        raise InvalidModelError("the calls of a layer are no list")
    for node in value:
        yield _modern_call(node) if isinstance(node, dict) else _old_call(node)


def _old_call(node: Json) -> Call:
    """A call as Keras 1 and 2 write it: `[[layer, call, output, arguments], ...]`."""
    one = _tensor(node)
    items = [node] if one is not None else node
    if not isinstance(items, list):
        raise InvalidModelError("a call of a layer is no list")
    inputs: list[Tensor] = []
    named: dict[str, tuple[Tensor, ...]] = {}
    arguments: dict[str, Json] = {}
    for item in items:
        tensor = _tensor(item)
        if tensor is None:
            raise InvalidModelError(f"{str(item)[:60]!r} is no tensor of a model")
        inputs.append(tensor)
        given: Json = item[3] if isinstance(item, list) and len(item) == 4 else None
        for name, value in given.items() if isinstance(given, dict) else ():
            _keep(name, value, named, arguments)
    return Call(tuple(inputs), named, arguments)


def _keep(name: str, value: Json, named: dict[str, tuple[Tensor, ...]], arguments: dict[str, Json]) -> None:
    tensor = _tensor(value)
    listed = [] if not isinstance(value, list) else [found for each in value if (found := _tensor(each)) is not None]
    if tensor is not None:
        named[name] = (tensor,)
    elif listed and isinstance(value, list) and len(listed) == len(value):
        named[name] = tuple(listed)
    else:
        arguments[name] = value


def _modern_call(node: dict[str, Json]) -> Call:
    """A call as Keras 3 writes it: `{"args": [...], "kwargs": {...}}` with tensors as objects."""
    named: dict[str, tuple[Tensor, ...]] = {}
    arguments: dict[str, Json] = {}
    given = node.get("kwargs")
    for name, value in given.items() if isinstance(given, dict) else ():
        tensors = _tensors_in(value)
        if tensors and isinstance(value, list) and None in value:
            named |= {f"{name} {place}": held for place, each in enumerate(value) if (held := _tensors_in(each))}
        elif tensors:
            named[name] = tensors
        else:
            arguments[name] = value
    positional = node.get("args")
    if not isinstance(positional, list):
        raise InvalidModelError("the arguments of a call are no list")
    inputs = _tensors_in(positional)
    for place, value in enumerate(positional):
        if not _tensors_in(value) and value is not None:
            arguments[f"argument {place}"] = value
    return Call(inputs, named, arguments)


def _tensors_in(value: Json) -> tuple[Tensor, ...]:
    """The tensors that an argument of Keras 3 holds, in order."""
    found: list[Tensor] = []
    stack: list[Json] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict) and item.get("class_name") == "__keras_tensor__":
            config = item.get("config")
            tensor = _tensor(config.get("keras_history")) if isinstance(config, dict) else None
            if tensor is None:
                raise InvalidModelError("a tensor of a call does not say where it comes from")
            found.append(tensor)
        elif isinstance(item, dict):
            stack.extend(reversed(list(item.values())))
    return tuple(found)


def _renumbered(network: Network) -> Network:
    """Calls of inner models counted from 0.

    A model that is a layer has a node of its own before it is called (keras/engine/network.py, get_config: "Networks
    start with a pre-existing node"), so that its calls count from 1.
    """
    inner = {layer.name: len(layer.calls) for layer in network.layers if layer.network is not None}
    used: dict[str, int] = {}
    for tensor in _all_tensors(network):
        used[tensor.layer] = max(used.get(tensor.layer, 0), tensor.call)
    shifted = {name for name, count in inner.items() if count and used.get(name, 0) >= count}
    if not shifted:
        return network

    def moved(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(
            replace(each, call=each.call - 1) if each.layer in shifted and each.call else each for each in tensors
        )

    layers = tuple(
        replace(
            layer,
            calls=tuple(
                Call(moved(call.inputs), {key: moved(held) for key, held in call.named.items()}, call.arguments)
                for call in layer.calls
            ),
        )
        for layer in network.layers
    )
    return Network(network.name, layers, moved(network.inputs), moved(network.outputs))


def _all_tensors(network: Network) -> Iterator[Tensor]:
    yield from network.outputs
    for layer in network.layers:
        for call in layer.calls:
            yield from call.inputs
            for held in call.named.values():
                yield from held


def _check(network: Network) -> None:
    """Names are unique and every tensor is one of a call."""
    stack = [network]
    while stack:
        each = stack.pop()
        calls: dict[str, int] = {}
        for layer in each.layers:
            if layer.name in calls:
                raise InvalidModelError(f"two layers are called {layer.name!r}")
            calls[layer.name] = len(layer.calls)
            if layer.network is not None:
                stack.append(layer.network)
        for tensor in (*each.inputs, *_all_tensors(each)):
            if tensor.call >= calls.get(tensor.layer, 0):
                raise InvalidModelError(f"the model reads call {tensor.call} of {tensor.layer!r}, which does not exist")
