"""Operators on text; all of them run by the reference."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_dtype, require_rank, require_same_type, require_size
from xir.ops._define import op
from xir.ops._regex import Pattern
from xir.ops._texts import filled, joined, texts, words

_HOST = "text has no kernels"
_NO_GRADIENT = "text has no slope"

Case = Literal["none", "lower", "upper"]


@op
def string_concat(x: Value, y: Value) -> TensorType:
    """The texts of x and y one after the other (ONNX StringConcat).

    x, y: str, of one shape; result: str, that shape.
    """
    require_dtype(x, DType.STRING)
    return require_same_type(x, y)


@string_concat.reference
def _string_concat_reference(x: Array, y: Array) -> Array:
    return texts([joined(pair) for pair in zip(words(x), words(y), strict=True)], x.shape)


string_concat.host(_HOST)
string_concat.no_gradient(_NO_GRADIENT)


@op
def string_split(x: Value, *, delimiter: str, limit: int | None) -> tuple[TensorType, TensorType]:
    """The pieces of each text between delimiters (ONNX StringSplit).

    x: str of any shape; results: str, the shape of `x` and as many as the most pieces of one text, filled with empty
    ones; and i64, the shape of `x`: how many. An empty delimiter stands for any run of whitespace, none of which is
    left at either end. limit: splits at most; what is behind the last one stays whole.
    """
    require_dtype(x, DType.STRING)
    if limit is not None and limit < 0:
        raise InvalidModelError(f"at most {limit} splits: expected 0 or more")
    return TensorType(DType.STRING, (*x.shape, Symbol())), x.tensor.with_dtype(DType.INT64)


def _pieces(text: str, delimiter: str, limit: int | None) -> list[str]:
    most = -1 if limit is None else limit
    return text.split(delimiter, most) if delimiter else text.strip().split(None, most)


@string_split.reference
def _string_split_reference(x: Array, *, delimiter: str, limit: int | None) -> tuple[Array, ...]:
    return filled([_pieces(text, delimiter, limit) for text in words(x)], x.shape)


string_split.host(_HOST)
string_split.no_gradient(_NO_GRADIENT)


def _cased(text: str, case: Case) -> str:
    match case:
        case "lower":
            return text.lower()
        case "upper":
            return text.upper()
        case "none":
            return text


@op
def string_normalize(x: Value, *, stopwords: tuple[str, ...], case_sensitive: bool, case: Case) -> TensorType:
    """The texts that are no stopwords, in lower or upper case (ONNX StringNormalizer).

    x: str, [C] or [1, C]; result: str, [K] or [1, K], K unknown: one empty text where nothing is left. Without
    `case_sensitive` case does not matter for what a stopword is.
    """
    require_dtype(x, DType.STRING)
    require_rank(x, 1, 2)
    if x.rank == 2:
        require_size(x.shape[0], 1, "the number of rows")
    return TensorType(DType.STRING, (*x.shape[:-1], Symbol() if stopwords else x.shape[-1]))


@string_normalize.reference
def _string_normalize_reference(x: Array, *, stopwords: tuple[str, ...], case_sensitive: bool, case: Case) -> Array:
    stops = frozenset(stopwords) if case_sensitive else frozenset(word.lower() for word in stopwords)
    kept = [text for text in words(x) if (text if case_sensitive else text.lower()) not in stops]
    made = [_cased(text, case) for text in kept]
    if not made and (stopwords or not x.size):
        made = [""]
    return texts(made, (*x.shape[:-1], len(made)))


string_normalize.host(_HOST)
string_normalize.no_gradient(_NO_GRADIENT)


TEXT_BEGINS, TEXT_ENDS = "\x02", "\x03"
"""What stands around the tokens of a text (onnxruntime, docs/ContribOperators.md, Tokenizer: 'beginning/end character
is \\x02/\\x03')."""


@op
def tokenize(
    x: Value, *, separators: tuple[str, ...], token: str, shortest: int, marked: bool, fill: str
) -> TensorType:
    r"""The tokens of each text (com.microsoft Tokenizer).

    x: str, [C] or [N, C]; result: str, that shape and as many as the most tokens of one text, filled with `fill`. With
    `separators`, regular expressions of RE2, tokens are what is left between their matches: those of the first, then
    in the pieces those of the second; a match of nothing takes a character away. Without, tokens are what `token`
    matches. Matches are the longest of the leftmost. One empty separator, and `.` as the token, make every character
    one. Tokens of fewer than `shortest` characters fall away. Where `marked`, \x02 and \x03 stand around the tokens
    of each text, unless no text has any. (onnxruntime, contrib_ops/cpu/tokenizer.cc)
    """
    require_dtype(x, DType.STRING)
    require_rank(x, 1, 2)
    if shortest < 1 or (_by_characters(separators, token) and shortest > 1):
        raise InvalidModelError(f"tokens have at least {shortest} characters: expected 1 or more, or 1 for characters")
    if bool(separators) == bool(token):
        raise InvalidModelError("expected either separators or a token")
    if not _by_characters(separators, token):
        for expression in separators or (token,):
            if not expression:
                raise InvalidModelError("a separator is empty beside others")
            Pattern(expression)
    return TensorType(DType.STRING, (*x.shape, Symbol()))


def _by_characters(separators: tuple[str, ...], token: str) -> bool:
    return separators == ("",) or token == "."


def _between(text: str, separator: Pattern, shortest: int) -> list[str]:
    """The pieces between the matches; behind an empty match one character is passed over, as tokenizer.cc does."""
    pieces: list[str] = []
    start = 0
    while True:
        found = separator.find(text, start)
        piece = text[start : len(text) if found is None else found[0]]
        if len(piece) >= shortest:
            pieces.append(piece)
        if found is None:
            return pieces
        start = found[1] if found[1] > found[0] else found[0] + 1
        if start > len(text):
            return pieces


def _matched(text: str, token: Pattern, shortest: int) -> list[str]:
    """What the expression matches; within a match that is too short the search goes on, as in tokenizer.cc."""
    pieces: list[str] = []
    found = token.find(text, 0)
    while found is not None:
        begin, end = found
        long = end - begin >= shortest
        if long:
            pieces.append(text[begin:end])
        found = token.find(text, end if long else begin + 1)
    return pieces


@tokenize.reference
def _tokenize_reference(
    x: Array, *, separators: tuple[str, ...], token: str, shortest: int, marked: bool, fill: str
) -> Array:
    if _by_characters(separators, token):
        rows = [list(text) for text in words(x)]
    elif token:
        expression = Pattern(token)
        rows = [_matched(text, expression, shortest) for text in words(x)]
    else:
        expressions = [Pattern(separator) for separator in separators]
        rows = [[text] for text in words(x)]
        for each in expressions:
            rows = [[piece for text in row for piece in _between(text, each, shortest)] for row in rows]
    if marked and any(rows):
        rows = [[TEXT_BEGINS, *row, TEXT_ENDS] for row in rows]
    return filled(rows, x.shape, fill)[0]


tokenize.host(_HOST)
tokenize.no_gradient(_NO_GRADIENT)


@op
def regex_full_match(x: Value, *, pattern: str) -> TensorType:
    """Whether each text matches a regular expression as a whole (ONNX RegexFullMatch).

    x: str of any shape; result: bool, that shape. pattern: in RE2's syntax; matching takes time linear in the text.
    """
    require_dtype(x, DType.STRING)
    Pattern(pattern)
    return x.tensor.with_dtype(DType.BOOL)


@regex_full_match.reference
def _regex_full_match_reference(x: Array, *, pattern: str) -> Array:
    expression = Pattern(pattern)
    return np.asarray([expression.matches(text) for text in words(x)], np.bool_).reshape(x.shape)


regex_full_match.host(_HOST)
regex_full_match.no_gradient(_NO_GRADIENT)


Rewrite = list[str | int]
"""Texts, and the numbers of groups whose texts stand between them."""


def _rewrite(rewrite: str, pattern: str) -> tuple[Rewrite, Pattern]:
    """The parts of a rewrite, and the pattern with the groups that it names."""
    parts: Rewrite = []
    plain, escape, rest = rewrite.partition("\\")
    while escape:
        sign = rest[:1]
        if sign not in {"\\", *"0123456789"}:
            raise InvalidModelError(f"the rewrite {rewrite[:60]!r} has a backslash before {sign!r}: expected a digit")
        parts += [plain, "\\" if sign == "\\" else int(sign)]
        plain, escape, rest = rest[1:].partition("\\")
    parts.append(plain)
    groups = max((part for part in parts if isinstance(part, int)), default=0)
    expression = Pattern(pattern, groups)
    if groups > expression.groups:
        raise InvalidModelError(f"the rewrite {rewrite[:60]!r} names group {groups}, there are {expression.groups}")
    return parts, expression


def _replaced(text: str, expression: Pattern, parts: Rewrite, everywhere: bool) -> str:
    """The text with its matches rewritten; one of nothing right behind another is none (re2/re2.cc, GlobalReplace)."""
    made: list[str] = []
    start, ended = 0, -1
    while start <= len(text):
        found = expression.search(text, start)
        if found is None:
            break
        made.append(text[start : found[0]])
        if found[0] == found[1] == ended:
            made.append(text[start : start + 1])
            start += 1
            continue
        for part in parts:
            made.append(part if isinstance(part, str) else text[found[2 * part] : found[2 * part + 1]])
        start = ended = found[1]
        if not everywhere:
            break
    return joined((*made, text[start:]))


@op
def regex_replace(x: Value, *, pattern: str, rewrite: str, everywhere: bool) -> TensorType:
    r"""The texts with the matches of a regular expression rewritten (TensorFlow RegexReplace).

    x: str of any shape; result: str, that shape. pattern: in RE2's syntax; matches are those that backtracking would
    find first: the leftmost one or, `everywhere`, one behind the other. rewrite: `\0` stands for the match, `\1` to
    `\9` for its groups, `\\` for a backslash. A search takes time linear in the text and in the pattern, which is
    at most `MAX_PROGRAM` steps; there are as many searches as matches. (re2/re2.cc, Replace, GlobalReplace)
    """
    require_dtype(x, DType.STRING)
    _rewrite(rewrite, pattern)
    return x.tensor


@regex_replace.reference
def _regex_replace_reference(x: Array, *, pattern: str, rewrite: str, everywhere: bool) -> Array:
    parts, expression = _rewrite(rewrite, pattern)
    return texts([_replaced(text, expression, parts, everywhere) for text in words(x)], x.shape)


regex_replace.host(_HOST)
regex_replace.no_gradient(_NO_GRADIENT)
