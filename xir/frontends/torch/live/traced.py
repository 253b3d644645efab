"""A live graph of torch.fx with the values that tracing noted, as a program: what a compiler of torch.compile is given.

Its inputs are tensors and numbers. Numbers are the sizes of tensors; where no tensor has such a size, the program gets
an input that is fed for its size alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from xir.errors import UnsupportedError
from xir.frontends.torch.formulas import parse_formula
from xir.frontends.torch.live.exported import ranges_of
from xir.frontends.torch.live.graphs import FxReader
from xir.frontends.torch.live.objects import FxModule, LiveTensor, SupportsStrides
from xir.frontends.torch.live.tensors import constant_of
from xir.frontends.torch.program import Argument, Body, Input, Node, Output, Program, Reference, TensorInfo, Weight
from xir.ir.types import DType


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """What an input of the program is fed.

    Attributes:
        place: the number of the graph's argument.
        by_size: whether the argument is a number, and the input is fed for its size alone.
        order: the axes of the argument in the order in which the input has them.
    """

    place: int
    by_size: bool
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A graph of torch.fx; its tensors come and go as they lie in memory, their axes in that order.

    Attributes:
        program: what it computes.
        feeds: what the inputs of the program are.
        orders: for each output the order in which it has the axes of the graph's result, from the largest stride to
            the smallest, as tracing saw them; None for a number.
    """

    program: Program
    feeds: tuple[Feed, ...]
    orders: tuple[tuple[int, ...] | None, ...]


def read_traced(module: FxModule, name: str, frozen: Mapping[int, LiveTensor]) -> Traced:
    """The program of a graph.

    Args:
        module: its calls are ATen operators, every value is noted.
        name: of the program.
        frozen: inputs that become weights, by number.

    Raises:
        UnsupportedError: it does what no program can.
    """
    reader = FxReader(module)
    body = reader.body()
    values = {node.name: node.meta.get("val") for node in module.graph.nodes}
    names = [item.name for item in body.inputs if isinstance(item, Reference)][
        : len(body.inputs) - len(reader.constants)
    ]
    turner = _Turner(dict(body.tensors))
    tensors = turner.tensors
    bare = {size for each in names if each in tensors for size in tensors[each].shape if isinstance(size, str)}
    weights = {each: Weight(constant_of(tensor, repr(each))) for each, tensor in reader.constants.items()}
    inputs: list[Input] = []
    feeds: list[Feed] = []
    for place, each in enumerate(names):
        if place in frozen:
            inputs.append(Input(each, "constant", each))
            weights[each] = Weight(constant_of(frozen[place], repr(each)))
        elif each in tensors:
            order = _dense_order(values[each])
            inputs.append(Input(turner.fed(each, order), "user"))
            feeds.append(Feed(place, False, order))
        else:
            symbol = _symbol(body.quantities.get(each), each)
            inputs.append(Input(each, "size"))
            if symbol is not None and symbol not in bare:
                bare.add(symbol)
                inputs.append(Input(f"size of {symbol}", "user"))
                tensors[f"size of {symbol}"] = TensorInfo(DType.BOOL, (symbol,))
                feeds.append(Feed(place, True, (0,)))
    inputs += [Input(each, "constant", each) for each in reader.constants]
    orders = tuple(_order(values.get(each.name)) if isinstance(each, Reference) else None for each in body.outputs)
    outputs = tuple(turner.answered(argument, order) for argument, order in zip(body.outputs, orders, strict=True))
    whole = tuple(Reference(input_.name) for input_ in inputs)
    nodes = (*turner.before, *body.nodes, *turner.after.values())
    body = Body(whole, nodes, outputs, False, tensors, body.quantities)
    answers = tuple(Output(argument, "user") for argument in outputs)
    return Traced(Program(name, name, body, tuple(inputs), answers, weights, _ranges(module)), tuple(feeds), orders)


class _Turner:
    """Tensors that come and go with their axes in another order.

    Attributes:
        tensors: what is known of all tensors.
        before: the calls that turn inputs.
        after: {name: the call that turns it} of outputs.
    """

    def __init__(self, tensors: dict[str, TensorInfo]) -> None:
        self.tensors = tensors
        self.before: list[Node] = []
        self.after: dict[str, Node] = {}

    def fed(self, name: str, order: tuple[int, ...]) -> str:
        """What is fed in the place of an input whose axes lie in this order."""
        if order == tuple(range(len(order))):
            return name
        there = self._described(name, order)
        self.before.append(_permuted(name, there, tuple(map(order.index, range(len(order))))))
        return there

    def answered(self, argument: Argument, order: tuple[int, ...] | None) -> Argument:
        """What is answered in the place of an output whose axes are wanted in this order."""
        if order is None or order == tuple(range(len(order))) or not isinstance(argument, Reference):
            return argument
        if argument.name not in self.after:
            self.after[argument.name] = _permuted(self._described(argument.name, order), argument.name, order)
        return Reference(self.after[argument.name].name)

    def _described(self, name: str, order: tuple[int, ...]) -> str:
        info = self.tensors[name]
        self.tensors[f"{name} as it lies"] = TensorInfo(info.dtype, tuple(info.shape[axis] for axis in order))
        return f"{name} as it lies"


def _permuted(made: str, name: str, order: tuple[int, ...]) -> Node:
    return Node(made, "aten.permute.default", (Reference(name), order), {}, made)


def _symbol(quantity: object, name: str) -> str | None:
    """The symbol that a number is; None where the number is known.

    Raises:
        UnsupportedError: it is no whole number, or a formula of symbols.
    """
    if isinstance(quantity, int):
        return None
    if not isinstance(quantity, str) or parse_formula(quantity).parts is not None:
        raise UnsupportedError(f"the number {name!r} is {quantity!r}", hint="pass a tensor, or a whole number")
    return quantity


def _ranges(module: FxModule) -> dict[str, tuple[int | None, int | None]]:
    """What tracing found of the symbols (torch/fx/experimental/symbolic_shapes.py, `ShapeEnv.var_to_range`)."""
    for node in module.graph.nodes:
        value = node.meta.get("val")
        for number in (value, *getattr(value, "shape", ())):
            held: object = getattr(getattr(getattr(number, "node", None), "shape_env", None), "var_to_range", None)
            if isinstance(held, Mapping):
                return ranges_of(cast("Mapping[object, object]", held))
    return {}


def _order(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, SupportsStrides):
        return None
    strides = [_hint(stride) for stride in value.stride()]
    sizes = [_hint(size) for size in value.shape]
    kept = [axis for axis, size in enumerate(sizes) if size != 1]
    ordered = iter(sorted(kept, key=lambda axis: -strides[axis]))
    return tuple(next(ordered) if size != 1 else axis for axis, size in enumerate(sizes))


def _dense_order(value: object) -> tuple[int, ...]:
    """The axes as they lie in memory; where there are gaps between elements, as they are numbered."""
    order, plain = _order(value), tuple(range(len(value.shape))) if isinstance(value, SupportsStrides) else ()
    if order is None or not isinstance(value, SupportsStrides):
        return plain
    step = 1
    strides, sizes = value.stride(), value.shape
    for axis in reversed(order):
        if _hint(sizes[axis]) != 1 and _hint(strides[axis]) != step:
            return plain
        step *= _hint(sizes[axis])
    return order


def _hint(number: object) -> int:
    """What a number was while it was traced."""
    hint: object = number if isinstance(number, int) else getattr(getattr(number, "node", None), "hint", None)
    return hint if isinstance(hint, int) else 2
