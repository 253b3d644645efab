"""Symbolic sizes at run time: learned from the arrays that arrive, then put into attributes.

A size that stands alone is read off. A linear formula of one unknown, such as `2*n + 1`, is solved for it: the
unknown must come out whole and within its range. What tells no single unknown (`n//2`, `n*m`) waits for others that
do. Every formula is checked against the arrays in the end, so it does not matter which of them came first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xir.errors import InvalidModelError, UnsafeError, UsageError
from xir.ir.constraints import check_symbol
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Symbol, equal, evaluate, symbols_of, to_text
from xir.ir.node import Attribute
from xir.ir.rewrite import evaluate_attribute
from xir.ir.types import TensorType
from xir.limits import MAX_BODY_RUNS


@dataclass(frozen=True, slots=True)
class Arrival:
    """An array that is there.

    Attributes:
        what: what the array is, in words.
        type: what the graph says of it.
        shape: its shape.
    """

    what: str
    type: TensorType
    shape: tuple[int, ...]

    def refused(self, axis: int, expected: str) -> UsageError:
        """The error of an axis whose size is not the expected one."""
        return UsageError(
            f"{self.what} has the shape {list(self.shape)}: axis {axis} must be {expected}, "
            f"not {self.shape[axis]} ({self.type!r})"
        )


@dataclass(frozen=True, slots=True)
class _Equation:
    """`dim == size` on one axis of an array."""

    arrival: Arrival
    axis: int

    @property
    def dim(self) -> Dim:
        return self.arrival.type.shape[self.axis]

    @property
    def size(self) -> int:
        return self.arrival.shape[self.axis]

    def refused(self, expected: str) -> UsageError:
        return self.arrival.refused(self.axis, expected)


class Sizes:
    """What each symbol turned out to be; an attribute is evaluated only when every symbol in it is known."""

    def __init__(self, around: Sizes | None = None) -> None:
        """Starts with nothing known; `around` are those of the graph in which this one is a body."""
        self.known: dict[Symbol, Dim] = {}
        self._runs: list[int] = [0] if around is None else around._runs
        self._open: dict[Dim, _Equation] = {}
        self._untold: dict[Symbol, _Equation] = {}

    def copy(self, counting: Sizes | None = None) -> Sizes:
        """The same knowledge, which grows on its own; runs of bodies count among those of `counting`."""
        made = Sizes(counting)
        made.known, made._open, made._untold = dict(self.known), dict(self._open), dict(self._untold)
        return made

    def count_run(self) -> None:
        """Counts a run of a body, in whatever body it stands.

        Raises:
            UnsafeError: there were more than `MAX_BODY_RUNS`.
        """
        self._runs[0] += 1
        if self._runs[0] > MAX_BODY_RUNS:
            raise UnsafeError(
                f"bodies have run more than {MAX_BODY_RUNS} times", number=806, hint="does anything end the loops?"
            )

    def learn(self, arrivals: Sequence[Arrival]) -> None:
        """Matches the arrays' shapes with their types, and learns the symbols that they tell, in whatever order.

        Raises:
            UsageError: if a shape contradicts its type, another array's, or what was learned before; the error names
                the array and the axis, what was got and what was expected.
        """
        equations: list[_Equation] = []
        for arrival in arrivals:
            if len(arrival.shape) != arrival.type.rank:
                raise UsageError(
                    f"{arrival.what} has {len(arrival.shape)} axes {list(arrival.shape)}, expected {arrival.type!r}"
                )
            if arrival.type.shape != arrival.shape:
                equations += [_Equation(arrival, axis) for axis in range(arrival.type.rank)]
        self._read(equations)
        self._solve(equations)
        for equation in equations:
            self._check(equation)

    def leave_open(self, arrivals: Sequence[Arrival]) -> None:
        """Remembers which symbols of these arrays nobody has told, so that `fill` can say so."""
        for arrival in arrivals:
            for axis, dim in enumerate(arrival.type.shape):
                for symbol in symbols_of(dim):
                    if symbol not in self.known:
                        self._untold.setdefault(symbol, _Equation(arrival, axis))

    def _read(self, equations: Sequence[_Equation]) -> None:
        """Reads off the symbols that stand alone."""
        for equation in equations:
            if isinstance(equation.dim, Symbol):
                _check_range(equation.dim, equation.size, equation)
                self.known.setdefault(equation.dim, equation.size)

    def _solve(self, equations: Sequence[_Equation]) -> None:
        """Solves linear formulas of one unknown until no more come up; each formula is tried once per symbol in it."""
        waiting: dict[Symbol, list[_Equation]] = {}
        for equation in equations:
            for symbol in symbols_of(equation.dim):
                waiting.setdefault(symbol, []).append(equation)
        pending = deque(equation for equation in equations if not isinstance(equation.dim, int | Symbol))
        while pending:
            equation = pending.popleft()
            linear = _linear(self._evaluated(equation))
            if linear is None:
                continue
            solution = linear.solve(equation.size)
            if solution is not None:
                self.known[linear.symbol] = solution
                pending += waiting[linear.symbol]

    def _check(self, equation: _Equation) -> None:
        """Checks a formula against its array with what is known by now."""
        expected = self._evaluated(equation)
        if isinstance(expected, int):
            if expected != equation.size:
                raise equation.refused(_in_words(equation.dim, expected))
            return
        linear = _linear(expected)
        if linear is not None and linear.solve(equation.size) is None:
            raise equation.refused(f"{to_text(expected)} with {_range_of(linear.symbol)}")
        if equal(expected, equation.size) is False:
            ranges = ", ".join(_range_of(symbol) for symbol in symbols_of(expected))
            raise equation.refused(f"{to_text(expected)} with {ranges}")
        first = self._open.setdefault(expected, equation)
        if first.size != equation.size:
            raise equation.refused(f"{first.size}, as axis {first.axis} of {first.arrival.what}")

    def _evaluated(self, equation: _Equation) -> Dim:
        try:
            return evaluate(equation.dim, self.known)
        except InvalidModelError as error:
            raise equation.refused(f"{to_text(equation.dim)} ({error.message})") from None

    def fill(self, attributes: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
        """The attributes with every known symbol replaced by its size.

        Raises:
            UsageError: if an attribute needs a size that an input only hints at (`n` of `n//2`) and nothing tells.
        """
        if self._untold:
            for symbol in symbols_in(attributes):
                if symbol in self._untold and symbol not in self.known:
                    raise self._untold_error(symbol)
        if not self.known:
            return attributes
        return {name: evaluate_attribute(value, self.known) for name, value in attributes.items()}

    def _untold_error(self, symbol: Symbol) -> UsageError:
        held = self._untold[symbol]
        return UsageError(
            f"{held.arrival.what} has the shape {list(held.arrival.shape)}: axis {held.axis} is {held.size}, expected "
            f"{to_text(held.dim)}, which does not tell {to_text(symbol)}, and no other input does",
            hint="give the model's inputs their sizes as numbers: --input NAME=f32[...]",
        )


@dataclass(frozen=True, slots=True)
class _Linear:
    """`factor * symbol + rest`, factor not zero."""

    symbol: Symbol
    factor: int
    rest: int

    def solve(self, size: int) -> int | None:
        """The symbol's size that makes the formula `size`; None where none within its range does."""
        solution, remainder = divmod(size - self.rest, self.factor)
        return None if remainder or not _in_range(self.symbol, solution) else solution


def _linear(dim: Dim) -> _Linear | None:
    """The formula as a linear one of a single symbol, if it is one."""
    if isinstance(dim, Symbol):
        return _Linear(dim, 1, 0)
    if not isinstance(dim, Polynomial):
        return None
    found: tuple[Symbol, int] | None = None
    rest = 0
    for monomial, count in dim.terms.items():
        if not monomial:
            rest = count
            continue
        atom, power = next(iter(monomial))
        if found is not None or len(monomial) != 1 or power != 1 or not isinstance(atom, Symbol):
            return None
        found = atom, count
    return None if found is None else _Linear(*found, rest)


def _in_range(symbol: Symbol, size: int) -> bool:
    try:
        check_symbol(symbol, size)
    except UsageError:
        return False
    return True


def _check_range(symbol: Symbol, size: int, equation: _Equation) -> None:
    try:
        check_symbol(symbol, size)
    except UsageError as error:
        raise UsageError(
            f"{equation.arrival.what} has the shape {list(equation.arrival.shape)}: on axis {equation.axis} "
            f"{error.message} ({equation.arrival.type!r})"
        ) from None


def _range_of(symbol: Symbol) -> str:
    """`n in [1, 8], a multiple of 2`."""
    most = "any" if symbol.maximum is None else symbol.maximum
    multiple = f", a multiple of {symbol.divisor}" if symbol.divisor > 1 else ""
    return f"{to_text(symbol)} in [{symbol.minimum}, {most}]{multiple}"


def _in_words(dim: Dim, size: int) -> str:
    return str(size) if isinstance(dim, int) else f"{size} = {to_text(dim)}"


def symbols_in(attributes: Mapping[str, Attribute]) -> Iterator[Symbol]:
    """The symbols of the sizes in attributes, in order; bodies have their own."""
    pending = [*attributes.values()]
    while pending:
        match pending.pop(0):
            case (Symbol() | Quotient() | Extremum() | Polynomial()) as dim:
                yield from symbols_of(dim)
            case tuple() as items:
                pending = [*items, *pending]
            case _:
                pass
