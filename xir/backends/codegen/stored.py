"""Programs as plain data and back: what a program does, without its code and its weights.

    program    = {name, slots, steps, inputs, outputs, sizes, constraints, formulas}
    slot       = [dtype or null, size..]
    step       = ["native", name, moments, writes, work, fault] | ["host", node, inputs, outputs]
    port       = [name, type, slot]
    type       = ["tensor", dtype, size..] | ["unranked", dtype] | ["sequence" | "optional", type]
               | ["map", dtype, type]
    size       = a number | the place of a formula, as text
    formula    = ["symbol", place] | ["//", size, size] | ["min" | "max", size..] | ["+", [number, [size, power]..]..]

Symbols are places in a list, nodes of the host places in a graph, which whoever reads has, too. JSON holds all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeAlias, cast

from xir.backends.codegen.engine import Code, native
from xir.errors import UnsupportedError
from xir.ir.constraints import Constraint
from xir.ir.dims import (
    Dim,
    Extremum,
    Polynomial,
    Quotient,
    Shape,
    Symbol,
    add,
    floor_divide,
    maximum,
    minimum,
    multiply,
    symbols_of,
)
from xir.ir.node import Value
from xir.ir.types import (
    MapType,
    OptionalType,
    SequenceType,
    TensorType,
    Type,
    UnrankedType,
    dtype_from_name,
)
from xir.runtime.program import HostCall, Port, Program, Slot, Step, Stretch

Plain: TypeAlias = object
"""What JSON holds: numbers, texts, null, and lists and tables of these."""
Operands: TypeAlias = tuple[tuple[int, Shape] | None, ...]
"""The slots of operands, and the sizes with which they are read; None where one is absent."""
Hosts: TypeAlias = Callable[[int, Operands, tuple[int, ...]], HostCall]
"""The step of the node at a place, with its operands and results."""


def symbols_in(values: Sequence[Value]) -> tuple[Symbol, ...]:
    """The symbols in the shapes of values, in order."""
    shapes = (value.shape for value in values if isinstance(value.type, TensorType))
    return tuple(dict.fromkeys(symbol for shape in shapes for dim in shape for symbol in symbols_of(dim)))


def stored(program: Program, symbols: Sequence[Symbol]) -> dict[str, Plain]:
    """A program as plain data.

    Raises:
        UnsupportedError: if it branches in Python, or mentions a symbol that is not listed.
    """
    write = _Writer({symbol: place for place, symbol in enumerate(symbols)})
    return {
        "name": program.name,
        "slots": [
            [None if each.dtype is None else str(each.dtype), *write.shape(each.shape)] for each in program.slots
        ],
        "steps": [write.step(each) for each in program.steps],
        "inputs": [write.port(each) for each in program.inputs],
        "outputs": [write.port(each) for each in program.outputs],
        "sizes": write.shape(program.sizes),
        "constraints": [[*write.shape((each.left, each.right)), each.reason] for each in program.constraints],
        "formulas": write.formulas,
    }


def restored(data: Mapping[str, Plain], symbols: Sequence[Symbol], code: Code, hosts: Hosts) -> Program:
    """The program of plain data that `stored` made; without its constants.

    Args:
        data: the data.
        symbols: the symbols that were listed.
        code: its machine code.
        hosts: makes the steps of nodes.
    """
    read = _Reader(symbols)
    for formula in _list(data["formulas"]):
        read.formulas.append(read.formula(_list(formula)))
    return Program(
        str(data["name"]),
        tuple(read.slot(_list(each)) for each in _list(data["slots"])),
        tuple(read.step(_list(each), code, hosts) for each in _list(data["steps"])),
        tuple(read.port(_list(each)) for each in _list(data["inputs"])),
        tuple(read.port(_list(each)) for each in _list(data["outputs"])),
        {},
        read.shape(_list(data["sizes"])),
        tuple(
            Constraint(read.dim(left), read.dim(right), str(reason))
            for left, right, reason in map(_list, _list(data["constraints"]))
        ),
        code,
    )


@dataclass(slots=True)
class _Writer:
    """Programs to plain data; equal formulas stand once."""

    symbols: Mapping[Symbol, int]
    formulas: list[Plain] = field(default_factory=list[Plain])
    places: dict[Dim, str] = field(default_factory=dict[Dim, str])

    def dim(self, dim: Dim) -> int | str:
        if isinstance(dim, int):
            return dim
        if dim not in self.places:
            formula = self._formula(dim)
            self.places[dim] = str(len(self.formulas))
            self.formulas.append(formula)
        return self.places[dim]

    def _formula(self, dim: Symbol | Quotient | Extremum | Polynomial) -> list[Plain]:
        match dim:
            case Symbol():
                if dim not in self.symbols:
                    raise UnsupportedError(f"the size {dim} is none of those that are listed")
                return ["symbol", self.symbols[dim]]
            case Quotient(numerator, denominator):
                return ["//", self.dim(numerator), self.dim(denominator)]
            case Extremum(kind, operands):
                return [kind, *map(self.dim, operands)]
            case Polynomial():
                return [
                    "+",
                    *([n, *([self.dim(atom), power] for atom, power in factors)] for factors, n in dim.terms.items()),
                ]

    def shape(self, shape: Shape) -> list[Plain]:
        return [self.dim(each) for each in shape]

    def type(self, type: Type) -> list[Plain]:
        match type:
            case TensorType(dtype, shape):
                return ["tensor", str(dtype), *self.shape(shape)]
            case UnrankedType(dtype):
                return ["unranked", str(dtype)]
            case SequenceType(element):
                return ["sequence", self.type(element)]
            case OptionalType(element):
                return ["optional", self.type(element)]
            case MapType(key, element):
                return ["map", str(key), self.type(element)]

    def port(self, port: Port) -> list[Plain]:
        return [port.name, self.type(port.value), port.slot]

    def step(self, step: Step) -> list[Plain]:
        match step:
            case Stretch():
                work = None if step.work is None else [[times, self.dim(size)] for times, size in step.work]
                return ["native", step.name, step.moments, step.writes, work, step.fault]
            case HostCall() if step.place is not None:
                inputs = [None if each is None else [each[0], *self.shape(each[1])] for each in step.inputs]
                return ["host", step.place, inputs, step.outputs]
            case _:
                raise UnsupportedError(f"{step.name} is a step of Python's own")


@dataclass(slots=True)
class _Reader:
    """Plain data to programs."""

    symbols: Sequence[Symbol]
    formulas: list[Dim] = field(default_factory=list[Dim])

    def dim(self, plain: Plain) -> Dim:
        return plain if isinstance(plain, int) else self.formulas[int(str(plain))]

    def formula(self, plain: list[Plain]) -> Dim:
        kind, *rest = plain
        match kind:
            case "symbol":
                return self.symbols[_int(rest[0])]
            case "//":
                return floor_divide(self.dim(rest[0]), self.dim(rest[1]))
            case "+":
                return reduce(add, (self._term(_list(each)) for each in rest))
            case _:
                return reduce(minimum if kind == "min" else maximum, map(self.dim, rest))

    def _term(self, plain: list[Plain]) -> Dim:
        factors = [self.dim(atom) for atom, power in map(_list, plain[1:]) for _ in range(_int(power))]
        number: Dim = _int(plain[0])
        return reduce(multiply, factors, number)

    def shape(self, plain: Sequence[Plain]) -> Shape:
        return tuple(self.dim(each) for each in plain)

    def type(self, plain: list[Plain]) -> Type:
        kind, *rest = plain
        match kind:
            case "tensor":
                return TensorType(dtype_from_name(str(rest[0])), self.shape(rest[1:]))
            case "unranked":
                return UnrankedType(dtype_from_name(str(rest[0])))
            case "sequence":
                return SequenceType(self.type(_list(rest[0])))
            case "optional":
                return OptionalType(self.type(_list(rest[0])))
            case _:
                return MapType(dtype_from_name(str(rest[0])), self.type(_list(rest[1])))

    def slot(self, plain: list[Plain]) -> Slot:
        dtype, *shape = plain
        return Slot(None if dtype is None else dtype_from_name(str(dtype)), self.shape(shape))

    def port(self, plain: list[Plain]) -> Port:
        name, type, slot = plain
        return Port(str(name), self.type(_list(type)), _int(slot))

    def step(self, plain: list[Plain], code: Code, hosts: Hosts) -> Step:
        if plain[0] == "native":
            _, name, moments, writes, work, fault = plain
            touched = tuple(_slots(each) for each in _list(moments))
            return native(
                code,
                str(name),
                touched,
                _slots(writes),
                work=None if work is None else tuple(self._work(_list(each)) for each in _list(work)),
                fault=None if fault is None else _int(fault),
            )
        _, place, inputs, outputs = plain
        read = tuple(None if each is None else self._read(_list(each)) for each in _list(inputs))
        return hosts(_int(place), read, _slots(outputs))

    def _work(self, plain: list[Plain]) -> tuple[int, Dim]:
        times, size = plain
        return _int(times), self.dim(size)

    def _read(self, plain: list[Plain]) -> tuple[int, Shape]:
        return _int(plain[0]), self.shape(plain[1:])


def _list(plain: Plain) -> list[Plain]:
    return cast("list[Plain]", plain)


def _int(plain: Plain) -> int:
    return cast("int", plain)


def _slots(plain: Plain) -> tuple[int, ...]:
    return tuple(cast("list[int]", plain))
