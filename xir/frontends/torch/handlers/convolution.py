"""Convolutions (torch.nn.functional.conv1d to conv_transpose3d; aten/src/ATen/native/Convolution.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xir.autodiff import pullback
from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.conv import conv, conv_transpose
from xir.ops.reduce import reduce_sum
from xir.ops.shape import reshape, transpose

operators = Operators("aten")

Sizes = Sequence[Dim]


@dataclass(frozen=True, slots=True)
class _Window:
    """How the weights go over the image, in PyTorch's words: numbers for each spatial axis, or one for all of them.

    Attributes:
        stride: how far they move.
        padding: how many cells lie before and after the image, or "valid" (none), or "same".
        dilation: how far the elements that they cover lie apart.
        groups: in how many groups of channels.
        output_padding: of a transposed convolution: how many cells lie after the result.
        transposed: whether it is transposed.
    """

    stride: Sizes
    padding: Sizes | str
    dilation: Sizes
    groups: Dim
    output_padding: Sizes = (0,)
    transposed: bool = False

    def pairs(self, call: Call, w: Value) -> tuple[tuple[int, int], ...]:
        """The padding before and after each axis: `same` is for strides of 1, the odd cell lies after the image.

        (`_convolution_same` of Convolution.cpp.)
        """
        spatial = w.rank - 2
        if not isinstance(self.padding, str):
            return tuple((cells, cells) for cells in _each(call, self.padding, spatial, "padding"))
        if self.padding not in ("valid", "same"):
            call.invalid(f"padding {self.padding!r}, expected 'valid' or 'same'")
        if self.padding == "valid":
            return ((0, 0),) * spatial
        strides = _each(call, self.stride, spatial, "stride")
        if set(strides) != {1}:
            call.invalid(f"padding='same' is for strides of 1, got {list(strides)}")
        sizes = [call.known_integer(size, "the window") for size in w.shape[2:]]
        gaps = _each(call, self.dilation, spatial, "dilation")
        reach = [gap * (size - 1) for gap, size in zip(gaps, sizes, strict=True)]
        return tuple((cells // 2, cells - cells // 2) for cells in reach)


def _each(call: Call, given: Sizes, count: int, what: str) -> tuple[int, ...]:
    """A number for each spatial axis; one number stands for all of them."""
    numbers = tuple(call.known_integer(size, what) for size in given)
    if len(numbers) == 1:
        numbers *= count
    if len(numbers) != count:
        call.invalid(f"{what} has {len(numbers)} numbers for {count} spatial axes")
    return numbers


def _convolved(call: Call, x: Value, w: Value, bias: Value | None, window: _Window) -> Value:
    """The convolution, transposed or not, of a batch, or of one image alone (rank one less)."""
    spatial = w.rank - 2
    if spatial < 1 or x.rank not in (w.rank, w.rank - 1):
        call.invalid(f"weights {w.type!r} do not go with {x.type!r}")
    batch = x if x.rank == w.rank else reshape(x, shape=(1, *x.shape))
    padding = window.pairs(call, w)
    strides = _each(call, window.stride, spatial, "stride")
    dilation = _each(call, window.dilation, spatial, "dilation")
    groups = call.known_integer(window.groups, "groups")
    if window.transposed:
        after = _each(call, window.output_padding, spatial, "output_padding")
        y = conv_transpose(
            batch, w, bias, strides=strides, padding=padding, dilation=dilation, output_padding=after, groups=groups
        )
    else:
        dense = (1,) * spatial
        y = conv(
            batch, w, bias, strides=strides, padding=padding, dilation=dilation, input_dilation=dense, groups=groups
        )
    return y if y.rank == x.rank else reshape(y, shape=y.shape[1:])


@operators.op(
    "conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], SymInt[1] padding=[0],"
    " SymInt[1] dilation=[1], SymInt groups=1) -> Tensor",
    "conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0],"
    " SymInt[2] dilation=[1, 1], SymInt groups=1) -> Tensor",
    "conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0],"
    " SymInt[3] dilation=[1, 1, 1], SymInt groups=1) -> Tensor",
    "conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], str padding='valid',"
    " SymInt[1] dilation=[1], SymInt groups=1) -> Tensor",
    "conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], str padding='valid',"
    " SymInt[2] dilation=[1, 1], SymInt groups=1) -> Tensor",
    "_convolution_mode(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, str padding, SymInt[] dilation,"
    " SymInt groups) -> Tensor",
    "conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], str padding='valid',"
    " SymInt[3] dilation=[1, 1, 1], SymInt groups=1) -> Tensor",
    records=(_Window,),
)
def convolution(call: Call, x: Value, w: Value, bias: Value | None, window: _Window) -> Value:
    """conv1d, conv2d, conv3d."""
    return _convolved(call, x, w, bias, window)


@operators.op(
    "conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], SymInt[1] padding=[0],"
    " SymInt[1] output_padding=[0], SymInt groups=1, SymInt[1] dilation=[1]) -> Tensor",
    "conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1],"
    " SymInt[2] padding=[0, 0], SymInt[2] output_padding=[0, 0], SymInt groups=1, SymInt[2] dilation=[1, 1])"
    " -> Tensor",
    "conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1],"
    " SymInt[3] padding=[0, 0, 0], SymInt[3] output_padding=[0, 0, 0], SymInt groups=1,"
    " SymInt[3] dilation=[1, 1, 1]) -> Tensor",
    records=(_Window,),
)
def convolution_transposed(call: Call, x: Value, w: Value, bias: Value | None, window: _Window) -> Value:
    """conv_transpose1d, conv_transpose2d, conv_transpose3d."""
    return _convolved(call, x, w, bias, replace(window, transposed=True))


@operators.op(
    "convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation,"
    " bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor",
    "_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation,"
    " bool transposed, SymInt[] output_padding, SymInt groups, bool benchmark, bool deterministic,"
    " bool cudnn_enabled, bool allow_tf32) -> Tensor",
    "_convolution.deprecated(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding,"
    " SymInt[] dilation, bool transposed, int[] output_padding, SymInt groups, bool benchmark, bool deterministic,"
    " bool cudnn_enabled) -> Tensor",
    records=(_Window,),
)
def general(call: Call, x: Value, w: Value, bias: Value | None, window: _Window) -> Value:
    """Any convolution; that of integers is computed in f64, exact as long as sums stay below 2**53."""
    if not x.dtype.is_integer:
        return _convolved(call, x, w, bias, window)
    wide, weights = call.cast(x, DType.FLOAT64), call.cast(w, DType.FLOAT64)
    addend = None if bias is None else call.cast(bias, DType.FLOAT64)
    return call.cast(_convolved(call, wide, weights, addend, window), x.dtype)


@operators.op(
    "convolution_backward(Tensor grad_output, Tensor input, Tensor weight, SymInt[]? bias_sizes, SymInt[] stride,"
    " SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups,"
    " bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
    records=(_Window,),
    unused=("bias_sizes",),
)
def backward(
    call: Call, dy: Value, x: Value, w: Value, window: _Window, wanted: Sequence[bool]
) -> tuple[Value | None, ...]:
    """The derivatives by the image, the weights and the bias; None for those that are not wanted."""

    def build(image: Value, weights: Value) -> Value:
        return general(call, image, weights, None, window)

    dx, dw = pullback(build, (x, w), dy)
    db = reduce_sum(dy, axes=(0, *range(2, dy.rank)), keep_dims=False) if wanted[2] else None
    return dx if wanted[0] else None, dw if wanted[1] else None, db


@operators.op("conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor")
def convolution_time_first(call: Call, x: Value, w: Value, bias: Value, padding: int) -> Value:
    """conv1d of [T, N, C] with weights [window, C, O]."""
    turned = transpose(x, perm=(1, 2, 0)), transpose(w, perm=(2, 1, 0))
    y = _convolved(call, *turned, bias, _Window((1,), (padding,), (1,), 1))
    return transpose(y, perm=(2, 0, 1))
