"""One operator, one place: the definition of an operator and the table of all of them.

The Python signature of the type rule is the schema: positional parameters are operands (`Value`, `Value | None`, or a
variadic `*values`), keyword-only parameters are attributes. Every other rule hangs on the definition as a decorator.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, cast, get_args, get_origin, get_type_hints, overload

from xir.errors import InvalidModelError, XirError
from xir.ir.builder import apply
from xir.ir.constant import Array
from xir.ir.node import Attribute, Node, PatternOutputs, PatternValue, Value
from xir.ir.types import Type
from xir.ops._kinds import Kind, kind_of

if TYPE_CHECKING:
    from xir.kernel.grammar import Kernel

P = ParamSpec("P")
R = TypeVar("R", bound="Value | tuple[Value, ...]")
Reference = Callable[..., "Array | tuple[Array, ...]"]
Gradient = Callable[..., Sequence["Value | None"]]
Decompose = Callable[..., "Value | Sequence[Value]"]
Lower = Callable[[Node], "Kernel"]
F = TypeVar("F", bound=Callable[..., object])

_TABLE: dict[str, OpDef[..., Value] | OpDef[..., tuple[Value, ...]]] = {}


class OpDef(Generic[P, R]):
    """An operator: its schema and type rule, and the slots that other rules fill.

    Attributes:
        name: the operator's name.
        operands: names of the fixed operands, in order.
        optional: those of them that may be absent.
        plural: whether it answers a tuple of values, however many.
        outputs: the number of outputs, or None where it depends on the attributes.
        variadic: the name of the variadic operand, or None.
        kinds: {attribute name: its kind}, in order.
        defaults: {attribute name: its default} for those that have one.
        has_effect: whether applying it does more than compute.
        reference_rule: NumPy arrays in, NumPy array (or tuple) out; written for truth.
        gradient_rule: (node, *output gradients) -> one gradient, or None, an operand.
        decompose_rule: the same signature as the operator; builds simpler operators.
        lower_rule: node -> loop-IR kernel.
        host_reason: why the operator runs by its reference on every target, or None.
        no_gradient_reason: why there is no gradient, or None.
        kept_reason: why it is not computed beforehand though its operands are known, or None.
    """

    def __init__(self, rule: Callable[P, Type | tuple[Type, ...]], has_effect: bool = False) -> None:
        """Reads the schema off the signature of the type rule."""
        self.name = rule.__name__.rstrip("_")
        self.family = rule.__module__.rpartition(".")[2]
        self.rule = rule
        self.__doc__ = rule.__doc__
        self.has_effect = has_effect
        hints = get_type_hints(rule)
        self.plural = hints["return"] not in _SINGLE
        self.outputs = _count_outputs(hints["return"])
        parameters = inspect.signature(rule).parameters.values()
        fixed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        self.operands = tuple(p.name for p in fixed)
        self.optional = frozenset(p.name for p in fixed if p.default is None)
        self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self.kinds: dict[str, Kind] = {p.name: kind_of(hints[p.name]) for p in named}
        self.defaults: dict[str, Attribute] = {p.name: p.default for p in named if p.default is not p.empty}
        self.reference_rule: Reference | None = None
        self.gradient_rule: Gradient | None = None
        self.decompose_rule: Decompose | None = None
        self.lower_rule: Lower | None = None
        self.host_reason: str | None = None
        self.no_gradient_reason: str | None = None
        self.kept_reason: str | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Applies the operator: one value, or a tuple of values for an operator with several outputs.

        With a `PatternValue` among the operands the result is the pattern of the application.

        Raises:
            InvalidModelError: if operands or attributes do not fit.
        """
        keywords = cast("dict[str, object]", kwargs)
        inputs = self._bind(cast("tuple[Value | None, ...]", args), keywords)
        if any(isinstance(value, PatternValue) for value in inputs):
            return cast("R", self._pattern(inputs, keywords))
        node = apply(self, inputs, self.attributes(keywords))
        return cast("R", node.outputs if self.plural else node.outputs[0])

    def pattern(self, *operands: Value | None) -> Value:
        """The pattern of an application to `operands`, whatever its attributes; for rewrite rules (`xir.passes`).

        Operands that are left out must be absent.
        """
        return PatternValue(op=self, inputs=self._bind(operands, {}))

    def infer(self, inputs: Sequence[Value | None], attributes: Mapping[str, Attribute]) -> tuple[Type, ...]:
        """The types of the outputs.

        Raises:
            InvalidModelError: if operands or attributes do not fit; the message begins with the operator's name.
        """
        try:
            if attributes.keys() != self.kinds.keys():
                raise InvalidModelError(f"the attributes are {list(self.kinds)}, got {list(attributes)}")
            result = cast("Callable[..., Type | tuple[Type, ...]]", self.rule)(*inputs, **attributes)
        except XirError as error:
            prefix = f"{self.name}: "
            if not error.message.startswith(prefix):
                error.message = prefix + error.message
            raise
        return result if isinstance(result, tuple) else (result,)

    def attributes(self, given: Mapping[str, object]) -> dict[str, Attribute]:
        """Every attribute in its one form, defaults filled in.

        Raises:
            InvalidModelError: if one is missing, unknown, or not of its kind.
        """
        result: dict[str, Attribute] = {}
        for name, kind in self.kinds.items():
            if name in given:
                try:
                    result[name] = kind.check(given[name])
                except InvalidModelError as error:
                    raise InvalidModelError(f"{self.name}: {name} {error.message}") from None
            elif name in self.defaults:
                result[name] = self.defaults[name]
            else:
                raise InvalidModelError(f"{self.name}: attribute {name!r} is missing")
        for name in given:
            if name not in self.kinds:
                raise InvalidModelError(f"{self.name}: unknown attribute {name!r}", hint=f"known: {list(self.kinds)}")
        return result

    def _bind(self, args: tuple[Value | None, ...], keywords: dict[str, object]) -> tuple[Value | None, ...]:
        fixed = list(args[: len(self.operands)])
        for name in self.operands[len(fixed) :]:
            fixed.append(cast("Value | None", keywords.pop(name, None)))
        rest = args[len(self.operands) :]
        for name, value in [*zip(self.operands, fixed, strict=True), *((str(self.variadic), value) for value in rest)]:
            if value is None and name not in self.optional:
                raise InvalidModelError(f"{self.name}: operand {name!r} is missing")
            if value is not None and not isinstance(cast("object", value), Value):
                raise InvalidModelError(f"{self.name}: operand {name!r} must be a value of a graph, got {value!r}")
        if rest and self.variadic is None:
            raise InvalidModelError(f"{self.name}: takes {len(self.operands)} operands, got {len(args)}")
        return (*fixed, *rest)

    def _pattern(self, inputs: tuple[Value | None, ...], keywords: dict[str, object]) -> Value | tuple[Value, ...]:
        attributes = {**self.defaults, **keywords}
        for name in keywords:
            if name not in self.kinds:
                raise TypeError(f"{self.name}: unknown attribute {name!r} in a pattern")
        if self.plural:
            return PatternOutputs.of(self, inputs, attributes, self.outputs)
        return PatternValue(op=self, inputs=inputs, attributes=attributes)

    def reference(self, rule: F) -> F:
        """Sets the NumPy rule: arrays in the operands' order (None where absent), attributes by keyword."""
        self.reference_rule = cast("Reference", self._once("reference", self.reference_rule, rule))
        return rule

    def gradient(self, rule: F) -> F:
        """Sets the gradient: (node, *output gradients) -> a gradient, or None, for each operand."""
        self.gradient_rule = cast("Gradient", self._once("gradient", self.gradient_rule, rule))
        return rule

    def decompose(self, rule: F) -> F:
        """Sets the decomposition; it has the operator's own signature and builds simpler operators."""
        self.decompose_rule = cast("Decompose", self._once("decompose", self.decompose_rule, rule))
        return rule

    def lower(self, rule: Lower) -> Lower:
        """Sets the lowering: node -> kernel.

        It raises UnsupportedError for a node that no kernel computes, because of its element types or of operands that
        say at run time what is computed; the reference computes such a node.
        """
        self.lower_rule = cast("Lower", self._once("lower", self.lower_rule, rule))
        return rule

    def host(self, reason: str) -> None:
        """Declares that every target runs the reference, and why."""
        self.host_reason = cast("str", self._once("host", self.host_reason, reason))

    def no_gradient(self, reason: str) -> None:
        """Declares that there is no gradient, and why."""
        self.no_gradient_reason = cast("str", self._once("no_gradient", self.no_gradient_reason, reason))

    def kept(self, reason: str) -> None:
        """Declares that constant folding leaves it alone, and why (a weight that is stored in another form)."""
        self.kept_reason = cast("str", self._once("kept", self.kept_reason, reason))

    def _once(self, slot: str, held: object, rule: object) -> object:
        if held is not None:
            raise TypeError(f"{self.name} has a {slot} rule already")
        return rule

    def __repr__(self) -> str:
        """The operator's name."""
        return f"<op {self.name}>"


def _count_outputs(result: object) -> int | None:
    items = get_args(result) if get_origin(result) is tuple else (result,)
    return None if Ellipsis in items else len(items)


_SINGLE = (Type, *cast("tuple[object, ...]", Type.__args__))


@overload
def op(rule: Callable[P, tuple[Type, ...]]) -> OpDef[P, tuple[Value, ...]]: ...
@overload
def op(rule: Callable[P, Type]) -> OpDef[P, Value]: ...
def op(rule: Callable[P, Type | tuple[Type, ...]]) -> OpDef[P, Value] | OpDef[P, tuple[Value, ...]]:
    """Makes an operator of a type rule and enters it into the table.

    A trailing underscore in the function's name is not part of the operator's (`slice_` is `slice`).

    Raises:
        TypeError: if an operator of that name exists; one name, one place.
    """
    made: OpDef[P, Value] = OpDef(rule)
    if made.name in _TABLE:
        raise TypeError(f"operator {made.name!r} is defined twice")
    _TABLE[made.name] = made
    return made


def table() -> Mapping[str, OpDef[..., Value] | OpDef[..., tuple[Value, ...]]]:
    """Every operator by its name; `xir.ops` fills it."""
    return _TABLE


def definition(node: Node) -> OpDef[..., Value]:
    """The definition of a node's operator.

    Raises:
        InvalidModelError: if the node's operator is not of the table.
    """
    if not isinstance(node.op, OpDef):
        raise InvalidModelError(f"{node.op.name!r} is not an operator of xir")
    return cast("OpDef[..., Value]", node.op)
