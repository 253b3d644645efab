"""A Keras model as a graph: every call of a layer through its handler, every problem in one error."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, UsageError, XirError
from xir.frontends._live_names import with_live_names
from xir.frontends._problems import Problems
from xir.frontends.keras.handlers import HANDLERS, PASSING, REFUSED
from xir.frontends.keras.inputs import input_type
from xir.frontends.keras.model import Call, KerasModel, Layer, Network, Tensor, Variable, Weights
from xir.frontends.keras.owners import weights_of_layers
from xir.frontends.keras.site import Cursor, Handler, Results, Site, scope_for
from xir.frontends.state import state_notes
from xir.ir.builder import sourced
from xir.ir.constant import Constant, constant_of
from xir.ir.constraints import collecting
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.rewrite import drop_unused_parameters
from xir.ir.source import Source
from xir.ir.types import TensorType, Type
from xir.limits import MAX_CALLS, inlining_limit


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A model as a graph, and what a person should know of it."""

    graph: Graph
    notes: tuple[str, ...]
    state: Mapping[str, Constant]


def build(model: KerasModel, *, inputs: Mapping[str, Type] | None = None) -> Imported:
    """The graph of a model that was read.

    Args:
        model: the model.
        inputs: types for inputs, by name, instead of those of the file.

    Raises:
        UnsupportedError: layers that xir has no handlers for: all of them, with reasons.
        InvalidModelError: the model contradicts itself.
        UnsafeError: it asks for more than the limits allow.
    """
    try:
        return _Importer(model, dict(inputs or {})).imported()
    except XirError as error:
        error.located(type(error.source)(model.file))
        raise


@dataclass(slots=True, eq=False)
class _Frame:
    """A network while it is built.

    Attributes:
        network: the layers.
        weights: their weights.
        path: the layers that it stands in, outermost first.
        values: what each tensor is; None where it could not be built.
        ready: calls of layers whose tensors are all there.
    """

    network: Network
    weights: Mapping[str, Weights]
    path: tuple[str, ...]
    values: dict[Tensor, Value | None] = field(default_factory=dict[Tensor, "Value | None"])


class _Importer:
    def __init__(self, model: KerasModel, types: dict[str, Type]) -> None:
        self.model = model
        self.given = types
        self.scope = scope_for(model, self)
        self.problems = Problems()
        self.notes: dict[str, None] = {}
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.parameters: list[Value] = []
        self.batch = Symbol()
        self.states: dict[Value, Value] = {}
        self.order = 0
        self.total = sum(len(layer.calls) for layer in model.network.all_layers())
        self.limit = inlining_limit(self.total)

    def imported(self) -> Imported:
        """The model as a graph."""
        network = self.model.network
        if self.model.weights is None:
            raise InvalidModelError("the file holds no weights", hint="give the file with the weights")
        if self.model.backend == "theano":
            self.note(
                "the model was trained with Theano, which turns the kernels of convolutions around: they are taken as "
                "they stand in the file, as tf-keras takes them"
            )
        with collecting() as assumed:
            inputs = self._inputs(network)
            outputs = self.run(network, self.model.weights, inputs, ())
            if self.problems:
                raise self.problems.error(self.total, self.model.file)
        found = [value for value in outputs if value is not None]
        names = self._output_names(network, found)
        constants = self.scope.knowledge.constants
        graph = Graph(
            network.name,
            (*inputs, *self.states),
            (*found, *self.states.values()),
            (*names, *(f"{self.names[state]}.new" for state in self.states)),
            tuple(Parameter(value, constants[value]) for value in self.parameters),
            self.names,
            tuple(assumed),
        )
        state = {self.names[value]: _zeros(value) for value in self.states}
        return Imported(drop_unused_parameters(with_live_names(graph)), (*self.notes, *state_notes(state)), state)

    def _name(self, base: str) -> str:
        """A name that nothing has yet."""
        name, number = base or "value", 1
        while name in self.taken:
            name, number = f"{base}_{number}", number + 1
        self.taken.add(name)
        return name

    def _inputs(self, network: Network) -> list[Value]:
        layers = {layer.name: layer for layer in network.layers}
        values: list[Value] = []
        for tensor in network.inputs:
            layer = layers[tensor.layer]
            if layer.kind != "InputLayer":
                raise InvalidModelError(f"the input {layer.name!r} is a layer {layer.kind!r}, no InputLayer")
            type = self.given.pop(layer.name, None)
            value = Value(input_type(layer, self.batch) if type is None else type)
            self.names[value] = self._name(layer.name)
            values.append(value)
        if self.given:
            known = [self.names[value] for value in values]
            raise UsageError(f"the model has no inputs {list(self.given)}; it has {known}")
        return values

    def _output_names(self, network: Network, outputs: Sequence[Value]) -> list[str]:
        names: list[str] = []
        for tensor, value in zip(network.outputs, outputs, strict=True):
            name = self.names.get(value, "")
            names.append(self._name(f"{tensor.layer}.output") if not name or name in names else name)
        return names

    def run(
        self, network: Network, weights: Mapping[str, Weights], inputs: Sequence[Value | None], path: tuple[str, ...]
    ) -> list[Value | None]:
        """The outputs of a network; None for each that could not be built."""
        if len(path) > MAX_CALLS:
            raise UnsafeError(f"models are nested more than {MAX_CALLS} deep", number=805)
        if len(inputs) != len(network.inputs):
            raise InvalidModelError(f"{network.name!r} takes {len(network.inputs)} tensors, got {len(inputs)}")
        frame = _Frame(network, weights, path)
        frame.values.update(zip(network.inputs, inputs, strict=True))
        for layer, number in _ordered(network):
            self._call(frame, layer, number)
        return [_value(frame, tensor) for tensor in network.outputs]

    def _call(self, frame: _Frame, layer: Layer, number: int) -> None:
        call = layer.calls[number]
        first = Tensor(layer.name, number, 0)
        if first in frame.values:
            return
        self.order += 1
        if self.order > self.limit:
            raise UnsafeError(f"the model expands to more than {self.limit} calls of layers", number=806)
        operands = [_value(frame, tensor) for tensor in call.inputs]
        named = {name: [_value(frame, each) for each in held] for name, held in call.named.items()}
        results: Sequence[Value | None] = ()
        source = Source("keras", self.model.file, layer.name, layer.kind, frame.path, order=self.order)
        try:
            if layer.network is not None:
                self._masked(operands, named.get("mask", ()))
                inner = weights_of_layers(layer.network, frame.weights.get(layer.name, Weights()))
                results = self.run(layer.network, inner, operands, (*frame.path, layer.name))
            else:
                with sourced(source):
                    results = self._layer(frame, layer, call, operands, named)
        except UnsupportedError as error:
            self.problems.note(layer.kind, error.message, error.hint, layer.name)
        except XirError as error:
            error.located(source.where)
            raise
        for output, value in enumerate(results):
            frame.values[Tensor(layer.name, number, output)] = value
            if value is not None and value not in self.names:
                self.names[value] = self._name("/".join((*frame.path, layer.name)))

    def _masked(self, operands: Sequence[Value | None], masks: Sequence[Value | None]) -> None:
        """Keeps the masks that a model is called with."""
        for value, mask in zip(operands, masks, strict=False):
            if value is not None and mask is not None:
                self.scope.masks[value] = mask

    def _layer(
        self,
        frame: _Frame,
        layer: Layer,
        call: Call,
        operands: Sequence[Value | None],
        named: Mapping[str, Sequence[Value | None]],
    ) -> tuple[Value, ...]:
        known = [value for value in operands if value is not None]
        extra = {name: [value for value in held if value is not None] for name, held in named.items()}
        handler_of(layer)
        if len(known) != len(operands) or any(len(extra[name]) != len(named[name]) for name in named):
            return ()
        cursor = Cursor(frame.weights.get(layer.name, Weights()))
        site = Site(layer, cursor, self.scope, extra, call.arguments)
        return self.called(site, known)

    def called(self, site: Site, operands: Sequence[Value]) -> tuple[Value, ...]:
        """What the handler of a layer makes of it; every setting and every weight must be used."""
        layer = site.layer
        handler = handler_of(layer)
        given = site.named.pop("mask", None)
        site.masks = tuple(self.scope.masks.get(value) for value in operands) if given is None else tuple(given)
        if not _fits(handler, len(operands)):
            raise InvalidModelError(f"{layer.name!r} ({layer.kind}) is called with {len(operands)} tensors")
        site.named.update({name: [site.take(value) for value in held] for name, held in site.named.items()})
        made = _handled(handler, site, [site.take(value) for value in operands])
        site.check_arguments()
        unknown = site.unasked()
        if unknown:
            raise UnsupportedError("the settings " + ", ".join(repr(name) for name in unknown))
        if site.cursor.left:
            raise InvalidModelError(f"{site.cursor.left} of its weights are not those of a layer {layer.kind}")
        results = tuple(site.give(value) for value in ((made,) if isinstance(made, Value) else made))
        mask = site.mask if site.result_mask is None and layer.kind in PASSING else site.result_mask
        if mask is not None and results:
            self.scope.masks[results[0]] = mask
        return results

    def inner(self, site: Site, layer: Layer, cursor: Cursor, inputs: Sequence[Value]) -> tuple[Value, ...]:
        """The results of a layer that another one wraps (`site.Builder`)."""
        if layer.network is not None:
            weights = weights_of_layers(layer.network, cursor.weights)
            found = self.run(layer.network, weights, inputs, (site.layer.name, layer.name))
            known = tuple(value for value in found if value is not None)
            if len(known) != len(found):
                raise UnsupportedError(f"the model {layer.name!r} inside of it")
            return known
        return self.called(Site(layer, cursor, self.scope), inputs)

    def parameter(self, variable: Variable, layer: str) -> Value:
        """A stored weight as a weight of the graph (`site.Builder`)."""
        if variable.value is None:
            variable.value = Value(variable.constant.type)
            self.scope.knowledge.constants[variable.value] = variable.constant
            self.parameters.append(variable.value)
            leaf = variable.name.rsplit("/", 1)[-1].removesuffix(":0")
            self.names[variable.value] = self._name(leaf if leaf.startswith(layer) else f"{layer}/{leaf}")
        return variable.value

    def state(self, name: str, type: TensorType) -> Value:
        """An input that begins with 0 and is what the run before gave (`site.Builder`)."""
        value = Value(type)
        self.names[value] = self._name(name)
        self.states[value] = value
        return value

    def keep(self, state: Value, new: Value) -> None:
        """What a state is for the next run (`site.Builder`)."""
        self.states[state] = new

    def note(self, text: str) -> None:
        """Tells the person something, once (`site.Builder`)."""
        self.notes[text] = None


def _zeros(value: Value) -> Constant:
    """What a state begins with: its batch is known."""
    return constant_of(np.zeros([int(str(size)) for size in value.shape], value.dtype.dtype))


def _value(frame: _Frame, tensor: Tensor) -> Value | None:
    """A tensor of a network, or None where the layer that makes it could not be built.

    Raises:
        InvalidModelError: its layer was built and has no such output.
    """
    if tensor not in frame.values and frame.values.get(replace(tensor, output=0)) is not None:
        raise InvalidModelError(f"{tensor.layer!r} has no output {tensor.output}")
    return frame.values.get(tensor)


def handler_of(layer: Layer) -> Handler:
    """The handler of a layer.

    Raises:
        UnsupportedError: there is none.
    """
    if layer.kind in REFUSED:
        raise UnsupportedError(
            REFUSED[layer.kind], hint="write it with Keras's own layers, or export a SavedModel or ONNX from Keras"
        )
    handler = HANDLERS.get(layer.kind)
    if handler is None:
        raise UnsupportedError("xir has no handler for it; the file does not say what a class of one's own computes")
    return handler


def _fits(handler: Handler, count: int) -> bool:
    parameters = [*inspect.signature(handler).parameters.values()][1:]
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return count >= len(parameters) - 1
    least = sum(parameter.default is parameter.empty for parameter in parameters)
    return least <= count <= len(parameters)


def _handled(handler: Handler, site: Site, operands: Sequence[Value]) -> Results:
    """Handlers take operands apart by the ranks that Keras gives them; one of another rank ends here."""
    try:
        return handler(site, *operands)
    except (ValueError, IndexError, OverflowError, ZeroDivisionError, AttributeError) as error:
        types = ", ".join(repr(value.type) for value in operands[:8])
        raise InvalidModelError(f"the settings do not go with the inputs ({types}): {error}") from error
    except MemoryError as error:
        raise UnsafeError("asks for more memory than there is", number=806) from error


def _ordered(network: Network) -> list[tuple[Layer, int]]:
    """Every call of every layer behind those that it reads from.

    Raises:
        InvalidModelError: calls wait for each other.
    """
    waiting: dict[tuple[str, int], int] = {}
    readers: dict[tuple[str, int], list[tuple[Layer, int]]] = {}
    ready: list[tuple[Layer, int]] = []
    done = {(tensor.layer, tensor.call) for tensor in network.inputs}
    for layer in network.layers:
        for number, call in enumerate(layer.calls):
            read = {(each.layer, each.call) for held in (call.inputs, *call.named.values()) for each in held} - done
            waiting[layer.name, number] = len(read)
            for key in sorted(read):
                readers.setdefault(key, []).append((layer, number))
            if not read:
                ready.append((layer, number))
    found: list[tuple[Layer, int]] = []
    for layer, number in ready:
        found.append((layer, number))
        for reader, at in readers.get((layer.name, number), ()) if (layer.name, number) not in done else ():
            waiting[reader.name, at] -= 1
            if not waiting[reader.name, at]:
                ready.append((reader, at))
    if len(found) != len(waiting):
        raise InvalidModelError(f"the layers of {network.name!r} wait for each other")
    return found
