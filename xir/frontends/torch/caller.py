"""Calls of ATen operators: the overload is found, arguments are read, results become places, writes are done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.frontends.torch.arguments import Bound, bind, fits, several
from xir.frontends.torch.call import COMPLEX, RAGGED, Call, Scope
from xir.frontends.torch.operators import Handler, Operator, Operators
from xir.frontends.torch.tensor import WHOLE, Computed, Lens, Tensor
from xir.ir.broadcasting import needs_broadcast
from xir.ir.dims import SymbolicDim
from xir.ir.node import Value
from xir.ops.elementwise import cast
from xir.ops.shape import broadcast

_IN_PLACE = re.compile(r"__i(and|or|xor|lshift|rshift)__")
"""Python's names of operators that write."""

_RESIZING = frozenset({"resize", "resize_as"})
"""Operators whose variants that write change the shape of what they write."""


class Caller:
    """Calls operators by their names in PyTorch.

    Attributes:
        operators: {namespace: its table}.
        scope: what all calls share.
    """

    def __init__(self, operators: Mapping[str, Operators], scope: Scope) -> None:
        """A caller of the operators of these tables."""
        self.operators = operators
        self.scope = scope

    def call(self, kind: str, items: Sequence[object], named: Mapping[str, object]) -> object:
        """The result of an operator: a `Tensor`, a number, or a tuple of such.

        Args:
            kind: `aten.add.Tensor`, or `aten.add` where the types of the arguments say which overload is meant.
            items: the arguments by place: tensors, numbers, text, types, None, and lists of such.
            named: the arguments by name.

        Raises:
            UnsupportedError: xir does not know the operator, or what is asked of it.
            InvalidModelError: the arguments do not fit it.
        """
        namespace, name, overload = (*kind.split("."), "", "")[:3]
        table = self.operators.get(namespace)
        operator = None if table is None else _found(table, name, overload, items, named)
        written: str | None = None
        if operator is None and table is not None:
            operator, written = _functional(table, name, overload, items, named)
        if operator is None:
            raise UnsupportedError(
                "xir does not know this operator", hint="xir ops --framework torch lists those that it knows"
            )
        bound = bind(operator, items, {key: item for key, item in named.items() if key != written or key != "out"})
        target = named.get("out") if written == "out" else bound.held.get(written) if written else None
        return self._result(Call(f"{namespace}.{operator.schema.full_name}", self.scope), bound, target)

    def _result(self, call: Call, bound: Bound, target: object) -> object:
        schema = bound.operator.schema
        arguments = [bound.held[name] for name in bound.operator.passed]
        made = _handled(bound.operator, call, arguments)
        if isinstance(target, Tensor):
            if not isinstance(made, Value):
                call.refuse("writes several tensors")
            if schema.view_of is not None:
                target.turn(made, _lens(bound.operator, call, arguments, None))
                return target
            target.write(made if schema.name in _RESIZING else _as(made, target.value))
            return target
        whole = bound.held.get(schema.view_of) if schema.view_of is not None else None
        if not isinstance(whole, Tensor):
            return _places(made)
        return _views(whole, made, bound.operator, call, arguments)


def _views(whole: Tensor, made: object, operator: Operator, call: Call, arguments: Sequence[object]) -> object:
    """Results that show parts of an argument."""
    results = several(made)
    if results is not None:
        parts = [part for part in results if isinstance(part, Value)]
        return tuple(whole.view(part, _lens(operator, call, arguments, index)) for index, part in enumerate(parts))
    if not isinstance(made, Value):
        return made
    return whole.view(made, WHOLE if made is whole.value else _lens(operator, call, arguments, None))


def _lens(operator: Operator, call: Call, arguments: Sequence[object], index: int | None) -> Lens:
    """How a result, or one of several, lies in the argument that it shows."""
    place = [argument.name for argument in operator.schema.arguments].index(operator.schema.view_of or "")

    def get(value: Value) -> Value:
        given = [*arguments[:place], Tensor(value), *arguments[place + 1 :]]
        found = _handled(operator, call, given)
        part = found if index is None else (several(found) or ())[index]
        if not isinstance(part, Value):
            raise InvalidModelError(f"{call.kind} is no view any more")
        return part

    if operator.put is None or index is not None or _is_complex(_read(arguments)[place]):
        return Lens(get)
    rest = _read([*arguments[:place], *arguments[place + 1 :]])
    put: Callable[..., Value] = operator.put
    return Lens(get, lambda value, part: put(call, value, part, *rest))


def _handled(operator: Operator, call: Call, arguments: Sequence[object]) -> object:
    """What the handler makes of a call; operands of ranks or numbers that no array has end here."""
    given = _read(arguments)
    if operator.places:
        given = [
            old if name in operator.places else new
            for name, old, new in zip(operator.passed, arguments, given, strict=True)
        ]
    try:
        with np.errstate(all="ignore"):  # numbers that no type holds become infinite or NaN, as in PyTorch
            made = _handler(operator, call, given)(call, *given)
    except (ValueError, IndexError, OverflowError, ZeroDivisionError) as error:
        raise InvalidModelError(f"the arguments do not go with each other: {error}") from error
    except TypeError as error:
        if not _has_open_number(given):
            raise
        raise UnsupportedError("a number that only the run knows stands where it must be known before") from error
    except MemoryError as error:
        raise UnsafeError("asks for more memory than there is", number=806) from error
    results = several(made)
    return made if results is None else results


def _has_open_number(items: Sequence[object]) -> bool:
    """Whether a number among the arguments, or in a list of them, is a size with symbols or computed in the run."""
    return any(isinstance(part, SymbolicDim | Computed) for item in items for part in several(item) or (item,))


def _handler(operator: Operator, call: Call, given: Sequence[object]) -> Handler:
    """The handler, or its rule for complex numbers where one is among the arguments."""
    if call.scope.ragged and operator.schema.name not in RAGGED:
        parts = [part for item in given for part in several(item) or (item,)]
        if any(isinstance(part, Value) and part in call.scope.ragged for part in parts):
            call.refuse("sequences of several lengths (packed or nested)", "pad them before this call")
    if not any(_is_complex(part) for item in given for part in several(item) or (item,)):
        return operator.handler
    if operator.complex is None:
        call.refuse("complex numbers", "use torch.view_as_real before it")
    return operator.complex


def _is_complex(item: object) -> bool:
    return isinstance(item, complex) or (isinstance(item, Value) and item.dtype in COMPLEX)


def _read(items: Sequence[object]) -> list[object]:
    """The items with values in place of tensors."""
    return [_read_item(item) for item in items]


def _read_item(item: object) -> object:
    parts = several(item)
    if parts is not None:
        return tuple(_read(parts))
    return item.value if isinstance(item, Tensor) else item


def _places(made: object) -> object:
    results = several(made)
    if results is not None:
        return tuple(_places(item) for item in results)
    return Tensor(made) if isinstance(made, Value) else made


def _as(value: Value, like: Value) -> Value:
    """What a write leaves: the new elements in the type and shape of the old ones."""
    if like.dtype in COMPLEX or value.dtype in COMPLEX:
        if value.type != like.type:
            raise UnsupportedError(f"writes {value.type!r} to complex numbers {like.type!r}")
        return value
    value = value if value.dtype is like.dtype else cast(value, dtype=like.dtype)
    return broadcast(value, shape=like.shape) if needs_broadcast(value.shape, like.shape) else value


def _found(
    table: Operators, name: str, overload: str, items: Sequence[object], named: Mapping[str, object]
) -> Operator | None:
    """The overload of this name, or the first one that the arguments fit."""
    if overload:
        return table.operator(f"{name}.{overload}")
    return next((each for each in table.overloads(name) if fits(each.schema, items, named)), None)


def _functional(
    table: Operators, name: str, overload: str, items: Sequence[object], named: Mapping[str, object]
) -> tuple[Operator | None, str | None]:
    """The operator that computes what a variant writes, with the name of the argument that is written.

    `add_.Tensor` writes its first argument; `add.out` writes `out` (aten/src/ATen/native/README.md, "variants").
    """
    short = _IN_PLACE.fullmatch(name)
    if short is not None or (name.endswith("_") and not name.endswith("__")):
        plain = f"__{short[1]}__" if short is not None else name[:-1]
        operator = _found(table, plain, overload, items, named)
        if operator is None or not fits(operator.schema, items, named):  # `pow_.Scalar` is `pow.Tensor_Scalar`
            operator = _found(table, plain, "", items, named) or operator
        return operator, operator.schema.arguments[0].name if operator is not None else None
    if "out" in named:
        rest = {key: item for key, item in named.items() if key != "out"}
        wanted = overload.removesuffix("_out") if overload != "out" else ""
        operator = _found(table, name, wanted, items, rest) or _found(table, name, "", items, rest)
        return operator, "out"
    return None, None
