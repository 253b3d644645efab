"""Lists, tuples, dictionaries and text of TorchScript."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from xir.errors import InvalidModelError
from xir.frontends._problems import LostError
from xir.frontends.torch.script import growing
from xir.frontends.torch.script.growing import Growing, Rows, is_open
from xir.frontends.torch.script.objects import Member, Object
from xir.frontends.torch.script.sizes import NumberTensor
from xir.frontends.torch.script.values import (
    Lost,
    Unreadable,
    is_list,
    is_number,
    is_sequence,
    is_table,
    told,
)
from xir.frontends.torch.symbolic import SYMBOLIC
from xir.frontends.torch.tensor import Computed, Number, Tensor

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter

Rule: TypeAlias = Callable[["Interpreter", list[object], dict[str, object]], object]


def truth(interpreter: Interpreter, value: object) -> bool | Computed:
    """Whether a value counts as true: known, or decided in the run.

    Raises:
        InvalidModelError: it is nothing that counts as true or false.
    """
    if isinstance(value, NumberTensor) and value.number is not None:
        value = value.number
    if isinstance(value, Tensor):
        value = interpreter.operator("torch.item", [value], {})
    if isinstance(value, bool | Computed) and not (isinstance(value, Computed) and value.value.dtype.bits > 8):
        return value
    if is_number(value):
        made = SYMBOLIC["_operator.ne"](interpreter.call, value, 0)
        if isinstance(made, bool | Computed):
            return made
    if isinstance(value, str | list | tuple | dict):
        return bool(cast("list[object]", value))
    raise InvalidModelError(f"{told(value)} decides")


def equal_values(interpreter: Interpreter, a: object, b: object) -> Number:
    """Whether two values are equal, as far as it is known: a number, text, or lists of such."""
    if is_number(a) and is_number(b):
        if isinstance(a, complex) or isinstance(b, complex):
            return a == b
        return SYMBOLIC["_operator.eq"](interpreter.call, a, b)
    if is_sequence(a) and is_sequence(b):
        return _equal_lists(interpreter, cast("Sequence[object]", a), cast("Sequence[object]", b))
    if is_table(a) and is_table(b):
        left, right = a, b
        if left.keys() != right.keys():
            return False
        return _equal_lists(interpreter, list(left.values()), [right[key] for key in left])
    if isinstance(a, Member) and isinstance(b, Member):
        return a.kind == b.kind and equal_values(interpreter, a.value, b.value)
    if isinstance(a, Object) and isinstance(b, Object):
        made = interpreter.method(a, "__eq__", (b,))
        return a is b if made is None else truth(interpreter, made)
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return truth(interpreter, interpreter.operator("torch.equal", [a, b], {}))
    return type(a) is type(b) and a == b


def _equal_lists(interpreter: Interpreter, a: Sequence[object], b: Sequence[object]) -> Number:
    interpreter.charge(len(a))
    if len(a) != len(b):
        return False
    result: Number = True
    for left, right in zip(a, b, strict=True):
        same = equal_values(interpreter, left, right)
        if same is False:
            return False
        result = SYMBOLIC["_operator.and_"](interpreter.call, result, same) if result is not True else same
    return result


def _list(value: object) -> list[object]:
    if not is_list(value):
        raise InvalidModelError(f"a list is needed, got {told(value)}")
    return value


def _table(value: object) -> dict[object, object]:
    if not is_table(value):
        raise InvalidModelError(f"a dictionary is needed, got {told(value)}")
    return value


def _place(interpreter: Interpreter, index: object, length: int) -> int:
    """A place in a list, counted from the front."""
    if isinstance(index, bool) or not isinstance(index, int):
        interpreter.refuse(f"an item of a list at {told(index)}")
    if not -length <= index < length:
        raise InvalidModelError(f"there is no item {index} among {length}")
    return index % length


def _read(interpreter: Interpreter, value: object) -> object:
    if isinstance(value, Growing | Rows):
        interpreter.refuse("an item of a list that a loop adds to")
    if isinstance(value, Lost):
        raise LostError
    if isinstance(value, Unreadable):
        interpreter.refuse(value.reason)
    return value


def _get_item(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    of, key = items
    if is_table(of):
        table = of
        if key not in table:
            raise InvalidModelError(f"there is no key {told(key)}")
        return _read(interpreter, table[key])
    if is_sequence(of):
        held = cast("Sequence[object]", of)
        if is_open(of):
            return interpreter.operator("torch.select", [growing.stacked(interpreter, _list(of)), 0, key], {})
        return _read(interpreter, held[_place(interpreter, key, len(held))])
    if isinstance(of, str):
        return of[_place(interpreter, key, len(of))]
    if isinstance(of, Tensor):
        return interpreter.operator("torch.select", [of, 0, key], {})
    if isinstance(of, Object):
        return interpreter.method(of, "__getitem__", (key,))
    raise InvalidModelError(f"an item of {told(of)}")


def _set_item(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    of, key, value = items
    if is_table(of):
        _key(interpreter, key)
        of[key] = value
    elif is_list(of):
        held = of
        held[_place(interpreter, key, len(held))] = value
    else:
        return NotImplemented
    return of


def _key(interpreter: Interpreter, key: object) -> object:
    if not isinstance(key, str | int | float):
        interpreter.refuse(f"a dictionary whose key is {told(key)}")
    return key


def _length(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    of = items[0]
    if isinstance(of, Tensor):
        if not of.value.rank:
            raise InvalidModelError("the length of a tensor without axes")
        return of.value.shape[0]
    if isinstance(of, Object):
        return interpreter.method(of, "__len__", ())
    if is_open(of):
        return growing.length(interpreter, _list(of))
    if isinstance(of, list | tuple | dict | str):
        return len(cast("Sequence[object]", of))
    raise InvalidModelError(f"the length of {told(of)}")


def _contains(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    of, wanted = items
    if is_table(of):
        return wanted in of
    if isinstance(of, str) and isinstance(wanted, str):
        return wanted in of
    if isinstance(of, Object):
        return interpreter.method(of, "__contains__", (wanted,))
    result: Number = False
    held = cast("Sequence[object]", of) if is_sequence(of) else _list(of)
    interpreter.charge(len(held))
    for each in held:
        same = equal_values(interpreter, each, wanted)
        if same is True:
            return True
        result = SYMBOLIC["_operator.or_"](interpreter.call, result, same) if result is not False else same
    return result


def _append(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    held = _list(items[0])
    interpreter.charge(1)
    held.append(items[1])
    return held


def _extend(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    held, more = _list(items[0]), _list(items[1])
    interpreter.charge(len(more))
    held.extend(more)
    return None


def _insert(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    held, index, value = items
    if not isinstance(index, int):
        interpreter.refuse(f"an item of a list at {told(index)}")
    interpreter.charge(1)
    _list(held).insert(index, value)
    return None


def _pop(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    of, rest = items[0], items[1:]
    if is_table(of):
        table = of
        if rest[0] not in table and len(rest) < 2:
            raise InvalidModelError(f"there is no key {told(rest[0])}")
        return table.pop(rest[0], rest[-1])
    held = _list(of)
    return held.pop(_place(interpreter, rest[0] if rest else -1, len(held)))


def _delete(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    of, key = items
    if is_table(of):
        if of.pop(key, items) is items:
            raise InvalidModelError(f"there is no key {told(key)}")
    else:
        held = _list(of)
        del held[_place(interpreter, key, len(held))]
    return None


def _clear(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    of = items[0]
    (_table(of) if is_table(of) else _list(of)).clear()
    return None


def _reverse(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    if not is_list(items[0]):
        return NotImplemented
    _list(items[0]).reverse()
    return None


def _copy(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    """A list of the items of a list, tuple or text; a copy of a dictionary."""
    of = items[0]
    if is_table(of):
        return dict(of)
    if isinstance(of, list | tuple | str):
        held = list(cast("Sequence[object]", of))
        interpreter.charge(len(held))
        return held
    return NotImplemented


def _dict(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    """`dict()`, of nothing, a dictionary, or pairs."""
    if not items or is_table(items[0]):
        return dict(_table(items[0])) if items else {}
    pairs = [cast("Sequence[object]", pair) for pair in _list(items[0]) if isinstance(pair, tuple)]
    return {_key(interpreter, pair[0]): pair[1] for pair in pairs}


def _keys(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    return list(_table(items[0]))


def _values(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    return NotImplemented if isinstance(items[0], Tensor) else list(_table(items[0]).values())


def _items(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    return list(_table(items[0]).items())


def _get(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    return _table(items[0]).get(items[1], items[2] if len(items) > 2 else None)


def _update(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    if not is_table(items[0]):
        return NotImplemented
    _table(items[0]).update(_table(items[1]))
    return None


def _set_default(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    return _table(items[0]).setdefault(_key(interpreter, items[1]), items[2])


def _index(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    """`list.index(x)`; tensors are indexed by an operator."""
    if not is_list(items[0]):
        return NotImplemented
    for place, each in enumerate(_list(items[0])):
        same = equal_values(interpreter, each, items[1])
        if same is True:
            return place
        if same is not False:
            interpreter.refuse("a place in a list that only the run knows")
    raise InvalidModelError(f"{told(items[1])} is not in the list")


def _add(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    """`a + b` of numbers, lists, tuples or text."""
    a, b = items[0], items[1] if len(items) > 1 else None
    if isinstance(a, str) and isinstance(b, str):
        interpreter.charge((len(a) + len(b)) // 100)
        return a + b
    if is_list(a) and is_list(b):
        interpreter.charge(len(_list(a)) + len(_list(b)))
        return [*_list(a), *_list(b)]
    if len(items) == 2 and not named and is_number(a) and is_number(b):
        return SYMBOLIC["_operator.add"](interpreter.call, a, b)
    return NotImplemented


def _add_to(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    """`a += b` of lists changes the list."""
    if not is_list(items[0]):
        return NotImplemented
    _extend(interpreter, items, named)
    return items[0]


def _multiply(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    """`a * b` of numbers, or of a list or text and a number."""
    a, b = items if not isinstance(items[1], list | str) else items[::-1]
    if isinstance(a, str) or is_list(a):
        if not isinstance(b, int):
            interpreter.refuse(f"{told(b)} times a list")
        interpreter.charge(max(b, 0) * len(a))
        return a * b
    if is_number(a) and is_number(b):
        return SYMBOLIC["_operator.mul"](interpreter.call, a, b)
    return NotImplemented


def _slice(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    """`a[start:stop:step]` of a list or text."""
    of = items[0]
    if not isinstance(of, list | str | tuple):
        return NotImplemented
    bounds = [*items[1:], *[None] * 3][:3]
    if any(bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)) for bound in bounds):
        interpreter.refuse("a part of a list that only the run knows")
    start, stop, step = cast("list[int | None]", bounds)
    if step == 0:
        raise InvalidModelError("a part of a list in steps of 0")
    part = cast("Sequence[object]", of)[start:stop:step]
    interpreter.charge(len(part))
    return part


def _sorted(changes: bool) -> Rule:
    """`list.sort(reverse)` or `sorted(list)`, of known numbers and text."""

    def rule(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
        if not is_list(items[0]):
            return NotImplemented
        held = _list(items[0])
        interpreter.charge(len(held))
        kinds = {type(item) for item in held}
        if not (kinds <= {int, float, bool} or kinds <= {str}):
            interpreter.refuse("a list that is sorted by what only the run knows")
        made = sorted(cast("list[int]", held), reverse=bool(items[1]) if len(items) > 1 else False)
        if changes:
            held[:] = made
            return None
        return made

    return rule


def _sum(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
    """`sum(list)` of numbers; `any` and `all` of tensors are operators."""
    if not is_list(items[0]):
        return NotImplemented
    total: Number = 0
    for each in _list(items[0]):
        total = SYMBOLIC["_operator.add"](interpreter.call, total, each)
    return total


def _every(rule: str, start: bool) -> Rule:
    def made(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
        if not is_list(items[0]):
            return NotImplemented
        result: Number = start
        for each in _list(items[0]):
            result = SYMBOLIC[rule](interpreter.call, result, truth(interpreter, each))
        return result

    return made


def _text(method: Callable[..., object]) -> Rule:
    """A method of text, of known text alone."""

    def rule(interpreter: Interpreter, items: list[object], named: dict[str, object]) -> object:
        if not items or not isinstance(items[0], str):
            return NotImplemented
        try:
            made = method(*items, **named)
        except (TypeError, ValueError) as error:
            raise InvalidModelError(f"{items[0][:40]!r}: {error}") from error
        interpreter.charge(len(made) // 100 if isinstance(made, str) else 1)
        return made

    return rule


CONTAINERS: Mapping[str, Rule] = {
    "torch.__getitem__": _get_item,
    "torch._set_item": _set_item,
    "torch.len": _length,
    "torch.__contains__": _contains,
    "torch.append": _append,
    "torch.extend": _extend,
    "torch.insert": _insert,
    "torch.pop": _pop,
    "torch.popitem": _pop,
    "torch.Delete": _delete,
    "torch.clear": _clear,
    "torch.reverse": _reverse,
    "torch.list": _copy,
    "torch.copy": _copy,
    "torch.dict": _dict,
    "torch.keys": _keys,
    "torch.values": _values,
    "torch.items": _items,
    "torch.get": _get,
    "torch.update": _update,
    "torch.setdefault": _set_default,
    "torch.index": _index,
    "torch.add": _add,
    "torch.add_": _add_to,
    "torch.mul": _multiply,
    "torch.slice": _slice,
    "torch.stack": growing.stack,
    "torch.cat": growing.cat,
    "torch.sort": _sorted(True),
    "torch.sorted": _sorted(False),
    "sorted": _sorted(False),
    "torch.sum": _sum,
    "torch.any": _every("_operator.or_", False),
    "torch.all": _every("_operator.and_", True),
    **{
        f"torch.{name}": _text(getattr(str, name))
        for name in (
            *("upper", "lower", "strip", "lstrip", "rstrip", "split", "join", "replace", "startswith", "endswith"),
            *("find", "rfind", "isdigit", "isalpha", "title", "capitalize", "splitlines", "isidentifier"),
        )
    },
}
"""Functions of containers and text; `add`, `mul` and `slice` are those of numbers, too."""
