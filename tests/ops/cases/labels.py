"""Examples of lookups in tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case
from xir.ir.constant import Constant, constant_of
from xir.ops.labels import lookup, one_hot_categories

WORDS = np.array([["Amy", "Dori"], ["Sally", ""]], object)


def words(*items: str) -> Constant:
    array = np.empty(len(items), object)
    array[:] = items
    return constant_of(array)


def one(item: object, dtype: str) -> Constant:
    return constant_of(np.array(item, dtype))


def cases() -> Iterator[Case]:
    names, ages = words("Amy", "Sally"), constant_of(np.array([5, 6]))
    yield case(lookup, WORDS, keys=names, values=ages, default=one(-1, "i8"))
    yield case(lookup, WORDS, keys=names, values=words("b", "a"), default=one("none", "O"))
    yield case(lookup, np.array([6, 7, 5]), keys=ages, values=names, default=one("none", "O"))
    floats = constant_of(np.array([0.5, np.nan, 1.0], np.float32))
    x = np.array([np.nan, 1.0, 2.0, 0.5], np.float32)
    yield case(lookup, x, keys=floats, values=constant_of(np.array([1, 2, 3])), default=one(0, "i8")).noted(
        "NaN is a key"
    )
    yield case(lookup, x, keys=floats, values=floats, default=one(-0.0, "f4")).noted("NaN is a key").differenced()
    for dtype in ("f8", "i4", "i2"):
        table = constant_of(np.array([3, 1], dtype))
        yield case(lookup, np.array([1, 2, 3], dtype), keys=table, values=table, default=one(9, dtype)).differenced()
    yield case(lookup, np.zeros((0, 2), np.int64), keys=ages, values=names, default=one("x", "O")).noted("nothing")
    empty = constant_of(np.zeros(0, np.int64))
    yield case(lookup, np.array([1]), keys=empty, values=empty, default=one(3, "i8")).noted("an empty table")
    yield case(one_hot_categories, WORDS, categories=names, allow_unknown=True)
    yield case(one_hot_categories, np.array([5, 6, 5]), categories=ages, allow_unknown=False)
    yield case(one_hot_categories, np.array(7), categories=ages, allow_unknown=True).noted("a scalar")
