"""TorchScript's text as a tree, by recursive descent; no Python is compiled or run."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable
from typing import NoReturn, TypeVar

from xir.errors import InvalidModelError
from xir.frontends.torch.script.syntax import (
    Assign,
    Attribute,
    Block,
    ClassDefinition,
    Expression,
    File,
    For,
    Function,
    Group,
    If,
    Invocation,
    Item,
    Literal,
    Name,
    Pairs,
    Parameter,
    Return,
    Statement,
    While,
    With,
)
from xir.frontends.torch.script.tokens import Kind, Token, tokens
from xir.limits import MAX_TEXT_BYTES, check_nesting, check_size

T = TypeVar("T")

_WORDS: dict[str, bool | None] = {"None": None, "True": True, "False": False}


def parse_file(source: str, path: str) -> File:
    """The classes and functions of one file of the archive.

    Raises:
        InvalidModelError: it is not written as torch writes it.
        UnsafeError: it is too long, or nested too deep.
    """
    check_size(len(source), MAX_TEXT_BYTES, what=path)
    return _Parser(list(tokens(source, path)), path).file()


class _Parser:
    def __init__(self, words: list[Token], path: str) -> None:
        self.words = words
        self.path = path
        self.place = 0
        self.depth = 0

    @property
    def word(self) -> Token:
        return self.words[self.place]

    def at(self, kind: Kind) -> bool:
        """Whether the next word is of this kind."""
        return self.words[self.place].kind == kind

    def wrong(self, wanted: str) -> NoReturn:
        word = self.word
        got = (
            repr(word.text[:40])
            if word.text
            else {"in": "an indented line", "out": "the end of a block"}.get(word.kind, "the end of the line")
        )
        raise InvalidModelError(f"{self.path}, line {word.line}: {wanted} is expected, got {got}")

    def next(self) -> Token:
        word = self.word
        self.place += 1
        return word

    def takes(self, text: str) -> bool:
        """Whether the next word is this sign or keyword; it is passed then."""
        if self.word.kind in ("sign", "name") and self.word.text == text:
            self.place += 1
            return True
        return False

    def need(self, text: str) -> None:
        if not self.takes(text):
            self.wrong(repr(text))

    def name(self) -> str:
        if not self.at("name"):
            self.wrong("a name")
        return self.next().text

    def line_end(self) -> None:
        if not self.at("line"):
            self.wrong("the end of the line")
        self.place += 1

    def file(self) -> File:
        made = File(self.path, {}, {})
        while not self.at("end"):
            if self.at("line"):
                self.place += 1
            elif self.takes("class"):
                held = self.class_definition()
                made.classes[held.name] = held
            elif self.takes("def"):
                function = self.function()
                made.functions[function.name] = function
            elif self.takes("import"):
                self.dotted()
                self.line_end()
            else:
                self.simple()  # op_version_set = 1
        return made

    def dotted(self) -> Expression:
        made: Expression = Name(self.name())
        while self.takes("."):
            made = Attribute(made, self.name())
        return made

    def class_definition(self) -> ClassDefinition:
        line = self.word.line
        name, kind = self.name(), ""
        if self.takes("("):
            kind = self.name()
            self.need(")")
        made = ClassDefinition(name, kind, {}, {}, {}, line)
        self.block(lambda: self.member(made))
        return made

    def member(self, made: ClassDefinition) -> None:
        if self.takes("def"):
            function = self.function()
            made.methods[function.name] = function
            return
        if self.takes("pass"):
            self.line_end()
            return
        name = self.name()
        if name == "__annotations__" and self.takes("["):
            name = self.text()
            self.need("]")
            self.need("=")
            made.attributes[name] = self.expression()
        elif self.takes(":"):
            made.attributes[name] = self.expression()
            if self.takes("="):
                made.values[name] = self.expression()
        else:
            self.need("=")
            made.values[name] = self.expression()
        self.line_end()

    def text(self) -> str:
        made = self.expression()
        if not isinstance(made, Literal) or not isinstance(made.value, str):
            self.wrong("a text")
        return made.value

    def function(self) -> Function:
        line, name = self.word.line, self.name()
        self.need("(")
        parameters = self.listed(")", self.parameter)
        if self.takes("->"):
            self.expression()
        return Function(name, tuple(parameters), tuple(self.statements()), line)

    def parameter(self) -> Parameter:
        name = self.name()
        type = self.expression() if self.takes(":") else None
        return Parameter(name, type, self.expression() if self.takes("=") else None)

    def listed(self, end: str, item: Callable[[], T]) -> list[T]:
        """Items between commas up to the closing sign; a comma may stand before it."""
        found: list[T] = []
        while not self.takes(end):
            found.append(item())
            if not self.takes(","):
                self.need(end)
                break
        return found

    def block(self, member: Callable[[], None]) -> None:
        """`:` and the indented lines after it."""
        self.need(":")
        self.line_end()
        if not self.at("in"):
            self.wrong("an indented block")
        self.place += 1
        self.depth += 1
        check_nesting(self.depth, what="the code", file=self.path)
        while not self.at("out"):
            member()
        self.place += 1
        self.depth -= 1

    def statements(self) -> Block:
        found: list[Statement] = []

        def member() -> None:
            found.extend(self.statement())

        self.block(member)
        return tuple(found)

    def statement(self) -> list[Statement]:
        line = self.word.line
        if self.takes("pass"):
            self.line_end()
            return []
        if self.takes("if"):
            return [self.branch(line)]
        if self.takes("while"):
            return [While(self.expression(), self.statements(), line)]
        if self.takes("for"):
            name = self.name()
            self.need("in")
            return [For(name, self.range(), self.statements(), line)]
        if self.takes("with"):
            return [With(self.expression(), self.statements(), line)]
        if self.takes("return"):
            value = Literal(None) if self.at("line") else self.several()
            self.line_end()
            return [Return(value, line)]
        return [self.simple()]

    def branch(self, line: int) -> If:
        condition, then = self.expression(), self.statements()
        return If(condition, then, self.statements() if self.takes("else") else (), line)

    def range(self) -> Expression:
        made = self.expression()
        if isinstance(made, Invocation) and made.function == Name("range") and len(made.items) == 1:
            return made.items[0]
        self.wrong("range(count)")

    def several(self) -> Expression:
        """One expression, or several between commas: a tuple without its brackets."""
        first = self.expression()
        if not self.takes(","):
            return first
        items = [first]
        while not self.at("line") and not (self.at("sign") and self.word.text == "="):
            items.append(self.expression())
            if not self.takes(","):
                break
        return Group(tuple(items), is_list=False)

    def simple(self) -> Statement:
        """An assignment, or an expression whose value is dropped."""
        line = self.word.line
        left = self.several()
        if self.takes(":"):
            self.expression()  # the type of the variable: the value has one
        if not self.takes("="):
            self.line_end()
            return Assign((), False, left, line)
        value = self.several()
        self.line_end()
        unpacks = isinstance(left, Group)
        return Assign(left.items if isinstance(left, Group) else (left,), unpacks, value, line)

    def expression(self) -> Expression:
        self.depth += 1
        check_nesting(self.depth, what="the code", file=self.path)
        made = self.primary()
        while True:
            if self.takes("."):
                made = Attribute(made, self.name())
            elif self.takes("["):
                made = self.item(made)
            elif self.takes("("):
                made = self.invocation(made)
            else:
                self.depth -= 1
                return made

    def item(self, of: Expression) -> Expression:
        """`of[a]`, `of[a, b]` of a type, and `of[a:b]`: a part of a tuple (python_print.cpp, `prim::TupleSlice`)."""
        first = self.expression()
        if self.takes(":"):
            last = self.expression()
            self.need("]")
            return Invocation(Attribute(Name("torch"), "slice"), (of, first, last, Literal(1)), ())
        if not self.takes(","):
            self.need("]")
            return Item(of, first)
        return Item(of, Group((first, *self.listed("]", self.expression)), is_list=False))

    def invocation(self, function: Expression) -> Invocation:
        named: list[tuple[str, Expression]] = []
        items: list[Expression] = []

        def argument() -> None:
            following = self.words[self.place + 1]
            if self.at("name") and following.kind == "sign" and following.text == "=":
                name = self.name()
                self.place += 1
                named.append((name, self.expression()))
            else:
                items.append(self.expression())

        self.listed(")", argument)
        return Invocation(function, tuple(items), tuple(named))

    def primary(self) -> Expression:
        word = self.word
        if word.kind == "number":
            self.place += 1
            return Literal(_number(word.text))
        if word.kind == "text":
            self.place += 1
            return Literal(self.unescaped(word))
        if word.kind == "name":
            self.place += 1
            return Literal(_WORDS[word.text]) if word.text in _WORDS else Name(word.text)
        if self.takes("-"):
            return self.negative()
        if self.takes("("):
            return self.bracketed()
        if self.takes("["):
            return Group(tuple(self.listed("]", self.expression)), is_list=True)
        if self.takes("{"):
            return Pairs(tuple(self.listed("}", self.pair)))
        self.wrong("an expression")

    def negative(self) -> Expression:
        word = self.next()
        if word.kind == "number":
            return Literal(-_number(word.text))
        if word.kind == "name" and word.text in ("inf", "nan"):
            return Literal(-float(word.text))
        self.place -= 1
        self.wrong("a number")

    def bracketed(self) -> Expression:
        """`(a)` is a itself; `(a,)` and `(a, b)` are tuples, `()` the empty one."""
        items: list[Expression] = []
        while not self.takes(")"):
            items.append(self.expression())
            if not self.takes(","):
                self.need(")")
                if len(items) == 1:
                    return items[0]
                break
        return Group(tuple(items), is_list=False)

    def pair(self) -> tuple[Expression, Expression]:
        key = self.expression()
        self.need(":")
        return key, self.expression()

    def unescaped(self, word: Token) -> str:
        try:
            value: object = literal_eval(word.text)
        except (ValueError, SyntaxError):
            value = None
        if not isinstance(value, str):
            self.place -= 1
            self.wrong("a text")
        return value


def _number(text: str) -> int | float | complex:
    if text.endswith("j"):
        return complex(0, float(text[:-1]))
    return int(text) if text.isdecimal() else float(text)
