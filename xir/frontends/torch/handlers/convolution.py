"""Convolutions (torch.nn.functional.conv1d to conv_transpose3d; aten/src/ATen/native/Convolution.cpp)."""

from __future__ import annotations

from collections.abc import Sequence

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


def _each(call: Call, given: Sizes, count: int, what: str) -> tuple[int, ...]:
    """A number for each spatial axis; one number stands for all of them."""
    numbers = tuple(call.known_integer(size, what) for size in given)
    if len(numbers) == 1:
        numbers *= count
    if len(numbers) != count:
        call.invalid(f"{what} has {len(numbers)} numbers for {count} spatial axes")
    return numbers


def _batched(x: Value, w: Value) -> Value:
    """An image without a batch axis as a batch of one."""
    return x if x.rank == w.rank else reshape(x, shape=(1, *x.shape))


def _unbatched(y: Value, x: Value) -> Value:
    return y if y.rank == x.rank else reshape(y, shape=y.shape[1:])


def convolved(
    call: Call, x: Value, w: Value, bias: Value | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Value:
    """The convolution of a batch, or of one image alone (rank one less)."""
    spatial = w.rank - 2
    if spatial < 1 or x.rank not in (w.rank, w.rank - 1):
        call.invalid(f"weights {w.type!r} do not go with {x.type!r}")
    pads = _each(call, padding, spatial, "padding")
    y = conv(
        _batched(x, w),
        w,
        bias,
        strides=_each(call, stride, spatial, "stride"),
        padding=tuple((pad, pad) for pad in pads),
        dilation=_each(call, dilation, spatial, "dilation"),
        input_dilation=(1,) * spatial,
        groups=groups,
    )
    return _unbatched(y, x)


def transposed(
    call: Call,
    x: Value,
    w: Value,
    bias: Value | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Value:
    """The transposed convolution of a batch, or of one image alone."""
    spatial = w.rank - 2
    if spatial < 1 or x.rank not in (w.rank, w.rank - 1):
        call.invalid(f"weights {w.type!r} do not go with {x.type!r}")
    pads = _each(call, padding, spatial, "padding")
    y = conv_transpose(
        _batched(x, w),
        w,
        bias,
        strides=_each(call, stride, spatial, "stride"),
        padding=tuple((pad, pad) for pad in pads),
        dilation=_each(call, dilation, spatial, "dilation"),
        output_padding=_each(call, output_padding, spatial, "output_padding"),
        groups=groups,
    )
    return _unbatched(y, x)


@operators.op(
    "conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], SymInt[1] padding=[0],"
    " SymInt[1] dilation=[1], SymInt groups=1) -> Tensor",
    "conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0],"
    " SymInt[2] dilation=[1, 1], SymInt groups=1) -> Tensor",
    "conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0],"
    " SymInt[3] dilation=[1, 1, 1], SymInt groups=1) -> Tensor",
)
def convolution(
    call: Call, x: Value, w: Value, bias: Value | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: Dim
) -> Value:
    """conv1d, conv2d, conv3d."""
    return convolved(call, x, w, bias, stride, padding, dilation, call.known_integer(groups, "groups"))


@operators.op(
    "conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], str padding='valid',"
    " SymInt[1] dilation=[1], SymInt groups=1) -> Tensor",
    "conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], str padding='valid',"
    " SymInt[2] dilation=[1, 1], SymInt groups=1) -> Tensor",
    "_convolution_mode(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, str padding, SymInt[] dilation,"
    " SymInt groups) -> Tensor",
    "conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], str padding='valid',"
    " SymInt[3] dilation=[1, 1, 1], SymInt groups=1) -> Tensor",
)
def convolution_by_name(
    call: Call, x: Value, w: Value, bias: Value | None, stride: Sizes, padding: str, dilation: Sizes, groups: Dim
) -> Value:
    """Padding by name: `same` is for strides of 1, the odd cell after the image (`_convolution_same`)."""
    spatial = w.rank - 2
    gaps = _each(call, dilation, spatial, "dilation")
    steps = _each(call, stride, spatial, "stride")
    if padding not in ("valid", "same"):
        call.invalid(f"padding {padding!r}, expected 'valid' or 'same'")
    pairs = ((0, 0),) * spatial
    if padding == "same":
        if set(steps) != {1}:
            call.invalid(f"padding='same' is for strides of 1, got {list(steps)}")
        window = (call.known_integer(size, "the window") for size in w.shape[2:])
        reach = [gap * (size - 1) for gap, size in zip(gaps, window, strict=True)]
        pairs = tuple((each // 2, each - each // 2) for each in reach)
    y = conv(
        _batched(x, w),
        w,
        bias,
        strides=steps,
        padding=pairs,
        dilation=gaps,
        input_dilation=(1,) * spatial,
        groups=call.known_integer(groups, "groups"),
    )
    return _unbatched(y, x)


@operators.op(
    "conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], SymInt[1] padding=[0],"
    " SymInt[1] output_padding=[0], SymInt groups=1, SymInt[1] dilation=[1]) -> Tensor",
    "conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1],"
    " SymInt[2] padding=[0, 0], SymInt[2] output_padding=[0, 0], SymInt groups=1, SymInt[2] dilation=[1, 1])"
    " -> Tensor",
    "conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1],"
    " SymInt[3] padding=[0, 0, 0], SymInt[3] output_padding=[0, 0, 0], SymInt groups=1,"
    " SymInt[3] dilation=[1, 1, 1]) -> Tensor",
)
def convolution_transposed(
    call: Call,
    x: Value,
    w: Value,
    bias: Value | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: Dim,
    dilation: Sizes,
) -> Value:
    """conv_transpose1d, conv_transpose2d, conv_transpose3d."""
    count = call.known_integer(groups, "groups")
    return transposed(call, x, w, bias, stride, padding, output_padding, count, dilation)


@operators.op(
    "convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation,"
    " bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor",
    "_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation,"
    " bool transposed, SymInt[] output_padding, SymInt groups, bool benchmark, bool deterministic,"
    " bool cudnn_enabled, bool allow_tf32) -> Tensor",
    "_convolution.deprecated(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding,"
    " SymInt[] dilation, bool transposed, int[] output_padding, SymInt groups, bool benchmark, bool deterministic,"
    " bool cudnn_enabled) -> Tensor",
)
def general(
    call: Call,
    x: Value,
    w: Value,
    bias: Value | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    is_transposed: bool,
    output_padding: Sizes,
    groups: Dim,
    *settings: bool,
) -> Value:
    """Any convolution; settings of libraries that may compute it change no element."""
    count, dtype = call.known_integer(groups, "groups"), x.dtype
    if dtype.is_integer:  # exact as long as sums stay below 2**53
        x, w = call.cast(x, DType.FLOAT64), call.cast(w, DType.FLOAT64)
        bias = None if bias is None else call.cast(bias, DType.FLOAT64)
    if is_transposed:
        y = transposed(call, x, w, bias, stride, padding, output_padding, count, dilation)
    else:
        y = convolved(call, x, w, bias, stride, padding, dilation, count)
    return call.cast(y, dtype)


@operators.op(
    "convolution_backward(Tensor grad_output, Tensor input, Tensor weight, SymInt[]? bias_sizes, SymInt[] stride,"
    " SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups,"
    " bool[3] output_mask) -> (Tensor, Tensor, Tensor)"
)
def backward(
    call: Call,
    dy: Value,
    x: Value,
    w: Value,
    bias_sizes: Sizes | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    is_transposed: bool,
    output_padding: Sizes,
    groups: Dim,
    wanted: Sequence[bool],
) -> tuple[Value | None, ...]:
    """The derivatives by the image, the weights and the bias; None for those that are not wanted."""

    def build(image: Value, weights: Value) -> Value:
        given = (stride, padding, dilation, is_transposed, output_padding, groups)
        return general(call, image, weights, None, *given)

    dx, dw = pullback(build, (x, w), dy)
    db = reduce_sum(dy, axes=(0, *range(2, dy.rank)), keep_dims=False) if wanted[2] else None
    return dx if wanted[0] else None, dw if wanted[1] else None, db


@operators.op("conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor")
def convolution_time_first(call: Call, x: Value, w: Value, bias: Value, padding: int) -> Value:
    """conv1d of [T, N, C] with weights [window, C, O]."""
    turned = transpose(x, perm=(1, 2, 0)), transpose(w, perm=(2, 1, 0))
    return transpose(convolved(call, *turned, bias, (1,), (padding,), (1,), 1), perm=(2, 0, 1))
