"""Calls of older archives, said as the operators of today mean them.

The number in an archive's `version` counts changes of operators. torch replaces a call of an older one by a function
of its own (caffe2/serialize/versions.h tells what changed, torch/csrc/jit/operator_upgraders/version_map.h from which
number on, upgraders_entry.cpp how it is said today). Those of `gelu` (10) only say the default that it has today, and
`full` with `out` (5) is as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from xir.frontends.torch.tensor import Computed, Tensor

NEWEST = 10
"""The newest number that torch 2.13 writes and reads (`kMaxSupportedFileFormatVersion`)."""

Arguments: TypeAlias = "tuple[list[object], dict[str, object]]"


def upgraded(
    version: int, name: str, items: Sequence[object], named: Mapping[str, object]
) -> tuple[Sequence[object], Mapping[str, object]]:
    """The arguments that mean today what these meant.

    Args:
        version: of the archive's operators.
        name: what is called (`torch.div`).
        items: the arguments by place.
        named: the arguments by name.
    """
    changed, rule = _RULES.get(name.partition(".")[2].removeprefix("aten."), (0, None))
    return (items, named) if rule is None or version >= changed else rule([*items], {**named})


def _div(items: list[object], named: dict[str, object]) -> Arguments:
    """The quotient of whole numbers was cut to a whole one (`div_Tensor_0_3`, `div_Scalar_0_3`, `div_out_0_3`)."""
    whole = isinstance(items[0], Tensor) and not any(map(_is_real, (*items, named.get("out"))))
    return items, named | {"rounding_mode": "trunc"} if whole and "rounding_mode" not in named else named


def _is_real(item: object) -> bool:
    if isinstance(item, Tensor | Computed):
        return item.value.dtype.is_floating
    return isinstance(item, float)


_FLOAT = 6
"""`ScalarType::Float` (c10/core/ScalarType.h), which real numbers have where nothing is said."""


def _full(items: list[object], named: dict[str, object]) -> Arguments:
    """Without an element type it made real numbers of whole ones (`full_0_4`)."""
    fill = items[1] if len(items) > 1 else named.get("fill_value")
    if named.get("dtype") is not None or "out" in named or isinstance(fill, float | complex):
        return items, named
    return items, named | {"dtype": _FLOAT}


def _steps(items: list[object], named: dict[str, object]) -> Arguments:
    """Steps that were not given were 100 (`linspace_0_7`, `logspace_0_8`)."""
    if len(items) > 2:
        return [*items[:2], 100 if items[2] is None else items[2], *items[3:]], named
    return items, named if named.get("steps") is not None else named | {"steps": 100}


_Rule: TypeAlias = Callable[[list[object], dict[str, object]], Arguments]

_RULES: Mapping[str, tuple[int, _Rule]] = {
    "div": (4, _div),
    "div_": (4, _div),
    "full": (5, _full),
    "linspace": (8, _steps),
    "logspace": (9, _steps),
}
"""{operator: (the number from which on it means what it does today, what says the older one)}."""
