"""Counting n-grams: short runs of words or numbers, with gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array, Constant
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_dtype, require_rank
from xir.ops._define import op
from xir.ops._texts import words

Weighting = Literal["tf", "idf", "tfidf"]
Item = str | int


@dataclass(frozen=True, slots=True, eq=False)
class _Grams:
    """The n-grams that are counted.

    Attributes:
        places: {n-gram: its number in the pool}; of equal ones the last.
        longest: the greatest n.
    """

    places: dict[tuple[Item, ...], int]
    longest: int


def _items(pool: Array) -> list[Item]:
    return list(words(pool)) if pool.dtype == object else [int(item) for item in pool.reshape(-1).tolist()]


def _grams(pool: Constant, starts: tuple[int, ...], shortest: int, longest: int) -> _Grams:
    """The n-grams of the pool: those of one item from starts[0] on, those of two from starts[1] on ..."""
    items = _items(pool.array())
    ends = (*starts[1:], len(items))
    places: dict[tuple[Item, ...], int] = {}
    number = 0
    for size, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        for at in range(start, end, size):
            if shortest <= size <= longest:
                places[tuple(items[at : at + size])] = number
            number += 1
    return _Grams(places, min(longest, len(starts)))


def _count_grams(pool: Constant, starts: tuple[int, ...]) -> int:
    """How many n-grams the pool holds.

    Raises:
        InvalidModelError: it does not fall apart into whole ones.
    """
    if not starts:
        raise InvalidModelError("where the n-grams of a pool begin is not told")
    ends = (*starts[1:], pool.elements)
    total = 0
    for size, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        if not 0 <= start <= end or (end - start) % size:
            raise InvalidModelError(f"a pool of {pool.elements} items has no n-grams of {size} from {start} to {end}")
        total += (end - start) // size
    return total


@op
def count_ngrams(
    x: Value,
    *,
    pool: Constant,
    starts: tuple[int, ...],
    places: tuple[int, ...],
    weights: Constant | None,
    shortest: int,
    longest: int,
    skips: int,
    weighting: Weighting,
) -> TensorType:
    """How often n-grams of a pool stand in each row (ONNX TfIdfVectorizer).

    x: [C] or [N, C], str, i32 or i64; pool: str or i64, the n-grams of one item, then those of two ..., which begin
    at `starts`; result: f32[max(places) + 1] or f32[N, max(places) + 1], the count of n-gram i at `places[i]`.
    N-grams of `shortest` to `longest` items count, between which up to `skips` others may stand, always as many;
    single items count once, whatever the skips. weighting: the count; the weight where it is not 0; their product.
    """
    require_dtype(x, *((DType.STRING,) if pool.dtype is DType.STRING else (DType.INT32, DType.INT64)))
    require_rank(x, 1, 2)
    if pool.dtype not in (DType.STRING, DType.INT64) or len(pool.shape) != 1:
        raise InvalidModelError(f"the pool must be a vector of str or i64, got {pool.type!r}")
    count = _count_grams(pool, starts)
    if len(places) != count or not count or min(places) < 0:
        raise InvalidModelError(f"{count} n-grams need as many places from 0 on, got {len(places)}")
    if weights is not None and (weights.shape != (count,) or weights.dtype is not DType.FLOAT32):
        raise InvalidModelError(f"{count} n-grams need as many weights in f32, got {weights.type!r}")
    if not 1 <= shortest <= longest or skips < 0:
        raise InvalidModelError(f"n-grams of {shortest} to {longest} items with {skips} skips do not exist")
    return TensorType(DType.FLOAT32, (*x.shape[:-1], max(places) + 1))


def _found(row: list[Item], grams: _Grams, shortest: int, skips: int) -> list[int]:
    """The numbers of all n-grams that stand in a row."""
    found: list[int] = []
    for gap in range(1, min(skips, len(row)) + 2):
        for size in range(shortest, grams.longest + 1):
            if gap * (size - 1) >= len(row):
                break
            if size == 1 and gap > 1:
                continue
            for at in range(len(row) - gap * (size - 1)):
                number = grams.places.get(tuple(row[at : at + gap * (size - 1) + 1 : gap]))
                if number is not None:
                    found.append(number)
    return found


@count_ngrams.reference
def _count_ngrams_reference(
    x: Array,
    *,
    pool: Constant,
    starts: tuple[int, ...],
    places: tuple[int, ...],
    weights: Constant | None,
    shortest: int,
    longest: int,
    skips: int,
    weighting: Weighting,
) -> Array:
    grams = _grams(pool, starts, shortest, longest)
    weight = np.ones(len(places)) if weights is None else weights.array().astype(np.float64)
    width = x.shape[-1]
    count = 1 if x.ndim == 1 else len(x)
    items = _items(x)
    result = np.zeros((count, max(places) + 1))
    for row in range(count):
        numbers = np.asarray(_found(items[row * width : (row + 1) * width], grams, shortest, skips), np.int64)
        counts = np.bincount(numbers, minlength=len(places)).astype(np.float64)
        match weighting:
            case "tf":
                values = counts
            case "idf":
                values = np.minimum(counts, 1.0) * weight
            case "tfidf":
                values = counts * weight
        np.add.at(result[row], np.asarray(places), values)
    return result.astype(np.float32).reshape(*x.shape[:-1], max(places) + 1)


count_ngrams.host("a pool of n-grams is searched")
count_ngrams.no_gradient("a count has no slope")
