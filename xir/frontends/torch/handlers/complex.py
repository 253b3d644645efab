"""Complex numbers: a graph holds their real and imaginary parts as two tensors.

A complex tensor of the program is a value without a node whose parts the scope keeps (`Call.joined`, `Call.parts`);
no operator of the graph ever reads it. Operators that move or add elements do the same to both parts (`_BOTH`);
those that multiply are bilinear (`_PRODUCTS`); the others have a rule of their own here. Inputs and outputs of a graph
are their parts along a new last axis, as in `torch.view_as_real`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from xir.frontends.torch.call import COMPLEX, Call
from xir.frontends.torch.handlers import functions
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.promotion import result_type
from xir.frontends.torch.tensor import Number
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise, trigonometry
from xir.ops.shape import reshape, slice_

operators = Operators("aten")

Pair = tuple[Value, Value]

_BOTH = (
    "view.default", "_unsafe_view.default", "reshape.default", "flatten.using_ints", "ravel.default", "view_as.default",
    "unflatten.int", "permute.default", "transpose.int", "t.default", "movedim.intlist", "movedim.int", "mT.default",
    "squeeze.default", "squeeze.dim", "squeeze.dims", "unsqueeze.default", "expand.default", "expand_as.default",
    "broadcast_to.default", "alias.default", "detach.default", "clone.default", "contiguous.default",
    "lift_fresh_copy.default", "resolve_conj.default", "resolve_neg.default", "slice.Tensor", "select.int",
    "narrow.default", "split.Tensor", "split_with_sizes.default", "chunk.default", "unbind.int", "diagonal.default",
    "unfold.default", "as_strided.default", "cat.default", "stack.default", "index.Tensor", "index_select.default",
    "gather.default", "flip.default", "roll.default", "repeat.default", "tile.default", "tril.default", "triu.default",
    "constant_pad_nd.default", "sum.default", "sum.dim_IntList", "mean.default", "mean.dim", "cumsum.default",
    "neg.default", "zeros_like.default", "slice_scatter.default", "select_scatter.default", "where.self",
    "fft_fftshift.default", "fft_ifftshift.default", "atleast_1d.default", "atleast_2d.default",
)  # fmt: skip
"""Operators that do the same to the real parts and to the imaginary ones: they move elements, or are linear."""

_PRODUCTS = ("mm.default", "bmm.default", "matmul.default", "mv.default", "dot.default")
"""Operators that are linear in each of two tensors."""


def _part(call: Call, item: object, place: int) -> object:
    """The real (0) or imaginary (1) part of what is complex, in lists, too; other items as they are."""
    if isinstance(item, tuple):
        return tuple(_part(call, each, place) for each in cast("tuple[object, ...]", item))
    return call.parts(item)[place] if isinstance(item, Value) and item.dtype in COMPLEX else item


def _is_real(item: object) -> bool:
    """Whether it is, or holds, a tensor of real numbers."""
    if isinstance(item, tuple):
        return any(_is_real(each) for each in cast("tuple[object, ...]", item))
    return isinstance(item, Value) and item.dtype.is_floating


def both(handler: Callable[..., object]) -> Callable[..., object]:
    """The rule of an operator that does the same to both parts."""

    def rule(call: Call, *items: object) -> object:
        if any(_is_real(item) for item in items):
            call.refuse("real and complex tensors together", "make all of them complex")
        real, imaginary = (handler(call, *(_part(call, item, place) for item in items)) for place in (0, 1))
        if isinstance(real, list | tuple):
            pairs = zip(cast("Sequence[Value]", real), cast("Sequence[Value]", imaginary), strict=True)
            return tuple(call.joined(*pair) for pair in pairs)
        return call.joined(call.result(real), call.result(imaginary))

    return rule


def product(handler: Callable[..., object]) -> Callable[..., object]:
    """The rule of an operator that is linear in each of two tensors."""

    def rule(call: Call, x: Value, y: Value) -> Value:
        (a, b), (c, d) = _pairs(call, x, y)
        ac, bd, ad, bc = (call.result(handler(call, *each)) for each in ((a, c), (b, d), (a, d), (b, c)))
        return call.joined(elementwise.sub(ac, bd), elementwise.add(ad, bc))

    return rule


for _name in _BOTH:
    operators.complex(_name)(both)
for _name in _PRODUCTS:
    operators.complex(_name)(product)


def own(rule: Callable[..., object]) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """A rule that stands for itself."""
    return lambda _: rule


def _pairs(call: Call, *operands: Value | Number) -> tuple[Pair, ...]:
    """The parts of operands in the type that PyTorch computes in."""
    dtype = DType.FLOAT64 if result_type(operands) is DType.COMPLEX128 else DType.FLOAT32
    found: list[Pair] = []
    for operand in operands:
        if isinstance(operand, complex):
            pair = call.literal(operand.real, dtype), call.literal(operand.imag, dtype)
        elif isinstance(operand, Value) and operand.dtype in COMPLEX:
            pair = call.parts(operand)
        else:
            real = call.tensor(operand, dtype)
            pair = real, call.filled(0, dtype, real.shape)
        found.append((call.cast(pair[0], dtype), call.cast(pair[1], dtype)))
    return tuple(found)


def _sum(call: Call, x: Value, y: Value | Number, alpha: Number = 1) -> Value:
    combine = elementwise.sub if call.kind.startswith("aten.sub") else elementwise.add
    pairs = zip(*_pairs(call, x, y), strict=True)
    return call.joined(*(combine(*call.aligned(a, _scaled(call, c, alpha))) for a, c in pairs))


def _scaled(call: Call, x: Value, alpha: Number) -> Value:
    if isinstance(alpha, complex):
        call.refuse("a sum with a complex `alpha`")
    return x if alpha == 1 else elementwise.mul(x, call.filled(alpha, x.dtype, x.shape))


def _mul(call: Call, x: Value, y: Value | Number) -> Value:
    (a, b), (c, d) = _pairs(call, x, y)
    a, b, c, d = call.aligned(a, b, c, d)
    mul = elementwise.mul
    return call.joined(elementwise.sub(mul(a, c), mul(b, d)), elementwise.add(mul(a, d), mul(b, c)))


def _div(call: Call, x: Value | Number, y: Value | Number) -> Value:
    (a, b), (c, d) = _pairs(call, x, y)
    a, b, c, d = call.aligned(a, b, c, d)
    mul, size = elementwise.mul, elementwise.add(elementwise.mul(c, c), elementwise.mul(d, d))
    real = elementwise.add(mul(a, c), mul(b, d))
    imaginary = elementwise.sub(mul(b, c), mul(a, d))
    return call.joined(elementwise.div(real, size), elementwise.div(imaginary, size))


def _equal(call: Call, x: Value, y: Value | Number) -> Value:
    (a, b), (c, d) = _pairs(call, x, y)
    a, b, c, d = call.aligned(a, b, c, d)
    same = compare.logical_and(compare.equal(a, c), compare.equal(b, d))
    return same if call.kind.startswith("aten.eq") else compare.logical_not(same)


def _abs(call: Call, x: Value) -> Value:
    a, b = call.parts(x)
    size = elementwise.maximum(elementwise.abs_(a), elementwise.abs_(b))
    safe = elementwise.select(
        compare.equal(size, call.filled(0, a.dtype, a.shape)), call.filled(1, a.dtype, a.shape), size
    )
    a, b = elementwise.div(a, safe), elementwise.div(b, safe)
    return elementwise.mul(size, elementwise.sqrt(elementwise.add(elementwise.mul(a, a), elementwise.mul(b, b))))


def _angle(call: Call, x: Value) -> Value:
    a, b = call.parts(x)
    return call.result(functions.atan2(call, b, a))


def _exp(call: Call, x: Value) -> Value:
    a, b = call.parts(x)
    return polar(call, elementwise.exp(a), b)


def _copy_to(call: Call, x: Value, dtype: DType | None = None) -> Value:
    if dtype is None or dtype is x.dtype:
        return x
    if dtype not in COMPLEX:
        call.refuse("a complex tensor cast to real numbers", "take `.real`")
    wide = DType.FLOAT64 if dtype is DType.COMPLEX128 else DType.FLOAT32
    return call.joined(*(call.cast(part, wide) for part in call.parts(x)))


for _names, _rule in (
    (("add.Tensor", "sub.Tensor", "add.Scalar", "sub.Scalar"), _sum),
    (("mul.Tensor", "mul.Scalar"), _mul),
    (("div.Tensor", "div.Scalar"), _div),
    (("eq.Tensor", "ne.Tensor", "eq.Scalar", "ne.Scalar"), _equal),
    (("abs.default",), _abs),
    (("angle.default",), _angle),
    (("exp.default",), _exp),
    (("_to_copy.default",), _copy_to),
):
    operators.complex(*_names)(own(_rule))


@operators.op("complex(Tensor real, Tensor imag) -> Tensor")
def complex_(call: Call, real: Value, imaginary: Value) -> Value:
    """Complex numbers of real and imaginary parts."""
    return call.joined(*call.aligned(real, imaginary))


@operators.op("polar(Tensor abs, Tensor angle) -> Tensor")
def polar(call: Call, size: Value, angle: Value) -> Value:
    """Complex numbers of absolute values and angles."""
    size, angle = call.aligned(size, angle)
    return call.joined(elementwise.mul(size, trigonometry.cos(angle)), elementwise.mul(size, trigonometry.sin(angle)))


@operators.op(
    "view_as_complex(Tensor(a) self) -> Tensor(a)",
    "view_as_complex_copy(Tensor self) -> Tensor",
)
def view_as_complex(call: Call, x: Value) -> Value:
    """[..., 2] as complex numbers [...]."""
    if not x.rank or x.shape[-1] != 2:
        call.invalid(f"a last axis of 2 is needed, got {x.type!r}")
    last = x.rank - 1
    real, imaginary = (
        reshape(slice_(x, axes=(last,), starts=(place,), stops=(place + 1,), steps=(1,)), shape=x.shape[:-1])
        for place in (0, 1)
    )
    return call.joined(real, imaginary)


@operators.put("view_as_complex.default")
def put_complex(call: Call, whole: Value, part: Value) -> Value:
    """The parts of complex numbers in place of what they were read from."""
    return call.paired(part)


@operators.op(
    "view_as_real(Tensor(a) self) -> Tensor(a)",
    "view_as_real_copy(Tensor self) -> Tensor",
)
def view_as_real(call: Call, x: Value) -> Value:
    """Complex numbers [...] as [..., 2]."""
    return call.paired(x)


@operators.op("real(Tensor(a) self) -> Tensor(a)")
def real(call: Call, x: Value) -> Value:
    """The real parts."""
    return call.parts(x)[0] if x.dtype in COMPLEX else x


@operators.op("imag(Tensor(a) self) -> Tensor(a)")
def imag(call: Call, x: Value) -> Value:
    """The imaginary parts."""
    return call.parts(x)[1]


@operators.op(
    "conj(Tensor(a) self) -> Tensor(a)",
    "_conj(Tensor(a) self) -> Tensor(a)",
    "conj_physical(Tensor self) -> Tensor",
    "_conj_physical(Tensor self) -> Tensor",
)
def conj(call: Call, x: Value) -> Value:
    """The numbers with their imaginary parts' signs turned."""
    if x.dtype not in COMPLEX:
        return x
    a, b = call.parts(x)
    return call.joined(a, elementwise.neg(b))


for _name in ("view_as_real.default", "view_as_real_copy.default", "real.default", "imag.default",
              "conj.default", "_conj.default", "conj_physical.default", "_conj_physical.default"):  # fmt: skip
    operators.complex(_name)(lambda handler: handler)
