"""Derivatives of what this room's other files build, as training graphs of AOTAutograd hold them."""

from __future__ import annotations

from collections.abc import Sequence

from xir.autodiff import pullback
from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.cutting import put_diagonal, put_select, put_slice, unfold
from xir.frontends.torch.handlers.scatter import embedding_gradient, index_add, masked_scatter, scatter
from xir.frontends.torch.handlers.sorting import lined
from xir.frontends.torch.handlers.views import with_axis
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops._wide import narrow, wide
from xir.ops.reduce import reduce_sum

operators = Operators("aten")
Sizes = Sequence[Number]


def _zeros(call: Call, like: Value, sizes: Sizes) -> Value:
    return call.filled(0, like.dtype, call.known_shape(sizes))


def _summed(x: Value, axis: int) -> Value:
    return reduce_sum(x, axes=(axis,), keep_dims=True)


@operators.op(
    "_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor",
)
def softmax_gradient(call: Call, dy: Value, y: Value, axis: int, dtype: DType) -> Value:
    """`y * (dy - sum(dy * y))` along an axis, y being the softmax."""
    at = call.axis(axis, y.rank)
    share = elementwise.mul(wide(dy), wide(y))

    def work(line: Value, place: int) -> Value:
        return call.repeated(_summed(line, place), line.shape)

    mean = lined(call, share, at, work)
    return narrow(elementwise.sub(share, elementwise.mul(wide(y), mean)), dtype)


@operators.op(
    "_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor",
)
def log_softmax_gradient(call: Call, dy: Value, y: Value, axis: int, dtype: DType) -> Value:
    """`dy - exp(y) * sum(dy)` along an axis, y being the logarithm of the softmax."""
    total = lined(call, wide(dy), axis, lambda line, place: call.repeated(_summed(line, place), line.shape))
    return narrow(elementwise.sub(wide(dy), elementwise.mul(elementwise.exp(wide(y)), total)), dtype)


@operators.op(
    "slice_backward(Tensor grad_output, SymInt[] input_sizes, int dim, SymInt start, SymInt end, SymInt step) -> "
    "Tensor",
)
def slice_gradient(call: Call, dy: Value, sizes: Sizes, axis: int, start: Number, stop: Number, step: Number) -> Value:
    """The adjoint in place of the slice, 0 elsewhere."""
    return put_slice(call, _zeros(call, dy, sizes), dy, axis, start, stop, step)


@operators.op(
    "select_backward(Tensor grad_output, SymInt[] input_sizes, int dim, SymInt index) -> Tensor",
)
def select_gradient(call: Call, dy: Value, sizes: Sizes, axis: int, index: Number) -> Value:
    """The adjoint at the place, 0 elsewhere."""
    return put_select(call, _zeros(call, dy, sizes), dy, axis, index)


@operators.op(
    "diagonal_backward(Tensor grad_output, SymInt[] input_sizes, int offset, int dim1, int dim2) -> Tensor",
)
def diagonal_gradient(call: Call, dy: Value, sizes: Sizes, offset: int, first: int, second: int) -> Value:
    """The adjoint on the diagonal, 0 elsewhere."""
    return put_diagonal(call, _zeros(call, dy, sizes), dy, offset, first, second)


@operators.op(
    "unfold_backward(Tensor grad_in, SymInt[] input_sizes, int dim, int size, int step) -> Tensor",
)
def unfold_gradient(call: Call, dy: Value, sizes: Sizes, axis: int, length: int, step: int) -> Value:
    """The adjoints of all windows summed."""

    def windows(x: Value) -> Value:
        return unfold(call, x, axis, length, step)

    return pullback(windows, (_zeros(call, dy, sizes),), dy)[0]


@operators.op(
    "index_select_backward(Tensor grad, SymInt[] self_sizes, int dim, Tensor index) -> Tensor",
)
def index_select_gradient(call: Call, dy: Value, sizes: Sizes, axis: int, indices: Value) -> Value:
    """The adjoints added at the places of an axis."""
    return index_add(call, _zeros(call, dy, sizes), axis, indices, dy, 1)


@operators.op(
    "masked_select_backward(Tensor grad, Tensor input, Tensor mask) -> Tensor",
)
def masked_select_gradient(call: Call, dy: Value, x: Value, mask: Value) -> Value:
    """The adjoints where the mask holds, 0 elsewhere."""
    return masked_scatter(call, call.filled(0, dy.dtype, x.shape), mask, dy)


@operators.op(
    "value_selecting_reduction_backward(Tensor grad, int dim, Tensor indices, SymInt[] sizes, bool keepdim) -> Tensor",
)
def selection_gradient(call: Call, dy: Value, axis: int, indices: Value, sizes: Sizes, keep: bool) -> Value:
    """The adjoint at the place that a reduction chose, 0 elsewhere."""
    zeros = _zeros(call, dy, sizes)
    if not keep and zeros.rank:
        at = call.axis(axis, zeros.rank)
        dy, indices = with_axis(dy, at), with_axis(indices, at)
    return scatter(call, zeros, axis, indices, dy)


@operators.op(
    "embedding_backward(Tensor grad, Tensor indices, SymInt num_weights, SymInt padding_idx, bool "
    "scale_grad_by_freq, bool sparse) -> Tensor",
    unused=("sparse",),
)
def rows_gradient(call: Call, dy: Value, indices: Value, count: Number, padding: Number, scaled: bool) -> Value:
    """The gradient of a table of rows."""
    return embedding_gradient(call, dy, indices, count, padding, scaled)


@operators.op(
    "logit_backward(Tensor grad_output, Tensor self, float? eps=None) -> Tensor",
)
def logit_gradient(call: Call, dy: Value, x: Value, epsilon: float | None) -> Value:
    """`dy / (x * (1 - x))`; 0 where x was clamped (aten/src/ATen/native/cpu/BinaryOpsKernel.cpp)."""
    slope = elementwise.div(dy, elementwise.mul(x, elementwise.sub(scalar_like(x, 1), x)))
    if epsilon is None:
        inside = compare.logical_and(
            compare.greater_equal(x, scalar_like(x, 0)), compare.less_equal(x, scalar_like(x, 1))
        )
        return elementwise.select(inside, slope, scalar_like(x, float("nan")))
    low, high = scalar_like(x, epsilon), scalar_like(x, 1 - epsilon)
    inside = compare.logical_and(compare.greater_equal(x, low), compare.less_equal(x, high))
    return elementwise.select(inside, slope, scalar_like(x, 0))
