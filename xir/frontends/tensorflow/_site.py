"""What a handler sees of one node: its attributes with their defaults, and what is known of its operands."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from xir.errors import UnsafeError
from xir.frontends._operands import Knowledge, Operands
from xir.frontends.tensorflow._handles import Handle, Operand
from xir.frontends.tensorflow.model import TfNode
from xir.frontends.tensorflow.op_defs import Operator
from xir.frontends.tensorflow.proto.message import Message
from xir.frontends.tensorflow.proto.schema import load_schema
from xir.frontends.tensorflow.tensors import VARIANT, constant_from, dtype_of, shape_of_message
from xir.ir.constant import Array, Constant
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.elementwise import cast

Handler: TypeAlias = Callable[..., Operand | Sequence[Operand]]
"""(site, *operands) -> the results of the node; lists of operands come one after another."""

_FIELDS = {"int": "i", "float": "f", "bool": "b", "string": "s", "type": "type", "shape": "shape", "tensor": "tensor"}
_TYPES = ("type", "list(type)")
MAX_SLOTS = 1 << 16
"""Operands or results that one attribute may stand for."""

_NUMBER = re.compile(r"[a-z]+:\s*(\S+)")


class Site(Operands):
    """One node of the file, as its handler sees it.

    Every attribute that the file sets and that is no type must be asked for: one that no handler knows is an error,
    never dropped.

    Attributes:
        node: the node as it stands in the file.
        operator: what its operator is declared to be.
    """

    __slots__ = ("_asked", "node", "operator")

    def __init__(self, node: TfNode, operator: Operator, knowledge: Knowledge) -> None:
        """The site of `node`, which is an application of `operator`."""
        super().__init__(knowledge)
        self.node = node
        self.operator = operator
        self._asked: set[str] = set()

    # --- attributes ------------------------------------------------------------------------------------------------

    def _held(self, name: str, type: str) -> Message | str:
        """The attribute's message, or the text of its default."""
        self._asked.add(name)
        declared = self.operator.parameters.get(name)
        held = self.node.attributes.get(name)
        if held is not None:
            field = "list" if type.startswith("list(") else _FIELDS[type]
            if not held.has(field):
                self.invalid(f"attribute {name!r} holds {list(held.values)}, expected {type}")
            return held
        if declared is None or declared.default is None:
            self.invalid(f"attribute {name!r} is missing")
        return declared.default

    def integer(self, name: str) -> int:
        """A whole number."""
        held = self._held(name, "int")
        return int(held) if isinstance(held, str) else held.integer("i")

    def real(self, name: str) -> float:
        """A number."""
        held = self._held(name, "float")
        return float(held) if isinstance(held, str) else held.real("f")

    def flag(self, name: str) -> bool:
        """A truth value."""
        held = self._held(name, "bool")
        return held == "True" if isinstance(held, str) else held.flag("b")

    def text(self, name: str) -> str:
        """A string."""
        held = self._held(name, "string")
        if isinstance(held, str):
            return held
        data = held.data("s")
        return data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else ""

    def choice(self, name: str, *choices: str) -> str:
        """A string that is one of `choices`."""
        found = self.text(name)
        if found not in choices:
            self.invalid(f"attribute {name!r} is {found!r}, expected one of {', '.join(choices)}")
        return found

    def dtype(self, name: str) -> DType:
        """An element type."""
        held = self._held(name, "type")
        return dtype_of(int(held) if isinstance(held, str) else held.integer("type"), f"attribute {name!r}")

    def holds_handles(self, name: str) -> bool:
        """Whether an attribute is the type of what is no tensor."""
        held = self._held(name, "type")
        return (int(held) if isinstance(held, str) else held.integer("type")) == VARIANT

    def sizes_of(self, name: str) -> tuple[int | None, ...] | None:
        """A shape: sizes, None for one that is not told; None altogether where the rank is not."""
        held = self._held(name, "shape")
        return None if isinstance(held, str) else shape_of_message(held.message("shape"))

    def tensor(self, name: str) -> Constant:
        """A tensor."""
        held = self._held(name, "tensor")
        if isinstance(held, str):
            self.invalid(f"attribute {name!r} is missing")
        return constant_from(held.required("tensor"), f"attribute {name!r}")

    def _list(self, name: str, type: str) -> Message | str:
        held = self._held(name, f"list({type})")
        return held if isinstance(held, str) else held.required("list")

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        held = self._list(name, "int")
        return tuple(int(item) for item in _NUMBER.findall(held)) if isinstance(held, str) else held.integers("i")

    def reals(self, name: str) -> tuple[float, ...]:
        """A list of numbers."""
        held = self._list(name, "float")
        if isinstance(held, str):
            return tuple(float(item) for item in _NUMBER.findall(held))
        return tuple(float(item) for item in held.numbers("f", DType.FLOAT64.dtype).tolist())

    def strings(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        held = self._list(name, "string")
        return () if isinstance(held, str) else tuple(item.decode("utf-8", "replace") for item in held.strings("s"))

    def dtypes(self, name: str) -> tuple[DType, ...]:
        """A list of element types."""
        held = self._list(name, "type")
        names = load_schema().enums["DataType"]
        numbers = [names[item] for item in _NUMBER.findall(held)] if isinstance(held, str) else held.integers("type")
        return tuple(dtype_of(number, f"attribute {name!r}") for number in numbers)

    def shapes(self, name: str) -> tuple[tuple[int | None, ...] | None, ...]:
        """A list of shapes, as `sizes_of` answers one."""
        held = self._list(name, "shape")
        return () if isinstance(held, str) else tuple(shape_of_message(each) for each in held.messages("shape"))

    def ignore(self, *names: str) -> None:
        """Passes over attributes that change nothing in the result (hints, checks of what is known anyhow)."""
        self._asked.update(names)

    def unknown(self) -> tuple[str, ...]:
        """Attributes of the file that nobody asked for; types are what the operands have, `_` begins private ones."""
        return tuple(name for name in self.node.attributes if name not in self._asked and not self._is_implied(name))

    def _is_implied(self, name: str) -> bool:
        declared = self.operator.parameters.get(name)
        counts = (slot.count for slot in (*self.operator.inputs, *self.operator.outputs))
        return name.startswith("_") or (declared is not None and (declared.type in _TYPES or name in counts))

    def count(self) -> int:
        """How many results the node has."""
        return sum(self.widths())

    def widths(self) -> tuple[int, ...]:
        """How many results each declared output stands for."""
        return tuple(self._width(slot.type, slot.count) for slot in self.operator.outputs)

    def taken(self) -> int:
        """How many operands the node takes."""
        return sum(self._width(slot.type, slot.count) for slot in self.operator.inputs)

    def _width(self, type: str, count: str) -> int:
        if count:
            number = self.integer(count)
            if number < 0:
                self.invalid(f"attribute {count!r} is {number}")
            if number > MAX_SLOTS:
                raise UnsafeError(f"attribute {count!r} is {number}; at most {MAX_SLOTS} are taken", number=806)
            return number
        declared = self.operator.parameters.get(type)
        if declared is None or declared.type != "list(type)":
            return 1
        if type not in self.node.attributes and "num_args" in self.node.attributes:
            return self.integer("num_args")  # fused operators of before 2.10, whose operands are all of one type
        held = self._list(type, "type")
        return len(_NUMBER.findall(held)) if isinstance(held, str) else len(held.integers("type"))

    def result_types(self) -> list[DType]:
        """The element types of the results, one after another.

        Raises:
            UnsupportedError: one of them is no tensor.
        """
        found: list[DType] = []
        for slot, width in zip(self.operator.outputs, self.widths(), strict=True):
            declared = self.operator.parameters.get(slot.type)
            if declared is None:
                number = load_schema().enums["DataType"][f"DT_{slot.type.upper()}"]
                found += [dtype_of(number, f"result {slot.name!r}")] * width
            else:
                found += self.dtypes(slot.type) if declared.type == "list(type)" else [self.dtype(slot.type)] * width
        return found

    # --- operands --------------------------------------------------------------------------------------------------

    def value(self, operand: Operand) -> Value:
        """The operand, which must be a tensor."""
        if isinstance(operand, Handle):
            self.invalid("a tensor is needed, got a handle")
        return operand

    def array(self, value: Value, what: str) -> Array:
        """The elements of an operand that must be known before the run.

        Raises:
            UnsupportedError: they are computed at run time.
        """
        found = self.knowledge.folded(value)
        if found is None:
            self.refuse(f"{what} that is computed at run time", "fold it into a constant first")
        return found.array()

    def known(self, value: Value) -> Array | None:
        """The elements of an operand where they are known before the run, else None."""
        found = self.knowledge.folded(value)
        return None if found is None else found.array()

    def sizes(self, value: Value) -> Shape | None:
        """The elements of an operand of sizes, as far as they are known before the run, else None."""
        found = self.knowledge.contents.of(value)
        if found is not None or not value.dtype.is_integer:
            return found
        constant = self.knowledge.folded(value)
        return None if constant is None else tuple(int(item) for item in constant.array().reshape(-1).tolist())

    def cast(self, value: Value, dtype: DType) -> Value:
        """The operand in another element type."""
        return value if value.dtype is dtype else cast(value, dtype=dtype)
