"""The module around a `forward`: its layers, weights and small constants, and what is stored under which name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xir.backends.export.torch._code import Said, arguments_of
from xir.backends.export.torch._form import Argument, Block, Layer
from xir.backends.export.torch._literals import TORCH, dtype_text, elements_text, number_text, string_text
from xir.backends.export.torch._names import Names, identifier
from xir.ir.constant import Constant, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ir.walk import all_graphs

SMALL = 16
"""Elements of a literal that stands in the code."""


class Module:
    """What `__init__` says, and the tensors that the file of weights holds."""

    def __init__(self, graph: Graph, said: Mapping[Node, Said], common: str | None = None) -> None:
        """No layers yet.

        Args:
            graph: the model.
            said: what its nodes say.
            common: for a block, what the names of its layers begin with, which is left out of them.
        """
        self._common = common
        self.lines: list[str] = []
        self.tensors: dict[str, Constant] = {}
        self.kinds: dict[str, int] = {}
        self._graph = graph
        self._names = Names()
        parts = tuple(all_graphs(graph))
        self._weights = {each.value: each for part in parts for each in part.parameters}
        self._wanted = {value: name for part in reversed(parts) for value, name in part.names.items()}
        self._attributes: dict[Value, str] = {}
        self._layers: dict[tuple[object, ...], str] = {}
        self._owner = self._owners(said)

    def _owners(self, said: Mapping[Node, Said]) -> dict[Value, object]:
        """For each weight the key of the one layer that holds it, or None where it is read elsewhere too."""
        owners: dict[Value, object] = {}
        for node in self._graph.nodes:
            answer = said.get(node)
            if answer is None:
                continue
            if isinstance(answer, Block):
                owners.update((value, None) for value in node.inputs if value is not None)
                continue
            if isinstance(answer, Layer):
                key = _key(answer)
                for weight, _ in answer.weights.values():
                    owners[weight] = key if owners.get(weight, key) == key else None
            owners.update((item, None) for item in arguments_of(answer) if isinstance(item, Value))
        owners.update((value, None) for value in self._graph.outputs)
        return owners

    def of(self, value: Value) -> str | None:
        """The attribute that holds a weight or literal, or None for any other value."""
        if value in self._attributes:
            return self._attributes[value]
        constant = self._constant(value)
        if constant is None:
            return None
        wanted = "" if self._common is not None else identifier(self._wanted.get(value, ""))
        name = self._names.new(wanted or "constant")
        self._attributes[value] = name
        self._hold(name, constant, value in self._weights and self._weights[value].trainable)
        return name

    def beginning(self, name: str, constant: Constant) -> str:
        """The attribute that holds what the input `name` begins with."""
        attribute = self._names.new(identifier(name) or "state")
        self._hold(attribute, constant, False)
        return attribute

    def _constant(self, value: Value) -> Constant | None:
        """The elements of a weight or literal of the graph or of a body."""
        weight = self._weights.get(value)
        return self._graph.constant_of(value) if weight is None else weight.constant

    def _hold(self, name: str, constant: Constant, trained: bool) -> None:
        dtype = dtype_text(constant.dtype)
        if not trained and constant.elements <= SMALL and constant.elements > 0 and constant.dtype in _PLAIN:
            text = f"torch.tensor({elements_text(constant)}, dtype={dtype})"
            self.lines.append(f'self.register_buffer("{name}", {text}, persistent=False)')
            return
        self.tensors[name] = constant
        blank = f"torch.empty({list(constant.shape)}, dtype={dtype})"
        if trained and constant.dtype.is_floating and constant.dtype.bits >= 16:
            self.lines.append(f"self.{name} = nn.Parameter({blank})")
        else:
            self.lines.append(f'self.register_buffer("{name}", {blank})')

    def layer(self, node: Node, layer: Layer) -> str | None:
        """The attribute that holds a layer, or None where its weights are no weights of the model for it alone."""
        key = _key(layer)
        if key in self._layers:
            return self._layers[key]
        constants = {name: self._constant(value) for name, (value, _) in layer.weights.items()}
        if any(constant is None for constant in constants.values()):
            return None
        if any(self._owner.get(value) != key for value, _ in layer.weights.values()):
            return None
        attribute = self._names.new(self._layer_name(node, layer))
        for name, (_, axes) in layer.weights.items():
            constant = constants[name]
            if constant is not None:
                self.tensors[f"{attribute}.{name}"] = constant if axes is None else _turned(constant, axes)
        for name, type in layer.blank.items():
            self.tensors[f"{attribute}.{name}"] = constant_of(np.zeros(type.static_shape or ()), type.dtype)
        self.lines.append(f"self.{attribute} = nn.{layer.kind}({_arguments(layer)})")
        self._layers[key] = attribute
        return attribute

    def block(self, kind: str, wanted: str, module: Module) -> str:
        """The attribute that holds an instance of a block, with the weights of `module`."""
        attribute = self._names.new(wanted)
        self.lines.append(f"self.{attribute} = {kind}()")
        self.tensors.update((f"{attribute}.{name}", constant) for name, constant in module.tensors.items())
        return attribute

    def _layer_name(self, node: Node, layer: Layer) -> str:
        """The name of the source layer, or the path of its weight, or the kind of the layer."""
        if self._common is not None:
            return layer.kind.lower()
        for weight, _ in layer.weights.values():
            stem, _, last = self._wanted.get(weight, "").rpartition(".")
            if stem and last in layer.weights:
                return identifier(stem) or layer.kind.lower()
        source = node.source[0].layer if node.source else ""
        return identifier(source) or layer.kind.lower()


_PLAIN = frozenset((*(d for d in TORCH if d.is_integer), DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BOOL))
"""Element types whose numbers `torch.tensor` takes."""


def _turned(constant: Constant, axes: tuple[int, ...]) -> Constant:
    if not axes:
        return constant.reshaped((constant.elements,))
    return constant_of(np.ascontiguousarray(constant.array().transpose(axes)), constant.dtype)


def _key(layer: Layer) -> tuple[object, ...]:
    weights = tuple((name, value, axes) for name, (value, axes) in sorted(layer.weights.items()))
    return (layer.kind, _arguments(layer), weights)


def _arguments(layer: Layer) -> str:
    texts = [_literal(item) for item in layer.arguments]
    return ", ".join([*texts, *(f"{name}={_literal(item)}" for name, item in layer.keywords.items())])


def _literal(item: Argument) -> str:
    match item:
        case tuple() | list():
            items = [_literal(each) for each in item]
            return items[0] if len(items) == 1 else f"({', '.join(items)})"
        case DType():
            return dtype_text(item)
        case str():
            return string_text(item)
        case int() | float():
            return number_text(item)
        case None:
            return "None"
        case _:
            raise TypeError(f"{item!r} is no argument of a layer")
