"""Sums of products over labelled axes."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, product
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_same_dtype, require_size
from xir.ops._define import op
from xir.ops._equation import Equation, parse
from xir.ops._numeric import require_number
from xir.ops._wide import narrow, wide
from xir.ops._windows import widened
from xir.ops.elementwise import cast, mul
from xir.ops.index import gather_nd
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, concat, iota, reshape, transpose


@op
def einsum(*values: Value, equation: str) -> TensorType:
    """The sum, over all labels that the result does not name, of the products of the operands (ONNX Einsum).

    values: one or more tensors of one number type; `equation`: a term of labels for each, as `ij,jk->ik`; axes with one
    label go together, a label that stands twice in one term takes the diagonal, `...` stands for leading axes that
    broadcast; result: the axes that the equation names. Narrow floats are summed in f32.
    """
    if not values:
        raise InvalidModelError("at least one operand is needed, got none")
    require_number(*values)
    require_same_dtype(*values)
    parsed = parse(equation, tuple(value.rank for value in values))
    sizes = _sizes(parsed, [value.shape for value in values])
    return TensorType(values[0].dtype, tuple(sizes[label] for label in parsed.result))


def _sizes(equation: Equation, shapes: Sequence[Shape]) -> dict[str, Dim]:
    """The size of each label; sizes of 1 broadcast where the label is of an ellipsis."""
    sizes: dict[str, Dim] = {}
    for term, shape in zip(equation.terms, shapes, strict=True):
        for label, size in zip(term, shape, strict=True):
            held = sizes.setdefault(label, size)
            if label[0] == "." and 1 in (held, size):
                sizes[label] = size if held == 1 else held
                continue
            require_size(size, held, f"the size of label {label!r}")
            sizes[label] = held if isinstance(held, int) else size
    return sizes


@einsum.reference
def _einsum_reference(*values: Array, equation: str) -> Array:
    parsed = parse(equation, tuple(value.ndim for value in values))
    _sizes(parsed, [value.shape for value in values])
    numbers = {label: index for index, label in enumerate(dict.fromkeys(label for t in parsed.terms for label in t))}
    operands: list[object] = []
    for value, term in zip(values, parsed.terms, strict=True):
        operands += [widened(value), [numbers[label] for label in term]]
    summed = typing.cast("Callable[..., Array]", np.einsum)  # its stubs do not know operands between lists of labels
    return np.asarray(summed(*operands, [numbers[label] for label in parsed.result])).astype(values[0].dtype)


@dataclass(frozen=True, slots=True)
class _Part:
    """A tensor whose axes have labels, each once."""

    value: Value
    labels: tuple[str, ...]

    def size(self, label: str) -> Dim:
        """The size of the axis with the label."""
        return self.value.shape[self.labels.index(label)]

    def ordered(self, labels: Sequence[str]) -> Value:
        """The tensor with its axes in this order."""
        perm = tuple(self.labels.index(label) for label in labels)
        return self.value if perm == tuple(range(len(perm))) else transpose(self.value, perm=perm)

    def summed(self, kept: set[str]) -> _Part:
        """The sum over all labels but those of `kept`."""
        axes = tuple(axis for axis, label in enumerate(self.labels) if label not in kept)
        if not axes:
            return self
        labels = tuple(label for label in self.labels if label in kept)
        return _Part(reduce_sum(self.value, axes=axes, keep_dims=False), labels)


@einsum.decompose
def _einsum_decompose(*values: Value, equation: str) -> Value:
    """One operand after another is multiplied in; a label goes as soon as no later operand and no result has it."""
    parsed = parse(equation, tuple(value.rank for value in values))
    sizes = _sizes(parsed, [value.shape for value in values])
    dtype = values[0].dtype
    parts = [
        _spread(_diagonal(_multipliable(value), term), sizes) for value, term in zip(values, parsed.terms, strict=True)
    ]
    held = parts[0]
    for index, part in enumerate(parts[1:], 1):
        later = {label for each in parts[index + 1 :] for label in each.labels} | set(parsed.result)
        held = _product(held.summed(later | set(part.labels)), part.summed(later | set(held.labels)), later)
    return narrow(held.summed(set(parsed.result)).ordered(parsed.result), dtype)


def _multipliable(x: Value) -> Value:
    """`x` in a type that matrix products take: f32 for narrower floats, 64 bits for integers of 8 and 16."""
    if x.dtype.is_floating or x.dtype.bits >= 32:
        return wide(x)
    return cast(x, dtype=DType.INT64 if x.dtype.is_signed else DType.UINT64)


def _diagonal(x: Value, term: tuple[str, ...]) -> _Part:
    """`x` with each label once: where one stands twice, the elements whose coordinates there are equal."""
    labels = tuple(dict.fromkeys(term))
    for label in labels:
        axes = [axis for axis, each in enumerate(term) if each == label]
        if len(axes) > 1:
            others = [axis for axis in range(len(term)) if axis not in axes]
            moved = transpose(x, perm=(*axes, *others))
            index = iota(shape=(x.shape[axes[0]], 1), axis=0, dtype=DType.INT64)
            x = gather_nd(moved, concat(*[index] * len(axes), axis=1))
            term = (label, *(term[axis] for axis in others))
    return _Part(_Part(x, term).ordered(labels), labels)


def _spread(part: _Part, sizes: dict[str, Dim]) -> _Part:
    """The part with its axes of size 1 repeated to the size that their label has elsewhere."""
    shape = tuple(sizes[label] for label in part.labels)
    if all(have != 1 or want == 1 for have, want in zip(part.value.shape, shape, strict=True)):
        return part
    return _Part(broadcast(part.value, shape=shape), part.labels)


def _product(left: _Part, right: _Part, later: set[str]) -> _Part:
    """The product of two parts, summed over the labels that both have and nothing later has: a matrix product."""
    shared = [label for label in left.labels if label in right.labels]
    batch = [label for label in shared if label in later]
    inner = [label for label in shared if label not in later]
    rows = [label for label in left.labels if label not in shared]
    columns = [label for label in right.labels if label not in shared]
    outer = tuple(left.size(label) for label in batch)
    m, n = tuple(left.size(label) for label in rows), tuple(right.size(label) for label in columns)
    a, b = left.ordered([*batch, *rows, *inner]), right.ordered([*batch, *inner, *columns])
    labels = (*batch, *rows, *columns)
    if not inner:
        full = (*outer, *m, *n)
        a = broadcast(reshape(a, shape=(*outer, *m, *(1,) * len(n))), shape=full)
        b = broadcast(reshape(b, shape=(*outer, *(1,) * len(m), *n)), shape=full)
        return _Part(mul(a, b), labels)
    depth = product(tuple(left.size(label) for label in inner))
    result = matmul(
        reshape(a, shape=(*outer, product(m), depth)),
        reshape(b, shape=(*outer, depth, product(n))),
    )
    return _Part(reshape(result, shape=(*outer, *m, *n)), labels)
