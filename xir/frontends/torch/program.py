"""A program of PyTorch as plain data: calls of operators by name, what they read and what they make.

Readers fill it (archives of torch.export, live exported programs, modules of torch.fx); `importer.py` makes a graph of
it. Nothing here knows what an operator means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from xir.ir.constant import Constant
from xir.ir.types import DType


@dataclass(frozen=True, slots=True)
class Reference:
    """An argument that an earlier call has made, or that is an input, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class OperatorName:
    """An argument that is an operator (`aten.add_.Tensor`)."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Subgraph:
    """An argument that is a body of a higher-order operator."""

    name: str
    body: Body


Argument: TypeAlias = (
    bool
    | int
    | float
    | complex
    | str
    | DType
    | Reference
    | OperatorName
    | Subgraph
    | tuple["Argument", ...]
    | Mapping[str, "Argument"]
    | None
)
"""What a call may be given. A device is its name, a layout or memory format the name that PyTorch gives it."""

Names: TypeAlias = str | tuple["Names", ...] | None
"""What the results of a call are called: one name, one a result, or None where a result has none."""

Size: TypeAlias = int | str
"""A size: a number, or a formula of symbols as sympy writes it (`srepr` or `str`)."""

Quantity: TypeAlias = bool | int | float | str
"""A number, or the formula of one."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a program says of a tensor.

    Attributes:
        dtype: the type of its elements.
        shape: its sizes.
    """

    dtype: DType
    shape: tuple[Size, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One call.

    Attributes:
        name: of the call.
        target: what is called: `aten.add.Tensor`, `_operator.add`, `math.trunc`, `higher_order.cond`.
        items: the arguments by place.
        named: the arguments by name.
        results: what the results are called.
        path: the names of the modules around, outermost first, without the model itself.
        module: the class of the innermost of them, the model's own where there is none around.
        trace: the stack trace of the line that made the call, as Python prints it.
    """

    name: str
    target: str
    items: tuple[Argument, ...]
    named: Mapping[str, Argument]
    results: Names
    path: tuple[str, ...] = ()
    module: str | None = None
    trace: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """Calls in order, with inputs and outputs.

    Attributes:
        inputs: a reference by whose name the calls read it, or a constant that the program was made for.
        nodes: the calls.
        outputs: references, constants, or None.
        is_single: whether its result is the one output itself and no tuple of it.
        tensors: what the program says of tensors, by name.
        quantities: what it says of numbers, by name.
    """

    inputs: tuple[Argument, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Argument, ...]
    is_single: bool = False
    tensors: Mapping[str, TensorInfo] = field(default_factory=dict[str, TensorInfo])
    quantities: Mapping[str, Quantity] = field(default_factory=dict[str, Quantity])


InputRole: TypeAlias = Literal["user", "parameter", "buffer", "constant", "object", "token", "size"]
OutputRole: TypeAlias = Literal[
    "user", "loss", "buffer", "parameter", "input", "parameter gradient", "input gradient", "token"
]


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """What an input of the program is.

    Attributes:
        name: by which calls read it.
        role: what a caller feeds (`user`), a weight of the model, something that no tensor is, or a number that the
            sizes of the tensors tell (`size`), which nobody feeds.
        target: the name of the weight in the model (`layer1.0.conv.weight`).
        value: of a user's input, the constant that the program was made for, as a tuple of one; else empty.
    """

    name: str
    role: InputRole
    target: str = ""
    value: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """What an output of the program is.

    Attributes:
        argument: the reference to it, or a constant.
        role: what the caller gets (`user`, `loss`), or the new elements of a weight or input.
        target: which weight or input that is.
    """

    argument: Argument
    role: OutputRole
    target: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """A parameter, buffer or constant tensor of the model.

    Attributes:
        constant: its elements.
        trainable: whether it is a parameter that has gradients.
    """

    constant: Constant
    trainable: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A model.

    Attributes:
        name: of the model.
        file: the file that it was read from, without its folder.
        body: the calls.
        inputs: what the inputs of the body are, in their order.
        outputs: what the outputs of the body are, in their order.
        weights: by their names in the model.
        ranges: {symbol: (smallest, largest)}; None where there is no bound.
        guards: what holds of the inputs that the program is for, as Python expressions.
        output_paths: where each of the outputs that the caller gets stands in what the model returns: keys of
            dictionaries as text, places in lists as numbers.
        version: which torch made it.
        notes: what a person should know of what the reader could not read.
    """

    name: str
    file: str
    body: Body
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    weights: Mapping[str, Weight]
    ranges: Mapping[str, tuple[int | None, int | None]] = field(
        default_factory=dict[str, tuple[int | None, int | None]]
    )
    guards: tuple[str, ...] = ()
    output_paths: tuple[tuple[str | int, ...], ...] = ()
    version: str = ""
    notes: tuple[str, ...] = ()
