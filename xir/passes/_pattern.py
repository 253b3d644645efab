"""The rule language: one law, one rule; the pattern is the same Python that builds graphs.

    @rule
    def double_transpose(x: Value, p: Perm, q: Perm) -> Value:
        '''transpose(transpose(x, p), q) == transpose(x, p[q])'''
        return transpose(transpose(x, perm=p), perm=q)

    @double_transpose.build
    def _(x: Value, p: Perm, q: Perm) -> Value:
        return transpose(x, perm=compose(p, q))

The pattern is traced once: parameters annotated `Value` become variables that match any value, all others attribute
variables, which match only what fits their annotation (`tuple[int, ...]`: every size is known). A variable that stands
twice must match the same thing twice. Required attributes that a pattern leaves out
match anything; optional ones match their default. `either` and `maybe` match alternatives; operands of commutative
operators match in both orders. Values inside a pattern must have no other reader (`single_use=False` lifts that).
A `condition` answers None, or the reason why a match is not taken: `xir optimize --explain` shows it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast, get_type_hints

from xir.errors import InvalidModelError
from xir.ir.constant import Constant
from xir.ir.node import Attribute, Node, Op, PatternValue, Value
from xir.ir.rewrite import Rewriter
from xir.ops._kinds import Kind, kind_of

COMMUTATIVE = frozenset({
    "add", "mul", "minimum", "maximum", "equal", "not_equal", "logical_and", "logical_or", "logical_xor",
})  # fmt: skip
"""Operators whose two operands may change places."""

NOT_NEAR = ""
"""What a condition answers when the match is not even a near miss, and nobody wants to hear of it."""

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class AttributeVariable:
    """Stands for any attribute of a kind; the same one where it stands twice."""

    name: str
    kind: Kind

    def admits(self, attribute: Attribute) -> bool:
        """Whether the attribute is of the kind."""
        try:
            self.kind.check(attribute)
        except InvalidModelError:
            return False
        return True


class Alternatives(PatternValue):
    """Matches what one of several patterns matches; the first that fits counts."""

    __slots__ = ("options",)

    def __init__(self, options: tuple[PatternValue, ...]) -> None:
        """One of `options`."""
        super().__init__("either")
        self.options = options


def either(*options: Value) -> Value:
    """A pattern that matches what one of `options` matches."""
    return Alternatives(tuple(cast("PatternValue", option) for option in options))


def maybe(operator: Callable[[Value], Value], x: Value) -> Value:
    """A pattern that matches `operator(x)`, or `x` alone."""
    return either(operator(x), x)


@dataclass(slots=True)
class Match:
    """What a pattern matched.

    Attributes:
        rewriter: the rebuild that is going on.
        values: {variable: value}.
        attributes: {variable: attribute}.
        nodes: the matched nodes, the root first.
        applications: {operator of the pattern: the node that it matched}; one that stands twice matches one node, and
            so do several outputs of one.
    """

    rewriter: Rewriter
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])
    nodes: list[Node] = field(default_factory=list[Node])
    applications: dict[Value, Node] = field(default_factory=dict[Value, Node])

    def copy(self) -> Match:
        """A match that can grow on its own."""
        return Match(self.rewriter, dict(self.values), dict(self.attributes), list(self.nodes), dict(self.applications))

    def constant(self, name: str) -> Constant | None:
        """The elements of a variable's value, where it is a weight or a literal."""
        return self.rewriter.constant_of(self.values[name])

    def reads(self, node: Node) -> int:
        """How many operands of the matched nodes are results of `node`."""
        matched = dict.fromkeys(self.nodes)
        return sum(value is not None and value.node is node for each in matched for value in each.inputs)

    def bindings(self) -> dict[str, object]:
        """Every variable with what it matched."""
        return {**self.values, **self.attributes}


Condition = Callable[[Match], "str | None"]


class Rule:
    """A law that turns one small graph into another that computes the same.

    Attributes:
        name: the rule's name.
        law: the law in words, its docstring.
        exact: whether the result is bit for bit the same; else it is the same over the reals.
        approximate: whether the result differs even over the reals, as its law says.
        single_use: whether values inside the pattern must have no reader outside it.
    """

    def __init__(
        self, pattern: Callable[..., Value], *, exact: bool, single_use: bool, approximate: bool = False
    ) -> None:
        """Traces the pattern."""
        self.name = pattern.__name__
        self.law = inspect.getdoc(pattern) or ""
        self.exact = exact
        self.approximate = approximate
        self.single_use = single_use
        hints = get_type_hints(pattern)
        self.variables = {
            name: PatternValue(name) if hints[name] is Value else AttributeVariable(name, kind_of(hints[name]))
            for name in inspect.signature(pattern).parameters
        }
        self.pattern = cast("PatternValue", pattern(**self.variables))
        self.conditions: list[Condition] = []
        self.builder: Callable[..., Value | Sequence[Value]] | None = None
        self.takes_match = False

    def build(self, builder: F) -> F:
        """Sets what takes the pattern's place: the pattern's own parameters, and `match: Match` where it asks."""
        self.builder = cast("Callable[..., Value | Sequence[Value]]", builder)
        self.takes_match = "match" in inspect.signature(builder).parameters
        return builder

    def condition(self, condition: Condition) -> Condition:
        """Adds a condition: None when the match may be taken, else the reason why not."""
        self.conditions.append(condition)
        return condition

    @property
    def roots(self) -> tuple[str, ...]:
        """The names of the operators that the pattern may end in."""
        return tuple(cast("Op", each.op).name for each in _options(self.pattern))

    def match(self, node: Node, rewriter: Rewriter) -> Match | str | None:
        """A match at `node`, or the reason why a near match is not taken, or None where nothing is near."""
        reason: str | None = None
        for option in _options(self.pattern):
            if option.op is not node.op:
                continue
            for found in _match_node(option, node, Match(rewriter)):
                why = self._refusal(found)
                if why is None:
                    return found
                reason = reason or why
        return reason or None

    def _refusal(self, match: Match) -> str | None:
        if self.single_use:
            for node in dict.fromkeys(match.nodes[1:]):
                if all(value is None or match.rewriter.constant_of(value) is not None for value in node.inputs):
                    continue  # what hangs on constants alone costs nothing to have twice
                readers = sum(match.rewriter.uses(value) for value in node.outputs)
                if readers > match.reads(node):
                    return f"the result of {node.op.name} has {readers} readers"
        for condition in self.conditions:
            reason = condition(match)
            if reason is not None:
                return reason
        return None

    def replace(self, match: Match) -> tuple[Value, ...]:
        """What takes the place of the matched root's outputs."""
        if self.builder is None:
            raise TypeError(f"rule {self.name} has no build function")
        extra = {"match": match} if self.takes_match else {}
        result = self.builder(**match.bindings(), **extra)
        return (result,) if isinstance(result, Value) else tuple(result)


def rule(pattern: Callable[..., Value]) -> Rule:
    """A rule whose result is bit for bit the same; see the module's text."""
    return Rule(pattern, exact=True, single_use=True)


def rule_with(
    *, exact: bool = True, single_use: bool = True, approximate: bool = False
) -> Callable[[Callable[..., Value]], Rule]:
    """`rule` for laws that hold over the reals only or nearly, or that may duplicate work."""

    def make(pattern: Callable[..., Value]) -> Rule:
        return Rule(pattern, exact=exact and not approximate, single_use=single_use, approximate=approximate)

    return make


Find = Callable[[Node, Rewriter], "Sequence[Node] | str | None"]
"""What a `NodeRule` asks of a node: the nodes that match, it first; or why a near miss is none; or None."""


class NodeRule(Rule):
    """A rule whose pattern is a function of the node, for what patterns cannot say (any number of operands)."""

    def __init__(self, find: Find, *, roots: tuple[str, ...], exact: bool) -> None:
        """A rule for operators called `roots`; the law is the docstring of `find`."""
        self.name = find.__name__
        self.law = inspect.getdoc(find) or ""
        self.exact = exact
        self.approximate = False
        self.single_use = False
        self.conditions: list[Condition] = []
        self.builder: Callable[..., Value | Sequence[Value]] | None = None
        self.takes_match = False
        self._find, self._roots = find, roots

    @property
    def roots(self) -> tuple[str, ...]:
        """The names of the operators that it asks about."""
        return self._roots

    def match(self, node: Node, rewriter: Rewriter) -> Match | str | None:
        """A match at `node`, or the reason why a near match is not taken, or None where nothing is near."""
        found = self._find(node, rewriter) if node.op.name in self._roots else None
        if found is None or isinstance(found, str):
            return found
        return Match(rewriter, nodes=list(found))


def node_rule(*roots: str, exact: bool = True) -> Callable[[Find], NodeRule]:
    """A rule that is a function of nodes of the operators `roots`; its build function takes the match alone."""

    def make(find: Find) -> NodeRule:
        return NodeRule(find, roots=roots, exact=exact)

    return make


def _options(pattern: PatternValue) -> tuple[PatternValue, ...]:
    return pattern.options if isinstance(pattern, Alternatives) else (pattern,)


def _match_value(pattern: PatternValue, value: Value | None, match: Match) -> Iterator[Match]:
    if value is None:
        return
    if isinstance(pattern, Alternatives):
        for option in pattern.options:
            yield from _match_value(option, value, match.copy())
    elif pattern.op is None:
        held = match.values.get(pattern.name)
        if held is None or held is value:
            match.values[pattern.name] = value
            yield match
    elif value.node is not None and value.index == pattern.index:
        application = pattern if pattern.siblings is None else pattern.siblings.made[0]
        known = match.applications.get(application)
        if known is None:
            match.applications[application] = value.node
            yield from _match_node(pattern, value.node, match)
        elif known is value.node:
            yield match


def _match_node(pattern: PatternValue, node: Node, match: Match) -> Iterator[Match]:
    if node.op is not pattern.op or len(node.inputs) != len(pattern.inputs):
        return
    grown = match.copy()
    grown.nodes.append(node)
    if not _match_attributes(pattern, node, grown):
        return
    yield from _match_operands(pattern.inputs, node.inputs, grown)
    if node.op.name in COMMUTATIVE:
        yield from _match_operands(pattern.inputs, node.inputs[::-1], grown)


def _match_operands(patterns: Sequence[Value | None], values: Sequence[Value | None], match: Match) -> Iterator[Match]:
    if not patterns:
        yield match
        return
    first, *rest = patterns
    if first is None:
        if values[0] is None:
            yield from _match_operands(rest, values[1:], match)
        return
    for found in _match_value(cast("PatternValue", first), values[0], match.copy()):
        yield from _match_operands(rest, values[1:], found)


def _match_attributes(pattern: PatternValue, node: Node, match: Match) -> bool:
    for name, wanted in pattern.attributes.items():
        actual = node.attributes[name]
        if isinstance(wanted, AttributeVariable):
            if not wanted.admits(actual) or not _same(match.attributes.setdefault(wanted.name, actual), actual):
                return False
        elif not _same(wanted, actual):
            return False
    return True


def _same(wanted: object, actual: object) -> bool:
    """Whether two attributes are equal, zeros of either sign told apart."""
    if isinstance(wanted, float) and isinstance(actual, float):
        return wanted.hex() == actual.hex()
    return wanted == actual
