"""A live graph of torch.fx with the values that tracing noted, as a program: what a compiler of torch.compile is given.

Its inputs are tensors and numbers. Numbers are the sizes of tensors; where no tensor has such a size, the program gets
an input that is fed for its size alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xir.errors import UnsupportedError
from xir.frontends.torch.formulas import parse_formula
from xir.frontends.torch.live.exported import ranges_of
from xir.frontends.torch.live.graphs import FxReader
from xir.frontends.torch.live.objects import FxModule, FxNode, LiveTensor, SupportsStrides
from xir.frontends.torch.live.tensors import constant_of
from xir.frontends.torch.program import Argument, Input, Output, Program, Reference, TensorInfo, Weight
from xir.ir.types import DType


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A graph of torch.fx.

    Attributes:
        program: it makes what is not just handed through.
        feeds: for each input of the program the number of the graph's argument, and whether that is fed for its size.
        results: for each result of the graph the number of the program's output, ..
        through: .. or that of the argument which it is, ..
        constants: .. or what it always is.
        orders: for each output of the program its axes from the largest stride to the smallest, as tracing saw them;
            None for a number.
    """

    program: Program
    feeds: tuple[tuple[int, bool], ...]
    results: Mapping[int, int]
    through: Mapping[int, int]
    constants: Mapping[int, Argument]
    orders: tuple[tuple[int, ...] | None, ...]


def read_traced(module: FxModule, name: str, frozen: Mapping[int, LiveTensor]) -> Traced:
    """The program of a graph.

    Args:
        module: its calls are ATen operators, every value is noted.
        name: of the program.
        frozen: inputs that become weights, by number.

    Raises:
        UnsupportedError: it does what no program can, or draws random numbers, which must differ from call to call.
    """
    _refuse_random(module)
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
    results, through, constants = _sorted(body.outputs, names)
    whole = tuple(Reference(input_.name) for input_ in inputs)
    outputs = tuple(Output(body.outputs[place], "user") for place in results)
    body = type(body)(whole, body.nodes, tuple(each.argument for each in outputs), False, tensors, body.quantities)
    program = Program(name, name, body, tuple(inputs), outputs, weights, _ranges(module))
    numbers = {place: number for number, place in enumerate(results)}
    orders = _orders(module, [output.argument for output in outputs])
    return Traced(program, tuple(feeds), numbers, through, constants, orders)


_ATTENTION = "aten._scaled_dot_product_flash_attention_for_cpu.default"
"""Draws numbers for dropout alone."""


def _dropped(node: FxNode) -> object:
    """How much an attention drops: `dropout_p`, its fourth argument."""
    return node.args[3] if len(node.args) > 3 else node.kwargs.get("dropout_p", 0.0)


def _refuse_random(module: FxModule) -> None:
    """A graph draws the same numbers on every call; PyTorch's generators go on (torch.Tag.nondeterministic_seeded)."""
    for node in module.graph.nodes:
        tags = cast("Iterable[object]", getattr(node.target, "tags", ()))
        is_random = any(getattr(tag, "name", "") == "nondeterministic_seeded" for tag in tags)
        if is_random and not (str(node.target) == _ATTENTION and not _dropped(node)):
            raise UnsupportedError(
                f"{node.target} draws random numbers of PyTorch's generator", hint="call eval() on the module to infer"
            )


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


def _sorted(outputs: Iterable[Argument], names: list[str]) -> tuple[list[int], dict[int, int], dict[int, Argument]]:
    """Which outputs are made, which are inputs, which are constants."""
    place_of = {name: place for place, name in enumerate(names)}
    made: list[int] = []
    through: dict[int, int] = {}
    constants: dict[int, Argument] = {}
    for place, output in enumerate(outputs):
        if not isinstance(output, Reference):
            constants[place] = output
        elif output.name in place_of:
            through[place] = place_of[output.name]
        else:
            made.append(place)
    return made, through, constants


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
