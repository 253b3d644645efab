"""Convolutions of 3 x 3 cells by minimal filtering: a quarter of the products, or half of them.

Sums are rounded otherwise than one product after another: within 2e-5 of the largest result for numbers of like size,
where the direct sum is within 1e-5. A caller who wants the direct sum asks for `exact`.
"""

from __future__ import annotations

from typing import cast

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.layout import zeros_around
from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.lowering.made import Made
from xir.backends.codegen.lowering.stage import Layout, Stage, name_of
from xir.backends.codegen.lowering.winograd.forms import turned_weights
from xir.backends.codegen.lowering.winograd.kernels import Writer
from xir.backends.codegen.lowering.winograd.plan import Sizes, plan
from xir.ir.dims import Shape, product
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.kernel.grammar import Axis, Buffer, Kernel, Load, Store
from xir.ops._windows import window_attributes

LAST: Layout = (0, 2, 3, 1)
"""Channels last, in images of two axes."""

Padding = tuple[tuple[int, int], tuple[int, int]]


def winograd(made: Lowered, node: Node, number: int, machine: Machine) -> list[Stage] | None:
    """The stages of a convolution; None where it is none of those, or they would not pay.

    Args:
        made: the program; it gets the turned weights, and buffers for what is between stages.
        node: any node.
        number: makes the names of its loops and registers its own.
        machine: the processor.
    """
    found = _operand(made, node)
    if found is None:
        return None
    x, sizes = found
    chosen = plan(sizes, machine)
    if chosen is None:
        return None
    write = Writer(sizes, chosen, number)
    _, w, *bias = (made.slot(value) for value in node.inputs if value is not None)
    turned = TensorType(DType.FLOAT32, (write.turned_weights,))
    weights = made.fresh(turned)
    made.constants[weights] = Made(
        turned, made.constants[w], lambda array: turned_weights(chosen.form, array, chosen.width)
    )
    y, moved = _result(made, node, sizes, number)
    given = _buffer(made.slot(x), (product((sizes.batch, *sizes.given, sizes.channels)),))
    result = _buffer(y, (product((sizes.batch, *sizes.image, sizes.outputs)),))
    others = _buffer(weights, turned.shape), [_buffer(slot, (sizes.outputs,)) for slot in bias]
    if chosen.fused:
        return [Stage(write.fused(given, *others, result), (node,)), *moved]
    shape: Shape = (write.turned_elements,)
    between = _buffer(made.fresh(TensorType(DType.FLOAT32, shape)), shape)
    return [
        Stage(write.first(given, between), (node,)),
        Stage(write.second(between, *others, result), (node,)),
        *moved,
    ]


def _buffer(slot: int, shape: Shape) -> Buffer:
    return Buffer(name_of(slot), DType.FLOAT32, shape)


def _result(made: Lowered, node: Node, sizes: Sizes, number: int) -> tuple[int, list[Stage]]:
    """The slot of the results, channels last, and what moves them to where they belong if that is elsewhere."""
    y = made.slot(node.outputs[0])
    if made.layouts.get(y) == LAST:
        return y, []
    shape = (sizes.batch, sizes.outputs, *sizes.image)
    between = made.fresh(TensorType(DType.FLOAT32, shape))
    axes = tuple(Axis(f"{name}{number}") for name in "ncyx")
    flat: Shape = (product(shape),)
    source, target = _buffer(between, flat), _buffer(y, flat)
    place = build.flatten(tuple(axes[axis] for axis in LAST), tuple(shape[axis] for axis in LAST))
    store = Store(target, (build.flatten(axes, shape),), Load(source, (place,)))
    return between, [Stage(Kernel("conv", (source,), (target,), build.nest(axes, shape, "parallel", [store])), (node,))]


def _operand(made: Lowered, node: Node) -> tuple[Value, Sizes] | None:
    """What a convolution reads, channels last, and its sizes; None where it is none of 3 x 3 cells side by side."""
    if node.op.name != "conv" or made.exact:
        return None
    x, w = node.inputs[:2]
    if x is None or w is None or made.slot(w) not in made.constants or x.dtype is not DType.FLOAT32:
        return None
    given = window_attributes(node)
    plain = given.strides == given.dilation == given.input_dilation == (1, 1) and given.groups == 1
    if not (plain and w.shape[2:] == (3, 3) and made.layouts.get(made.slot(x)) == LAST):
        return None
    x, padding = _without_padding(made, x)
    own = _known_padding(given.padding)
    known = [dim for dim in (*x.shape[1:], *node.outputs[0].shape[1:]) if isinstance(dim, int)]
    if own is None or len(known) != 6:
        return None
    both = tuple((a[0] + b[0], a[1] + b[1]) for a, b in zip(own, padding, strict=True))
    sizes = Sizes(x.shape[0], known[0], known[3], (known[1], known[2]), (both[0], both[1]), (known[4], known[5]))
    return x, sizes


def _known_padding(padding: object) -> Padding | None:
    """Padding of lines and pixels, if it is known and adds."""
    given = cast("tuple[tuple[object, object], ...]", padding)
    sides = [side for pair in given for side in pair if isinstance(side, int) and side >= 0]
    return ((sides[0], sides[1]), (sides[2], sides[3])) if len(sides) == 4 else None


def _without_padding(made: Lowered, x: Value) -> tuple[Value, Padding]:
    """What zeros were put around, and how many; the value itself and none where it is no such thing."""
    none: Padding = ((0, 0), (0, 0))
    sides = None if x.node is None else zeros_around(x.node)
    inner = None if x.node is None else x.node.inputs[0]
    if sides is None or sides[:2] != none or inner is None or made.layouts.get(made.slot(inner)) != LAST:
        return x, none
    return inner, (sides[2], sides[3])
