"""Parsing sizes and types; the grammar stands in `xir.text.parser`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from xir.errors import InvalidModelError
from xir.ir.dims import Dim, Symbol, add, floor_divide, maximum, minimum, multiply
from xir.ir.types import (
    MAP_KEYS,
    DType,
    MapType,
    OptionalType,
    SequenceType,
    TensorType,
    Type,
    UnrankedType,
    dtype_from_name,
)
from xir.limits import MAX_RANK, check_name
from xir.text._lexer import Lexer
from xir.text._strings import unquote


def _shown(key: str | int) -> str:
    return f"?{key}" if isinstance(key, int) else repr(key[:60])


class TypeParser:
    """Sizes and types of one outermost graph, whose symbols it knows.

    Attributes:
        lexer: the tokens.
        symbols: all declared symbols by name, nameless ones by number.
    """

    def __init__(self, lexer: Lexer) -> None:
        """Starts without symbols."""
        self.lexer = lexer
        self.symbols: dict[str | int, Symbol] = {}

    def string(self, what: str) -> str:
        """Takes a string; raises FormatError where none stands."""
        lexer = self.lexer
        at = lexer.start
        token = lexer.take("string", what)
        with lexer.placed(at):
            return unquote(token)

    def declare(self) -> None:
        """`symbol N {minimum=1, maximum=64, divisor=8}`: the word is taken already.

        Raises:
            FormatError: the text is not a declaration, or the symbol is declared twice.
        """
        lexer = self.lexer
        at = lexer.start
        key = self._symbol_key()
        if key in self.symbols:
            raise lexer.error(f"symbol {_shown(key)} is declared twice", at=at)
        limits: dict[str, int] = {}
        if lexer.accept("{"):
            while not lexer.accept("}"):
                if limits:
                    lexer.expect(",")
                word = lexer.token
                if word not in ("minimum", "maximum", "divisor") or word in limits:
                    raise lexer.expected("one of minimum, maximum, divisor, each once")
                lexer.advance()
                lexer.expect("=")
                limits[word] = lexer.integer("a whole number")
        with lexer.placed(at):
            self.symbols[key] = Symbol(
                key if isinstance(key, str) else None,
                minimum=limits.get("minimum", 0),
                maximum=limits.get("maximum"),
                divisor=limits.get("divisor", 1),
            )

    def _symbol_key(self) -> str | int:
        """Takes a symbol: its name, or its number if it is a nameless one.

        Raises:
            FormatError: no symbol stands here.
        """
        lexer = self.lexer
        at = lexer.start
        if lexer.kind == "unnamed":
            return int(lexer.advance()[1:])
        if lexer.kind == "string":
            name = self.string("a symbol")
        elif lexer.kind == "word" and lexer.token not in ("min", "max"):
            name = lexer.advance()
        else:
            raise lexer.expected("a symbol: a name, a string or ?NUMBER")
        with lexer.placed(at):
            check_name(name, what="the name of a symbol")
        return name

    def dim(self) -> Dim:
        """A size: a sum of terms."""
        lexer = self.lexer
        at = lexer.start
        total = self._term()
        while True:
            if lexer.accept("+") or (lexer.kind == "number" and lexer.token.startswith("-")):
                other = self._term()
            elif lexer.accept("-"):
                other = multiply(-1, self._term())
            else:
                break
            with lexer.placed(at):
                total = add(total, other)
        return total

    def _term(self) -> Dim:
        lexer = self.lexer
        at = lexer.start
        result = self._factor()
        while lexer.token in ("*", "//"):
            combine = multiply if lexer.advance() == "*" else floor_divide
            other = self._factor()
            with lexer.placed(at):
                result = combine(result, other)
        return result

    def _factor(self) -> Dim:
        lexer = self.lexer
        sign = -1 if lexer.accept("-") else 1
        if lexer.kind == "number":
            return sign * lexer.integer("a whole number")
        if lexer.accept("("):
            lexer.enter()
            inner = self.dim()
            lexer.expect(")")
            lexer.leave()
        elif lexer.token in ("min", "max"):
            inner = self._extremum()
        else:
            inner = self._symbol()
        return inner if sign == 1 else multiply(-1, inner)

    def _extremum(self) -> Dim:
        lexer = self.lexer
        at = lexer.start
        combine = minimum if lexer.advance() == "min" else maximum
        lexer.expect("(")
        lexer.enter()
        result = self.dim()
        while lexer.accept(","):
            other = self.dim()
            with lexer.placed(at):
                result = combine(result, other)
        lexer.expect(")")
        lexer.leave()
        return result

    def _symbol(self) -> Dim:
        lexer = self.lexer
        at = lexer.start
        key = self._symbol_key()
        if key not in self.symbols:
            raise lexer.error(
                f"symbol {_shown(key)} is not declared", at=at, hint="add `symbol NAME` to the outermost graph's head"
            )
        return self.symbols[key]

    def type(self) -> Type:
        """A type: `f32[N,3]`, `f32[*]`, `sequence<...>`, `optional<...>`, `map<str, ...>`."""
        lexer = self.lexer
        wrappers: list[Callable[[Type], Type]] = []
        while lexer.token in ("sequence", "optional", "map"):
            wrappers.append(self._wrapper(lexer.advance()))
        result: Type = self._tensor()
        for wrapper in reversed(wrappers):
            lexer.expect(">")
            lexer.leave()
            result = wrapper(result)
        return result

    def _wrapper(self, word: str) -> Callable[[Type], Type]:
        """What `sequence<`, `optional<` or `map<KEY,` makes of the type that follows; the word is taken already."""
        lexer = self.lexer
        lexer.expect("<")
        lexer.enter()
        if word != "map":
            return SequenceType if word == "sequence" else OptionalType
        at = lexer.start
        key = self.dtype()
        if key not in MAP_KEYS:
            known = ", ".join(map(str, MAP_KEYS))
            raise lexer.error(f"a map cannot have keys of {key}", at=at, hint=f"keys are {known}")
        lexer.expect(",")
        return partial(MapType, key)

    def dtype(self) -> DType:
        """An element type by its short name; raises FormatError where none stands."""
        lexer = self.lexer
        at = lexer.start
        name = lexer.take("word", "an element type such as f32")
        try:
            return dtype_from_name(name)
        except InvalidModelError as error:
            raise lexer.error(error.message, at=at, hint=error.hint) from None

    def _tensor(self) -> TensorType | UnrankedType:
        lexer = self.lexer
        at = lexer.start
        dtype = self.dtype()
        lexer.expect("[")
        if lexer.accept("*"):
            lexer.expect("]")
            return UnrankedType(dtype)
        shape: list[Dim] = []
        while not lexer.accept("]"):
            if shape:
                lexer.expect(",")
            shape.append(self.dim())
            if len(shape) > MAX_RANK:
                raise lexer.error(f"a tensor has more than {MAX_RANK} axes", at=at)
        with lexer.placed(at):
            return TensorType(dtype, tuple(shape))
