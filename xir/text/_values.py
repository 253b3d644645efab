"""Parsing constants, sources, and attributes by the kinds that their operator declares (grammar: `xir.text.parser`)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Attribute
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.limits import element_count
from xir.ops._kinds import Kind
from xir.text._lexer import Lexer
from xir.text._literals import Word, component, parse_elements, string_array
from xir.text._strings import unquote_bytes
from xir.text._types import TypeParser

T = TypeVar("T")
_SHA256_DIGITS = 64


class ValueParser(TypeParser):
    """Sizes, types, constants, sources and attributes of one outermost graph."""

    def __init__(
        self, lexer: Lexer, weight: Callable[[str, str, TensorType], Constant], body: Callable[[], Graph]
    ) -> None:
        """Starts without symbols.

        Args:
            lexer: the tokens.
            weight: gives the constant of a name, SHA-256 and type.
            body: parses a graph; the current token is `graph`.
        """
        super().__init__(lexer)
        self._weight = weight
        self.body = body

    def value(self, kind: Kind) -> Attribute:
        """An attribute of the given kind; raises FormatError where the text has another."""
        lexer = self.lexer
        if kind.optional and lexer.accept("none"):
            return None
        match kind.base:
            case "graph":
                if lexer.token != "graph":
                    raise lexer.expected("a graph")
                return self.body()
            case "tuple":
                return self._tuple(kind)
            case "dim":
                return self.dim()
            case "constant":
                return self.constant()
            case "dtype":
                return self.dtype()
            case _:
                return self._simple(kind)

    def _simple(self, kind: Kind) -> Attribute:
        lexer = self.lexer
        match kind.base:
            case "int":
                return lexer.integer("a whole number")
            case "float":
                return self._float()
            case "bool":
                if lexer.token not in ("true", "false"):
                    raise lexer.expected("true or false")
                return lexer.advance() == "true"
            case _:
                at = lexer.start
                text = self.string("a string")
                if kind.base == "choice" and text not in kind.choices:
                    raise lexer.error(f"expected {kind}, got {text[:60]!r}", at=at)
                return text

    def _tuple(self, kind: Kind) -> Attribute:
        lexer = self.lexer
        at = lexer.start
        items: list[Attribute] = []
        lexer.expect("[")
        while not lexer.accept("]"):
            if items:
                lexer.expect(",")
            if not kind.repeated and len(items) == len(kind.items):
                raise lexer.expected(f"']': the value is {kind}")
            items.append(self.value(kind.items[0 if kind.repeated else len(items)]))
        if not kind.repeated and len(items) != len(kind.items):
            raise lexer.error(f"expected {kind}, got {len(items)} items", at=at)
        return tuple(items)

    def _float(self) -> float:
        lexer = self.lexer
        at = lexer.start
        if lexer.kind == "bits":
            digits = lexer.advance()[2:]
            if len(digits) != 16:
                raise lexer.error("the bits of a number are 16 digits after 0x", at=at)
            number: tuple[float] = struct.unpack("<d", int(digits, 16).to_bytes(8, "little"))
            return number[0]
        if lexer.kind != "number" and lexer.token not in ("inf", "nan"):
            raise lexer.expected("a number")
        text = lexer.advance()
        result = float(text)
        if result in (float("inf"), float("-inf")) and not text.endswith("inf"):
            raise lexer.error(f"{text[:60]} is outside the range of a 64-bit float", at=at)
        return result

    def constant(self) -> Constant:
        """A constant: its type, then its elements, or the name and hash of a weight.

        Raises:
            FormatError: the text is no constant, or has more or fewer elements than its type.
        """
        lexer = self.lexer
        at = lexer.start
        type = self.type()
        if not isinstance(type, TensorType) or type.static_shape is None:
            raise lexer.error(f"a constant needs a tensor type of known shape, got {type!r}", at=at)
        with lexer.placed(at):
            count = element_count(type.static_shape, what="the constant", file=lexer.file)
        if lexer.accept("weight"):
            return self._stored(type, at)
        lexer.expect("(")
        if type.dtype is DType.STRING:
            words = self._words(count)
            self._require_count(len(words), count, type, at)
            return Constant(type, string_array(words, type))
        parts = 1 if component(type.dtype) is type.dtype else 2
        texts = self._elements(count * parts, parts == 2)
        self._require_count(len(texts), count * parts, type, at)
        with lexer.placed(at):
            return Constant(type, parse_elements(texts, type))

    def _require_count(self, got: int, expected: int, type: TensorType, at: int) -> None:
        if got != expected:
            raise self.lexer.error(f"{type!r} has {expected} numbers or strings, got {got}", at=at)

    def _stored(self, type: TensorType, at: int) -> Constant:
        lexer = self.lexer
        lexer.expect("(")
        name = self.string("the name of a weight")
        lexer.expect(",")
        digits_at = lexer.start
        digest = self.string("the SHA-256 of a weight")
        if len(digest) != _SHA256_DIGITS or set(digest) - set("0123456789abcdef"):
            raise lexer.error("a SHA-256 has 64 digits 0-9a-f", at=digits_at)
        lexer.expect(")")
        with lexer.placed(at):
            return self._weight(name, digest, type)

    def _words(self, count: int) -> list[Word]:
        lexer = self.lexer
        words: list[Word] = []
        while not lexer.accept(")"):
            if words:
                lexer.expect(",")
            if len(words) == count:
                raise lexer.expected("')': there are more elements than the type has")
            at = lexer.start
            if lexer.kind == "bytes":
                token = lexer.advance()
                with lexer.placed(at):
                    words.append(unquote_bytes(token))
            else:
                words.append(self.string("a string"))
        return words

    def _elements(self, count: int, paired: bool) -> list[str]:
        lexer = self.lexer
        texts: list[str] = []
        while not lexer.accept(")"):
            if texts:
                lexer.expect(",")
            if len(texts) == count:
                raise lexer.expected("')': there are more elements than the type has")
            if paired:
                lexer.expect("(")
                texts.append(self._element())
                lexer.expect(",")
                texts.append(self._element())
                lexer.expect(")")
            else:
                texts.append(self._element())
        return texts

    def _element(self) -> str:
        lexer = self.lexer
        if lexer.kind not in ("number", "bits") and lexer.token not in ("true", "false", "nan", "inf"):
            raise lexer.expected("a number, true, false, nan, inf or 0x with bits")
        return lexer.advance()

    def source(self) -> Source:
        """`source("caffe", "lenet.prototxt", "conv1", "Convolution", order=3)`; the current token is `source`."""
        lexer = self.lexer
        lexer.expect("source")
        lexer.expect("(")
        framework = self.string("the framework as a string")
        lexer.expect(",")
        file = self.string("the file as a string")
        lexer.expect(",")
        source = Source(framework, file, self.string("the layer as a string"), "")
        if lexer.accept(")"):
            return source
        lexer.expect(",")
        if lexer.kind == "string":
            source = replace(source, kind=self.string("the kind as a string"))
            if lexer.accept(")"):
                return source
            lexer.expect(",")
        return self._fields(source)

    def _fields(self, source: Source) -> Source:
        """The source with the named fields that follow, up to the closing parenthesis."""
        lexer = self.lexer
        seen: set[str] = set()
        while True:
            name = lexer.token
            if name not in ("path", "module", "location", "order", "layout") or name in seen:
                raise lexer.expected("one of path, module, location, order, layout, each once")
            seen.add(name)
            lexer.advance()
            lexer.expect("=")
            match name:
                case "path":
                    source = replace(source, path=tuple(self._list(lambda: self.string("a string"))))
                case "module":
                    source = replace(source, module=self.string("a string"))
                case "location":
                    source = replace(source, location=self.string("a string"))
                case "order":
                    source = replace(source, order=lexer.integer("a whole number"))
                case _:
                    source = replace(source, layout=tuple(self._list(lambda: lexer.integer("a whole number"))))
            if lexer.accept(")"):
                return source
            lexer.expect(",")

    def _list(self, item: Callable[[], T]) -> list[T]:
        lexer = self.lexer
        items: list[T] = []
        lexer.expect("[")
        while not lexer.accept("]"):
            if items:
                lexer.expect(",")
            items.append(item())
        return items
