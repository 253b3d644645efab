"""Products with a kernel that an equation describes, and a bias along some axes of the result."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_letters

from xir.frontends.keras.site import Site
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ops import elementwise
from xir.ops.einsum import einsum
from xir.ops.shape import reshape


@dataclass(frozen=True, slots=True)
class Equation:
    """`x, kernel -> result`, a letter for each axis."""

    x: str
    kernel: str
    result: str

    def __str__(self) -> str:
        """As `einsum` takes it."""
        return f"{self.x},{self.kernel}->{self.result}"

    @property
    def summed(self) -> str:
        """The kernel's axes that the result has not."""
        return "".join(letter for letter in self.kernel if letter not in self.result)

    def sizes(self, x: Shape, last: Shape) -> Shape | None:
        """The kernel's shape, where the last axes of the result have the sizes `last`; None where they do not tell."""
        known = dict(zip(self.x, x, strict=True))
        known |= zip(self.result[len(self.result) - len(last) :], last, strict=True)
        found = tuple(known[letter] for letter in self.kernel if letter in known)
        return found if len(found) == len(self.kernel) else None


DENSE = Equation("ab", "bc", "ac")
"""That of `Dense`."""


def equation_of(site: Site, text: str, rank: int) -> Equation:
    """An equation whose first operand has this rank; axes that an ellipsis stands for have letters of their own."""
    operands, _, result = text.replace(" ", "").partition("->")
    x, _, kernel = operands.partition(",")
    count = rank - len(x.replace("...", ""))
    spare = "".join(letter for letter in ascii_letters if letter not in text)[: max(count, 0)]
    found = Equation(x.replace("...", spare), kernel, result.replace("...", spare))
    if len(found.x) != rank or not all(each.isalpha() for each in (found.x, found.kernel, found.result)):
        site.invalid(f"the equation {text[:80]!r} does not fit an operand of {rank} axes")
    return found


def projected(site: Site, part: str, x: Value, equation: str, bias_axes: str) -> Value:
    """The result of the dense layer that the attribute `PART_dense` of the layer holds.

    Args:
        site: the layer's site.
        part: the attribute's name without its ending.
        x: what is multiplied.
        equation: how, the kernel second.
        bias_axes: the axes of the result that the bias has; empty where there is none.
    """
    whole = site.cursor
    names = (f"{part}_dense", f"_{part}_dense")
    held = whole.weights.parts
    if held is not None:
        site.cursor = whole.part(next((name for name in names if name in held), names[0]))
        if site.cursor.left > 1 + bool(bias_axes):
            site.refuse("quantised weights, which Keras does not read back", "quantise Dense and EinsumDense alone")
    result = with_equation(site, x, equation, bias_axes)
    site.cursor = whole
    return result


def with_equation(site: Site, x: Value, equation: str, bias_axes: str) -> Value:
    """`einsum(equation, x, kernel) + bias` with the layer's next weights."""
    result = einsum(x, site.weight("kernel"), equation=equation)
    if not bias_axes:
        return result
    return biased(site, result, equation_of(site, equation, x.rank), bias_axes, site.weight("bias"))


def biased(site: Site, result: Value, equation: Equation, bias_axes: str, bias: Value) -> Value:
    """The result with a bias, which has some of its axes, added to it."""
    named = zip(equation.result, result.shape, strict=True)
    sizes = tuple(size if letter in bias_axes else 1 for letter, size in named)
    return elementwise.add(result, site.repeated(reshape(bias, shape=sizes), result.shape))
