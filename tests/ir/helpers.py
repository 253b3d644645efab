"""Small operators for the tests of graphs: what they mean is not the matter here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xir.errors import InvalidModelError
from xir.ir.builder import apply
from xir.ir.constraints import assume_equal
from xir.ir.dims import Dim
from xir.ir.node import Attribute, Value
from xir.ir.types import DType, TensorType, Type


def tensor(*shape: Dim) -> TensorType:
    return TensorType(DType.FLOAT32, shape)


@dataclass(frozen=True)
class Same:
    """Any number of operands of one shape; `outputs` results of that shape."""

    name: str
    outputs: int = 1
    has_effect: bool = False

    def infer(self, inputs: Sequence[Value | None], attributes: Mapping[str, Attribute]) -> tuple[Type, ...]:
        first = next(value for value in inputs if value is not None)
        for value in inputs:
            if value is not None and not (
                value.rank == first.rank
                and all(assume_equal(a, b, "operands") for a, b in zip(first.shape, value.shape, strict=True))
            ):
                raise InvalidModelError(f"{self.name}: {first.type!r} and {value.type!r} differ")
        return (first.type,) * self.outputs

    def __call__(self, *values: Value | None, **attributes: Attribute) -> Value:
        return apply(self, values, attributes).outputs[0]


@dataclass(frozen=True)
class Full:
    """No operand; the attribute `shape` is the result's."""

    name: str = "full"
    has_effect: bool = False

    def infer(self, inputs: Sequence[Value | None], attributes: Mapping[str, Attribute]) -> tuple[Type, ...]:
        shape = attributes["shape"]
        assert isinstance(shape, tuple)
        return (TensorType(DType.FLOAT32, shape),)  # type: ignore[arg-type]  # a tuple of sizes

    def __call__(self, *shape: Dim, **attributes: Attribute) -> Value:
        return apply(self, (), {"shape": shape, **attributes}).outputs[0]


add, relu, neg, full = Same("add"), Same("relu"), Same("neg"), Full()
