"""Products with a kernel that an equation describes, and a bias along some axes of the result."""

from __future__ import annotations

from xir.frontends.keras.site import Site
from xir.ir.node import Value
from xir.ops import elementwise
from xir.ops.einsum import einsum
from xir.ops.shape import reshape


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
    site.cursor = whole if held is None else whole.part(next((name for name in names if name in held), names[0]))
    result = with_equation(site, x, equation, bias_axes)
    site.cursor = whole
    return result


def with_equation(site: Site, x: Value, equation: str, bias_axes: str) -> Value:
    """`einsum(equation, x, kernel) + bias` with the layer's next weights."""
    result = einsum(x, site.weight("kernel"), equation=equation)
    if not bias_axes:
        return result
    target = equation.split("->")[1]
    target = target.replace("...", "." * (result.rank - len(target.replace("...", ""))))
    sizes = tuple(result.shape[place] if letter in bias_axes else 1 for place, letter in enumerate(target))
    bias = site.weight("bias")
    return elementwise.add(result, site.repeated(reshape(bias, shape=sizes), result.shape))
