"""The letters of texts: their case, number and parts. All of it runs by the reference."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_axis, require_dtype, require_same_shape
from xir.ops._define import op
from xir.ops._texts import as_bytes, filled, from_bytes, joined, texts, words

_HOST = "text has no kernels"
_NO_GRADIENT = "text has no slope"

Unit = Literal["bytes", "characters"]
Cut = Literal["spaces", "signs", "characters"]

SPACES = "\t\n\v\f\r "
"""The white space of ASCII (absl/strings/ascii.h, ascii_isspace)."""


@op
def string_case(x: Value, *, case: Literal["lower", "upper"], ascii: bool) -> TensorType:
    """The texts in small or capital letters: all of Unicode or those of ASCII alone (TensorFlow StringLower).

    x: str of any shape; result: str, that shape.
    """
    require_dtype(x, DType.STRING)
    return x.tensor


@string_case.reference
def _string_case_reference(x: Array, *, case: Literal["lower", "upper"], ascii: bool) -> Array:
    if ascii:
        changed = [as_bytes(text) for text in words(x)]
        return texts([from_bytes(data.lower() if case == "lower" else data.upper()) for data in changed], x.shape)
    return texts([text.lower() if case == "lower" else text.upper() for text in words(x)], x.shape)


string_case.host(_HOST)
string_case.no_gradient(_NO_GRADIENT)


@op
def string_strip(x: Value) -> TensorType:
    """The texts without the white space of ASCII at their ends (TensorFlow StringStrip).

    x: str of any shape; result: str, that shape.
    """
    require_dtype(x, DType.STRING)
    return x.tensor


@string_strip.reference
def _string_strip_reference(x: Array) -> Array:
    return texts([text.strip(SPACES) for text in words(x)], x.shape)


string_strip.host(_HOST)
string_strip.no_gradient(_NO_GRADIENT)


@op
def string_length(x: Value, *, unit: Unit) -> TensorType:
    """How many bytes in UTF-8 or characters each text has (TensorFlow StringLength).

    x: str of any shape; result: i64, that shape.
    """
    require_dtype(x, DType.STRING)
    return x.tensor.with_dtype(DType.INT64)


@string_length.reference
def _string_length_reference(x: Array, *, unit: Unit) -> Array:
    sizes = [len(as_bytes(text) if unit == "bytes" else text) for text in words(x)]
    return np.array(sizes, np.int64).reshape(x.shape)


string_length.host(_HOST)
string_length.no_gradient(_NO_GRADIENT)


@op
def substring(x: Value, start: Value, size: Value, *, unit: Unit) -> TensorType:
    """`size` bytes or characters of each text from `start` on, or as many as there are (TensorFlow Substr).

    x: str of any shape; start, size: i64, that shape; result: str, that shape. A start below 0 counts from the end.

    Raises (at run time):
        InvalidModelError: a text has no such start, or a size is below 0.
    """
    require_dtype(x, DType.STRING)
    for operand in (start, size):
        require_dtype(operand, DType.INT64)
        require_same_shape(x.shape, operand.shape)
    return x.tensor


def _part(text: str, start: int, size: int, unit: Unit) -> str:
    held = as_bytes(text) if unit == "bytes" else text
    if not -len(held) <= start <= len(held) or size < 0:
        raise InvalidModelError(f"substring: {size} {unit} from {start} of a text of {len(held)}")
    start += len(held) if start < 0 else 0
    part = held[start : start + size]
    return part if isinstance(part, str) else from_bytes(part)


@substring.reference
def _substring_reference(x: Array, start: NDArray[np.int64], size: NDArray[np.int64], *, unit: Unit) -> Array:
    places = zip(words(x), start.reshape(-1).tolist(), size.reshape(-1).tolist(), strict=True)
    parts = [_part(text, first, count, unit) for text, first, count in places]
    return texts(parts, x.shape)


substring.host(_HOST)
substring.no_gradient(_NO_GRADIENT)


@op
def string_join(x: Value, *, axis: int, separator: str) -> TensorType:
    """The texts along an axis one after the other, with a separator between them (TensorFlow ReduceJoin).

    x: str, [..., A, ...] with A along `axis`; result: str, [..., ...]; an empty text where A is 0.
    """
    require_dtype(x, DType.STRING)
    require_axis(x, axis)
    return x.tensor.with_shape((*x.shape[:axis], *x.shape[axis + 1 :]))


@string_join.reference
def _string_join_reference(x: Array, *, axis: int, separator: str) -> Array:
    last = np.moveaxis(x, axis, -1)
    rows = words(last)
    count = last.shape[-1]
    shape = last.shape[:-1]
    size = int(np.prod(shape, dtype=np.int64))
    return texts([joined(rows[at * count : (at + 1) * count], separator) for at in range(size)], shape)


string_join.host(_HOST)
string_join.no_gradient(_NO_GRADIENT)


@op
def string_pieces(
    x: Value, *, at: Cut, signs: str, keep_empty: bool, limit: int | None
) -> tuple[TensorType, TensorType]:
    """The pieces of each text, cut where TensorFlow's operators cut.

    x: str of any shape; results: str, the shape of `x` and as many as the most pieces of one text, filled with empty
    ones; and i64, the shape of `x`: how many. at: `spaces`, runs of the white space of ASCII, none of it before a
    piece; behind `limit` cuts the rest stays whole, even where it is empty (StringSplitV2 without a separator).
    `signs`, each of the characters `signs` of ASCII; pieces of nothing count with `keep_empty`, that of an empty text
    does not (StringSplit).
    `characters`, everywhere (Keras TextVectorization, split by characters).
    (tensorflow/core/kernels/string_split_op.cc)
    """
    require_dtype(x, DType.STRING)
    if bool(signs) != (at == "signs") or not signs.isascii():
        raise InvalidModelError(f"the signs {signs[:60]!r} to cut at {at}: expected some of ASCII for 'signs' alone")
    if limit is not None and (limit < 1 or at != "spaces"):
        raise InvalidModelError(f"at most {limit} cuts at {at}: expected 1 or more, at 'spaces' alone")
    return TensorType(DType.STRING, (*x.shape, Symbol())), x.tensor.with_dtype(DType.INT64)


def _at_spaces(text: str, limit: int | None) -> list[str]:
    pieces: list[str] = []
    begin: int | None = None
    for place, sign in enumerate(text):
        if sign in SPACES and begin is not None:
            pieces.append(text[begin:place])
            begin = None
            if len(pieces) == limit:
                return [*pieces, text[place:].lstrip(SPACES)]
        elif sign not in SPACES and begin is None:
            begin = place
    last = [] if begin is None else [text[begin:]]
    return [*pieces, *last, *[""] * (len(pieces) + 1 == limit and begin is not None)]


def _cut(text: str, at: Cut, signs: str, keep_empty: bool, limit: int | None) -> list[str]:
    match at:
        case "spaces":
            return _at_spaces(text, limit)
        case "signs":
            cut = text.translate(dict.fromkeys(map(ord, signs), signs[0])).split(signs[0]) if text else []
            return [piece for piece in cut if piece or keep_empty]
        case "characters":
            return list(text)


@string_pieces.reference
def _string_pieces_reference(
    x: Array, *, at: Cut, signs: str, keep_empty: bool, limit: int | None
) -> tuple[Array, ...]:
    cut = [_cut(text, at, signs, keep_empty, limit) for text in words(x)]
    return filled(cut, x.shape)


string_pieces.host(_HOST)
string_pieces.no_gradient(_NO_GRADIENT)
