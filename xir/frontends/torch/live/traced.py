"""A live graph of torch.fx with the values that tracing noted, as a program: what a compiler of torch.compile is given.

Its inputs are tensors and numbers. Numbers are the sizes of tensors; where no tensor has such a size, the program gets
an input that is fed for its size alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xir.errors import UnsupportedError
from xir.frontends.torch.formulas import parse_formula
from xir.frontends.torch.live.exported import ranges_of
from xir.frontends.torch.live.graphs import FxReader
from xir.frontends.torch.live.objects import FxModule, LiveTensor, SupportsStrides
from xir.frontends.torch.live.tensors import constant_of
from xir.frontends.torch.program import Argument, Body, Input, Output, Program, Reference, TensorInfo, Weight
from xir.ir.types import DType


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A graph of torch.fx.

    Attributes:
        program: what it computes.
        feeds: for each input of the program the number of the graph's argument, and whether that is fed for its size.
        orders: for each output its axes from the largest stride to the smallest, as tracing saw them; None for a
            number.
    """

    program: Program
    feeds: tuple[tuple[int, bool], ...]
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
    tensors = dict(body.tensors)
    names = [item.name for item in body.inputs if isinstance(item, Reference)][
        : len(body.inputs) - len(reader.constants)
    ]
    bare = {size for each in names if each in tensors for size in tensors[each].shape if isinstance(size, str)}
    weights = {each: Weight(constant_of(tensor, repr(each))) for each, tensor in reader.constants.items()}
    inputs: list[Input] = []
    feeds: list[tuple[int, bool]] = []
    for place, each in enumerate(names):
        if place in frozen:
            inputs.append(Input(each, "constant", each))
            weights[each] = Weight(constant_of(frozen[place], repr(each)))
        elif each in tensors:
            inputs.append(Input(each, "user"))
            feeds.append((place, False))
        else:
            symbol = _symbol(body.quantities.get(each), each)
            inputs.append(Input(each, "size"))
            if symbol is not None and symbol not in bare:
                bare.add(symbol)
                inputs.append(Input(f"size of {symbol}", "user"))
                tensors[f"size of {symbol}"] = TensorInfo(DType.BOOL, (symbol,))
                feeds.append((place, True))
    inputs += [Input(each, "constant", each) for each in reader.constants]
    whole = tuple(Reference(input_.name) for input_ in inputs)
    body = Body(whole, body.nodes, body.outputs, False, tensors, body.quantities)
    outputs = tuple(Output(argument, "user") for argument in body.outputs)
    program = Program(name, name, body, tuple(inputs), outputs, weights, _ranges(module))
    return Traced(program, tuple(feeds), _orders(module, body.outputs))


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


def _orders(module: FxModule, outputs: Sequence[Argument]) -> tuple[tuple[int, ...] | None, ...]:
    """The axes of outputs from the largest stride to the smallest; None for what no tensor is."""
    values = {node.name: node.meta.get("val") for node in module.graph.nodes}
    return tuple(_order(values.get(output.name)) if isinstance(output, Reference) else None for output in outputs)


def _order(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, SupportsStrides):
        return None
    strides = [_hint(stride) for stride in value.stride()]
    sizes = [_hint(size) for size in value.shape]
    kept = [axis for axis, size in enumerate(sizes) if size != 1]
    ordered = iter(sorted(kept, key=lambda axis: -strides[axis]))
    return tuple(next(ordered) if size != 1 else axis for axis, size in enumerate(sizes))


def _hint(number: object) -> int:
    """What a number was while it was traced."""
    hint: object = number if isinstance(number, int) else getattr(getattr(number, "node", None), "hint", None)
    return hint if isinstance(hint, int) else 2
