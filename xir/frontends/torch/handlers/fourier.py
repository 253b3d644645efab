"""Fourier transforms (aten/src/ATen/native/SpectralOps.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from xir.frontends.torch.call import COMPLEX, Call
from xir.frontends.torch.handlers.complex import view_as_complex
from xir.frontends.torch.handlers.joining import roll
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.dims import Dim, floor_divide, product
from xir.ir.node import Value
from xir.ops import elementwise
from xir.ops.shape import pad, reshape
from xir.ops.signal import dft

operators = Operators("aten")

_NONE, _BY_ROOT, _BY_SIZE = range(3)
"""fft_norm_mode: sums as they are, divided by the root of their length, or by it."""

Sizes = tuple[Number, ...] | None


def _transformed(call: Call, x: Value, axis: int, size: Dim, inverse: bool, onesided: bool) -> Value:
    """The transform of [..., 1 or 2] along one axis, without any division."""
    y = dft(x, axis=axis, size=size, inverse=inverse, onesided=onesided)
    return elementwise.mul(y, call.filled(size, y.dtype, y.shape)) if inverse else y


def _normed(call: Call, x: Value, count: Dim, mode: int) -> Value:
    if mode == _NONE:
        return x
    if not isinstance(count, int):
        divisor = call.repeated(call.scalar(count, x.dtype), x.shape)
        return elementwise.div(x, elementwise.sqrt(divisor) if mode == _BY_ROOT else divisor)
    return elementwise.mul(x, call.filled(1 / (sqrt(count) if mode == _BY_ROOT else count), x.dtype, x.shape))


@operators.op("_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor")
def real_to_complex(call: Call, x: Value, axes: Sequence[int], mode: int, onesided: bool) -> Value:
    """The transform of real numbers along some axes; the last one of them keeps its first half where `onesided`."""
    *others, last = [call.axis(axis, x.rank) for axis in axes]
    y = reshape(x, shape=(*x.shape, 1))
    y = _transformed(call, y, last, x.shape[last], False, onesided)
    for axis in others:
        y = _transformed(call, y, axis, x.shape[axis], False, False)
    return view_as_complex(call, _normed(call, y, product(tuple(x.shape[axis] for axis in (*others, last))), mode))


@operators.op("_fft_c2r(Tensor self, int[] dim, int normalization, SymInt last_dim_size) -> Tensor")
def complex_to_real(call: Call, x: Value, axes: Sequence[int], mode: int, size: Dim) -> Value:
    """The backward transform to real numbers, of whose last axis the first half is given."""
    *others, last = [call.axis(axis, x.rank) for axis in axes]
    y = call.paired(x)
    for axis in others:
        y = _transformed(call, y, axis, x.shape[axis], True, False)
    y = _transformed(call, y, last, size, True, True)
    y = _normed(call, y, product((*(x.shape[axis] for axis in others), size)), mode)
    return reshape(y, shape=y.shape[:-1])


@operators.op("_fft_c2c(Tensor self, SymInt[] dim, int normalization, bool forward) -> Tensor")
def complex_to_complex(call: Call, x: Value, axes: Sequence[int], mode: int, forward: bool) -> Value:
    """The forward or backward transform of complex numbers along some axes."""
    places = [call.axis(axis, x.rank) for axis in axes]
    y = call.paired(x)
    for axis in places:
        y = _transformed(call, y, axis, x.shape[axis], not forward, False)
    return view_as_complex(call, _normed(call, y, product(tuple(x.shape[axis] for axis in places)), mode))


def norm_mode(call: Call, norm: str | None, forward: bool) -> int:
    """What a name of a norm means for a direction (`norm_from_string`)."""
    if norm not in (None, "backward", "forward", "ortho"):
        call.invalid(f"norm {norm!r}, expected 'backward', 'forward' or 'ortho'")
    if norm == "ortho":
        return _BY_ROOT
    return _BY_SIZE if (norm == "forward") is forward else _NONE


def _resized(call: Call, x: Value, axes: Sequence[int], sizes: Sequence[Dim]) -> Value:
    """The axes cut or filled with zeros to sizes (`resize_fft_input`)."""
    amounts = (
        [(0, 0)] * x.rank
        if not axes
        else [(0, sizes[list(axes).index(axis)] - size if axis in axes else 0) for axis, size in enumerate(x.shape)]
    )
    if all(amount == 0 for _, amount in amounts):
        return x
    if x.dtype in COMPLEX:
        return call.joined(*(pad(part, padding=tuple(amounts)) for part in call.parts(x)))
    return pad(x, padding=tuple(amounts))


def _as_complex(call: Call, x: Value) -> Value:
    if x.dtype in COMPLEX:
        return x
    x = call.real(x)
    return call.joined(x, call.filled(0, x.dtype, x.shape))


def _axes(call: Call, x: Value, sizes: Sizes, axes: Sequence[int] | None) -> tuple[list[int], list[Dim]]:
    """The axes of a transform, and their sizes before it (`canonicalize_fft_shape_and_dim_args`)."""
    if axes is not None:
        places = [call.axis(axis, x.rank) for axis in axes]
    else:
        places = list(range(x.rank)) if sizes is None else list(range(x.rank - len(sizes), x.rank))
    if len(set(places)) != len(places) or (sizes is not None and len(sizes) != len(places)):
        call.invalid(f"axes {places} do not go with sizes {sizes}")
    given = call.known_shape(sizes) if sizes is not None else (-1,) * len(places)
    return places, [x.shape[axis] if size == -1 else size for axis, size in zip(places, given, strict=True)]


_LINE = "(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor"
_PLANE = "(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor"
_SPACE = "(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor"


def _lists(sizes: Number | Sizes, axes: int | Sequence[int] | None) -> tuple[Sizes, Sequence[int] | None]:
    """The arguments of a transform along one axis as those of one along several."""
    return (
        sizes if sizes is None or isinstance(sizes, tuple) else (sizes,),
        [axes] if isinstance(axes, int) else axes,
    )


@operators.op(f"fft_fft{_LINE}", f"fft_ifft{_LINE}")
@operators.op(f"fft_fft2{_PLANE}", f"fft_ifft2{_PLANE}", f"fft_fftn{_SPACE}", f"fft_ifftn{_SPACE}")
def fft(call: Call, x: Value, sizes: Number | Sizes, axes: int | Sequence[int] | None, norm: str | None) -> Value:
    """torch.fft.fft, ifft and their variants along several axes."""
    forward = call.kind.startswith("aten.fft_fft")
    places, lengths = _axes(call, x, *_lists(sizes, axes))
    given = _resized(call, _as_complex(call, x), places, lengths)
    return complex_to_complex(call, given, places, norm_mode(call, norm, forward), forward) if places else given


@operators.op(f"fft_rfft{_LINE}", f"fft_rfft2{_PLANE}", f"fft_rfftn{_SPACE}")
@operators.op(f"fft_ihfft{_LINE}", f"fft_ihfft2{_PLANE}", f"fft_ihfftn{_SPACE}")
def rfft(call: Call, x: Value, sizes: Number | Sizes, axes: int | Sequence[int] | None, norm: str | None) -> Value:
    """torch.fft.rfft and its variants; ihfft, whose result is conjugated."""
    forward = call.kind.startswith("aten.fft_rfft")
    x = call.real(x)
    places, lengths = _axes(call, x, *_lists(sizes, axes))
    y = real_to_complex(call, _resized(call, x, places, lengths), places, norm_mode(call, norm, forward), True)
    if forward:
        return y
    a, b = call.parts(y)
    return call.joined(a, elementwise.neg(b))


@operators.op(f"fft_irfft{_LINE}", f"fft_irfft2{_PLANE}", f"fft_irfftn{_SPACE}")
@operators.op(f"fft_hfft{_LINE}", f"fft_hfft2{_PLANE}", f"fft_hfftn{_SPACE}")
def irfft(call: Call, x: Value, sizes: Number | Sizes, axes: int | Sequence[int] | None, norm: str | None) -> Value:
    """torch.fft.irfft and its variants; hfft, whose operand is conjugated. Without a size the last one is even."""
    forward = call.kind.startswith("aten.fft_hfft")
    x = _as_complex(call, x)
    wanted, along = _lists(sizes, axes)
    places, lengths = _axes(call, x, wanted, along)
    last = 2 * (x.shape[places[-1]] - 1) if wanted is None or wanted[-1] == -1 else lengths[-1]
    x = _resized(call, x, places, [*lengths[:-1], floor_divide(last, 2) + 1])
    if forward:
        a, b = call.parts(x)
        x = call.joined(a, elementwise.neg(b))
    return complex_to_real(call, x, places, norm_mode(call, norm, forward), last)


for _operator in (
    "fft",
    "ifft",
    "fft2",
    "ifft2",
    "fftn",
    "ifftn",
    "irfft",
    "irfft2",
    "irfftn",
    "hfft",
    "hfft2",
    "hfftn",
):
    operators.complex(f"fft_{_operator}.default")(lambda handler: handler)
operators.complex("_fft_c2r.default", "_fft_c2c.default")(lambda handler: handler)


@operators.op(
    "fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor",
    "fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor",
)
def shifted(call: Call, x: Value, axes: Sequence[int] | None) -> Value:
    """The frequency 0 moved to the middle, or back."""
    places = call.axes(axes, x.rank)
    lengths = [call.known_integer(x.shape[axis], "a size") for axis in places]
    back = call.kind.startswith("aten.fft_i")
    return roll(call, x, [(length + 1) // 2 if back else length // 2 for length in lengths], places)
