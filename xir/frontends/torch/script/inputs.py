"""What `forward` is called with: types and numbers that a person says, or those that the model was traced with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xir.errors import UsageError
from xir.frontends.options import Plain
from xir.frontends.torch._names import NameTable
from xir.frontends.torch.pickles.storages import StoredTensor
from xir.frontends.torch.script.interpreter import Interpreter
from xir.frontends.torch.script.objects import ScriptArchive
from xir.frontends.torch.script.syntax import Expression, Function, Group, Item, Name, Parameter
from xir.frontends.torch.script.values import is_sequence, told
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.constant import Constant
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, Type

_NUMBERS: Mapping[str, DType] = {"int": DType.INT64, "float": DType.FLOAT64, "bool": DType.BOOL}


@dataclass(frozen=True, slots=True)
class Given:
    """What a person says of inputs.

    Attributes:
        types: of tensors, by name.
        numbers: what numbers always are, by name.
    """

    types: Mapping[str, Type] = field(default_factory=dict[str, Type])
    numbers: Mapping[str, Plain] = field(default_factory=dict[str, Plain])


class Inputs:
    """The inputs of a model.

    Attributes:
        given: what a person says.
        values: the graph's inputs that a caller feeds, in order.
        taken: names of `given` that were found.
    """

    def __init__(self, archive: ScriptArchive, interpreter: Interpreter, names: NameTable, given: Given) -> None:
        """No inputs yet."""
        self.given = given
        self.values: list[Value] = []
        self.taken: set[str] = set()
        self._archive = archive
        self._interpreter = interpreter
        self._names = names
        self._missing: list[str] = []

    def state_constant(self, name: str, constant: Constant) -> Constant:
        """What a weight begins with."""
        return constant

    def take_number(self, name: str, before: object) -> Plain:
        """The number that a person gives an attribute.

        Raises:
            UsageError: the attribute is no number.
        """
        if not isinstance(before, bool | int | float):
            raise UsageError(f"{name!r} is {told(before)}, no number")
        self.taken.add(name)
        number = self.given.numbers[name]
        return bool(number) if isinstance(before, bool) else number

    def enter(self, function: Function) -> list[object]:
        """The arguments of `forward`, without the module itself.

        Raises:
            UsageError: the type of one is not told.
        """
        parameters = function.parameters[1:]
        examples = self._archive.examples(function.name) or ()
        made = [
            self._argument(parameter, examples[index] if index < len(examples) else None)
            for index, parameter in enumerate(parameters)
        ]
        if self._missing:
            lines = " ".join(f"--input {line}" for line in self._missing)
            names = ", ".join(parameter.name for parameter in parameters)
            raise UsageError(
                f"the file does not tell what the model's inputs are ({names})",
                hint=f"say it, with your sizes: {lines}",
            )
        return made

    def check_all_used(self) -> None:
        """Every name that a person gave must be an input or an attribute.

        Raises:
            UsageError: one is not.
        """
        wrong = [name for name in (*self.given.types, *self.given.numbers) if name not in self.taken]
        if wrong:
            known = [self._names.of(value) for value in self.values]
            raise UsageError(f"the model has no input {wrong[0]!r}; it has {known}")

    def _argument(self, parameter: Parameter, example: object) -> object:
        return self._of_type(parameter.name, parameter.type, parameter.default, example)

    def _of_type(self, name: str, type: Expression | None, default: Expression | None, example: object) -> object:
        if name in self.given.numbers:
            self.taken.add(name)
            return self._number(name, type)
        if name in self.given.types:
            return self._fed(name, self.given.types[name], type)
        parts = self._parts(name, type, example)
        if parts is not None:
            return parts
        if isinstance(example, StoredTensor) and example.element.dtype is not None:
            return self._fed(name, TensorType(example.element.dtype, example.shape), type)
        if default is not None:
            return self._interpreter.evaluate(default)
        if isinstance(type, Item) and type.of == Name("Optional"):
            self._interpreter.notes[f"input {name!r} is left out: it may be None (--input types it)"] = None
            return None
        if isinstance(type, Name) and type.text in _NUMBERS:
            return self._fed(name, TensorType(_NUMBERS[type.text], ()), type)
        self._missing.append(_wanted(name, type))
        return None

    def _number(self, name: str, type: Expression | None) -> object:
        number = self.given.numbers[name]
        inner = _without_optional(type)
        if not isinstance(inner, Name) or inner.text not in _NUMBERS:
            raise UsageError(f"input {name!r} is no number", hint=f"type it: --input {name}=f32[1,3,224,224]")
        return {"int": int, "float": float, "bool": bool}[inner.text](number)

    def _fed(self, name: str, given: Type, type: Expression | None) -> object:
        self.taken.add(name)
        inner = _without_optional(type)
        if isinstance(inner, Item):
            raise UsageError(f"input {name!r} is no tensor", hint=f"say its items: --input {_wanted(name, inner)}")
        value = Value(given)
        self._names.enter(value, name)
        self.values.append(value)
        is_number = isinstance(inner, Name) and inner.text in _NUMBERS
        if is_number and isinstance(given, TensorType) and not given.shape:
            return Computed(value)
        return Tensor(value)

    def _parts(self, name: str, type: Expression | None, example: object) -> object:
        """A tuple, list or dictionary of inputs (`x.0`, `x.1`, `x.key`); None where nothing tells its items."""
        if not isinstance(type, Item) or not isinstance(type.of, Name):
            return None
        inner = type.index.items if isinstance(type.index, Group) else (type.index,)
        examples: Sequence[object] = tuple(example) if is_sequence(example) else ()
        if type.of.text == "Tuple":
            return tuple(
                self._of_type(f"{name}.{place}", each, None, examples[place] if place < len(examples) else None)
                for place, each in enumerate(inner)
            )
        keys = [key.split(".", 1)[0] for key in self._below(name)]
        if type.of.text == "List" and (keys or examples):
            count = max(len(examples), *(int(key) + 1 for key in keys if key.isdecimal() and len(key) < 4), 0)
            return [
                self._of_type(f"{name}.{place}", inner[0], None, examples[place] if place < len(examples) else None)
                for place in range(count)
            ]
        if type.of.text == "Dict" and keys:
            return {key: self._of_type(f"{name}.{key}", inner[-1], None, None) for key in dict.fromkeys(keys)}
        return None

    def _below(self, name: str) -> list[str]:
        start = f"{name}."
        return [each[len(start) :] for each in (*self.given.types, *self.given.numbers) if each.startswith(start)]


def _without_optional(type: Expression | None) -> Expression | None:
    return type.index if isinstance(type, Item) and type.of == Name("Optional") else type


def _wanted(name: str, type: Expression | None) -> str:
    """What a person says of an input, with other sizes: of items, where it is a list, a tuple or a dictionary."""
    match type:
        case None | Name("Tensor"):
            return f"{name}=f32[1,3,224,224]"
        case Item(Name("List" | "Tuple"), Group((first, *_)) | first):
            return _wanted(f"{name}.0", first)
        case Item(Name("Dict"), Group((_, item))):
            return _wanted(f"{name}.KEY", item)
        case _:
            return f"{name}=..."
