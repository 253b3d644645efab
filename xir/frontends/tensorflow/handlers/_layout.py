"""Images with the channels last, as TensorFlow has them, and first, as the graph has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xir.frontends.tensorflow._site import Site
from xir.ir.dims import Dim, ceil_divide, floor_divide, maximum
from xir.ir.node import Value
from xir.ops.shape import transpose

FORMATS = ("NHWC", "NCHW", "NDHWC", "NCDHW", "NWC", "NCW")
"""What `data_format` may be."""


def is_last(site: Site) -> bool:
    """Whether the channels are the last axis."""
    return site.choice("data_format", *FORMATS).endswith("C")


def first(x: Value, last: bool) -> Value:
    """`x` with the channels as axis 1; `last` says whether they are the last axis."""
    return transpose(x, perm=(0, x.rank - 1, *range(1, x.rank - 1))) if last else x


def back(x: Value, last: bool) -> Value:
    """`x` with the channels as the last axis where they were."""
    return transpose(x, perm=(0, *range(2, x.rank), 1)) if last else x


def spatial(site: Site, numbers: Sequence[int], last: bool) -> tuple[int, ...]:
    """The numbers of the spatial axes among those of all axes; the others must be 1."""
    own = tuple(numbers[1:-1]) if last else tuple(numbers[2:])
    rest = (numbers[0], numbers[-1]) if last else tuple(numbers[:2])
    if any(number != 1 for number in rest):
        site.refuse(f"windows or steps {list(numbers)} along examples or channels")
    return own


@dataclass(frozen=True, slots=True)
class Window:
    """A window that goes over an image [N, C, spatial...], with a number for each spatial axis.

    Attributes:
        extents: how many elements it covers.
        strides: how far it moves.
        dilation: how far the elements that it covers lie apart.
        last: whether the channels are the last axis in the file.
    """

    extents: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    last: bool

    def padding(self, site: Site, sizes: Sequence[Dim]) -> tuple[tuple[Dim, Dim], ...]:
        """The padding of SAME, VALID and EXPLICIT (tensorflow/core/framework/kernel_shape_util.cc).

        SAME: ceil(size / stride) windows, the odd element of padding at the end.
        """
        site.ignore("explicit_paddings")
        kind = site.choice("padding", "SAME", "VALID", "EXPLICIT")
        if kind == "VALID":
            return ((0, 0),) * len(sizes)
        if kind == "EXPLICIT":
            amounts = site.integers("explicit_paddings")
            pairs = [(amounts[2 * axis], amounts[2 * axis + 1]) for axis in range(len(amounts) // 2)]
            return tuple(pairs[1:-1] if self.last else pairs[2:])
        axes = zip(sizes, self.extents, self.strides, self.dilation, strict=True)
        return tuple(same(size, *numbers) for size, *numbers in axes)


def pool_window(site: Site, extents: Sequence[int], strides: Sequence[int], last: bool) -> Window:
    """The window of a pooling, of numbers for all axes."""
    own = spatial(site, extents, last)
    return Window(own, spatial(site, strides, last), (1,) * len(own), last)


def same(size: Dim, window: int, stride: int, dilation: int) -> tuple[Dim, Dim]:
    """The padding of SAME along one axis."""
    total = maximum((ceil_divide(size, stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    before = floor_divide(total, 2)
    return before, total - before
