"""The table of ATen operators: schema -> the function that turns a call into xir's operators.

    operators = Operators("aten")

    @operators.op("add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor")
    def add(call: Call, x: Value, y: Value, alpha: Number) -> Value: ...

One table serves exported programs, TorchScript and live modules. A handler gets the call and every argument of the
schema in its order, defaults filled in; tensors as values, sizes as dims; those that it writes besides its result as
places (`Tensor`). Arguments that change no element (`device`, `pin_memory`, ...) it does not get. Those that belong
together it may get as one record, a dataclass whose fields have their names:

    @dataclass(frozen=True, slots=True)
    class Window:
        kernel_size: Sequence[int]
        stride: Sequence[int]
        ...

    @operators.op("max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], ...) -> Tensor", records=(Window,))
    def max_pool(call: Call, x: Value, window: Window) -> Value: ...

It answers a value, or a tuple where the schema has several results, or a number.
Variants that write (`add_`, `out=`) need no handler where the operator that does not write has one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from importlib.resources import files
from typing import TYPE_CHECKING, TypeVar

from xir.frontends._handlers import Handlers
from xir.frontends.torch.schema import Schema, parse
from xir.ir.node import Value

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Handler = Callable[..., object]
F = TypeVar("F", bound=Handler)
Put = Callable[..., Value]

IGNORED = frozenset(
    (
        *("device", "pin_memory", "non_blocking", "memory_format", "layout", "generator", "requires_grad"),
        *("cudnn_enable", "cudnn_enabled", "benchmark", "deterministic", "allow_tf32"),
    )
)
"""Arguments that say where and in which order elements lie, which library computes them, or that belong to training; no
element depends on them."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One overload and what it means.

    Attributes:
        schema: its names, types and defaults.
        handler: (call, *arguments) -> its results.
        passed: the names of the arguments that the handler gets, in the order of the schema.
        places: names of arguments that the handler gets as places, because it writes them.
        put: of a view, (call, whole, part, *arguments after the first) -> the whole with other elements in the view.
        complex: as `handler`, where an argument is complex; None: it is not for complex numbers.
    """

    schema: Schema
    handler: Handler
    passed: tuple[str, ...]
    places: frozenset[str] = frozenset()
    put: Put | None = None
    complex: Handler | None = None


def core_aten() -> tuple[str, ...]:
    """The overloads of core ATen, to which exported programs are taken apart (torch 2.13, `torch.Tag.core`)."""
    return tuple(files("xir.frontends.torch").joinpath("core_aten.tsv").read_text("utf-8").split())


def _passed(schema: Schema) -> list[str]:
    """The arguments that say what the elements are; those that are given by name and written take the result."""
    return [
        argument.name
        for argument in schema.arguments
        if argument.name not in IGNORED and not (argument.is_written and argument.by_name)
    ]


def _gathering(handler: Handler, passed: Sequence[str], records: Sequence[type[DataclassInstance]]) -> Handler:
    """A handler of plain arguments that gives `handler` records in place of those that belong to them."""
    record_of = {field.name: record for record in records for field in fields(record) if field.name in passed}
    for record in records:
        needed = [field.name for field in fields(record) if field.default is MISSING]
        absent = [name for name in needed if name not in passed]
        if absent:
            raise TypeError(f"{record.__name__} needs {absent}, the schema has {list(passed)}")

    def gathered(call: object, *arguments: object) -> object:
        held: dict[type[DataclassInstance], dict[str, object]] = {}
        given: dict[str | type[DataclassInstance], object] = {}
        for name, argument in zip(passed, arguments, strict=True):
            record = record_of.get(name)
            if record is None:
                given[name] = argument
            else:
                given.setdefault(record, None)
                held.setdefault(record, {})[name] = argument
        given.update((record, record(**items)) for record, items in held.items())
        return handler(call, *given.values())

    return gathered


class Operators(Handlers[Handler]):
    """Operators of one namespace by name and overload (`add.Tensor`)."""

    def __init__(self, framework: str, *parts: Operators) -> None:
        """An empty table, or the union of `parts`; raises TypeError where two have one overload."""
        self._operators: dict[str, Operator] = {}
        self._overloads: dict[str, list[Operator]] = {}
        self._complex: dict[str, Callable[[Handler], Handler]] = {}
        super().__init__(framework)
        for part in parts:
            self.merge(part)
            for operator in part._operators.values():
                self._enter(operator)
            self._complex |= part._complex
        for name, make in self._complex.items():
            held = self._operators[name]
            self._replace(held, replace(held, complex=make(held.handler)))

    def op(
        self,
        *schemas: str,
        places: Collection[str] = (),
        records: Sequence[type[DataclassInstance]] = (),
        unused: Collection[str] = (),
    ) -> Callable[[F], F]:
        """Enters the decorated function as the handler of each of the overloads.

        Args:
            schemas: the overloads.
            places: arguments that it writes, for it gets them as places; those that the schema says are among them.
            records: dataclasses; it gets one in place of the arguments that have the names of its fields, where the
                first of them stands. A field that an overload has no argument for keeps its default.
            unused: arguments that it does not get, for its results do not depend on them.

        Raises:
            TypeError: one of them has a handler already, or lacks an argument that a record must have; or none of them
                has an argument that is not to be used.
            ValueError: a text is no schema.
        """
        parsed = [parse(text) for text in schemas]
        known = {argument.name for schema in parsed for argument in schema.arguments}
        if not known.issuperset(unused):
            raise TypeError(f"no schema has {sorted(set(unused) - known)}, which are not to be used")

        def enter(handler: F) -> F:
            for schema in parsed:
                self.add(schema.full_name, handler)
                passed = tuple(name for name in _passed(schema) if name not in unused)
                written = (argument.name for argument in schema.arguments if argument.is_written)
                gathered = _gathering(handler, passed, records) if records else handler
                self._enter(Operator(schema, gathered, passed, frozenset((*places, *written))))
            return handler

        return enter

    def put(self, *names: str) -> Callable[[Put], Put]:
        """Enters the decorated function as what a write through a view of these overloads does.

        Raises:
            KeyError: one of them has no handler yet.
        """

        def enter(put: Put) -> Put:
            for name in names:
                held = self._operators[name]
                self._replace(held, replace(held, put=put))
            return put

        return enter

    def complex(self, *names: str) -> Callable[[Callable[[Handler], Handler]], None]:
        """Says what these overloads do where an argument is complex: a function that makes that of their handlers.

        It holds from the union on that this table becomes a part of; the overloads may be other tables'.
        """

        def enter(make: Callable[[Handler], Handler]) -> None:
            self._complex.update(dict.fromkeys(names, make))

        return enter

    def _replace(self, held: Operator, made: Operator) -> None:
        self._operators[held.schema.full_name] = made
        overloads = self._overloads[held.schema.name]
        overloads[overloads.index(held)] = made

    def _enter(self, operator: Operator) -> None:
        self._operators[operator.schema.full_name] = operator
        self._overloads.setdefault(operator.schema.name, []).append(operator)

    def operator(self, name: str) -> Operator | None:
        """The overload of this full name (`add.Tensor`), or None."""
        return self._operators.get(name)

    def plain_of(self, full_name: str) -> Operator | None:
        """The operator that computes what a variant writes: of `resize_.default` `resize`, of `atan2.out` `atan2`."""
        name, _, overload = full_name.partition(".")
        in_place = name.endswith("_") and not name.endswith("__")
        if not in_place and not overload.endswith("out"):
            return None
        return next(iter(self.overloads(name[:-1] if in_place else name)), None)

    def overloads(self, name: str) -> tuple[Operator, ...]:
        """The overloads of an operator (`add`), in the order of their entry."""
        return tuple(self._overloads.get(name, ()))
