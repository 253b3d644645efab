"""Small applications of every operator, for which TensorFlow's own results are recorded (`record.py`).

Operands are arrays made by formulas, so that nothing but the results must be stored. `Fixed` operands are constants of
the graph, others its inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tests.frontends.tensorflow.graphs import node, placeholder, tensor
from xir.frontends.tensorflow.op_defs import operator

TYPES = {
    "float32": "DT_FLOAT", "float64": "DT_DOUBLE", "float16": "DT_HALF", "int32": "DT_INT32", "int64": "DT_INT64",
    "uint8": "DT_UINT8", "int8": "DT_INT8", "bool": "DT_BOOL", "object": "DT_STRING",
}  # fmt: skip


@dataclass(frozen=True)
class Fixed:
    """A constant of the graph; `type` where it is not that of the array (quantised numbers)."""

    array: np.ndarray
    type: str = ""


@dataclass(frozen=True)
class Case:
    """One application: `outputs` of its results are compared; sums in another order differ in the last places."""

    name: str
    kind: str
    operands: tuple[np.ndarray | Fixed, ...]
    attributes: Mapping[str, object] = field(default_factory=dict)
    outputs: tuple[int, ...] = (0,)
    tolerance: float = 2e-5

    def graph(self) -> list[str]:
        """The nodes as text: inputs `x0`, `x1` ..., the application `y`."""
        nodes = [
            placeholder(f"x{place}", *operand.shape, dtype=TYPES[operand.dtype.name])
            if isinstance(operand, np.ndarray)
            else node("Const", f"x{place}", dtype=_type(operand), value=tensor(operand.array, _type(operand)))
            for place, operand in enumerate(self.operands)
        ]
        names = [f"x{place}" for place in range(len(self.operands))]
        return [*nodes, node(self.kind, "y", *names, **self._types(), **self.attributes)]

    def feeds(self) -> dict[str, np.ndarray]:
        """The inputs."""
        return {f"x{at}": operand for at, operand in enumerate(self.operands) if isinstance(operand, np.ndarray)}

    def names(self) -> list[str]:
        """The outputs as the graph spells them."""
        return [f"y:{place}" if place else "y" for place in self.outputs]

    def _types(self) -> dict[str, object]:
        """The attributes that the operands decide: their types, and how many there are."""
        declared = operator(self.kind)
        assert declared is not None, self.kind
        found: dict[str, object] = {}
        types = [_type(operand) for operand in self.operands]
        listed = sum(1 for slot in declared.inputs if slot.count)
        place = 0
        for slot in declared.inputs:
            width = (len(types) - (len(declared.inputs) - listed)) // listed if slot.count else 1
            if slot.count:
                found[slot.count] = width
            if slot.type in declared.parameters and place < len(types):
                found[slot.type] = types[place]
            place += width
        return {name: value for name, value in found.items() if name not in self.attributes}


def _type(operand: np.ndarray | Fixed) -> str:
    if isinstance(operand, Fixed):
        return operand.type or TYPES[operand.array.dtype.name]
    return TYPES[operand.dtype.name]


def real(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 1, dtype: str = "float32") -> np.ndarray:
    """Numbers spread over [low, high) without an order: the fractions of multiples of the golden ratio."""
    places = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.float64) + seed
    parts = np.mod(places * 0.6180339887498949, 1.0)
    return (low + (high - low) * parts).astype(dtype).reshape(shape)


def whole(*shape: int, low: int = -5, high: int = 6, seed: int = 1, dtype: str = "int32") -> np.ndarray:
    """Whole numbers from `low` to `high` - 1."""
    return np.floor(real(*shape, low=low, high=high, seed=seed, dtype="float64")).astype(dtype)


def fixed(values: object, dtype: str = "int32", type: str = "") -> Fixed:
    """A constant of these values."""
    return Fixed(np.asarray(values, dtype), type)


def text(*values: str) -> np.ndarray:
    """Strings."""
    return np.array(values, object)
