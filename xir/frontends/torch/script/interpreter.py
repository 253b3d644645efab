"""The code of an archive followed: numbers, text and lists as they are, calls of tensors as nodes of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, cast

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, XirError
from xir.frontends._problems import LostError, Problems
from xir.frontends.torch._names import NameTable
from xir.frontends.torch._trace import is_torchs
from xir.frontends.torch.call import Call, Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.script import branches, loops, quantized, sizes
from xir.frontends.torch.script.builtins import BUILTINS, causal_hint, is_causal_hint
from xir.frontends.torch.script.classes import Bound, ClassName, New, attribute, isinstance_of, made_by, unpacked
from xir.frontends.torch.script.containers import truth
from xir.frontends.torch.script.objects import Object, Place, ScriptArchive, is_code
from xir.frontends.torch.script.snapshot import Snapshot
from xir.frontends.torch.script.sources import Sources, class_of
from xir.frontends.torch.script.syntax import (
    Assign,
    Attribute,
    Block,
    Expression,
    For,
    Function,
    Group,
    If,
    Invocation,
    Item,
    Literal,
    Name,
    Pairs,
    Return,
    Statement,
    While,
    With,
)
from xir.frontends.torch.script.upgraders import upgraded
from xir.frontends.torch.script.values import Lost, Uninitialized, Unreadable, is_sequence, told
from xir.frontends.torch.tensor import Tensor
from xir.ir.builder import sourced
from xir.limits import MAX_CALLS, MAX_UNROLLED_NODES

MAX_STEPS = 1_000_000
"""Statements that are followed and items of lists that are made; each takes some microseconds."""

_HEADS = frozenset(("torch", "ops", "__torch__", "CONSTANTS", "inf", "nan", "infj", "nanj"))


@dataclass(slots=True)
class Frame:
    """One call of a function.

    Attributes:
        place: the function.
        path: of the module whose method runs.
        module: its class.
        caller: the line of the model's author that called it.
        line: that is followed.
        held: {variable: its value}.
    """

    place: Place
    path: tuple[str, ...]
    module: str | None
    caller: str | None = None
    line: int = 0
    held: dict[str, object] = field(default_factory=dict[str, object])


class Interpreter:
    """Follows code.

    Attributes:
        archive: where the code stands.
        constants: `CONSTANTS.c0` and so on.
        scope: what all calls of the graph share.
        names: of the graph's values.
        problems: calls that xir has no operators for.
        notes: what a person should know.
        frames: the calls that run, the innermost last.
        sources: where nodes come from.
    """

    def __init__(self, archive: ScriptArchive, scope: Scope, names: NameTable) -> None:
        """Follows nothing yet."""
        self.archive = archive
        self.constants: Sequence[object] = ()
        self.names = names
        self.problems = Problems()
        self.notes: dict[str, None] = {}
        self.frames: list[Frame] = []
        self.roots: list[object] = []
        self.sources = Sources(archive.path.rpartition("/")[2])
        self.use(scope)
        self._steps = 0
        self._limit = MAX_UNROLLED_NODES + archive.size() // 16

    def use(self, scope: Scope) -> Scope:
        """Calls go into the graph of this scope from now on; answers the one before."""
        before = getattr(self, "scope", scope)
        self.scope = scope
        self._caller = Caller(OPERATORS, scope)
        return before

    @property
    def call(self) -> Call:
        """A call for what the interpreter itself makes."""
        return Call(self.sources.line.kind, self.scope)

    @property
    def frame(self) -> Frame:
        """The innermost call."""
        return self.frames[-1]

    def charge(self, count: int) -> None:
        """Counts work; raises UnsafeError where it is too much."""
        self._steps += count
        if self._steps > MAX_STEPS:
            raise UnsafeError(
                f"the code takes more than {MAX_STEPS} steps", number=806, hint="does anything end its loops?"
            )

    def refuse(self, reason: str, hint: str | None = None) -> NoReturn:
        """Raises UnsupportedError."""
        raise UnsupportedError(reason, hint=hint)

    def sourced(self, kind: str) -> sourced:
        """Nodes made inside come from the line that is followed."""
        return sourced(self.sources.call(kind))

    def snapshot(self) -> Snapshot:
        """What everything holds now."""
        made = Snapshot([*self.roots, *self.constants, *(frame.held for frame in self.frames)])
        self.charge(len(made) // 4 + 1)
        return made

    # Functions

    def run(self, place: Place, items: Sequence[object], named: Mapping[str, object], of: Object | None) -> object:
        """What a function returns.

        Raises:
            Raised: it raises an exception.
            LostError: what it needs could not be made.
        """
        if len(self.frames) >= MAX_CALLS:
            raise UnsafeError(f"functions call each other more than {MAX_CALLS} deep", number=805)
        outer = self.sources.line
        caller = outer.location if self.frames else None
        if of is not None and of.path is not None:
            frame = Frame(place, of.path, class_of(of.kind), caller)
        else:
            frame = Frame(place, *((self.frame.path, self.frame.module) if self.frames else ((), None)), caller)
        self._bind(frame, place.function, items if of is None else (of, *items), named)
        self.frames.append(frame)
        try:
            return self.block(place.function.body)
        finally:
            self.frames.pop()
            if self.frames:  # what the model returns is shown where it returns
                self.sources.line = outer

    def _bind(self, frame: Frame, function: Function, items: Sequence[object], named: Mapping[str, object]) -> None:
        if len(items) > len(function.parameters):
            raise InvalidModelError(f"{function.name} takes {len(function.parameters)} values, it gets {len(items)}")
        known = {parameter.name for parameter in function.parameters}
        strange = [name for name in named if name not in known]
        if strange:
            raise InvalidModelError(f"{function.name} has no parameter {strange[0]!r}")
        for index, parameter in enumerate(function.parameters):
            if index < len(items):
                frame.held[parameter.name] = items[index]
            elif parameter.name in named:
                frame.held[parameter.name] = named[parameter.name]
            elif parameter.default is not None:
                frame.held[parameter.name] = self.evaluate(parameter.default)
            else:
                raise InvalidModelError(f"{function.name} needs {parameter.name!r}")

    # Statements

    def block(self, block: Block) -> object:
        """Follows statements; answers what is returned, None where nothing is."""
        for statement in block:
            self.charge(1)
            self._at(statement)
            with sourced(self.sources.line):
                if isinstance(statement, Return):
                    return self.evaluate(statement.value)
                try:
                    self._follow(statement)
                except XirError as error:
                    raise self._located(error) from None
        return None

    def _located(self, error: XirError) -> XirError:
        if ", line " not in error.message and not _is_list_of_problems(error):
            error.message = f"{error.message} ({self.frame.place.file}, line {self.frame.line})"
            error.args = (error.message,)
        return error

    def _at(self, statement: Statement) -> None:
        """Nodes that are made from now on come from this line."""
        head = statement.targets[0] if isinstance(statement, Assign) and statement.targets else None
        variable = head.text if isinstance(head, Name) else _DOING.get(type(statement), "call")
        frame = self.frame
        frame.line = statement.line
        self.sources.at(frame.path, frame.module, self._place(frame), variable)

    def _place(self, frame: Frame) -> str:
        """The line of the model's author that is followed; where it is torch's own code, the one that called that."""
        told = self.archive.origin(frame.place.file, frame.line)
        own = [place for place in (told, frame.caller) if place and not is_torchs(place) and not is_code(place)]
        return own[0] if own else told or f"{frame.place.file}, line {frame.line}"

    def _follow(self, statement: Statement) -> None:
        match statement:
            case Assign():
                self._assign(statement)
            case If():
                self._branch(statement)
            case While():
                loops.follow_while(self, statement)
            case For():
                loops.follow_for(self, statement)
            case With():
                self._with(statement)
            case Return():
                raise InvalidModelError("a return in the middle of a block")

    def _with(self, statement: With) -> None:
        """`with item:`: contexts of torch switch gradients and profiling, which no element depends on."""
        item = self.evaluate(statement.item)
        if isinstance(item, Object):
            self.method(item, "__enter__", ())
        self.block(statement.body)
        if isinstance(item, Object):
            self.method(item, "__exit__", (None, None, None))

    def _branch(self, statement: If) -> None:
        condition = truth(self, self.evaluate(statement.condition))
        if isinstance(condition, bool):
            self.inner(statement.then if condition else statement.other)
        else:
            branches.follow(self, condition, statement)

    def inner(self, block: Block) -> None:
        """Follows the block of a branch or a loop, in which nothing returns."""
        if block and isinstance(block[-1], Return):
            raise InvalidModelError("a return in the middle of a function")
        self.block(block)

    def _assign(self, statement: Assign) -> None:
        try:
            value = self.evaluate(statement.value)
            if statement.unpacks:
                for target, part in zip(statement.targets, unpacked(value, len(statement.targets)), strict=True):
                    self._set(target, part)
            elif statement.targets:
                self._set(statement.targets[0], value)
        except LostError:
            self._lose(statement)
        except UnsupportedError as error:
            if _is_list_of_problems(error):
                raise
            last = self.sources.last
            self.problems.note(last.kind, error.message, error.hint, f"{last.layer} ({last.location})")
            self._lose(statement)

    def _lose(self, statement: Assign) -> None:
        """What an assignment that cannot be done would set is lost; what it might have changed besides ends all."""
        for target in statement.targets:
            if not isinstance(target, Name):
                raise LostError
            self.frame.held[target.text] = Lost()

    def _set(self, target: Expression, value: object) -> None:
        match target:
            case Name(text):
                self.frame.held[text] = value
                if isinstance(value, Tensor):
                    self.names.offer(value.value, ".".join((*self.frame.path, text)))
            case Attribute(of, name):
                held = self.evaluate(of)
                if not isinstance(held, Object):
                    raise InvalidModelError(f"an attribute {name!r} of {told(held)} is set")
                held.attributes[name] = value
            case _:
                raise InvalidModelError("something that is no variable is set")

    # Expressions

    def evaluate(self, expression: Expression) -> object:
        """The value of an expression.

        Raises:
            LostError: a part of it could not be made.
        """
        match expression:
            case Literal(value):
                return value
            case Name(text):
                return self._variable(text)
            case Attribute():
                return self._attribute(expression)
            case Item(of, index):
                return self._builtin("torch.__getitem__", [self.evaluate(of), self.evaluate(index)], {})
            case Group(items, is_list):
                made = [self.evaluate(item) for item in items]
                self.charge(len(made))
                return made if is_list else tuple(made)
            case Pairs(pairs):
                return {self._key(key): self.evaluate(value) for key, value in pairs}
            case Invocation():
                return self._invoke(expression)

    def _key(self, expression: Expression) -> object:
        key = self.evaluate(expression)
        if not isinstance(key, str | int | float | bool):
            self.refuse(f"a dictionary whose key is {told(key)}")
        return key

    def _variable(self, name: str) -> object:
        held = self.frame.held if self.frames else {}
        if name not in held:
            dotted = self._dotted(name)
            if dotted is not None:
                return dotted
            raise InvalidModelError(f"there is no variable {name!r}")
        value = held[name]
        if isinstance(value, Lost):
            raise LostError
        if isinstance(value, Unreadable):
            self.refuse(value.reason)
        return value

    def _attribute(self, expression: Attribute) -> object:
        name = dotted_name(expression)
        if name is not None and self._is_global(name):
            found = self._dotted(name)
            if found is None:
                raise InvalidModelError(f"there is no {name!r}")
            return found
        return attribute(self, self.evaluate(expression.of), expression.name)

    def _is_global(self, name: str) -> bool:
        head = name.partition(".")[0]
        return head in _HEADS and not (self.frames and head in self.frame.held)

    def _dotted(self, name: str) -> object:
        """What a full name means, or None."""
        if name in ("inf", "nan"):
            return float(name)
        head, _, rest = name.partition(".")
        if head == "CONSTANTS":
            number = rest[1:]
            if rest[:1] != "c" or not number.isdecimal() or int(number) >= len(self.constants):
                raise InvalidModelError(f"there is no constant {name!r}")
            return self.constants[int(number)]
        if head != "__torch__":
            return None
        function = self.archive.function(name)
        if function is not None:
            return function
        if self.archive.definition(name) is not None:
            return ClassName(name)
        outer, _, last = name.rpartition(".")
        return attribute(self, ClassName(outer), last) if self.archive.definition(outer) is not None else None

    def _invoke(self, expression: Invocation) -> object:
        function = expression.function
        name = dotted_name(function)
        if name is not None and (name in _FORMS) and not (self.frames and name in self.frame.held):
            return self._form(name, expression)
        is_builtin = name is not None and name.partition(".")[0] in ("torch", "ops") and self._is_global(name)
        called = None if is_builtin else self.evaluate(function) if name not in BUILTINS else None
        items = [self.evaluate(item) for item in expression.items]
        named = {key: self.evaluate(item) for key, item in expression.named}
        if called is None:
            return self._builtin(cast("str", name), items, named)
        return self.invoke(called, items, named)

    def invoke(self, called: object, items: Sequence[object], named: Mapping[str, object]) -> object:
        """What a function, a method or a class makes."""
        match called:
            case Place() if is_causal_hint(called):
                return causal_hint(items)
            case Place():
                return self.run(called, items, named, None)
            case Bound(of, place):
                return self.run(place, items, named, of)
            case ClassName(kind):
                return made_by(self, kind, items, named)
            case New(kind):
                return Object(kind)
            case _:
                raise InvalidModelError(f"{told(called)} is called")

    def method(self, of: Object, name: str, items: Sequence[object]) -> object:
        """What a method of an object returns; None where its class has none of this name."""
        place = self.archive.method(of.kind, name)
        return None if place is None else self.run(place, items, {}, of)

    def _form(self, name: str, expression: Invocation) -> object:
        """Forms whose arguments are types."""
        items = expression.items
        if name == "uninitialized":
            return Uninitialized()
        if name == "isinstance" and len(items) == 2:
            return isinstance_of(self, self.evaluate(items[0]), items[1])
        if name == "getattr" and len(items) == 2 and isinstance(items[1], Literal):
            return attribute(self, self.evaluate(items[0]), str(items[1].value))
        if name in ("annotate", "unchecked_cast") and len(items) == 2:
            value = self.evaluate(items[1])
            if isinstance(value, Tensor) and items[0] in _NUMBERS:  # a number that a tensor of one element is
                return self._builtin(_NUMBERS[items[0]], [value], {})
            return value
        raise InvalidModelError(f"{name} takes other arguments")

    def _builtin(self, name: str, items: list[object], named: dict[str, object]) -> object:
        rule = BUILTINS.get(name)
        if rule is not None:
            made = rule(self, items, named)
            if made is not NotImplemented:
                return made
        return self.operator(name, items, named)

    def operator(self, name: str, items: Sequence[object], named: Mapping[str, object]) -> object:
        """What an operator of PyTorch makes of tensors."""
        items, named = upgraded(self.archive.operators, name, items, named)
        known = sizes.computed(self, name, items, named)
        if known is not None:
            return known
        if self.sources.calls >= self._limit:
            raise UnsafeError(
                f"the code calls more than {self._limit} operators",
                number=806,
                hint="loops of a known number of steps are written down step by step: fewer steps make fewer",
            )
        head, _, rest = name.partition(".")
        kind = f"aten.{rest}" if head == "torch" else rest
        quantized.check(self, name, items)
        with self.sourced(kind):
            given = quantized.entered(self, name, items)
            made = quantized.wrapped(self, name, items, self._caller.call(kind, given, named))
        for each in made if is_sequence(made) else (made,):
            if isinstance(each, Tensor):
                self.scope.note_axes(each.value)
        return list(made) if is_sequence(made) and _is_list(kind) else made


_FORMS = frozenset(("annotate", "unchecked_cast", "uninitialized", "isinstance", "getattr"))
_DOING: Mapping[type[object], str] = {If: "if", While: "while", For: "for", With: "with", Return: "return"}
_NUMBERS: Mapping[Expression, str] = {
    Name("int"): "int",
    Name("float"): "float",
    Name("bool"): "bool",
    Name("number"): "torch.ScalarImplicit",
}


def dotted_name(expression: Expression) -> str | None:
    """`torch.nn.f` as a text; None where the expression is more than names."""
    parts: list[str] = []
    while isinstance(expression, Attribute):
        parts.append(expression.name)
        expression = expression.of
    return ".".join((expression.text, *reversed(parts))) if isinstance(expression, Name) else None


def _is_list_of_problems(error: XirError) -> bool:
    return isinstance(error, UnsupportedError) and bool(error.problems)


def _is_list(kind: str) -> bool:
    """Whether the operator answers one list, and no tuple of results."""
    namespace, name = kind.split(".")[:2]
    table = OPERATORS.get(namespace)
    overloads = () if table is None else table.overloads(name)
    return any(len(each.schema.results) == 1 and each.schema.results[0].is_list for each in overloads)
