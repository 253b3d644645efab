"""Calls with arguments of any kind: an operator makes a graph or refuses with an error of xir, whatever a file says."""

from __future__ import annotations

import random
import warnings

import pytest

from xir.errors import XirError
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.schema import REQUIRED, Argument
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType

SYMBOLS = (Symbol("n", minimum=0), Symbol("m", minimum=2))
DTYPES = (DType.FLOAT32, DType.FLOAT32, DType.INT64, DType.BOOL, DType.BFLOAT16, DType.UINT8, DType.COMPLEX64)
WORDS = ("none", "tanh", "sum", "mean", "constant", "reflect", "floor", "trunc", "amax", "linear", "x", "", "ij")
WHOLE = (0, 1, 2, -1, 3, -2, 7, 10**6, 2**62, -(2**63), SYMBOLS[0], SYMBOLS[0] - 3, True)
REAL = (0.0, 1.0, -1.0, 0.5, float("nan"), float("inf"), 1e300, 2)


class Draw:
    """Arguments of any kind, the same for one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.shape: tuple[object, ...] = ()

    def tensor(self) -> Tensor:
        """Of the shape of the one before it, or of another."""
        pick = self.random
        if pick.random() < 0.5:
            self.shape = tuple(pick.choice((0, 1, 2, 3, 4, *SYMBOLS)) for _ in range(pick.randrange(6)))
        return Tensor(Value(TensorType(pick.choice(DTYPES), self.shape)))

    def one(self, kind: str) -> object:
        """Something that an argument of this kind may be."""
        pick = self.random
        match kind:
            case "Tensor":
                return self.tensor()
            case "int" | "SymInt":
                return pick.choice((*WHOLE, Computed(Value(TensorType(DType.INT64, ())))))
            case "float" | "SymFloat":
                return pick.choice(REAL)
            case "Scalar" | "number":
                return pick.choice((*WHOLE, *REAL, 1j))
            case "bool" | "SymBool":
                return pick.choice((True, False))
            case "str":
                return pick.choice(WORDS)
            case "ScalarType":
                return pick.choice((*DTYPES, 4, 6, 99, -1))
            case _:
                return None

    def argument(self, argument: Argument) -> object:
        """Something for an argument: a list of any length, None where it may be absent."""
        pick = self.random
        if argument.is_optional and pick.random() < 0.4:
            return None
        if not argument.is_list:
            return self.one(argument.kind)
        usual = argument.length if argument.length and pick.random() < 0.7 else pick.randrange(5)
        return [None if argument.holds_none and pick.random() < 0.3 else self.one(argument.kind) for _ in range(usual)]

    def call(self, namespace: str, name: str) -> tuple[list[object], dict[str, object]]:
        """The arguments of a call of an overload."""
        operator = OPERATORS[namespace].operator(name)
        assert operator is not None
        items: list[object] = []
        named: dict[str, object] = {}
        for argument in operator.schema.arguments:
            made = self.argument(argument)
            if argument.by_name:
                named |= {argument.name: made} if made is not None or argument.default is REQUIRED else {}
            else:
                items.append(made)
        return items, named


def tried(seed: int, count: int) -> tuple[int, int]:
    """How many of so many calls made a graph, and how many were refused; other errors come out."""
    draw = Draw(seed)
    names = [(namespace, name) for namespace, table in OPERATORS.items() for name in table]
    made = refused = 0
    for _ in range(count):
        namespace, name = draw.random.choice(names)
        items, named = draw.call(namespace, name)
        try:
            Caller(OPERATORS, Scope()).call(f"{namespace}.{name}", items, named)
            made += 1
        except XirError:
            refused += 1
        except Exception as error:
            error.add_note(f"{namespace}.{name}, seed {seed}")
            raise
    return made, refused


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 2000), *(pytest.param(seed, 30000, marks=pytest.mark.nightly) for seed in (2, 3))]
)
def test_a_call_makes_a_graph_or_is_refused(seed: int, count: int):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made, refused = tried(seed, count)
    assert made > count // 5
    assert refused > count // 5
